/*
 * tests/unit/test_merkle_golden.c
 *	  Leaves, lines, proofs, keys and checkpoints against those that
 *	  tests/golden/make_merkle.py made with Python and the openssl program.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "merkle_log.h"
#include "merkle_store.h"

#define FOLDER "tests/golden/merkle/"
#define SIZE   37

static SpSha256 *sha;

static LogNote
read_note(const char *name)
{
	char path[128];
	LogNote note;

	snprintf(path, sizeof(path), FOLDER "%s", name);
	note.note = log_read_file(path, &note.n);
	return note;
}

/* The private key of the script: bytes 0 to 31. */
static SpNoteSigner
the_signer(void)
{
	uint8_t private_key[32];
	SpNoteSigner signer;

	for (int i = 0; i < 32; i++)
		private_key[i] = (uint8_t) i;
	CHECK(sp_note_signer_make(sha, LOG_ORIGIN, strlen(LOG_ORIGIN), private_key, &signer, NULL) ==
	      SP_OK);
	return signer;
}

static void
test_key(const SpNoteKey *key)
{
	LogNote text = read_note("key.txt");
	char printed[SP_NOTE_KEY_TEXT];
	SpNoteKey parsed;

	sp_note_key_print(key, printed);
	CHECK(strlen(printed) == text.n - 1 && memcmp(printed, text.note, text.n - 1) == 0);
	CHECK(sp_note_key_parse(sha, text.note, text.n - 1, &parsed, NULL) == SP_OK &&
	      memcmp(&parsed, key, sizeof(parsed)) == 0);
	free((char *) text.note);
}

/* Parsed and printed again, each line is the same; the leaf is computed anew. */
static void
test_lines(const Log *log)
{
	for (size_t i = 0; i < log->n; i++)
	{
		SpExportLine line;
		char *again = NULL;
		size_t n = 0;
		SpDigest leaf;

		CHECK(sp_export_parse(&check_env, log->lines[i], log->lengths[i], &line, NULL) == SP_OK);
		if (line.kind == SP_EXPORT_HEADER)
		{
			again = malloc(sp_export_header_size(&line.header));
			CHECK(sp_export_header_print(&line.header, again, &n, NULL) == SP_OK);
		}
		else if (line.kind == SP_EXPORT_ENTRY)
		{
			again = malloc(sp_export_entry_size(&line.entry));
			CHECK(sp_export_entry_print(&line.entry, again, &n, NULL) == SP_OK);
			CHECK(sp_entry_leaf_hash(sha, &line.entry.entry, &leaf, NULL) == SP_OK &&
			      sp_digest_equal(&leaf, &line.entry.leaf));
		}
		else
		{
			again = malloc(sp_export_checkpoint_size(&line.checkpoint));
			CHECK(sp_export_checkpoint_print(&line.checkpoint, again, &n, NULL) == SP_OK);
		}
		CHECK(n == log->lengths[i] && memcmp(again, log->lines[i], n) == 0);
		free(again);
		sp_export_release(&check_env, &line);
	}
}

/* "inclusion M N HASH..." and "consistency M N HASH...", hashes in hexadecimal. */
static void
test_proof(const char *line, const SpMerkleStore *store)
{
	SpDigest proof[SP_MERKLE_MAX_PROOF];
	unsigned long long m, size;
	char kind[16], hex[3];
	int at;
	size_t n = 0;

	CHECK(sscanf(line, "%15s %llu %llu%n", kind, &m, &size, &at) == 3);
	if (strcmp(kind, "inclusion") == 0)
		CHECK(sp_merkle_inclusion(sha, store, m, size, proof, &n) == SP_OK);
	else
		CHECK(sp_merkle_consistency(sha, store, m, size, proof, &n) == SP_OK);
	CHECK(strlen(line + at) == n * 65);
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < 32; k++)
		{
			snprintf(hex, sizeof(hex), "%02x", proof[i].bytes[k]);
			CHECK(memcmp(hex, line + at + 65 * i + 1 + 2 * (size_t) k, 2) == 0);
		}
}

