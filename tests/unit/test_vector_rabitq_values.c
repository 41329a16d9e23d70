/*
 * tests/unit/test_vector_rabitq_values.c
 *	  Codes of more than a bit a dimension: that they are laid out as they say,
 *	  lie along their residuals as nearly as they can, and that estimates from
 *	  codes of any number of bits meet their truth and their bound.
 */
#include "check.h"

#include "core/vector/rabitq.h"
#include "core/vector/rabitq_fields.h"
#include "core/vector/rotation.h"

static double
product(const float *a, const float *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double) a[i] * b[i];
	return sum;
}

static float *
floats(size_t n)
{
	return sp_alloc(&check_env, n, sizeof(float));
}

/* Nearly normal: twelve uniform ones. */
static float
normal(void)
{
	float sum = 0;

	for (int i = 0; i < 12; i++)
		sum += check_noise();
	return sum / 2;
}

/* The value of a dimension, as rabitq.h and rabitq_fields.h say. */
static int
value_of(const uint64_t *code, int bits, size_t padded, size_t i)
{
	const uint8_t *bytes = (const uint8_t *) code;
	size_t n = padded / 8 * (size_t) bits;

	if (bits == 1)
		return (int) (code[i / 64] >> i % 64 & 1);
	return bytes[i % n] >> (i / n) * (size_t) bits & ((1 << bits) - 1);
}

/* --- sums --------------------------------------------------------------------------- */

typedef enum Extreme
{
	ANY,
	HIGHEST,
	LOWEST
} Extreme;

static void
check_sums(int bits, size_t padded, Extreme extreme)
{
	enum
	{
		COUNT = 3
	};
	size_t words = SP_RABITQ_WORDS(padded, bits), stride = SP_RABITQ_STRIDE(words);
	size_t n = words * 8;
	/* not a word longer, so that a sanitizer sees what reads behind the end */
	uint64_t *codes = malloc(COUNT * words * 8);
	int8_t *query = sp_calloc(&check_env, (size_t) (8 / bits), stride);
	int32_t sums[SP_RABITQ_FORMS][COUNT];

	for (size_t i = 0; i < COUNT * words * 8; i++)
		((uint8_t *) codes)[i] = extreme == ANY ? (uint8_t) check_random() : 0xff;
	for (size_t i = 0; i < padded; i++)
		query[i / n * stride + i % n] = extreme == HIGHEST  ? SP_RABITQ_REACH
		                                : extreme == LOWEST ? -SP_RABITQ_REACH
		                                                    : (int8_t) (check_random() % 255 - 127);
	for (int forms = 1; forms <= SP_RABITQ_FORMS; forms++)
		sp_rabitq_field_sum(bits, forms)(codes, COUNT, words, query, sums[forms - 1]);
	for (size_t k = 0; k < COUNT; k++)
	{
		int32_t sum = 0;

		for (size_t i = 0; i < padded; i++)
			sum += value_of(codes + k * words, bits, padded, i) * query[i / n * stride + i % n];
		for (int forms = 0; forms < SP_RABITQ_FORMS; forms++)
			CHECK(sums[forms][k] == sum);
	}
	free(codes);
	sp_free(&check_env, query);
}

/* --- codes -------------------------------------------------------------------------- */

typedef struct Judged
{
	double along, across; /* <r, x>, and the tangent of the angle between them */
} Judged;

static Judged
judge(const float *o, const float *c, size_t padded, const double *x)
{
	Judged j = {0, 0};
	double rr = 0, xx = 0;

	for (size_t i = 0; i < padded; i++)
	{
		double r = o[i] - c[i];

		j.along += r * x[i];
		rr += r * r;
		xx += x[i] * x[i];
	}
	j.across = sqrt(fmax(0, rr * xx / (j.along * j.along) - 1));
	return j;
}

/* The tangent for the best of very many steps. */
static double
best_across(const float *o, const float *c, size_t padded, int bits, double *x)
{
	double largest = 0, best = INFINITY, top = (1 << (bits - 1)) - 1;

	for (size_t i = 0; i < padded; i++)
		largest = fmax(largest, fabs(o[i] - c[i]));
	for (double step = largest / (top + 1) * 1.2; step > largest / (top + 1) / 20; step *= 0.997)
	{
		double across;

		for (size_t i = 0; i < padded; i++)
			x[i] = copysign(2 * fmin(top, floor(fabs(o[i] - c[i]) / step)) + 1, o[i] - c[i]);
		across = judge(o, c, padded, x).across;
		best = fmin(best, across);
	}
	return best;
}

