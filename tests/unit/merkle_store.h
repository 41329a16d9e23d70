/*
 * tests/unit/merkle_store.h
 *	  Complete nodes of a tree in memory, level by level, for the tests of proofs.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef MERKLE_STORE_H
#define MERKLE_STORE_H

#include "check.h"
#include "core/merkle/merkle.h"

typedef struct MemoryStore
{
	SpDigest *levels[SP_MERKLE_MAX_LEVELS];
	uint64_t counts[SP_MERKLE_MAX_LEVELS];
	uint64_t capacity; /* leaves */
	uint64_t n_fetched;
	int n_calls;
	int fail_at; /* the call that fails; 0: none */
} MemoryStore;

static inline void
memory_store_init(MemoryStore *m, uint64_t capacity)
{
	memset(m, 0, sizeof(*m));
	m->capacity = capacity;
	for (int i = 0; i < SP_MERKLE_MAX_LEVELS && capacity >> i > 0; i++)
		m->levels[i] = malloc((size_t) (capacity >> i) * sizeof(SpDigest));
}

static inline void
memory_store_free(MemoryStore *m)
{
	for (int i = 0; i < SP_MERKLE_MAX_LEVELS; i++)
		free(m->levels[i]);
}

/* Nodes come in the order in which they become complete. */
static inline void
memory_store_keep(MemoryStore *m, const SpMerkleNode *nodes, int n)
{
	for (int i = 0; i < n; i++)
	{
		int level = nodes[i].id.level;

		CHECK(nodes[i].id.index == m->counts[level] && m->levels[level] != NULL);
		m->levels[level][m->counts[level]++] = nodes[i].hash;
	}
}

static inline SpStatus
memory_store_fetch(void *host, const SpMerkleId *ids, size_t n, SpDigest *out)
{
	MemoryStore *m = host;

	m->n_calls++;
	m->n_fetched += n;
	if (m->n_calls == m->fail_at)
		return SP_ERR_IO;
	for (size_t i = 0; i < n; i++)
	{
		if (ids[i].level < 0 || ids[i].level >= SP_MERKLE_MAX_LEVELS ||
		    ids[i].index >= m->counts[ids[i].level])
			return SP_ERR_BAD_DATA;
		out[i] = m->levels[ids[i].level][ids[i].index];
	}
	return SP_OK;
}

static inline SpMerkleStore
memory_store(MemoryStore *m)
{
	return (SpMerkleStore){memory_store_fetch, m};
}

/* Leaf hashes that differ, appended and stored; frontier and leaves are the caller's. */
static inline void
memory_store_grow(SpSha256 *sha, MemoryStore *m, SpMerkleFrontier *f, SpDigest *leaves, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		uint64_t seed = f->size;
		SpMerkleNode stored[SP_MERKLE_MAX_LEVELS];
		int n_stored = 0;

		CHECK(sp_merkle_leaf_hash(sha, &seed, sizeof(seed), &leaves[i]) == SP_OK);
		CHECK(sp_merkle_append(sha, f, &leaves[i], stored, &n_stored) == SP_OK);
		CHECK(n_stored == sp_merkle_completed(seed));
		memory_store_keep(m, stored, n_stored);
	}
}

#endif /* MERKLE_STORE_H */
