/*
 * src/core/vector/distance_kernels.h
 *	  The loops of distance.c, once for each kind of machine.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VECTOR_DISTANCE_KERNELS_H
#define SP_VECTOR_DISTANCE_KERNELS_H

#include <stddef.h>

/* Each answers as the function of distance.h that has its name. */
typedef struct SpDistanceKernels
{
	double (*l2_squared)(const float *a, const float *b, size_t n);
	double (*inner_product)(const float *a, const float *b, size_t n);
	double (*cosine)(const float *a, const float *b, size_t n);
	void (*l2_squared_many)(const float *query, const float *vectors, size_t stride, size_t count,
	                        size_t n, double *out);
	void (*inner_product_many)(const float *query, const float *vectors, size_t stride,
	                           size_t count, size_t n, double *out);
	void (*cosine_many)(const float *query, const float *vectors, size_t stride, size_t count,
	                    size_t n, double *out);
} SpDistanceKernels;

/* Every machine has these, in the clones of sp_simd.h. */
extern const SpDistanceKernels sp_distance_plain;

#ifdef __x86_64__
/* Only where the machine has AVX-512F. */
extern const SpDistanceKernels sp_distance_avx512;
#endif

static inline const SpDistanceKernels *
sp_distance_fastest(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512f"))
		return &sp_distance_avx512;
#endif
	return &sp_distance_plain;
}

/* In double, for sums that a float does not hold. */
double sp_distance_exact_l2_squared(const float *a, const float *b, size_t n);
double sp_distance_exact_inner_product(const float *a, const float *b, size_t n);

/* Of sums in float: <a, b>, <a, a> and <b, b>; a and b for when those are not safe. */
double sp_distance_cosine_of(float product, float a_square, float b_square, const float *a,
                             const float *b, size_t n);

#endif /* SP_VECTOR_DISTANCE_KERNELS_H */
