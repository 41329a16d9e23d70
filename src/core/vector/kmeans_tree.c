/*
 * src/core/vector/kmeans_tree.c
 *	  Many centroids in two steps: clusters first, then each one by itself.
 *
 * With about the square root of the centroids in the first step, a vector is
 * compared with twice that root in place of all of them (a vocabulary tree of
 * two levels; Nister and Stewenius 2006).  Shares follow the number of vectors,
 * as lists of equal length are what an index wants.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "core/vector/kmeans.h"

typedef struct Tree
{
	const SpEnv *env;
	const SpKmeansConfig *cfg;
	const float *vectors;
	size_t n;
	size_t clusters;
	float *centers;  /* [clusters][dims] */
	uint32_t *order; /* [n]: vectors by cluster */
	size_t *starts;  /* [clusters + 1], in order */
	size_t *shares;  /* [clusters] of the centroids */
	float *rows;     /* of one cluster, as many as the largest has */
} Tree;

static size_t
size_of(const Tree *t, size_t cluster)
{
	return t->starts[cluster + 1] - t->starts[cluster];
}

/* A counting sort, which keeps the order within a cluster. */
static void
sort_by_cluster(Tree *t, const uint32_t *cluster)
{
	memset(t->starts, 0, (t->clusters + 1) * sizeof(size_t));
	for (size_t i = 0; i < t->n; i++)
		t->starts[cluster[i] + 1]++;
	for (size_t c = 0; c < t->clusters; c++)
		t->starts[c + 1] += t->starts[c];
	for (size_t i = 0; i < t->n; i++)
		t->order[t->starts[cluster[i]]++] = (uint32_t) i;
	/* each start is now its end, which is the start of the next */
	memmove(t->starts + 1, t->starts, t->clusters * sizeof(size_t));
	t->starts[0] = 0;
}

static SpStatus
find_clusters(Tree *t)
{
	SpKmeansConfig cfg = *t->cfg;
	uint32_t *cluster = sp_alloc(t->env, t->n, sizeof(uint32_t));
	SpNearest *search = NULL;
	SpStatus st = cluster == NULL ? SP_ERR_NO_MEMORY : SP_OK;

	cfg.centroids = t->clusters;
	if (st == SP_OK)
		st = sp_kmeans_run(t->env, &cfg, t->vectors, t->n, t->centers);
	if (st == SP_OK)
		st = sp_nearest_new(t->env, t->centers, t->clusters, cfg.dims, cfg.pool, &search);
	if (st == SP_OK)
		st = sp_nearest_find(search, t->vectors, t->n, cluster, NULL);
	if (st == SP_OK)
		sort_by_cluster(t, cluster);
	sp_nearest_free(search);
	sp_free(t->env, cluster);
	return st;
}

/* Of the clusters that may have one more, the one with most vectors for each that it has. */
static size_t
fullest(const Tree *t)
{
	size_t best = t->clusters;

	for (size_t c = 0; c < t->clusters; c++)
		if (t->shares[c] < size_of(t, c) &&
		    (best == t->clusters || (uint64_t) size_of(t, c) * t->shares[best] >
		                                (uint64_t) size_of(t, best) * t->shares[c]))
			best = c;
	return best;
}

/* Of the clusters that can do with one less, the one with fewest. */
static size_t
emptiest(const Tree *t)
{
	size_t best = t->clusters;

	for (size_t c = 0; c < t->clusters; c++)
		if (t->shares[c] > 1 &&
		    (best == t->clusters || (uint64_t) size_of(t, c) * t->shares[best] <
		                                (uint64_t) size_of(t, best) * t->shares[c]))
			best = c;
	return best;
}

/*
 * In proportion to sizes, at least one for who has a vector and never more than
 * vectors; rounding leaves at most one a cluster to be given or taken.
 */
static void
share_out(Tree *t)
{
	size_t given = 0, all = t->cfg->centroids;

	for (size_t c = 0; c < t->clusters; c++)
	{
		size_t size = size_of(t, c), share = (size_t) ((uint64_t) size * all / t->n);

		t->shares[c] = share == 0 && size > 0 ? 1 : share;
		given += t->shares[c];
	}
	for (; given < all; given++)
		t->shares[fullest(t)]++;
	for (; given > all; given--)
		t->shares[emptiest(t)]--;
}

/* All centroids of a cluster, from a copy of its vectors that lies in one piece. */
static SpStatus
divide(const Tree *t, size_t cluster, float *centroids)
{
	SpKmeansConfig cfg = *t->cfg;
	size_t size = size_of(t, cluster);
	const uint32_t *members = t->order + t->starts[cluster];

	cfg.centroids = t->shares[cluster];
	/* any other than that of the clusters before it */
	cfg.seed += cluster + 1;
	for (size_t i = 0; i < size; i++)
		memcpy(t->rows + i * cfg.dims, t->vectors + members[i] * cfg.dims,
		       cfg.dims * sizeof(float));
	return sp_kmeans_run(t->env, &cfg, t->rows, size, centroids);
}

static SpStatus
divide_all(Tree *t, float *centroids)
{
	size_t largest = 0;
	SpStatus st = SP_OK;

	for (size_t c = 0; c < t->clusters; c++)
		largest = size_of(t, c) > largest ? size_of(t, c) : largest;
	t->rows = sp_alloc(t->env, largest * t->cfg->dims, sizeof(float));
	if (t->rows == NULL)
		return SP_ERR_NO_MEMORY;
	for (size_t c = 0; c < t->clusters && st == SP_OK; c++)
	{
		if (t->shares[c] > 0)
			st = divide(t, c, centroids);
		centroids += t->shares[c] * t->cfg->dims;
	}
	return st;
}

/*
 * Once among all centroids: a vector beside the border of its cluster may be nearer
 * to one of the next.  That halves what two steps lose against one.
 */
static SpStatus
refine(Tree *t, float *centroids)
{
	SpKmeansConfig cfg = *t->cfg;

	sp_free(t->env, t->rows);
	t->rows = NULL;
	cfg.iterations = cfg.iterations < 1 ? cfg.iterations : 1;
	return sp_kmeans_refine(t->env, &cfg, t->vectors, t->n, centroids);
}

SpStatus
sp_kmeans_tree_run(const SpEnv *env, const SpKmeansConfig *cfg, const float *vectors, size_t n,
                   float *centroids)
{
	Tree t = {.env = env, .cfg = cfg, .vectors = vectors, .n = n};
	SpStatus st = SP_ERR_NO_MEMORY;

	if (cfg->dims == 0 || cfg->centroids == 0 || cfg->centroids > n || n > UINT32_MAX)
		return SP_ERR_BAD_ARG;
	t.clusters = (size_t) lround(sqrt((double) cfg->centroids));
	t.centers = sp_alloc(env, t.clusters * cfg->dims, sizeof(float));
	t.order = sp_alloc(env, n, sizeof(uint32_t));
	t.starts = sp_alloc(env, t.clusters + 1, sizeof(size_t));
	t.shares = sp_alloc(env, t.clusters, sizeof(size_t));
	if (t.centers != NULL && t.order != NULL && t.starts != NULL && t.shares != NULL)
		st = find_clusters(&t);
	if (st == SP_OK)
	{
		share_out(&t);
		st = divide_all(&t, centroids);
	}
	if (st == SP_OK)
		st = refine(&t, centroids);
	sp_free(env, t.centers);
	sp_free(env, t.order);
	sp_free(env, t.starts);
	sp_free(env, t.shares);
	sp_free(env, t.rows);
	return st;
}
