/*
 * src/core/vector/distance.h
 *	  How far two vectors of floats are apart.
 *
 * Sums run in 64 lanes of float, so they are good to about n / 64 roundings of
 * one; where squares are too small or too large for a float they run again in
 * double.  Vectors need no alignment; a and b may be the same.  n = 0 gives the
 * empty sum.  Values must be finite.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VECTOR_DISTANCE_H
#define SP_VECTOR_DISTANCE_H

#include "core/sp_base.h"

/* The sum of (a[i] - b[i])^2. */
double sp_vector_l2_squared(const float *a, const float *b, size_t n);

/* The sum of a[i] b[i]. */
double sp_vector_inner_product(const float *a, const float *b, size_t n);

/* The sum of a[i]^2. */
double sp_vector_norm_squared(const float *a, size_t n);

/* The cosine of the angle between them, -1 to 1; NaN when one of them is all zeros. */
double sp_vector_cosine(const float *a, const float *b, size_t n);

/*
 * out[count] of one query and many vectors, which begin stride floats after each other:
 * the same within rounding, and quicker, as the query is read once for several.
 */
void sp_vector_l2_squared_many(const float *query, const float *vectors, size_t stride,
                               size_t count, size_t n, double *out);
void sp_vector_inner_product_many(const float *query, const float *vectors, size_t stride,
                                  size_t count, size_t n, double *out);
void sp_vector_cosine_many(const float *query, const float *vectors, size_t stride, size_t count,
                           size_t n, double *out);

/* out[n] = a[n] / |a|, and zeros when that is 0; out may be a. */
void sp_vector_normalize(const float *a, float *out, size_t n);

/* a[n] times a number. */
void sp_vector_scale(float *a, float by, size_t n);

#endif /* SP_VECTOR_DISTANCE_H */
