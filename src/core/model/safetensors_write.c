/*
 * src/core/model/safetensors_write.c
 *	  Writes safetensors.
 *
 * Tensors stand in the order of their source, and the header is padded with
 * blanks to eight bytes, as the reference implementation does: the same
 * tensors make the same file.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* htole32 and its family */
#endif

#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/weights_internal.h"
#include "core/sp_json.h"

/* Numbers converted and written at once. */
#define PIECE 16384

typedef struct Writer
{
	const SpEnv *env;
	SpSpool *spool;
	const SpTensorSource *source;
	SpDtype dtype;
	float *numbers; /* [elements of the largest tensor] */
	uint8_t *piece; /* [PIECE * size of dtype] */
	SpFault *fault;
} Writer;

/* The header's entry of a tensor at bytes [begin, begin + bytes); NULL: no memory. */
static json_t *
describe(const SpTensorInfo *info, SpDtype dtype, int64_t begin, int64_t bytes)
{
	json_t *shape = json_array();
	bool good = shape != NULL;

	/* The _new functions take the reference, also of NULL, also on failure. */
	for (int i = 0; i < info->rank && good; i++)
		good = json_array_append_new(shape, json_integer(info->shape[i])) == 0;
	if (!good)
	{
		json_decref(shape);
		return NULL;
	}
	return json_pack("{s:s, s:o, s:[I, I]}", "dtype", sp_safetensors_dtype(dtype), "shape", shape,
	                 "data_offsets", (json_int_t) begin, (json_int_t) (begin + bytes));
}

static json_t *
describe_metadata(const char *const *pairs)
{
	json_t *object = sp_json_object();

	for (; object != NULL && pairs[0] != NULL; pairs += 2)
		if (json_object_set_new(object, pairs[0], json_string(pairs[1])) != 0)
		{
			json_decref(object);
			return NULL;
		}
	return object;
}

/* The header as JSON text, the caller's to free(); NULL: no memory, or not UTF-8. */
static char *
header_text(const Writer *writer, const char *const *metadata)
{
	json_t *root = sp_json_object();
	bool good = root != NULL;
	int64_t at = 0;
	char *text = NULL;

	if (good && metadata != NULL)
		good = json_object_set_new(root, "__metadata__", describe_metadata(metadata)) == 0;
	for (size_t i = 0; i < writer->source->count && good; i++)
	{
		const SpTensorInfo *info = &writer->source->tensors[i];
		int64_t bytes = info->elements * (int64_t) sp_dtype_size(writer->dtype);

		good = json_object_set_new(root, info->name, describe(info, writer->dtype, at, bytes)) == 0;
		at += bytes;
	}
	if (good)
		text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}

static SpStatus
append(Writer *writer, const void *bytes, size_t n)
{
	if (sp_spool_append(writer->spool, bytes, n) != SP_OK)
		return sp_spool_fault(writer->spool, writer->fault);
	return SP_OK;
}

static SpStatus
write_header(Writer *writer, const char *const *metadata)
{
	char *text = header_text(writer, metadata);
	size_t length;
	size_t padding;
	uint64_t prefix;
	SpStatus st;

	if (text == NULL)
		return sp_weights_no_memory(writer->fault);
	length = strlen(text);
	padding = (size_t) (-length & 7);
	prefix = htole64(length + padding);
	st = append(writer, &prefix, sizeof(prefix));
	if (st == SP_OK)
		st = append(writer, text, length);
	if (st == SP_OK)
		st = append(writer, "       ", padding);
	free(text);
	return st;
}

/* n numbers as dtype, little-endian; false when a finite one does not fit. */
static bool
convert(uint8_t *out, const float *in, SpDtype dtype, size_t n)
{
	uint16_t *halves = (uint16_t *) (void *) out;
	bool fits = true;

	if (dtype == SP_DTYPE_F32)
	{
		for (size_t i = 0; i < n; i++)
		{
			uint32_t bits;

			memcpy(&bits, in + i, sizeof(bits));
			bits = htole32(bits);
			memcpy(out + 4 * i, &bits, sizeof(bits));
		}
		return true;
	}
	if (dtype == SP_DTYPE_BF16)
		sp_f32_to_bf16(halves, in, n);
	else
		sp_f32_to_f16(halves, in, n);
	for (size_t i = 0; i < n; i++)
	{
		uint16_t infinite = dtype == SP_DTYPE_BF16 ? 0x7F80 : 0x7C00;

		fits &= (halves[i] & 0x7FFF) < infinite;
		halves[i] = htole16(halves[i]);
	}
	return fits;
}

static SpStatus
write_tensor(Writer *writer, size_t i)
{
	const SpTensorInfo *info = &writer->source->tensors[i];
	size_t n = (size_t) info->elements;
	SpStatus st = writer->source->read(writer->source->self, i, writer->numbers, writer->fault);

	for (size_t done = 0; done < n && st == SP_OK;)
	{
		size_t m = n - done < PIECE ? n - done : PIECE;

		if (sp_should_stop(writer->env))
			return SP_ERR_CANCELED;
		if (!convert(writer->piece, writer->numbers + done, writer->dtype, m))
			return sp_fault(writer->fault, SP_ERR_TOO_LARGE, "Write it as f32.",
			                "Tensor \"%.80s\" holds a number that is too large for %s.", info->name,
			                sp_dtype_name(writer->dtype));
		st = append(writer, writer->piece, m * sp_dtype_size(writer->dtype));
		done += m;
	}
	return st;
}

SpStatus
sp_safetensors_write(const SpEnv *env, SpSpool *spool, const SpTensorSource *source, SpDtype dtype,
                     const char *const *metadata, SpFault *fault)
{
	Writer writer = {.env = env, .spool = spool, .source = source, .dtype = dtype, .fault = fault};
	size_t largest = 1;
	SpStatus st;

	if (dtype != SP_DTYPE_F32 && dtype != SP_DTYPE_BF16 && dtype != SP_DTYPE_F16)
		return sp_fault(fault, SP_ERR_BAD_ARG, "Write f32, bf16 or f16.",
		                "Weights are not written in this kind of numbers.");
	for (size_t i = 0; i < source->count; i++)
		if ((size_t) source->tensors[i].elements > largest)
			largest = (size_t) source->tensors[i].elements;
	writer.numbers = sp_alloc(env, largest, sizeof(float));
	writer.piece = sp_alloc(env, PIECE, sizeof(float));
	if (writer.numbers == NULL || writer.piece == NULL)
		st = sp_weights_no_memory(fault);
	else
		st = write_header(&writer, metadata);
	for (size_t i = 0; i < source->count && st == SP_OK; i++)
		st = write_tensor(&writer, i);
	sp_free(env, writer.numbers);
	sp_free(env, writer.piece);
	return st;
}
