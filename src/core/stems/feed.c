/*
 * src/core/stems/feed.c
 *	  The last seconds of the mix, kept per channel, cut into frames.
 *
 * The samples are kept, not their spectra: transforming twice costs less than
 * the memory traffic of spectra, which are eight times as large.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/feed.h"

#include <math.h>
#include <string.h>

struct SpFeed
{
	const SpEnv *env;
	size_t channels;
	size_t fft_size;
	size_t hop;
	size_t capacity; /* samples a channel */
	size_t end;      /* padded position after the last sample */
	float *samples;  /* [channels][capacity] */
};

static float clean(float x);

SpStatus
sp_feed_new(const SpEnv *env, size_t channels, size_t fft_size, size_t hop, size_t keep,
            SpFeed **out)
{
	SpFeed *f;

	*out = NULL;
	f = sp_calloc(env, 1, sizeof(*f));
	if (f == NULL)
		return SP_ERR_NO_MEMORY;
	f->env = env;
	f->channels = channels;
	f->fft_size = fft_size;
	f->hop = hop;
	f->capacity = keep + fft_size;
	f->end = fft_size - hop;
	f->samples = sp_calloc(env, channels * f->capacity, sizeof(float));
	if (f->samples == NULL)
	{
		sp_feed_free(f);
		return SP_ERR_NO_MEMORY;
	}
	*out = f;
	return SP_OK;
}

void
sp_feed_free(SpFeed *f)
{
	if (f == NULL)
		return;
	sp_free(f->env, f->samples);
	sp_free(f->env, f);
}

/* count samples of one of so many channels into a place without a seam; in may be NULL. */
static void
take(float *ring, const float *in, size_t channels, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ring[i] = in != NULL ? clean(in[i * channels]) : 0.0f;
}

size_t
sp_feed_push(SpFeed *f, const float *in, size_t frames)
{
	size_t room = f->hop - f->end % f->hop;
	size_t count = frames < room ? frames : room;
	size_t at = f->end % f->capacity;
	size_t before = f->capacity - at < count ? f->capacity - at : count;

	for (size_t c = 0; c < f->channels; c++)
	{
		float *ring = f->samples + c * f->capacity;
		const float *from = in != NULL ? in + c : NULL;

		take(ring + at, from, f->channels, before);
		take(ring, from != NULL ? from + before * f->channels : NULL, f->channels, count - before);
	}
	f->end += count;
	return count;
}

size_t
sp_feed_ready(const SpFeed *f)
{
	return f->end < f->fft_size ? 0 : (f->end - f->fft_size) / f->hop + 1;
}

void
sp_feed_read(const SpFeed *f, size_t channel, size_t position, float *out, size_t count)
{
	const float *ring = f->samples + channel * f->capacity;
	size_t at = position % f->capacity;
	size_t before = f->capacity - at < count ? f->capacity - at : count;

	memcpy(out, ring + at, before * sizeof(float));
	memcpy(out + before, ring, (count - before) * sizeof(float));
}

static float
clean(float x)
{
	if (!isfinite(x))
		return 0.0f;
	return x > SP_FEED_LIMIT ? SP_FEED_LIMIT : x < -SP_FEED_LIMIT ? -SP_FEED_LIMIT : x;
}
