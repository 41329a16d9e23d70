/*
 * src/core/stems/cues.h
 *	  How much of each bin is voice, drums, bass, other: what can be known
 *	  without training.
 *
 * A *source* is what is told apart (always voice, drums, bass, other and, if
 * wanted, piano); its *level* is its magnitude at each bin of a frame.  The
 * engine `classical` filters by these levels, and networks are given them.
 * docs/separation_classical.md has the method and its measurements.
 *
 * Use: push each frame's spectra and take the levels that are ready before
 * the next push; after finish take the rest.  Frame t is ready once frame
 * t + sp_cues_delay has been pushed.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_CUES_H
#define SP_CUES_H

#include "core/sp_base.h"

/* The sources, in the order of levels. */
enum
{
	SP_VOICE,
	SP_DRUMS,
	SP_BASS,
	SP_OTHER,
	SP_PIANO,
	SP_SOURCES
};

/* How far similar frames are sought on each side; 8 s: -0.1 dB in the mean, -0.3 on one song. */
#define SP_CUES_WINDOW_S 20.0

typedef struct SpCuesConfig
{
	size_t channels; /* 1 or 2 */
	size_t sources;  /* SP_SOURCES, or one less: without piano */
	size_t bins;     /* of a frame */
	size_t stride;   /* of spectra, see stft.h */
	double bin_hz;   /* distance of two bins */
	double frame_s;  /* distance of two frames */
	size_t window;   /* frames to seek on each side; at least what the stages need is taken */
} SpCuesConfig;

typedef struct SpCues SpCues;

/* cfg is copied; env must outlive the object.  SP_ERR_BAD_ARG, SP_ERR_NO_MEMORY. */
SpStatus sp_cues_new(const SpEnv *env, const SpCuesConfig *cfg, SpCues **out);
void sp_cues_free(SpCues *c);

/* Frames between the push of a frame and the taking of its levels. */
size_t sp_cues_delay(const SpCues *c);
/* What a frame of the window costs, so that callers can afford one. */
size_t sp_cues_frame_bytes(size_t channels, size_t stride);

/*
 * The next frame of the mix: spectra[channels], not kept.  SP_ERR_BAD_ARG
 * after finish, or when levels are ready that nobody took.
 */
SpStatus sp_cues_push(SpCues *c, const float *const *spectra);
/* No more frames will come. */
void sp_cues_finish(SpCues *c);

/* Frames whose levels can be taken: at most one before finish, then all that are left. */
size_t sp_cues_ready(const SpCues *c);
/*
 * levels[source][bins] of the next frame, in order; each >= 0, together the
 * root of the channels' mean power.  SP_ERR_BAD_ARG when none is ready.
 */
SpStatus sp_cues_take(SpCues *c, float *const *levels);

#endif /* SP_CUES_H */
