/*
 * src/core/vector/rabitq.c
 *	  Codes of one bit a dimension, and estimates from them.
 *
 * With r = o - c, y = q - c and the signs s of r, <r, y> is estimated by
 * |r|^2 <s, y> / <s, r>.  Of y only four bits a dimension are used, so that
 * <s, y> is a count of bits (the paper's section 3.3).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/rabitq.h"

#include <math.h>
#include <string.h>

#include "core/sp_simd.h"
#include "core/vector/rabitq_bits.h"

/* Standard deviations that the bound allows; the paper's choice. */
#define EPSILON_0 1.9

/* Values of a query's residual: 0 .. LEVELS. */
#define LEVELS ((1 << SP_RABITQ_PLANES) - 1)

#define MOST_PADDED (1 << 16)

struct SpRabitqQuery
{
	const SpEnv *env;
	SpVectorMetric metric;
	size_t padded, words;
	SpRabitqSum sum_bits;
	float *residual;  /* [padded] of the query beside the centroid */
	uint64_t *planes; /* [SP_RABITQ_PLANES][words] of its values */
	float low, step;  /* a value v stands for low + step v */
	float sum;        /* of the residual */
	float length;     /* of the residual */
	float constant;   /* what belongs to every estimate beside this centroid */
};

/* --- codes ---------------------------------------------------------------------- */

typedef struct Residual
{
	double squares, sizes; /* sums of r^2 and of |r| */
	double product;        /* <r, c> */
} Residual;

static Residual
sign_bits(const float *vector, const float *centroid, size_t padded, uint64_t *code)
{
	Residual sums = {0, 0, 0};

	for (size_t w = 0; w < padded / 64; w++)
	{
		uint64_t bits = 0;

		for (size_t i = 0; i < 64; i++)
		{
			float c = centroid[w * 64 + i], r = vector[w * 64 + i] - c;

			sums.squares += (double) r * r;
			sums.sizes += fabsf(r);
			sums.product += (double) r * c;
			bits |= (uint64_t) (r > 0) << i;
		}
		code[w] = bits;
	}
	return sums;
}

/* |r|^2 / <s, r>, with the signs' own length left out of both. */
void
sp_rabitq_encode(SpVectorMetric metric, int bits, const float *vector, const float *centroid,
                 size_t padded, uint64_t *code, SpRabitqFactors *factors)
{
	Residual r = sign_bits(vector, centroid, padded, code);
	double ratio = r.sizes > 0 ? r.squares / r.sizes : 0;
	/* of the unit vectors along the residual and its signs */
	double cosine = r.squares > 0 ? r.sizes / sqrt(r.squares * (double) padded) : 1;
	double spread = sqrt(r.squares * fmax(0, 1 / (cosine * cosine) - 1) / (double) (padded - 1));

	(void) bits;
	memset(factors, 0, sizeof(*factors));
	for (size_t w = 0; w < padded / 64; w++)
		factors->ones += (uint32_t) __builtin_popcountll(code[w]);
	if (metric == SP_METRIC_L2_SQUARED)
	{
		factors->base = (float) r.squares;
		factors->scale = (float) (-2 * ratio);
		factors->error = (float) (2 * EPSILON_0 * spread);
	}
	else
	{
		factors->base = (float) -r.product;
		factors->scale = (float) -ratio;
		factors->error = (float) (EPSILON_0 * spread);
	}
}

/* --- queries -------------------------------------------------------------------- */

SpStatus
sp_rabitq_query_new(const SpEnv *env, SpVectorMetric metric, int bits, size_t padded,
                    SpRabitqQuery **out)
{
	SpRabitqQuery *q;

	*out = NULL;
	if (bits != 1 || padded == 0 || padded % 64 != 0 || padded > MOST_PADDED)
		return SP_ERR_BAD_ARG;
	q = sp_calloc(env, 1, sizeof(*q));
	if (q == NULL)
		return SP_ERR_NO_MEMORY;
	q->env = env;
	q->metric = metric;
	q->padded = padded;
	q->words = padded / 64;
	q->sum_bits = sp_rabitq_sum();
	q->residual = sp_alloc(env, padded, sizeof(float));
	q->planes = sp_alloc(env, SP_RABITQ_PLANES * q->words, sizeof(uint64_t));
	if (q->residual == NULL || q->planes == NULL)
	{
		sp_rabitq_query_free(q);
		return SP_ERR_NO_MEMORY;
	}
	*out = q;
	return SP_OK;
}

