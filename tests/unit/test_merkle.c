/*
 * tests/unit/test_merkle.c
 *	  Merkle trees: the example of RFC 9162, section 2.1.5, and every tree up
 *	  to 70 leaves, random ones up to 3,000, against the definitions.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "merkle_store.h"
#include "twins/merkle.h"

#define MAX_LEAVES 3000

static SpSha256 *sha;

static bool
is(SpDigest a, SpDigest b)
{
	return sp_digest_equal(&a, &b);
}

static SpDigest
join(SpDigest left, SpDigest right)
{
	SpDigest out;

	CHECK(sp_merkle_node_hash(sha, &left, &right, &out) == SP_OK);
	return out;
}

/* FIPS 180-4: the hashes of "abc" and of nothing, as NIST publishes them. */
static void
test_sha256(void)
{
	static const uint8_t abc[4] = {0xba, 0x78, 0x16, 0xbf}, none[4] = {0xe3, 0xb0, 0xc4, 0x42};
	SpDigest a, b;

	CHECK(sp_sha256_run(sha, "abc", 3, &a) == SP_OK && memcmp(a.bytes, abc, 4) == 0);
	CHECK(sp_sha256_run(sha, NULL, 0, &b) == SP_OK && memcmp(b.bytes, none, 4) == 0);
	CHECK(sp_sha256_begin(sha) == SP_OK && sp_sha256_add(sha, "x", 1) == SP_OK);
	/* a message that was given up leaves nothing behind */
	CHECK(sp_sha256_begin(sha) == SP_OK && sp_sha256_add(sha, "ab", 2) == SP_OK &&
	      sp_sha256_add(sha, NULL, 0) == SP_OK && sp_sha256_add(sha, "c", 1) == SP_OK &&
	      sp_sha256_end(sha, &b) == SP_OK);
	CHECK(is(a, b));
	sp_sha256_free(NULL);
}

/*
 * The tree of seven leaves: a to d are the hashes of d0 to d3, e, f, j those of
 * d4, d5, d6; g = (a, b), h = (c, d), i = (e, f), k = (g, h), l = (i, j).
 */
static void
test_rfc_example(void)
{
	SpDigest d[7], root, proof[SP_MERKLE_MAX_PROOF], g, h, i, k, l;
	SpMerkleFrontier f = {0};
	MemoryStore memory;
	SpMerkleStore store = memory_store(&memory);
	size_t n;

	memory_store_init(&memory, 7);
	memory_store_grow(sha, &memory, &f, d, 7);
	g = join(d[0], d[1]);
	h = join(d[2], d[3]);
	i = join(d[4], d[5]);
	k = join(g, h);
	l = join(i, d[6]);
	CHECK(sp_merkle_root(sha, &f, &root) == SP_OK && is(root, join(k, l)));

	CHECK(sp_merkle_inclusion(sha, &store, 0, 7, proof, &n) == SP_OK && n == 3);
	CHECK(is(proof[0], d[1]) && is(proof[1], h) && is(proof[2], l));
	CHECK(sp_merkle_inclusion(sha, &store, 3, 7, proof, &n) == SP_OK && n == 3);
	CHECK(is(proof[0], d[2]) && is(proof[1], g) && is(proof[2], l));
	CHECK(sp_merkle_inclusion(sha, &store, 4, 7, proof, &n) == SP_OK && n == 3);
	CHECK(is(proof[0], d[5]) && is(proof[1], d[6]) && is(proof[2], k));
	CHECK(sp_merkle_inclusion(sha, &store, 6, 7, proof, &n) == SP_OK && n == 2);
	CHECK(is(proof[0], i) && is(proof[1], k));

	CHECK(sp_merkle_consistency(sha, &store, 3, 7, proof, &n) == SP_OK && n == 4);
	CHECK(is(proof[0], d[2]) && is(proof[1], d[3]) && is(proof[2], g) && is(proof[3], l));
	CHECK(sp_merkle_consistency(sha, &store, 4, 7, proof, &n) == SP_OK && n == 1);
	CHECK(is(proof[0], l));
	CHECK(sp_merkle_consistency(sha, &store, 6, 7, proof, &n) == SP_OK && n == 3);
	CHECK(is(proof[0], i) && is(proof[1], d[6]) && is(proof[2], k));
	CHECK(sp_merkle_consistency(sha, &store, 7, 7, proof, &n) == SP_OK && n == 0);
	memory_store_free(&memory);
}

