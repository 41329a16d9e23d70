/*
 * tests/unit/test_vector_rabitq.c
 *	  The rotation keeps what it must, codes are what the paper says, estimates
 *	  meet their truth and their bound, and fast sums equal plain ones.
 */
#include "check.h"

#include "core/vector/rabitq.h"
#include "core/vector/rabitq_bits.h"
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
aligned_floats(size_t n)
{
	return sp_alloc(&check_env, n, sizeof(float));
}

static void
fill(float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = check_noise();
}

/* --- rotation ------------------------------------------------------------------- */

static void
check_rotation(size_t dims)
{
	size_t padded = SP_ROTATION_PADDED(dims);
	SpRotation *r = NULL, *again = NULL, *other = NULL;
	float *a = malloc(dims * sizeof(float)), *b = malloc(dims * sizeof(float));
	float *ra = aligned_floats(padded), *rb = aligned_floats(padded), *rc = aligned_floats(padded);
	double size;

	CHECK(sp_rotation_new(&check_env, dims, 42, &r) == SP_OK);
	CHECK(sp_rotation_new(&check_env, dims, 42, &again) == SP_OK);
	CHECK(sp_rotation_new(&check_env, dims, 43, &other) == SP_OK);
	fill(a, dims);
	fill(b, dims);
	sp_rotation_run(r, a, ra);
	sp_rotation_run(r, b, rb);
	size = sqrt(product(a, a, dims) * product(b, b, dims));
	CHECK_NEAR(product(ra, rb, padded), product(a, b, dims), 1e-5 * size);
	CHECK_NEAR(product(ra, ra, padded), product(a, a, dims), 1e-5 * size);
	sp_rotation_run(again, a, rc);
	CHECK(memcmp(ra, rc, padded * sizeof(float)) == 0);
	sp_rotation_run(other, a, rc);
	CHECK(memcmp(ra, rc, padded * sizeof(float)) != 0);
	/* one dimension alone becomes a little of all */
	memset(a, 0, dims * sizeof(float));
	a[dims / 2] = 1;
	sp_rotation_run(r, a, ra);
	for (size_t i = 0; i < padded; i++)
		CHECK(fabsf(ra[i]) < 6 / sqrtf((float) padded));
	sp_rotation_free(r);
	sp_rotation_free(again);
	sp_rotation_free(other);
	free(a);
	free(b);
	sp_free(&check_env, ra);
	sp_free(&check_env, rb);
	sp_free(&check_env, rc);
}

/* Indexes are read by other builds and machines.  The values are those of scipy.linalg.hadamard. */
static void
check_rotation_stays(void)
{
	static const float want[4] = {-39.44141f, 21.35937f, -13.44531f, 25.77734f};
	SpRotation *r = NULL;
	float in[100], *out = aligned_floats(128);

	for (size_t i = 0; i < 100; i++)
		in[i] = (float) i - 50;
	CHECK(sp_rotation_new(&check_env, 100, 7, &r) == SP_OK);
	sp_rotation_run(r, in, out);
	for (size_t i = 0; i < 4; i++)
		CHECK_NEAR(out[i * 40], want[i], 1e-3);
	sp_rotation_free(r);
	sp_free(&check_env, out);
}

/* --- bits ------------------------------------------------------------------------ */

static uint64_t
random_word(void)
{
	uint64_t word = 0;

	for (size_t i = 0; i < 64; i++)
		word = word << 1 | (check_noise() > 0);
	return word;
}

static void
check_sums(size_t words)
{
	enum
	{
		COUNT = 5
	};
	uint64_t *codes = malloc(COUNT * words * 8), *planes = malloc(SP_RABITQ_PLANES * words * 8);
	int32_t fast[COUNT], plain[COUNT];

	for (size_t i = 0; i < COUNT * words; i++)
		codes[i] = random_word();
	for (size_t i = 0; i < SP_RABITQ_PLANES * words; i++)
		planes[i] = random_word();
	sp_rabitq_sum()(codes, COUNT, words, planes, fast);
	sp_rabitq_sum_plain(codes, COUNT, words, planes, plain);
	for (size_t i = 0; i < COUNT; i++)
	{
		int32_t sum = 0;

		for (size_t k = 0; k < SP_RABITQ_PLANES; k++)
			for (size_t b = 0; b < 64 * words; b++)
				sum += (int32_t) (codes[i * words + b / 64] >> b % 64 &
				                  planes[k * words + b / 64] >> b % 64 & 1)
				       << k;
		CHECK(fast[i] == sum && plain[i] == sum);
	}
	free(codes);
	free(planes);
}

