/*
 * src/core/jose/algorithm.c
 *	  The signature algorithms of JOSE, and the kinds of keys they take.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/jose/algorithm.h"

#include <string.h>

static const struct
{
	const char *name;
	SpKeyType type;
	SpHash hash;
} ALGORITHMS[SP_JWA_COUNT] = {
	[SP_JWA_HS256] = {"HS256", SP_KEY_OCT, SP_HASH_SHA256},
	[SP_JWA_HS384] = {"HS384", SP_KEY_OCT, SP_HASH_SHA384},
	[SP_JWA_HS512] = {"HS512", SP_KEY_OCT, SP_HASH_SHA512},
	[SP_JWA_RS256] = {"RS256", SP_KEY_RSA, SP_HASH_SHA256},
	[SP_JWA_RS384] = {"RS384", SP_KEY_RSA, SP_HASH_SHA384},
	[SP_JWA_RS512] = {"RS512", SP_KEY_RSA, SP_HASH_SHA512},
	[SP_JWA_PS256] = {"PS256", SP_KEY_RSA, SP_HASH_SHA256},
	[SP_JWA_PS384] = {"PS384", SP_KEY_RSA, SP_HASH_SHA384},
	[SP_JWA_PS512] = {"PS512", SP_KEY_RSA, SP_HASH_SHA512},
	[SP_JWA_ES256] = {"ES256", SP_KEY_EC, SP_HASH_SHA256},
	[SP_JWA_ES384] = {"ES384", SP_KEY_EC, SP_HASH_SHA384},
	[SP_JWA_ES512] = {"ES512", SP_KEY_EC, SP_HASH_SHA512},
	[SP_JWA_EDDSA] = {"EdDSA", SP_KEY_OKP, SP_HASH_SHA512},
};

/* Bytes: SEC 1, section 2.3.5, for 256, 384, 521 bits; RFC 8032, section 5.1.5. */
static const SpCurve CURVES[] = {
	{"P-256", SP_KEY_EC, SP_JWA_ES256, 32},
	{"P-384", SP_KEY_EC, SP_JWA_ES384, 48},
	{"P-521", SP_KEY_EC, SP_JWA_ES512, 66},
	{"Ed25519", SP_KEY_OKP, SP_JWA_EDDSA, 32},
};

#define CURVE_COUNT (sizeof(CURVES) / sizeof(CURVES[0]))

static bool
same(const char *name, const char *text, size_t length)
{
	return strlen(name) == length && memcmp(name, text, length) == 0;
}

const char *
sp_jwa_name(SpJwa alg)
{
	return ALGORITHMS[alg].name;
}

bool
sp_jwa_find(const char *name, size_t length, SpJwa *alg)
{
	for (int i = 0; i < SP_JWA_COUNT; i++)
		if (same(ALGORITHMS[i].name, name, length))
		{
			*alg = (SpJwa) i;
			return true;
		}
	return false;
}

SpKeyType
sp_jwa_key_type(SpJwa alg)
{
	return ALGORITHMS[alg].type;
}

SpHash
sp_jwa_hash(SpJwa alg)
{
	return ALGORITHMS[alg].hash;
}

const SpCurve *
sp_curve_find(const char *name, size_t length)
{
	for (size_t i = 0; i < CURVE_COUNT; i++)
		if (same(CURVES[i].name, name, length))
			return &CURVES[i];
	return NULL;
}

const SpCurve *
sp_curve_of(SpJwa alg)
{
	for (size_t i = 0; i < CURVE_COUNT; i++)
		if (CURVES[i].alg == alg)
			return &CURVES[i];
	return NULL;
}
