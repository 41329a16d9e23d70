/*
 * src/core/vector/queue.c
 *	  A binary heap.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/queue.h"

#include <string.h>

SpStatus
sp_queue_reserve(SpQueue *q, size_t n)
{
	size_t room = q->room;
	SpQueueItem *items;

	if (n <= q->room - q->count)
		return SP_OK;
	/* what is doubled below must not overflow */
	if (n > SIZE_MAX / 4 - q->count)
		return SP_ERR_NO_MEMORY;
	while (room - q->count < n)
		room = room < 64 ? 64 : 2 * room;
	items = sp_alloc(q->env, room, sizeof(*items));
	if (items == NULL)
		return SP_ERR_NO_MEMORY;
	if (q->count > 0)
		memcpy(items, q->items, q->count * sizeof(*items));
	sp_free(q->env, q->items);
	q->items = items;
	q->room = room;
	return SP_OK;
}

void
sp_queue_push(SpQueue *q, SpQueueItem item)
{
	SpQueueItem *items = q->items;
	size_t at = q->count++;

	while (at > 0 && sp_queue_is_less(&item, &items[(at - 1) / 2]))
	{
		items[at] = items[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	items[at] = item;
}

/*
 * The hole goes down to a leaf along the lesser children, and the last item up
 * from there: it comes from the bottom, where it mostly belongs (Wegener 1993).
 */
SpQueueItem
sp_queue_pop(SpQueue *q)
{
	SpQueueItem *items = q->items, first = items[0], last = items[--q->count];
	size_t n = q->count, hole = 0;

	for (size_t child = 1; child < n; child = 2 * hole + 1)
	{
		child += child + 1 < n && sp_queue_is_less(&items[child + 1], &items[child]);
		items[hole] = items[child];
		hole = child;
	}
	for (; hole > 0 && sp_queue_is_less(&last, &items[(hole - 1) / 2]); hole = (hole - 1) / 2)
		items[hole] = items[(hole - 1) / 2];
	items[hole] = last;
	return first;
}

void
sp_queue_free(SpQueue *q)
{
	sp_free(q->env, q->items);
	q->items = NULL;
	q->count = q->room = 0;
}
