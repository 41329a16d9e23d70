/*
 * src/core/stems/outlet.c
 *	  Overlap-add of one stem and a queue of its finished samples.
 *
 * The queue is a plain array: samples are taken from its head and appended at
 * its tail, and it is moved to the front when the tail meets the end.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/outlet.h"

#include <string.h>

/* Hops in the queue before it first grows: a caller's block of a second. */
#define FIRST_HOPS 64

struct SpOutlet
{
	const SpEnv *env;
	size_t channels;
	size_t fft_size;
	size_t hop;
	float *sums;     /* [channels][fft_size] */
	float *queue;    /* [capacity][channels] */
	size_t capacity; /* frames */
	size_t head;
	size_t tail;
};

static SpStatus make_room(SpOutlet *o, size_t frames);
static SpStatus set_capacity(SpOutlet *o, size_t capacity);

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
	o->capacity = FIRST_HOPS * hop;
	o->sums = sp_calloc(env, channels * fft_size, sizeof(float));
	o->queue = sp_alloc(env, o->capacity * channels, sizeof(float));
	if (o->sums == NULL || o->queue == NULL)
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
	sp_free(o->env, o->queue);
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
	SpStatus st = make_room(o, to - from);
	float *out;

	if (st != SP_OK)
		return st;
	out = o->queue + o->tail * o->channels;
	for (size_t c = 0; c < o->channels; c++)
	{
		float *sum = sp_outlet_sum(o, c);

		for (size_t i = from; i < to; i++)
			out[(i - from) * o->channels + c] = sum[i];
		memmove(sum, sum + o->hop, (o->fft_size - o->hop) * sizeof(float));
		memset(sum + o->fft_size - o->hop, 0, o->hop * sizeof(float));
	}
	o->tail += to - from;
	return SP_OK;
}

SpStatus
sp_outlet_reserve(SpOutlet *o, size_t frames)
{
	size_t wanted = sp_outlet_queued(o) + frames;

	return wanted > o->capacity - o->head ? set_capacity(o, wanted) : SP_OK;
}

size_t
sp_outlet_queued(const SpOutlet *o)
{
	return o->tail - o->head;
}

size_t
sp_outlet_pull(SpOutlet *o, float *out, size_t max_frames)
{
	size_t count = sp_outlet_queued(o) < max_frames ? sp_outlet_queued(o) : max_frames;

	if (out != NULL)
		memcpy(out, o->queue + o->head * o->channels, count * o->channels * sizeof(float));
	o->head += count;
	if (o->head == o->tail)
		o->head = o->tail = 0;
	return count;
}

/* Moves to the front only when at least half is free, so that moving stays cheap on average. */
static SpStatus
make_room(SpOutlet *o, size_t frames)
{
	size_t wanted = sp_outlet_queued(o) + frames;

	if (frames <= o->capacity - o->tail)
		return SP_OK;
	return set_capacity(o, wanted > o->capacity / 2 ? 2 * o->capacity : o->capacity);
}

static SpStatus
set_capacity(SpOutlet *o, size_t capacity)
{
	size_t queued = sp_outlet_queued(o);
	const float *from = o->queue + o->head * o->channels;
	float *to = o->queue;

	if (capacity != o->capacity)
		to = sp_alloc(o->env, capacity * o->channels, sizeof(float));
	if (to == NULL)
		return SP_ERR_NO_MEMORY;
	memmove(to, from, queued * o->channels * sizeof(float));
	if (to != o->queue)
		sp_free(o->env, o->queue);
	o->queue = to;
	o->capacity = capacity;
	o->head = 0;
	o->tail = queued;
	return SP_OK;
}
