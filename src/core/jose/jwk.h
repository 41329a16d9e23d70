/*
 * src/core/jose/jwk.h
 *	  Keys: JSON Web Keys (RFC 7517, 7518 section 6, 8037) as objects.
 *
 * A key decides which algorithms it is for, never the token: by its type,
 * its curve, the length of a secret, its "alg", "use" and "key_ops" (RFC 8725,
 * sections 3.1 and 3.5).  Parsing does all the work once: numbers are checked
 * and given to OpenSSL, so that verifying a token parses no key.
 *
 * What is refused, with a reason: RSA below 2048 bits (RFC 7518, 3.3) or above
 * 8192; an even exponent, or one of 1 or of more than 64 bits; numbers with
 * leading zeros; moduli with the structure of CVE-2017-15361 (ROCA); points
 * that are not on their curve; coordinates of another length than the curve's;
 * secrets shorter than their hash (RFC 7518, 3.2); private keys whose halves
 * do not fit; private members where a public key is wanted; members that come
 * twice.  An RSA exponent of 3 is taken: RFC 8017 allows it, and signatures are
 * compared whole, so that it helps no forger.
 *
 * A key, and so a set of keys, is used by one thread at a time: it keeps
 * OpenSSL's contexts between verifications.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_JOSE_JWK_H
#define SP_JOSE_JWK_H

#include "core/jose/algorithm.h"
#include "core/sp_base.h"

#define SP_JWK_BYTES        (64 * 1024) /* of the text of a key; certificates in it are long */
#define SP_JWK_KID_MAX      255         /* bytes of a key's name */
#define SP_JWK_SECRET_MAX   1024        /* bytes of a symmetric key */
#define SP_JWK_RSA_MIN      2048        /* bits */
#define SP_JWK_RSA_MAX      8192        /* bits; verifying takes longer with the square */
#define SP_JWK_RAW_MAX      SP_CURVE_MAX
#define SP_THUMBPRINT_CHARS 43 /* base64url of a SHA-256 */

/* What a key is; as a mask, which are accepted. */
typedef enum SpJwkKind
{
	SP_JWK_SECRET = 1,  /* a symmetric key */
	SP_JWK_PUBLIC = 2,  /* the public half of a pair */
	SP_JWK_PRIVATE = 4, /* a pair */
	SP_JWK_ANY = 7
} SpJwkKind;

typedef struct SpJwk SpJwk;

/*
 * Reads one key of a kind in the mask `accept`.  env must outlive it.
 * SP_ERR_BAD_DATA: no such key, with the reason; SP_ERR_UNSUPPORTED: a key of
 * another type or curve, or for another use than signatures; SP_ERR_TOO_LARGE,
 * SP_ERR_NO_MEMORY.  No fault repeats a private member.
 */
SpStatus sp_jwk_parse(const SpEnv *env, const char *text, size_t length, unsigned accept,
                      SpJwk **out, SpFault *fault);

/*
 * A new pair for SP_JWA_EDDSA or SP_JWA_ES256 whose kid is its thumbprint.
 * SP_ERR_BAD_ARG for other algorithms, SP_ERR_IO, SP_ERR_NO_MEMORY.
 */
SpStatus sp_jwk_generate(const SpEnv *env, SpJwa alg, SpJwk **out);

/*
 * The pair of a private key of sp_jwk_private_raw; kid NULL: its thumbprint.
 * SP_ERR_BAD_DATA when it is none of that algorithm.
 */
SpStatus sp_jwk_from_raw(const SpEnv *env, SpJwa alg, const uint8_t *private_key, size_t length,
                         const char *kid, SpJwk **out, SpFault *fault);

/*
 * The private key of an EC or Ed25519 pair into out, of SP_JWK_RAW_MAX bytes,
 * which the caller wipes.  This is the form to encrypt and to keep: it needs
 * no JSON on its way back.  SP_ERR_BAD_ARG for other keys.
 */
SpStatus sp_jwk_private_raw(const SpJwk *key, uint8_t *out, size_t *length);

/* Wipes and frees; NULL is fine. */
void sp_jwk_free(SpJwk *key);

SpJwkKind sp_jwk_kind(const SpJwk *key);
SpKeyType sp_jwk_type(const SpJwk *key);

/* Bits of an RSA key's modulus; 0 of other keys, whose type says how strong they are. */
unsigned sp_jwk_bits(const SpJwk *key);

/* Mask of SP_JWA_BIT: what it may verify, and what it may sign (0 for a public key). */
unsigned sp_jwk_verifies(const SpJwk *key);
unsigned sp_jwk_signs(const SpJwk *key);

/* The key's name; NULL when it has none. */
const char *sp_jwk_kid(const SpJwk *key);

/*
 * RFC 7638, with SHA-256: 43 characters and a NUL.  SP_ERR_BAD_ARG for a
 * symmetric key, whose thumbprint would be a hash of the secret.
 */
SpStatus sp_jwk_thumbprint(const SpJwk *key, char out[SP_THUMBPRINT_CHARS + 1]);

/*
 * The public half as JSON, members in order of their names, with use "sig",
 * its kid if it has one, and its alg if it has but one; with a NUL, the
 * caller's to sp_free.  SP_ERR_BAD_ARG for a symmetric key.
 */
SpStatus sp_jwk_public_text(const SpEnv *env, const SpJwk *key, char **text, size_t *length);

#endif /* SP_JOSE_JWK_H */
