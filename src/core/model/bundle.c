/*
 * src/core/model/bundle.c
 *	  TensorFlow's checkpoints ("tensor bundles").
 *
 * X.index is a sorted table: under the empty key a BundleHeaderProto, under
 * each tensor's name a BundleEntryProto; X.data-k-of-n holds the bytes.
 * Source: TensorFlow, core/util/tensor_bundle/tensor_bundle.h.
 *
 * TensorFlow verifies a tensor's checksum when it reads it, and so do we; what
 * TensorFlow would only notice then (a data file that ends early) we refuse
 * when the index is opened.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <string.h>

#include "core/model/bundle_proto.h"
#include "core/model/sstable.h"
#include "core/model/weights_internal.h"

/* Longest name of a file in an archive: what tar's oldest header can say. */
#define MAX_PREFIX 255

typedef struct Bundle
{
	SpWeights *w;
	SpFileSet *set;
	char prefix[MAX_PREFIX + 1];
	int64_t bytes; /* of the files opened so far */
	size_t shards; /* 0: no header yet */
	size_t store[SP_WEIGHTS_MAX_STORES];
	SpFault *fault;
} Bundle;

static SpStatus
damaged(Bundle *b, const char *name)
{
	if (name[0] == '\0')
		return sp_fault(b->fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
		                "The checkpoint's header is damaged.");
	return sp_fault(b->fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
	                "The index entry of tensor \"%.80s\" is damaged.", name);
}

/* Take file i of the set and count its bytes; *spool is the caller's. */
static SpStatus
take_file(Bundle *b, size_t i, SpSpool **spool)
{
	int64_t limit = b->w->limits.max_bytes;
	SpStatus st = sp_fileset_take(b->set, i, spool, b->fault);

	if (st != SP_OK)
		return st;
	if (__builtin_add_overflow(b->bytes, sp_spool_size(*spool), &b->bytes) ||
	    (limit > 0 && b->bytes > limit))
	{
		sp_spool_free(*spool);
		*spool = NULL;
		return sp_fault(b->fault, SP_ERR_TOO_LARGE, "Raise the limit of bytes, or use less.",
		                "The checkpoint has more than %lld bytes.", (long long) limit);
	}
	return SP_OK;
}

static SpStatus
open_shards(Bundle *b)
{
	for (size_t k = 0; k < b->shards; k++)
	{
		char name[MAX_PREFIX + 64];
		ptrdiff_t i;
		SpSpool *spool;
		SpStatus st;

		/* tensor_bundle's DataFilename */
		snprintf(name, sizeof(name), "%s.data-%05zu-of-%05zu", b->prefix, k, b->shards);
		i = sp_fileset_find(b->set, name);
		if (i < 0)
			return sp_fault(b->fault, SP_ERR_BAD_DATA,
			                "A checkpoint is its index and its data files: all must be there.",
			                "The checkpoint's data file \"%.100s\" is missing.", name);
		st = take_file(b, (size_t) i, &spool);
		if (st == SP_OK)
			st = sp_weights_add_store(b->w, spool, true, &b->store[k], b->fault);
		if (st != SP_OK)
			return st;
	}
	b->w->payload = b->w->stores[b->store[0]];
	return SP_OK;
}

static SpStatus
take_header(Bundle *b, SpWire wire)
{
	SpBundleHeader header;

	if (!sp_bundle_header(wire, &header))
		return damaged(b, "");
	if (!header.suits)
		return sp_fault(b->fault, SP_ERR_UNSUPPORTED, "Save it on a little-endian machine.",
		                "The checkpoint is big-endian, or of a later version than %d.",
		                SP_BUNDLE_VERSION);
	if (header.shards == 0 || header.shards > INT32_MAX)
		return damaged(b, "");
	if (header.shards > SP_WEIGHTS_MAX_STORES)
		return sp_fault(b->fault, SP_ERR_TOO_LARGE, "Save the checkpoint with fewer data files.",
		                "The checkpoint has %llu data files, more than %d.",
		                (unsigned long long) header.shards, SP_WEIGHTS_MAX_STORES);
	b->shards = (size_t) header.shards;
	return open_shards(b);
}

static SpStatus
take_tensor(Bundle *b, const char *name, SpWire value)
{
	SpTensorInfo info = {.name = name};
	SpTensorPlace place = {.has_crc = true};
	SpBundleEntry entry;

	if (!sp_bundle_entry(value, &entry))
		return damaged(b, name);
	if (entry.sliced)
		return sp_fault(b->fault, SP_ERR_UNSUPPORTED,
		                "Save the model without a variable partitioner.",
		                "Tensor \"%.80s\" is stored in slices.", name);
	/* The object graph of TensorFlow 2 is text about the model, not weights. */
	if (entry.is_text)
		return SP_OK;
	if (!entry.known_dtype)
		return sp_fault(b->fault, SP_ERR_UNSUPPORTED, "Convert it to float32 before saving.",
		                "Tensor \"%.80s\" has numbers of a kind that is not read (%llu).", name,
		                (unsigned long long) entry.tf_dtype);
	if (entry.shard >= b->shards)
		return damaged(b, name);
	info.dtype = entry.dtype;
	info.rank = entry.rank;
	memcpy(info.shape, entry.shape, sizeof(info.shape));
	place.store = b->store[entry.shard];
	place.offset = (int64_t) entry.offset;
	place.bytes = (int64_t) entry.size;
	place.crc = entry.crc;
	return sp_weights_add(b->w, &info, &place, b->fault);
}

