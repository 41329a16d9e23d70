/*
 * tests/unit/test_sdr.c
 *	  Plain SDR against hand-made cases with known answers.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "check.h"

#include "core/stems/sdr.h"

#define N 200001

static float ref[N], est[N];

/* SDR of the first n samples, pushed in blocks of `block`. */
static double
sdr_of(size_t n, size_t block)
{
	SpSdr sdr = {0};
	double db = NAN;

	for (size_t done = 0; done < n; done += block)
		CHECK(sp_sdr_push(&check_env, &sdr, ref + done, est + done,
		                  n - done < block ? n - done : block) == SP_OK);
	CHECK(sp_sdr_result(&sdr, &db) == SP_OK);
	return db;
}

static void
fill(float gain)
{
	for (size_t i = 0; i < N; i++)
	{
		ref[i] = check_noise();
		est[i] = gain * ref[i];
	}
}

/* est = g ref gives -20 log10 |1 - g|, whatever the signal. */
static void
test_gains(void)
{
	fill(0.5f);
	CHECK_NEAR(sdr_of(N, N), 6.020599913279624, 1e-9);
	CHECK_NEAR(sdr_of(N, 1000), 6.020599913279624, 1e-9);
	CHECK_NEAR(sdr_of(7, 3), 6.020599913279624, 1e-9);
	fill(0.0f);
	CHECK_NEAR(sdr_of(N, N), 0.0, 1e-12);
	fill(-1.0f);
	CHECK_NEAR(sdr_of(N, 4096), -6.020599913279624, 1e-9);
}

/* Integers whose sums are known: 16 n^2 over n^2 is 12.04 dB. */
static void
test_exact_sums(void)
{
	for (size_t i = 0; i < N; i++)
	{
		ref[i] = i % 2 ? 4.0f : -4.0f;
		est[i] = ref[i] + (i % 3 ? 1.0f : -1.0f);
	}
	CHECK_NEAR(sdr_of(N, 12345), 12.041199826559248, 1e-12);
}

/* A hundred and twenty decibels down: float accumulators would not see it. */
static void
test_small_error_on_long_signal(void)
{
	for (size_t i = 0; i < N; i++)
	{
		ref[i] = 1.0f;
		est[i] = 1.0f + 0x1p-20f;
	}
	CHECK_NEAR(sdr_of(N, N), 20.0 * log10(0x1p20), 1e-9);
}

static void
test_corners(void)
{
	SpSdr empty = {0};
	double db = NAN;

	CHECK(sp_sdr_result(&empty, &db) == SP_OK && db == INFINITY);
	fill(1.0f);
	CHECK(sdr_of(N, N) == INFINITY);
	memset(ref, 0, sizeof(ref));
	CHECK(sdr_of(N, N) == -INFINITY);
	memset(est, 0, sizeof(est));
	CHECK(sdr_of(N, N) == INFINITY);
	/* The smallest and the largest floats neither vanish nor overflow. */
	ref[0] = 0x1p-149f;
	CHECK_NEAR(sdr_of(1, 1), 0.0, 1e-12);
	ref[0] = 3e38f;
	est[0] = -3e38f;
	CHECK_NEAR(sdr_of(1, 1), -6.020599913279624, 1e-9);
}

static void
test_damage(void)
{
	static const float bad[] = {NAN, INFINITY, -INFINITY};

	for (size_t k = 0; k < 3; k++)
		for (int side = 0; side < 2; side++)
		{
			SpSdr sdr = {0};
			double db;

			fill(0.5f);
			(side ? ref : est)[1234] = bad[k];
			CHECK(sp_sdr_push(&check_env, &sdr, ref, est, N) == SP_OK);
			CHECK(sp_sdr_result(&sdr, &db) == SP_ERR_BAD_DATA);
		}
}

static void
test_cancel(void)
{
	SpSdr sdr = {0};

	check_polls_left = 1;
	CHECK(sp_sdr_push(&check_env, &sdr, ref, est, N) == SP_ERR_CANCELED);
	check_polls_left = -1;
}

int
main(void)
{
	test_gains();
	test_exact_sums();
	test_small_error_on_long_signal();
	test_corners();
	test_damage();
	test_cancel();
	return check_report();
}
