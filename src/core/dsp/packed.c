/*
 * src/core/dsp/packed.c
 *	  Magnitudes in 16 bits.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/dsp/packed.h"

#include <string.h>

#include "core/sp_simd.h"

/* A float is 8 bits of exponent, biased by 127, and 23 of fraction. */
#define DROPPED  13
#define HALF     (1 << (DROPPED - 1))
#define SMALLEST ((127 - 48) << 23)

static void store(uint16_t *restrict out, const float *restrict in, size_t n);
static void load(float *restrict out, const uint16_t *restrict in, size_t n);

void
sp_packed_store(uint16_t *out, const float *in, size_t n)
{
	store(out, in, n);
}

void
sp_packed_load(float *out, const uint16_t *in, size_t n)
{
	load(out, in, n);
}

/* Rounding may carry into the exponent, which is right. */
SP_CLONES static void
store(uint16_t *restrict out, const float *restrict in, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		float x = in[i] > 0.0f ? in[i] : 0.0f;
		int32_t bits;

		memcpy(&bits, &x, sizeof(bits));
		bits = (bits - SMALLEST + HALF) >> DROPPED;
		bits = bits > 0 ? bits : 0;
		out[i] = (uint16_t) (bits < UINT16_MAX ? bits : UINT16_MAX);
	}
}

SP_CLONES static void
load(float *restrict out, const uint16_t *restrict in, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		int32_t bits = in[i] > 0 ? ((int32_t) in[i] << DROPPED) + SMALLEST : 0;

		memcpy(&out[i], &bits, sizeof(bits));
	}
}
