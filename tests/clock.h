/*
 * tests/clock.h
 *	  Two clocks for benchmarks and tests, in seconds.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <time.h>

static inline double
clock_seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

/* Of the wall. */
static inline double
now(void)
{
	return clock_seconds(CLOCK_MONOTONIC);
}

/* Of all threads of the process. */
static inline double
cpu_seconds(void)
{
	return clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

#endif /* CLOCK_H */
