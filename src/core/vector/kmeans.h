/*
 * src/core/vector/kmeans.h
 *	  Centroids of a cloud of vectors, and which of them is nearest.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VECTOR_KMEANS_H
#define SP_VECTOR_KMEANS_H

#include "core/sp_base.h"
#include "core/sp_pool.h"

typedef struct SpKmeansConfig
{
	size_t dims;
	size_t centroids;
	int iterations; /* of Lloyd's, at most; it ends when nothing moves any more */
	uint64_t seed;
	SpPool *pool; /* NULL: the caller's thread does it all */
} SpKmeansConfig;

/*
 * centroids[cfg->centroids][dims] of vectors[n][dims] by Lloyd's iterations from
 * vectors at random (Lloyd 1957).  A centroid that is nobody's nearest moves into
 * the largest cluster, so that none is lost.  The same for any number of threads.
 * SP_ERR_BAD_ARG unless 1 <= centroids <= n, SP_ERR_NO_MEMORY, SP_ERR_CANCELED.
 */
SpStatus sp_kmeans_run(const SpEnv *env, const SpKmeansConfig *cfg, const float *vectors, size_t n,
                       float *centroids);

typedef struct SpNearest SpNearest;

/* The same question of many vectors.  centroids[count][dims] is not copied. */
SpStatus sp_nearest_new(const SpEnv *env, const float *centroids, size_t count, size_t dims,
                        SpPool *pool, SpNearest **out);
void sp_nearest_free(SpNearest *s);

/*
 * nearest[n] by Euclidean distance, the first of equals; distances[n], squared, may be NULL.
 * SP_ERR_CANCELED, SP_ERR_NO_MEMORY.
 */
SpStatus sp_nearest_find(SpNearest *s, const float *vectors, size_t n, uint32_t *nearest,
                         float *distances);

#endif /* SP_VECTOR_KMEANS_H */
