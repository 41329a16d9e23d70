/*
 * src/core/stems/outlet.c
 *	  Overlap-add of one stem and a queue of its finished samples.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/outlet.h"

#include <string.h>

#include "core/stems/fifo.h"

/* Hops in the queue before it first grows: a caller's block of a second. */
#define FIRST_HOPS 64

struct SpOutlet
{
	const SpEnv *env;
	size_t channels;
	size_t fft_size;
	size_t hop;
	float *sums; /* [channels][fft_size] */
	SpFifo *queue;
};

SpStatus
sp_outlet_new(const SpEnv *env, size_t channels, size_t fft_size, size_t hop, SpOutlet **out)
{
	SpOutlet *o;

	*out = NULL;
	o = sp_calloc(env, 1, sizeof(*o));
	if (o == NULL)
		return SP_ERR_NO_MEMORY;
	o->env = env;
	o->channels = channels;
	o->fft_size = fft_size;
	o->hop = hop;
	o->sums = sp_calloc(env, channels * fft_size, sizeof(float));
	if (o->sums == NULL || sp_fifo_new(env, channels, FIRST_HOPS * hop, &o->queue) != SP_OK)
	{
		sp_outlet_free(o);
		return SP_ERR_NO_MEMORY;
	}
	*out = o;
	return SP_OK;
}

void
sp_outlet_free(SpOutlet *o)
{
	if (o == NULL)
		return;
	sp_free(o->env, o->sums);
	sp_fifo_free(o->queue);
	sp_free(o->env, o);
}

float *
sp_outlet_sum(SpOutlet *o, size_t channel)
{
	return o->sums + channel * o->fft_size;
}

SpStatus
sp_outlet_emit(SpOutlet *o, size_t from, size_t to)
{
	float *out;
	SpStatus st = sp_fifo_append(o->queue, to - from, &out);

	if (st != SP_OK)
		return st;
	for (size_t c = 0; c < o->channels; c++)
	{
		float *sum = sp_outlet_sum(o, c);

		for (size_t i = from; i < to; i++)
			out[(i - from) * o->channels + c] = sum[i];
		memmove(sum, sum + o->hop, (o->fft_size - o->hop) * sizeof(float));
		memset(sum + o->fft_size - o->hop, 0, o->hop * sizeof(float));
	}
	return SP_OK;
}

SpStatus
sp_outlet_reserve(SpOutlet *o, size_t frames)
{
	return sp_fifo_reserve(o->queue, frames);
}

size_t
sp_outlet_queued(const SpOutlet *o)
{
	return sp_fifo_queued(o->queue);
}

size_t
sp_outlet_pull(SpOutlet *o, float *out, size_t max_frames)
{
	return sp_fifo_pull(o->queue, out, max_frames);
}
