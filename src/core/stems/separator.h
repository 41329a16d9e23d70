/*
 * src/core/stems/separator.h
 *	  A song into stems, on a stream: what all engines have in common.
 *
 * Words: the *mix* is the song as it comes; a *stem* is one part of it as it
 * leaves.  classical.h (no training) and neural.h (a model) make separators.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_SEPARATOR_H
#define SP_SEPARATOR_H

#include "core/sp_base.h"

#define SP_SEPARATOR_MAX_STEMS 8
#define SP_SEPARATOR_MIN_RATE  1000
#define SP_SEPARATOR_MAX_RATE  384000

typedef struct SpSeparatorConfig
{
	int sample_rate; /* SP_SEPARATOR_MIN_RATE .. SP_SEPARATOR_MAX_RATE; meant for 8000 .. 192000 */
	int channels;    /* 1 or 2 */
	int stems;       /* as many as the engine knows */
	bool sum_to_mix; /* the last stem takes what the others leave, to float rounding */
} SpSeparatorConfig;

typedef struct SpSeparator SpSeparator;

/* What an engine does; the separator is the first member of its own structure. */
typedef struct SpSeparatorMethods
{
	SpStatus (*push)(SpSeparator *s, const float *in, size_t frames);
	SpStatus (*finish)(SpSeparator *s);
	size_t (*pull)(SpSeparator *s, float *const *out, size_t max_frames);
	void (*free)(SpSeparator *s);
} SpSeparatorMethods;

struct SpSeparator
{
	const SpSeparatorMethods *methods;
};

void sp_separator_free(SpSeparator *s);

/*
 * Takes frames frames of interleaved samples.  Samples that are not finite
 * count as 0, those beyond +-1e4 (SP_FEED_LIMIT) are clipped.  Output comes late by
 * up to 30 s of music, so pull may give nothing at first; pull after each
 * push, or the queue grows.  SP_ERR_CANCELED, SP_ERR_NO_MEMORY; after an
 * error every later call answers it again.  SP_ERR_BAD_ARG after finish.
 */
SpStatus sp_separator_push(SpSeparator *s, const float *in, size_t frames);

/*
 * The song has ended: the rest is computed now, or when pull asks for it.  Polled
 * and errors as push; called again, it answers what went wrong since.
 */
SpStatus sp_separator_finish(SpSeparator *s);

/*
 * Moves up to max_frames finished frames to out[stem], each interleaved; an
 * out[stem] may be NULL to drop that stem.  Answers how many; in the end as
 * many as were pushed.  After an error, none: finish, which may be called
 * again, answers which.
 */
size_t sp_separator_pull(SpSeparator *s, float *const *out, size_t max_frames);

#endif /* SP_SEPARATOR_H */
