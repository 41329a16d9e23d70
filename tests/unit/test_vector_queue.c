/*
 * tests/unit/test_vector_queue.c
 *	  What comes out of a queue against a sorted array; equal keys by id;
 *	  infinities; no memory.
 */
#include "check.h"

#include "core/vector/queue.h"

static SpQueue
new_queue(void)
{
	return (SpQueue){.env = &check_env};
}

static int
compare_items(const void *a, const void *b)
{
	const SpQueueItem *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static bool
is_same(SpQueueItem a, SpQueueItem b)
{
	return a.key == b.key && a.id == b.id && a.place == b.place;
}

/* No item is less than the one above it. */
static bool
is_heap(const SpQueue *q)
{
	for (size_t i = 1; i < q->count; i++)
		if (sp_queue_is_less(&q->items[i], &q->items[(i - 1) / 2]))
			return false;
	return true;
}

/* Of so many different keys: 1 leaves only ids to tell items apart. */
static SpQueueItem
random_item(size_t id, uint32_t keys)
{
	uint32_t at = check_random() % (keys + 2);
	double key = at == keys ? INFINITY : at == keys + 1 ? -INFINITY : (double) at - keys / 2;

	return (SpQueueItem){key, id, ~(uint64_t) id};
}

/* All in, all out. */
static void
check_sorts(size_t n, uint32_t keys)
{
	SpQueue q = new_queue();
	SpQueueItem *items = malloc((n + 1) * sizeof(*items));

	CHECK(sp_queue_reserve(&q, n) == SP_OK);
	for (size_t i = 0; i < n; i++)
	{
		/* ids come in no order, each once */
		items[i] = random_item(i * 7919 % n, keys);
		sp_queue_push(&q, items[i]);
	}
	CHECK(q.count == n && is_heap(&q));
	qsort(items, n, sizeof(*items), compare_items);
	for (size_t i = 0; i < n; i++)
		CHECK(is_same(sp_queue_pop(&q), items[i]));
	CHECK(q.count == 0);
	sp_queue_free(&q);
	CHECK(q.items == NULL && q.count == 0 && q.room == 0);
	free(items);
}

/* In and out by turns, beside an array of which the least is looked for. */
static void
check_turns(uint32_t keys)
{
	enum
	{
		STEPS = 4000
	};
	SpQueue q = new_queue();
	SpQueueItem *twin = malloc(STEPS * sizeof(*twin));
	size_t n = 0;

	for (size_t step = 0; step < STEPS; step++)
	{
		/* it grows, then shrinks, then grows again */
		uint32_t of_four = step / 1000 % 2 == 0 ? 3 : 1;

		if (check_random() % 4 < of_four)
		{
			CHECK(sp_queue_reserve(&q, 1) == SP_OK);
			twin[n] = random_item(step, keys);
			sp_queue_push(&q, twin[n++]);
		}
		else if (n > 0)
		{
			size_t least = 0;

			for (size_t i = 1; i < n; i++)
				if (compare_items(&twin[i], &twin[least]) < 0)
					least = i;
			CHECK(is_same(q.items[0], twin[least]));
			CHECK(is_same(sp_queue_pop(&q), twin[least]));
			twin[least] = twin[--n];
		}
		CHECK(q.count == n);
	}
	CHECK(is_heap(&q));
	sp_queue_free(&q);
	free(twin);
}

/* Two zeros are one key, the same item twice comes twice, ids may be as large as they can. */
static void
check_ties(void)
{
	SpQueue q = new_queue();

	CHECK(sp_queue_reserve(&q, 6) == SP_OK);
	sp_queue_push(&q, (SpQueueItem){0.0, UINT64_MAX, 1});
	sp_queue_push(&q, (SpQueueItem){0.0, 7, 2});
	sp_queue_push(&q, (SpQueueItem){-0.0, 8, 3});
	sp_queue_push(&q, (SpQueueItem){0.0, 7, 2});
	sp_queue_push(&q, (SpQueueItem){-0.0, 6, 4});
	CHECK(sp_queue_pop(&q).id == 6);
	CHECK(sp_queue_pop(&q).id == 7);
	CHECK(sp_queue_pop(&q).id == 7);
	CHECK(sp_queue_pop(&q).id == 8);
	CHECK(sp_queue_pop(&q).id == UINT64_MAX);
	sp_queue_free(&q);
}

/* What could not grow is as it was, and grows when there is memory again. */
static void
check_no_memory(void)
{
	SpQueue q = new_queue();
	SpQueueItem *before;

	check_allocs_left = 0;
	CHECK(sp_queue_reserve(&q, 1) == SP_ERR_NO_MEMORY);
	CHECK(q.items == NULL && q.count == 0 && q.room == 0);
	CHECK(sp_queue_reserve(&q, 0) == SP_OK);
	check_allocs_left = 1;
	CHECK(sp_queue_reserve(&q, 3) == SP_OK);
	for (uint64_t i = 0; i < 3; i++)
		sp_queue_push(&q, (SpQueueItem){3.0 - (double) i, i, i});
	before = q.items;
	/* room that there is takes no memory, and more of it none of the last allocation */
	CHECK(sp_queue_reserve(&q, q.room - q.count) == SP_OK);
	CHECK(sp_queue_reserve(&q, q.room - q.count + 1) == SP_ERR_NO_MEMORY);
	CHECK(sp_queue_reserve(&q, 100000) == SP_ERR_NO_MEMORY);
	CHECK(q.items == before && q.count == 3);
	check_allocs_left = -1;
	CHECK(sp_queue_reserve(&q, SIZE_MAX) == SP_ERR_NO_MEMORY);
	CHECK(sp_queue_reserve(&q, SIZE_MAX / 2 + 1) == SP_ERR_NO_MEMORY);
	CHECK(sp_queue_reserve(&q, SIZE_MAX / sizeof(SpQueueItem)) == SP_ERR_NO_MEMORY);
	CHECK(q.items == before && q.count == 3);
	CHECK(sp_queue_reserve(&q, 1000) == SP_OK);
	CHECK(q.room >= 1003);
	CHECK(sp_queue_pop(&q).id == 2);
	CHECK(sp_queue_pop(&q).id == 1);
	CHECK(sp_queue_pop(&q).id == 0);
	sp_queue_free(&q);
	sp_queue_free(&q);
}

int
main(void)
{
	for (size_t n = 0; n < 70; n++)
		check_sorts(n, 5);
	check_sorts(5000, 1);
	check_sorts(5000, 100);
	check_sorts(5000, 1000000);
	check_turns(1);
	check_turns(50);
	check_turns(1000000);
	check_ties();
	check_no_memory();
	return check_report();
}
