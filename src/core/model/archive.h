/*
 * src/core/model/archive.h
 *	  Unpacks .tar.gz, .tar and .zip into spools.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_ARCHIVE_H
#define SP_ARCHIVE_H

#include "core/model/weights_internal.h"

/* Members of any kind, and bytes of a member's name. */
#define SP_ARCHIVE_MAX_MEMBERS 4096
#define SP_ARCHIVE_MAX_NAME    1024

/* What kind of archive the first n bytes of a file promise; 0: none. */
typedef enum SpArchiveKind
{
	SP_ARCHIVE_NONE = 0,
	SP_ARCHIVE_TAR,
	SP_ARCHIVE_TAR_GZ,
	SP_ARCHIVE_ZIP
} SpArchiveKind;

SpArchiveKind sp_archive_sniff(const char *head, size_t n);

/*
 * Unpack w's file.  Files of a checkpoint go into set, by the names that they
 * have in the archive; arrays (x.npy) go into a store of w, and are added to
 * its tensors as x.  Everything else is read and forgotten.
 *
 * SP_ERR_TOO_LARGE when more bytes come out than w's limits allow, or more
 * members than SP_ARCHIVE_MAX_MEMBERS; SP_ERR_BAD_DATA for damage, for names
 * that lead elsewhere (absolute, ..) and for links and devices.
 */
SpStatus sp_archive_unpack(SpWeights *w, SpArchiveKind kind, SpFileSet *set, SpFault *fault);

/* Names of a zip's members, in whatever order. */
typedef struct SpZipNames
{
	uint64_t count;
	uint64_t sum; /* of their checksums */
} SpZipNames;

void sp_zip_count(const SpCrc32c *crc, SpZipNames *names, const char *name, size_t length);

/* Does the directory at the end of file name exactly what was seen? */
SpStatus sp_zip_check(const SpEnv *env, const SpCrc32c *crc, SpSpool *file, const SpZipNames *seen,
                      SpFault *fault);

#endif /* SP_ARCHIVE_H */
