/*
 * src/core/crypto/hmac.c
 *	  HMAC as RFC 2104 defines it, from two hash states that hold the key.
 *
 * H(key ^ opad, H(key ^ ipad, data)): the states after key ^ ipad and after
 * key ^ opad are computed once, and copied for every message.  OpenSSL's own
 * EVP_MAC starts anew from its context as well, but in 3.0.2 and before it
 * forgot to when it was not given the key again.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/crypto/hmac.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "core/crypto/constant_time.h"

/* RFC 2104, section 2. */
#define IPAD 0x36
#define OPAD 0x5C

struct SpHmac
{
	const SpEnv *env;
	size_t bytes;
	EVP_MD_CTX *inner; /* has hashed key ^ ipad */
	EVP_MD_CTX *outer; /* has hashed key ^ opad */
	EVP_MD_CTX *work;
};

/* Sizes: FIPS 180-4, figure 1. */
static const struct
{
	const char *name;
	size_t bytes;
	size_t block;
} HASHES[SP_HASH_COUNT] = {
	[SP_HASH_SHA1] = {"SHA1", 20, 64},
	[SP_HASH_SHA256] = {"SHA256", 32, 64},
	[SP_HASH_SHA384] = {"SHA384", 48, 128},
	[SP_HASH_SHA512] = {"SHA512", 64, 128},
};

size_t
sp_hash_bytes(SpHash hash)
{
	return HASHES[hash].bytes;
}

const char *
sp_hash_name(SpHash hash)
{
	return HASHES[hash].name;
}

SpStatus
sp_hash_run(SpHash hash, const void *data, size_t n, uint8_t *out)
{
	EVP_MD *md = EVP_MD_fetch(NULL, HASHES[hash].name, NULL);
	int ok = md != NULL && EVP_Digest(data, n, out, NULL, md, NULL);

	EVP_MD_free(md);
	if (ok)
		return SP_OK;
	ERR_clear_error();
	return SP_ERR_NO_MEMORY;
}

/* ctx has hashed the key, filled up to a block, with pad added to each byte. */
static bool
begin(EVP_MD_CTX *ctx, const EVP_MD *md, const uint8_t key[SP_BLOCK_MAX], size_t block, uint8_t pad)
{
	uint8_t padded[SP_BLOCK_MAX];
	bool ok;

	for (size_t i = 0; i < SP_BLOCK_MAX; i++)
		padded[i] = key[i] ^ pad;
	ok = EVP_DigestInit_ex2(ctx, md, NULL) && EVP_DigestUpdate(ctx, padded, block);
	sp_crypto_wipe(padded, sizeof(padded));
	return ok;
}

static bool
set_key(SpHmac *mac, SpHash hash, const void *key, size_t key_length)
{
	uint8_t block_key[SP_BLOCK_MAX] = {0};
	size_t block = HASHES[hash].block;
	EVP_MD *md = EVP_MD_fetch(NULL, HASHES[hash].name, NULL);
	bool ok = md != NULL;

	if (key_length > block)
		ok = ok && EVP_Digest(key, key_length, block_key, NULL, md, NULL);
	else if (key_length > 0)
		memcpy(block_key, key, key_length);
	ok = ok && begin(mac->inner, md, block_key, block, IPAD) &&
	     begin(mac->outer, md, block_key, block, OPAD);
	sp_crypto_wipe(block_key, sizeof(block_key));
	EVP_MD_free(md);
	return ok;
}

SpStatus
sp_hmac_new(const SpEnv *env, SpHash hash, const void *key, size_t key_length, SpHmac **out)
{
	SpHmac *mac = sp_calloc(env, 1, sizeof(SpHmac));

	*out = NULL;
	if (mac == NULL)
		return SP_ERR_NO_MEMORY;
	mac->env = env;
	mac->bytes = HASHES[hash].bytes;
	mac->inner = EVP_MD_CTX_new();
	mac->outer = EVP_MD_CTX_new();
	mac->work = EVP_MD_CTX_new();
	if (mac->inner == NULL || mac->outer == NULL || mac->work == NULL ||
	    !set_key(mac, hash, key, key_length))
	{
		ERR_clear_error();
		sp_hmac_free(mac);
		return SP_ERR_NO_MEMORY;
	}
	*out = mac;
	return SP_OK;
}

void
sp_hmac_free(SpHmac *mac)
{
	if (mac == NULL)
		return;
	/* OpenSSL wipes the states that it frees. */
	EVP_MD_CTX_free(mac->inner);
	EVP_MD_CTX_free(mac->outer);
	EVP_MD_CTX_free(mac->work);
	sp_free(mac->env, mac);
}

SpStatus
sp_hmac_run(SpHmac *mac, const void *data, size_t n, uint8_t *out)
{
	uint8_t hash[SP_HASH_MAX];
	bool ok =
		EVP_MD_CTX_copy_ex(mac->work, mac->inner) && EVP_DigestUpdate(mac->work, data, n) &&
		EVP_DigestFinal_ex(mac->work, hash, NULL) && EVP_MD_CTX_copy_ex(mac->work, mac->outer) &&
		EVP_DigestUpdate(mac->work, hash, mac->bytes) && EVP_DigestFinal_ex(mac->work, out, NULL);

	sp_crypto_wipe(hash, sizeof(hash));
	if (ok)
		return SP_OK;
	ERR_clear_error();
	return SP_ERR_NO_MEMORY;
}

static void *
plain_alloc(void *host, size_t size)
{
	(void) host;
	return OPENSSL_malloc(size);
}

static void
plain_release(void *host, void *p)
{
	(void) host;
	OPENSSL_free(p);
}

SpStatus
sp_hmac_once(SpHash hash, const void *key, size_t key_length, const void *data, size_t n,
             uint8_t *out)
{
	static const SpEnv plain = {plain_alloc, plain_release, NULL, NULL};
	SpHmac *mac;
	SpStatus st = sp_hmac_new(&plain, hash, key, key_length, &mac);

	if (st == SP_OK)
		st = sp_hmac_run(mac, data, n, out);
	sp_hmac_free(mac);
	return st;
}
