/*
 * src/core/vector/coarse.c
 *	  Distances of a query from many centroids, nearly: a byte a dimension.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/coarse.h"

#include <math.h>
#include <string.h>

#include "core/sp_simd.h"
#include "core/vector/distance.h"
#include "core/vector/half.h"
#include "core/vector/rabitq_fields.h"
#include "core/vector/rotation.h"
#include "core/vector/text.h"

#define STEPS  SP_RABITQ_REACH /* on each side of the mean */
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
		c->most_step = fmaxf(c->most_step, c->steps[i]);
		c->most_square = fmaxf(c->most_square, c->squares[i]);
		fill_code(c, halves + i * dims, c->steps[i], c->codes + i * dims);
	}
}

/* --- a query ------------------------------------------------------------------------ */

typedef struct Query
{
	double square, product; /* of what is rounded; with the mean */
	float most, step;       /* of its sizes; between values */
	int32_t sum;            /* of values */
	float *parts;           /* [dims] */
	int8_t *values;         /* [dims], aligned */
} Query;

/* Sums in lanes, because one sum after the other would wait for each addition. */
#define LANES 16

typedef struct Lanes
{
	double square[LANES], product[LANES];
	float most[LANES];
} Lanes;

/* Distances are of the query less the mean, products of the query as it is. */
SP_CLONES static void
take_parts(const float *restrict query, const float *restrict mean, float less, size_t dims,
           float *restrict parts, Lanes *restrict lanes)
{
	for (size_t at = 0; at < dims; at += LANES)
		for (size_t i = 0; i < LANES; i++)
		{
			float q = query[at + i], m = mean[at + i], x = q - less * m, size = fabsf(x);

			parts[at + i] = x;
			lanes->square[i] += (double) x * x;
			lanes->product[i] += (double) q * m;
			lanes->most[i] = size > lanes->most[i] ? size : lanes->most[i];
		}
}

static void
round_query(const SpCoarse *c, SpVectorMetric metric, const float *query, Query *q)
{
	Lanes lanes;

	memset(&lanes, 0, sizeof(lanes));
	take_parts(query, c->mean, metric == SP_METRIC_L2_SQUARED ? 1 : 0, c->dims, q->parts, &lanes);
	q->square = q->product = 0;
	q->most = 0;
	for (size_t i = 0; i < LANES; i++)
	{
		q->square += lanes.square[i];
		q->product += lanes.product[i];
		q->most = fmaxf(q->most, lanes.most[i]);
	}
	q->step = q->most / STEPS;
	q->sum = 0;
	/* what floats do not hold is no number at the end */
	if (q->step > LEAST && isfinite(q->square))
		q->sum = sp_rabitq_cut_bytes(q->parts, c->dims, 1 / q->step, q->values);
	else
	{
		memset(q->values, 0, c->dims);
		q->step = isfinite(q->square) ? 0 : NAN;
	}
}

/* scale times the measure. */
SP_CLONES static void
finish(const int32_t *restrict sums, const float *restrict steps, const float *restrict squares,
       size_t n, const Query *q, SpVectorMetric metric, float scale, float *restrict out)
{
	float by_step = metric == SP_METRIC_L2_SQUARED ? -2 * q->step : -q->step;
	float add = (float) (metric == SP_METRIC_L2_SQUARED ? q->square : -q->product);
	float by_square = metric == SP_METRIC_L2_SQUARED ? 1 : 0;
	/* distances are no less */
	float least = metric == SP_METRIC_L2_SQUARED ? 0 : -INFINITY;
	int32_t middle = MIDDLE * q->sum;

	for (size_t i = 0; i < n; i++)
	{
		float d = add + by_square * squares[i] + (float) (sums[i] - middle) * steps[i] * by_step;

		d = (d < least ? least : d) * scale;
		/* beyond floats is as far away as anything */
		out[i] = d == d ? d : INFINITY;
	}
}

/* Of a product: what is rounded is off by step / sqrt(12) in each dimension, times the other. */
static double
deviation(const SpCoarse *c, const Query *q)
{
	double of_centroid = (double) c->most_step * c->most_step * q->square;
	double of_query = (double) q->step * q->step * c->most_square;

	return sqrt((of_centroid + of_query) / 12);
}

double
sp_coarse_measure(const SpCoarse *c, SpVectorMetric metric, const float *query, double scale,
                  float *out)
{
	_Alignas(SP_ALIGN) int8_t values[SP_ROTATION_PADDED(SP_VECTOR_MAX_DIMS)];
	float parts[SP_ROTATION_PADDED(SP_VECTOR_MAX_DIMS)];
	Query q = {.parts = parts, .values = values};
	SpRabitqSum add = sp_rabitq_field_sum(8, SP_RABITQ_FORMS);
	int32_t sums[ROWS];

	round_query(c, metric, query, &q);
	for (size_t from = 0; from < c->count; from += ROWS)
	{
		size_t n = c->count - from < ROWS ? c->count - from : ROWS;

		add((const uint64_t *) (c->codes + from * c->dims), n, c->dims / 8, values, sums);
		finish(sums, c->steps + from, c->squares + from, n, &q, metric, (float) scale, out + from);
	}
	return scale * 6 * sqrt(2) * (metric == SP_METRIC_L2_SQUARED ? 2 : 1) * deviation(c, &q);
}