static void
check_code(SpVectorMetric metric, int bits, size_t padded, int heavy_tails)
{
	float *o = floats(padded), *c = floats(padded);
	uint64_t *code = malloc(SP_RABITQ_WORDS(padded, bits) * 8);
	double *x = calloc(padded, sizeof(double)), rr, spread;
	uint32_t sum = 0;
	SpRabitqFactors f;
	Judged j;

	for (size_t i = 0; i < padded; i++)
	{
		c[i] = normal();
		o[i] = c[i] + normal() * (heavy_tails ? 0.1f + check_noise() * check_noise() : 1);
	}
	sp_rabitq_encode(metric, bits, o, c, padded, code, &f);
	for (size_t i = 0; i < padded; i++)
	{
		int value = value_of(code, bits, padded, i);

		x[i] = 2 * value - ((1 << bits) - 1);
		sum += (uint32_t) value;
		CHECK((x[i] > 0) == (o[i] > c[i]));
	}
	j = judge(o, c, padded, x);
	rr = 0;
	for (size_t i = 0; i < padded; i++)
		rr += (double) (o[i] - c[i]) * (o[i] - c[i]);
	CHECK(f.ones == sum);
	CHECK_NEAR(f.scale / (rr / j.along) * (metric == SP_METRIC_L2_SQUARED ? 0.5 : 1), -1, 1e-5);
	spread = 1.9 * sqrt(rr / (double) (padded - 1)) * (metric == SP_METRIC_L2_SQUARED ? 2 : 1);
	/* not below the code's own, and what is added for the query is little unless that is */
	CHECK(f.error >= spread * j.across * (1 - 1e-5));
	CHECK(f.error <= spread * hypot(j.across, 0.01 * hypot(1, j.across)));
	/* eight bits have many steps that are nearly as good as the best */
	if (bits > 1)
		CHECK(j.across <= (bits == 2   ? 1.01
		                   : bits == 4 ? 1.1
		                               : 1.4) *
		                      best_across(o, c, padded, bits, x));
	free(code);
	free(x);
	sp_free(&check_env, o);
	sp_free(&check_env, c);
}

/* --- estimates ---------------------------------------------------------------------- */

typedef enum Cloud
{
	NORMAL, /* in every direction */
	STROKES /* few dimensions beside a centroid of few dimensions, as in images */
} Cloud;

/* Runs of dimensions with something bright in them. */
static void
draw_strokes(float *image, size_t dims, int n)
{
	while (n-- > 0)
	{
		size_t from = check_random() % dims, length = 3 + check_random() % 20;

		for (size_t i = from; i < dims && i < from + length; i++)
			image[i] = (float) (128 + check_random() % 128);
	}
}

static void
draw_near(const float *centre, float *in, size_t dims, Cloud cloud)
{
	for (size_t i = 0; i < dims; i++)
		in[i] = centre[i] + (cloud == NORMAL ? normal() : 0);
	if (cloud == STROKES)
		draw_strokes(in, dims, 5);
}

typedef struct Errors
{
	double mean, square; /* of the errors in standard deviations that margins say */
	double outside;      /* the share beyond the margin */
	double relative;     /* root mean square, beside |r| |q - c| */
} Errors;

typedef struct Stage
{
	SpVectorMetric metric;
	int bits;
	size_t dims;
	Cloud cloud;
} Stage;

#define CODES     100
#define ROTATIONS 8
#define SAMPLES   (CODES * ROTATIONS)

/* Adds up what estimates of CODES codes beside one centroid are off. */
static void
add_errors(const SpRabitqQuery *q, const Stage *s, const float *y, const float *c,
           const float *vectors, const uint64_t *codes, const SpRabitqFactors *factors, Errors *e)
{
	size_t padded = SP_ROTATION_PADDED(s->dims);
	float estimates[CODES], margins[CODES];
	double yy = 0;

	for (size_t i = 0; i < padded; i++)
		yy += (double) (y[i] - c[i]) * (y[i] - c[i]);
	sp_rabitq_estimate(q, codes, factors, CODES, estimates, margins);
	for (size_t k = 0; k < CODES; k++)
	{
		const float *o = vectors + k * padded;
		double truth = -product(o, y, padded), rr = 0, off;

		for (size_t i = 0; i < padded; i++)
			rr += (double) (o[i] - c[i]) * (o[i] - c[i]);
		if (s->metric == SP_METRIC_L2_SQUARED)
			truth = product(o, o, padded) + product(y, y, padded) + 2 * truth;
		off = estimates[k] - truth;
		e->mean += off / margins[k] * 1.9 / SAMPLES;
		e->square += off * off / margins[k] / margins[k] * 1.9 * 1.9 / SAMPLES;
		e->outside += (fabs(off) > margins[k]) / (double) SAMPLES;
		off /= s->metric == SP_METRIC_L2_SQUARED ? 2 : 1;
		e->relative += off * off / (rr * yy) / SAMPLES;
	}
}

