/*
 * src/core/stems/projection_corr.h
 *	  Correlations of many signals over a whole track, streamed.
 *
 * For refs x_i and ests y_k, over all samples of the track (zero outside):
 *
 *	 ref_lag(i, j)[t] = sum_n x_i[n] x_j[n+t]	t = -(taps-1) .. taps-1
 *	 est_lag(i, k)[t] = sum_n x_i[n] y_k[n+t]	t = 0 .. taps-1
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_STEMS_PROJECTION_CORR_H
#define SP_STEMS_PROJECTION_CORR_H

#include "core/sp_base.h"

typedef struct SpCorr SpCorr;

/* refs, ests, taps >= 1.  *out is NULL unless SP_OK. */
SpStatus sp_corr_new(const SpEnv *env, size_t refs, size_t ests, size_t taps, SpCorr **out);

/*
 * Add frames of all signals.  They come in groups, as decoders deliver them:
 * refs[g] and ests[g] hold `channels` interleaved signals each, signal
 * g * channels + c being channel c of group g; channels divides refs and ests.
 */
SpStatus sp_corr_push(SpCorr *corr, const float *const *refs, const float *const *ests,
                      size_t channels, size_t frames);

/* End of track: no push after it; the lags below are valid from here on. */
SpStatus sp_corr_finish(SpCorr *corr);

/*
 * Lags of a pair, i <= j for two references; the pointer stands at lag 0 and
 * belongs to the object.
 */
const double *sp_corr_ref_lag(const SpCorr *corr, size_t i, size_t j);
const double *sp_corr_est_lag(const SpCorr *corr, size_t i, size_t k);

void sp_corr_free(SpCorr *corr);

#endif /* SP_STEMS_PROJECTION_CORR_H */
