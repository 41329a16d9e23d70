/*
 * src/core/stems/outlet.h
 *	  Overlap-add of one stem and a queue of its finished samples.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_OUTLET_H
#define SP_OUTLET_H

#include "core/sp_base.h"

typedef struct SpOutlet SpOutlet;

SpStatus sp_outlet_new(const SpEnv *env, size_t channels, size_t fft_size, size_t hop,
                       SpOutlet **out);
void sp_outlet_free(SpOutlet *o);

/* The accumulator of one channel, [fft_size]: add the next frame there. */
float *sp_outlet_sum(SpOutlet *o, size_t channel);

/*
 * Queues samples from..to-1 of the first hop of the sums and moves the sums
 * on by a hop.  SP_ERR_NO_MEMORY: the queue grows when nobody pulls.
 */
SpStatus sp_outlet_emit(SpOutlet *o, size_t from, size_t to);

/* Makes room for frames more frames at once, for who knows that they will come. */
SpStatus sp_outlet_reserve(SpOutlet *o, size_t frames);

/* Frames queued, and up to max_frames of them, interleaved; out may be NULL to drop them. */
size_t sp_outlet_queued(const SpOutlet *o);
size_t sp_outlet_pull(SpOutlet *o, float *out, size_t max_frames);

#endif /* SP_OUTLET_H */
