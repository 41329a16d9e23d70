/*
 * src/core/vector/candidates.c
 *	  Some in order, in front of a heap of rows that nobody looks at.
 *
 * What is let in when the bound rises is sorted at once, which takes a fifth of
 * what a queue takes for each: rows of a filter that lets few pass are nearly all
 * taken, one by one.
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

/* Turns until a record is wanted that is asked for now. */
#define LATER 8

/* What is sorted by comparing. */
#define FEW 64

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
	sp_free(c->env, c->run);
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

	/* numbers have 32 bits */
	if (n > UINT32_MAX - c->count)
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

/* What is no number counts as nearest. */
SP_CLONES static void
take_keys(const float *restrict keys, size_t n, float *restrict out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = keys[i] == keys[i] ? keys[i] : -INFINITY;
}

/* Those from `from` on that the bound lets in, into the queue, which has room. */
static void
queue_new(SpCandidates *c, size_t from)
{
	uint32_t found[BLOCKS];

	for (; from < c->count; from += BLOCKS)
	{
		size_t left = c->count - from;
		size_t n =
			find_between(c->keys + from, left < BLOCKS ? left : BLOCKS, NAN, c->bound, found);

		for (size_t i = 0; i < n; i++)
		{
			size_t at = from + found[i];

			sp_queue_push(&c->queue, (SpQueueItem){c->keys[at], at, at});
		}
		c->let_in += n;
	}
}

SpStatus
sp_candidates_add(SpCandidates *c, const float *keys, const void *records, size_t n)
{
	size_t from = c->count;

	if (grow(c, n) != SP_OK || sp_queue_reserve(&c->queue, n) != SP_OK)
		return SP_ERR_NO_MEMORY;
	if (n == 0)
		return SP_OK;
	memcpy(c->records + from * c->size, records, n * c->size);
	take_keys(keys, n, c->keys + from);
	c->count += n;
	queue_new(c, from);
	return SP_OK;
}

/* --- the order of keys --------------------------------------------------------------- */

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

/* A key and its number, in the order of keys. */
static uint64_t
ranked(float key, size_t number)
{
	return (uint64_t) ((uint32_t) rank_of(key) ^ 0x80000000u) << 32 | (uint32_t) number;
}

static float
key_of_ranked(uint64_t ranked)
{
	return key_of((int32_t) ((uint32_t) (ranked >> 32) ^ 0x80000000u));
}

static void
sort_few(uint64_t *a, size_t n)
{
	for (size_t i = 1; i < n; i++)
	{
		uint64_t moved = a[i];
		size_t at = i;

		for (; at > 0 && a[at - 1] > moved; at--)
			a[at] = a[at - 1];
		a[at] = moved;
	}
}

#define DIGIT(x, d) ((uint8_t) ((x) >> (32 + 8 * (d))))
#define DIGITS      4

/* By the digits of their ranks, the last ones first; numbers ascend already.  Where they are then. */
static uint64_t *
sort_many(uint64_t *a, uint64_t *other, size_t n)
{
	uint32_t counts[DIGITS][256] = {{0}};

	for (size_t i = 0; i < n; i++)
		for (int d = 0; d < DIGITS; d++)
			counts[d][DIGIT(a[i], d)]++;
	for (int d = 0; d < DIGITS; d++)
	{
		uint64_t *from = a;
		uint32_t at = 0;

		if (counts[d][DIGIT(a[0], d)] == n)
			continue;
		for (size_t k = 0; k < 256; k++)
		{
			uint32_t here = counts[d][k];

			counts[d][k] = at;
			at += here;
		}
		for (size_t i = 0; i < n; i++)
			other[counts[d][DIGIT(from[i], d)]++] = from[i];
		a = other;
		other = from;
	}
	return a;
}

static void
sort_run(SpCandidates *c)
{
	uint64_t *sorted;

	if (c->run_count <= FEW)
	{
		sort_few(c->run, c->run_count);
		return;
	}
	sorted = sort_many(c->run, c->run + c->run_room, c->run_count);
	if (sorted != c->run)
		memcpy(c->run, sorted, c->run_count * sizeof(*sorted));
}

/* --- the bound ---------------------------------------------------------------------- */

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

