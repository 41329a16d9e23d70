/*
 * src/core/vector/candidates.h
 *	  Many rows, or lists, of which few will be asked for, the nearest first.
 *
 * A search estimates thousands of rows and takes a hundred.  So rows are kept as
 * they come, and only those up to a bound are put in order; when these have been
 * taken the bound rises far enough to let in about as many again.
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
	float bound;   /* keys up to it have been let in; -INFINITY at first */
	size_t let_in; /* so far */

	/* those that are to be taken, by two ways: what waited when the bound rose, in order
	 * (key and number, see candidates.c), and what came since */
	uint64_t *run; /* [run_count], of which those from run_at on are there */
	size_t run_at, run_count, run_room;
	SpQueue queue; /* place: the number */
} SpCandidates;

/* An empty one.  What it allocates is freed with env's memory, or by sp_candidates_free. */
void sp_candidates_init(SpCandidates *c, const SpEnv *env, size_t size);
void sp_candidates_free(SpCandidates *c);

/* n more: keys[n], NaN counts as nearest, and records[n][size].  SP_ERR_NO_MEMORY. */
SpStatus sp_candidates_add(SpCandidates *c, const float *keys, const void *records, size_t n);

/* No row has a lesser key than this; INFINITY when there are none. */
double sp_candidates_first(const SpCandidates *c);

bool sp_candidates_is_empty(const SpCandidates *c);

/*
 * The key of the nearest, which one of equals is not said, and its record, which
 * stays where it is until more are added; there must be one.  SP_ERR_NO_MEMORY.
 */
SpStatus sp_candidates_take(SpCandidates *c, double *key, const void **record);

/*
 * Records that are likely to be taken next, in this order, if no more are added: next[most];
 * how many.  The first one is, if there is one; 0 when nobody can tell.
 */
size_t sp_candidates_expect(const SpCandidates *c, const void **next, size_t most);

#endif /* SP_VECTOR_CANDIDATES_H */
