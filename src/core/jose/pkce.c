/*
 * src/core/jose/pkce.c
 *	  Proof Key for Code Exchange (RFC 7636), method S256.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/jose/pkce.h"

#include <string.h>

#include "core/crypto/base64.h"
#include "core/crypto/constant_time.h"
#include "core/crypto/hmac.h"
#include "core/crypto/random.h"

SpStatus
sp_pkce_make(char verifier[SP_PKCE_CHARS + 1])
{
	uint8_t bytes[SP_HASH_SHA256_BYTES];
	SpStatus st = sp_crypto_random(bytes, sizeof(bytes));

	sp_base64url_encode(bytes, sizeof(bytes), verifier);
	verifier[st == SP_OK ? SP_PKCE_CHARS : 0] = '\0';
	sp_crypto_wipe(bytes, sizeof(bytes));
	return st;
}

/* The unreserved characters of RFC 3986, section 2.3. */
static bool
is_verifier(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		char c = text[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '.' || c == '_' || c == '~'))
			return false;
	}
	return length >= SP_PKCE_VERIFIER_MIN && length <= SP_PKCE_VERIFIER_MAX;
}

SpStatus
sp_pkce_challenge(const char *verifier, size_t length, char challenge[SP_PKCE_CHARS + 1])
{
	uint8_t hash[SP_HASH_SHA256_BYTES];
	SpStatus st;

	challenge[0] = '\0';
	if (!is_verifier(verifier, length))
		return SP_ERR_BAD_DATA;
	st = sp_hash_run(SP_HASH_SHA256, verifier, length, hash);
	if (st != SP_OK)
		return st;
	sp_base64url_encode(hash, sizeof(hash), challenge);
	challenge[SP_PKCE_CHARS] = '\0';
	return SP_OK;
}

SpStatus
sp_pkce_check(const char *verifier, size_t length, const char *challenge, size_t challenge_length)
{
	char expected[SP_PKCE_CHARS + 1];
	SpStatus st = sp_pkce_challenge(verifier, length, expected);

	if (st == SP_OK && !sp_crypto_equal(challenge, challenge_length, expected, SP_PKCE_CHARS))
		st = SP_ERR_BAD_DATA;
	return st;
}
