/*
 * src/core/crypto/ed25519.c
 *	  Ed25519 by OpenSSL's EVP interface.
 *
 * OpenSSL answers 0 to a wrong signature and to most of its own troubles.
 * Its queue of errors tells them apart; whatever it says, nothing but a
 * signature that fits is ever SP_OK.  The queue is left as it was found: the
 * host may read it for its own connections.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/crypto/ed25519.h"

#include <openssl/err.h>
#include <openssl/evp.h>

/* A message may be empty, but a pointer to it may not be NULL for OpenSSL. */
static const uint8_t nothing[1] = {0};

SpStatus
sp_ed25519_public(const uint8_t private_key[SP_ED25519_KEY_BYTES],
                  uint8_t public_key[SP_ED25519_KEY_BYTES])
{
	size_t length = SP_ED25519_KEY_BYTES;
	EVP_PKEY *key;
	bool ok;

	ERR_set_mark();
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key, SP_ED25519_KEY_BYTES);
	ok = key != NULL && EVP_PKEY_get_raw_public_key(key, public_key, &length) == 1 &&
	     length == SP_ED25519_KEY_BYTES;
	EVP_PKEY_free(key);
	ERR_pop_to_mark();
	return ok ? SP_OK : SP_ERR_NO_MEMORY;
}

SpStatus
sp_ed25519_sign(const uint8_t private_key[SP_ED25519_KEY_BYTES], const void *data, size_t n,
                uint8_t signature[SP_ED25519_SIGNATURE_BYTES])
{
	size_t length = SP_ED25519_SIGNATURE_BYTES;
	EVP_MD_CTX *context;
	EVP_PKEY *key;
	bool ok;

	ERR_set_mark();
	context = EVP_MD_CTX_new();
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key, SP_ED25519_KEY_BYTES);
	ok = context != NULL && key != NULL &&
	     EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
	     EVP_DigestSign(context, signature, &length, n > 0 ? data : nothing, n) == 1 &&
	     length == SP_ED25519_SIGNATURE_BYTES;
	EVP_PKEY_free(key);
	EVP_MD_CTX_free(context);
	ERR_pop_to_mark();
	return ok ? SP_OK : SP_ERR_NO_MEMORY;
}

/* Whether OpenSSL ran out of memory since the mark; it may have gone on trying. */
static bool
no_memory(void)
{
	return ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
}

SpStatus
sp_ed25519_verify(const uint8_t public_key[SP_ED25519_KEY_BYTES], const void *data, size_t n,
                  const uint8_t signature[SP_ED25519_SIGNATURE_BYTES])
{
	SpStatus st = SP_ERR_NO_MEMORY;
	EVP_MD_CTX *context;
	EVP_PKEY *key;

	ERR_set_mark();
	context = EVP_MD_CTX_new();
	key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, SP_ED25519_KEY_BYTES);
	if (context != NULL && key != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1)
	{
		if (EVP_DigestVerify(context, signature, SP_ED25519_SIGNATURE_BYTES, n > 0 ? data : nothing,
		                     n) == 1)
			st = SP_OK;
		else if (!no_memory())
			st = SP_ERR_BAD_DATA;
	}
	EVP_PKEY_free(key);
	EVP_MD_CTX_free(context);
	ERR_pop_to_mark();
	return st;
}
