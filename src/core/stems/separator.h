/*
 * src/core/stems/separator.h
 *	  The model `classical`: a song into stems, on a stream, without training.
 *
 * Words: the *mix* is the song as it comes; a *stem* is one part of it as it
 * leaves; a *source* is what the filter inside tells apart (always voice,
 * drums, bass, other and, for five stems, piano).  docs/separation_classical.md
 * has the method and its measurements.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_SEPARATOR_H
#define SP_SEPARATOR_H

#include "core/sp_base.h"

#define SP_SEPARATOR_MAX_STEMS 5
#define SP_SEPARATOR_MIN_RATE  1000
#define SP_SEPARATOR_MAX_RATE  384000

typedef struct SpSeparatorConfig
{
	int sample_rate; /* SP_SEPARATOR_MIN_RATE .. SP_SEPARATOR_MAX_RATE; meant for 8000 .. 192000 */
	int channels;    /* 1 or 2 */
	int stems;       /* 2, 4 or 5 */
	bool sum_to_mix; /* the last stem takes what the others leave, to float rounding */
} SpSeparatorConfig;

typedef struct SpSeparator SpSeparator;

/* Names of the stems in the order of pull's outputs, ended by NULL; NULL for an unknown count. */
const char *const *sp_stem_names(int stems);

/*
 * Plans Fourier transforms, so not from two threads at once.  cfg is copied;
 * env must outlive the separator.  SP_ERR_BAD_ARG, SP_ERR_NO_MEMORY.
 */
SpStatus sp_separator_new(const SpEnv *env, const SpSeparatorConfig *cfg, SpSeparator **out);
void sp_separator_free(SpSeparator *s);

/*
 * Takes frames frames of interleaved samples.  Samples that are not finite
 * count as 0, those beyond +-1e4 (SP_FEED_LIMIT) are clipped.  Output comes late by
 * up to 22 s of music, so pull may give nothing at first; pull after each
 * push, or the queue grows.  SP_ERR_CANCELED, SP_ERR_NO_MEMORY; after an
 * error every later call answers it again.  SP_ERR_BAD_ARG after finish.
 */
SpStatus sp_separator_push(SpSeparator *s, const float *in, size_t frames);

/*
 * The song has ended: computes the rest, which pull then gives.  Less than a
 * second of work, polled as all.  Errors as push.
 */
SpStatus sp_separator_finish(SpSeparator *s);

/*
 * Moves up to max_frames finished frames to out[stem], each interleaved; an
 * out[stem] may be NULL to drop that stem.  Answers how many; in the end as
 * many as were pushed.
 */
size_t sp_separator_pull(SpSeparator *s, float *const *out, size_t max_frames);

#endif /* SP_SEPARATOR_H */
