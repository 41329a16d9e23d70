/*
 * src/core/stems/projection.h
 *	  Least-squares filters that turn references into an estimate.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_STEMS_PROJECTION_H
#define SP_STEMS_PROJECTION_H

#include "core/sp_base.h"
#include "core/stems/projection_chol.h"
#include "core/stems/projection_corr.h"

/*
 * Which filters: from references first_ref .. first_ref + refs - 1 (signals
 * of corr, each delayed by 0 .. taps-1) to estimates first_est ..
 * first_est + ests - 1.
 */
typedef struct SpProjectionSpan
{
	size_t first_ref, refs;
	size_t first_est, ests;
} SpProjectionSpan;

/*
 * Filters that minimise |est_k - sum_i filter_ki * ref_i|^2 over the track,
 * into filters[ests][refs][taps].  A silent reference gets zeros; references
 * that depend on each other share the work, see projection.c.  room must have
 * been made for at least refs * taps rows.  SP_ERR_BAD_DATA when the
 * correlations are not finite, SP_ERR_NO_MEMORY, SP_ERR_CANCELED.
 */
SpStatus sp_projection_solve(const SpEnv *env, const SpCorr *corr, size_t taps,
                             const SpProjectionSpan *span, SpChol *room, double *filters);

#endif /* SP_STEMS_PROJECTION_H */
