/*
 * tests/fuzz/fuzz_proof.c
 *	  libFuzzer: proofs and frontiers of any numbers and lengths; accepted is
 *	  what the algorithms of RFC 9162, as they stand there, accept.
 *
 * Input: three numbers of 8 bytes, a byte that says what to spoil, and the hashes
 * of a proof.  The roots are what the RFC's algorithm computes from the proof,
 * so that many proofs hold.
 */
#include <assert.h>
#include <string.h>

#include "core/merkle/merkle.h"
#include "host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_PROOF 80

static SpSha256 *sha;

static SpDigest
node(SpDigest left, SpDigest right)
{
	SpDigest out;

	assert(sp_merkle_node_hash(sha, &left, &right, &out) == SP_OK);
	return out;
}

/* Section 2.1.3.2: whether the proof is of that length, and where it leads. */
static bool
follow_inclusion(uint64_t index, uint64_t size, const SpDigest *proof, size_t n, SpDigest *r)
{
	uint64_t fn = index, sn = size - 1;

	if (index >= size)
		return false;
	for (size_t i = 0; i < n; i++)
	{
		if (sn == 0)
			return false;
		if ((fn & 1) != 0 || fn == sn)
		{
			*r = node(proof[i], *r);
			while ((fn & 1) == 0 && fn != 0)
			{
				fn >>= 1;
				sn >>= 1;
			}
		}
		else
			*r = node(*r, proof[i]);
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0;
}

/* Section 2.1.4.2, for first < second; first_root is in *fr when first is a power of two. */
static bool
follow_consistency(uint64_t first, uint64_t second, const SpDigest *proof, size_t n, SpDigest *fr,
                   SpDigest *sr)
{
	uint64_t fn = first - 1, sn = second - 1;
	size_t i = 0;

	if (n == 0)
		return false;
	if ((first & (first - 1)) != 0)
		*fr = proof[i++];
	*sr = *fr;
	while ((fn & 1) != 0)
	{
		fn >>= 1;
		sn >>= 1;
	}
	for (; i < n; i++)
	{
		if (sn == 0)
			return false;
		if ((fn & 1) != 0 || fn == sn)
		{
			*fr = node(proof[i], *fr);
			*sr = node(proof[i], *sr);
			while ((fn & 1) == 0 && fn != 0)
			{
				fn >>= 1;
				sn >>= 1;
			}
		}
		else
			*sr = node(*sr, proof[i]);
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0;
}

static void
try_inclusion(uint64_t index, uint64_t size, const SpDigest *proof, size_t n, uint8_t spoil)
{
	SpDigest leaf = {{1, 2, 3}}, root = leaf;
	bool holds = follow_inclusion(index, size, proof, n, &root);
	SpFault fault = {"", ""};
	SpStatus st;

	if ((spoil & 1) != 0)
	{
		root.bytes[spoil % SP_DIGEST_BYTES] ^= spoil;
		holds = false;
	}
	st = sp_merkle_verify_inclusion(sha, &leaf, index, size, proof, n, &root, &fault);
	assert(st == (holds ? SP_OK : SP_ERR_BAD_DATA) && (holds || fault.detail[0] != '\0'));
}

static void
try_consistency(uint64_t first, uint64_t second, const SpDigest *proof, size_t n, uint8_t spoil)
{
	SpDigest fr = {{4, 5, 6}}, sr = fr;
	bool holds;

	if (first == 0 || first > second)
		holds = false;
	else if (first == second)
		holds = n == 0;
	else
		holds = follow_consistency(first, second, proof, n, &fr, &sr);
	if ((spoil & 3) == 3)
	{
		(spoil & 4 ? &fr : &sr)->bytes[spoil % SP_DIGEST_BYTES] ^= spoil;
		holds = false;
	}
	assert(sp_merkle_verify_consistency(sha, first, second, proof, n, &fr, &sr, NULL) ==
	       (holds ? SP_OK : SP_ERR_BAD_DATA));
}

static uint64_t
number(const uint8_t *p)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 8 | p[i];
	return value;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bytes[SP_MERKLE_FRONTIER_BYTES];
	SpDigest proof[MAX_PROOF], any = {{7}};
	uint64_t a, b, c;
	SpMerkleFrontier f;
	size_t n;

	if (size < 25)
		return 0;
	assert(sp_sha256_new(&env, &sha) == SP_OK);
	a = number(data);
	b = number(data + 8);
	c = number(data + 16);
	n = (size - 25) / SP_DIGEST_BYTES < MAX_PROOF ? (size - 25) / SP_DIGEST_BYTES : MAX_PROOF;
	if (n > 0)
		memcpy(proof, data + 25, n * SP_DIGEST_BYTES);
	try_inclusion(a, b, proof, n, data[24]);
	try_consistency(a, b, proof, n, data[24]);
	(void) sp_merkle_verify_subtree_inclusion(sha, &any, c, a, b, proof, n, &any, NULL);
	(void) sp_merkle_verify_subtree_consistency(sha, a, b, c, proof, n, &any, &any, NULL);
	if (sp_merkle_frontier_read(data, size, &f) == SP_OK)
		assert(sp_merkle_frontier_write(&f, bytes) == size && memcmp(bytes, data, size) == 0);
	sp_sha256_free(sha);
	return 0;
}
