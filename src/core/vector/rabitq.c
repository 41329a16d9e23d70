/*
 * src/core/vector/rabitq.c
 *	  Queries, and estimates from codes.
 *
 * With r = o - c, y = q - c and the code x of r (rabitq_code.c), <r, y> is estimated
 * by |r|^2 <x, y> / <r, x>.  Beside codes of one bit only four bits a dimension of y
 * are used, so that <x, y> is a count of bits (the paper's section 3.3); their
 * error is a fiftieth of the code's.  Beside codes of more, eight bits are used, so
 * that it is a sum of products of bytes.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/rabitq.h"

#include <math.h>
#include <string.h>

#include "core/sp_simd.h"
#include "core/vector/rabitq_bits.h"
#include "core/vector/rabitq_fields.h"

/* Values of a query's residual beside codes of one bit: 0 .. LEVELS. */
#define LEVELS ((1 << SP_RABITQ_PLANES) - 1)

/* So that a sum of products, 255 times 127 each, fits in 32 bits. */
#define MOST_PADDED (1 << 16)

struct SpRabitqQuery
{
	const SpEnv *env;
	SpVectorMetric metric;
	int bits;
	size_t padded, words; /* of a code */
	SpRabitqSum sum_code;
	float *residual; /* [padded] of the query beside the centroid */
	/* its values: beside one bit planes, uint64_t [SP_RABITQ_PLANES][words], beside
	 * more fields, int8_t [8 / bits][SP_RABITQ_STRIDE(words)] */
	void *values;
	float low, step; /* a value v stands for low + step v */
	float sum;       /* of the residual, times 2^bits - 1 */
	float length;    /* of the residual */
	float constant;  /* what belongs to every estimate beside this centroid */
};

/* --- queries -------------------------------------------------------------------- */

SpStatus
sp_rabitq_query_new(const SpEnv *env, SpVectorMetric metric, int bits, size_t padded,
                    SpRabitqQuery **out)
{
	SpRabitqQuery *q;

	*out = NULL;
	if ((bits != 1 && bits != 2 && bits != 4 && bits != 8) || padded == 0 || padded % 64 != 0 ||
	    padded > MOST_PADDED)
		return SP_ERR_BAD_ARG;
	q = sp_calloc(env, 1, sizeof(*q));
	if (q == NULL)
		return SP_ERR_NO_MEMORY;
	q->env = env;
	q->metric = metric;
	q->padded = padded;
	q->bits = bits;
	q->words = SP_RABITQ_WORDS(padded, bits);
	q->sum_code = bits == 1 ? sp_rabitq_sum() : sp_rabitq_field_sum(bits, SP_RABITQ_FORMS);
	q->residual = sp_alloc(env, padded, sizeof(float));
	if (bits == 1)
		q->values = sp_alloc(env, SP_RABITQ_PLANES * q->words, sizeof(uint64_t));
	else
		q->values = sp_calloc(env, (size_t) (8 / bits), SP_RABITQ_STRIDE(q->words));
	if (q->residual == NULL || q->values == NULL)
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
	sp_free(q->env, q->values);
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

			for (size_t i = 0; i < 64; i += 8)
				bits |= sp_rabitq_gather(values + i, k) << i;
			planes[k * words + w] = bits;
		}
	}
}

static void
aim_planes(SpRabitqQuery *q, float low, float high, double sum)
{
	q->low = low;
	q->step = (high - low) / LEVELS;
	q->sum = (float) sum;
	cut_planes(q->residual, q->words, low, q->step > 0 ? 1.0f / q->step : 0.0f, q->values);
}

static void
aim_fields(SpRabitqQuery *q, float low, float high)
{
	size_t bytes = q->words * 8;
	float by;
	int32_t sum = 0;

	q->low = 0;
	q->step = fmaxf(-low, high) / SP_RABITQ_REACH;
	by = q->step > 0 ? 1.0f / q->step : 0.0f;
	for (size_t f = 0; f < 8 / (size_t) q->bits; f++)
		sum += sp_rabitq_cut_bytes(q->residual + f * bytes, bytes, by,
		                           (int8_t *) q->values + f * SP_RABITQ_STRIDE(q->words));
	/* of the rounded values, so that their errors weigh by x alone and not by its offset */
	q->sum = (float) ((1 << q->bits) - 1) * q->step * (float) sum;
}

void
sp_rabitq_query_aim(SpRabitqQuery *q, const float *vector, const float *centroid)
{
	Lanes lanes;
	double sum = 0, squares = 0, product = 0;
	float low = INFINITY, high = -INFINITY;

	memset(&lanes, 0, sizeof(lanes));
	for (size_t i = 0; i < LANES; i++)
	{
		lanes.low[i] = low;
		lanes.high[i] = high;
	}
	subtract(q->residual, vector, centroid, q->padded, &lanes);
	for (size_t i = 0; i < LANES; i++)
	{
		low = fminf(low, lanes.low[i]);
		high = fmaxf(high, lanes.high[i]);
		sum += lanes.sum[i];
		squares += lanes.squares[i];
		product += lanes.product[i];
	}
	q->length = (float) sqrt(squares);
	q->constant = (float) (q->metric == SP_METRIC_L2_SQUARED ? squares : -product);
	if (q->bits == 1)
		aim_planes(q, low, high, sum);
	else
		aim_fields(q, low, high);
}

/* Codes whose sums are counted before the arithmetic on them, which then runs in lanes. */
#define BATCH 64

/* <x, y> = 2 (sum of v y) - (2^bits - 1) (sum of y), of one bit v being 0 or 1 */
SP_CLONES static void
finish(const SpRabitqFactors *restrict factors, const int32_t *restrict sums, size_t count,
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
	int32_t sums[BATCH];

	for (size_t from = 0; from < count; from += BATCH)
	{
		size_t n = count - from < BATCH ? count - from : BATCH;

		q->sum_code(codes + from * q->words, n, q->words, q->values, sums);
		finish(factors + from, sums, n, q, estimates + from, margins + from);
	}
}
