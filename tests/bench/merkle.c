/*
 * tests/bench/merkle.c
 *	  How quickly is an audit log built, proven and verified, without a database?
 *
 *	bench_merkle [LEAVES]
 *
 * One core, processor time of this process, 10 million leaves by default (700 MB
 * for their nodes).  Entries are those of a busy table: an action, an object of
 * 40 bytes, a detail of 200 bytes, which an export gives out.  Proofs are of
 * random leaves and sizes out of an array; the longest of 20,000 is shown
 * beside their mean.
 *
 *	cc -O3 -fno-math-errno -fno-trapping-math -std=gnu11 -Isrc -Itests -o bench_merkle tests/bench/merkle.c
 *	   src/core/sp_base.c src/core/crypto/X.c src/core/merkle/X.c (all of them) -lcrypto
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "core/merkle/verifier.h"
#include "host.h"

#define LEAVES  10000000
#define ENTRIES 300000
#define PROOFS  20000
#define ORIGIN  "example.com/audit"

typedef struct Nodes
{
	SpDigest *levels[SP_MERKLE_MAX_LEVELS];
	uint64_t counts[SP_MERKLE_MAX_LEVELS];
} Nodes;

static SpSha256 *sha;

static void
must(SpStatus st, const char *what)
{
	if (st == SP_OK)
		return;
	fprintf(stderr, "%s: status %d\n", what, st);
	exit(1);
}

static uint64_t
any(uint64_t below)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

static void
row(const char *what, double n, double seconds)
{
	printf("| %-44s | %9.0f | %8.2f |\n", what, n / seconds, 1e6 * seconds / n);
}

static SpStatus
fetch(void *host, const SpMerkleId *ids, size_t n, SpDigest *out)
{
	const Nodes *nodes = host;

	for (size_t i = 0; i < n; i++)
		out[i] = nodes->levels[ids[i].level][ids[i].index];
	return SP_OK;
}

/* Leaf hashes are counted up: what is measured is the tree. */
static void
bench_append(Nodes *nodes, SpMerkleFrontier *f, uint64_t n)
{
	double start;

	for (int level = 0; level < SP_MERKLE_MAX_LEVELS && n >> level > 0; level++)
	{
		nodes->levels[level] = malloc((size_t) (n >> level) * sizeof(SpDigest));
		if (nodes->levels[level] == NULL)
			must(SP_ERR_NO_MEMORY, "nodes");
	}
	start = cpu_seconds();
	for (uint64_t i = 0; i < n; i++)
	{
		SpMerkleNode stored[SP_MERKLE_MAX_LEVELS];
		SpDigest leaf = {{0}};
		int n_stored;

		memcpy(leaf.bytes, &i, sizeof(i));
		must(sp_merkle_append(sha, f, &leaf, stored, &n_stored), "append");
		for (int k = 0; k < n_stored; k++)
			nodes->levels[k][nodes->counts[k]++] = stored[k].hash;
	}
	row("append a leaf hash, keep the nodes", (double) n, cpu_seconds() - start);
}

/* kind 0: make inclusion proofs, 1: consistency; and verify them.  Returns the longest, seconds. */
static double
bench_proofs(const SpMerkleStore *store, uint64_t size, int kind)
{
	double making = 0, verifying = 0, longest = 0;

	for (int i = 0; i < PROOFS; i++)
	{
		SpDigest proof[SP_MERKLE_MAX_PROOF], old_root, root;
		/* half of them of trees that are not the latest */
		uint64_t n = i % 2 == 0 ? size : 1 + any(size), m = any(n);
		SpMerkleFrontier f;
		double start, made;
		size_t length;

		must(sp_merkle_frontier_load(store, n, &f), "frontier");
		must(sp_merkle_root(sha, &f, &root), "root");
		must(sp_merkle_frontier_load(store, m + 1, &f), "frontier");
		must(sp_merkle_root(sha, &f, &old_root), "root");
		start = cpu_seconds();
		must(kind == 0 ? sp_merkle_inclusion(sha, store, m, n, proof, &length)
		               : sp_merkle_consistency(sha, store, m + 1, n, proof, &length),
		     "proof");
		made = cpu_seconds();
		must(kind == 0 ? sp_merkle_verify_inclusion(sha, &((Nodes *) store->host)->levels[0][m], m,
		                                            n, proof, length, &root, NULL)
		               : sp_merkle_verify_consistency(sha, m + 1, n, proof, length, &old_root,
		                                              &root, NULL),
		     "verification");
		verifying += cpu_seconds() - made;
		making += made - start;
		longest = made - start > longest ? made - start : longest;
	}
	row(kind == 0 ? "inclusion proof" : "consistency proof", PROOFS, making);
	row(kind == 0 ? "verify an inclusion proof" : "verify a consistency proof", PROOFS, verifying);
	return longest;
}

static SpExportEntry
make_entry(uint64_t i, uint8_t detail[200])
{
	SpExportEntry e = {.position = i, .detail = detail, .detail_length = 200};

	memset(detail, (int) i, 200);
	memcpy(e.entry.id, &i, sizeof(i));
	e.entry.time_us = 1700000000000000 + (int64_t) i;
	e.entry.has_principal = true;
	e.entry.action = "track.update";
	e.entry.action_length = strlen(e.entry.action);
	e.entry.object = "public.track:9b2f7c1e-6a54-4f0e-8d4e-0123";
	e.entry.object_length = strlen(e.entry.object);
	return e;
}