void
sp_rabitq_query_free(SpRabitqQuery *q)
{
	if (q == NULL)
		return;
	sp_free(q->env, q->residual);
	sp_free(q->env, q->planes);
	sp_free(q->env, q);
}

/* Sums in lanes, because one sum after the other would wait for each addition. */
#define LANES 16

typedef struct Lanes
{
	float low[LANES], high[LANES], sum[LANES], squares[LANES], product[LANES];
} Lanes;

SP_CLONES static void
subtract(float *restrict residual, const float *restrict vector, const float *restrict centroid,
         size_t padded, Lanes *restrict lanes)
{
	for (size_t at = 0; at < padded; at += LANES)
		for (size_t i = 0; i < LANES; i++)
		{
			float q = vector[at + i], c = centroid[at + i], y = q - c;

			residual[at + i] = y;
			lanes->low[i] = y < lanes->low[i] ? y : lanes->low[i];
			lanes->high[i] = y > lanes->high[i] ? y : lanes->high[i];
			lanes->sum[i] += y;
			lanes->squares[i] += y * y;
			lanes->product[i] += q * c;
		}
}

/* The nearest of the LEVELS + 1 values, spread over planes of bits. */
SP_CLONES static void
cut_planes(const float *restrict residual, size_t words, float low, float by,
           uint64_t *restrict planes)
{
	for (size_t w = 0; w < words; w++)
	{
		uint8_t values[64];

		for (size_t i = 0; i < 64; i++)
			values[i] = (uint8_t) (int32_t) ((residual[w * 64 + i] - low) * by + 0.5f);
		for (size_t k = 0; k < SP_RABITQ_PLANES; k++)
		{
			uint64_t bits = 0;

			for (size_t i = 0; i < 64; i++)
				bits |= (uint64_t) (values[i] >> k & 1) << i;
			planes[k * words + w] = bits;
		}
	}
}

void
sp_rabitq_query_aim(SpRabitqQuery *q, const float *vector, const float *centroid)
{
	Lanes lanes;
	double sum = 0, squares = 0, product = 0;
	float high;

	memset(&lanes, 0, sizeof(lanes));
	for (size_t i = 0; i < LANES; i++)
	{
		lanes.low[i] = INFINITY;
		lanes.high[i] = -INFINITY;
	}
	subtract(q->residual, vector, centroid, q->padded, &lanes);
	q->low = high = q->residual[0];
	for (size_t i = 0; i < LANES; i++)
	{
		q->low = fminf(q->low, lanes.low[i]);
		high = fmaxf(high, lanes.high[i]);
		sum += lanes.sum[i];
		squares += lanes.squares[i];
		product += lanes.product[i];
	}
	q->step = (high - q->low) / LEVELS;
	q->sum = (float) sum;
	q->length = (float) sqrt(squares);
	q->constant = (float) (q->metric == SP_METRIC_L2_SQUARED ? squares : -product);
	cut_planes(q->residual, q->words, q->low, q->step > 0 ? 1.0f / q->step : 0.0f, q->planes);
}

/* Codes whose sums are counted before the arithmetic on them, which then runs in lanes. */
#define BATCH 64

/* <s, y> = 2 (sum of y where the bit is set) - (sum of y) */
SP_CLONES static void
finish(const SpRabitqFactors *restrict factors, const uint32_t *restrict sums, size_t count,
       const SpRabitqQuery *q, float *restrict estimates, float *restrict margins)
{
	float low = q->low, step = q->step, sum = q->sum, constant = q->constant, length = q->length;

	for (size_t i = 0; i < count; i++)
	{
		float set = low * (float) factors[i].ones + step * (float) sums[i];

		estimates[i] = constant + factors[i].base + factors[i].scale * (2.0f * set - sum);
		margins[i] = factors[i].error * length;
	}
}

void
sp_rabitq_estimate(const SpRabitqQuery *q, const uint64_t *codes, const SpRabitqFactors *factors,
                   size_t count, float *estimates, float *margins)
{
	uint32_t sums[BATCH];

	for (size_t from = 0; from < count; from += BATCH)
	{
		size_t n = count - from < BATCH ? count - from : BATCH;

		q->sum_bits(codes + from * q->words, n, q->words, q->planes, sums);
		finish(factors + from, sums, n, q, estimates + from, margins + from);
	}
}
