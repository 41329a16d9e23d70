/*
 * src/core/stems/pitch.h
 *	  The pitch of the voice, frame by frame, and the comb of its harmonics.
 *
 * Pitch salience by summed harmonics (Hermes 1988; the front end of Melodia,
 * Salamon and Gomez 2012) and the best path through it (Viterbi), decided
 * with a fixed delay of `lag` frames.
 *
 * Use: push frame t + lag, then ask for the pitch of frame t; after the last
 * push the remaining frames may be asked for in turn.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PITCH_H
#define SP_PITCH_H

#include "core/sp_base.h"

typedef struct SpPitch SpPitch;

/* bins and bin_hz as in SpRepetConfig; lag >= 0 frames. */
SpStatus sp_pitch_new(const SpEnv *env, size_t bins, double bin_hz, size_t lag, SpPitch **out);
void sp_pitch_free(SpPitch *p);

/* magnitude[bins] >= 0: the voice as far as it is known. */
void sp_pitch_push(SpPitch *p, const float *magnitude);

/* Hz of one of the last lag + 1 frames.  Always some pitch: in silence a meaningless one. */
double sp_pitch_hz(const SpPitch *p, size_t frame);

/*
 * comb[bins]: 1 on the harmonics of hz, falling to 0 between them as the main
 * lobe of the window does; 0 below half of hz.
 */
void sp_pitch_comb(const SpPitch *p, double hz, float *comb);

#endif /* SP_PITCH_H */