/* The lines of an export one behind the other, each ended by a newline. */
static size_t
bench_writing(char *text, const SpNoteSigner *signer)
{
	SpExportHeader header = {ORIGIN, strlen(ORIGIN), 0, ENTRIES, {0}};
	SpCheckpoint checkpoint = {.origin = ORIGIN, .origin_length = strlen(ORIGIN), .size = ENTRIES};
	SpMerkleFrontier f = {0};
	char body[512], note[1024];
	size_t used, n;
	double hashing = 0, start = cpu_seconds();

	must(sp_export_header_print(&header, text, &used, NULL), "header");
	text[used++] = '\n';
	for (uint64_t i = 0; i < ENTRIES; i++)
	{
		uint8_t detail[200];
		SpExportEntry e = make_entry(i, detail);
		double before = cpu_seconds();

		must(sp_sha256_run(sha, detail, sizeof(detail), &e.entry.detail), "detail");
		must(sp_entry_leaf_hash(sha, &e.entry, &e.leaf, NULL), "leaf");
		hashing += cpu_seconds() - before;
		must(sp_merkle_append(sha, &f, &e.leaf, NULL, NULL), "append");
		must(sp_export_entry_print(&e, text + used, &n, NULL), "entry");
		used += n;
		text[used++] = '\n';
	}
	row("hash an entry: detail and leaf", ENTRIES, hashing);
	row("write a line of an export, hashing included", ENTRIES, cpu_seconds() - start);
	must(sp_merkle_root(sha, &f, &checkpoint.root), "root");
	must(sp_checkpoint_print(&checkpoint, body, &n, NULL), "checkpoint");
	must(sp_note_sign(body, n, signer, 1, note, NULL), "signature");
	must(sp_export_checkpoint_print(&(SpExportCheckpoint){note, sp_note_signed_size(n, signer, 1)},
	                                text + used, &n, NULL),
	     "checkpoint");
	used += n;
	text[used++] = '\n';
	return used;
}

static void
found(void *host, const SpFinding *finding)
{
	(void) host;
	fprintf(stderr, "%s\n", finding->text);
}

static void
bench_verifying(const char *text, size_t n, const SpNoteKey *key)
{
	const char *end = text + n, *newline;
	double start = cpu_seconds();
	SpVerdict verdict;
	SpVerifier *v;

	must(sp_verifier_new(&env, key, 1, 0, found, NULL, &v), "verifier");
	for (const char *p = text; p < end; p = newline + 1)
	{
		newline = memchr(p, '\n', (size_t) (end - p));
		must(sp_verifier_line(v, p, (size_t) (newline - p)), "line");
	}
	must(sp_verifier_finish(v, &verdict), "end");
	must(verdict.whole ? SP_OK : SP_ERR_BAD_DATA, "verdict");
	row("verify a line of an export", ENTRIES, cpu_seconds() - start);
	sp_verifier_free(v);
}

static void
bench_signing(const SpNoteSigner *signer)
{
	SpCheckpoint checkpoint = {.origin = ORIGIN, .origin_length = strlen(ORIGIN), .size = LEAVES};
	double signing, verifying;
	char body[512], note[1024];
	size_t n;
	SpNote parts;

	must(sp_checkpoint_print(&checkpoint, body, &n, NULL), "checkpoint");
	signing = cpu_seconds();
	for (int i = 0; i < 2000; i++)
		must(sp_note_sign(body, n, signer, 1, note, NULL), "signature");
	verifying = cpu_seconds();
	for (int i = 0; i < 2000; i++)
		must(sp_note_verify(note, sp_note_signed_size(n, signer, 1), &signer->key, 1, &parts, NULL,
		                    NULL),
		     "signature");
	row("sign a checkpoint", 2000, verifying - signing);
	row("verify a checkpoint's signature", 2000, cpu_seconds() - verifying);
}

int
main(int argc, char **argv)
{
	uint64_t leaves = argc > 1 ? strtoull(argv[1], NULL, 10) : LEAVES;
	char *text = malloc((size_t) ENTRIES * 1024);
	uint8_t private_key[32] = {1};
	Nodes nodes = {0};
	SpMerkleStore store = {fetch, &nodes};
	SpMerkleFrontier f = {0};
	double inclusion, consistency;
	SpNoteSigner signer;
	size_t n;

	if (text == NULL || leaves == 0)
		must(SP_ERR_NO_MEMORY, "lines");
	must(sp_sha256_new(&env, &sha), "SHA-256");
	must(sp_note_signer_make(sha, ORIGIN, strlen(ORIGIN), private_key, &signer, NULL), "key");
	printf("| one core, a log of %5.1f million leaves        |  a second | us each  |\n",
	       (double) leaves / 1e6);
	printf("|----------------------------------------------|----------:|---------:|\n");
	bench_append(&nodes, &f, leaves);
	inclusion = bench_proofs(&store, leaves, 0);
	consistency = bench_proofs(&store, leaves, 1);
	n = bench_writing(text, &signer);
	bench_verifying(text, n, &signer.key);
	bench_signing(&signer);
	printf(
		"\nThe longest of %d proofs took %.0f us (inclusion) and %.0f us (consistency); a line of "
		"the export has %.0f bytes.\n",
		PROOFS, 1e6 * inclusion, 1e6 * consistency, (double) n / ENTRIES);
	for (int level = 0; level < SP_MERKLE_MAX_LEVELS; level++)
		free(nodes.levels[level]);
	free(text);
	sp_sha256_free(sha);
	return 0;
}
