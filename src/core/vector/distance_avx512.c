/*
 * src/core/vector/distance_avx512.c
 *	  Distances with AVX-512: what a compiler makes of lanes, less what it adds.
 *
 * The end of a vector is read under a mask, so that there is no stack to align
 * and nothing to copy.  The first cache takes two accesses a cycle, of which a
 * line that comes from the second needs one: with its load and the query's that
 * makes three for each line of a pair, where reading alone needs two.  Eight
 * vectors against one query need 2 1/8, and their lanes are added together.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/distance_kernels.h"

#ifdef __x86_64__

#include <immintrin.h>
#include <math.h>
#include <stdbool.h>

#include "core/vector/sums.h"

#define TARGET __attribute__((target("avx512f")))
#define LANES  16

/* Vectors whose sums wait for their roots. */
#define BLOCK 64

#define LOAD(p) _mm512_loadu_ps(p)
/* What is behind the end is not read, and counts as zeros. */
#define LOAD_END(some, p) _mm512_maskz_loadu_ps(some, p)
#define END_MASK(count)   ((__mmask16) ((1u << (count)) - 1))

/* Keeps a load in a register: gcc would load it again for its second use, and loads are scarce. */
#define KEEP(x) __asm__("" : "+v"(x))

#define ADD_PRODUCT(sum, x, y) sum = _mm512_fmadd_ps(x, y, sum)
#define ADD_SQUARE(sum, x, y)                       \
	do                                              \
	{                                               \
		__m512 apart_ = _mm512_sub_ps(x, y);        \
                                                    \
		sum = _mm512_fmadd_ps(apart_, apart_, sum); \
	} while (0)

/* sum of what ADD makes of a and b: four sums, as an addition takes four cycles. */
#define SUM_PAIR(ADD)                                              \
	__m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;    \
	double sum;                                                    \
	size_t i = 0;                                                  \
                                                                   \
	for (; i + 4 * LANES <= n; i += 4 * LANES)                     \
	{                                                              \
		ADD(s0, LOAD(a + i), LOAD(b + i));                         \
		ADD(s1, LOAD(a + i + LANES), LOAD(b + i + LANES));         \
		ADD(s2, LOAD(a + i + 2 * LANES), LOAD(b + i + 2 * LANES)); \
		ADD(s3, LOAD(a + i + 3 * LANES), LOAD(b + i + 3 * LANES)); \
	}                                                              \
	for (; i + LANES <= n; i += LANES)                             \
		ADD(s1, LOAD(a + i), LOAD(b + i));                         \
	if (i < n)                                                     \
	{                                                              \
		__mmask16 some = END_MASK(n - i);                          \
                                                                   \
		ADD(s2, LOAD_END(some, a + i), LOAD_END(some, b + i));     \
	}                                                              \
	sum = _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)))

TARGET static double
l2_squared(const float *a, const float *b, size_t n)
{
	SUM_PAIR(ADD_SQUARE);
	return sp_sum_is_safe(sum) ? sum : sp_distance_exact_l2_squared(a, b, n);
}

TARGET static double
inner_product(const float *a, const float *b, size_t n)
{
	SUM_PAIR(ADD_PRODUCT);
	return sp_sum_is_safe(sum) ? sum : sp_distance_exact_inner_product(a, b, n);
}

#define ADD_ANGLE(k, from_a, from_b)                      \
	do                                                    \
	{                                                     \
		__m512 x_ = from_a, y_ = from_b;                  \
                                                          \
		KEEP(x_);                                         \
		KEEP(y_);                                         \
		product##k = _mm512_fmadd_ps(x_, y_, product##k); \
		a##k = _mm512_fmadd_ps(x_, x_, a##k);             \
		b##k = _mm512_fmadd_ps(y_, y_, b##k);             \
	} while (0)

#define REDUCE(s0, s1, s2, s3) \
	_mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)))