static void
test_limits(void)
{
	SpMerkleFrontier f = {.size = SP_MERKLE_MAX_SIZE, .count = 63}, before = f;
	SpDigest leaf = {{0}}, proof[SP_MERKLE_MAX_PROOF];
	MemoryStore memory;
	SpMerkleStore store = memory_store(&memory);
	SpFault fault;
	size_t n;

	memory_store_init(&memory, 1);
	CHECK(sp_merkle_append(sha, &f, &leaf, NULL, NULL) == SP_ERR_TOO_LARGE);
	CHECK(memcmp(&f, &before, sizeof(f)) == 0);
	f.size = SP_MERKLE_MAX_SIZE - 1;
	f.count = 62;
	CHECK(sp_merkle_append(sha, &f, &leaf, NULL, NULL) == SP_OK && f.count == 63);
	CHECK(sp_merkle_completed(0) == 1 && sp_merkle_completed(1) == 2 &&
	      sp_merkle_completed(7) == 4 && sp_merkle_completed(8) == 1);
	CHECK(sp_merkle_completed(SP_MERKLE_MAX_SIZE - 1) == 1);

	CHECK(sp_merkle_inclusion(sha, &store, 0, 0, proof, &n) == SP_ERR_BAD_ARG);
	CHECK(sp_merkle_inclusion(sha, &store, 5, 5, proof, &n) == SP_ERR_BAD_ARG);
	CHECK(sp_merkle_inclusion(sha, &store, 5, UINT64_MAX, proof, &n) == SP_ERR_BAD_ARG);
	CHECK(sp_merkle_consistency(sha, &store, 0, 5, proof, &n) == SP_ERR_BAD_ARG);
	CHECK(sp_merkle_consistency(sha, &store, 6, 5, proof, &n) == SP_ERR_BAD_ARG);
	CHECK(sp_merkle_consistency(sha, &store, 6, UINT64_MAX, proof, &n) == SP_ERR_BAD_ARG);
	CHECK(sp_merkle_frontier_load(&store, UINT64_MAX, &f) == SP_ERR_BAD_ARG);
	/* a node that is not there */
	CHECK(sp_merkle_inclusion(sha, &store, 1, 2, proof, &n) == SP_ERR_BAD_DATA);
	CHECK(sp_merkle_consistency(sha, &store, 1, 2, proof, &n) == SP_ERR_BAD_DATA);
	CHECK(sp_merkle_frontier_load(&store, 2, &f) == SP_ERR_BAD_DATA);
	memory.fail_at = memory.n_calls + 1;
	CHECK(sp_merkle_inclusion(sha, &store, 1, 2, proof, &n) == SP_ERR_IO);
	/* sizes at the end of what a number holds */
	CHECK(sp_merkle_verify_inclusion(sha, &leaf, 0, UINT64_MAX, proof, 64, &leaf, &fault) ==
	      SP_ERR_BAD_DATA);
	CHECK(sp_merkle_verify_subtree_inclusion(sha, &leaf, 1, 1, UINT64_MAX, proof, 64, &leaf,
	                                         &fault) == SP_ERR_BAD_DATA);
	CHECK(sp_merkle_verify_consistency(sha, UINT64_MAX - 1, UINT64_MAX, proof, 64, &leaf, &leaf,
	                                   &fault) == SP_ERR_BAD_DATA);
	CHECK(sp_merkle_verify_consistency(sha, 1, UINT64_MAX, NULL, 0, &leaf, &leaf, NULL) ==
	      SP_ERR_BAD_DATA);
	memory_store_free(&memory);
}

