/*
 * src/core/model/directory.c
 *	  The directory of tensors: what every format must promise.
 *
 * Whatever a file claims comes through here before it is used: a name that
 * can be shown, a shape whose product does not overflow, as many bytes as the
 * shape needs, all of them inside the file.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdlib.h>
#include <string.h>

#include "core/model/weights_internal.h"

SpStatus
sp_weights_add_store(SpWeights *w, SpSpool *spool, bool owned, size_t *store, SpFault *fault)
{
	if (w->store_count == SP_WEIGHTS_MAX_STORES)
	{
		if (owned)
			sp_spool_free(spool);
		return sp_fault(fault, SP_ERR_TOO_LARGE, "Save the checkpoint with fewer data files.",
		                "The weights have more than %d data files.", SP_WEIGHTS_MAX_STORES);
	}
	*store = w->store_count++;
	w->stores[*store] = spool;
	w->store_owned[*store] = owned;
	return SP_OK;
}

/* Names reach error messages and text columns. */
static SpStatus
check_name(const char *name, SpFault *fault)
{
	const char *s = name;
	size_t length = strnlen(name, SP_TENSOR_MAX_NAME + 1);

	if (length == 0 || length > SP_TENSOR_MAX_NAME)
		return sp_fault(fault, SP_ERR_BAD_DATA, "Rename it where the weights were saved.",
		                "A tensor's name is empty or longer than %d bytes.", SP_TENSOR_MAX_NAME);
	while (*s != '\0')
	{
		int n = sp_utf8_length(s);

		if (n == 0)
			return sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
			                "A tensor's name holds control characters or is not UTF-8.");
		s += n;
	}
	return SP_OK;
}

/* elements of info, and whether bytes is what they need. */
static SpStatus
check_shape(SpTensorInfo *info, int64_t bytes, SpFault *fault)
{
	int64_t elements = 1;
	int64_t needed;

	if (sp_dtype_size(info->dtype) == 0 || info->rank < 0 || info->rank > SP_TENSOR_MAX_RANK)
		return sp_fault(fault, SP_ERR_UNSUPPORTED, "Reshape it before saving.",
		                "Tensor \"%.80s\" has more than %d dimensions.", info->name,
		                SP_TENSOR_MAX_RANK);
	for (int i = 0; i < info->rank; i++)
	{
		if (info->shape[i] < 1)
			return sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
			                "Tensor \"%.80s\" has a dimension of %lld.", info->name,
			                (long long) info->shape[i]);
		if (__builtin_mul_overflow(elements, info->shape[i], &elements))
			return sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
			                "The shape of tensor \"%.80s\" overflows.", info->name);
	}
	info->elements = elements;
	if (__builtin_mul_overflow(elements, (int64_t) sp_dtype_size(info->dtype), &needed) ||
	    needed != bytes)
		return sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
		                "Tensor \"%.80s\" has %lld elements of %s, but %lld bytes.", info->name,
		                (long long) elements, sp_dtype_name(info->dtype), (long long) bytes);
	return SP_OK;
}

static SpStatus
check_place(const SpWeights *w, const char *name, const SpTensorPlace *place, SpFault *fault)
{
	int64_t size;

	if (place->store >= w->store_count)
		return sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
		                "Tensor \"%.80s\" lies in a data file that does not exist.", name);
	size = sp_spool_size(w->stores[place->store]);
	/* bytes > 0: check_shape has looked. */
	if (place->offset < 0 || place->bytes > size || place->offset > size - place->bytes)
		return sp_fault(
			fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
			"Tensor \"%.80s\" needs %lld bytes from byte %lld on; the data ends at %lld.", name,
			(long long) place->bytes, (long long) place->offset, (long long) size);
	return SP_OK;
}

/* Room for one entry more. */
static bool
grow(SpWeights *w)
{
	size_t capacity = w->capacity ? w->capacity * 2 : 64;
	SpWeightsEntry *entries;

	if (w->count < w->capacity)
		return true;
	entries = sp_alloc(w->env, capacity, sizeof(SpWeightsEntry));
	if (entries == NULL)
		return false;
	if (w->count > 0)
		memcpy(entries, w->entries, w->count * sizeof(SpWeightsEntry));
	sp_free(w->env, w->entries);
	w->entries = entries;
	w->capacity = capacity;
	return true;
}

SpStatus
sp_weights_add(SpWeights *w, const SpTensorInfo *info, const SpTensorPlace *place, SpFault *fault)
{
	SpWeightsEntry entry = {.info = *info, .place = *place};
	SpStatus st = check_name(info->name, fault);
	size_t length;
	char *name;

	if (st == SP_OK)
		st = check_shape(&entry.info, place->bytes, fault);
	if (st == SP_OK)
		st = check_place(w, info->name, place, fault);
	if (st != SP_OK)
		return st;
	if (w->limits.max_tensors > 0 && w->count >= w->limits.max_tensors)
		return sp_fault(fault, SP_ERR_TOO_LARGE, "Give one model alone.",
		                "The weights have more than %zu tensors.", w->limits.max_tensors);
	length = strlen(info->name) + 1;
	name = sp_alloc(w->env, length, 1);
	if (name == NULL || !grow(w))
	{
		sp_free(w->env, name);
		return sp_weights_no_memory(fault);
	}
	memcpy(name, info->name, length);
	entry.info.name = name;
	w->entries[w->count++] = entry;
	return SP_OK;
}

static int
by_name(const void *a, const void *b)
{
	const SpWeightsEntry *x = a;
	const SpWeightsEntry *y = b;

	return strcmp(x->info.name, y->info.name);
}

SpStatus
sp_weights_finish(SpWeights *w, SpFault *fault)
{
	if (w->count == 0)
		return sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_FORMATS, "There is no tensor in it.");
	qsort(w->entries, w->count, sizeof(SpWeightsEntry), by_name);
	w->infos = sp_alloc(w->env, w->count, sizeof(SpTensorInfo));
	if (w->infos == NULL)
		return sp_weights_no_memory(fault);
	for (size_t i = 0; i < w->count; i++)
	{
		w->infos[i] = w->entries[i].info;
		if (i > 0 && strcmp(w->infos[i - 1].name, w->infos[i].name) == 0)
			return sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
			                "Tensor \"%.80s\" comes twice.", w->infos[i].name);
	}
	w->source.count = w->count;
	w->source.tensors = w->infos;
	w->source.read = sp_weights_read;
	w->source.self = w;
	return SP_OK;
}
