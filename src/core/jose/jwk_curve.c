/*
 * src/core/jose/jwk_curve.c
 *	  Keys on curves: P-256, P-384, P-521 (RFC 7518, 6.2) and Ed25519 (RFC 8037).
 *
 * OpenSSL refuses points that are not on the curve and coordinates that are
 * not below the prime; the curves have a prime order, so that no further check
 * of the point is needed (NIST SP 800-56A, 5.6.2.3.3).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <string.h>

#include "core/crypto/constant_time.h"
#include "core/jose/json_strict.h"
#include "core/jose/jwk_internal.h"

#define UNCOMPRESSED 0x04 /* SEC 1, section 2.3.3 */

/* A number below 2^(8 n), from network order to the machine's, which OSSL_PARAM wants. */
static void
to_native(const uint8_t *in, size_t n, uint8_t *out)
{
	for (size_t i = 0; i < n; i++)
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		out[i] = in[n - 1 - i];
#else
		out[i] = in[i];
#endif
}

/* NULL when OpenSSL refuses the numbers. */
static EVP_PKEY *
ec_key(const SpCurve *curve, const JwkPoint *p)
{
	size_t n = curve->bytes;
	uint8_t point[1 + 2 * SP_CURVE_MAX] = {UNCOMPRESSED}, private_key[SP_CURVE_MAX];
	OSSL_PARAM params[4] = {OSSL_PARAM_END};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *pkey = NULL;

	memcpy(point + 1, p->x, n);
	memcpy(point + 1 + n, p->y, n);
	params[0] =
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *) curve->name, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * n);
	params[2] = params[3] = OSSL_PARAM_construct_end();
	if (p->d != NULL)
	{
		to_native(p->d, n, private_key);
		params[2] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, private_key, n);
	}
	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) <= 0 ||
	    EVP_PKEY_fromdata(ctx, &pkey, p->d != NULL ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
	                      params) <= 0)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	sp_crypto_wipe(private_key, sizeof(private_key));
	return pkey;
}

/* Whether 1 <= d < the order of the curve: SEC 1, section 3.2.1. */
static bool
private_in_range(EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	bool good = ctx != NULL && EVP_PKEY_private_check(ctx) == 1;

	EVP_PKEY_CTX_free(ctx);
	return good;
}

/* NULL when OpenSSL refuses the numbers, or d is not x's. */
static EVP_PKEY *
ed25519_key(const JwkPoint *p)
{
	uint8_t x[32];
	size_t n = sizeof(x);
	EVP_PKEY *pkey;

	if (p->d == NULL)
		return EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, p->x, 32);
	pkey = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, p->d, 32);
	if (pkey != NULL && (EVP_PKEY_get_raw_public_key(pkey, x, &n) <= 0 || memcmp(x, p->x, n) != 0))
	{
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	return pkey;
}

SpStatus
sp_jwk_set_point(SpJwk *key, const JwkPoint *point, SpFault *fault)
{
	const SpCurve *curve = key->curve;
	SpStatus st;

	key->algs = SP_JWA_BIT(curve->alg);
	key->pkey = curve->type == SP_KEY_EC ? ec_key(curve, point) : ed25519_key(point);
	if (key->pkey == NULL ||
	    (curve->type == SP_KEY_EC && point->d != NULL && !private_in_range(key->pkey)))
		return sp_fault(fault, SP_ERR_BAD_DATA, "", "The key's numbers are no key of %s.",
		                curve->name);
	st = sp_jwk_keep(key, 0, "x", point->x, curve->bytes);
	if (st == SP_OK && curve->type == SP_KEY_EC)
		st = sp_jwk_keep(key, 1, "y", point->y, curve->bytes);
	return st;
}

/* A number of exactly the curve's length (RFC 7518, 6.2.1.2 and 6.2.2.1; RFC 8037, section 2). */
static SpStatus
read_number(const SpJwk *key, const json_t *json, const char *name, uint8_t **bytes, SpFault *fault)
{
	size_t length;
	SpStatus st = sp_jwk_decode(key->env, json, name, SP_CURVE_MAX, bytes, &length, fault);

	if (st == SP_OK && length != key->curve->bytes)
	{
		sp_jwk_forget(key->env, *bytes, length);
		*bytes = NULL;
		st = sp_fault(fault, SP_ERR_BAD_DATA, "",
		              "The key's member \"%s\" has %zu bytes; %s has %zu.", name, length,
		              key->curve->name, key->curve->bytes);
	}
	return st;
}

SpStatus
sp_jwk_read_curve(SpJwk *key, const json_t *json, SpFault *fault)
{
	size_t length = 0;
	const char *name = sp_json_text(json, "crv", &length);
	uint8_t *x = NULL, *y = NULL, *d = NULL;
	SpStatus st;

	if (name == NULL)
		return sp_fault(fault, SP_ERR_BAD_DATA, "",
		                "The key's member \"crv\" is missing or no text.");
	key->curve = sp_curve_find(name, length);
	if (key->curve == NULL || key->curve->type != key->type)
		return sp_fault(fault, SP_ERR_UNSUPPORTED,
		                "Curves are P-256, P-384 and P-521 for EC, Ed25519 for OKP.",
		                "The key's curve is not known here for its type.");
	st = read_number(key, json, "x", &x, fault);
	if (st == SP_OK && key->type == SP_KEY_EC)
		st = read_number(key, json, "y", &y, fault);
	if (st == SP_OK && key->kind == SP_JWK_PRIVATE)
		st = read_number(key, json, "d", &d, fault);
	if (st == SP_OK)
	{
		JwkPoint point = {x, y, d};

		st = sp_jwk_set_point(key, &point, fault);
	}
	sp_jwk_forget(key->env, x, x != NULL ? key->curve->bytes : 0);
	sp_jwk_forget(key->env, y, y != NULL ? key->curve->bytes : 0);
	sp_jwk_forget(key->env, d, d != NULL ? key->curve->bytes : 0);
	return st;
}