/* <a, b>, <a, a> and <b, b> in one pass. */
TARGET static double
cosine(const float *a, const float *b, size_t n)
{
	__m512 product0 = _mm512_setzero_ps(), product1 = product0, product2 = product0;
	__m512 product3 = product0, a0 = product0, a1 = product0, a2 = product0, a3 = product0;
	__m512 b0 = product0, b1 = product0, b2 = product0, b3 = product0;
	size_t i = 0;

	for (; i + 4 * LANES <= n; i += 4 * LANES)
	{
		ADD_ANGLE(0, LOAD(a + i), LOAD(b + i));
		ADD_ANGLE(1, LOAD(a + i + LANES), LOAD(b + i + LANES));
		ADD_ANGLE(2, LOAD(a + i + 2 * LANES), LOAD(b + i + 2 * LANES));
		ADD_ANGLE(3, LOAD(a + i + 3 * LANES), LOAD(b + i + 3 * LANES));
	}
	for (; i + LANES <= n; i += LANES)
		ADD_ANGLE(1, LOAD(a + i), LOAD(b + i));
	if (i < n)
	{
		__mmask16 some = END_MASK(n - i);

		ADD_ANGLE(2, LOAD_END(some, a + i), LOAD_END(some, b + i));
	}
	return sp_distance_cosine_of(REDUCE(product0, product1, product2, product3),
	                             REDUCE(a0, a1, a2, a3), REDUCE(b0, b1, b2, b3), a, b, n);
}

/* Eight vectors, stride apart, against one query: DO with the number of each. */
#define EIGHT   8
#define ALL(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)

#define VECTOR(k)       const float *v##k = vectors + (k) *stride;
#define SUM(k)          __m512 s##k = _mm512_setzero_ps();
#define ADD_LINE(k)     ADD(s##k, x, LOAD(v##k + i));
#define ADD_LINE_END(k) ADD(s##k, x, LOAD_END(some, v##k + i));

#define SUM_EIGHT                             \
	ALL(VECTOR)                               \
	ALL(SUM)                                  \
	size_t i = 0;                             \
                                              \
	for (; i + LANES <= n; i += LANES)        \
	{                                         \
		__m512 x = LOAD(query + i);           \
                                              \
		ALL(ADD_LINE)                         \
	}                                         \
	if (i < n)                                \
	{                                         \
		__mmask16 some = END_MASK(n - i);     \
		__m512 x = LOAD_END(some, query + i); \
                                              \
		ALL(ADD_LINE_END)                     \
	}                                         \
	add_lanes(s0, s1, s2, s3, sums);          \
	add_lanes(s4, s5, s6, s7, sums + 4)

/* Sums of two vectors' lanes, of the first where there are even ones, and of the second. */
TARGET static inline __m512
add_neighbours(__m512 a, __m512 b)
{
	return _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
}

/* The lanes of each of four, together: fewer shuffles than one after the other. */
TARGET static inline void
add_lanes(__m512 a, __m512 b, __m512 c, __m512 d, float *sums)
{
	__m512d ab = _mm512_castps_pd(add_neighbours(a, b));
	__m512d cd = _mm512_castps_pd(add_neighbours(c, d));
	__m512 quarters = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd)),
	                                _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd)));
	__m128 low = _mm_add_ps(_mm512_castps512_ps128(quarters), _mm512_extractf32x4_ps(quarters, 1));
	__m128 high =
		_mm_add_ps(_mm512_extractf32x4_ps(quarters, 2), _mm512_extractf32x4_ps(quarters, 3));

	_mm_storeu_ps(sums, _mm_add_ps(low, high));
}

#define ADD ADD_SQUARE
TARGET static void
sum_eight_squares(const float *query, const float *vectors, size_t stride, size_t n, float *sums)
{
	SUM_EIGHT;
}
#undef ADD

#define ADD ADD_PRODUCT
TARGET static void
sum_eight_products(const float *query, const float *vectors, size_t stride, size_t n, float *sums)
{
	SUM_EIGHT;
}
#undef ADD

typedef void (*SumEight)(const float *query, const float *vectors, size_t stride, size_t n,
                         float *sums);
typedef double (*Pair)(const float *a, const float *b, size_t n);

/* Eight at a time, what is not safe again in double, and the rest one by one. */
static inline __attribute__((always_inline)) void
measure_many(SumEight sum_eight, Pair exact, Pair pair, const float *query, const float *vectors,
             size_t stride, size_t count, size_t n, double *out)
{
	float sums[EIGHT];
	size_t done = 0;

	for (; done + EIGHT <= count; done += EIGHT)
	{
		const float *first = vectors + done * stride;

		sum_eight(query, first, stride, n, sums);
		for (size_t k = 0; k < EIGHT; k++)
			out[done + k] = sp_sum_is_safe(sums[k]) ? sums[k] : exact(query, first + k * stride, n);
	}
	for (; done < count; done++)
		out[done] = pair(query, vectors + done * stride, n);
}

