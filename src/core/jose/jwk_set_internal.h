/*
 * src/core/jose/jwk_set_internal.h
 *	  The inside of a set of keys, with the last header that was understood.
 *
 * Tokens of one issuer have the same header, byte for byte.  What a header means
 * depends on its bytes and the set alone, so its meaning is kept with the set;
 * for HMAC that doubles the speed.  Nothing about a signature is kept.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_JOSE_JWK_SET_INTERNAL_H
#define SP_JOSE_JWK_SET_INTERNAL_H

#include "core/jose/jwk_internal.h"
#include "core/jose/jwk_set.h"

#define HEADER_MEMO_CHARS 512 /* of a header in base64url that is kept */
#define HEADER_TYP_MAX    63  /* bytes of a "typ" that is looked at */

/* A JOSE header, as far as it matters. */
typedef struct JwsHeader
{
	SpJwa alg;
	SpJwk *key;
	bool has_typ;
	char typ[HEADER_TYP_MAX + 1];
} JwsHeader;

typedef struct JwsMemo
{
	size_t length; /* 0: nothing is kept */
	char text[HEADER_MEMO_CHARS];
	JwsHeader header;
} JwsMemo;

struct SpJwkSet
{
	const SpEnv *env;
	size_t count;
	SpJwk *keys[SP_JWK_SET_KEYS];
	JwsMemo memo;
};

#endif /* SP_JOSE_JWK_SET_INTERNAL_H */
