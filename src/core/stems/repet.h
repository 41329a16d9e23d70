/*
 * src/core/stems/repet.h
 *	  The repeating background of a song, by similarity of frames.
 *
 * REPET-SIM (Rafii and Pardo, ISMIR 2012), on a stream: a frame is compared
 * only with those within a window on both sides of it, kept in a ring.
 *
 * Use: push each frame; ask for the background of frame t once frame
 * t + window has been pushed (or the song has ended), and before frame
 * t + window + 1 is.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_REPET_H
#define SP_REPET_H

#include "core/sp_base.h"

typedef struct SpRepetConfig
{
	size_t bins;    /* of a frame */
	double bin_hz;  /* distance of two bins */
	double frame_s; /* distance of two frames */
	size_t window;  /* frames to look at on each side, >= 1 */
} SpRepetConfig;

typedef struct SpRepet SpRepet;

SpStatus sp_repet_new(const SpEnv *env, const SpRepetConfig *cfg, SpRepet **out);
void sp_repet_free(SpRepet *r);

/* Appends a frame: magnitude[bins], >= 0. */
void sp_repet_push(SpRepet *r, const float *magnitude);

/* out[bins] = the magnitudes of one of the last 2 * window + 1 frames, to packed.h's precision. */
void sp_repet_row(const SpRepet *r, size_t frame, float *out);

/* out[bins] <= magnitudes of sp_repet_row: what frame has in common with the frames most like it. */
void sp_repet_background(SpRepet *r, size_t frame, float *out);

#endif /* SP_REPET_H */
