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
#include "core/stems/cues.h"
#include "core/stems/feed.h"
#include "core/stems/outlet.h"
#include "core/stems/wiener.h"

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
	size_t sources;

	uint64_t length; /* frames of samples pushed */
	size_t listened; /* frames of the transform that the cues have seen */
	size_t parted;   /* ... that are in the outlets */

	SpStft *stft;
	SpFeed *feed;
	SpCues *cues;
	SpWiener *wiener;
	SpOutlet *outlets[SP_SEPARATOR_MAX_STEMS];

	float *frame;   /* [2][fft_size] samples */
	float *spectra; /* [channels][2 * stride] of the mix */
	float *levels;  /* [sources][stride] magnitudes */
	float *parts;   /* [sources][channels][2 * stride] spectra */
} SpClassical;

/*
 * Goes as far as the feed (or, once the cues are finished, the song's end)
 * permits.  Polls before every frame.  SP_ERR_CANCELED, SP_ERR_NO_MEMORY.
 */
SpStatus sp_classical_advance(SpClassical *s);

#endif /* SP_CLASSICAL_INTERNAL_H */
