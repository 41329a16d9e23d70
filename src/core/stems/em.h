/*
 * src/core/stems/em.h
 *	  Multichannel Wiener filter with one step of expectation-maximisation, as
 *	  norbert does it (Liutkus, Stoeter 2019; Nugraha, Liutkus, Vincent 2016).
 *
 * Every stem is a power spectrum times a 2x2 spatial covariance a bin.  Powers
 * start as the mix under soft masks; covariances are averages over the
 * frames of a patch; the mix is then filtered by the model.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_EM_H
#define SP_EM_H

#include "core/sp_base.h"

typedef struct SpEm SpEm;

SpStatus sp_em_new(const SpEnv *env, size_t stems, size_t bins, size_t stride, SpEm **out);
void sp_em_free(SpEm *em);

/* Forget the last patch.  scale multiplies spectra so that their numbers are of order 1 to 10. */
void sp_em_begin(SpEm *em, float scale);

/*
 * One frame of the patch: spectra of left and right, [2 * stride] as in dsp/stft.h,
 * and masks[stem][channel], [bins] each.
 */
void sp_em_observe(SpEm *em, const float *const spectra[2], const float *const (*masks)[2]);

/* After the last frame. */
void sp_em_end(SpEm *em);

/*
 * One frame of stem `index`: out of left and right, in the scale of spectra.
 * work[6 * stride].  From several threads at once, each with its own work.
 */
void sp_em_filter(const SpEm *em, size_t index, const float *const spectra[2],
                  const float *const (*masks)[2], double *work, float *const out[2]);

#endif /* SP_EM_H */
