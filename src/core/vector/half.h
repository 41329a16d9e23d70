/*
 * src/core/vector/half.h
 *	  Vectors in half the space: IEEE 754's binary16, eleven bits of precision
 *	  between 6e-8 and 65504.
 *
 * Nothing needs alignment.  Sums are made as those of distance.h: in lanes of
 * float, and again in double where a float does not hold them.  Subnormals are
 * exact on every machine, whatever it is told to do about those of floats.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VECTOR_HALF_H
#define SP_VECTOR_HALF_H

#include "core/sp_base.h"

#define SP_HALF_MAX 65504.0f

/*
 * Each to the nearest half, of two equally near the even one; what is beyond
 * SP_HALF_MAX becomes that, infinities too.  A NaN stays one.
 */
void sp_half_from_floats(const float *in, uint16_t *out, size_t n);

/* Exact. */
void sp_half_to_floats(const uint16_t *in, float *out, size_t n);

/* The sum of (query[i] - v[i])^2. */
double sp_half_l2_squared(const float *query, const uint16_t *v, size_t n);

/* The sum of query[i] v[i]. */
double sp_half_inner_product(const float *query, const uint16_t *v, size_t n);

#endif /* SP_VECTOR_HALF_H */
