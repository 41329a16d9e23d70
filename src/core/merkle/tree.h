/*
 * src/core/merkle/tree.h
 *	  Where RFC 9162 splits a tree; shared by proving and verifying.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_MERKLE_TREE_H
#define SP_MERKLE_TREE_H

#include <stdint.h>

/* The largest k with 2^k <= n; n > 0. */
static inline int
sp_tree_log2(uint64_t n)
{
	return 63 - __builtin_clzll(n);
}

/* Section 2.1.1: the largest power of two that is smaller than n; n > 1. */
static inline uint64_t
sp_tree_split(uint64_t n)
{
	return (uint64_t) 1 << sp_tree_log2(n - 1);
}

#endif /* SP_MERKLE_TREE_H */