/* Room for n, twice: sorting takes turns. */
static SpStatus
reserve_run(SpCandidates *c, size_t n)
{
	size_t room = c->run_room < 64 ? 64 : c->run_room;

	c->run_at = c->run_count = 0;
	while (room < n)
		room *= 2;
	if (room == c->run_room)
		return SP_OK;
	sp_free(c->env, c->run);
	c->run_room = 0;
	c->run = sp_alloc(c->env, 2 * room, sizeof(*c->run));
	if (c->run == NULL)
		return SP_ERR_NO_MEMORY;
	c->run_room = room;
	return SP_OK;
}

SP_CLONES static size_t
count_between(const float *keys, size_t n, float above, float to)
{
	uint32_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += !(keys[i] <= above) & (keys[i] <= to);
	return found;
}

/* Those up to `to` that the bound kept out, in order. */
static SpStatus
let_in(SpCandidates *c, float to)
{
	size_t count = 0;
	uint32_t found[BLOCKS];

	if (reserve_run(c, count_between(c->keys, c->count, c->bound, to)) != SP_OK)
		return SP_ERR_NO_MEMORY;
	for (size_t from = 0; from < c->count; from += BLOCKS)
	{
		size_t left = c->count - from;
		size_t n = find_between(c->keys + from, left < BLOCKS ? left : BLOCKS, c->bound, to, found);

		for (size_t i = 0; i < n; i++)
			c->run[count++] = ranked(c->keys[from + found[i]], from + found[i]);
	}
	c->run_count = count;
	sort_run(c);
	c->let_in += count;
	c->bound = to;
	return SP_OK;
}

/*
 * Lets in about as many as there have been, about FIRST at least.  Of very many
 * that wait it is as few as the sample can tell, some of a thousandth part.
 */
static SpStatus
raise_bound(SpCandidates *c)
{
	size_t waiting = c->count - c->let_in, more = c->let_in > FIRST ? c->let_in : FIRST, n;
	double share = (double) (more - 1) / (double) waiting;
	int32_t ranks[SAMPLE];

	if (waiting <= more)
		return let_in(c, INFINITY);
	n = sample_waiting(c, ranks);
	return let_in(c, key_of(rank_of_least(ranks, n, (size_t) (share * (double) n) + 1)));
}

/* --- who is next -------------------------------------------------------------------- */

bool
sp_candidates_is_empty(const SpCandidates *c)
{
	return c->queue.count == 0 && c->run_at == c->run_count && c->let_in == c->count;
}

static inline bool
run_is_first(const SpCandidates *c)
{
	return c->run_at < c->run_count &&
	       (c->queue.count == 0 || key_of_ranked(c->run[c->run_at]) <= c->queue.items[0].key);
}

double
sp_candidates_first(const SpCandidates *c)
{
	if (run_is_first(c))
		return key_of_ranked(c->run[c->run_at]);
	if (c->queue.count > 0)
		return c->queue.items[0].key;
	return c->let_in < c->count ? c->bound : INFINITY;
}

/* The number of the first of the run; the record of one that comes later is on its way. */
static size_t
take_from_run(SpCandidates *c)
{
	if (c->run_at + LATER < c->run_count)
		__builtin_prefetch(c->records + (uint32_t) c->run[c->run_at + LATER] * c->size);
	return (uint32_t) c->run[c->run_at++];
}

SpStatus
sp_candidates_take(SpCandidates *c, double *key, const void **record)
{
	size_t number;

	if (c->queue.count == 0 && c->run_at == c->run_count && raise_bound(c) != SP_OK)
		return SP_ERR_NO_MEMORY;
	*key = sp_candidates_first(c);
	number = run_is_first(c) ? take_from_run(c) : sp_queue_pop(&c->queue).place;
	*record = c->records + number * c->size;
	return SP_OK;
}

/* As if the queue were in order, which its first one is. */
size_t
sp_candidates_expect(const SpCandidates *c, const void **next, size_t most)
{
	size_t n = 0, run = c->run_at, at = 0;

	for (; n < most && (run < c->run_count || at < c->queue.count); n++)
	{
		bool from_run = at == c->queue.count || (run < c->run_count && key_of_ranked(c->run[run]) <=
		                                                                   c->queue.items[at].key);
		size_t number = from_run ? (uint32_t) c->run[run++] : c->queue.items[at++].place;

		next[n] = c->records + number * c->size;
	}
	return n;
}