static void
test_frontier(const SpMerkleFrontier *f, const SpMerkleStore *store)
{
	uint8_t bytes[SP_MERKLE_FRONTIER_BYTES + 1];
	size_t n = sp_merkle_frontier_write(f, bytes);
	SpMerkleFrontier back, loaded;

	CHECK(n == 8 + 32 * (size_t) __builtin_popcountll(f->size));
	CHECK(sp_merkle_frontier_read(bytes, n, &back) == SP_OK && back.size == f->size &&
	      back.count == f->count && memcmp(back.nodes, f->nodes, (size_t) f->count * 32) == 0);
	CHECK(sp_merkle_frontier_read(bytes, n - 1, &back) == SP_ERR_BAD_DATA);
	CHECK(sp_merkle_frontier_read(bytes, n + 1, &back) == SP_ERR_BAD_DATA);
	bytes[0] |= 0x80;
	CHECK(sp_merkle_frontier_read(bytes, n + 32, &back) == SP_ERR_BAD_DATA);
	CHECK(sp_merkle_frontier_load(store, f->size, &loaded) == SP_OK && loaded.size == f->size &&
	      loaded.count == f->count && memcmp(loaded.nodes, f->nodes, (size_t) f->count * 32) == 0);
}

static bool
same_proof(const SpDigest *a, size_t n_a, const SpDigest *b, size_t n_b)
{
	return n_a == n_b && memcmp(a, b, n_a * sizeof(*a)) == 0;
}

/* A proof that was changed in one bit, or by one hash, or of other numbers, is refused. */
static void
break_inclusion(const SpDigest *leaf, uint64_t m, uint64_t size, SpDigest *proof, size_t n,
                const SpDigest *root)
{
	SpFault fault = {"", ""};
	SpDigest other = *leaf;

	CHECK(sp_merkle_verify_inclusion(sha, leaf, m, size, proof, n, root, &fault) == SP_OK);
	other.bytes[check_random() % 32] ^= 1;
	CHECK(sp_merkle_verify_inclusion(sha, &other, m, size, proof, n, root, &fault) ==
	          SP_ERR_BAD_DATA &&
	      fault.detail[0] != '\0' && fault.hint[0] != '\0');
	CHECK(sp_merkle_verify_inclusion(sha, leaf, m, size, proof, n, &other, NULL) ==
	      SP_ERR_BAD_DATA);
	CHECK(sp_merkle_verify_inclusion(sha, leaf, m, size, proof, n + 1, root, NULL) ==
	      SP_ERR_BAD_DATA);
	CHECK(sp_merkle_verify_inclusion(sha, leaf, size, size, proof, n, root, NULL) ==
	      SP_ERR_BAD_DATA);
	CHECK(sp_merkle_verify_inclusion(sha, leaf, m ^ 1, size, proof, n, root, NULL) ==
	      SP_ERR_BAD_DATA);
	if (n == 0)
		return;
	CHECK(sp_merkle_verify_inclusion(sha, leaf, m, size, proof, n - 1, root, NULL) ==
	      SP_ERR_BAD_DATA);
	proof[check_random() % n].bytes[check_random() % 32] ^= (uint8_t) (1 << check_random() % 8);
	CHECK(sp_merkle_verify_inclusion(sha, leaf, m, size, proof, n, root, NULL) == SP_ERR_BAD_DATA);
}

static void
try_inclusion(const SpMerkleStore *store, const SpDigest *d, uint64_t m, uint64_t size,
              const SpDigest *root)
{
	SpDigest mine[SP_MERKLE_MAX_PROOF + 1] = {0}, twin[SP_MERKLE_MAX_PROOF];
	MemoryStore *memory = store->host;
	int calls = memory->n_calls;
	size_t n;

	CHECK(sp_merkle_inclusion(sha, store, m, size, mine, &n) == SP_OK);
	CHECK(memory->n_calls - calls == (size > 1));
	CHECK(same_proof(mine, n, twin, twin_merkle_path(m, d, size, twin)));
	break_inclusion(&d[m], m, size, mine, n, root);
}

