/*
 * tests/bench/vector_codes.c
 *	  What do codes of vectors cost, and how near is an estimate, by bits a dimension?
 *
 * 784 dimensions, 1,000 vectors around a centroid in random directions, queries
 * likewise: the hardest case, as nothing is nearer than anything else.  One core,
 * processor time, the median of 15 rounds.  The error is that of the inner product of the residuals,
 * root mean square, beside the product of their lengths; "outside" are estimates
 * farther off than their margins, of which 5.7 % are expected.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "core/vector/rabitq.h"
#include "core/vector/rotation.h"
#include "host.h"

#define DIMS   784
#define PADDED SP_ROTATION_PADDED(DIMS)
#define COUNT  1000
#define ROUNDS 15

static float *vectors, *query, *centroid;
static SpRabitqFactors factors[COUNT];
static float estimates[COUNT], margins[COUNT];

/* What is refused here is a fault of this program. */
static void
must(bool fine, const char *what)
{
	if (fine)
		return;
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static float
gaussian(void)
{
	static uint64_t state = 88172645463325252u;
	double sum = 0;

	for (int i = 0; i < 12; i++)
	{
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		sum += (double) (state >> 11) / 9007199254740992.0;
	}
	return (float) (sum - 6);
}

static void
draw(const SpRotation *r, const float *around, float *out)
{
	float in[DIMS];

	for (size_t i = 0; i < DIMS; i++)
		in[i] = gaussian();
	sp_rotation_run(r, in, out);
	for (size_t i = 0; i < PADDED; i++)
		out[i] += around[i];
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return (x > y) - (x < y);
}

static double
median(double *x, size_t n)
{
	qsort(x, n, sizeof(double), ascending);
	return x[n / 2];
}

/* Seconds that a statement takes, into seconds. */
#define TIME(seconds, statement)                 \
	do                                           \
	{                                            \
		double rounds_[ROUNDS];                  \
                                                 \
		for (int k = 0; k < ROUNDS; k++)         \
		{                                        \
			double start_ = cpu_seconds();       \
                                                 \
			statement;                           \
			rounds_[k] = cpu_seconds() - start_; \
		}                                        \
		(seconds) = median(rounds_, ROUNDS);     \
	} while (0)

static void
encode(int bits, uint64_t *codes)
{
	for (size_t i = 0; i < COUNT; i++)
		sp_rabitq_encode(SP_METRIC_NEGATIVE_PRODUCT, bits, vectors + i * PADDED, centroid, PADDED,
		                 codes + i * SP_RABITQ_WORDS(PADDED, bits), &factors[i]);
}

static void
aim(SpRabitqQuery *q)
{
	for (size_t i = 0; i < COUNT; i++)
		sp_rabitq_query_aim(q, query, centroid);
}

static void
estimate(const SpRabitqQuery *q, const uint64_t *codes)
{
	for (int k = 0; k < 10; k++)
		sp_rabitq_estimate(q, codes, factors, COUNT, estimates, margins);
}

/* Root mean square error and the share outside of the margins, of all codes. */
static void
judge(double *error, double *outside)
{
	double squares = 0, beyond = 0;

	for (size_t i = 0; i < COUNT; i++)
	{
		const float *v = vectors + i * PADDED;
		double truth = 0, vv = 0, qq = 0, off;

		for (size_t d = 0; d < PADDED; d++)
		{
			truth -= (double) v[d] * query[d];
			vv += (double) (v[d] - centroid[d]) * (v[d] - centroid[d]);
			qq += (double) (query[d] - centroid[d]) * (query[d] - centroid[d]);
		}
		off = estimates[i] - truth;
		squares += off * off / (vv * qq);
		beyond += fabs(off) > margins[i];
	}
	*error = sqrt(squares / COUNT);
	*outside = beyond / COUNT;
}

static void
row(int bits)
{
	size_t words = SP_RABITQ_WORDS(PADDED, bits);
	uint64_t *codes = sp_alloc(&env, COUNT * words, sizeof(uint64_t));
	SpRabitqQuery *q = NULL;
	double encoding, aiming, estimating, error, outside;

	must(codes != NULL, "no memory");
	must(sp_rabitq_query_new(&env, SP_METRIC_NEGATIVE_PRODUCT, bits, PADDED, &q) == SP_OK, "query");
	TIME(encoding, encode(bits, codes));
	TIME(aiming, aim(q));
	TIME(estimating, estimate(q, codes));
	judge(&error, &outside);
	printf("| %4d | %5zu | %9.2f | %11.2f | %11.2f | %5.2f %% | %7.1f %% |\n", bits, words * 8,
	       1e6 * encoding / COUNT, 1e6 * aiming / COUNT, 1e9 * estimating / (10 * COUNT),
	       100 * error, 100 * outside);
	sp_rabitq_query_free(q);
	sp_free(&env, codes);
}

int
main(void)
{
	SpRotation *r = NULL;

	must(sp_rotation_new(&env, DIMS, 1, &r) == SP_OK, "rotation");
	vectors = sp_alloc(&env, COUNT * PADDED, sizeof(float));
	query = sp_alloc(&env, PADDED, sizeof(float));
	centroid = sp_alloc(&env, PADDED, sizeof(float));
	must(vectors != NULL && query != NULL && centroid != NULL, "no memory");
	memset(centroid, 0, PADDED * sizeof(float));
	draw(r, centroid, centroid);
	draw(r, centroid, query);
	for (size_t i = 0; i < COUNT; i++)
		draw(r, centroid, vectors + i * PADDED);
	printf("| bits | bytes | encode us | aim a query us | estimate ns | error | outside |\n"
	       "|-----:|------:|----------:|------------:|------------:|------:|--------:|\n");
	for (int bits = 1; bits <= 8; bits *= 2)
		row(bits);
	sp_rotation_free(r);
	sp_free(&env, vectors);
	sp_free(&env, query);
	sp_free(&env, centroid);
	return 0;
}