/* --- codes and estimates ---------------------------------------------------------- */

static void
check_code(SpVectorMetric metric, size_t padded)
{
	float *o = aligned_floats(padded), *c = aligned_floats(padded);
	uint64_t code[16];
	SpRabitqFactors f;
	double squares = 0, sizes = 0, mixed = 0;
	uint32_t ones = 0;

	fill(o, padded);
	fill(c, padded);
	sp_rabitq_encode(metric, 1, o, c, padded, code, &f);
	for (size_t i = 0; i < padded; i++)
	{
		float r = o[i] - c[i];

		CHECK((code[i / 64] >> i % 64 & 1) == (r > 0));
		ones += r > 0;
		squares += (double) r * r;
		sizes += fabsf(r);
		mixed += (double) r * c[i];
	}
	CHECK(f.ones == ones && f.error > 0);
	CHECK_NEAR(f.base, metric == SP_METRIC_L2_SQUARED ? squares : -mixed, 1e-4 * squares);
	CHECK_NEAR(f.scale, (metric == SP_METRIC_L2_SQUARED ? -2 : -1) * squares / sizes, 1e-5);
	/* beside itself there is nothing left, and nothing to be wrong about */
	sp_rabitq_encode(metric, 1, c, c, padded, code, &f);
	CHECK(f.ones == 0 && f.base == 0 && f.scale == 0 && f.error == 0);
	sp_free(&check_env, o);
	sp_free(&check_env, c);
}

/*
 * Vectors in a cloud around the centroid, and a query at its edge.  The bound is
 * exceeded by few; its distribution in the paper is that of one of `padded`
 * dimensions of a random direction, beyond 1.9 standard deviations: 5.7 %.
 */
static void
check_estimates(SpVectorMetric metric, size_t dims)
{
	enum
	{
		COUNT = 1000
	};
	size_t padded = SP_ROTATION_PADDED(dims), words = padded / 64, outside = 0;
	float *in = malloc(dims * sizeof(float)), *centre = malloc(dims * sizeof(float));
	float *c = aligned_floats(padded), *o = aligned_floats(padded), *y = aligned_floats(padded);
	float estimates[COUNT], margins[COUNT];
	double truth[COUNT], error = 0, spread = 0;
	uint64_t *codes = malloc(COUNT * words * 8);
	SpRabitqFactors *factors = malloc(COUNT * sizeof(*factors));
	SpRotation *r = NULL;
	SpRabitqQuery *q = NULL;

	CHECK(sp_rotation_new(&check_env, dims, 1, &r) == SP_OK);
	CHECK(sp_rabitq_query_new(&check_env, metric, 1, padded, &q) == SP_OK);
	fill(centre, dims);
	sp_rotation_run(r, centre, c);
	for (size_t i = 0; i < dims; i++)
		in[i] = centre[i] + 0.7f * check_noise();
	sp_rotation_run(r, in, y);
	for (size_t k = 0; k < COUNT; k++)
	{
		for (size_t i = 0; i < dims; i++)
			in[i] = centre[i] + 0.5f * check_noise();
		sp_rotation_run(r, in, o);
		sp_rabitq_encode(metric, 1, o, c, padded, codes + k * words, &factors[k]);
		truth[k] = -product(o, y, padded);
		if (metric == SP_METRIC_L2_SQUARED)
			truth[k] = product(o, o, padded) + product(y, y, padded) + 2 * truth[k];
	}
	sp_rabitq_query_aim(q, y, c);
	sp_rabitq_estimate(q, codes, factors, COUNT, estimates, margins);
	for (size_t k = 0; k < COUNT; k++)
	{
		error += estimates[k] - truth[k];
		spread += margins[k];
		outside += fabs(estimates[k] - truth[k]) > margins[k];
	}
	/* margins are 1.9 standard deviations */
	CHECK_NEAR(error / COUNT, 0, 0.2 * spread / COUNT);
	CHECK(outside < COUNT / 10);
	sp_rotation_free(r);
	sp_rabitq_query_free(q);
	free(in);
	free(centre);
	free(codes);
	free(factors);
	sp_free(&check_env, c);
	sp_free(&check_env, o);
	sp_free(&check_env, y);
}

