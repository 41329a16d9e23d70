/*
 * src/core/vector/queue.h
 *	  What is nearest comes out first: a binary heap.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VECTOR_QUEUE_H
#define SP_VECTOR_QUEUE_H

#include "core/sp_base.h"

typedef struct SpQueueItem
{
	double key;     /* the least comes first; of equals the least id */
	uint64_t id;    /* whose this is */
	uint64_t place; /* what the caller wants to know beside it */
} SpQueueItem;

/* Zeros are an empty queue; env must outlive it. */
typedef struct SpQueue
{
	const SpEnv *env;
	SpQueueItem *items; /* [count], a heap */
	size_t count, room;
} SpQueue;

static inline bool
sp_queue_is_less(const SpQueueItem *a, const SpQueueItem *b)
{
	return a->key < b->key || (a->key == b->key && a->id < b->id);
}

/* Room for n more.  SP_ERR_NO_MEMORY, and the queue stays as it is. */
SpStatus sp_queue_reserve(SpQueue *q, size_t n);

/* Of keys that are no NaN; there must be room. */
void sp_queue_push(SpQueue *q, SpQueueItem item);

/* The queue must not be empty. */
SpQueueItem sp_queue_pop(SpQueue *q);

void sp_queue_free(SpQueue *q);

#endif /* SP_VECTOR_QUEUE_H */
