/*
 * src/core/model/safetensors.c
 *	  Reads safetensors: eight bytes of length, a JSON header, the numbers.
 *
 * Source: the format's README (github.com/huggingface/safetensors, "Format").
 * Deviation: its 100 MB for the header is 2 MiB here, which is 16,000 tensors;
 * jansson takes up to 79 bytes for one of JSON (measured on empty objects),
 * and allocates outside of PostgreSQL's memory.
 *
 * The data must be covered without gap or overlap, so that no byte of a file
 * goes unexplained.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/weights_internal.h"

#define MAX_HEADER (2 << 20)

static const struct
{
	const char *name;
	SpDtype dtype;
} dtypes[] = {
	{"F32", SP_DTYPE_F32}, {"BF16", SP_DTYPE_BF16}, {"F16", SP_DTYPE_F16},
	{"F64", SP_DTYPE_F64}, {"I32", SP_DTYPE_I32},   {"I64", SP_DTYPE_I64},
};

const char *
sp_safetensors_dtype(SpDtype dtype)
{
	for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
		if (dtypes[i].dtype == dtype)
			return dtypes[i].name;
	return NULL;
}

/* The header's text, ended by NUL: the caller's to free, also on failure. */
static SpStatus
load_header(SpWeights *w, char **text, size_t *length, SpFault *fault)
{
	int64_t size = sp_spool_size(w->file);
	uint8_t prefix[8];
	uint64_t n = 0;
	size_t got = 0;

	*text = NULL;
	if (sp_spool_read(w->file, 0, prefix, sizeof(prefix), &got) != SP_OK)
		return sp_spool_fault(w->file, fault);
	for (int i = 7; i >= 0; i--)
		n = n << 8 | prefix[i];
	if (got < sizeof(prefix) || n > (uint64_t) size - sizeof(prefix))
		return sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
		                "The header claims %llu bytes; the file has %lld.", (unsigned long long) n,
		                (long long) size);
	if (n > MAX_HEADER)
		return sp_fault(fault, SP_ERR_TOO_LARGE, "Split the file.",
		                "The header has %llu bytes, more than %d.", (unsigned long long) n,
		                MAX_HEADER);
	*length = (size_t) n;
	*text = sp_alloc(w->env, *length + 1, 1);
	if (*text == NULL)
		return sp_weights_no_memory(fault);
	if (sp_spool_read(w->file, sizeof(prefix), *text, *length, &got) != SP_OK)
		return sp_spool_fault(w->file, fault);
	(*text)[*length] = '\0';
	return SP_OK;
}

static SpStatus
parse_header(SpWeights *w, json_t **root, size_t *length, SpFault *fault)
{
	char *text;
	json_error_t error;
	SpStatus st = load_header(w, &text, length, fault);

	*root = NULL;
	if (st == SP_OK)
	{
		*root = json_loadb(text, *length, JSON_REJECT_DUPLICATES, &error);
		/* Where its memory fails, jansson often gives no reason at all. */
		if (*root == NULL && (json_error_code(&error) == json_error_out_of_memory ||
		                      json_error_code(&error) == json_error_unknown))
			st = sp_weights_no_memory(fault);
		else if (*root == NULL)
			st = sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
			              "The header is not valid JSON: %.80s at byte %d.", error.text,
			              error.position);
		else if (!json_is_object(*root))
			st = sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED, "The header is no JSON object.");
	}
	sp_free(w->env, text);
	return st;
}

static SpStatus
bad_entry(const char *name, const char *what, SpFault *fault)
{
	return sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
	                "The header's entry of tensor \"%.80s\" has no valid %s.", name, what);
}

static bool
dtype_of(const char *name, SpDtype *dtype)
{
	for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
		if (strcmp(dtypes[i].name, name) == 0)
		{
			*dtype = dtypes[i].dtype;
			return true;
		}
	return false;
}

