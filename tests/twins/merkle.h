/*
 * tests/twins/merkle.h
 *	  The definitions of RFC 9162, section 2.1, as recursion over an array.
 *
 * D_n is an array of leaf hashes; MTH of one leaf is its hash.  SUBTREE_PROOF is
 * that of draft-ietf-plants-merkle-tree-certs, of which PROOF is the case
 * start = 0.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TWIN_MERKLE_H
#define TWIN_MERKLE_H

#include "core/crypto/sha256.h"

SpDigest twin_merkle_leaf(const void *data, size_t n);
SpDigest twin_merkle_root(const SpDigest *d, size_t n);

/* Into proof, which is large enough; how many. */
size_t twin_merkle_path(size_t m, const SpDigest *d, size_t n, SpDigest *proof);
size_t twin_merkle_proof(size_t start, size_t end, const SpDigest *d, size_t n, SpDigest *proof);

#endif /* TWIN_MERKLE_H */
