/*
 * tests/unit/nn_check.h
 *	  What the tests of layers share: seeded arrays, elements of either
 *	  precision, comparison with a twin's sums.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef NN_CHECK_H
#define NN_CHECK_H

#include "check.h"

#include "core/nn/nn.h"
#include "core/nn/tensor.h"
#include "twins/nn_conv.h"
#include "twins/nn_point.h"

/*
 * Distance of a sum of floats from that of doubles, in the sum of the terms'
 * magnitudes: rounding errors of 2^-24 that add like a random walk; 2^-20 allows
 * for 256 of the same sign.  Products of bf16 are exact in float, so once
 * operands are rounded, the same holds for bf16.
 */
#define NN_SUM_TOLERANCE 0x1p-20

static inline int
nn_between(int low, int high)
{
	return low + (int) (check_random() % (uint32_t) (high - low + 1));
}

static inline void *
nn_malloc(size_t n, size_t size)
{
	void *p = malloc(n * size > 0 ? n * size : 1);

	if (p == NULL)
		abort();
	return p;
}

/* n numbers in [-size, size); those that a network of bf16 sees are rounded to it. */
static inline float *
nn_random(size_t n, float size, SpPrecision precision)
{
	float *x = nn_malloc(n, sizeof(float));

	for (size_t i = 0; i < n; i++)
	{
		x[i] = check_noise() * size;
		if (precision == SP_PRECISION_BF16)
			x[i] = twin_bf16(x[i]);
	}
	return x;
}

/* Floats, which are bf16 already in that precision, as elements of nn. */
static inline void *
nn_elements(SpPrecision precision, const float *x, size_t n)
{
	size_t size = precision == SP_PRECISION_BF16 ? sizeof(uint16_t) : sizeof(float);
	void *out = nn_malloc(n, size);

	if (precision == SP_PRECISION_BF16)
		sp_f32_to_bf16(out, x, n);
	else
		memcpy(out, x, n * sizeof(float));
	return out;
}

static inline float
nn_float_of_bf16(uint16_t x)
{
	uint32_t bits = (uint32_t) x << 16;
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/*
 * The largest distance from the sums, in their sizes; NaN is infinite.  Beside it
 * elements may be off by their rounding: half a unit of 8 bits, 2^-8.
 */
static inline double
nn_distance(SpPrecision precision, const void *got, const TwinSum *want, size_t n)
{
	double worst = 0;

	for (size_t i = 0; i < n; i++)
	{
		bool rounded = precision == SP_PRECISION_BF16;
		double value =
			rounded ? nn_float_of_bf16(((const uint16_t *) got)[i]) : ((const float *) got)[i];
		double off = fabs(value - want[i].value) - (rounded ? 0x1.01p-8 : 0) * fabs(want[i].value);
		double d = off / (want[i].size > 0 ? want[i].size : 1);

		worst = d <= worst ? worst : isnan(d) ? INFINITY : d;
	}
	return worst;
}

/* n numbers of either precision as floats; the caller frees. */
static inline float *
nn_floats(SpPrecision precision, const void *x, size_t n)
{
	float *out = nn_malloc(n, sizeof(float));

	for (size_t i = 0; i < n; i++)
		out[i] = precision == SP_PRECISION_BF16 ? nn_float_of_bf16(((const uint16_t *) x)[i])
		                                        : ((const float *) x)[i];
	return out;
}

#endif /* NN_CHECK_H */
