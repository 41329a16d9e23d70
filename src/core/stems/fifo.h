/*
 * src/core/stems/fifo.h
 *	  A queue of interleaved samples that grows as it must.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_FIFO_H
#define SP_FIFO_H

#include "core/sp_base.h"

typedef struct SpFifo SpFifo;

/* Room for first_frames frames of channels samples before it first grows. */
SpStatus sp_fifo_new(const SpEnv *env, size_t channels, size_t first_frames, SpFifo **out);
void sp_fifo_free(SpFifo *f);

/* Makes room for frames more frames at once, for who knows that they will come. */
SpStatus sp_fifo_reserve(SpFifo *f, size_t frames);

/* Adds frames frames, which the caller writes to *to before the next call.  SP_ERR_NO_MEMORY. */
SpStatus sp_fifo_append(SpFifo *f, size_t frames, float **to);

size_t sp_fifo_queued(const SpFifo *f);

/* The oldest frames, sp_fifo_queued of them; valid until the next call. */
const float *sp_fifo_peek(const SpFifo *f);

/* Takes up to max_frames frames; out may be NULL to drop them.  Answers how many. */
size_t sp_fifo_pull(SpFifo *f, float *out, size_t max_frames);

#endif /* SP_FIFO_H */
