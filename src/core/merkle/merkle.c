/*
 * src/core/merkle/merkle.c
 *	  Hashes of leaves and nodes, appending to a frontier, roots.
 *
 * Appending is addition by one in binary: a new leaf is a subtree of one leaf,
 * and as long as the frontier ends in a subtree of the same size, the two make
 * one of twice the size (RFC 9162, section 2.1.2, says the same).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/merkle/merkle.h"

#include <string.h>

/* RFC 9162, section 2.1.1: a leaf can not be taken for a node, nor a node for a leaf. */
#define LEAF_PREFIX 0x00
#define NODE_PREFIX 0x01

SpStatus
sp_merkle_leaf_hash(SpSha256 *sha, const void *leaf, size_t n, SpDigest *out)
{
	uint8_t prefix = LEAF_PREFIX;
	SpStatus st = sp_sha256_begin(sha);

	if (st == SP_OK)
		st = sp_sha256_add(sha, &prefix, 1);
	if (st == SP_OK)
		st = sp_sha256_add(sha, leaf, n);
	if (st == SP_OK)
		st = sp_sha256_end(sha, out);
	return st;
}

SpStatus
sp_merkle_node_hash(SpSha256 *sha, const SpDigest *left, const SpDigest *right, SpDigest *out)
{
	uint8_t node[1 + 2 * SP_DIGEST_BYTES] = {NODE_PREFIX};

	memcpy(node + 1, left->bytes, SP_DIGEST_BYTES);
	memcpy(node + 1 + SP_DIGEST_BYTES, right->bytes, SP_DIGEST_BYTES);
	return sp_sha256_run(sha, node, sizeof(node), out);
}

int
sp_merkle_completed(uint64_t i)
{
	return i == UINT64_MAX ? 65 : __builtin_ctzll(~i) + 1;
}

SpStatus
sp_merkle_append(SpSha256 *sha, SpMerkleFrontier *f, const SpDigest *leaf, SpMerkleNode *stored,
                 int *n_stored)
{
	int levels = sp_merkle_completed(f->size), kept = f->count;
	SpDigest sum = *leaf;

	if (f->size >= SP_MERKLE_MAX_SIZE)
		return SP_ERR_TOO_LARGE;
	for (int level = 0; level < levels; level++)
	{
		SpStatus st = level > 0 ? sp_merkle_node_hash(sha, &f->nodes[--kept], &sum, &sum) : SP_OK;

		if (st != SP_OK)
			return st;
		if (stored != NULL)
			stored[level] = (SpMerkleNode){{level, f->size >> level}, sum};
	}
	if (stored != NULL)
		*n_stored = levels;
	f->nodes[kept] = sum;
	f->count = kept + 1;
	f->size++;
	return SP_OK;
}

SpStatus
sp_merkle_root(SpSha256 *sha, const SpMerkleFrontier *f, SpDigest *out)
{
	SpStatus st = SP_OK;

	if (f->count == 0)
		return sp_sha256_run(sha, NULL, 0, out);
	*out = f->nodes[f->count - 1];
	for (int i = f->count - 2; i >= 0 && st == SP_OK; i--)
		st = sp_merkle_node_hash(sha, &f->nodes[i], out, out);
	return st;
}

size_t
sp_merkle_frontier_write(const SpMerkleFrontier *f, uint8_t *out)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t) (f->size >> (56 - 8 * i));
	memcpy(out + 8, f->nodes, (size_t) f->count * SP_DIGEST_BYTES);
	return 8 + (size_t) f->count * SP_DIGEST_BYTES;
}

SpStatus
sp_merkle_frontier_read(const uint8_t *data, size_t n, SpMerkleFrontier *f)
{
	uint64_t size = 0;
	size_t count;

	if (n < 8)
		return SP_ERR_BAD_DATA;
	for (int i = 0; i < 8; i++)
		size = size << 8 | data[i];
	count = (size_t) __builtin_popcountll(size);
	if (size > SP_MERKLE_MAX_SIZE || n != 8 + count * SP_DIGEST_BYTES)
		return SP_ERR_BAD_DATA;
	memset(f, 0, sizeof(*f));
	f->size = size;
	f->count = (int) count;
	memcpy(f->nodes, data + 8, count * SP_DIGEST_BYTES);
	return SP_OK;
}
