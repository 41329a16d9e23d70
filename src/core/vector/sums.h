/*
 * src/core/vector/sums.h
 *	  When a sum of products in floats must run again in doubles.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VECTOR_SUMS_H
#define SP_VECTOR_SUMS_H

#include <float.h>
#include <math.h>
#include <stdbool.h>

/* Squares below this may have lost what they had behind the point. */
#define SP_SUM_SMALL (FLT_MIN / FLT_EPSILON)

static inline bool
sp_sum_is_safe(double sum)
{
	return isfinite(sum) && fabs(sum) > SP_SUM_SMALL;
}

#endif /* SP_VECTOR_SUMS_H */
