/*
 * src/core/jose/jwk_internal.h
 *	  What the files of keys and signatures share: the inside of a key.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_JOSE_JWK_INTERNAL_H
#define SP_JOSE_JWK_INTERNAL_H

#include <openssl/evp.h>

#include "core/jose/jwk.h"
#include "core/sp_json.h"

#define HMAC_COUNT 3 /* HS256, HS384, HS512, the first of SpJwa */

/* A public member, in base64url as it came, which is the one text of its value. */
typedef struct JwkMember
{
	const char *name;
	char *text;
} JwkMember;

struct SpJwk
{
	const SpEnv *env;
	SpJwkKind kind;
	SpKeyType type;
	const SpCurve *curve; /* of EC and OKP */
	unsigned algs;        /* that type, curve, length and "alg" leave */
	bool may_sign;        /* by use, key_ops and kind */
	bool may_verify;
	bool has_kid;
	char kid[SP_JWK_KID_MAX + 1];
	JwkMember members[2]; /* n and e, x and y, or x */

	EVP_PKEY *pkey;                       /* all but oct */
	EVP_PKEY_CTX *verifier[SP_JWA_COUNT]; /* RSA and EC, at first use */
	uint8_t *secret;                      /* oct */
	size_t secret_length;
	SpHmac *mac[HMAC_COUNT]; /* at first use */
};

/* Numbers of a key, read from text or drawn; NULL: it has no such number. */
typedef struct JwkPoint
{
	const uint8_t *x;
	const uint8_t *y;
	const uint8_t *d;
} JwkPoint;

/* As sp_jwk_parse, for JSON that is read already. */
SpStatus sp_jwk_from_json(const SpEnv *env, const json_t *json, unsigned accept, SpJwk **out,
                          SpFault *fault);

/* Reads what is specific to the type, and leaves in key->algs what the key could be for. */
SpStatus sp_jwk_read_oct(SpJwk *key, const json_t *json, SpFault *fault);
SpStatus sp_jwk_read_rsa(SpJwk *key, const json_t *json, SpFault *fault);
SpStatus sp_jwk_read_curve(SpJwk *key, const json_t *json, SpFault *fault);

/* Gives a point of key->curve, each coordinate of its length, to OpenSSL. */
SpStatus sp_jwk_set_point(SpJwk *key, const JwkPoint *point, SpFault *fault);

/* Keeps n bytes as the public member i.  SP_ERR_NO_MEMORY. */
SpStatus sp_jwk_keep(SpJwk *key, int i, const char *name, const uint8_t *bytes, size_t n);

/*
 * Decodes a base64url member into an own buffer, to be wiped and freed with
 * sp_jwk_forget.  SP_ERR_BAD_DATA when it is missing, no string, empty or not
 * canonical.
 */
SpStatus sp_jwk_decode(const SpEnv *env, const json_t *json, const char *name, size_t max,
                       uint8_t **bytes, size_t *length, SpFault *fault);
void sp_jwk_forget(const SpEnv *env, uint8_t *bytes, size_t length);

/* Whether the halves of a pair fit: what one signs, the other must verify. */
SpStatus sp_jwk_check_pair(SpJwk *key, SpFault *fault);

/* The public half of a key that is not symmetric, as a new object; NULL: no memory. */
json_t *sp_jwk_public_json(const SpJwk *key);

/* JSON as text with a NUL, the caller's to sp_free.  SP_ERR_NO_MEMORY. */
SpStatus sp_json_write(const SpEnv *env, const json_t *json, char **text, size_t *length);

/* A modulus with the structure of CVE-2017-15361. */
bool sp_jwk_is_roca(const uint8_t *modulus, size_t length);

#endif /* SP_JOSE_JWK_INTERNAL_H */
