/*
 * src/core/vector/distance_avx512.c
 *	  Distances with AVX-512: what a compiler makes of lanes, less what it adds.
 *
 * The end of a vector is read under a mask, so that there is no stack to align
 * and nothing to copy.  The first cache takes two accesses a cycle, of which a
 * line that comes from the second needs one: with its load and the query's that
 * makes three for each line of a pair, where reading alone needs two.  Four
 * vectors against one query need 2 1/4.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/distance_kernels.h"

#ifdef __x86_64__

#include <immintrin.h>

#include "core/vector/sums.h"

#define TARGET __attribute__((target("avx512f")))
#define LANES  16

/* Vectors whose sums wait for their roots; four at a time. */
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

/* What is there of the lanes that begin at i. */
#define SOME(i)      (n - (i) < LANES ? END_MASK(n - (i)) : (__mmask16) 0xffff)
#define LOAD_SOME(p) LOAD_END(some, p)

/* Two pieces of the query against the same pieces of a vector: two sums, for the same reason. */
#define ADD_TWO(ADD, k)                       \
	do                                        \
	{                                         \
		ADD(s##k, x, LOAD(v##k + i));         \
		ADD(t##k, y, LOAD(v##k + i + LANES)); \
	} while (0)

#define SUM_FOUR(ADD)                                                                   \
	const float *v0 = vectors, *v1 = v0 + stride, *v2 = v1 + stride, *v3 = v2 + stride; \
	__m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;                         \
	__m512 t0 = s0, t1 = s0, t2 = s0, t3 = s0;                                          \
	size_t i = 0;                                                                       \
                                                                                        \
	for (; i + 2 * LANES <= n; i += 2 * LANES)                                          \
	{                                                                                   \
		__m512 x = LOAD(query + i), y = LOAD(query + i + LANES);                        \
                                                                                        \
		ADD_TWO(ADD, 0);                                                                \
		ADD_TWO(ADD, 1);                                                                \
		ADD_TWO(ADD, 2);                                                                \
		ADD_TWO(ADD, 3);                                                                \
	}                                                                                   \
	for (; i < n; i += LANES)                                                           \
	{                                                                                   \
		__mmask16 some = SOME(i);                                                       \
		__m512 x = LOAD_SOME(query + i);                                                \
                                                                                        \
		ADD(s0, x, LOAD_SOME(v0 + i));                                                  \
		ADD(s1, x, LOAD_SOME(v1 + i));                                                  \
		ADD(s2, x, LOAD_SOME(v2 + i));                                                  \
		ADD(s3, x, LOAD_SOME(v3 + i));                                                  \
	}                                                                                   \
	sums[0] = _mm512_reduce_add_ps(_mm512_add_ps(s0, t0));                              \
	sums[1] = _mm512_reduce_add_ps(_mm512_add_ps(s1, t1));                              \
	sums[2] = _mm512_reduce_add_ps(_mm512_add_ps(s2, t2));                              \
	sums[3] = _mm512_reduce_add_ps(_mm512_add_ps(s3, t3))

TARGET static void
sum_four_squares(const float *query, const float *vectors, size_t stride, size_t n, double *sums)
{
	SUM_FOUR(ADD_SQUARE);
}

TARGET static void
sum_four_products(const float *query, const float *vectors, size_t stride, size_t n, double *sums)
{
	SUM_FOUR(ADD_PRODUCT);
}

static void
l2_squared_many(const float *query, const float *vectors, size_t stride, size_t count, size_t n,
                double *out)
{
	size_t done = 0;

	for (; done + 4 <= count; done += 4)
		sum_four_squares(query, vectors + done * stride, stride, n, out + done);
	for (size_t i = 0; i < done; i++)
		if (!sp_sum_is_safe(out[i]))
			out[i] = sp_distance_exact_l2_squared(query, vectors + i * stride, n);
	for (; done < count; done++)
		out[done] = l2_squared(query, vectors + done * stride, n);
}

static void
inner_product_many(const float *query, const float *vectors, size_t stride, size_t count, size_t n,
                   double *out)
{
	size_t done = 0;

	for (; done + 4 <= count; done += 4)
		sum_four_products(query, vectors + done * stride, stride, n, out + done);
	for (size_t i = 0; i < done; i++)
		if (!sp_sum_is_safe(out[i]))
			out[i] = sp_distance_exact_inner_product(query, vectors + i * stride, n);
	for (; done < count; done++)
		out[done] = inner_product(query, vectors + done * stride, n);
}

/* <x, v> and <v, v>, of which the query's part x is loaded. */
#define ADD_ANGLE_OF(product, square, x, from_v)   \
	do                                             \
	{                                              \
		__m512 y_ = from_v;                        \
                                                   \
		KEEP(y_);                                  \
		product = _mm512_fmadd_ps(x, y_, product); \
		square = _mm512_fmadd_ps(y_, y_, square);  \
	} while (0)

#define ADD_TWO_ANGLES(k)                                    \
	do                                                       \
	{                                                        \
		ADD_ANGLE_OF(s##k, t##k, x, LOAD(v##k + i));         \
		ADD_ANGLE_OF(u##k, w##k, y, LOAD(v##k + i + LANES)); \
	} while (0)

TARGET static void
sum_four_angles(const float *query, const float *vectors, size_t stride, size_t n, float *products,
                float *squares)
{
	const float *v0 = vectors, *v1 = v0 + stride, *v2 = v1 + stride, *v3 = v2 + stride;
	__m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0, t0 = s0, t1 = s0, t2 = s0, t3 = s0;
	__m512 u0 = s0, u1 = s0, u2 = s0, u3 = s0, w0 = s0, w1 = s0, w2 = s0, w3 = s0;
	size_t i = 0;

	for (; i + 2 * LANES <= n; i += 2 * LANES)
	{
		__m512 x = LOAD(query + i), y = LOAD(query + i + LANES);

		ADD_TWO_ANGLES(0);
		ADD_TWO_ANGLES(1);
		ADD_TWO_ANGLES(2);
		ADD_TWO_ANGLES(3);
	}
	for (; i < n; i += LANES)
	{
		__mmask16 some = SOME(i);
		__m512 x = LOAD_SOME(query + i);

		ADD_ANGLE_OF(s0, t0, x, LOAD_SOME(v0 + i));
		ADD_ANGLE_OF(s1, t1, x, LOAD_SOME(v1 + i));
		ADD_ANGLE_OF(s2, t2, x, LOAD_SOME(v2 + i));
		ADD_ANGLE_OF(s3, t3, x, LOAD_SOME(v3 + i));
	}
	products[0] = _mm512_reduce_add_ps(_mm512_add_ps(s0, u0));
	products[1] = _mm512_reduce_add_ps(_mm512_add_ps(s1, u1));
	products[2] = _mm512_reduce_add_ps(_mm512_add_ps(s2, u2));
	products[3] = _mm512_reduce_add_ps(_mm512_add_ps(s3, u3));
	squares[0] = _mm512_reduce_add_ps(_mm512_add_ps(t0, w0));
	squares[1] = _mm512_reduce_add_ps(_mm512_add_ps(t1, w1));
	squares[2] = _mm512_reduce_add_ps(_mm512_add_ps(t2, w2));
	squares[3] = _mm512_reduce_add_ps(_mm512_add_ps(t3, w3));
}

/* All sums of a block first: roots and quotients take long, but do not wait for each other. */
static void
cosine_many(const float *query, const float *vectors, size_t stride, size_t count, size_t n,
            double *out)
{
	/* what a float does not hold of this is not safe, and all is done in double */
	float square = (float) inner_product(query, query, n);
	float products[BLOCK], squares[BLOCK];
	size_t done = 0, block;

	for (; done + 4 <= count; done += block)
	{
		const float *first = vectors + done * stride;

		block = count - done < BLOCK ? (count - done) / 4 * 4 : BLOCK;
		for (size_t k = 0; k < block; k += 4)
			sum_four_angles(query, first + k * stride, stride, n, products + k, squares + k);
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
