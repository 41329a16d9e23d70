/*
 * src/core/vector/candidates.c
 *	  A queue in front of a heap of rows that nobody looks at.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/candidates.h"

#include <math.h>
#include <string.h>

#include "core/sp_simd.h"

/* Rows that are let in at first; measured: a search for ten takes about sixty. */
#define FIRST 32

/* Keys of which the bound is one: a few more or less that are let in do not matter. */
#define SAMPLE 1024

/* Keys that are looked at together: mostly none of them is let in. */
#define BLOCK 64
/* Of these, which ones are is written down first. */
#define BLOCKS 512

/* Room becomes this many times as much, so that little is copied, while that is not much. */
#define GENEROUS      8
#define MOST_GENEROUS 65536

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
	sp_queue_free(&c->queue);
	sp_candidates_init(c, c->env, c->size);
}

/* More room, with what is there. */
static SpStatus
grow(SpCandidates *c, size_t n)
{
	size_t room = c->room < 1024 ? 1024 : c->room;
	float *keys;
	char *records;

	/* what is doubled below must not overflow */
	if (n > SIZE_MAX / 4 - c->count)
		return SP_ERR_NO_MEMORY;
	while (room < c->count + n)
		room *= room < MOST_GENEROUS ? GENEROUS : 2;
	if (room == c->room)
		return SP_OK;
	keys = sp_alloc(c->env, room, sizeof(float));
	records = sp_alloc(c->env, room, c->size);
	if (keys == NULL || records == NULL)
	{
		sp_free(c->env, keys);
		sp_free(c->env, records);
		return SP_ERR_NO_MEMORY;
	}
	if (c->count > 0)
	{
		memcpy(keys, c->keys, c->count * sizeof(float));
		memcpy(records, c->records, c->count * c->size);
	}
	sp_free(c->env, c->keys);
	sp_free(c->env, c->records);
	c->keys = keys;
	c->records = records;
	c->room = room;
	return SP_OK;
}

/*
 * Keys up to `to` that are not up to `above` (NAN: all that are up to `to`): their
 * numbers into out[n].  How many.
 */
SP_CLONES static size_t
find_between(const float *restrict keys, size_t n, float above, float to, uint32_t *restrict out)
{
	size_t found = 0, from = 0;

	for (; from + BLOCK <= n; from += BLOCK)
	{
		uint32_t here = 0;

		for (size_t i = 0; i < BLOCK; i++)
			here += !(keys[from + i] <= above) & (keys[from + i] <= to);
		for (size_t i = from; here > 0; i++)
			if (!(keys[i] <= above) && keys[i] <= to)
			{
				out[found++] = (uint32_t) i;
				here--;
			}
	}
	for (; from < n; from++)
		if (!(keys[from] <= above) && keys[from] <= to)
			out[found++] = (uint32_t) from;
	return found;
}

static void
queue_between(SpCandidates *c, size_t from, float above, float to,
              uint64_t (*id)(const char *record))
{
	uint32_t found[BLOCKS];

	for (; from < c->count; from += BLOCKS)
	{
		size_t left = c->count - from;
		size_t n = find_between(c->keys + from, left < BLOCKS ? left : BLOCKS, above, to, found);

		for (size_t i = 0; i < n; i++)
		{
			size_t at = from + found[i];

			sp_queue_push(&c->queue, (SpQueueItem){c->keys[at], id(c->records + at * c->size), at});
		}
		c->queued += n;
	}
}

/* What is no number counts as nearest. */
SP_CLONES static void
take_keys(const float *restrict keys, size_t n, float *restrict out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = keys[i] == keys[i] ? keys[i] : -INFINITY;
}

SpStatus
sp_candidates_add(SpCandidates *c, const float *keys, const char *records, size_t n,
                  uint64_t (*id)(const char *record))
{
	size_t from = c->count;

	if (grow(c, n) != SP_OK || sp_queue_reserve(&c->queue, n) != SP_OK)
		return SP_ERR_NO_MEMORY;
	memcpy(c->records + from * c->size, records, n * c->size);
	take_keys(keys, n, c->keys + from);
	c->count += n;
	queue_between(c, from, NAN, c->bound, id);
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

/* --- the bound ---------------------------------------------------------------------- */

/* Whole numbers in the order of the keys, and back. */
static int32_t
rank_of(float key)
{
	int32_t bits;

	memcpy(&bits, &key, sizeof(bits));
	return bits < 0 ? bits ^ INT32_MAX : bits;
}

static float
key_of(int32_t rank)
{
	int32_t bits = rank < 0 ? rank ^ INT32_MAX : rank;
	float key;

	memcpy(&key, &bits, sizeof(key));
	return key;
}

SP_CLONES static size_t
count_up_to(const int32_t *ranks, size_t n, int32_t to)
{
	uint32_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += ranks[i] <= to;
	return found;
}

/*
 * Up to which so many are, or a quarter more.  By halves of what numbers there are,
 * because counting a thousand of them is a matter of some sixty instructions, while
 * each step of a selection among them is one that no processor foresees.
 */
static int32_t
rank_of_least(const int32_t *ranks, size_t n, size_t wanted)
{
	int32_t low = ranks[0], high = ranks[0];

	for (size_t i = 1; i < n; i++)
	{
		low = ranks[i] < low ? ranks[i] : low;
		high = ranks[i] > high ? ranks[i] : high;
	}
	while (low < high)
	{
		int32_t middle = (int32_t) (((int64_t) low + high) >> 1);
		size_t found = count_up_to(ranks, n, middle);

		if (found < wanted)
			low = middle + 1;
		else
			high = middle;
		if (found >= wanted && found <= wanted + wanted / 4)
			break;
	}
	return high;
}

/* Some of the keys that wait, from all over them; at least one. */
static size_t
sample_waiting(const SpCandidates *c, int32_t *ranks)
{
	size_t step = c->count / SAMPLE + 1, n = 0;

	for (size_t i = 0; i < c->count; i += step)
	{
		ranks[n] = rank_of(c->keys[i]);
		n += c->keys[i] > c->bound;
	}
	for (size_t i = 0; n == 0; i++)
	{
		ranks[0] = rank_of(c->keys[i]);
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
		int32_t ranks[SAMPLE];
		size_t n = sample_waiting(c, ranks);
		double share = (double) (more - 1) / (double) waiting;

		c->bound = key_of(rank_of_least(ranks, n, (size_t) (share * (double) n) + 1));
	}
	queue_between(c, 0, before, c->bound, id);
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
