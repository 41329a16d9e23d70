/*
 * src/core/model/bundle.c
 *	  TensorFlow's checkpoints ("tensor bundles").
 *
 * X.index is a sorted table: under the empty key a BundleHeaderProto, under
 * each tensor's name a BundleEntryProto; X.data-k-of-n holds the bytes.
 * Source: TensorFlow, core/protobuf/tensor_bundle.proto and
 * core/util/tensor_bundle/tensor_bundle.h.
 *
 * TensorFlow verifies a tensor's checksum when it reads it, and so do we; what
 * TensorFlow would only notice then (a data file that ends early) we refuse
 * when the index is opened.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <string.h>

#include "core/model/sstable.h"
#include "core/model/weights_internal.h"

/* tensor_bundle.h: kTensorBundleVersion; we understand files meant for it. */
#define BUNDLE_VERSION 1

/* DataType, core/framework/types.proto */
enum
{
	TF_FLOAT = 1,
	TF_DOUBLE = 2,
	TF_INT32 = 3,
	TF_STRING = 7,
	TF_INT64 = 9,
	TF_BFLOAT16 = 14,
	TF_HALF = 19
};

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

typedef struct Entry
{
	uint64_t dtype;
	uint64_t shard;
	uint64_t offset;
	uint64_t size;
	uint32_t crc;
	int rank;
	int64_t shape[SP_TENSOR_MAX_RANK];
	bool sliced;
	bool shapeless;
} Entry;

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

/* VersionDef: may a reader of our version read it? */
static bool
version_suits(SpWire wire, bool *suits)
{
	SpWireField field;

	while (wire.p < wire.end)
	{
		if (!sp_wire_field(&wire, &field))
			return false;
		if (field.number == 2 && field.type == 0 && field.value > BUNDLE_VERSION)
			*suits = false;
	}
	return true;
}

/* BundleHeaderProto: num_shards 1, endianness 2, version 3. */
static SpStatus
take_header(Bundle *b, SpWire wire)
{
	SpWireField field;
	uint64_t shards = 0;
	bool suits = true;

	while (wire.p < wire.end)
	{
		if (!sp_wire_field(&wire, &field))
			return damaged(b, "");
		if (field.number == 1 && field.type == 0)
			shards = field.value;
		else if (field.number == 2 && field.type == 0 && field.value != 0)
			suits = false;
		else if (field.number == 3 && field.type == 2 && !version_suits(field.bytes, &suits))
			return damaged(b, "");
	}
	if (!suits)
		return sp_fault(b->fault, SP_ERR_UNSUPPORTED, "Save it on a little-endian machine.",
		                "The checkpoint is big-endian, or of a later version than %d.",
		                BUNDLE_VERSION);
	if (shards == 0 || shards > INT32_MAX)
		return damaged(b, "");
	if (shards > SP_WEIGHTS_MAX_STORES)
		return sp_fault(b->fault, SP_ERR_TOO_LARGE, "Save the checkpoint with fewer data files.",
		                "The checkpoint has %llu data files, more than %d.",
		                (unsigned long long) shards, SP_WEIGHTS_MAX_STORES);
	b->shards = (size_t) shards;
	return open_shards(b);
}

/* TensorShapeProto: dim 2 { size 1 }, unknown_rank 3.  False when damaged. */
static bool
take_shape(SpWire wire, Entry *entry)
{
	SpWireField field;

	while (wire.p < wire.end)
	{
		int64_t size = 0;

		if (!sp_wire_field(&wire, &field))
			return false;
		if (field.number == 3 && field.value != 0)
			entry->shapeless = true;
		if (field.number != 2 || field.type != 2)
			continue;
		for (SpWire dim = field.bytes; dim.p < dim.end;)
		{
			if (!sp_wire_field(&dim, &field))
				return false;
			if (field.number == 1 && field.type == 0)
				size = (int64_t) field.value;
		}
		if (entry->rank < SP_TENSOR_MAX_RANK)
			entry->shape[entry->rank] = size;
		/* One too many is enough to be refused. */
		if (entry->rank <= SP_TENSOR_MAX_RANK)
			entry->rank++;
	}
	return true;
}

/* BundleEntryProto; the numbers of its fields stand beside them. */
static bool
take_entry(SpWire wire, Entry *entry)
{
	SpWireField field;

	memset(entry, 0, sizeof(*entry));
	while (wire.p < wire.end)
	{
		if (!sp_wire_field(&wire, &field))
			return false;
		if (field.number == 1 && field.type == 0)
			entry->dtype = field.value;
		else if (field.number == 2 && field.type == 2 && !take_shape(field.bytes, entry))
			return false;
		else if (field.number == 3 && field.type == 0)
			entry->shard = field.value;
		else if (field.number == 4 && field.type == 0)
			entry->offset = field.value;
		else if (field.number == 5 && field.type == 0)
			entry->size = field.value;
		else if (field.number == 6 && field.type == 5)
			entry->crc = (uint32_t) field.value;
		else if (field.number == 7)
			entry->sliced = true;
	}
	return entry->offset <= INT64_MAX && entry->size <= INT64_MAX && !entry->shapeless;
}

static bool
dtype_of(uint64_t tf, SpDtype *dtype)
{
	switch (tf)
	{
		case TF_FLOAT:
			*dtype = SP_DTYPE_F32;
			return true;
		case TF_DOUBLE:
			*dtype = SP_DTYPE_F64;
			return true;
		case TF_INT32:
			*dtype = SP_DTYPE_I32;
			return true;
		case TF_INT64:
			*dtype = SP_DTYPE_I64;
			return true;
		case TF_BFLOAT16:
			*dtype = SP_DTYPE_BF16;
			return true;
		case TF_HALF:
			*dtype = SP_DTYPE_F16;
			return true;
		default:
			return false;
	}
}

static SpStatus
take_tensor(Bundle *b, const char *name, SpWire value)
{
	SpTensorInfo info = {.name = name};
	SpTensorPlace place = {.has_crc = true};
	Entry entry;

	if (!take_entry(value, &entry))
		return damaged(b, name);
	if (entry.sliced)
		return sp_fault(b->fault, SP_ERR_UNSUPPORTED,
		                "Save the model without a variable partitioner.",
		                "Tensor \"%.80s\" is stored in slices.", name);
	/* The object graph of TensorFlow 2 is text about the model, not weights. */
	if (entry.dtype == TF_STRING)
		return SP_OK;
	if (!dtype_of(entry.dtype, &info.dtype))
		return sp_fault(b->fault, SP_ERR_UNSUPPORTED, "Convert it to float32 before saving.",
		                "Tensor \"%.80s\" has numbers of a kind that is not read (%llu).", name,
		                (unsigned long long) entry.dtype);
	if (entry.shard >= b->shards)
		return damaged(b, name);
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
