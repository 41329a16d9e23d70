/*
 * src/core/stems/masks.c
 *	  Ratio masks, their extension, and their use.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/masks.h"

#include <float.h>
#include <string.h>

#include "core/sp_simd.h"

/* Spleeter's, against empty bins. */
#define EPSILON 1e-10f

SP_CLONES void
sp_mask_ratio(float *restrict mask, const float *const *estimates, size_t stems, size_t index,
              size_t bins)
{
	const float *restrict own = estimates[index];
	float least = EPSILON / (float) stems;

	for (size_t i = 0; i < bins; i++)
		mask[i] = EPSILON;
	for (size_t s = 0; s < stems; s++)
	{
		const float *restrict v = estimates[s];

		for (size_t i = 0; i < bins; i++)
			mask[i] += v[i] * v[i];
	}
	for (size_t i = 0; i < bins; i++)
		mask[i] = (own[i] * own[i] + least) / mask[i];
}

SP_CLONES void
sp_mask_soft(float *restrict mask, const float *const *estimates, size_t stems, size_t index,
             size_t bins)
{
	const float *restrict own = estimates[index];

	for (size_t i = 0; i < bins; i++)
		mask[i] = FLT_EPSILON;
	for (size_t s = 0; s < stems; s++)
	{
		const float *restrict v = estimates[s];

		for (size_t i = 0; i < bins; i++)
			mask[i] += v[i];
	}
	for (size_t i = 0; i < bins; i++)
		mask[i] = own[i] / mask[i];
}

/* Sums side by side, so that they vectorise. */
#define SUMS 16

SP_CLONES float
sp_mask_sum(const float *mask, size_t bins)
{
	float sums[SUMS] = {0}, sum = 0.0f;
	size_t whole = bins / SUMS * SUMS;

	for (size_t i = 0; i < whole; i += SUMS)
		for (size_t k = 0; k < SUMS; k++)
			sums[k] += mask[i + k];
	for (size_t i = whole; i < bins; i++)
		sums[0] += mask[i];
	for (size_t k = 0; k < SUMS; k++)
		sum += sums[k];
	return sum;
}

void
sp_mask_extend(float *mask, size_t bins, size_t all, SpMaskExtension how)
{
	float fill = how == SP_EXTEND_AVERAGE ? sp_mask_sum(mask, bins) / (float) bins : 0.0f;

	for (size_t i = bins; i < all; i++)
		mask[i] = fill;
}

SP_CLONES void
sp_mask_apply(float *restrict out, const float *restrict spectrum, const float *restrict mask,
              size_t bins, size_t stride)
{
	for (size_t i = 0; i < bins; i++)
	{
		out[i] = mask[i] * spectrum[i];
		out[stride + i] = mask[i] * spectrum[stride + i];
	}
	memset(out + bins, 0, (stride - bins) * sizeof(float));
	memset(out + stride + bins, 0, (stride - bins) * sizeof(float));
}
