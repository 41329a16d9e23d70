/*
 * src/core/nn/tensor.c
 *	  Kinds of numbers, and the way between them.
 *
 * Files are little-endian; the loads say so, and cost nothing where the
 * machine is, too.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* le16toh and its family */
#endif

#include "core/nn/tensor.h"

#include <endian.h>
#include <string.h>

#include "core/sp_simd.h"

/* Of a binary32: all ones means infinity or not a number. */
#define F32_EXPONENT 0x7F800000u

size_t
sp_dtype_size(SpDtype dtype)
{
	switch (dtype)
	{
		case SP_DTYPE_F32:
		case SP_DTYPE_I32:
			return 4;
		case SP_DTYPE_BF16:
		case SP_DTYPE_F16:
			return 2;
		case SP_DTYPE_F64:
		case SP_DTYPE_I64:
			return 8;
	}
	return 0;
}

const char *
sp_dtype_name(SpDtype dtype)
{
	switch (dtype)
	{
		case SP_DTYPE_F32:
			return "f32";
		case SP_DTYPE_BF16:
			return "bf16";
		case SP_DTYPE_F16:
			return "f16";
		case SP_DTYPE_F64:
			return "f64";
		case SP_DTYPE_I32:
			return "i32";
		case SP_DTYPE_I64:
			return "i64";
	}
	return NULL;
}

ptrdiff_t
sp_tensor_find(const SpTensorSource *source, const char *name)
{
	size_t low = 0;
	size_t high = source->count;

	while (low < high)
	{
		size_t middle = low + (high - low) / 2;
		int order = strcmp(source->tensors[middle].name, name);

		if (order == 0)
			return (ptrdiff_t) middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

static inline uint16_t
load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return le16toh(v);
}

static inline uint32_t
load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static inline uint64_t
load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline float
float_of(uint32_t bits)
{
	float v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static inline uint32_t
bits_of(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/* IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
static inline float
float_of_half(uint16_t half)
{
	uint32_t sign = (uint32_t) (half & 0x8000) << 16;
	uint32_t exponent = (half >> 10) & 0x1F;
	uint32_t fraction = half & 0x3FF;

	if (exponent == 0x1F)
		return float_of(sign | F32_EXPONENT | fraction << 13);
	if (exponent == 0)
	{
		/* Subnormal: fraction * 2^-24, exactly. */
		float v = (float) fraction * 0x1p-24f;

		return sign ? -v : v;
	}
	return float_of(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

static void
from_bf16(float *out, const uint8_t *in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = float_of((uint32_t) load16(in + 2 * i) << 16);
}

static void
from_f16(float *out, const uint8_t *in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = float_of_half(load16(in + 2 * i));
}

/* A double beyond the largest float rounds to it or overflows, by IEEE 754. */
static void
from_f64(float *out, const uint8_t *in, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		uint64_t bits = load64(in + 8 * i);
		double v;

		memcpy(&v, &bits, sizeof(v));
		out[i] = (float) v;
	}
}

static void
from_f32(float *out, const uint8_t *in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = float_of(load32(in + 4 * i));
}

static void
from_i32(float *out, const uint8_t *in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (float) (int32_t) load32(in + 4 * i);
}

static void
from_i64(float *out, const uint8_t *in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (float) (int64_t) load64(in + 8 * i);
}

SP_CLONES static bool
all_finite(const float *x, size_t n)
{
	uint32_t bad = 0;

	for (size_t i = 0; i < n; i++)
		bad |= (bits_of(x[i]) & F32_EXPONENT) == F32_EXPONENT;
	return bad == 0;
}

bool
sp_tensor_to_f32(float *out, const void *in, SpDtype dtype, size_t n)
{
	switch (dtype)
	{
		case SP_DTYPE_F32:
			from_f32(out, in, n);
			break;
		case SP_DTYPE_BF16:
			from_bf16(out, in, n);
			break;
		case SP_DTYPE_F16:
			from_f16(out, in, n);
			break;
		case SP_DTYPE_F64:
			from_f64(out, in, n);
			break;
		case SP_DTYPE_I32:
			from_i32(out, in, n);
			break;
		case SP_DTYPE_I64:
			from_i64(out, in, n);
			break;
	}
	return all_finite(out, n);
}

SP_CLONES void
sp_f32_to_bf16(uint16_t *out, const float *in, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		uint32_t bits = bits_of(in[i]);
		/* Adding half of the lost range, less one when the result is even. */
		uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
		/* A NaN whose payload lies in the lost half would become infinity. */
		uint32_t quiet = bits >> 16 | 0x0040;

		out[i] = (uint16_t) ((bits & 0x7FFFFFFF) > F32_EXPONENT ? quiet : rounded);
	}
}

/* Rounds to nearest, ties to even; what is too large becomes infinity. */
static uint16_t
half_of(float value)
{
	uint32_t bits = bits_of(value);
	uint16_t sign = (uint16_t) (bits >> 16 & 0x8000);
	uint32_t magnitude = bits & 0x7FFFFFFF;

	if (magnitude > F32_EXPONENT)
		return sign | 0x7E00;
	/* 65520 is the first number that rounds beyond the largest, 65504. */
	if (magnitude >= bits_of(65520.0f))
		return sign | 0x7C00;
	if (magnitude < bits_of(0x1p-14f))
		/* Subnormal: at 0.5 the unit in the last place of a float is 2^-24, theirs. */
		return sign | (uint16_t) (bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f));
	magnitude += 0x0FFF + ((magnitude >> 13) & 1);
	return sign | (uint16_t) ((magnitude - ((uint32_t) (127 - 15) << 23)) >> 13);
}

void
sp_f32_to_f16(uint16_t *out, const float *in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = half_of(in[i]);
}
