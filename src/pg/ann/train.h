/*
 * src/pg/ann/train.h
 *	  What is learnt from a sample of the table before an index is built.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_ANN_TRAIN_H
#define SP_PG_ANN_TRAIN_H

#include "core/sp_pool.h"
#include "pg/ann/ann.h"

/* Values of PROGRESS_CREATEIDX_SUBPHASE; the first one is PostgreSQL's. */
enum
{
	SP_ANN_PHASE_SAMPLE = 2,
	SP_ANN_PHASE_KMEANS,
	SP_ANN_PHASE_ASSIGN,
	SP_ANN_PHASE_SORT,
	SP_ANN_PHASE_WRITE
};

/*
 * Finds meta->lists centroids, fewer than options ask for where rows or
 * maintenance_work_mem do not suffice, and meta->horizon.  Returns
 * [lists][dims], for cosine of directions.
 */
extern float *sp_ann_train(Relation heap, Relation index, IndexInfo *info, SpPool *pool,
                           SpAnnMeta *meta);

#endif /* SP_PG_ANN_TRAIN_H */
