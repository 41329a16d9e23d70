/*
 * src/core/vector/horizon.h
 *	  How far to look: which lists may still hold a neighbour.
 *
 * A row at distance d of a query lies in a list whose centroid is at D, while the
 * nearest of all centroids is at D1.  What tells whether a list must be looked
 * into is
 *
 *	reach = (D^2 - w d^2 - (1 - w) D1^2) / D1,	w = 1/4:
 *
 * how much farther than the row and the nearest centroid its own centroid is.
 * The division makes it the same for queries near and far: for random residuals
 * D^2 - d^2 grows as D does.  With w = 1 the rule follows the row alone and looks
 * into too many lists where rows lie in clusters; with w = 0 it takes no notice of
 * how far a filter made the search go.  On MNIST 1/4 takes 1,511 of 60,000 rows for
 * a recall of .947, where the same number of lists for all queries takes 1,867.
 *
 * The share of neighbours whose reach is at most g tells how many are found by
 * looking into all lists within g.  It is measured on rows of the table itself
 * when an index is built, by how deep the neighbours are: a row's ten nearest
 * stand otherwise than its thousand nearest.
 *
 * With the negative product as measure the same is done with products, divided by
 * the length of the query.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VECTOR_HORIZON_H
#define SP_VECTOR_HORIZON_H

#include "core/sp_base.h"
#include "core/sp_pool.h"
#include "core/vector/rabitq.h"

#define SP_HORIZON_RANKS   11 /* 1, 2, 4 ... 1024 among the rows that were looked at */
#define SP_HORIZON_RECALLS 8

typedef struct SpHorizon
{
	float depth;   /* of rank 1 in the whole table */
	float least;   /* D1 counts as no less */
	int32_t ranks; /* 0: nothing is known */
	float reaches[SP_HORIZON_RANKS][SP_HORIZON_RECALLS];
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
	SpPool *pool; /* NULL: the caller's thread alone */
} SpHorizonData;

/*
 * Less than 64 rows or 16 queries are no ground for anything: *out knows nothing.
 * SP_ERR_NO_MEMORY, SP_ERR_CANCELED.
 */
SpStatus sp_horizon_measure(const SpEnv *env, const SpHorizonData *data, SpHorizon *out);

/* One that was read from somewhere may be looked up. */
bool sp_horizon_is_sound(const SpHorizon *h);

/*
 * The reach within which a share `recall` of the depth nearest rows is found.
 * INFINITY, which means all lists, for a recall of 1 and where nothing is known.
 */
double sp_horizon_reach(const SpHorizon *h, double recall, double depth);

/*
 * The measure of rows from which on a list is within reach: whoever wants rows as
 * far away as that must have looked into it.  list and first are the measures of
 * its centroid and of the nearest one, length that of the query.
 */
double sp_horizon_key(const SpHorizon *h, SpVectorMetric metric, double reach, double list,
                      double first, double length);

#endif /* SP_VECTOR_HORIZON_H */
