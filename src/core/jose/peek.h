/*
 * src/core/jose/peek.h
 *	  What a token says about itself before anybody has proved it.
 *
 * Whoever trusts several issuers must know which one's keys to verify with,
 * and the token is the only one that says so.  What is read here chooses
 * keys and nothing else: a token that lies about its issuer meets keys that did
 * not sign it.  After the signature held, the issuer is checked once more, among
 * the claims.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_JOSE_PEEK_H
#define SP_JOSE_PEEK_H

#include "core/jose/jwk.h"
#include "core/jose/jws.h"

#define SP_PEEK_ISSUER_MAX 1023 /* bytes; RFC 7519 has no limit, an index has */

/* Audiences of a token that is meant for several, and bytes of all of them with their NULs. */
#define SP_PEEK_AUDIENCES      16
#define SP_PEEK_AUDIENCE_BYTES 4096

typedef struct SpPeek
{
	char kid[SP_JWK_KID_MAX + 1];        /* empty: none */
	char issuer[SP_PEEK_ISSUER_MAX + 1]; /* empty: none */
	int n_audiences;
	char audiences[SP_PEEK_AUDIENCE_BYTES]; /* one behind the other, each with its NUL */
} SpPeek;

/*
 * Reads kid, iss and aud of a token of at most SP_JWS_BYTES.  SP_ERR_BAD_DATA or
 * SP_ERR_TOO_LARGE with *why and a fault; SP_ERR_NO_MEMORY with *why at SP_JWT_OK.
 * What is no text there, longer than fits, or more than SP_PEEK_AUDIENCES, is malformed.
 */
SpStatus sp_jws_peek(const SpEnv *env, const char *token, size_t length, SpPeek *out,
                     SpJwtError *why, SpFault *fault);

#endif /* SP_JOSE_PEEK_H */
