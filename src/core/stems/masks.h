/*
 * src/core/stems/masks.h
 *	  From the estimated magnitudes of stems to the spectrum of one, frame by
 *	  frame.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_MASKS_H
#define SP_MASKS_H

#include "core/sp_base.h"

/* What becomes of frequencies above those that a network sees. */
typedef enum SpMaskExtension
{
	SP_EXTEND_ZEROS = 0, /* nothing: stems end there */
	SP_EXTEND_AVERAGE    /* the average of the frame's mask below */
} SpMaskExtension;

/*
 * mask[bins] of stem `index`: its share of the squared estimates of all stems
 * (Spleeter's, with its epsilon of 1e-10).  Shares sum to 1.
 */
void sp_mask_ratio(float *mask, const float *const *estimates, size_t stems, size_t index,
                   size_t bins);

/* The same of the estimates themselves, with single precision's epsilon, as norbert starts. */
void sp_mask_soft(float *mask, const float *const *estimates, size_t stems, size_t index,
                  size_t bins);

/* The sum of mask[bins], or of another row of floats. */
float sp_mask_sum(const float *mask, size_t bins);

/* Fills mask[bins .. all - 1]. */
void sp_mask_extend(float *mask, size_t bins, size_t all, SpMaskExtension how);

/* out = mask * spectrum, both [2 * stride] as in dsp/stft.h, mask[bins]. */
void sp_mask_apply(float *out, const float *spectrum, const float *mask, size_t bins,
                   size_t stride);

#endif /* SP_MASKS_H */
