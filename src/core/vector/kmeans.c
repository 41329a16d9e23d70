/*
 * src/core/vector/kmeans.c
 *	  Lloyd's iterations.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/kmeans.h"

#include <string.h>

#include "core/sp_simd.h"

/* Vectors that are summed between two questions whether to stop. */
#define ROWS 1024
/* Floats of a line of the cache. */
#define LINE 16

typedef struct Work
{
	const SpEnv *env;
	const SpKmeansConfig *cfg;
	const float *vectors;
	size_t n;
	float *centroids;
	uint64_t random;
	uint32_t *nearest; /* [n] */
	double *sums;      /* [centroids][dims] */
	uint32_t *sizes;   /* [centroids] of the clusters */
} Work;

/* SplitMix64, below limit. */
static size_t
draw(Work *w, size_t limit)
{
	uint64_t z = w->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (size_t) ((z ^ (z >> 31)) % limit);
}

static const float *
vector(const Work *w, size_t i)
{
	return w->vectors + i * w->cfg->dims;
}

static float *
centroid(const Work *w, size_t i)
{
	return w->centroids + i * w->cfg->dims;
}

/* Different ones: Floyd's choice of k out of n (Bentley 1987), with a mark for each that is taken. */
static void
begin(Work *w)
{
	size_t k = w->cfg->centroids;

	memset(w->nearest, 0, w->n * sizeof(uint32_t));
	for (size_t i = 0; i < k; i++)
	{
		size_t last = w->n - k + i, at = draw(w, last + 1);

		if (w->nearest[at] != 0)
			at = last;
		w->nearest[at] = 1;
		memcpy(centroid(w, i), vector(w, at), w->cfg->dims * sizeof(float));
	}
}

/* Vectors first .. last - 1, of their dimensions from .. to - 1, to the sums of their clusters. */
SP_CLONES static void
add_rows(const Work *w, size_t first, size_t last, size_t from, size_t to)
{
	size_t dims = w->cfg->dims;

	for (size_t i = first; i < last; i++)
	{
		double *restrict sum = w->sums + w->nearest[i] * dims;
		const float *restrict x = w->vectors + i * dims;

		for (size_t d = from; d < to; d++)
			sum[d] += x[d];
	}
}

/* Dimensions of a task: whole lines of the cache, in as few as there are threads. */
static size_t
slice(const Work *w)
{
	size_t threads = w->cfg->pool != NULL ? (size_t) sp_pool_threads(w->cfg->pool) : 1;
	size_t part = (w->cfg->dims + threads - 1) / threads;

	return (part + LINE - 1) / LINE * LINE;
}

/* Of some dimensions, so that each sum has the same order for any number of threads. */
static SpStatus
add_slice(void *arg, int task, int worker, const SpStop *stop)
{
	const Work *w = arg;
	size_t from = (size_t) task * slice(w), to = from + slice(w);

	(void) worker;
	if (to > w->cfg->dims)
		to = w->cfg->dims;
	for (size_t i = 0; i < w->n; i += ROWS)
	{
		if (sp_stop_asked(stop) || (stop == NULL && sp_should_stop(w->env)))
			return SP_ERR_CANCELED;
		add_rows(w, i, w->n - i < ROWS ? w->n : i + ROWS, from, to);
	}
	return SP_OK;
}

static SpStatus
add_all(Work *w)
{
	SpPool *pool = w->cfg->pool;

	if (pool == NULL)
		return add_slice(w, 0, 0, NULL);
	sp_pool_start(pool, add_slice, w, (int) ((w->cfg->dims + slice(w) - 1) / slice(w)));
	return sp_pool_wait(pool);
}

SP_CLONES static void
mean(float *restrict out, const double *restrict sum, double by, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (float) (sum[i] * by);
}

static size_t
largest_cluster(const Work *w)
{
	size_t largest = 0;

	for (size_t i = 1; i < w->cfg->centroids; i++)
		if (w->sizes[i] > w->sizes[largest])
			largest = i;
	return largest;
}

