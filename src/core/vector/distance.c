/*
 * src/core/vector/distance.c
 *	  Distances by the machine's fastest loops, and in double where need be.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/distance.h"

#include <math.h>

#include "core/sp_simd.h"
#include "core/vector/distance_kernels.h"
#include "core/vector/sums.h"

double
sp_distance_exact_l2_squared(const float *a, const float *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
	return sum;
}

double
sp_distance_exact_inner_product(const float *a, const float *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double) a[i] * b[i];
	return sum;
}

/* Of rounding; a NaN stays one. */
static double
within_one(double cosine)
{
	return cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
}

static double
exact_cosine(const float *a, const float *b, size_t n)
{
	return within_one(sp_vector_inner_product(a, b, n) /
	                  sqrt(sp_vector_norm_squared(a, n) * sp_vector_norm_squared(b, n)));
}

double
sp_distance_cosine_of(float product, float a_square, float b_square, const float *a, const float *b,
                      size_t n)
{
	if (sp_sum_is_safe(product) && sp_sum_is_safe(a_square) && sp_sum_is_safe(b_square))
		return within_one(product / sqrt((double) a_square * b_square));
	return exact_cosine(a, b, n);
}

double
sp_vector_l2_squared(const float *a, const float *b, size_t n)
{
	return sp_distance_fastest()->l2_squared(a, b, n);
}

double
sp_vector_inner_product(const float *a, const float *b, size_t n)
{
	return sp_distance_fastest()->inner_product(a, b, n);
}

double
sp_vector_norm_squared(const float *a, size_t n)
{
	return sp_distance_fastest()->inner_product(a, a, n);
}

double
sp_vector_cosine(const float *a, const float *b, size_t n)
{
	return sp_distance_fastest()->cosine(a, b, n);
}

void
sp_vector_l2_squared_many(const float *query, const float *vectors, size_t stride, size_t count,
                          size_t n, double *out)
{
	sp_distance_fastest()->l2_squared_many(query, vectors, stride, count, n, out);
}

void
sp_vector_inner_product_many(const float *query, const float *vectors, size_t stride, size_t count,
                             size_t n, double *out)
{
	sp_distance_fastest()->inner_product_many(query, vectors, stride, count, n, out);
}

void
sp_vector_cosine_many(const float *query, const float *vectors, size_t stride, size_t count,
                      size_t n, double *out)
{
	sp_distance_fastest()->cosine_many(query, vectors, stride, count, n, out);
}

void
sp_vector_normalize(const float *a, float *out, size_t n)
{
	double norm = sqrt(sp_vector_norm_squared(a, n));

	for (size_t i = 0; i < n; i++)
		out[i] = norm > 0 ? (float) (a[i] / norm) : 0.0f;
}

SP_CLONES void
sp_vector_scale(float *a, float by, size_t n)
{
	for (size_t i = 0; i < n; i++)
		a[i] *= by;
}
