/*
 * src/core/audio/quantise.h
 *	  From float to integers: one signal, or stems that must add up to a mix.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_AUDIO_QUANTISE_H
#define SP_AUDIO_QUANTISE_H

#include "core/sp_base.h"

/*
 * out[i] = x[i] * 2^(bits - 1), rounded half to even and clamped to
 * -2^(bits-1) .. 2^(bits-1) - 1; bits is 16 or 24, x is finite.
 */
void sp_quantise(int32_t *out, const float *x, size_t n, int bits);

/* Most stems that sp_quantise_stems takes. */
#define SP_QUANTISE_MAX_STEMS 16

/*
 * Quantise stems[0..n_stems)[n] to out[0..n_stems)[n] such that in each
 * position the integers sum to round(mix * 2^(bits - 1)), exactly: no player
 * that adds the stems can tell them from the mix.
 *
 * Each stem but the last is rounded, the last takes what is left of the mix
 * (its own rounding, and whatever the stems did not sum to).  Where that
 * exceeds full scale it is clamped, and the excess goes to the stem with the
 * most room, then to the next.
 *
 * mix == NULL means the sum of the stems.  A mix sample itself is not clamped to
 * full scale: n_stems stems can carry n_stems times as much.  Returns in how
 * many positions even that was not enough (the sum is then as near as it
 * gets).  bits is 16 or 24, n_stems 1..SP_QUANTISE_MAX_STEMS, samples finite;
 * out may not overlap stems or mix.
 */
int64_t sp_quantise_stems(int32_t *const *out, const float *const *stems, const float *mix,
                          size_t n_stems, size_t n, int bits);

#endif /* SP_AUDIO_QUANTISE_H */
