/*
 * src/core/vector/rabitq_code.c
 *	  Codes of one bit a dimension and of more, and the factors beside them.
 *
 * A code stands for a vector x of odd numbers, -(2^bits - 1) .. 2^bits - 1, that
 * lies along the residual r as nearly as it can: with one bit its signs, with
 * more what is nearest in steps of a size that is searched for (the extension of
 * RaBitQ by Gao and others 2024, arXiv 2409.09913).  Whatever x is, |r|^2 / <r, x>
 * times <x, y> estimates <r, y> without bias if the rotation was at random.
 *
 * Codes and factors are the same on every machine: sums are of products that a
 * double holds exactly, so that it does not matter which instructions add them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/sp_simd.h"
#include "core/vector/rabitq.h"
#include "core/vector/rabitq_bits.h"

/* Sums in lanes, which a compiler makes vectors of; shorter ones keep it waiting. */
#define LANES 16

/* --- the residual ----------------------------------------------------------------- */

typedef struct Residual
{
	double squares, sizes; /* sums of r^2 and of |r| */
	double product;        /* <r, c> */
	float largest;         /* of |r| */
} Residual;

typedef struct ResidualLanes
{
	double squares[LANES], sizes[LANES], product[LANES];
	float largest[LANES];
} ResidualLanes;

SP_CLONES static void
add_residual(const float *restrict vector, const float *restrict centroid, size_t padded,
             ResidualLanes *restrict lanes)
{
	for (size_t at = 0; at < padded; at += LANES)
		for (size_t i = 0; i < LANES; i++)
		{
			float c = centroid[at + i], r = vector[at + i] - c, size = fabsf(r);

			lanes->squares[i] += (double) r * r;
			lanes->sizes[i] += size;
			lanes->product[i] += (double) r * c;
			lanes->largest[i] = size > lanes->largest[i] ? size : lanes->largest[i];
		}
}

static Residual
sum_residual(const float *vector, const float *centroid, size_t padded)
{
	ResidualLanes lanes;
	Residual r = {0, 0, 0, 0};

	memset(&lanes, 0, sizeof(lanes));
	add_residual(vector, centroid, padded, &lanes);
	for (size_t i = 0; i < LANES; i++)
	{
		r.squares += lanes.squares[i];
		r.sizes += lanes.sizes[i];
		r.product += lanes.product[i];
		r.largest = lanes.largest[i] > r.largest ? lanes.largest[i] : r.largest;
	}
	return r;
}

/* --- one bit ---------------------------------------------------------------------- */

/* The signs; how many are positive. */
SP_CLONES static uint32_t
cut_signs(const float *restrict vector, const float *restrict centroid, size_t padded,
          uint64_t *restrict code)
{
	uint32_t ones = 0;

	for (size_t at = 0; at < padded; at += 64)
	{
		uint8_t flags[64];
		uint64_t bits = 0;

		for (size_t i = 0; i < 64; i++)
			flags[i] = vector[at + i] > centroid[at + i];
		for (size_t i = 0; i < 64; i += 8)
			bits |= sp_rabitq_gather(flags + i, 0) << i;
		code[at / 64] = bits;
		ones += (uint32_t) __builtin_popcountll(bits);
	}
	return ones;
}

/* --- more bits -------------------------------------------------------------------- */

/* How a step suits a residual: the better, the larger product^2 / squares, the cosine's share. */
typedef struct Fit
{
	double product; /* <r, x> */
	double squares; /* of x */
} Fit;

typedef struct FitLanes
{
	double product[LANES];
	uint32_t squares[LANES];
} FitLanes;

/* Whole steps in a size, top at most, of what is no number too; by is 1 / step. */
#define STEPS(size, by, top) ((size) * (by) < (float) (top) ? (int32_t) ((size) * (by)) : (top))

SP_CLONES static void
add_fit(const float *restrict vector, const float *restrict centroid, size_t padded, float by,
        int32_t top, FitLanes *restrict lanes)
{
	for (size_t at = 0; at < padded; at += LANES)
		for (size_t i = 0; i < LANES; i++)
		{
			float size = fabsf(vector[at + i] - centroid[at + i]);
			int32_t x = 2 * STEPS(size, by, top) + 1;

			lanes->product[i] += (double) size * x;
			lanes->squares[i] += (uint32_t) (x * x);
		}
}

static Fit
try_step(int bits, const float *vector, const float *centroid, size_t padded, float by)
{
	FitLanes lanes;
	Fit fit = {0, 0};

	memset(&lanes, 0, sizeof(lanes));
	add_fit(vector, centroid, padded, by, (1 << (bits - 1)) - 1, &lanes);
	for (size_t i = 0; i < LANES; i++)
	{
		fit.product += lanes.product[i];
		fit.squares += lanes.squares[i];
	}
	return fit;
}

/*
 * The best step for values from a normal distribution of deviation 1 (Max 1960,
 * table II; of eight bits by the same condition).
 */
static double
normal_step(int bits)
{
	return bits == 2 ? 0.9957 : bits == 4 ? 0.3352 : 0.0308;
}

/* Ratios of one step tried to the next: from 5/4 by its roots, while above FINEST. */
#define COARSEST 1.25
#define FINEST   1.02

