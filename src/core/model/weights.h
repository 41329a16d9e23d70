/*
 * src/core/model/weights.h
 *	  Weight files of others: TensorFlow checkpoints, safetensors, NumPy .npz.
 *
 * What is read, told by content and not by file name:
 * - a TensorFlow checkpoint: a folder that holds X.index and
 *   X.data-00000-of-0000N, or a .tar.gz (.tar, .zip) of one.  The index is a
 *   LevelDB table of BundleEntryProto; every block and every tensor carries a
 *   masked CRC32C, and all of them are verified.
 * - safetensors: header length, JSON header, data without gaps or overlaps.
 * - NumPy .npz: a zip of .npy; the zip's CRC-32 are verified.
 *
 * Nothing that a file claims is believed before it is checked against what is
 * there: lengths, offsets, shapes, names.  Archives are unpacked into spools
 * (nameless temporary files), never under the names that they give.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_WEIGHTS_H
#define SP_WEIGHTS_H

#include "core/io/spool.h"
#include "core/nn/tensor.h"

typedef struct SpWeightsLimits
{
	int64_t max_bytes; /* of all files after unpacking; 0 is no limit */
	size_t max_tensors;
	const char *temp_dir; /* for spools; must outlive the open */
} SpWeightsLimits;

typedef struct SpWeights SpWeights;

/*
 * Open what lies at path (a file or a folder), or in spool (a file's content;
 * it must outlive the weights).  Reads the directory of tensors, not the
 * tensors.  SP_ERR_IO with errno, SP_ERR_BAD_DATA, SP_ERR_UNSUPPORTED (no
 * format that is known), SP_ERR_TOO_LARGE, SP_ERR_NO_MEMORY, SP_ERR_CANCELED.
 */
SpStatus sp_weights_open_path(const SpEnv *env, const char *path, const SpWeightsLimits *limits,
                              SpWeights **out, SpFault *fault);
SpStatus sp_weights_open_spool(const SpEnv *env, SpSpool *spool, const SpWeightsLimits *limits,
                               SpWeights **out, SpFault *fault);
void sp_weights_free(SpWeights *w);

/* "tensorflow", "safetensors" or "npz". */
const char *sp_weights_format(const SpWeights *w);

/* A value of safetensors' __metadata__, or NULL. */
const char *sp_weights_metadata(const SpWeights *w, const char *key);

/*
 * The tensors.  read verifies the tensor's checksum where the format has one;
 * its fault names the tensor.  Belongs to w.
 */
const SpTensorSource *sp_weights_tensors(const SpWeights *w);

/*
 * The bytes that identify the weights: of a TensorFlow checkpoint its data
 * file (which the catalogue's SHA-256 is of), else the whole file.  Belongs to w.
 */
SpSpool *sp_weights_payload(const SpWeights *w);

/*
 * Writes tensors as safetensors to the end of an empty spool, in the order
 * given: names and shapes of source, each number as dtype (f32, bf16 or f16).
 * metadata is NULL or pairs of key and value, ended by NULL.
 */
SpStatus sp_safetensors_write(const SpEnv *env, SpSpool *spool, const SpTensorSource *source,
                              SpDtype dtype, const char *const *metadata, SpFault *fault);

#endif /* SP_WEIGHTS_H */