/* The tree of the whole log; at the sizes of the files, the checkpoints as they were signed. */
static void
test_tree(const Log *log, const SpNoteSigner *signer)
{
	SpMerkleFrontier f = {0};
	MemoryStore memory;
	SpMerkleStore store = memory_store(&memory);
	int n_checkpoints = 0;
	Log proofs = {0};

	memory_store_init(&memory, SIZE);
	for (size_t i = 0; i <= SIZE; i++)
	{
		char note[1024];
		size_t n = log_sign(sha, signer, LOG_ORIGIN, &f, note);
		SpMerkleNode stored[SP_MERKLE_MAX_LEVELS];
		SpExportLine line;
		int n_stored = 0;

		if (i == 0 || i == 1 || i == 16 || i == 20 || i == SIZE)
		{
			char name[32];
			LogNote kept;

			snprintf(name, sizeof(name), "checkpoint-%zu.txt", i);
			kept = read_note(name);
			CHECK(kept.n == n && memcmp(kept.note, note, n) == 0);
			n_checkpoints++;
			free((char *) kept.note);
		}
		if (i == SIZE)
			break;
		CHECK(sp_export_parse(&check_env, log->lines[i + 1], log->lengths[i + 1], &line, NULL) ==
		      SP_OK);
		CHECK(sp_merkle_append(sha, &f, &line.entry.leaf, stored, &n_stored) == SP_OK);
		memory_store_keep(&memory, stored, n_stored);
		sp_export_release(&check_env, &line);
	}
	CHECK(n_checkpoints == 5);
	log_read(FOLDER "proofs.txt", &proofs);
	CHECK(proofs.n == 2 * (1 + 2 + 7 + 16 + 21 + SIZE));
	for (size_t i = 0; i < proofs.n; i++)
		test_proof(proofs.lines[i], &store);
	log_clear(&proofs);
	memory_store_free(&memory);
}

static void
test_verifier(const Log *whole, const SpNoteKey *key)
{
	LogNote kept[] = {read_note("checkpoint-37.txt"), read_note("checkpoint-0.txt"),
	                  read_note("checkpoint-20.txt"), read_note("checkpoint-16.txt")};
	LogAnswer answer = log_verify(whole, 0, key, 1, kept, 4);
	Log part = {0}, none = {0};

	CHECK(answer.verdict.whole && answer.verdict.size == SIZE && answer.verdict.n_outside == 4 &&
	      answer.verdict.covered == SIZE && strcmp(answer.verdict.origin, LOG_ORIGIN) == 0);
	CHECK(log_verify(whole, 0, key, 1, NULL, 0).verdict.whole);
	CHECK(log_verify(whole, 1, key, 1, NULL, 0).first.kind == SP_FOUND_START);
	log_read(FOLDER "part.jsonl", &part);
	log_read(FOLDER "none.jsonl", &none);
	CHECK(log_verify(&part, 0, key, 1, NULL, 0).first.kind == SP_FOUND_START);
	answer = log_verify(&part, 20, key, 1, kept + 2, 1);
	CHECK(answer.verdict.whole && answer.verdict.from == 20 && answer.verdict.n_outside == 1);
	CHECK(log_verify(&part, 20, key, 1, kept, 1).verdict.whole);
	CHECK(log_verify(&part, 20, key, 1, kept + 3, 1).first.kind == SP_FOUND_BEFORE);
	CHECK(log_verify(&none, 0, key, 1, kept + 1, 1).verdict.n_outside == 1);
	answer = log_verify(&none, 0, key, 1, kept + 3, 1);
	CHECK(answer.first.kind == SP_FOUND_TAIL && answer.first.position == 0 &&
	      !answer.verdict.whole);
	test_lines(&part);
	test_lines(&none);
	for (int i = 0; i < 4; i++)
		free((char *) kept[i].note);
	log_clear(&part);
	log_clear(&none);
}

int
main(void)
{
	Log whole = {0};
	SpNoteSigner signer;

	CHECK(sp_sha256_new(&check_env, &sha) == SP_OK);
	signer = the_signer();
	test_key(&signer.key);
	log_read(FOLDER "whole.jsonl", &whole);
	CHECK(whole.n == SIZE + 2);
	test_lines(&whole);
	test_tree(&whole, &signer);
	test_verifier(&whole, &signer.key);
	log_clear(&whole);
	sp_sha256_free(sha);
	return check_report();
}