typedef struct Search
{
	int bits;
	const float *vector, *centroid;
	size_t padded;
	double step;
	Fit fit; /* of step */
} Search;

static float
inverse(double step)
{
	return step > 0 ? (float) fmin(1 / step, FLT_MAX) : 0;
}

/* Goes there if it is better. */
static bool
improve(Search *s, double step)
{
	Fit fit = try_step(s->bits, s->vector, s->centroid, s->padded, inverse(step));

	/* what is no number is no better, so that a search ends */
	if (!(fit.product * fit.product * s->fit.squares >
	      s->fit.product * s->fit.product * fit.squares))
		return false;
	s->step = step;
	s->fit = fit;
	return true;
}

/*
 * Uphill from what would suit a normal distribution or reach the largest, in seven
 * tries or eight, a dozen if most of the residual is in a few dimensions.  What
 * lies across is 0.1 % more than if every step were tried, of eight bits 1 % (6 %
 * in 64 dimensions, where one step after the other is nearly as good).
 */
static void
search_step(Search *s, const Residual *r)
{
	double step = normal_step(s->bits) * sqrt(r->squares / (double) s->padded);

	s->step = 0;
	s->fit = (Fit){0, 1};
	if (r->squares == 0)
		return;
	improve(s, fmin(step, (double) r->largest / (1 << (s->bits - 1))));
	if (improve(s, s->step * COARSEST))
		while (improve(s, s->step * COARSEST))
			;
	else
		while (improve(s, s->step / COARSEST))
			;
	for (double by = sqrt(COARSEST); by > FINEST; by = sqrt(by))
		if (!improve(s, s->step * by))
			improve(s, s->step / by);
}

/* Values into fields (rabitq_fields.h), with bits a constant of the caller; their sum. */
static inline __attribute__((always_inline)) uint32_t
cut_values(int bits, const float *restrict vector, const float *restrict centroid, size_t padded,
           float by, uint8_t *restrict code)
{
	const int32_t half = 1 << (bits - 1);
	size_t bytes = padded / 8 * (size_t) bits;
	uint32_t ones = 0;

	for (size_t j = 0; j < bytes; j++)
	{
		uint32_t byte = 0;

		for (int f = 0; f < 8 / bits; f++)
		{
			float r = vector[(size_t) f * bytes + j] - centroid[(size_t) f * bytes + j];
			int32_t steps = STEPS(fabsf(r), by, half - 1);
			uint32_t value = (uint32_t) (r > 0 ? half + steps : half - 1 - steps);

			byte |= value << f * bits;
			ones += value;
		}
		code[j] = (uint8_t) byte;
	}
	return ones;
}

#define CUT(bits)                                                                    \
	SP_CLONES static uint32_t cut_##bits(const float *vector, const float *centroid, \
	                                     size_t padded, float by, uint64_t *code)    \
	{                                                                                \
		return cut_values(bits, vector, centroid, padded, by, (uint8_t *) code);     \
	}

CUT(2)
CUT(4)
CUT(8)

/* --- factors ---------------------------------------------------------------------- */

/*
 * What rounding a query to eight bits adds, beside its deviation: a step is the
 * largest of a dimension / 127, which is 4.2 deviations in 16,000 dimensions and
 * less in fewer, and an error of rounding is step / sqrt(12).
 */
#define QUERY_ROUNDING 0.0095

/* |r|^2 / <r, x>, and what of x lies across r. */
static void
weigh(SpVectorMetric metric, const Residual *r, const Fit *fit, double rounding, size_t padded,
      SpRabitqFactors *factors)
{
	double ratio = fit->product > 0 ? r->squares / fit->product : 0;
	/* of the unit vectors along the residual and its code */
	double cosine = r->squares > 0 ? fit->product / sqrt(r->squares * fit->squares) : 1;
	double across = fmax(0, 1 / (cosine * cosine) - 1) + rounding * rounding / (cosine * cosine);
	double spread = sqrt(r->squares * across / (double) (padded - 1));

	if (metric == SP_METRIC_L2_SQUARED)
	{
		factors->base = (float) r->squares;
		factors->scale = (float) (-2 * ratio);
		factors->error = (float) (2 * SP_RABITQ_EPSILON_0 * spread);
	}
	else
	{
		factors->base = (float) -r->product;
		factors->scale = (float) -ratio;
		factors->error = (float) (SP_RABITQ_EPSILON_0 * spread);
	}
}

void
sp_rabitq_encode(SpVectorMetric metric, int bits, const float *vector, const float *centroid,
                 size_t padded, uint64_t *code, SpRabitqFactors *factors)
{
	Residual r = sum_residual(vector, centroid, padded);
	Search s = {.bits = bits, .vector = vector, .centroid = centroid, .padded = padded};
	float by;

	if (bits == 1)
	{
		factors->ones = cut_signs(vector, centroid, padded, code);
		weigh(metric, &r, &(Fit){r.sizes, (double) padded}, 0, padded, factors);
		return;
	}
	search_step(&s, &r);
	by = inverse(s.step);
	factors->ones = bits == 2   ? cut_2(vector, centroid, padded, by, code)
	                : bits == 4 ? cut_4(vector, centroid, padded, by, code)
	                            : cut_8(vector, centroid, padded, by, code);
	weigh(metric, &r, &s.fit, QUERY_ROUNDING, padded, factors);
}
