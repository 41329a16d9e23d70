/*
 * src/core/model/weights_internal.h
 *	  What the readers of formats share: the directory of tensors that they
 *	  fill, and the set of files that a checkpoint consists of.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_WEIGHTS_INTERNAL_H
#define SP_WEIGHTS_INTERNAL_H

#include <dirent.h>

#include "core/model/crc32c.h"
#include "core/model/weights.h"

#define SP_HINT_DAMAGED "The file is damaged or incomplete: download or copy it again."
#define SP_HINT_FORMATS                                                                        \
	"Give a TensorFlow checkpoint (its folder, or a .tar.gz of it), a .safetensors or a .npz " \
	"file."

/*
 * Data files of one checkpoint.  Each costs a descriptor; TensorFlow writes
 * one for each parameter server, and released models have one.
 */
#define SP_WEIGHTS_MAX_STORES 64

/* Bytes of a tensor read at once: checksummed and converted while in cache. */
#define SP_WEIGHTS_PIECE 65536

/* Where a tensor's bytes lie. */
typedef struct SpTensorPlace
{
	size_t store;   /* index in stores */
	int64_t offset; /* in that spool */
	int64_t bytes;
	uint32_t crc; /* masked CRC-32C of the bytes */
	bool has_crc;
	bool column_major; /* NumPy's fortran_order */
} SpTensorPlace;

typedef struct SpWeightsEntry
{
	SpTensorInfo info; /* its name is ours */
	SpTensorPlace place;
} SpWeightsEntry;

struct SpWeights
{
	const SpEnv *env;
	SpWeightsLimits limits;
	const char *format;
	SpSpool *file; /* what was opened; NULL for a folder */
	bool file_owned;
	SpSpool *payload; /* file, or one of stores */
	SpSpool *stores[SP_WEIGHTS_MAX_STORES];
	bool store_owned[SP_WEIGHTS_MAX_STORES];
	size_t store_count;
	SpWeightsEntry *entries; /* [count of capacity]; sorted by finish */
	size_t count;
	size_t capacity;
	SpTensorInfo *infos; /* [count], copies for source */
	SpTensorSource source;
	void *metadata; /* json_t *, an object of strings, or NULL */
	uint8_t *piece; /* [SP_WEIGHTS_PIECE] */
	SpCrc32c *crc;
};

/* A file of a folder (opened when asked for) or of an archive (unpacked). */
typedef struct SpNamedFile
{
	char *name;     /* in the archive, with its folders */
	SpSpool *spool; /* NULL: in the folder, or handed over */
} SpNamedFile;

typedef struct SpFileSet
{
	const SpEnv *env;
	DIR *folder; /* NULL: of an archive */
	SpNamedFile *files;
	size_t count;
	size_t capacity;
} SpFileSet;

static inline SpStatus
sp_weights_no_memory(SpFault *fault)
{
	return sp_fault(fault, SP_ERR_NO_MEMORY, NULL, "No memory for the weights' directory.");
}

/* weights.c: without tensors yet; sp_weights_free frees it. */
SpStatus sp_weights_new(const SpEnv *env, const SpWeightsLimits *limits, SpWeights **out,
                        SpFault *fault);

/* directory.c */

/* A spool that tensors lie in; *store is its index.  Owned: freed with w, also on failure. */
SpStatus sp_weights_add_store(SpWeights *w, SpSpool *spool, bool owned, size_t *store,
                              SpFault *fault);

/*
 * A tensor: name, dtype, rank and shape of info count, elements are computed.
 * Checks the name, the shape, that the bytes are those of the shape and lie
 * inside their store, and the limit of tensors.
 */
SpStatus sp_weights_add(SpWeights *w, const SpTensorInfo *info, const SpTensorPlace *place,
                        SpFault *fault);

/* When all are there: sorts them, refuses a name that comes twice. */
SpStatus sp_weights_finish(SpWeights *w, SpFault *fault);

/* reading.c: SpTensorSource.read of all formats; self is the SpWeights. */
SpStatus sp_weights_read(void *self, size_t i, float *out, SpFault *fault);

/* fileset.c */

/* The visible files of the folder at path. */
SpStatus sp_fileset_open_folder(SpFileSet *set, const char *path, SpFault *fault);
/* Takes spool, also on failure; a name that is there already is SP_ERR_BAD_DATA. */
SpStatus sp_fileset_add(SpFileSet *set, const char *name, SpSpool *spool, SpFault *fault);
/* Index of the file of this name, or -1. */
ptrdiff_t sp_fileset_find(const SpFileSet *set, const char *name);
/* File i as a spool that is the caller's to free; once for a file of an archive. */
SpStatus sp_fileset_take(SpFileSet *set, size_t i, SpSpool **spool, SpFault *fault);
/* NULL-filled sets are fine. */
void sp_fileset_free(SpFileSet *set);

/* The formats.  Each fills an empty w, which its caller frees on failure. */
SpStatus sp_bundle_read(SpWeights *w, SpFileSet *set, SpFault *fault);
SpStatus sp_safetensors_read(SpWeights *w, SpFault *fault);
/* The .npy file at bytes [offset, offset + size) of a store, as tensor name. */
SpStatus sp_npz_add(SpWeights *w, size_t store, const char *name, int64_t offset, int64_t size,
                    SpFault *fault);

/* What safetensors calls a dtype. */
const char *sp_safetensors_dtype(SpDtype dtype);
/* A value of __metadata__, or NULL; and the end of them all. */
const char *sp_safetensors_metadata(const SpWeights *w, const char *key);
void sp_safetensors_forget(SpWeights *w);

#endif /* SP_WEIGHTS_INTERNAL_H */
