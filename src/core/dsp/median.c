/*
 * src/core/dsp/median.c
 *	  The median of k rows, element by element.
 *
 * A sorting network (Batcher's odd-even merge, Knuth TAOCP 3, 5.2.2 M) has
 * no branch that depends on data, so that a vector of elements goes through
 * it at once.  Only its middle wire is wanted.  Where k is a constant the
 * compiler unrolls the network, drops every minimum and maximum that cannot
 * reach that wire (about a third), and keeps wires in registers: three times
 * as fast as a network read from a table.  So there are a few sizes, and
 * others are filled up with pairs of the least and the greatest number,
 * which leave the middle where it is.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/dsp/median.h"

#include <math.h>
#include <string.h>

#include "core/sp_simd.h"

#define INLINE static inline __attribute__((always_inline))

/* Elements for which fillers are at hand. */
#define BLOCK 2048

typedef void (*Kernel)(uint16_t *restrict out, const uint16_t *const *rows, size_t n);

static Kernel kernel_for(size_t k, size_t *size);
static void median_17(uint16_t *restrict out, const uint16_t *const *rows, size_t n);
static void median_19(uint16_t *restrict out, const uint16_t *const *rows, size_t n);
static void median_25(uint16_t *restrict out, const uint16_t *const *rows, size_t n);
static void median_31(uint16_t *restrict out, const uint16_t *const *rows, size_t n);
static void median_63(uint16_t *restrict out, const uint16_t *const *rows, size_t n);

void
sp_median_run(uint16_t *out, const uint16_t *const *rows, size_t k, size_t n)
{
	static const uint16_t least[BLOCK];
	static const uint16_t greatest[BLOCK] = {[0 ... BLOCK - 1] = UINT16_MAX};
	const uint16_t *filled[SP_MEDIAN_MAX_ROWS];
	size_t size;
	Kernel kernel = kernel_for(k, &size);
	size_t below = size / 2 - (k - 1) / 2;

	if (k == size)
	{
		kernel(out, rows, n);
		return;
	}
	for (size_t r = k; r < size; r++)
		filled[r] = r - k < below ? least : greatest;
	for (size_t i = 0; i < n; i += BLOCK)
	{
		for (size_t r = 0; r < k; r++)
			filled[r] = rows[r] + i;
		kernel(out + i, filled, n - i < BLOCK ? n - i : BLOCK);
	}
}

void
sp_median_slide(uint16_t *out, const uint16_t *in, size_t k, size_t n, uint16_t *scratch)
{
	const uint16_t *rows[SP_MEDIAN_MAX_ROWS];
	size_t half = k / 2;

	if (n == 0)
		return;
	for (size_t i = 0; i < half; i++)
	{
		scratch[i] = in[0];
		scratch[half + n + i] = in[n - 1];
	}
	memcpy(scratch + half, in, n * sizeof(*in));
	for (size_t r = 0; r < k; r++)
		rows[r] = scratch + r;
	sp_median_run(out, rows, k, n);
}

size_t
sp_median_odd(double width)
{
	double half = floor(width / 2.0);

	if (!(half >= 1.0))
		return 3;
	return half >= SP_MEDIAN_MAX_ROWS / 2 ? SP_MEDIAN_MAX_ROWS : 2 * (size_t) half + 1;
}

/* 17, 19 and 25 are what 44.1 kHz needs, 31 reaches nearly every other rate. */
static Kernel
kernel_for(size_t k, size_t *size)
{
	static const struct
	{
		size_t size;
		Kernel kernel;
	} kernels[] = {{17, median_17}, {19, median_19}, {25, median_25}, {31, median_31}};

	for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++)
		if (k <= kernels[i].size)
		{
			*size = kernels[i].size;
			return kernels[i].kernel;
		}
	*size = SP_MEDIAN_MAX_ROWS;
	return median_63;
}

/* Sorts wires i and i + d wherever bits p of i are r. */
INLINE void
exchange(uint16_t *v, size_t k, size_t p, size_t r, size_t d)
{
#pragma GCC unroll 64
	for (size_t i = 0; i + d < k; i++)
		if ((i & p) == r)
		{
			uint16_t a = v[i], b = v[i + d];

			v[i] = a < b ? a : b;
			v[i + d] = a < b ? b : a;
		}
}

/* Merges of p wires with p; exchanges that would reach beyond k are none. */
INLINE void
merge(uint16_t *v, size_t k, size_t p)
{
	exchange(v, k, p, 0, p);
	if (p < 32)
		exchange(v, k, p, p, 32 - p);
	if (p < 16)
		exchange(v, k, p, p, 16 - p);
	if (p < 8)
		exchange(v, k, p, p, 8 - p);
	if (p < 4)
		exchange(v, k, p, p, 4 - p);
	if (p < 2)
		exchange(v, k, p, p, 2 - p);
}

/* The loop over i is the one that becomes vectors: all others vanish. */
INLINE void
find_medians(uint16_t *restrict out, const uint16_t *const *rows, size_t k, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		uint16_t v[SP_MEDIAN_MAX_ROWS];

#pragma GCC unroll 64
		for (size_t r = 0; r < k; r++)
			v[r] = rows[r][i];
		merge(v, k, 32);
		merge(v, k, 16);
		merge(v, k, 8);
		merge(v, k, 4);
		merge(v, k, 2);
		merge(v, k, 1);
		out[i] = v[k / 2];
	}
}

SP_CLONES static void
median_17(uint16_t *restrict out, const uint16_t *const *rows, size_t n)
{
	find_medians(out, rows, 17, n);
}

SP_CLONES static void
median_19(uint16_t *restrict out, const uint16_t *const *rows, size_t n)
{
	find_medians(out, rows, 19, n);
}

SP_CLONES static void
median_25(uint16_t *restrict out, const uint16_t *const *rows, size_t n)
{
	find_medians(out, rows, 25, n);
}

SP_CLONES static void
median_31(uint16_t *restrict out, const uint16_t *const *rows, size_t n)
{
	find_medians(out, rows, 31, n);
}

SP_CLONES static void
median_63(uint16_t *restrict out, const uint16_t *const *rows, size_t n)
{
	find_medians(out, rows, SP_MEDIAN_MAX_ROWS, n);
}
