/*
 * src/core/vector/candidates.h
 *	  Many rows, or lists, of which few will be asked for, the nearest first.
 *
 * A search estimates thousands of rows and takes a hundred.  So rows are kept as
 * they come, and only those up to a bound wait in a queue; when it is empty the
 * bound rises far enough to let in about as many again.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VECTOR_CANDIDATES_H
#define SP_VECTOR_CANDIDATES_H

#include "core/vector/queue.h"

/* Zeros but for env and size are an empty one; env must outlive it. */
typedef struct SpCandidates
{
	const SpEnv *env;
	size_t size;   /* of a record, in bytes */
	float *keys;   /* [count] */
	char *records; /* [count][size] */
	size_t count, room;
	float bound;   /* keys up to it have been queued; -INFINITY at first */
	size_t queued; /* so far */
	SpQueue queue; /* place: which one */
} SpCandidates;

/* An empty one.  What it allocates is freed with env's memory, or by sp_candidates_free. */
void sp_candidates_init(SpCandidates *c, const SpEnv *env, size_t size);
void sp_candidates_free(SpCandidates *c);

/*
 * n more: keys[n], NaN counts as nearest, and records[n][size].  id tells rows of
 * equal keys apart.  SP_ERR_NO_MEMORY.
 */
SpStatus sp_candidates_add(SpCandidates *c, const float *keys, const char *records, size_t n,
                           uint64_t (*id)(const char *record));

/* No row has a lesser key than this; INFINITY when there are none. */
double sp_candidates_first(const SpCandidates *c);

bool sp_candidates_is_empty(const SpCandidates *c);

/* The nearest, with its place among the records; there must be one.  SP_ERR_NO_MEMORY. */
SpStatus sp_candidates_take(SpCandidates *c, uint64_t (*id)(const char *record), SpQueueItem *out);

#endif /* SP_VECTOR_CANDIDATES_H */