/* The public point of a private key, each coordinate of n bytes. */
static bool
ec_public(const SpCurve *curve, const uint8_t *d, uint8_t *point)
{
	size_t n = curve->bytes;
	EC_GROUP *group = EC_GROUP_new_by_curve_name(EC_curve_nist2nid(curve->name));
	EC_POINT *p = group != NULL ? EC_POINT_new(group) : NULL;
	BIGNUM *k = BN_bin2bn(d, (int) n, NULL);
	bool ok = p != NULL && k != NULL && !BN_is_zero(k) &&
	          BN_cmp(k, EC_GROUP_get0_order(group)) < 0 &&
	          EC_POINT_mul(group, p, k, NULL, NULL, NULL) &&
	          EC_POINT_point2oct(group, p, POINT_CONVERSION_UNCOMPRESSED, point, 1 + 2 * n, NULL) ==
	              1 + 2 * n;

	BN_clear_free(k);
	EC_POINT_free(p);
	EC_GROUP_free(group);
	return ok;
}

static bool
ed25519_public(const uint8_t *d, uint8_t *x)
{
	size_t n = 32;
	EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, d, 32);
	bool ok = pkey != NULL && EVP_PKEY_get_raw_public_key(pkey, x, &n) > 0 && n == 32;

	EVP_PKEY_free(pkey);
	return ok;
}

static SpStatus
set_raw(SpJwk *key, const uint8_t *d, SpFault *fault)
{
	const SpCurve *curve = key->curve;
	uint8_t point[1 + 2 * SP_CURVE_MAX];
	JwkPoint p = {point + 1, point + 1 + curve->bytes, d};

	if (curve->type == SP_KEY_EC ? !ec_public(curve, d, point) : !ed25519_public(d, point + 1))
		return sp_fault(fault, SP_ERR_BAD_DATA, "", "The bytes are no private key of %s.",
		                curve->name);
	return sp_jwk_set_point(key, &p, fault);
}

static SpStatus
set_kid(SpJwk *key, const char *kid)
{
	if (kid == NULL)
		return sp_jwk_thumbprint(key, key->kid);
	if (strlen(kid) > SP_JWK_KID_MAX)
		return SP_ERR_BAD_ARG;
	strcpy(key->kid, kid);
	return SP_OK;
}

SpStatus
sp_jwk_from_raw(const SpEnv *env, SpJwa alg, const uint8_t *private_key, size_t length,
                const char *kid, SpJwk **out, SpFault *fault)
{
	const SpCurve *curve = sp_curve_of(alg);
	SpJwk *key;
	SpStatus st;

	*out = NULL;
	if (curve == NULL)
		return SP_ERR_BAD_ARG;
	if (length != curve->bytes)
		return sp_fault(fault, SP_ERR_BAD_DATA, "", "A private key of %s has %zu bytes, not %zu.",
		                curve->name, curve->bytes, length);
	key = sp_calloc(env, 1, sizeof(SpJwk));
	if (key == NULL)
		return SP_ERR_NO_MEMORY;
	key->env = env;
	key->type = curve->type;
	key->curve = curve;
	key->kind = SP_JWK_PRIVATE;
	key->may_sign = key->may_verify = key->has_kid = true;
	st = set_raw(key, private_key, fault);
	if (st == SP_OK)
		st = set_kid(key, kid);
	ERR_clear_error();
	if (st != SP_OK)
	{
		sp_jwk_free(key);
		return st;
	}
	*out = key;
	return SP_OK;
}

/* The private number of a pair, in network order. */
static bool
get_private(const EVP_PKEY *pkey, const SpCurve *curve, uint8_t *out)
{
	size_t n = curve->bytes;
	BIGNUM *d = NULL;
	bool ok;

	if (curve->type == SP_KEY_OKP)
		return EVP_PKEY_get_raw_private_key(pkey, out, &n) > 0;
	ok = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &d) &&
	     BN_bn2binpad(d, out, (int) n) == (int) n;
	BN_clear_free(d);
	return ok;
}

SpStatus
sp_jwk_private_raw(const SpJwk *key, uint8_t *out, size_t *length)
{
	*length = 0;
	if (key->curve == NULL || key->kind != SP_JWK_PRIVATE)
		return SP_ERR_BAD_ARG;
	if (!get_private(key->pkey, key->curve, out))
	{
		ERR_clear_error();
		sp_crypto_wipe(out, key->curve->bytes);
		return SP_ERR_NO_MEMORY;
	}
	*length = key->curve->bytes;
	return SP_OK;
}

SpStatus
sp_jwk_generate(const SpEnv *env, SpJwa alg, SpJwk **out)
{
	uint8_t d[SP_CURVE_MAX];
	EVP_PKEY *pkey;
	SpStatus st = SP_ERR_IO;

	*out = NULL;
	if (alg != SP_JWA_EDDSA && alg != SP_JWA_ES256)
		return SP_ERR_BAD_ARG;
	pkey = alg == SP_JWA_EDDSA ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") : EVP_EC_gen("P-256");
	if (pkey != NULL && get_private(pkey, sp_curve_of(alg), d))
		st = sp_jwk_from_raw(env, alg, d, sp_curve_of(alg)->bytes, NULL, out, NULL);
	EVP_PKEY_free(pkey);
	sp_crypto_wipe(d, sizeof(d));
	ERR_clear_error();
	return st;
}
