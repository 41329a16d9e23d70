/*
 * tests/fuzz/fuzz_jwk.c
 *	  libFuzzer: a key or a set of keys.  What is taken can be written and read
 *	  again, is the same key then, and shows nothing private.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdint.h>
#include <string.h>

#include "core/jose/jwk_set.h"
#include "core/jose/signature.h"
#include "host.h"

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
check_pair(SpJwk *key)
{
	uint8_t signature[SP_SIGNATURE_MAX];
	size_t length;

	for (int alg = 0; alg < SP_JWA_COUNT; alg++)
	{
		if (!(sp_jwk_signs(key) & sp_jwk_verifies(key) & SP_JWA_BIT(alg)))
			continue;
		require(sp_signature_make(key, (SpJwa) alg, "x", 1, signature, &length) == SP_OK);
		require(sp_signature_check(key, (SpJwa) alg, "x", 1, signature, length) == SP_OK);
		require(sp_signature_check(key, (SpJwa) alg, "y", 1, signature, length) == SP_ERR_BAD_DATA);
	}
}

static void
check_public(SpJwk *key)
{
	char print[SP_THUMBPRINT_CHARS + 1], again_print[SP_THUMBPRINT_CHARS + 1], *text;
	size_t length;
	SpJwk *again;

	require(sp_jwk_thumbprint(key, print) == SP_OK);
	require(sp_jwk_public_text(&env, key, &text, &length) == SP_OK);
	require(sp_jwk_parse(&env, text, length, SP_JWK_PUBLIC, &again, NULL) == SP_OK);
	require(sp_jwk_thumbprint(again, again_print) == SP_OK && strcmp(print, again_print) == 0);
	sp_jwk_free(again);
	sp_free(&env, text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SpJwkSet *set;
	SpFault fault = {"", ""};
	SpStatus st = sp_jwk_set_parse(&env, (const char *) data, size, SP_JWK_ANY, &set, &fault);

	require((st == SP_OK) == (fault.detail[0] == '\0'));
	for (size_t i = 0; st == SP_OK && i < sp_jwk_set_count(set); i++)
	{
		SpJwk *key = sp_jwk_set_at(set, i);

		check_pair(key);
		if (sp_jwk_kind(key) != SP_JWK_SECRET)
			check_public(key);
	}
	sp_jwk_set_free(set);
	return 0;
}