/* The query at the centroid, where its residual has one value. */
static void
check_still_query(SpVectorMetric metric)
{
	float *c = aligned_floats(64), *o = aligned_floats(64), estimate, margin;
	uint64_t code;
	SpRabitqFactors f;
	SpRabitqQuery *q = NULL;

	fill(c, 64);
	fill(o, 64);
	sp_rabitq_encode(metric, 1, o, c, 64, &code, &f);
	CHECK(sp_rabitq_query_new(&check_env, metric, 1, 64, &q) == SP_OK);
	sp_rabitq_query_aim(q, c, c);
	sp_rabitq_estimate(q, &code, &f, 1, &estimate, &margin);
	CHECK(margin == 0);
	if (metric == SP_METRIC_L2_SQUARED)
		CHECK_NEAR(estimate, product(o, o, 64) + product(c, c, 64) - 2 * product(o, c, 64), 1e-4);
	else
		CHECK_NEAR(estimate, -product(o, c, 64), 1e-4);
	sp_rabitq_query_free(q);
	sp_free(&check_env, c);
	sp_free(&check_env, o);
}

static void
check_refusals(void)
{
	SpRotation *r = NULL;
	SpRabitqQuery *q = NULL;

	CHECK(sp_rotation_new(&check_env, 0, 1, &r) == SP_ERR_BAD_ARG && r == NULL);
	CHECK(sp_rabitq_query_new(&check_env, SP_METRIC_L2_SQUARED, 1, 100, &q) == SP_ERR_BAD_ARG);
	CHECK(sp_rabitq_query_new(&check_env, SP_METRIC_L2_SQUARED, 1, 0, &q) == SP_ERR_BAD_ARG);
	CHECK(sp_rabitq_query_new(&check_env, SP_METRIC_L2_SQUARED, 3, 64, &q) == SP_ERR_BAD_ARG);
	CHECK(sp_rabitq_query_new(&check_env, SP_METRIC_L2_SQUARED, 0, 64, &q) == SP_ERR_BAD_ARG);
	for (check_allocs_left = 0; check_allocs_left < 2;)
	{
		long allowed = check_allocs_left;

		CHECK(sp_rotation_new(&check_env, 64, 1, &r) == SP_ERR_NO_MEMORY && r == NULL);
		check_allocs_left = allowed;
		CHECK(sp_rabitq_query_new(&check_env, SP_METRIC_L2_SQUARED, 1, 64, &q) ==
		          SP_ERR_NO_MEMORY &&
		      q == NULL);
		check_allocs_left = allowed + 1;
	}
	check_allocs_left = -1;
	sp_rotation_free(NULL);
	sp_rabitq_query_free(NULL);
}

int
main(void)
{
	static const size_t dims[] = {1, 2, 63, 64, 65, 100, 128, 192, 300, 784, 1536};

	for (size_t i = 0; i < sizeof(dims) / sizeof(dims[0]); i++)
		check_rotation(dims[i]);
	check_rotation_stays();
	for (size_t words = 1; words <= 26; words++)
		check_sums(words);
	for (int m = SP_METRIC_L2_SQUARED; m <= SP_METRIC_NEGATIVE_PRODUCT; m++)
	{
		for (size_t padded = 64; padded <= 1024; padded *= 2)
			check_code((SpVectorMetric) m, padded);
		check_estimates((SpVectorMetric) m, 128);
		check_estimates((SpVectorMetric) m, 300);
		check_estimates((SpVectorMetric) m, 784);
		check_still_query((SpVectorMetric) m);
	}
	check_refusals();
	return check_report();
}
