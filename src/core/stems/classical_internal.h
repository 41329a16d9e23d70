/*
 * src/core/stems/classical_internal.h
 *	  What classical.c (lifecycle, queueing) and classical_stages.c (the computation) share.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_CLASSICAL_INTERNAL_H
#define SP_CLASSICAL_INTERNAL_H

#include "core/dsp/stft.h"
#include "core/stems/classical.h"
#include "core/stems/feed.h"
#include "core/stems/layers.h"
#include "core/stems/outlet.h"
#include "core/stems/pitch.h"
#include "core/stems/repet.h"
#include "core/stems/voice.h"
#include "core/stems/wiener.h"

/* The sources, in the order of the filter. */
enum
{
	SP_VOICE,
	SP_DRUMS,
	SP_BASS,
	SP_OTHER,
	SP_PIANO,
	SP_SOURCES
};

#define SP_SOURCE_BIT(source) (1u << (source))

typedef struct SpStemPlan
{
	const char *names[SP_SEPARATOR_MAX_STEMS + 1];
	unsigned sources[SP_SEPARATOR_MAX_STEMS]; /* bits of those that a stem is the sum of */
} SpStemPlan;

typedef struct SpClassical
{
	SpSeparator base;
	const SpEnv *env;
	SpSeparatorConfig cfg;
	const SpStemPlan *plan;
	SpStatus status; /* sticky */
	bool finished;

	size_t fft_size;
	size_t hop;
	size_t bins;
	size_t stride; /* of a row; a spectrum has two */
	size_t window; /* frames from listening to tracing */
	size_t lag;    /* ... to voicing */
	size_t half;   /* ... to parting */
	size_t sources;

	uint64_t length; /* frames of samples pushed */
	size_t listened; /* frames of the transform that each stage has done */
	size_t traced;
	size_t voiced;
	size_t parted;

	SpStft *stft;
	SpFeed *feed;
	SpRepet *repet;
	SpVoice *voice;
	SpPitch *pitch;
	SpLayers *layers;
	SpWiener *wiener;
	SpOutlet *outlets[SP_SEPARATOR_MAX_STEMS];

	float *frame;   /* [fft_size] samples */
	float *tracked; /* [bins] first voice */
	float *comb;    /* [bins] and background before it */
	float *shares;  /* [lag + half + 1][stride] of the voice, first or final */
	float *spectra; /* [half + 1][channels][2 * stride] of the mix */
	float *levels;  /* [sources][stride] magnitudes */
	float *parts;   /* [sources][channels][2 * stride] spectra */
} SpClassical;

/*
 * Lets every stage go as far as the feed (or, once finished, the song's end)
 * permits.  Polls before every frame.  SP_ERR_CANCELED, SP_ERR_NO_MEMORY.
 */
SpStatus sp_classical_advance(SpClassical *s);

#endif /* SP_CLASSICAL_INTERNAL_H */
