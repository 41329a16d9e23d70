/*
 * src/core/stems/fifo.c
 *	  A queue of interleaved samples.
 *
 * A plain array: samples are taken from its head and appended at its tail, and
 * it is moved to the front when the tail meets the end.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/fifo.h"

#include <string.h>

struct SpFifo
{
	const SpEnv *env;
	size_t channels;
	float *samples;  /* [capacity][channels] */
	size_t capacity; /* frames */
	size_t head;
	size_t tail;
};

SpStatus
sp_fifo_new(const SpEnv *env, size_t channels, size_t first_frames, SpFifo **out)
{
	SpFifo *f = sp_calloc(env, 1, sizeof(*f));

	*out = NULL;
	if (f == NULL)
		return SP_ERR_NO_MEMORY;
	f->env = env;
	f->channels = channels;
	f->capacity = first_frames;
	f->samples = sp_alloc(env, f->capacity * channels, sizeof(float));
	if (f->samples == NULL)
	{
		sp_fifo_free(f);
		return SP_ERR_NO_MEMORY;
	}
	*out = f;
	return SP_OK;
}

void
sp_fifo_free(SpFifo *f)
{
	if (f == NULL)
		return;
	sp_free(f->env, f->samples);
	sp_free(f->env, f);
}

static SpStatus
set_capacity(SpFifo *f, size_t capacity)
{
	size_t queued = sp_fifo_queued(f);
	float *to = f->samples;

	if (capacity != f->capacity)
		to = sp_alloc(f->env, capacity * f->channels, sizeof(float));
	if (to == NULL)
		return SP_ERR_NO_MEMORY;
	memmove(to, sp_fifo_peek(f), queued * f->channels * sizeof(float));
	if (to != f->samples)
		sp_free(f->env, f->samples);
	f->samples = to;
	f->capacity = capacity;
	f->head = 0;
	f->tail = queued;
	return SP_OK;
}

SpStatus
sp_fifo_reserve(SpFifo *f, size_t frames)
{
	size_t wanted = sp_fifo_queued(f) + frames;

	return wanted > f->capacity - f->head ? set_capacity(f, wanted) : SP_OK;
}

/* Moves to the front only when at least half is free, so that moving stays cheap on average. */
SpStatus
sp_fifo_append(SpFifo *f, size_t frames, float **to)
{
	size_t wanted = sp_fifo_queued(f) + frames;
	size_t capacity = f->capacity;
	SpStatus st;

	if (frames > f->capacity - f->tail)
	{
		while (wanted > capacity / 2)
			capacity *= 2;
		st = set_capacity(f, capacity);
		if (st != SP_OK)
			return st;
	}
	*to = f->samples + f->tail * f->channels;
	f->tail += frames;
	return SP_OK;
}

size_t
sp_fifo_queued(const SpFifo *f)
{
	return f->tail - f->head;
}

const float *
sp_fifo_peek(const SpFifo *f)
{
	return f->samples + f->head * f->channels;
}

size_t
sp_fifo_pull(SpFifo *f, float *out, size_t max_frames)
{
	size_t count = sp_fifo_queued(f) < max_frames ? sp_fifo_queued(f) : max_frames;

	if (out != NULL)
		memcpy(out, sp_fifo_peek(f), count * f->channels * sizeof(float));
	f->head += count;
	if (f->head == f->tail)
		f->head = f->tail = 0;
	return count;
}
