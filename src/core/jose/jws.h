/*
 * src/core/jose/jws.h
 *	  Signed tokens: JWS in compact form (RFC 7515, section 7.1).
 *
 * Three segments of strict base64url with two dots between them.  The key
 * comes from the caller and says which algorithms it is for; the header's
 * "alg" must be one of them (RFC 8725, section 3.1).  Addresses, certificates
 * and keys in the header ("jku", "x5u", "x5c", "jwk") are not looked at.
 * Extensions are not understood, so "crit" (4.1.11), and "b64" of RFC 7797, are
 * refused.  Nothing of the payload is decoded before its signature held.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_JOSE_JWS_H
#define SP_JOSE_JWS_H

#include "core/jose/jwk_set.h"

#define SP_JWS_BYTES (64 * 1024) /* of a token, unless the caller says otherwise */

/*
 * Why a token was refused.  None of them, and no fault, says what would have
 * passed: no expected name, no time, no other algorithm.
 */
typedef enum SpJwtError
{
	SP_JWT_OK = 0,
	SP_JWT_TOO_LARGE,
	SP_JWT_MALFORMED,      /* no three segments, no base64url, no such JSON */
	SP_JWT_CRITICAL,       /* asks for extensions */
	SP_JWT_ALGORITHM,      /* unknown, or not its key's */
	SP_JWT_UNKNOWN_KEY,    /* no key, or more than one, could be meant */
	SP_JWT_SIGNATURE,      /* is not the key's */
	SP_JWT_TYPE,           /* another "typ" than was asked for */
	SP_JWT_WEAK_KEY,       /* its key is shorter than was asked for */
	SP_JWT_CLAIMS,         /* a registered claim has a value that it cannot have */
	SP_JWT_MISSING_CLAIM,  /* a claim that was asked for is not there */
	SP_JWT_EXPIRED,        /* exp */
	SP_JWT_NOT_YET_VALID,  /* nbf */
	SP_JWT_WRONG_AUDIENCE, /* aud */
	SP_JWT_WRONG_ISSUER    /* iss */
} SpJwtError;

/* One line for people, in lower case, such as "the token has expired". */
const char *sp_jwt_error_text(SpJwtError error);

/* All zero: the defaults. */
typedef struct SpJwsOptions
{
	size_t max_bytes; /* of a token; 0: SP_JWS_BYTES */
	unsigned algs;    /* mask of SP_JWA_BIT that are let in; 0: all that the key is for */
	const char
		*typ; /* that the header must have, such as "at+jwt"; several with commas; NULL: any */
	bool typ_optional;     /* with typ: a header without one is let in, too */
	unsigned rsa_min_bits; /* of an RSA key; 0: SP_JWK_RSA_MIN */
} SpJwsOptions;

typedef struct SpJws
{
	const SpEnv *env;
	SpJwk *key; /* of the set */
	SpJwa alg;
	uint8_t *payload; /* with a NUL behind it, which does not count */
	size_t length;
} SpJws;

/*
 * Verifies a token with the key of the set that it means.  SP_OK fills out, to
 * be freed with sp_jws_free.  SP_ERR_BAD_DATA, or SP_ERR_TOO_LARGE, with *why
 * and a fault; SP_ERR_NO_MEMORY with *why at SP_JWT_OK.  options may be NULL.
 */
SpStatus sp_jws_verify(const SpEnv *env, const char *token, size_t length, SpJwkSet *keys,
                       const SpJwsOptions *options, SpJws *out, SpJwtError *why, SpFault *fault);
void sp_jws_free(SpJws *jws);

/*
 * Signs n bytes with a header of alg, the key's kid, and typ if it is not NULL.
 * The token, with a NUL, is the caller's to sp_free.  SP_ERR_BAD_ARG when the
 * key does not sign alg, SP_ERR_NO_MEMORY.
 */
SpStatus sp_jws_sign(const SpEnv *env, SpJwk *key, SpJwa alg, const char *typ, const void *payload,
                     size_t n, char **token, size_t *length);

/* As sp_jws_sign, with a header as it stands; its "alg" must be alg: the caller's duty. */
SpStatus sp_jws_sign_header(const SpEnv *env, SpJwk *key, SpJwa alg, const char *header,
                            size_t header_length, const void *payload, size_t n, char **token,
                            size_t *length);

#endif /* SP_JOSE_JWS_H */
