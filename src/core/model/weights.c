/*
 * src/core/model/weights.c
 *	  Weight files of others: which kind it is, and who reads it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_DIRECTORY */
#endif

#include "core/model/weights.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/model/archive.h"
#include "core/model/sstable.h"
#include "core/model/weights_internal.h"

/* What is looked at to tell a file: up to the magic of tar, at byte 257. */
#define HEAD 264

SpStatus
sp_weights_new(const SpEnv *env, const SpWeightsLimits *limits, SpWeights **out, SpFault *fault)
{
	SpWeights *w = sp_calloc(env, 1, sizeof(SpWeights));

	*out = NULL;
	if (w == NULL)
		return sp_weights_no_memory(fault);
	w->env = env;
	w->limits = *limits;
	w->piece = sp_alloc(env, SP_WEIGHTS_PIECE, 1);
	w->crc = sp_alloc(env, 1, sizeof(SpCrc32c));
	if (w->piece == NULL || w->crc == NULL)
	{
		sp_weights_free(w);
		return sp_weights_no_memory(fault);
	}
	sp_crc32c_init(w->crc);
	*out = w;
	return SP_OK;
}

void
sp_weights_free(SpWeights *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < w->store_count; i++)
		if (w->store_owned[i])
			sp_spool_free(w->stores[i]);
	if (w->file_owned)
		sp_spool_free(w->file);
	for (size_t i = 0; i < w->count; i++)
		sp_free(w->env, (void *) w->entries[i].info.name);
	sp_safetensors_forget(w);
	sp_free(w->env, w->entries);
	sp_free(w->env, w->infos);
	sp_free(w->env, w->piece);
	sp_free(w->env, w->crc);
	sp_free(w->env, w);
}

const char *
sp_weights_format(const SpWeights *w)
{
	return w->format;
}

const char *
sp_weights_metadata(const SpWeights *w, const char *key)
{
	return sp_safetensors_metadata(w, key);
}

const SpTensorSource *
sp_weights_tensors(const SpWeights *w)
{
	return &w->source;
}

SpSpool *
sp_weights_payload(const SpWeights *w)
{
	return w->payload;
}

/* What can be said about a file that is none of ours. */
static SpStatus
unknown(SpWeights *w, const char *head, size_t n, SpFault *fault)
{
	static const char pointer[] = "version https://git-lfs.github.com/spec/";

	if (n >= sizeof(pointer) - 1 && memcmp(head, pointer, sizeof(pointer) - 1) == 0)
		return sp_fault(fault, SP_ERR_UNSUPPORTED, "Fetch the file itself: git lfs pull.",
		                "This is the pointer that git LFS leaves in place of a large file.");
	if (n >= 8 && memcmp(head, "\x89HDF\r\n\x1a\n", 8) == 0)
		return sp_fault(fault, SP_ERR_UNSUPPORTED,
		                "Save the model as a TensorFlow checkpoint or as safetensors.",
		                "This is an HDF5 file (Keras), which is not read.");
	if (sp_sstable_is(w->file))
		return sp_fault(fault, SP_ERR_UNSUPPORTED,
		                "Give the folder that holds the index and its data files.",
		                "This is the index of a TensorFlow checkpoint, without its data.");
	return sp_fault(fault, SP_ERR_UNSUPPORTED, SP_HINT_FORMATS,
	                "The file is of no format that is read.");
}

/* An archive: of a checkpoint, or of arrays. */
static SpStatus
read_archive(SpWeights *w, SpArchiveKind kind, SpFault *fault)
{
	SpFileSet set = {.env = w->env};
	SpStatus st = sp_archive_unpack(w, kind, &set, fault);

	if (st == SP_OK && set.count > 0 && w->count > 0)
		st = sp_fault(fault, SP_ERR_UNSUPPORTED, "Pack one model alone.",
		              "The archive holds a checkpoint and NumPy arrays.");
	else if (st == SP_OK && w->count > 0)
	{
		w->format = "npz";
		w->payload = w->file;
		st = sp_weights_finish(w, fault);
	}
	else if (st == SP_OK)
		st = sp_bundle_read(w, &set, fault);
	sp_fileset_free(&set);
	return st;
}

static SpStatus
read_file(SpWeights *w, SpFault *fault)
{
	char head[HEAD] = "";
	SpArchiveKind kind;
	size_t n = 0;

	if (w->limits.max_bytes > 0 && sp_spool_size(w->file) > w->limits.max_bytes)
		return sp_fault(fault, SP_ERR_TOO_LARGE, "Raise the limit of bytes, or use less.",
		                "The file has %lld bytes, more than %lld.",
		                (long long) sp_spool_size(w->file), (long long) w->limits.max_bytes);
	if (sp_spool_read(w->file, 0, head, sizeof(head), &n) != SP_OK)
		return sp_spool_fault(w->file, fault);
	kind = sp_archive_sniff(head, n);
	if (kind != SP_ARCHIVE_NONE)
		return read_archive(w, kind, fault);
	/* Behind its length, a safetensors header begins with this byte. */
	if (n > 8 && head[8] == '{')
		return sp_safetensors_read(w, fault);
	return unknown(w, head, n, fault);
}

static SpStatus
read_folder(SpWeights *w, const char *path, SpFault *fault)
{
	SpFileSet set = {.env = w->env};
	SpStatus st = sp_fileset_open_folder(&set, path, fault);

	if (st == SP_OK)
		st = sp_bundle_read(w, &set, fault);
	sp_fileset_free(&set);
	return st;
}

static bool
is_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* The end of opening: errno is still that of the failure. */
static SpStatus
hand_over(SpWeights *w, SpStatus st, SpWeights **out)
{
	int error = errno;

	if (st == SP_OK)
		*out = w;
	else
		sp_weights_free(w);
	errno = error;
	return st;
}

SpStatus
sp_weights_open_path(const SpEnv *env, const char *path, const SpWeightsLimits *limits,
                     SpWeights **out, SpFault *fault)
{
	SpWeights *w;
	SpStatus st = sp_weights_new(env, limits, &w, fault);

	*out = NULL;
	if (st != SP_OK)
		return st;
	if (is_folder(path))
		st = read_folder(w, path, fault);
	else
	{
		st = sp_spool_open_file(env, AT_FDCWD, path, &w->file, fault);
		w->file_owned = st == SP_OK;
		if (st == SP_OK)
			st = read_file(w, fault);
	}
	return hand_over(w, st, out);
}

SpStatus
sp_weights_open_spool(const SpEnv *env, SpSpool *spool, const SpWeightsLimits *limits,
                      SpWeights **out, SpFault *fault)
{
	SpWeights *w;
	SpStatus st = sp_weights_new(env, limits, &w, fault);

	*out = NULL;
	if (st != SP_OK)
		return st;
	w->file = spool;
	st = read_file(w, fault);
	return hand_over(w, st, out);
}
