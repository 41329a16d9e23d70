/*
 * src/core/vector/coarse.c
 *	  Distances of a query from many centroids, nearly: a byte a dimension.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/coarse.h"

#include <math.h>
#include <string.h>

#include "core/vector/distance.h"
#include "core/vector/half.h"
#include "core/vector/rabitq_fields.h"
#include "core/vector/rotation.h"
#include "core/vector/text.h"

#define STEPS  127 /* on each side of the mean */
#define MIDDLE 128
/* Dimensions that are worked on at a time. */
#define BLOCK 64
/* Centroids whose sums are made at a time. */
#define ROWS 256
/* What is less has no step that can be divided by. */
#define LEAST 1e-30f

static size_t
aligned(size_t bytes)
{
	return (bytes + SP_ALIGN - 1) / SP_ALIGN * SP_ALIGN;
}

size_t
sp_coarse_size(size_t count, size_t dims)
{
	return aligned(dims * sizeof(float)) + 2 * aligned(count * sizeof(float)) + count * dims;
}

static void
take_mean(SpCoarse *c, const uint16_t *halves)
{
	float block[BLOCK];

	for (size_t from = 0; from < c->dims; from += BLOCK)
	{
		double sums[BLOCK] = {0};

		for (size_t i = 0; i < c->count; i++)
		{
			sp_half_to_floats(halves + i * c->dims + from, block, BLOCK);
			for (size_t k = 0; k < BLOCK; k++)
				sums[k] += block[k];
		}
		for (size_t k = 0; k < BLOCK; k++)
			c->mean[from + k] = (float) (sums[k] / (double) c->count);
	}
}

/* The step of the values x - mean; their square in *square. */
static float
step_of(const SpCoarse *c, const uint16_t *halves, float *square)
{
	float block[BLOCK], most = 0;
	double sum = 0;

	for (size_t from = 0; from < c->dims; from += BLOCK)
	{
		sp_half_to_floats(halves + from, block, BLOCK);
		for (size_t k = 0; k < BLOCK; k++)
		{
			float x = block[k] - c->mean[from + k];

			most = fmaxf(most, fabsf(x));
			sum += (double) x * x;
		}
	}
	*square = (float) sum;
	return most / STEPS;
}

static void
fill_code(const SpCoarse *c, const uint16_t *halves, float step, uint8_t *code)
{
	float block[BLOCK], by = step > LEAST ? 1 / step : 0;

	for (size_t from = 0; from < c->dims; from += BLOCK)
	{
		sp_half_to_floats(halves + from, block, BLOCK);
		for (size_t k = 0; k < BLOCK; k++)
			code[from + k] = (uint8_t) (MIDDLE + (int) lrintf((block[k] - c->mean[from + k]) * by));
	}
}

void
sp_coarse_fill(SpCoarse *c, char *memory, const uint16_t *halves, size_t count, size_t dims)
{
	*c = (SpCoarse){.count = count, .dims = dims};
	c->mean = (float *) memory;
	c->squares = (float *) (memory + aligned(dims * sizeof(float)));
	c->steps = (float *) ((char *) c->squares + aligned(count * sizeof(float)));
	c->codes = (uint8_t *) c->steps + aligned(count * sizeof(float));
	take_mean(c, halves);
	for (size_t i = 0; i < count; i++)
	{
		c->steps[i] = step_of(c, halves + i * dims, &c->squares[i]);
		fill_code(c, halves + i * dims, c->steps[i], c->codes + i * dims);
	}
}

/* --- a query ------------------------------------------------------------------------ */

typedef struct Query
{
	double square, product; /* of what is rounded; with the mean */
	float step;
	int32_t sum;    /* of values */
	int8_t *values; /* [dims], aligned */
} Query;

/* Distances are of the query less the mean, products of the query as it is. */
static inline float
part_of(const SpCoarse *c, SpVectorMetric metric, const float *query, size_t i)
{
	return metric == SP_METRIC_L2_SQUARED ? query[i] - c->mean[i] : query[i];
}

static void
round_query(const SpCoarse *c, SpVectorMetric metric, const float *query, Query *q)
{
	float most = 0, by;

	*q = (Query){.values = q->values};
	for (size_t i = 0; i < c->dims; i++)
	{
		float x = part_of(c, metric, query, i);

		most = fmaxf(most, fabsf(x));
		q->square += (double) x * x;
		q->product += (double) query[i] * c->mean[i];
	}
	q->step = most / STEPS;
	/* what floats do not hold is no number at the end */
	by = q->step > LEAST && isfinite(q->step) ? 1 / q->step : 0;
	if (by == 0)
		q->step = isfinite(most) ? 0 : NAN;
	for (size_t i = 0; i < c->dims; i++)
	{
		q->values[i] = by > 0 ? (int8_t) lrintf(part_of(c, metric, query, i) * by) : 0;
		q->sum += q->values[i];
	}
}

static float
measured(const SpCoarse *c, SpVectorMetric metric, const Query *q, size_t i, int32_t sum)
{
	double product = (double) (sum - MIDDLE * q->sum) * c->steps[i] * q->step, d;

	d = metric == SP_METRIC_L2_SQUARED ? fmax(q->square + c->squares[i] - 2 * product, 0)
	                                   : -(q->product + product);
	/* beyond floats is as far away as anything */
	return isnan(d) ? INFINITY : (float) d;
}

void
sp_coarse_measure(const SpCoarse *c, SpVectorMetric metric, const float *query, float *out)
{
	_Alignas(SP_ALIGN) int8_t values[SP_ROTATION_PADDED(SP_VECTOR_MAX_DIMS)];
	Query q = {.values = values};
	SpRabitqSum add = sp_rabitq_field_sum(8, SP_RABITQ_FORMS);
	int32_t sums[ROWS];

	round_query(c, metric, query, &q);
	for (size_t from = 0; from < c->count; from += ROWS)
	{
		size_t n = c->count - from < ROWS ? c->count - from : ROWS;

		add((const uint64_t *) (c->codes + from * c->dims), n, c->dims / 8, values, sums);
		for (size_t i = 0; i < n; i++)
			out[from + i] = measured(c, metric, &q, from + i, sums[i]);
	}
}
