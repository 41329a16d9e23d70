/*
 * src/core/stems/sdr.h
 *	  Plain signal-to-distortion ratio of an estimate, streamed.
 *
 * SDR = 10 log10(sum ref^2 / sum (ref - est)^2) over all samples of all
 * channels of the whole track.  No filter is fitted: a gain or a delay of the
 * estimate counts as distortion.  (bss_eval.h forgives 512 taps of it.)
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_STEMS_SDR_H
#define SP_STEMS_SDR_H

#include "core/sp_base.h"

/* Start from {0}.  Two doubles: no allocation, nothing to free. */
typedef struct SpSdr
{
	double signal; /* sum of ref^2 */
	double error;  /* sum of (ref - est)^2 */
} SpSdr;

/*
 * Add n samples of reference and estimate; interleaved channels are n =
 * frames * channels samples.  Blocks may have any size.  Polls should_stop:
 * SP_ERR_CANCELED leaves the sums incomplete.
 */
SpStatus sp_sdr_push(const SpEnv *env, SpSdr *sdr, const float *ref, const float *est, size_t n);

/*
 * The ratio in dB, into *sdr_db.  It is never NaN:
 *	 error 0 (also when both are silent, or nothing was pushed)	 +infinity
 *	 reference silent, estimate not								 -infinity
 * A sample that is not finite, in either signal, gives SP_ERR_BAD_DATA.
 */
SpStatus sp_sdr_result(const SpSdr *sdr, double *sdr_db);

#endif /* SP_STEMS_SDR_H */