static void
l2_squared_many(const float *query, const float *vectors, size_t stride, size_t count, size_t n,
                double *out)
{
	measure_many(sum_eight_squares, sp_distance_exact_l2_squared, l2_squared, query, vectors,
	             stride, count, n, out);
}

static void
inner_product_many(const float *query, const float *vectors, size_t stride, size_t count, size_t n,
                   double *out)
{
	measure_many(sum_eight_products, sp_distance_exact_inner_product, inner_product, query, vectors,
	             stride, count, n, out);
}

/* <x, v> and <v, v>, of which the query's part x is loaded. */
#define ADD_ANGLE_OF(k, from_v)               \
	do                                        \
	{                                         \
		__m512 y_ = from_v;                   \
                                              \
		KEEP(y_);                             \
		s##k = _mm512_fmadd_ps(x, y_, s##k);  \
		t##k = _mm512_fmadd_ps(y_, y_, t##k); \
	} while (0)

#define SQUARE(k)    __m512 t##k = _mm512_setzero_ps();
#define ANGLE(k)     ADD_ANGLE_OF(k, LOAD(v##k + i));
#define ANGLE_END(k) ADD_ANGLE_OF(k, LOAD_END(some, v##k + i));

TARGET static void
sum_eight_angles(const float *query, const float *vectors, size_t stride, size_t n, float *products,
                 float *squares)
{
	ALL(VECTOR)
	ALL(SUM)
	ALL(SQUARE)
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
	{
		__m512 x = LOAD(query + i);

		ALL(ANGLE)
	}
	if (i < n)
	{
		__mmask16 some = END_MASK(n - i);
		__m512 x = LOAD_END(some, query + i);

		ALL(ANGLE_END)
	}
	add_lanes(s0, s1, s2, s3, products);
	add_lanes(s4, s5, s6, s7, products + 4);
	add_lanes(t0, t1, t2, t3, squares);
	add_lanes(t4, t5, t6, t7, squares + 4);
}

/* Not as sp_sum_is_safe() wants it: 1, without a jump; for a NaN too. */
static inline int
is_unsafe(float sum)
{
	int safe = (fabsf(sum) <= FLT_MAX) & (fabsf(sum) > SP_SUM_SMALL);

	return 1 - safe;
}

/* As sp_distance_cosine_of() does, several at once, for sums that are safe: false when one is not. */
TARGET static bool
cosines_of(const float *products, float square, const float *squares, size_t n, double *out)
{
	int unsafe = !sp_sum_is_safe(square);

	for (size_t i = 0; i < n; i++)
	{
		double cosine = products[i] / sqrt((double) square * squares[i]);

		out[i] = cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
	}
	for (size_t i = 0; i < n; i++)
		unsafe += is_unsafe(products[i]) + is_unsafe(squares[i]);
	return unsafe == 0;
}

/* All sums of a block first: roots and quotients take long, but need not wait for each other. */
static void
cosine_many(const float *query, const float *vectors, size_t stride, size_t count, size_t n,
            double *out)
{
	/* what a float does not hold of this is not safe, and all is done in double */
	float square = (float) inner_product(query, query, n);
	float products[BLOCK], squares[BLOCK];
	size_t done = 0, block;

	for (; done + EIGHT <= count; done += block)
	{
		const float *first = vectors + done * stride;

		block = count - done < BLOCK ? (count - done) / EIGHT * EIGHT : BLOCK;
		for (size_t k = 0; k < block; k += EIGHT)
			sum_eight_angles(query, first + k * stride, stride, n, products + k, squares + k);
		if (cosines_of(products, square, squares, block, out + done))
			continue;
		for (size_t k = 0; k < block; k++)
			out[done + k] = sp_distance_cosine_of(products[k], square, squares[k], query,
			                                      first + k * stride, n);
	}
	for (; done < count; done++)
		out[done] = cosine(query, vectors + done * stride, n);
}

const SpDistanceKernels sp_distance_avx512 = {l2_squared,      inner_product,      cosine,
                                              l2_squared_many, inner_product_many, cosine_many};

#else

/* ISO C wants something in each file. */
typedef int NoAvx512;

#endif /* __x86_64__ */
