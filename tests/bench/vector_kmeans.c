/*
 * tests/bench/vector_kmeans.c
 *	  What do centroids in two steps save, and what do they cost?
 *
 *	bench_vector_kmeans [VECTORS [CENTROIDS]]
 *
 * 200,000 vectors of 128 dimensions into 4,000 centroids, which is a sample for
 * an index on a million rows and more; ten iterations, two threads.  "Balls" are
 * 2,000 normal clouds, half as wide as their centers are apart in a dimension;
 * "cloud" is a single one, which has no clusters at all.  Imbalance is how much
 * longer the list of a random vector is than the mean list.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "core/vector/kmeans.h"
#include "host.h"

#define DIMS       128
#define BALLS      2000
#define WIDTH      0.5f
#define ITERATIONS 10
#define THREADS    2

typedef SpStatus (*Run)(const SpEnv *env, const SpKmeansConfig *cfg, const float *vectors, size_t n,
                        float *centroids);

static void
must(SpStatus st)
{
	if (st == SP_OK)
		return;
	fprintf(stderr, "status %d\n", (int) st);
	exit(1);
}

static void *
some(size_t n, size_t size)
{
	void *p = sp_alloc(&env, n, size);

	must(p == NULL ? SP_ERR_NO_MEMORY : SP_OK);
	return p;
}

static double
uniform(void)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return ((double) (state >> 11) + 0.5) / 9007199254740992.0;
}

/* Box and Muller, 1958. */
static float
normal(void)
{
	return (float) (sqrt(-2 * log(uniform())) * cos(2 * acos(-1) * uniform()));
}

static float *
clouds(size_t n, size_t balls)
{
	float *centers = some(balls * DIMS, sizeof(float)), *x = some(n * DIMS, sizeof(float));

	for (size_t i = 0; i < balls * DIMS; i++)
		centers[i] = normal();
	for (size_t i = 0; i < n; i++)
	{
		const float *center = centers + (size_t) (uniform() * (double) balls) * DIMS;

		for (size_t d = 0; d < DIMS; d++)
			x[i * DIMS + d] = center[d] + WIDTH * normal();
	}
	sp_free(&env, centers);
	return x;
}

typedef struct Quality
{
	double error, imbalance;
} Quality;

static Quality
quality(const SpKmeansConfig *cfg, const float *x, size_t n, const float *centroids)
{
	uint32_t *nearest = some(n, sizeof(uint32_t));
	float *distances = some(n, sizeof(float));
	uint64_t *sizes = sp_calloc(&env, cfg->centroids, sizeof(uint64_t));
	SpNearest *search = NULL;
	Quality q = {0, 0};

	must(sp_nearest_new(&env, centroids, cfg->centroids, DIMS, cfg->pool, &search));
	must(sp_nearest_find(search, x, n, nearest, distances));
	for (size_t i = 0; i < n; i++)
	{
		q.error += distances[i] / (double) n;
		sizes[nearest[i]]++;
	}
	for (size_t k = 0; k < cfg->centroids; k++)
		q.imbalance += (double) sizes[k] * (double) sizes[k] / (double) n / (double) n;
	q.imbalance *= (double) cfg->centroids;
	sp_nearest_free(search);
	sp_free(&env, nearest);
	sp_free(&env, distances);
	sp_free(&env, sizes);
	return q;
}

static void
row(const char *what, Run run, const SpKmeansConfig *cfg, const float *x, size_t n)
{
	float *centroids = some(cfg->centroids * DIMS, sizeof(float));
	double wall = now(), cpu = cpu_seconds();
	Quality q;

	must(run(&env, cfg, x, n, centroids));
	wall = now() - wall;
	cpu = cpu_seconds() - cpu;
	q = quality(cfg, x, n, centroids);
	printf("| %s | %.2f | %.2f | %.3f | %.2f |\n", what, cpu, wall, q.error, q.imbalance);
	fflush(stdout);
	sp_free(&env, centroids);
}

int
main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 200000;
	SpKmeansConfig cfg = {DIMS, argc > 2 ? strtoul(argv[2], NULL, 10) : 4000, ITERATIONS, 1, NULL};
	float *x = clouds(n, BALLS);

	must(sp_pool_new(&env, THREADS, NULL, &cfg.pool));
	printf("| %zu vectors, %zu centroids | CPU s | s | mean squared distance | imbalance |\n", n,
	       cfg.centroids);
	printf("|---|---|---|---|---|\n");
	row("balls, two steps", sp_kmeans_tree_run, &cfg, x, n);
	row("balls, one step", sp_kmeans_run, &cfg, x, n);
	sp_free(&env, x);
	x = clouds(n, 1);
	row("cloud, two steps", sp_kmeans_tree_run, &cfg, x, n);
	row("cloud, one step", sp_kmeans_run, &cfg, x, n);
	sp_free(&env, x);
	sp_pool_free(cfg.pool);
	return 0;
}
