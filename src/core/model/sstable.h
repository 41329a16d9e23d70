/*
 * src/core/model/sstable.h
 *	  Reads the sorted table in which TensorFlow keeps a checkpoint's index.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_SSTABLE_H
#define SP_SSTABLE_H

#include "core/io/spool.h"
#include "core/model/crc32c.h"
#include "core/model/wire.h"

/* Longest key: a tensor's name.  TensorFlow's keys of slices are longer. */
#define SP_SSTABLE_MAX_KEY 512

/* Bytes at the end of every table: two handles, padding, the magic number. */
#define SP_SSTABLE_FOOTER 48

/* One entry; key is ended by a NUL that key_length does not count. */
typedef SpStatus (*SpSstableVisit)(void *context, const char *key, size_t key_length, SpWire value,
                                   SpFault *fault);

/*
 * Every entry of the table in file, in the order of its keys, each key once.
 * All blocks are verified by their checksums; damage anywhere is
 * SP_ERR_BAD_DATA, a compressed block SP_ERR_UNSUPPORTED, a block beyond
 * 16 MiB SP_ERR_TOO_LARGE.  Whatever visit returns but SP_OK ends the walk.
 */
SpStatus sp_sstable_each(const SpEnv *env, const SpCrc32c *crc, SpSpool *file, SpSstableVisit visit,
                         void *context, SpFault *fault);

/* Do the last 8 bytes of a file say that it is such a table? */
bool sp_sstable_is(SpSpool *file);

#endif /* SP_SSTABLE_H */