/*
 * Nobody's centroid becomes a vector of the largest cluster, which then counts as
 * halved; never as empty, so that what is found largest has a vector.
 */
static void
revive(Work *w, size_t i)
{
	size_t from = largest_cluster(w), at = draw(w, w->n);

	while (w->nearest[at] != from)
		at = at + 1 < w->n ? at + 1 : 0;
	memcpy(centroid(w, i), vector(w, at), w->cfg->dims * sizeof(float));
	w->sizes[from] -= w->sizes[from] / 2;
}

static SpStatus
move_centroids(Work *w)
{
	size_t k = w->cfg->centroids, dims = w->cfg->dims;
	SpStatus st;

	memset(w->sums, 0, k * dims * sizeof(double));
	memset(w->sizes, 0, k * sizeof(uint32_t));
	for (size_t i = 0; i < w->n; i++)
		w->sizes[w->nearest[i]]++;
	st = add_all(w);
	if (st != SP_OK)
		return st;
	for (size_t i = 0; i < k; i++)
		if (w->sizes[i] > 0)
			mean(centroid(w, i), w->sums + i * dims, 1.0 / w->sizes[i], dims);
	for (size_t i = 0; i < k; i++)
		if (w->sizes[i] == 0)
			revive(w, i);
	return SP_OK;
}

/* Ends when every vector stays where it was. */
static SpStatus
iterate(Work *w)
{
	const SpKmeansConfig *cfg = w->cfg;
	uint32_t *before = sp_calloc(w->env, w->n, sizeof(uint32_t));
	SpStatus st = before == NULL ? SP_ERR_NO_MEMORY : SP_OK;
	bool moved = true;

	for (int i = 0; i < cfg->iterations && moved && st == SP_OK; i++)
	{
		SpNearest *search;

		st = sp_nearest_new(w->env, w->centroids, cfg->centroids, cfg->dims, cfg->pool, &search);
		if (st == SP_OK)
			st = sp_nearest_find(search, w->vectors, w->n, w->nearest, NULL);
		sp_nearest_free(search);
		if (st != SP_OK)
			break;
		moved = i == 0 || memcmp(before, w->nearest, w->n * sizeof(uint32_t)) != 0;
		memcpy(before, w->nearest, w->n * sizeof(uint32_t));
		if (moved)
			st = move_centroids(w);
	}
	sp_free(w->env, before);
	return st;
}

static SpStatus
run(const SpEnv *env, const SpKmeansConfig *cfg, const float *vectors, size_t n, float *centroids,
    bool from_scratch)
{
	Work w = {.env = env, .cfg = cfg, .vectors = vectors, .n = n, .centroids = centroids};
	SpStatus st = SP_ERR_NO_MEMORY;

	if (cfg->dims == 0 || cfg->centroids == 0 || cfg->centroids > n || n > UINT32_MAX)
		return SP_ERR_BAD_ARG;
	w.random = cfg->seed;
	w.nearest = sp_alloc(env, n, sizeof(uint32_t));
	w.sums = sp_alloc(env, cfg->centroids * cfg->dims, sizeof(double));
	w.sizes = sp_alloc(env, cfg->centroids, sizeof(uint32_t));
	if (w.nearest != NULL && w.sums != NULL && w.sizes != NULL)
	{
		if (from_scratch)
			begin(&w);
		st = iterate(&w);
	}
	sp_free(env, w.nearest);
	sp_free(env, w.sums);
	sp_free(env, w.sizes);
	return st;
}

SpStatus
sp_kmeans_run(const SpEnv *env, const SpKmeansConfig *cfg, const float *vectors, size_t n,
              float *centroids)
{
	return run(env, cfg, vectors, n, centroids, true);
}

SpStatus
sp_kmeans_refine(const SpEnv *env, const SpKmeansConfig *cfg, const float *vectors, size_t n,
                 float *centroids)
{
	return run(env, cfg, vectors, n, centroids, false);
}
