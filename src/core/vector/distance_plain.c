/*
 * src/core/vector/distance_plain.c
 *	  Distances in lanes of 16 floats, by vectors that the compiler splits
 *	  where the machine has shorter ones.
 *
 * Four sums at a time, because an addition takes four cycles and the next one
 * need not wait for it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "core/sp_simd.h"
#include "core/vector/distance_kernels.h"
#include "core/vector/sums.h"

#define LANES 16

typedef float Lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef float Loose __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

/* A macro, because a function with such an argument has another ABI in each clone. */
#define LOAD(p) (*(const Loose *) (p))

typedef float Half __attribute__((vector_size(LANES / 2 * sizeof(float))));
typedef float Quarter __attribute__((vector_size(LANES / 4 * sizeof(float))));

/* The sum of a vector's lanes, in a tree. */
#define ADD_LANES(sum, x)                                                         \
	do                                                                            \
	{                                                                             \
		Half half_ = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +      \
		             __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15); \
		Quarter quarter_ = __builtin_shufflevector(half_, half_, 0, 1, 2, 3) +    \
		                   __builtin_shufflevector(half_, half_, 4, 5, 6, 7);     \
                                                                                  \
		sum = (quarter_[0] + quarter_[2]) + (quarter_[1] + quarter_[3]);          \
	} while (0)

/* What is less than LANES at the end, with zeros behind it, which add nothing. */
#define LOAD_END(end, from, n)                     \
	do                                             \
	{                                              \
		float end_[LANES] = {0};                   \
                                                   \
		memcpy(end_, (from), (n) * sizeof(float)); \
		end = LOAD(end_);                          \
	} while (0)

#define ADD_TERM(TERM, sum, at) sum += TERM(LOAD(a + (at)), LOAD(b + (at)))

/* TERM(x, y) of two vectors of lanes, summed over all of a and b. */
#define SUM_TERMS(TERM)                           \
	Lanes s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0}; \
	float sum;                                    \
	size_t i = 0;                                 \
                                                  \
	for (; i + 4 * LANES <= n; i += 4 * LANES)    \
	{                                             \
		ADD_TERM(TERM, s0, i);                    \
		ADD_TERM(TERM, s1, i + LANES);            \
		ADD_TERM(TERM, s2, i + 2 * LANES);        \
		ADD_TERM(TERM, s3, i + 3 * LANES);        \
	}                                             \
	for (; i + LANES <= n; i += LANES)            \
		ADD_TERM(TERM, s1, i);                    \
	if (i < n)                                    \
	{                                             \
		Lanes x, y;                               \
                                                  \
		LOAD_END(x, a + i, n - i);                \
		LOAD_END(y, b + i, n - i);                \
		s2 += TERM(x, y);                         \
	}                                             \
	s0 = (s0 + s1) + (s2 + s3);                   \
	ADD_LANES(sum, s0);                           \
	return sum

#define PRODUCT(x, y) ((x) * (y))
#define SQUARE(x, y)  (((x) - (y)) * ((x) - (y)))

SP_CLONES static float
sum_products(const float *a, const float *b, size_t n)
{
	SUM_TERMS(PRODUCT);
}

SP_CLONES static float
sum_squares(const float *a, const float *b, size_t n)
{
	SUM_TERMS(SQUARE);
}

#define ADD_ANGLE(x, y, k)     \
	do                         \
	{                          \
		Lanes x_ = x;          \
		Lanes y_ = y;          \
                               \
		product##k += x_ * y_; \
		a##k += x_ * x_;       \
		b##k += y_ * y_;       \
	} while (0)

/* <a, b>, <a, a> and <b, b> in one pass. */
SP_CLONES static void
sum_angle(const float *a, const float *b, size_t n, float sums[3])
{
	Lanes product0 = {0}, product1 = {0}, a0 = {0}, a1 = {0}, b0 = {0}, b1 = {0};
	size_t i = 0;

	for (; i + 2 * LANES <= n; i += 2 * LANES)
	{
		ADD_ANGLE(LOAD(a + i), LOAD(b + i), 0);
		ADD_ANGLE(LOAD(a + i + LANES), LOAD(b + i + LANES), 1);
	}
	for (; i + LANES <= n; i += LANES)
		ADD_ANGLE(LOAD(a + i), LOAD(b + i), 0);
	if (i < n)
	{
		Lanes x, y;

		LOAD_END(x, a + i, n - i);
		LOAD_END(y, b + i, n - i);
		ADD_ANGLE(x, y, 1);
	}
	product0 += product1;
	a0 += a1;
	b0 += b1;
	ADD_LANES(sums[0], product0);
	ADD_LANES(sums[1], a0);
	ADD_LANES(sums[2], b0);
}

static double
l2_squared(const float *a, const float *b, size_t n)
{
	double sum = sum_squares(a, b, n);

	return sp_sum_is_safe(sum) ? sum : sp_distance_exact_l2_squared(a, b, n);
}

static double
inner_product(const float *a, const float *b, size_t n)
{
	double sum = sum_products(a, b, n);

	return sp_sum_is_safe(sum) ? sum : sp_distance_exact_inner_product(a, b, n);
}

static double
cosine(const float *a, const float *b, size_t n)
{
	float sums[3];

	sum_angle(a, b, n, sums);
	return sp_distance_cosine_of(sums[0], sums[1], sums[2], a, b, n);
}

static void
l2_squared_many(const float *query, const float *vectors, size_t stride, size_t count, size_t n,
                double *out)
{
	for (size_t i = 0; i < count; i++)
		out[i] = l2_squared(query, vectors + i * stride, n);
}

static void
inner_product_many(const float *query, const float *vectors, size_t stride, size_t count, size_t n,
                   double *out)
{
	for (size_t i = 0; i < count; i++)
		out[i] = inner_product(query, vectors + i * stride, n);
}

static void
cosine_many(const float *query, const float *vectors, size_t stride, size_t count, size_t n,
            double *out)
{
	for (size_t i = 0; i < count; i++)
		out[i] = cosine(query, vectors + i * stride, n);
}

const SpDistanceKernels sp_distance_plain = {l2_squared,      inner_product,      cosine,
                                             l2_squared_many, inner_product_many, cosine_many};
