/*
 * tests/unit/test_merkle_memory.c
 *	  Logs when memory fails: each allocation of ours and of OpenSSL
 *	  in turn.  The answer is "no memory", or the right one.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <openssl/crypto.h>

#include "merkle_log.h"

/* Allocations by OpenSSL until one fails; < 0: none does. */
static long left = -1;

static bool
fails(void)
{
	if (left == 0)
		return true;
	if (left > 0)
		left--;
	return false;
}

static void *
openssl_malloc(size_t size, const char *file, int line)
{
	(void) file;
	(void) line;
	return fails() ? NULL : malloc(size);
}

static void *
openssl_realloc(void *p, size_t size, const char *file, int line)
{
	(void) file;
	(void) line;
	return fails() ? NULL : realloc(p, size);
}

static void
openssl_free(void *p, const char *file, int line)
{
	(void) file;
	(void) line;
	free(p);
}

/* An honest log, made before memory fails. */
static Log whole;
static SpNoteSigner signer;
static char kept_note[1024];
static LogNote kept;

static void
make_log(void)
{
	uint8_t private_key[32] = {1};
	SpMerkleFrontier f = {0};
	SpSha256 *sha;

	CHECK(sp_sha256_new(&check_env, &sha) == SP_OK);
	CHECK(sp_note_signer_make(sha, LOG_ORIGIN, strlen(LOG_ORIGIN), private_key, &signer, NULL) ==
	      SP_OK);
	log_add_header(&whole, LOG_ORIGIN, &f, 3);
	for (int i = 0; i < 3; i++)
		log_add_random(sha, &whole, &f);
	kept = (LogNote){kept_note, log_sign(sha, &signer, LOG_ORIGIN, &f, kept_note)};
	log_add_checkpoint(&whole, kept.note, kept.n);
	sp_sha256_free(sha);
}

/* Whether it is to be tried once more, as there may be an allocation behind that one. */
static bool
again(SpStatus st)
{
	CHECK(st == SP_OK || st == SP_ERR_NO_MEMORY);
	return st != SP_OK;
}

static SpStatus
verify_all(void)
{
	LogAnswer answer = log_verify(&whole, 0, &signer.key, 1, &kept, 1);

	CHECK(answer.status != SP_OK || answer.verdict.whole);
	if (answer.status == SP_OK && !answer.verdict.whole)
		printf("# at %ld: %s\n", left, answer.first.text);
	return answer.status;
}

static SpStatus
sign_all(void)
{
	static const char text[] = "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
	SpSha256 *sha;
	SpStatus st = sp_sha256_new(&check_env, &sha);
	char key[SP_NOTE_KEY_TEXT], out[1024];
	SpNoteSigner made;
	SpNoteKey parsed;

	sp_note_key_print(&signer.key, key);
	if (st == SP_OK)
		st = sp_note_key_parse(sha, key, strlen(key), &parsed, NULL);
	if (st == SP_OK)
		st = sp_note_signer_make(sha, LOG_ORIGIN, strlen(LOG_ORIGIN), signer.private_key, &made,
		                         NULL);
	if (st == SP_OK)
		st = sp_note_sign(text, strlen(text), &made, 1, out, NULL);
	sp_sha256_free(sha);
	return st;
}

/* Fails allocation after allocation until none is reached; how many there were. */
static long
try_all(SpStatus (*run)(void), long *counter)
{
	long n = 0;

	for (; n < 20000; n++)
	{
		SpStatus st;

		*counter = n;
		st = run();
		/* what is left of the count was not needed */
		if (!again(st) && *counter > 0)
			break;
	}
	*counter = -1;
	return n;
}

int
main(void)
{
	CHECK(CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) == 1);
	make_log();
	/* what OpenSSL keeps from its first use */
	CHECK(verify_all() == SP_OK && sign_all() == SP_OK);
	printf("# allocations that failed: ours %ld, %ld; OpenSSL's %ld, %ld\n",
	       try_all(verify_all, &check_allocs_left), try_all(sign_all, &check_allocs_left),
	       try_all(verify_all, &left), try_all(sign_all, &left));
	CHECK(verify_all() == SP_OK && sign_all() == SP_OK);
	log_clear(&whole);
	return check_report();
}
