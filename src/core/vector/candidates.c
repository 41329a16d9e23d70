/*
 * src/core/vector/candidates.c
 *	  A queue in front of a heap of rows that nobody looks at.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/candidates.h"

#include <math.h>
#include <string.h>

/* Rows that are let in at first; measured: a search for ten takes about sixty. */
#define FIRST 32

/* Keys of which the bound is one: a few more or less that are let in do not matter. */
#define SAMPLE 1024

void
sp_candidates_init(SpCandidates *c, const SpEnv *env, size_t size)
{
	memset(c, 0, sizeof(*c));
	c->env = c->queue.env = env;
	c->size = size;
	c->bound = -INFINITY;
}

void
sp_candidates_free(SpCandidates *c)
{
	sp_free(c->env, c->keys);
	sp_free(c->env, c->records);
	sp_free(c->env, c->scratch);
	sp_queue_free(&c->queue);
	sp_candidates_init(c, c->env, c->size);
}

/* Twice the room, with what is there. */
static SpStatus
grow(SpCandidates *c, size_t n)
{
	size_t room = c->room < 1024 ? 1024 : c->room;
	float *keys, *scratch;
	char *records;

	/* what is doubled below must not overflow */
	if (n > SIZE_MAX / 4 - c->count)
		return SP_ERR_NO_MEMORY;
	while (room < c->count + n)
		room *= 2;
	if (room == c->room)
		return SP_OK;
	keys = sp_alloc(c->env, room, sizeof(float));
	scratch = sp_alloc(c->env, room, sizeof(float));
	records = sp_alloc(c->env, room, c->size);
	if (keys == NULL || scratch == NULL || records == NULL)
	{
		sp_free(c->env, keys);
		sp_free(c->env, scratch);
		sp_free(c->env, records);
		return SP_ERR_NO_MEMORY;
	}
	if (c->count > 0)
	{
		memcpy(keys, c->keys, c->count * sizeof(float));
		memcpy(records, c->records, c->count * c->size);
	}
	sp_free(c->env, c->keys);
	sp_free(c->env, c->scratch);
	sp_free(c->env, c->records);
	c->keys = keys;
	c->scratch = scratch;
	c->records = records;
	c->room = room;
	return SP_OK;
}

static void
queue_row(SpCandidates *c, size_t i, uint64_t (*id)(const char *record))
{
	sp_queue_push(&c->queue, (SpQueueItem){c->keys[i], id(c->records + i * c->size), i});
	c->queued++;
}

SpStatus
sp_candidates_add(SpCandidates *c, const float *keys, const char *records, size_t n,
                  uint64_t (*id)(const char *record))
{
	size_t from = c->count;

	if (grow(c, n) != SP_OK || sp_queue_reserve(&c->queue, n) != SP_OK)
		return SP_ERR_NO_MEMORY;
	memcpy(c->records + from * c->size, records, n * c->size);
	for (size_t i = 0; i < n; i++)
		c->keys[from + i] = isnan(keys[i]) ? -INFINITY : keys[i];
	c->count += n;
	for (size_t i = from; i < c->count; i++)
		if (c->keys[i] <= c->bound)
			queue_row(c, i, id);
	return SP_OK;
}

bool
sp_candidates_is_empty(const SpCandidates *c)
{
	return c->queue.count == 0 && c->queued == c->count;
}

double
sp_candidates_first(const SpCandidates *c)
{
	if (c->queue.count > 0)
		return c->queue.items[0].key;
	return c->queued < c->count ? c->bound : INFINITY;
}

/*
 * The k-th least of x[n], from 0; x is mixed up (Hoare 1961).  Where the pivot is
 * taken from follows no order that rows may have: of keys that rise and then fall,
 * the middle ones would be the worst, and time the square of n.  (Numbers from
 * Knuth's generator, TAOCP 3.3.4, MMIX.)
 */
static float
select_least(float *x, size_t n, size_t k)
{
	size_t low = 0, high = n - 1;
	uint64_t random = 0;

	while (low < high)
	{
		size_t i = low, j = high;
		float pivot;

		random = random * 6364136223846793005u + 1442695040888963407u;
		pivot = x[low + (random >> 32) % (high - low + 1)];

		for (;; i++, j--)
		{
			float swap;

			while (x[i] < pivot)
				i++;
			while (pivot < x[j])
				j--;
			if (i >= j)
				break;
			swap = x[i];
			x[i] = x[j];
			x[j] = swap;
		}
		/* i is where the upper part begins, unless both met on the pivot */
		if (k < i)
			high = i - 1;
		else if (k > j)
			low = j + 1;
		else
			return pivot;
	}
	return x[low];
}

/* Some of the keys that wait, from all over them; at least one. */
static size_t
sample_waiting(SpCandidates *c)
{
	size_t step = c->count / SAMPLE + 1, n = 0;

	for (size_t i = 0; i < c->count; i += step)
	{
		c->scratch[n] = c->keys[i];
		n += c->keys[i] > c->bound;
	}
	for (size_t i = 0; n == 0; i++)
	{
		c->scratch[0] = c->keys[i];
		n = c->keys[i] > c->bound;
	}
	return n;
}

/*
 * Lets in about as many as there have been, about FIRST at least.  Of very many
 * that wait it is as few as the sample can tell, some of a thousandth part.
 */
static SpStatus
raise_bound(SpCandidates *c, uint64_t (*id)(const char *record))
{
	size_t waiting = c->count - c->queued, more = c->queued > FIRST ? c->queued : FIRST;
	float before = c->bound;

	if (sp_queue_reserve(&c->queue, waiting) != SP_OK)
		return SP_ERR_NO_MEMORY;
	if (waiting <= more)
		c->bound = INFINITY;
	else
	{
		size_t n = sample_waiting(c);

		c->bound = select_least(c->scratch, n,
		                        (size_t) ((double) (more - 1) / (double) waiting * (double) n));
	}
	for (size_t i = 0; i < c->count; i++)
		if (c->keys[i] > before && c->keys[i] <= c->bound)
			queue_row(c, i, id);
	return SP_OK;
}

SpStatus
sp_candidates_take(SpCandidates *c, uint64_t (*id)(const char *record), SpQueueItem *out)
{
	if (c->queue.count == 0 && raise_bound(c, id) != SP_OK)
		return SP_ERR_NO_MEMORY;
	*out = sp_queue_pop(&c->queue);
	return SP_OK;
}
