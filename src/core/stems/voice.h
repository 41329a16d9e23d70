/*
 * src/core/stems/voice.h
 *	  Which share of each bin is voice.
 *
 * Two steps, because the pitch is tracked between them: a first share from
 * what does not repeat, then the final one, sharpened by the comb of the
 * tracked pitch and by stereo position.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VOICE_H
#define SP_VOICE_H

#include "core/sp_base.h"

typedef struct SpVoice SpVoice;

SpStatus sp_voice_new(const SpEnv *env, size_t bins, double bin_hz, SpVoice **out);
void sp_voice_free(SpVoice *v);

/*
 * From magnitude[bins] and its repeating background[bins] <= magnitude:
 * share[bins] in [0, 1] and voice[bins] = share * magnitude.
 */
void sp_voice_first(SpVoice *v, const float *magnitude, const float *background, float *share,
                    float *voice);

/*
 * centre[bins]: how much of a bin the centre may hold, 0 to 255.  left and
 * right are spectra (see stft.h) with this stride.
 */
void sp_voice_place(const SpVoice *v, const float *left, const float *right, size_t stride,
                    uint8_t *centre);

/* Refines share[bins] in place by comb[bins] in [0, 1] and centre[bins], which is NULL for mono. */
void sp_voice_final(const SpVoice *v, float *share, const float *comb, const uint8_t *centre);

#endif /* SP_VOICE_H */
