/*
 * tests/unit/test_merkle_vectors.c
 *	  The test vectors of github.com/transparency-dev/merkle for inclusion and
 *	  consistency of trees and subtrees: vectors/merkle under $SPOTAI_SHARED.
 *
 * A hash has 32 bytes here, and who calls us sees to it: what has not is bad.
 * But some cases of consistency use words as roots, to say that their content
 * does not matter.  Those are replaced by their SHA-256, so that equal ones stay
 * equal and others stay different.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#define _XOPEN_SOURCE 700 /* nftw */
#include <ftw.h>
#include <jansson.h>

#include "check.h"
#include "core/merkle/merkle.h"
#include "core/merkle/text.h"

/* As they were counted when the vectors were fetched. */
#define CASES 518
#define VALID 36

#define MAX_PROOF 128

static SpSha256 *sha;
static int n_cases, n_valid;

typedef struct Case
{
	char *text;
	json_t *json;
	SpDigest proof[MAX_PROOF];
	size_t n;
	bool proof_ok; /* as many bytes each as a hash has */
} Case;

/* jansson's integers end at 2^63 - 1, some sizes do not. */
static uint64_t
number(const Case *c, const char *name)
{
	char quoted[32];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\":", name);
	at = strstr(c->text, quoted);
	CHECK(at != NULL);
	return at != NULL ? strtoull(at + strlen(quoted), NULL, 10) : 0;
}

static bool
bytes_of(const json_t *value, uint8_t *out, size_t capacity, size_t *n)
{
	return json_is_string(value) &&
	       sp_base64_read(json_string_value(value), json_string_length(value), out, capacity, n);
}

static bool
take_hash(const Case *c, const char *name, bool may_be_words, SpDigest *out)
{
	uint8_t bytes[256];
	size_t n = 0;

	CHECK(bytes_of(json_object_get(c->json, name), bytes, sizeof(bytes), &n));
	if (n == SP_DIGEST_BYTES)
		memcpy(out->bytes, bytes, n);
	else if (may_be_words)
		CHECK(sp_sha256_run(sha, bytes, n, out) == SP_OK);
	return n == SP_DIGEST_BYTES || may_be_words;
}

static void
load_proof(Case *c)
{
	const json_t *proof = json_object_get(c->json, "proof");

	c->n = json_array_size(proof);
	c->proof_ok = true;
	CHECK(c->n <= MAX_PROOF);
	for (size_t i = 0; i < c->n && i < MAX_PROOF; i++)
	{
		uint8_t bytes[256];
		size_t n = 0;

		CHECK(bytes_of(json_array_get(proof, i), bytes, sizeof(bytes), &n));
		c->proof_ok &= n == SP_DIGEST_BYTES;
		memcpy(c->proof[i].bytes, bytes, SP_DIGEST_BYTES);
	}
}

static SpStatus
judge(const char *kind, const Case *c)
{
	SpDigest a, b;

	if (!c->proof_ok)
		return SP_ERR_BAD_DATA;
	if (strstr(kind, "inclusion") != NULL)
	{
		if (!take_hash(c, "leafHash", false, &a) || !take_hash(c, "root", false, &b))
			return SP_ERR_BAD_DATA;
		if (strcmp(kind, "inclusion") == 0)
			return sp_merkle_verify_inclusion(sha, &a, number(c, "leafIdx"), number(c, "treeSize"),
			                                  c->proof, c->n, &b, NULL);
		return sp_merkle_verify_subtree_inclusion(sha, &a, number(c, "leafIdx"), number(c, "start"),
		                                          number(c, "end"), c->proof, c->n, &b, NULL);
	}
	take_hash(c, "root1", true, &a);
	take_hash(c, "root2", true, &b);
	if (strcmp(kind, "consistency") == 0)
		return sp_merkle_verify_consistency(sha, number(c, "size1"), number(c, "size2"), c->proof,
		                                    c->n, &a, &b, NULL);
	return sp_merkle_verify_subtree_consistency(sha, number(c, "start"), number(c, "end"),
	                                            number(c, "size"), c->proof, c->n, &a, &b, NULL);
}

static char *
read_text(const char *path, size_t n)
{
	FILE *f = fopen(path, "rb");
	char *text = calloc(1, n + 1);

	if (f == NULL || text == NULL || fread(text, 1, n, f) != n)
		abort();
	fclose(f);
	return text;
}

/* .../testdata/KIND/.../NAME.json */
static int
try_file(const char *path, const struct stat *info, int type, struct FTW *where)
{
	const char *kind = strstr(path, "/testdata/");
	char name[32] = "";
	Case c = {0};
	SpStatus st;
	bool wanted;

	(void) where;
	if (type != FTW_F || kind == NULL || sscanf(kind, "/testdata/%31[a-z]/", name) != 1)
		return 0;
	c.text = read_text(path, (size_t) info->st_size);
	c.json = json_loads(c.text, JSON_DECODE_INT_AS_REAL, NULL);
	CHECK(c.json != NULL);
	load_proof(&c);
	wanted = !json_is_true(json_object_get(c.json, "wantErr"));
	st = judge(name, &c);
	CHECK(st == (wanted ? SP_OK : SP_ERR_BAD_DATA));
	if (st != (wanted ? SP_OK : SP_ERR_BAD_DATA))
		printf("# %s: status %d\n", path, st);
	n_cases++;
	n_valid += wanted;
	json_decref(c.json);
	free(c.text);
	return 0;
}

int
main(void)
{
	const char *shared = getenv("SPOTAI_SHARED") ? getenv("SPOTAI_SHARED") : "../shared";
	char path[1024];

	CHECK(sp_sha256_new(&check_env, &sha) == SP_OK);
	snprintf(path, sizeof(path), "%s/vectors/merkle/testdata", shared);
	if (nftw(path, try_file, 16, FTW_PHYS) != 0)
		printf("# SKIP merkle vectors: no %s\n", path);
	else
	{
		CHECK(n_cases == CASES && n_valid == VALID);
		printf("# %d cases, %d of them valid\n", n_cases, n_valid);
	}
	sp_sha256_free(sha);
	return check_report();
}
