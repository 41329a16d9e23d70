/*
 * src/core/crypto/sha256.c
 *	  SHA-256 by OpenSSL's EVP interface.
 *
 * The road not taken: SHA256() in one call looks the algorithm up each time
 * (OpenSSL 3.0), and the low-level SHA256_Update is deprecated.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/crypto/sha256.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

struct SpSha256
{
	const SpEnv *env;
	EVP_MD *algorithm;
	EVP_MD_CTX *context;
};

SpStatus
sp_sha256_new(const SpEnv *env, SpSha256 **out)
{
	SpSha256 *sha = sp_calloc(env, 1, sizeof(*sha));

	*out = NULL;
	if (sha == NULL)
		return SP_ERR_NO_MEMORY;
	sha->env = env;
	/* the host may read OpenSSL's queue of errors for its own connections */
	ERR_set_mark();
	sha->algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
	sha->context = EVP_MD_CTX_new();
	if (sha->algorithm == NULL || sha->context == NULL ||
	    EVP_DigestInit_ex2(sha->context, sha->algorithm, NULL) != 1)
		goto fail;
	ERR_pop_to_mark();
	*out = sha;
	return SP_OK;

fail:
	ERR_pop_to_mark();
	sp_sha256_free(sha);
	return SP_ERR_NO_MEMORY;
}

void
sp_sha256_free(SpSha256 *sha)
{
	if (sha == NULL)
		return;
	EVP_MD_CTX_free(sha->context);
	EVP_MD_free(sha->algorithm);
	sp_free(sha->env, sha);
}

SpStatus
sp_sha256_begin(SpSha256 *sha)
{
	return EVP_DigestInit_ex2(sha->context, NULL, NULL) == 1 ? SP_OK : SP_ERR_NO_MEMORY;
}

SpStatus
sp_sha256_add(SpSha256 *sha, const void *data, size_t n)
{
	if (n == 0)
		return SP_OK;
	return EVP_DigestUpdate(sha->context, data, n) == 1 ? SP_OK : SP_ERR_NO_MEMORY;
}

SpStatus
sp_sha256_end(SpSha256 *sha, SpDigest *out)
{
	return EVP_DigestFinal_ex(sha->context, out->bytes, NULL) == 1 ? SP_OK : SP_ERR_NO_MEMORY;
}

SpStatus
sp_sha256_run(SpSha256 *sha, const void *data, size_t n, SpDigest *out)
{
	SpStatus st = sp_sha256_begin(sha);

	if (st == SP_OK)
		st = sp_sha256_add(sha, data, n);
	if (st == SP_OK)
		st = sp_sha256_end(sha, out);
	return st;
}

bool
sp_digest_equal(const SpDigest *a, const SpDigest *b)
{
	return memcmp(a->bytes, b->bytes, SP_DIGEST_BYTES) == 0;
}
