/*
 * src/core/jose/jwk_set.h
 *	  Sets of keys (RFC 7517, section 5), and which of them a token means.
 *
 * A set is of one kind: all public, all pairs, or all symmetric.  One that mixes
 * them was put together by mistake, and could publish a secret.  Two keys of one
 * name are refused.  Keys for other uses, types and algorithms are left out, as
 * section 5 wants it; a key that is for us but wrong spoils the set.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_JOSE_JWK_SET_H
#define SP_JOSE_JWK_SET_H

#include "core/jose/jwk.h"

#define SP_JWK_SET_BYTES (256 * 1024) /* of the text of a set */
#define SP_JWK_SET_KEYS  64

typedef struct SpJwkSet SpJwkSet;

/* An empty set.  env must outlive it. */
SpStatus sp_jwk_set_new(const SpEnv *env, SpJwkSet **out);

/*
 * Reads a set, or a single key as a set of one.  Errors as sp_jwk_parse;
 * SP_ERR_UNSUPPORTED when no key of it is for signatures.
 */
SpStatus sp_jwk_set_parse(const SpEnv *env, const char *text, size_t length, unsigned accept,
                          SpJwkSet **out, SpFault *fault);

/*
 * Adds a key, which the set owns from then on, also when it is refused.
 * SP_ERR_BAD_DATA (kind, name), SP_ERR_TOO_LARGE.
 */
SpStatus sp_jwk_set_add(SpJwkSet *set, SpJwk *key, SpFault *fault);

void sp_jwk_set_free(SpJwkSet *set);

size_t sp_jwk_set_count(const SpJwkSet *set);
SpJwk *sp_jwk_set_at(const SpJwkSet *set, size_t i);

/*
 * The key that a header with this kid (NULL: none) and alg means: the one of
 * that name; else, if but one is left of those that have no name (any name,
 * when the header names none) and verify alg, that one.  NULL when it is not
 * clear: a signature is never tried on one key after the other.
 */
SpJwk *sp_jwk_set_find(const SpJwkSet *set, const char *kid, SpJwa alg);

/* The public halves as {"keys": ...}, as sp_jwk_public_text. */
SpStatus sp_jwk_set_public_text(const SpEnv *env, const SpJwkSet *set, char **text, size_t *length);

#endif /* SP_JOSE_JWK_SET_H */