/* One cloud, one query, one rotation. */
static void
measure(const Stage *s, uint64_t seed, Errors *e)
{
	size_t padded = SP_ROTATION_PADDED(s->dims), words = SP_RABITQ_WORDS(padded, s->bits);
	float *centre = calloc(s->dims, sizeof(float)), *in = malloc(s->dims * sizeof(float));
	float *c = floats(padded), *y = floats(padded), *vectors = floats(CODES * padded);
	uint64_t *codes = malloc(CODES * words * 8);
	SpRabitqFactors factors[CODES];
	SpRotation *r = NULL;
	SpRabitqQuery *q = NULL;

	CHECK(sp_rotation_new(&check_env, s->dims, seed, &r) == SP_OK);
	CHECK(sp_rabitq_query_new(&check_env, s->metric, s->bits, padded, &q) == SP_OK);
	if (s->cloud == NORMAL)
		draw_near(centre, centre, s->dims, NORMAL);
	else
		draw_strokes(centre, s->dims, 8);
	sp_rotation_run(r, centre, c);
	for (size_t k = 0; k < CODES; k++)
	{
		draw_near(centre, in, s->dims, s->cloud);
		sp_rotation_run(r, in, vectors + k * padded);
		sp_rabitq_encode(s->metric, s->bits, vectors + k * padded, c, padded, codes + k * words,
		                 &factors[k]);
	}
	draw_near(centre, in, s->dims, s->cloud);
	sp_rotation_run(r, in, y);
	sp_rabitq_query_aim(q, y, c);
	add_errors(q, s, y, c, vectors, codes, factors, e);
	sp_rotation_free(r);
	sp_rabitq_query_free(q);
	free(centre);
	free(in);
	free(codes);
	sp_free(&check_env, c);
	sp_free(&check_env, y);
	sp_free(&check_env, vectors);
}

/*
 * Margins are 1.9 standard deviations, so that 5.7 % of normal errors are beyond
 * (with one bit a few more, by the rounding of the query, which its margins leave
 * out), and of an unbiased mean of 800 errors hardly any is 0.1; but in a cloud
 * of strokes codes are off together.  Twice the bits are half the error a bit.
 */
static void
check_estimates(SpVectorMetric metric, size_t dims, Cloud cloud)
{
	double before = 0;

	for (int bits = 1; bits <= 8; bits *= 2)
	{
		Stage s = {metric, bits, dims, cloud};
		Errors e = {0, 0, 0, 0};

		for (uint64_t seed = 1; seed <= ROTATIONS; seed++)
			measure(&s, seed, &e);
		e.relative = sqrt(e.relative);
		CHECK_NEAR(e.mean, 0, cloud == NORMAL ? 0.15 : 0.3);
		/* in fewer dimensions residuals are hardly at random, which eight bits notice */
		if (dims >= 20 || bits < 8)
			CHECK(sqrt(e.square) < 1.25 && e.outside < (bits == 1 ? 0.12 : 0.09));
		if (dims >= 20)
		{
			CHECK(sqrt(e.square) > 0.6);
			CHECK(bits == 1 || e.relative < before / (bits == 2 ? 1.8 : bits == 4 ? 3 : 7));
		}
		before = e.relative;
	}
}

/* --- edges -------------------------------------------------------------------------- */

/* Nothing is left of a vector beside itself, and there is nothing to be wrong about. */
static void
check_nothing(SpVectorMetric metric, int bits)
{
	enum
	{
		PADDED = 192
	};
	float *c = floats(PADDED), *o = floats(PADDED), estimate, margin;
	double truth;
	uint64_t code[PADDED / 8];
	SpRabitqFactors f;
	SpRabitqQuery *q = NULL;

	for (size_t i = 0; i < PADDED; i++)
	{
		c[i] = normal();
		o[i] = normal();
	}
	CHECK(sp_rabitq_query_new(&check_env, metric, bits, PADDED, &q) == SP_OK);
	sp_rabitq_encode(metric, bits, c, c, PADDED, code, &f);
	CHECK(f.scale == 0 && f.error == 0 && f.base == 0);
	sp_rabitq_query_aim(q, o, c);
	sp_rabitq_estimate(q, code, &f, 1, &estimate, &margin);
	truth = metric == SP_METRIC_L2_SQUARED
	            ? product(o, o, PADDED) + product(c, c, PADDED) - 2 * product(o, c, PADDED)
	            : -product(o, c, PADDED);
	CHECK(margin == 0);
	CHECK_NEAR(estimate, truth, 1e-3);
	/* and the other way round */
	sp_rabitq_encode(metric, bits, o, c, PADDED, code, &f);
	sp_rabitq_query_aim(q, c, c);
	sp_rabitq_estimate(q, code, &f, 1, &estimate, &margin);
	CHECK(margin == 0);
	CHECK_NEAR(estimate, metric == SP_METRIC_L2_SQUARED ? truth : -product(o, c, PADDED), 1e-3);
	sp_rabitq_query_free(q);
	sp_free(&check_env, c);
	sp_free(&check_env, o);
}

