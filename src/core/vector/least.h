/*
 * src/core/vector/least.h
 *	  The inner loop of a search for the nearest: the least of a row of distances.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VECTOR_LEAST_H
#define SP_VECTOR_LEAST_H

#include <stddef.h>
#include <stdint.h>

/* n is a multiple of this; what is no centroid has a norm of INFINITY. */
#define SP_LEAST_LANES 16

/*
 * The least norms[i] - 2 products[i] of n, and in *at the first i that has it; FLT_MAX
 * and 0 when all are more.
 */
typedef float (*SpLeast)(const float *products, const float *norms, size_t n, size_t *at);

typedef enum SpLeastLevel
{
	SP_LEAST_PLAIN, /* every machine has it */
	SP_LEAST_AVX2,
	SP_LEAST_AVX512,
	SP_LEAST_LEVELS
} SpLeastLevel;

/* NULL where this machine has it not. */
SpLeast sp_least(SpLeastLevel level);

/* The fastest that there is. */
SpLeast sp_least_fastest(void);

#endif /* SP_VECTOR_LEAST_H */
