/*
 * src/core/stems/layers.h
 *	  What is not voice, split into drums, bass, piano and other.
 *
 * Harmonic-percussive separation by medians (Fitzgerald, DAFx 2010), used
 * asymmetrically: what exceeds its own median over time is an onset, and of
 * onsets what stands alone in frequency is a note and not a drum.
 *
 * Use: push frame t + half, then split frame t; after the last push the
 * remaining frames may be split in turn.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_LAYERS_H
#define SP_LAYERS_H

#include "core/sp_base.h"

typedef struct SpLayers SpLayers;

typedef struct SpLayersOut
{
	float *drums; /* each [bins]; together they are the magnitude that is split */
	float *bass;
	float *other;
	float *piano; /* NULL: stays in other */
} SpLayersOut;

/* bins, bin_hz, frame_s as in SpRepetConfig. */
SpStatus sp_layers_new(const SpEnv *env, size_t bins, double bin_hz, double frame_s,
                       SpLayers **out);
void sp_layers_free(SpLayers *l);

/* Frames that must follow a frame before it is split. */
size_t sp_layers_half(const SpLayers *l);

/* Appends a frame: rest[bins] is its magnitude without voice. */
void sp_layers_push(SpLayers *l, const float *rest);

/* Splits rest[bins] of one of the last half + 1 frames; it is kept in less precision than given. */
void sp_layers_split(SpLayers *l, size_t frame, const float *rest, const SpLayersOut *out);

#endif /* SP_LAYERS_H */