/* From the smallest that a float has to what its square still fits in one. */
static void
check_scale(int bits, float scale)
{
	enum
	{
		PADDED = 128
	};
	float *c = floats(PADDED), *o = floats(PADDED), *y = floats(PADDED), estimate, margin;
	uint64_t code[PADDED / 8];
	SpRabitqFactors f;
	SpRabitqQuery *q = NULL;

	for (size_t i = 0; i < PADDED; i++)
	{
		c[i] = 0;
		o[i] = normal() * scale;
		y[i] = normal();
	}
	CHECK(sp_rabitq_query_new(&check_env, SP_METRIC_NEGATIVE_PRODUCT, bits, PADDED, &q) == SP_OK);
	sp_rabitq_encode(SP_METRIC_NEGATIVE_PRODUCT, bits, o, c, PADDED, code, &f);
	sp_rabitq_query_aim(q, y, c);
	sp_rabitq_estimate(q, code, &f, 1, &estimate, &margin);
	CHECK(isfinite(estimate) && isfinite(margin));
	/* six standard deviations, and what the smallest numbers have no room for */
	CHECK_NEAR(estimate, -product(o, y, PADDED), 6 / 1.9 * margin + PADDED * 1e-44);
	sp_rabitq_query_free(q);
	sp_free(&check_env, c);
	sp_free(&check_env, o);
	sp_free(&check_env, y);
}

/* A residual that no float can hold has codes all the same, and the search for them an end. */
static void
check_overflow(int bits)
{
	float c[64], o[64];
	uint64_t code[8];
	SpRabitqFactors f;

	for (size_t i = 0; i < 64; i++)
	{
		c[i] = -3e38f;
		o[i] = i % 2 == 0 ? 3e38f : -3e38f;
	}
	sp_rabitq_encode(SP_METRIC_L2_SQUARED, bits, o, c, 64, code, &f);
	for (size_t i = 0; i < 64; i++)
		CHECK((2 * value_of(code, bits, 64, i) > (1 << bits) - 1) == (i % 2 == 0));
}

static void
check_refusals(void)
{
	static const int bad[] = {-8, -1, 0, 3, 5, 6, 7, 9, 16, 64};
	SpRabitqQuery *q = NULL;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(sp_rabitq_query_new(&check_env, SP_METRIC_L2_SQUARED, bad[i], 64, &q) ==
		          SP_ERR_BAD_ARG &&
		      q == NULL);
	for (int bits = 1; bits <= 8; bits *= 2)
	{
		CHECK(sp_rabitq_query_new(&check_env, SP_METRIC_L2_SQUARED, bits, 65536 + 64, &q) ==
		      SP_ERR_BAD_ARG);
		for (long allowed = 0; allowed < 3; allowed++)
		{
			check_allocs_left = allowed;
			CHECK(sp_rabitq_query_new(&check_env, SP_METRIC_L2_SQUARED, bits, 64, &q) ==
			          SP_ERR_NO_MEMORY &&
			      q == NULL);
		}
		check_allocs_left = -1;
	}
}

int
main(void)
{
	static const size_t dims[] = {1, 2, 20, 100, 300, 784};

	for (int bits = 2; bits <= 8; bits *= 2)
	{
		for (size_t padded = 64; padded <= 1024; padded += 64)
			check_sums(bits, padded, ANY);
		check_sums(bits, 65536, HIGHEST);
		check_sums(bits, 65536, LOWEST);
	}
	for (int m = SP_METRIC_L2_SQUARED; m <= SP_METRIC_NEGATIVE_PRODUCT; m++)
	{
		for (int bits = 1; bits <= 8; bits *= 2)
		{
			for (size_t padded = 64; padded <= 1024; padded *= 2)
				check_code((SpVectorMetric) m, bits, padded, m == SP_METRIC_L2_SQUARED);
			check_nothing((SpVectorMetric) m, bits);
		}
		for (size_t i = 0; i < sizeof(dims) / sizeof(dims[0]); i++)
		{
			check_estimates((SpVectorMetric) m, dims[i], NORMAL);
			if (dims[i] >= 300)
				check_estimates((SpVectorMetric) m, dims[i], STROKES);
		}
	}
	check_estimates(SP_METRIC_L2_SQUARED, 16000, STROKES);
	for (int bits = 1; bits <= 8; bits *= 2)
		for (float scale = 1e-45f; scale < 1e17f; scale *= 100)
			check_scale(bits, scale);
	for (int bits = 1; bits <= 8; bits *= 2)
		check_overflow(bits);
	check_refusals();
	return check_report();
}