static SpStatus
visit(void *context, const char *key, size_t length, SpWire value, SpFault *fault)
{
	Bundle *b = context;

	if (length == 0)
		return take_header(b, value);
	if (b->shards == 0)
		return damaged(b, "");
	/* TensorFlow's keys of slices begin with a zero byte. */
	if (memchr(key, '\0', length) != NULL)
		return sp_fault(fault, SP_ERR_UNSUPPORTED, "Save the model without a variable partitioner.",
		                "The checkpoint stores tensors in slices.");
	return take_tensor(b, key, value);
}

/* The length of X when name is X.index, else 0. */
static size_t
index_prefix(const char *name)
{
	static const char suffix[] = ".index";
	size_t length = strlen(name);
	size_t cut = sizeof(suffix) - 1;

	return length > cut && strcmp(name + length - cut, suffix) == 0 ? length - cut : 0;
}

/*
 * The text file `checkpoint` beside several indexes names the one that
 * counts: model_checkpoint_path: "model", maybe with the folders of the
 * machine that trained it.
 */
static void
read_choice(SpSpool *file, const char *folder, int folder_length, char *prefix, size_t size)
{
	static const char key[] = "model_checkpoint_path: \"";
	char text[4096];
	size_t got = 0;
	char *from, *to, *slash;

	prefix[0] = '\0';
	if (sp_spool_read(file, 0, text, sizeof(text) - 1, &got) != SP_OK)
		return;
	text[got] = '\0';
	/* all_model_checkpoint_paths, which may stand first, has another end. */
	from = strstr(text, key);
	to = from != NULL ? strchr(from + sizeof(key) - 1, '"') : NULL;
	if (to == NULL)
		return;
	*to = '\0';
	from += sizeof(key) - 1;
	slash = strrchr(from, '/');
	snprintf(prefix, size, "%.*s%s", folder_length, folder, slash != NULL ? slash + 1 : from);
}

/* Is name "checkpoint" in some folder?  The folder's length with its slash. */
static bool
is_choice(const char *name, int *folder_length)
{
	const char *slash = strrchr(name, '/');
	const char *base = slash != NULL ? slash + 1 : name;

	*folder_length = (int) (base - name);
	return strcmp(base, "checkpoint") == 0;
}

/* Several indexes: the one that the one file `checkpoint` names; -1: none. */
static SpStatus
read_choices(Bundle *b, ptrdiff_t *index)
{
	size_t choices = 0;

	*index = -1;
	for (size_t i = 0; i < b->set->count; i++)
	{
		char prefix[MAX_PREFIX + 1];
		char name[MAX_PREFIX + 8];
		const char *file = b->set->files[i].name;
		int folder_length;
		SpSpool *spool;
		SpStatus st;

		if (!is_choice(file, &folder_length))
			continue;
		st = take_file(b, i, &spool);
		if (st != SP_OK)
			return st;
		read_choice(spool, file, folder_length, prefix, sizeof(prefix));
		sp_spool_free(spool);
		snprintf(name, sizeof(name), "%s.index", prefix);
		*index = choices++ == 0 ? sp_fileset_find(b->set, name) : -1;
	}
	return SP_OK;
}

static SpStatus
choose_index(Bundle *b, size_t *index)
{
	size_t candidates = 0;

	for (size_t i = 0; i < b->set->count; i++)
		if (index_prefix(b->set->files[i].name) > 0)
		{
			candidates++;
			*index = i;
		}
	if (candidates == 0)
		return sp_fault(b->fault, SP_ERR_UNSUPPORTED, SP_HINT_FORMATS,
		                "There is no checkpoint (*.index) in it.");
	if (candidates > 1)
	{
		ptrdiff_t chosen;
		SpStatus st = read_choices(b, &chosen);

		if (st != SP_OK)
			return st;
		if (chosen < 0)
			return sp_fault(b->fault, SP_ERR_BAD_DATA,
			                "Leave one checkpoint there, or a file \"checkpoint\" that names one.",
			                "There are %zu checkpoints, and nothing says which one counts.",
			                candidates);
		*index = (size_t) chosen;
	}
	if (index_prefix(b->set->files[*index].name) > MAX_PREFIX)
		return sp_fault(b->fault, SP_ERR_UNSUPPORTED, "Rename it.",
		                "The checkpoint's name is longer than %d bytes.", MAX_PREFIX);
	return SP_OK;
}

SpStatus
sp_bundle_read(SpWeights *w, SpFileSet *set, SpFault *fault)
{
	Bundle b = {.w = w, .set = set, .fault = fault};
	SpSpool *file = NULL;
	size_t index = 0;
	SpStatus st;

	w->format = "tensorflow";
	st = choose_index(&b, &index);
	if (st != SP_OK)
		return st;
	snprintf(b.prefix, sizeof(b.prefix), "%.*s", (int) index_prefix(set->files[index].name),
	         set->files[index].name);
	st = take_file(&b, index, &file);
	if (st == SP_OK)
		st = sp_sstable_each(w->env, w->crc, file, visit, &b, fault);
	sp_spool_free(file);
	if (st == SP_OK && b.shards == 0)
		st = damaged(&b, "");
	if (st == SP_OK)
		st = sp_weights_finish(w, fault);
	return st;
}
