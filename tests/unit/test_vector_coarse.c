/*
 * tests/unit/test_vector_coarse.c
 *	  Centroids of a byte a dimension: as far away as in double, but for what the
 *	  header says; around any mean, of one or many; queries that floats hardly hold.
 */
#include "check.h"

#include <float.h>

#include "core/vector/coarse.h"
#include "core/vector/half.h"

typedef struct Set
{
	size_t count, dims;
	uint16_t *halves;
	float *values, *query; /* what the halves say */
	char *memory;
	SpCoarse coarse;
} Set;

static Set
new_set(size_t count, size_t dims, float mean, float spread)
{
	Set s = {.count = count, .dims = dims};

	s.halves = malloc(count * dims * sizeof(uint16_t));
	s.values = malloc(count * dims * sizeof(float));
	s.query = malloc(dims * sizeof(float));
	s.memory =
		aligned_alloc(SP_ALIGN, (sp_coarse_size(count, dims) + SP_ALIGN - 1) / SP_ALIGN * SP_ALIGN);
	for (size_t i = 0; i < count * dims; i++)
		s.values[i] = mean + spread * check_noise();
	for (size_t i = 0; i < dims; i++)
		s.query[i] = mean + spread * check_noise();
	sp_half_from_floats(s.values, s.halves, count * dims);
	sp_half_to_floats(s.halves, s.values, count * dims);
	sp_coarse_fill(&s.coarse, s.memory, s.halves, count, dims);
	return s;
}

static void
free_set(Set *s)
{
	free(s->halves);
	free(s->values);
	free(s->query);
	free(s->memory);
}

static double
exact(const Set *s, SpVectorMetric metric, size_t i)
{
	double sum = 0;

	for (size_t k = 0; k < s->dims; k++)
	{
		double x = s->query[k], y = s->values[i * s->dims + k];

		sum += metric == SP_METRIC_L2_SQUARED ? (x - y) * (x - y) : -x * y;
	}
	return sum;
}

/* |x| |c - mean|, x the query or its difference from the mean: what an error is a share of. */
static double
lengths(const Set *s, SpVectorMetric metric, size_t i)
{
	double x = 0, y = 0;

	for (size_t k = 0; k < s->dims; k++)
	{
		double mean = s->coarse.mean[k];
		double of_query = s->query[k] - (metric == SP_METRIC_L2_SQUARED ? mean : 0);
		double of_row = s->values[i * s->dims + k] - mean;

		x += of_query * of_query;
		y += of_row * of_row;
	}
	return sqrt(x * y);
}

static void
check_set(size_t count, size_t dims, float mean, float spread, SpVectorMetric metric)
{
	Set s = new_set(count, dims, mean, spread);
	float *out = malloc(count * sizeof(float));
	double unsure = sp_coarse_measure(&s.coarse, metric, s.query, 4, out) / 4;
	double worst = 0, most = -INFINITY, least = INFINITY, nearly = 0;

	for (size_t i = 0; i < count; i++)
	{
		double want = exact(&s, metric, i),
			   near = 1e-6 * (fabs(want) + mean * mean * (double) dims);
		double error = fmax(fabs(out[i] / 4 - want) - near, 0);

		worst = fmax(worst, error / fmax(lengths(&s, metric, i), 1e-30));
		most = fmax(most, out[i] / 4 - want);
		least = fmin(least, out[i] / 4 - want);
		nearly = fmax(nearly, near);
	}
	CHECK(most - least <= unsure + 2 * nearly);
	/* which is no more than it must be */
	CHECK(count < 100 || unsure < 10 * (most - least));
	/* six times the spread of the error of two roundings, each of a step in 254 of the range */
	CHECK(worst < 6 * 2 * 2 * sqrt(2) * sqrt(3) / 254 / sqrt(12) / sqrt((double) dims));
	free(out);
	free_set(&s);
}

/* Centroids that are all the same, queries without a direction, and of any size. */
static void
check_edges(SpVectorMetric metric)
{
	static const float sizes[] = {0, FLT_TRUE_MIN, 1e-38f, 1e-20f, 1e15f};
	Set s = new_set(40, 64, 3, 0);
	float out[40];

	for (size_t z = 0; z < sizeof(sizes) / sizeof(*sizes); z++)
	{
		for (size_t k = 0; k < s.dims; k++)
			s.query[k] = sizes[z];
		sp_coarse_measure(&s.coarse, metric, s.query, 1, out);
		for (size_t i = 0; i < s.count; i++)
		{
			double want = exact(&s, metric, i);

			CHECK_NEAR(out[i], want, 1e-6 * fabs(want) + 1e-30);
		}
	}
	for (size_t k = 0; k < s.dims; k++)
		s.query[k] = k % 2 ? FLT_MAX : -FLT_MAX;
	sp_coarse_measure(&s.coarse, metric, s.query, 1, out);
	for (size_t i = 0; i < s.count; i++)
		CHECK(!isnan(out[i]));
	free_set(&s);
}

int
main(void)
{
	for (SpVectorMetric metric = SP_METRIC_L2_SQUARED; metric <= SP_METRIC_NEGATIVE_PRODUCT;
	     metric++)
	{
		check_set(1, 64, 0, 1, metric);
		check_set(300, 64, 0, 1, metric);
		check_set(257, 832, 0, 1, metric);
		check_set(100, 192, 50, 1, metric);
		check_set(100, 192, 0, 1e-3f, metric);
		check_set(20, 16000, 1, 2, metric);
		check_edges(metric);
	}
	return check_report();
}
