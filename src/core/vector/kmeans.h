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

/* The same from centroids that are given. */
SpStatus sp_kmeans_refine(const SpEnv *env, const SpKmeansConfig *cfg, const float *vectors,
                          size_t n, float *centroids);

/*
 * The same in two steps, for thousands of centroids: about sqrt(centroids) clusters,
 * each of which is divided into its share in proportion to its vectors, and one
 * iteration among all of them.  Centroids of a cluster follow each other.
 *
 * Memory beside vectors and centroids: 16 bytes a vector, and the more of a copy of
 * the largest cluster's vectors and of 8 bytes for each dimension of each centroid;
 * and sp_nearest_new's.
 */
SpStatus sp_kmeans_tree_run(const SpEnv *env, const SpKmeansConfig *cfg, const float *vectors,
                            size_t n, float *centroids);

typedef struct SpNearest SpNearest;

/*
 * The same question of many vectors.  centroids[count][dims] is not copied; each thread
 * has up to 512 KB for products.
 */
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
