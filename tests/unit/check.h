/*
 * tests/unit/check.h
 *	  The whole unit-test framework: checks that count, a host environment
 *	  that can fail on purpose, a seeded random generator.
 *
 * A test file defines `int main(void)`, calls CHECK... and ends with
 * `return check_report();`, which is non-zero when anything failed.
 */
#ifndef CHECK_H
#define CHECK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sp_base.h"

static int check_failures = 0;
static int check_count = 0;

#define CHECK(cond)                                                    \
	do                                                                 \
	{                                                                  \
		check_count++;                                                 \
		if (!(cond))                                                   \
		{                                                              \
			check_failures++;                                          \
			printf("not ok - %s:%d: %s\n", __FILE__, __LINE__, #cond); \
		}                                                              \
	} while (0)

/* |a - b| <= tol, printing both values when it does not hold. */
#define CHECK_NEAR(a, b, tol)                                                                      \
	do                                                                                             \
	{                                                                                              \
		double check_a = (a), check_b = (b);                                                       \
		check_count++;                                                                             \
		if (!(fabs(check_a - check_b) <= (tol)))                                                   \
		{                                                                                          \
			check_failures++;                                                                      \
			printf("not ok - %s:%d: %s = %.9g, %s = %.9g, tolerance %g\n", __FILE__, __LINE__, #a, \
			       check_a, #b, check_b, (double) (tol));                                          \
		}                                                                                          \
	} while (0)

static inline int
check_report(void)
{
	printf("%s: %d checks, %d failed\n", check_failures ? "FAILED" : "ok", check_count,
	       check_failures);
	return check_failures != 0;
}

/* Allocations left before the host pretends to be out of memory; < 0 = never. */
static long check_allocs_left = -1;
/* should_stop answers true after this many polls; < 0 = never. */
static long check_polls_left = -1;

static inline void *
check_alloc(void *host, size_t size)
{
	(void) host;
	if (check_allocs_left == 0)
		return NULL;
	if (check_allocs_left > 0)
		check_allocs_left--;
	return malloc(size);
}

static inline void
check_release(void *host, void *ptr)
{
	(void) host;
	free(ptr);
}

static inline bool
check_should_stop(void *host)
{
	(void) host;
	if (check_polls_left == 0)
		return true;
	if (check_polls_left > 0)
		check_polls_left--;
	return false;
}

static const SpEnv check_env = {check_alloc, check_release, check_should_stop, NULL};

/* xorshift32: the same numbers everywhere. */
static uint32_t check_seed = 2463534242u;

static inline uint32_t
check_random(void)
{
	check_seed ^= check_seed << 13;
	check_seed ^= check_seed >> 17;
	check_seed ^= check_seed << 5;
	return check_seed;
}

/* Uniform in [-1, 1). */
static inline float
check_noise(void)
{
	return (float) (check_random() / 2147483648.0 - 1.0);
}

#endif /* CHECK_H */
