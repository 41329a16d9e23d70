/*
 * src/core/stems/writer.h
 *	  Stems of one song into one file each, on threads.
 *
 * Encoding costs as much as a network that is worth having, and stems do not
 * need each other for it.  While threads encode one block, the caller fills
 * the next.
 *
 * Use: fill sp_writer_block, put it, and so on; then finish.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_WRITER_H
#define SP_WRITER_H

#include "core/audio/encode.h"
#include "core/audio/measure.h"
#include "core/sp_pool.h"
#include "core/stems/separator.h"

/* Most frames of a block: 0.4 s, enough to be worth waking a thread. */
#define SP_WRITER_FRAMES 16384

typedef struct SpWriterConfig
{
	SpEncoderSpec encoder; /* of every stem: FLAC or WAV of 16 or 24 bits */
	int stems;
	bool sum_to_mix; /* integers of all stems sum to the rounded sum of the floats */
	SpPool *pool;    /* NULL: the caller's thread does it all */
} SpWriterConfig;

typedef struct SpWriter SpWriter;

/*
 * sinks[stems] are empty file spools.  env, sinks and the pool must outlive the
 * writer, and nobody else may use the pool meanwhile.  The statuses of
 * sp_encoder_open.
 */
SpStatus sp_writer_new(const SpEnv *env, const SpWriterConfig *cfg, SpSpool *const *sinks,
                       SpWriter **out, SpFault *fault);
/* Waits for threads that still encode. */
void sp_writer_free(SpWriter *w);

/* Where the next block goes: [stems] of SP_WRITER_FRAMES interleaved frames. */
float *const *sp_writer_block(const SpWriter *w);

/*
 * Waits until all that was put is in the sinks, which may be read until the
 * next put; FLAC changes its first bytes once more at the end.
 */
SpStatus sp_writer_settle(SpWriter *w, SpFault *fault);

/* The block holds so many frames, finite ones.  The statuses of sp_encoder_write_int. */
SpStatus sp_writer_put(SpWriter *w, size_t frames, SpFault *fault);

/* Completes the files.  The statuses of sp_encoder_finish. */
SpStatus sp_writer_finish(SpWriter *w, SpFault *fault);

/* After finish: what was measured of a stem, before rounding. */
const SpMeasure *sp_writer_measure(const SpWriter *w, int stem);

#endif /* SP_WRITER_H */
