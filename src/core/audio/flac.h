/*
 * src/core/audio/flac.h
 *	  Integers into a FLAC file (RFC 9639), through libFLAC.
 *
 * libsndfile could write FLAC too, but always has libFLAC sum up an MD5 of the
 * samples, which at low effort is a third of the work.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_AUDIO_FLAC_H
#define SP_AUDIO_FLAC_H

#include "core/io/spool.h"

#define SP_FLAC_MAX_CHANNELS 8
#define SP_FLAC_MAX_RATE_HZ  655350
#define SP_FLAC_MAX_LEVEL    8

typedef struct SpFlacSpec
{
	int sample_rate_hz; /* 1 .. SP_FLAC_MAX_RATE_HZ */
	int channels;       /* 1 .. SP_FLAC_MAX_CHANNELS */
	int bits;           /* 16 or 24 */
	int level;          /* libFLAC's effort, 0 (fast) .. 8 (small) */
	bool md5;           /* of the samples, into the head; each frame has a CRC anyhow */
} SpFlacSpec;

typedef struct SpFlac SpFlac;

/*
 * cursor must outlive it.  What the cursor cannot write is lost without a word: ask
 * sp_cursor_status.  SP_ERR_BAD_ARG for a spec that
 * is out of bounds, SP_ERR_NO_MEMORY.
 */
SpStatus sp_flac_new(const SpEnv *env, const SpFlacSpec *spec, SpCursor *cursor, SpFlac **out);

/* x[frames * channels] of `bits` bits.  SP_ERR_NO_MEMORY. */
SpStatus sp_flac_write(SpFlac *flac, const int32_t *x, size_t frames);

/* The last block and the head once more; nothing comes behind it.  SP_ERR_NO_MEMORY. */
SpStatus sp_flac_finish(SpFlac *flac);

/* Also of a file that was not finished; NULL is fine. */
void sp_flac_free(SpFlac *flac);

#endif /* SP_AUDIO_FLAC_H */
