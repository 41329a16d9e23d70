/*
 * tests/bench/neural_batch.h
 *	  How long batches of tasks take on the core's pool.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef NEURAL_BATCH_H
#define NEURAL_BATCH_H

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "core/nn/nn.h"
#include "core/sp_pool.h"
#include "host.h"

#define MAX_THREADS    2
#define BATCH_MAX_RUNS 32

static const SpPrecision precisions[2] = {SP_PRECISION_BF16, SP_PRECISION_F32};

static const char *
precision_name(SpPrecision precision)
{
	return precision == SP_PRECISION_BF16 ? "bf16" : "f32";
}

/* Anything but SP_OK ends the program. */
static void
must(SpStatus st, const char *what)
{
	if (st == SP_OK)
		return;
	fprintf(stderr, "neural_network: %s answers status %d\n", what, (int) st);
	exit(1);
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return (x > y) - (x < y);
}

static double
median(double *values, int n)
{
	qsort(values, (size_t) n, sizeof(double), by_value);
	return values[n / 2];
}

/* A batch of tasks on so many threads. */
typedef struct Batch
{
	SpPoolTask run;
	void *arg;
	int tasks;
} Batch;

/* Seconds of each run after the first, which warms up; the batch's error ends the program. */
static void
time_batch(const Batch *batch, int threads, int runs, double *seconds)
{
	SpPool *pool;

	must(sp_pool_new(&env, threads, sp_nn_enter_thread, &pool), "starting threads");
	for (int i = -1; i < runs; i++)
	{
		double start = now();

		sp_pool_start(pool, batch->run, batch->arg, batch->tasks);
		must(sp_pool_wait(pool), "a network");
		if (i >= 0)
			seconds[i] = now() - start;
	}
	sp_pool_free(pool);
}

static double
median_time(const Batch *batch, int threads, int runs)
{
	double seconds[BATCH_MAX_RUNS];

	time_batch(batch, threads, runs, seconds);
	return median(seconds, runs);
}

#endif /* NEURAL_BATCH_H */
