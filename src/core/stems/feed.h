/*
 * src/core/stems/feed.h
 *	  The last seconds of the mix, kept per channel, cut into frames.
 *
 * Positions are *padded*: fft_size - hop zeros stand before the first sample,
 * so that frame t begins at padded position t * hop and every sample lies in
 * as many frames as any other.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_FEED_H
#define SP_FEED_H

#include "core/sp_base.h"

typedef struct SpFeed SpFeed;

/* Keeps at least the last `keep` samples; fft_size a multiple of hop. */
SpStatus sp_feed_new(const SpEnv *env, size_t channels, size_t fft_size, size_t hop, size_t keep,
                     SpFeed **out);
void sp_feed_free(SpFeed *f);

/*
 * Appends up to frames frames of interleaved samples, but at most to the end
 * of the next hop; answers how many it took.  in may be NULL for silence.
 * Samples that are not finite become 0, those beyond SP_FEED_LIMIT are clipped.
 */
size_t sp_feed_push(SpFeed *f, const float *in, size_t frames);
#define SP_FEED_LIMIT 1e4f

/* Frames of the transform that are complete. */
size_t sp_feed_ready(const SpFeed *f);

/* out[count] = samples of one channel from this padded position, which must still be kept. */
void sp_feed_read(const SpFeed *f, size_t channel, size_t position, float *out, size_t count);

#endif /* SP_FEED_H */
