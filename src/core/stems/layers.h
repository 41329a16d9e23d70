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
	float *drums; /* each [bins]; together they are the pushed magnitude */
	float *bass;
	float *other;
	float *piano; /* NULL: stays in other */
} SpLayersOut;

/* bins, stride, bin_hz, frame_s as in SpRepetConfig. */
SpStatus sp_layers_new(const SpEnv *env, size_t bins, size_t stride, double bin_hz, double frame_s,
                       SpLayers **out);
void sp_layers_free(SpLayers *l);

/* Frames that must follow a frame before it is split. */
size_t sp_layers_half(const SpLayers *l);

/* The row of the frame that the next push appends: magnitude without voice, [stride]. */
float *sp_layers_slot(SpLayers *l);
void sp_layers_push(SpLayers *l);

/* One of the last half + 1 frames. */
void sp_layers_split(SpLayers *l, size_t frame, const SpLayersOut *out);

#endif /* SP_LAYERS_H */
