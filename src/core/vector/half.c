/*
 * src/core/vector/half.c
 *	  Halves by the machine's fastest loops, and again in double where need be.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/half.h"

#include "core/vector/half_kernels.h"
#include "core/vector/sums.h"

/* Halves that are turned into floats at a time for a sum in double. */
#define BLOCK 64

void
sp_half_from_floats(const float *in, uint16_t *out, size_t n)
{
	sp_half_fastest()->from_floats(in, out, n);
}

void
sp_half_to_floats(const uint16_t *in, float *out, size_t n)
{
	sp_half_fastest()->to_floats(in, out, n);
}

double
sp_half_l2_squared(const float *query, const uint16_t *v, size_t n)
{
	double sum = sp_half_fastest()->sum_squares(query, v, n);
	float block[BLOCK];

	if (sp_sum_is_safe(sum))
		return sum;
	sum = 0;
	for (size_t from = 0; from < n; from += BLOCK)
	{
		size_t count = n - from < BLOCK ? n - from : BLOCK;

		sp_half_to_floats(v + from, block, count);
		for (size_t i = 0; i < count; i++)
			sum += ((double) query[from + i] - block[i]) * ((double) query[from + i] - block[i]);
	}
	return sum;
}

double
sp_half_inner_product(const float *query, const uint16_t *v, size_t n)
{
	double sum = sp_half_fastest()->sum_products(query, v, n);
	float block[BLOCK];

	if (sp_sum_is_safe(sum))
		return sum;
	sum = 0;
	for (size_t from = 0; from < n; from += BLOCK)
	{
		size_t count = n - from < BLOCK ? n - from : BLOCK;

		sp_half_to_floats(v + from, block, count);
		for (size_t i = 0; i < count; i++)
			sum += (double) query[from + i] * block[i];
	}
	return sum;
}