static SpStatus
take_tensor(SpWeights *w, const char *name, const json_t *entry, int64_t data, SpFault *fault)
{
	const json_t *shape = json_object_get(entry, "shape");
	const json_t *offsets = json_object_get(entry, "data_offsets");
	const char *dtype = json_string_value(json_object_get(entry, "dtype"));
	SpTensorInfo info = {.name = name};
	SpTensorPlace place = {0};
	const json_t *begin = json_array_get(offsets, 0);
	const json_t *end = json_array_get(offsets, 1);

	if (!json_is_object(entry) || json_object_size(entry) != 3 || dtype == NULL)
		return bad_entry(name, "dtype", fault);
	if (!dtype_of(dtype, &info.dtype))
		return sp_fault(fault, SP_ERR_UNSUPPORTED, "Convert it to F32 before saving.",
		                "Tensor \"%.80s\" has numbers of a kind that is not read (%.20s).", name,
		                dtype);
	if (!json_is_array(shape) || json_array_size(shape) > SP_TENSOR_MAX_RANK)
		return bad_entry(name, "shape", fault);
	info.rank = (int) json_array_size(shape);
	for (int i = 0; i < info.rank; i++)
	{
		const json_t *size = json_array_get(shape, (size_t) i);

		if (!json_is_integer(size))
			return bad_entry(name, "shape", fault);
		info.shape[i] = json_integer_value(size);
	}
	if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
	    json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
		return bad_entry(name, "data_offsets", fault);
	place.bytes = json_integer_value(end) - json_integer_value(begin);
	if (__builtin_add_overflow(json_integer_value(begin), data, &place.offset))
		return bad_entry(name, "data_offsets", fault);
	return sp_weights_add(w, &info, &place, fault);
}

static SpStatus
take_metadata(SpWeights *w, json_t *metadata, SpFault *fault)
{
	const char *key;
	json_t *value;

	if (!json_is_object(metadata))
		return sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED, "__metadata__ is no JSON object.");
	json_object_foreach(metadata, key, value)
	{
		if (!json_is_string(value))
			return sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
			                "__metadata__ holds something but strings.");
	}
	w->metadata = json_incref(metadata);
	return SP_OK;
}

static int
by_offset(const void *a, const void *b)
{
	const SpWeightsEntry *x = a;
	const SpWeightsEntry *y = b;

	return (x->place.offset > y->place.offset) - (x->place.offset < y->place.offset);
}

/* Do the tensors tile [data, end of file)? */
static SpStatus
check_cover(SpWeights *w, int64_t data, SpFault *fault)
{
	int64_t at = data;

	if (w->count > 0)
		qsort(w->entries, w->count, sizeof(SpWeightsEntry), by_offset);
	for (size_t i = 0; i < w->count; i++)
	{
		const SpTensorPlace *place = &w->entries[i].place;

		if (place->offset != at)
			return sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
			                "Tensor \"%.80s\" begins at byte %lld of the data, %s byte %lld.",
			                w->entries[i].info.name, (long long) (place->offset - data),
			                place->offset > at ? "behind a gap from"
			                                   : "inside a tensor that ends at",
			                (long long) (at - data));
		at += place->bytes;
	}
	if (at != sp_spool_size(w->file))
		return sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
		                "The file has %lld bytes more than its tensors need.",
		                (long long) (sp_spool_size(w->file) - at));
	return SP_OK;
}

SpStatus
sp_safetensors_read(SpWeights *w, SpFault *fault)
{
	json_t *root;
	json_t *entry;
	const char *name;
	size_t length = 0;
	size_t store;
	int64_t data;
	SpStatus st;

	w->format = "safetensors";
	w->payload = w->file;
	st = sp_weights_add_store(w, w->file, false, &store, fault);
	if (st != SP_OK)
		return st;
	st = parse_header(w, &root, &length, fault);
	data = 8 + (int64_t) length;
	if (st == SP_OK)
		json_object_foreach(root, name, entry)
		{
			if (strcmp(name, "__metadata__") == 0)
				st = take_metadata(w, entry, fault);
			else
				st = take_tensor(w, name, entry, data, fault);
			if (st != SP_OK)
				break;
		}
	json_decref(root);
	if (st == SP_OK)
		st = check_cover(w, data, fault);
	if (st == SP_OK)
		st = sp_weights_finish(w, fault);
	return st;
}

const char *
sp_safetensors_metadata(const SpWeights *w, const char *key)
{
	return json_string_value(json_object_get(w->metadata, key));
}

void
sp_safetensors_forget(SpWeights *w)
{
	json_decref(w->metadata);
	w->metadata = NULL;
}
