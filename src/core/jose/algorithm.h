/*
 * src/core/jose/algorithm.h
 *	  The signature algorithms of JOSE, and the kinds of keys they take.
 *
 * RFC 7518, section 3.1, and RFC 8037 for EdDSA.  "none" is not in the list,
 * so no key, header or option can name it.  ES256K, Ed448, the encryption of
 * RFC 7516 and everything else that is registered are not in it either.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_JOSE_ALGORITHM_H
#define SP_JOSE_ALGORITHM_H

#include "core/crypto/hmac.h"
#include "core/sp_base.h"

typedef enum SpJwa
{
	SP_JWA_HS256, /* HMAC with SHA-2: RFC 7518, section 3.2 */
	SP_JWA_HS384,
	SP_JWA_HS512,
	SP_JWA_RS256, /* RSASSA-PKCS1-v1_5: section 3.3 */
	SP_JWA_RS384,
	SP_JWA_RS512,
	SP_JWA_PS256, /* RSASSA-PSS, salt as long as the hash: section 3.5 */
	SP_JWA_PS384,
	SP_JWA_PS512,
	SP_JWA_ES256, /* ECDSA over P-256, P-384, P-521, each with its hash: section 3.4 */
	SP_JWA_ES384,
	SP_JWA_ES512,
	SP_JWA_EDDSA /* Ed25519: RFC 8037, section 3.1 */
} SpJwa;

#define SP_JWA_COUNT  13
#define SP_JWA_BIT(a) (1u << (a))

typedef enum SpKeyType
{
	SP_KEY_OCT, /* RFC 7518, section 6.4 */
	SP_KEY_RSA, /* section 6.3 */
	SP_KEY_EC,  /* section 6.2 */
	SP_KEY_OKP  /* RFC 8037, section 2 */
} SpKeyType;

/* A curve by its JOSE name: P-256, P-384, P-521 (RFC 7518, 6.2.1.1), Ed25519 (RFC 8037). */
typedef struct SpCurve
{
	const char *name;
	SpKeyType type;
	SpJwa alg;
	size_t bytes; /* of a coordinate, of a private key, and of half a signature */
} SpCurve;

/* Bytes of the longest coordinate, P-521's. */
#define SP_CURVE_MAX 66

/* As it stands in a header, such as "HS256". */
const char *sp_jwa_name(SpJwa alg);

/* The algorithm of that very name; false when there is none. */
bool sp_jwa_find(const char *name, size_t length, SpJwa *alg);

SpKeyType sp_jwa_key_type(SpJwa alg);

/* What is hashed with; Ed25519 hashes for itself (SHA-512). */
SpHash sp_jwa_hash(SpJwa alg);

/* NULL when there is none of that name or with that algorithm. */
const SpCurve *sp_curve_find(const char *name, size_t length);
const SpCurve *sp_curve_of(SpJwa alg);

#endif /* SP_JOSE_ALGORITHM_H */