static void
try_consistency(const SpMerkleStore *store, const SpDigest *d, uint64_t old, uint64_t size,
                const SpDigest *root)
{
	SpDigest mine[SP_MERKLE_MAX_PROOF + 1] = {0}, twin[SP_MERKLE_MAX_PROOF],
										old_root = twin_merkle_root(d, old), other;
	SpFault fault = {"", ""};
	size_t n;

	CHECK(sp_merkle_consistency(sha, store, old, size, mine, &n) == SP_OK);
	CHECK(same_proof(mine, n, twin, twin_merkle_proof(0, old, d, size, twin)));
	CHECK(sp_merkle_verify_consistency(sha, old, size, mine, n, &old_root, root, &fault) == SP_OK);
	other = old_root;
	other.bytes[check_random() % 32] ^= 1;
	CHECK(sp_merkle_verify_consistency(sha, old, size, mine, n, &other, root, &fault) ==
	          SP_ERR_BAD_DATA &&
	      fault.detail[0] != '\0');
	CHECK(sp_merkle_verify_consistency(sha, old, size, mine, n, &old_root, &other, NULL) ==
	      SP_ERR_BAD_DATA);
	CHECK(sp_merkle_verify_consistency(sha, old, size, mine, n + 1, &old_root, root, NULL) ==
	      SP_ERR_BAD_DATA);
	CHECK(sp_merkle_verify_consistency(sha, 0, size, mine, n, &old_root, root, NULL) ==
	      SP_ERR_BAD_DATA);
	if (old != size)
		CHECK(sp_merkle_verify_consistency(sha, size, old, mine, n, root, &old_root, NULL) ==
		      SP_ERR_BAD_DATA);
	if (n == 0)
		return;
	CHECK(sp_merkle_verify_consistency(sha, old, size, mine, n - 1, &old_root, root, NULL) ==
	      SP_ERR_BAD_DATA);
	mine[check_random() % n].bytes[check_random() % 32] ^= (uint8_t) (1 << check_random() % 8);
	CHECK(sp_merkle_verify_consistency(sha, old, size, mine, n, &old_root, root, NULL) ==
	      SP_ERR_BAD_DATA);
}

/* All subtrees of a size, in the tree and by themselves. */
static void
try_subtrees(const SpDigest *d, uint64_t size, const SpDigest *root)
{
	SpDigest proof[SP_MERKLE_MAX_PROOF + 1];

	for (uint64_t start = 0; start < size; start++)
		for (uint64_t end = start + 1; end <= size; end++)
		{
			uint64_t unit = 1, m = start + check_random() % (end - start);
			SpDigest part = twin_merkle_root(d + start, end - start);
			SpStatus wanted;
			size_t n;

			while (unit < end - start)
				unit *= 2;
			wanted = start % unit == 0 ? SP_OK : SP_ERR_BAD_DATA;
			n = wanted == SP_OK ? twin_merkle_proof(start, end, d, size, proof) : 0;
			CHECK(sp_merkle_verify_subtree_consistency(sha, start, end, size, proof, n, &part, root,
			                                           NULL) == wanted);
			n = twin_merkle_path(m - start, d + start, end - start, proof);
			CHECK(sp_merkle_verify_subtree_inclusion(sha, &d[m], m, start, end, proof, n, &part,
			                                         NULL) == wanted);
		}
}

static void
test_against_twin(void)
{
	static SpDigest d[MAX_LEAVES];
	SpMerkleFrontier f = {0};
	MemoryStore memory;
	SpMerkleStore store = memory_store(&memory);
	SpDigest root, empty;

	memory_store_init(&memory, MAX_LEAVES);
	CHECK(sp_merkle_root(sha, &f, &root) == SP_OK && sp_sha256_run(sha, NULL, 0, &empty) == SP_OK &&
	      is(root, empty));
	test_frontier(&f, &store);
	for (uint64_t size = 1; size <= MAX_LEAVES; size++)
	{
		memory_store_grow(sha, &memory, &f, d + size - 1, 1);
		CHECK(is(d[size - 1], twin_merkle_leaf(&(uint64_t){size - 1}, 8)));
		if (size > 70 && check_random() % 200 != 0 && size != MAX_LEAVES)
			continue;
		CHECK(sp_merkle_root(sha, &f, &root) == SP_OK && is(root, twin_merkle_root(d, size)));
		test_frontier(&f, &store);
		for (uint64_t m = 0; m < size; m += size <= 70 ? 1 : 1 + check_random() % size)
		{
			try_inclusion(&store, d, m, size, &root);
			try_consistency(&store, d, m + 1, size, &root);
		}
		if (size <= 33)
			try_subtrees(d, size, &root);
	}
	memory_store_free(&memory);
}

int
main(void)
{
	CHECK(sp_sha256_new(&check_env, &sha) == SP_OK);
	test_sha256();
	test_rfc_example();
	test_limits();
	test_against_twin();
	sp_sha256_free(sha);
	return check_report();
}
