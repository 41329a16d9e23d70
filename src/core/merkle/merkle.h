/*
 * src/core/merkle/merkle.h
 *	  The Merkle tree of RFC 6962 and RFC 9162 over an append-only log: appending,
 *	  roots, inclusion and consistency proofs, and their verification.
 *
 * Words.  A log is a sequence of leaves, numbered from 0.  Its tree at size n
 * covers leaves 0 to n - 1.  Leaf hashes are level 0; the node (level, index)
 * covers the leaves from index * 2^level, 2^level of them, and is complete:
 * once those leaves exist it never changes.  The frontier of a tree is the
 * roots of the largest complete subtrees that make it up, one for each bit of
 * its size: all that is needed to append, and to tell the root.  A store is
 * whatever keeps complete nodes: a table, or an array.
 *
 * Only complete nodes are stored.  What hangs on the ragged right edge is
 * computed from them when a proof needs it, so that proofs can be made for
 * any size that the log ever had.
 *
 * A SpSha256 is passed in by whoever keeps one (core/crypto/sha256.h).  All
 * functions may return SP_ERR_NO_MEMORY, as that says; nothing here allocates.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_MERKLE_MERKLE_H
#define SP_MERKLE_MERKLE_H

#include "core/crypto/sha256.h"

/* Leaves of a log: what a bigint of SQL and an integer of JSON can count. */
#define SP_MERKLE_MAX_SIZE ((uint64_t) INT64_MAX)

/* Bits of such a size; levels are 0 to SP_MERKLE_MAX_LEVELS - 1. */
#define SP_MERKLE_MAX_LEVELS 63

/* Hashes of the longest proof: a path of 63, and the node that it starts from. */
#define SP_MERKLE_MAX_PROOF 64

/* --- hashes: RFC 9162, section 2.1.1 ---------------------------------------- */

/* SHA-256(0x00 || leaf), of n bytes; leaf may be NULL when n is 0. */
SpStatus sp_merkle_leaf_hash(SpSha256 *sha, const void *leaf, size_t n, SpDigest *out);

/* SHA-256(0x01 || left || right); out may be either of them. */
SpStatus sp_merkle_node_hash(SpSha256 *sha, const SpDigest *left, const SpDigest *right,
                             SpDigest *out);

/* --- appending ---------------------------------------------------------------- */

/* Plain data: copy it as you like.  {0} is the tree of size 0. */
typedef struct SpMerkleFrontier
{
	uint64_t size;
	int count; /* bits that are set in size */
	/* largest subtree, which is the leftmost, first */
	SpDigest nodes[SP_MERKLE_MAX_LEVELS];
} SpMerkleFrontier;

typedef struct SpMerkleId
{
	int level;
	uint64_t index;
} SpMerkleId;

typedef struct SpMerkleNode
{
	SpMerkleId id;
	SpDigest hash;
} SpMerkleNode;

/* How many nodes become complete with leaf i: 1 and the 1-bits that i ends in. */
int sp_merkle_completed(uint64_t i);

/*
 * Append a leaf by its leaf hash.  The nodes that become complete with it, all
 * of which the store must keep, are written to stored, lowest level first, the
 * leaf itself included; *n_stored is their number, that of
 * sp_merkle_completed(size before).  stored has room for SP_MERKLE_MAX_LEVELS
 * nodes, or both are NULL.  SP_ERR_TOO_LARGE: the log is full.  After a failure
 * the frontier is what it was.
 */
SpStatus sp_merkle_append(SpSha256 *sha, SpMerkleFrontier *f, const SpDigest *leaf,
                          SpMerkleNode *stored, int *n_stored);

/* MTH of RFC 9162, section 2.1.1.  The root of size 0 is the SHA-256 of nothing. */
SpStatus sp_merkle_root(SpSha256 *sha, const SpMerkleFrontier *f, SpDigest *out);

/*
 * A frontier as bytes: its size, 8 bytes big-endian, and its hashes.  write
 * returns how many of out, of SP_MERKLE_FRONTIER_BYTES, it has used.  read
 * takes exactly what write made (SP_ERR_BAD_DATA: n is not the length that the
 * size asks for, or the size is too large); hashes can not be checked.
 */
