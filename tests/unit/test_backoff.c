/*
 * tests/unit/test_backoff.c
 *	  Full jitter: bounds, growth, cap, distribution.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "unit/check.h"

#include "core/job/backoff.h"

#define ALMOST_ONE (1.0 - 1.0 / (INT64_C(1) << 53))

static void
check_bounds(void)
{
	CHECK(sp_backoff_ms(1, 1000, 600000, 0.0) == 0);
	CHECK(sp_backoff_ms(1, 1000, 600000, 0.5) == 500);
	CHECK(sp_backoff_ms(1, 1000, 600000, ALMOST_ONE) == 999);
	CHECK(sp_backoff_ms(2, 1000, 600000, 0.5) == 1000);
	CHECK(sp_backoff_ms(5, 1000, 600000, 0.5) == 8000);
	/* 2^10 s is beyond the cap of 10 min */
	CHECK(sp_backoff_ms(11, 1000, 600000, 0.5) == 300000);
	CHECK(sp_backoff_ms(1000000, 1000, 600000, ALMOST_ONE) == 599999);
	CHECK(sp_backoff_ms(1, 1000, 10, 0.5) == 5);
}

static void
check_degenerate(void)
{
	CHECK(sp_backoff_ms(0, 1000, 600000, 0.5) == 500);
	CHECK(sp_backoff_ms(-7, 1000, 600000, 0.5) == 500);
	CHECK(sp_backoff_ms(3, 0, 600000, 0.9) == 0);
	CHECK(sp_backoff_ms(3, -5, 600000, 0.9) == 0);
	CHECK(sp_backoff_ms(3, 1000, -1, 0.9) == 0);
	CHECK(sp_backoff_ms(1000000, INT64_MAX, INT64_MAX, 0.25) >= 0);
	CHECK(sp_backoff_ms(64, 3, INT64_MAX, 0.25) >= 0);
}

/* The mean of full jitter is half the span; 20000 draws give it within 2 %. */
static void
check_distribution(void)
{
	double sum = 0;

	for (int i = 0; i < 20000; i++)
		sum += (double) sp_backoff_ms(4, 1000, 600000, check_random() / 4294967296.0);
	CHECK_NEAR(sum / 20000, 4000, 80);
}

int
main(void)
{
	check_bounds();
	check_degenerate();
	check_distribution();
	return check_report();
}
