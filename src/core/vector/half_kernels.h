/*
 * src/core/vector/half_kernels.h
 *	  The loops over halves, once for each kind of machine.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VECTOR_HALF_KERNELS_H
#define SP_VECTOR_HALF_KERNELS_H

#include <stddef.h>
#include <stdint.h>

typedef struct SpHalfKernels
{
	void (*from_floats)(const float *in, uint16_t *out, size_t n);
	void (*to_floats)(const uint16_t *in, float *out, size_t n);
	/* of query and v, in lanes of float */
	float (*sum_squares)(const float *query, const uint16_t *v, size_t n);
	float (*sum_products)(const float *query, const uint16_t *v, size_t n);
} SpHalfKernels;

typedef enum SpHalfLevel
{
	SP_HALF_PLAIN, /* every machine has it */
	SP_HALF_F16C,
	SP_HALF_AVX512,
	SP_HALF_LEVELS
} SpHalfLevel;

/* NULL where this machine, or this build, has them not. */
const SpHalfKernels *sp_half_kernels(SpHalfLevel level);

/* The fastest that there are. */
const SpHalfKernels *sp_half_fastest(void);

#endif /* SP_VECTOR_HALF_KERNELS_H */
