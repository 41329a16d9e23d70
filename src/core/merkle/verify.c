/*
 * src/core/merkle/verify.c
 *	  Verification of inclusion and consistency proofs.
 *
 * RFC 9162 (2.1.3.2, 2.1.4.2) verifies by shifting indexes while it consumes a
 * proof.  We go down the tree as the prover did (prove.c), note on which side
 * each hash joins, and so know how many there must be before anything is
 * hashed; then we join them from the leaf up.  The result is the same, the
 * length is exact by construction, and the two files can be laid side by side.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/merkle/merkle.h"
#include "core/merkle/tree.h"

#define HINT "The proof is damaged, or it belongs to another entry, size or log."

/* On which side of the way the hash of a step is, from the root down. */
typedef enum Side
{
	RIGHT,      /* beside, on the right */
	LEFT,       /* beside, on the left */
	LEFT_INSIDE /* on the left, and part of the old tree too */
} Side;

typedef struct Way
{
	int n;
	Side sides[64]; /* one for each bit of a size */
} Way;

static SpStatus
refuse(SpFault *fault, const char *why)
{
	return sp_fault(fault, SP_ERR_BAD_DATA, HINT, "%s", why);
}

static SpStatus
check_length(size_t wanted, size_t given, SpFault *fault)
{
	if (wanted == given)
		return SP_OK;
	return sp_fault(fault, SP_ERR_BAD_DATA, HINT, "The proof has %llu hashes, not %llu.",
	                (unsigned long long) given, (unsigned long long) wanted);
}

static SpStatus
check_root(const SpDigest *got, const SpDigest *wanted, const char *which, SpFault *fault)
{
	if (sp_digest_equal(got, wanted))
		return SP_OK;
	return sp_fault(fault, SP_ERR_BAD_DATA, HINT, "The proof leads to another %s.", which);
}

/* Whether leaves start to end - 1 are a subtree; not for none. */
static bool
is_subtree(uint64_t start, uint64_t end)
{
	uint64_t length = end - start;
	int bits = length > 1 ? sp_tree_log2(length - 1) + 1 : 0;

	if (start >= end)
		return false;
	/* no multiple of 2^64 but 0 is a start */
	return bits == 64 ? start == 0 : (start & (((uint64_t) 1 << bits) - 1)) == 0;
}

SpStatus
sp_merkle_verify_subtree_inclusion(SpSha256 *sha, const SpDigest *leaf, uint64_t index,
                                   uint64_t start, uint64_t end, const SpDigest *proof, size_t n,
                                   const SpDigest *root, SpFault *fault)
{
	uint64_t begin = start, stop = end;
	SpDigest sum = *leaf;
	SpStatus st;
	Way way = {0};

	if (!is_subtree(start, end))
		return refuse(fault, "These leaves are no subtree.");
	if (index < start || index >= end)
		return refuse(fault, "The entry lies outside of the tree.");
	while (stop - begin > 1)
	{
		uint64_t middle = begin + sp_tree_split(stop - begin);

		way.sides[way.n++] = index < middle ? RIGHT : LEFT;
		if (index < middle)
			stop = middle;
		else
			begin = middle;
	}
	st = check_length((size_t) way.n, n, fault);
	for (size_t i = 0; i < n && st == SP_OK; i++)
		st = way.sides[--way.n] == RIGHT ? sp_merkle_node_hash(sha, &sum, &proof[i], &sum)
		                                 : sp_merkle_node_hash(sha, &proof[i], &sum, &sum);
	return st == SP_OK ? check_root(&sum, root, "root", fault) : st;
}

SpStatus
sp_merkle_verify_inclusion(SpSha256 *sha, const SpDigest *leaf, uint64_t index, uint64_t size,
                           const SpDigest *proof, size_t n, const SpDigest *root, SpFault *fault)
{
	if (index >= size)
		return refuse(fault, "The entry lies outside of the tree.");
	return sp_merkle_verify_subtree_inclusion(sha, leaf, index, 0, size, proof, n, root, fault);
}

/*
 * From the tree of size down to the subtree.  Returns whether the way ended in
 * the subtree itself, whose root the verifier knows; otherwise it ended in the
 * last of the complete nodes that make the subtree up.
 */
static bool
find_way(uint64_t start, uint64_t end, uint64_t size, Way *way)
{
	uint64_t begin = 0, stop = size;
	bool whole = true;

	while (!(begin == start && stop == end))
	{
		uint64_t middle = begin + sp_tree_split(stop - begin);

		if (end <= middle)
		{
			way->sides[way->n++] = RIGHT;
			stop = middle;
			continue;
		}
		/* across the middle: what is left of it is part of the subtree, and goes on apart */
		if (start < middle)
		{
			way->sides[way->n++] = LEFT_INSIDE;
			start = middle;
			whole = false;
		}
		else
			way->sides[way->n++] = LEFT;
		begin = middle;
	}
	return whole;
}

static SpStatus
verify_empty_subtree(SpSha256 *sha, size_t n, const SpDigest *subtree_root, SpFault *fault)
{
	SpDigest empty;
	SpStatus st = check_length(0, n, fault);

	if (st == SP_OK)
		st = sp_sha256_run(sha, NULL, 0, &empty);
	return st == SP_OK ? check_root(&empty, subtree_root, "subtree", fault) : st;
}

SpStatus
sp_merkle_verify_subtree_consistency(SpSha256 *sha, uint64_t start, uint64_t end, uint64_t size,
                                     const SpDigest *proof, size_t n, const SpDigest *subtree_root,
                                     const SpDigest *root, SpFault *fault)
{
	SpDigest inner, outer;
	Way way = {0};
	bool whole;
	SpStatus st;

	if (end > size)
		return refuse(fault, "The old tree is larger than the new one.");
	if (start == end)
		return verify_empty_subtree(sha, n, subtree_root, fault);
	if (!is_subtree(start, end))
		return refuse(fault, "These leaves are no subtree.");
	whole = find_way(start, end, size, &way);
	st = check_length((size_t) way.n + (whole ? 0 : 1), n, fault);
	if (st != SP_OK)
		return st;
	inner = outer = whole ? *subtree_root : proof[0];
	for (size_t i = whole ? 0 : 1; i < n && st == SP_OK; i++)
	{
		Side side = way.sides[--way.n];

		if (side == LEFT_INSIDE)
			st = sp_merkle_node_hash(sha, &proof[i], &inner, &inner);
		if (st == SP_OK)
			st = side == RIGHT ? sp_merkle_node_hash(sha, &outer, &proof[i], &outer)
			                   : sp_merkle_node_hash(sha, &proof[i], &outer, &outer);
	}
	if (st == SP_OK)
		st = check_root(&inner, subtree_root, "old root", fault);
	return st == SP_OK ? check_root(&outer, root, "new root", fault) : st;
}

SpStatus
sp_merkle_verify_consistency(SpSha256 *sha, uint64_t old_size, uint64_t new_size,
                             const SpDigest *proof, size_t n, const SpDigest *old_root,
                             const SpDigest *new_root, SpFault *fault)
{
	if (old_size == 0)
		return refuse(fault, "A proof that a log continues an empty one says nothing.");
	return sp_merkle_verify_subtree_consistency(sha, 0, old_size, new_size, proof, n, old_root,
	                                            new_root, fault);
}