#define SP_MERKLE_FRONTIER_BYTES (8 + SP_MERKLE_MAX_LEVELS * SP_DIGEST_BYTES)
size_t sp_merkle_frontier_write(const SpMerkleFrontier *f, uint8_t *out);
SpStatus sp_merkle_frontier_read(const uint8_t *data, size_t n, SpMerkleFrontier *f);

/* --- proofs out of a store ------------------------------------------------------ */

/*
 * fetch writes the hashes of n complete nodes, out[i] that of ids[i]; it is
 * called once for a proof, so that a table is asked once.  It returns SP_OK, or
 * a status that the function called with the store then returns (say,
 * SP_ERR_BAD_DATA for a node that should be there and is not).
 */
typedef struct SpMerkleStore
{
	SpStatus (*fetch)(void *host, const SpMerkleId *ids, size_t n, SpDigest *out);
	void *host;
} SpMerkleStore;

/*
 * The frontier at any size that the log has or had.  Asks for no node when
 * size is 0.  SP_ERR_BAD_ARG: size > SP_MERKLE_MAX_SIZE.
 */
SpStatus sp_merkle_frontier_load(const SpMerkleStore *store, uint64_t size, SpMerkleFrontier *f);

/*
 * PATH(index, D_size) of RFC 9162, section 2.1.3.1: the hashes into proof, of
 * SP_MERKLE_MAX_PROOF, nearest to the leaf first; their number into *n.
 * SP_ERR_BAD_ARG unless index < size <= SP_MERKLE_MAX_SIZE.
 */
SpStatus sp_merkle_inclusion(SpSha256 *sha, const SpMerkleStore *store, uint64_t index,
                             uint64_t size, SpDigest *proof, size_t *n);

/*
 * PROOF(old_size, D_new_size) of RFC 9162, section 2.1.4.1, as above.
 * SP_ERR_BAD_ARG unless 0 < old_size <= new_size <= SP_MERKLE_MAX_SIZE: a proof
 * from the empty tree is not defined, as every tree continues it.
 */
SpStatus sp_merkle_consistency(SpSha256 *sha, const SpMerkleStore *store, uint64_t old_size,
                               uint64_t new_size, SpDigest *proof, size_t *n);

/* --- verification ----------------------------------------------------------------- */

/*
 * SP_OK when the proof holds.  SP_ERR_BAD_DATA when it does not, with a fault
 * that says why: numbers that fit no tree, not exactly as many hashes as they
 * ask for, or another root than the one given.  Sizes are any 64-bit number,
 * proofs of any length (proof may be NULL when n is 0).
 */

/* RFC 9162, section 2.1.3.2: leaf (a leaf hash) is at index of the tree of size. */
SpStatus sp_merkle_verify_inclusion(SpSha256 *sha, const SpDigest *leaf, uint64_t index,
                                    uint64_t size, const SpDigest *proof, size_t n,
                                    const SpDigest *root, SpFault *fault);

/*
 * RFC 9162, section 2.1.4.2: the tree of new_size continues that of old_size.
 * An old_size of 0 is refused: such a proof says nothing.
 */
SpStatus sp_merkle_verify_consistency(SpSha256 *sha, uint64_t old_size, uint64_t new_size,
                                      const SpDigest *proof, size_t n, const SpDigest *old_root,
                                      const SpDigest *new_root, SpFault *fault);

/*
 * Subtrees as draft-ietf-plants-merkle-tree-certs has them (section "Subtrees"):
 * leaves from start to end - 1, where start is a multiple of the smallest power
 * of two that is not below end - start.
 *
 * Inclusion: leaf is at index (counted from the log's begin) of a subtree that
 * has the given root.  Consistency: the subtree is part of the tree of size;
 * an empty one (start = end) is part of every tree, whatever its root, when its
 * own root is the empty tree's and the proof is empty.
 */
SpStatus sp_merkle_verify_subtree_inclusion(SpSha256 *sha, const SpDigest *leaf, uint64_t index,
                                            uint64_t start, uint64_t end, const SpDigest *proof,
                                            size_t n, const SpDigest *root, SpFault *fault);
SpStatus sp_merkle_verify_subtree_consistency(SpSha256 *sha, uint64_t start, uint64_t end,
                                              uint64_t size, const SpDigest *proof, size_t n,
                                              const SpDigest *subtree_root, const SpDigest *root,
                                              SpFault *fault);

#endif /* SP_MERKLE_MERKLE_H */
