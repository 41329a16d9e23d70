/*
 * src/core/vector/horizon.h
 *	  How far to look: which lists may still hold a neighbour.
 *
 * A row at distance d of a query lies in a list whose centroid is at D.  In
 * squares, D^2 - d^2 hardly depends on the query, the less so in many
 * dimensions: it is the row's own distance from its centroid, turned round, and
 * twice a product of two residuals that have little to do with each other.  So
 * the share of neighbours for which it is at most g tells how many are found by
 * looking into all lists with D^2 <= d^2 + g.  That is measured on rows of the
 * table itself when an index is built, by how deep the neighbours are: a row's
 * ten nearest stand otherwise than its thousand nearest.
 *
 * With the negative product as measure the same holds of -<q, c> + <q, o>,
 * divided by the length of the query.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VECTOR_HORIZON_H
#define SP_VECTOR_HORIZON_H

#include "core/sp_base.h"
#include "core/vector/rabitq.h"

#define SP_HORIZON_RANKS   11 /* 1, 2, 4 ... 1024 among the rows that were looked at */
#define SP_HORIZON_RECALLS 8

typedef struct SpHorizon
{
	float depth; /* of rank 1 in the whole table; 0: nothing is known */
	int32_t ranks;
	float gaps[SP_HORIZON_RANKS][SP_HORIZON_RECALLS];
} SpHorizon;

typedef struct SpHorizonData
{
	SpVectorMetric metric;
	size_t dims;
	const float *centroids; /* [lists][dims] */
	size_t lists;
	const float *rows; /* [n][dims] */
	size_t n;
	const uint32_t *list_of; /* [n], of each row */
	const float *queries;    /* [queries_n][dims], like rows but none of them */
	size_t queries_n;
	double share; /* n of all rows there are */
} SpHorizonData;

/*
 * Less than 64 rows or 16 queries are no ground for anything: *out knows nothing.
 * SP_ERR_NO_MEMORY, SP_ERR_CANCELED.
 */
SpStatus sp_horizon_measure(const SpEnv *env, const SpHorizonData *data, SpHorizon *out);

/*
 * The gap at which a share `recall` of the depth nearest rows is found.  INFINITY,
 * which means all lists, for a recall of 1 and where nothing is known.
 */
double sp_horizon_gap(const SpHorizon *h, double recall, double depth);

#endif /* SP_VECTOR_HORIZON_H */
