/*
 * tests/twins/merkle.c
 *	  Merkle trees by their definition: slow, and plain to see.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "twins/merkle.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static SpDigest
hash(const uint8_t *data, size_t n)
{
	SpDigest out;

	if (EVP_Digest(data, n, out.bytes, NULL, EVP_sha256(), NULL) != 1)
		abort();
	return out;
}

static SpDigest
node(SpDigest left, SpDigest right)
{
	uint8_t data[65] = {1};

	memcpy(data + 1, left.bytes, 32);
	memcpy(data + 33, right.bytes, 32);
	return hash(data, sizeof(data));
}

SpDigest
twin_merkle_leaf(const void *data, size_t n)
{
	uint8_t *copy = malloc(n + 1);
	SpDigest out;

	if (copy == NULL)
		abort();
	copy[0] = 0;
	if (n > 0)
		memcpy(copy + 1, data, n);
	out = hash(copy, n + 1);
	free(copy);
	return out;
}

/* The largest power of two smaller than n. */
static size_t
split(size_t n)
{
	size_t k = 1;

	while (k * 2 < n)
		k *= 2;
	return k;
}

SpDigest
twin_merkle_root(const SpDigest *d, size_t n)
{
	size_t k = split(n);

	if (n == 0)
		return hash((const uint8_t *) "", 0);
	if (n == 1)
		return d[0];
	return node(twin_merkle_root(d, k), twin_merkle_root(d + k, n - k));
}

size_t
twin_merkle_path(size_t m, const SpDigest *d, size_t n, SpDigest *proof)
{
	size_t k = split(n), length;

	if (n == 1)
		return 0;
	if (m < k)
	{
		length = twin_merkle_path(m, d, k, proof);
		proof[length] = twin_merkle_root(d + k, n - k);
	}
	else
	{
		length = twin_merkle_path(m - k, d + k, n - k, proof);
		proof[length] = twin_merkle_root(d, k);
	}
	return length + 1;
}

/* b: whether the verifier knows this subtree's root. */
static size_t
subproof(size_t start, size_t end, const SpDigest *d, size_t n, bool b, SpDigest *proof)
{
	size_t k = split(n), length;

	if (start == 0 && end == n)
	{
		if (b)
			return 0;
		proof[0] = twin_merkle_root(d, n);
		return 1;
	}
	if (end <= k)
	{
		length = subproof(start, end, d, k, b, proof);
		proof[length] = twin_merkle_root(d + k, n - k);
	}
	else if (k <= start)
	{
		length = subproof(start - k, end - k, d + k, n - k, b, proof);
		proof[length] = twin_merkle_root(d, k);
	}
	else
	{
		length = subproof(0, end - k, d + k, n - k, false, proof);
		proof[length] = twin_merkle_root(d, k);
	}
	return length + 1;
}

size_t
twin_merkle_proof(size_t start, size_t end, const SpDigest *d, size_t n, SpDigest *proof)
{
	return subproof(start, end, d, n, true, proof);
}
