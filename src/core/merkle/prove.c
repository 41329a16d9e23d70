/*
 * src/core/merkle/prove.c
 *	  Inclusion and consistency proofs out of a store of complete nodes.
 *
 * RFC 9162 defines both by splitting a tree at the largest power of two below
 * its size, from the root down.  Each step leaves one range of leaves beside
 * the way, whose root is one hash of the proof.  We go down, note the ranges,
 * take the complete nodes that make them up, ask the store for all of them at
 * once, and join what belongs together.
 *
 * Only the range that is left on the right at the first step to the left is
 * ragged; below it, and to the left of it, every range is one complete node.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/merkle/merkle.h"
#include "core/merkle/tree.h"

/* One range of a proof is ragged: a piece for each bit of a size.  The others are one piece. */
#define MAX_PIECES (SP_MERKLE_MAX_LEVELS + SP_MERKLE_MAX_PROOF)

typedef struct Plan
{
	size_t n_hashes;
	size_t n_pieces;
	int pieces[SP_MERKLE_MAX_PROOF]; /* of each hash, from the root down */
	SpMerkleId ids[MAX_PIECES];
	SpDigest found[MAX_PIECES];
} Plan;

/* The complete nodes that make up leaves begin to end - 1 of a tree, left to right. */
static int
take_range(uint64_t begin, uint64_t end, SpMerkleId *ids)
{
	int n = 0;

	while (begin < end)
	{
		/* begin is a multiple of the range's power of two: bits of the length decide */
		int level = sp_tree_log2(end - begin);

		ids[n++] = (SpMerkleId){level, begin >> level};
		begin += (uint64_t) 1 << level;
	}
	return n;
}

static void
add_range(Plan *plan, uint64_t begin, uint64_t end)
{
	int n = take_range(begin, end, plan->ids + plan->n_pieces);

	plan->pieces[plan->n_hashes++] = n;
	plan->n_pieces += (size_t) n;
}

/* Asks once, and writes the hashes from the leaf up. */
static SpStatus
carry_out(SpSha256 *sha, const SpMerkleStore *store, Plan *plan, SpDigest *proof, size_t *n)
{
	size_t end = plan->n_pieces;
	SpStatus st;

	*n = plan->n_hashes;
	if (plan->n_pieces == 0)
		return SP_OK;
	st = store->fetch(store->host, plan->ids, plan->n_pieces, plan->found);
	for (size_t i = 0; i < plan->n_hashes && st == SP_OK; i++)
	{
		size_t begin = end - (size_t) plan->pieces[plan->n_hashes - 1 - i];

		proof[i] = plan->found[--end];
		while (end > begin && st == SP_OK)
			st = sp_merkle_node_hash(sha, &plan->found[--end], &proof[i], &proof[i]);
	}
	return st;
}

SpStatus
sp_merkle_frontier_load(const SpMerkleStore *store, uint64_t size, SpMerkleFrontier *f)
{
	SpMerkleId ids[SP_MERKLE_MAX_LEVELS];

	if (size > SP_MERKLE_MAX_SIZE)
		return SP_ERR_BAD_ARG;
	*f = (SpMerkleFrontier){.size = size};
	f->count = take_range(0, size, ids);
	return f->count > 0 ? store->fetch(store->host, ids, (size_t) f->count, f->nodes) : SP_OK;
}

SpStatus
sp_merkle_inclusion(SpSha256 *sha, const SpMerkleStore *store, uint64_t index, uint64_t size,
                    SpDigest *proof, size_t *n)
{
	uint64_t begin = 0, end = size;
	Plan plan;

	if (index >= size || size > SP_MERKLE_MAX_SIZE)
		return SP_ERR_BAD_ARG;
	plan.n_hashes = plan.n_pieces = 0;
	while (end - begin > 1)
	{
		uint64_t middle = begin + sp_tree_split(end - begin);

		if (index < middle)
		{
			add_range(&plan, middle, end);
			end = middle;
		}
		else
		{
			add_range(&plan, begin, middle);
			begin = middle;
		}
	}
	return carry_out(sha, store, &plan, proof, n);
}

SpStatus
sp_merkle_consistency(SpSha256 *sha, const SpMerkleStore *store, uint64_t old_size,
                      uint64_t new_size, SpDigest *proof, size_t *n)
{
	uint64_t begin = 0, end = new_size;
	Plan plan;

	if (old_size == 0 || old_size > new_size || new_size > SP_MERKLE_MAX_SIZE)
		return SP_ERR_BAD_ARG;
	plan.n_hashes = plan.n_pieces = 0;
	while (end != old_size)
	{
		uint64_t middle = begin + sp_tree_split(end - begin);

		if (old_size <= middle)
		{
			add_range(&plan, middle, end);
			end = middle;
		}
		else
		{
			add_range(&plan, begin, middle);
			begin = middle;
		}
	}
	/* the verifier knows the old root, but no other node of the old tree */
	if (begin > 0)
		add_range(&plan, begin, end);
	return carry_out(sha, store, &plan, proof, n);
}
