/*
 * src/core/jose/signature.c
 *	  Signatures and codes over bytes, in the forms that JOSE gives them.
 *
 * OpenSSL wants ECDSA signatures as DER (X9.62, SEQUENCE of two INTEGERs).  We
 * write the DER ourselves from the two halves, so that exactly one DER form ever
 * reaches it and none of its tolerances matter.
 *
 * Setting up a context costs several microseconds in OpenSSL 3, as much as a
 * quarter of an RSA verification, so RSA and ECDSA contexts are kept in the key.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/jose/signature.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#include "core/crypto/constant_time.h"
#include "core/jose/jwk_internal.h"

#define DER_INTEGER  0x02
#define DER_SEQUENCE 0x30
#define DER_LONG     0x81 /* one byte of length follows */

/* SEQUENCE and its length, two INTEGERs each with a zero in front. */
#define DER_MAX (3 + 2 * (2 + 1 + SP_CURVE_MAX))

#define ED25519_BYTES 64 /* RFC 8032, section 5.1.6 */

static SpStatus
get_hmac(SpJwk *key, SpJwa alg, SpHmac **mac)
{
	SpStatus st = SP_OK;

	if (key->mac[alg] == NULL)
		st = sp_hmac_new(key->env, sp_jwa_hash(alg), key->secret, key->secret_length,
		                 &key->mac[alg]);
	*mac = key->mac[alg];
	return st;
}

static SpStatus
check_hmac(SpJwk *key, SpJwa alg, const void *data, size_t n, const uint8_t *code, size_t length)
{
	uint8_t expected[SP_HASH_MAX];
	SpHmac *mac;
	SpStatus st = get_hmac(key, alg, &mac);

	if (st == SP_OK)
		st = sp_hmac_run(mac, data, n, expected);
	if (st == SP_OK && !sp_crypto_equal(code, length, expected, sp_hash_bytes(sp_jwa_hash(alg))))
		st = SP_ERR_BAD_DATA;
	sp_crypto_wipe(expected, sizeof(expected));
	return st;
}

static SpStatus
make_hmac(SpJwk *key, SpJwa alg, const void *data, size_t n, uint8_t *out, size_t *length)
{
	SpHmac *mac;
	SpStatus st = get_hmac(key, alg, &mac);

	if (st == SP_OK)
		st = sp_hmac_run(mac, data, n, out);
	*length = sp_hash_bytes(sp_jwa_hash(alg));
	return st;
}

/* RFC 7518, section 3.5: the salt is as long as the hash, and MGF1 uses the same hash. */
static bool
set_padding(EVP_PKEY_CTX *ctx, SpJwa alg)
{
	if (alg >= SP_JWA_RS256 && alg <= SP_JWA_RS512)
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0;
	if (alg >= SP_JWA_PS256 && alg <= SP_JWA_PS512)
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
		       EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, sp_hash_name(sp_jwa_hash(alg)), NULL) > 0 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0;
	return true;
}

/* A context for hashes, for signing or verifying; NULL: no memory. */
static EVP_PKEY_CTX *
new_context(SpJwk *key, SpJwa alg, int (*begin)(EVP_PKEY_CTX *))
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	EVP_MD *md = EVP_MD_fetch(NULL, sp_hash_name(sp_jwa_hash(alg)), NULL);

	if (ctx == NULL || md == NULL || begin(ctx) <= 0 ||
	    EVP_PKEY_CTX_set_signature_md(ctx, md) <= 0 || !set_padding(ctx, alg))
	{
		EVP_PKEY_CTX_free(ctx);
		ctx = NULL;
	}
	EVP_MD_free(md);
	return ctx;
}

/* An INTEGER of n bytes, as short as DER wants it; returns its length. */
static size_t
put_integer(const uint8_t *number, size_t n, uint8_t *out)
{
	size_t zeros = 0, length;

	while (zeros < n - 1 && number[zeros] == 0)
		zeros++;
	/* a set first bit would make it negative */
	length = n - zeros + (number[zeros] >> 7);
	out[0] = DER_INTEGER;
	out[1] = (uint8_t) length;
	out[2] = 0;
	memcpy(out + 2 + length - (n - zeros), number + zeros, n - zeros);
	return 2 + length;
}

static size_t
to_der(const uint8_t *signature, size_t half, uint8_t *out)
{
	uint8_t integers[DER_MAX];
	size_t n = put_integer(signature, half, integers), head = 0;

	n += put_integer(signature + half, half, integers + n);
	out[head++] = DER_SEQUENCE;
	if (n > 0x7F)
		out[head++] = DER_LONG;
	out[head++] = (uint8_t) n;
	memcpy(out + head, integers, n);
	return head + n;
}

/* RSA and ECDSA: over the hash of data. */
static SpStatus
check_hashed(SpJwk *key, SpJwa alg, const void *data, size_t n, const uint8_t *signature,
             size_t length)
{
	uint8_t hash[SP_HASH_MAX], der[DER_MAX];
	size_t wanted =
		key->type == SP_KEY_EC ? 2 * key->curve->bytes : (size_t) EVP_PKEY_get_size(key->pkey);
	SpStatus st;

	if (length != wanted)
		return SP_ERR_BAD_DATA;
	if (key->verifier[alg] == NULL)
		key->verifier[alg] = new_context(key, alg, EVP_PKEY_verify_init);
	if (key->verifier[alg] == NULL)
		return SP_ERR_NO_MEMORY;
	st = sp_hash_run(sp_jwa_hash(alg), data, n, hash);
	if (st != SP_OK)
		return st;
	if (key->type == SP_KEY_EC)
	{
		length = to_der(signature, key->curve->bytes, der);
		signature = der;
	}
	return EVP_PKEY_verify(key->verifier[alg], signature, length, hash,
	                       sp_hash_bytes(sp_jwa_hash(alg))) == 1
	           ? SP_OK
	           : SP_ERR_BAD_DATA;
}

/* The two numbers of a DER signature, each filled up to half its length. */
static bool
from_der(const uint8_t *der, size_t n, size_t half, uint8_t *out)
{
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long) n);
	bool ok = pair != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, (int) half) == (int) half &&
	          BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + half, (int) half) == (int) half;

	ECDSA_SIG_free(pair);
	return ok;
}

static SpStatus
make_hashed(SpJwk *key, SpJwa alg, const void *data, size_t n, uint8_t *out, size_t *length)
{
	uint8_t hash[SP_HASH_MAX], made[SP_SIGNATURE_MAX];
	size_t made_length = sizeof(made);
	EVP_PKEY_CTX *ctx = new_context(key, alg, EVP_PKEY_sign_init);
	SpStatus st = ctx != NULL ? sp_hash_run(sp_jwa_hash(alg), data, n, hash) : SP_ERR_NO_MEMORY;

	if (st == SP_OK &&
	    EVP_PKEY_sign(ctx, made, &made_length, hash, sp_hash_bytes(sp_jwa_hash(alg))) <= 0)
		st = SP_ERR_BAD_DATA;
	EVP_PKEY_CTX_free(ctx);
	if (st != SP_OK)
		return st;
	if (key->type == SP_KEY_EC)
	{
		*length = 2 * key->curve->bytes;
		return from_der(made, made_length, key->curve->bytes, out) ? SP_OK : SP_ERR_NO_MEMORY;
	}
	memcpy(out, made, made_length);
	*length = made_length;
	return SP_OK;
}

static SpStatus
check_ed25519(SpJwk *key, const void *data, size_t n, const uint8_t *signature, size_t length)
{
	EVP_MD_CTX *ctx;
	SpStatus st = SP_ERR_NO_MEMORY;

	if (length != ED25519_BYTES)
		return SP_ERR_BAD_DATA;
	ctx = EVP_MD_CTX_new();
	if (ctx != NULL && EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, key->pkey, NULL) > 0)
		st = EVP_DigestVerify(ctx, signature, length, data, n) == 1 ? SP_OK : SP_ERR_BAD_DATA;
	EVP_MD_CTX_free(ctx);
	return st;
}

static SpStatus
make_ed25519(SpJwk *key, const void *data, size_t n, uint8_t *out, size_t *length)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	SpStatus st = SP_ERR_NO_MEMORY;

	*length = ED25519_BYTES;
	if (ctx != NULL && EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, key->pkey, NULL) > 0 &&
	    EVP_DigestSign(ctx, out, length, data, n) > 0)
		st = SP_OK;
	EVP_MD_CTX_free(ctx);
	return st;
}

SpStatus
sp_signature_check(SpJwk *key, SpJwa alg, const void *data, size_t n, const uint8_t *signature,
                   size_t length)
{
	SpStatus st;

	if (!(sp_jwk_verifies(key) & SP_JWA_BIT(alg)))
		return SP_ERR_BAD_ARG;
	switch (key->type)
	{
		case SP_KEY_OCT:
			return check_hmac(key, alg, data, n, signature, length);
		case SP_KEY_OKP:
			st = check_ed25519(key, data, n, signature, length);
			break;
		default:
			st = check_hashed(key, alg, data, n, signature, length);
	}
	if (st != SP_OK)
		ERR_clear_error();
	return st;
}

SpStatus
sp_signature_make(SpJwk *key, SpJwa alg, const void *data, size_t n, uint8_t *out, size_t *length)
{
	SpStatus st;

	*length = 0;
	if (!(sp_jwk_signs(key) & SP_JWA_BIT(alg)))
		return SP_ERR_BAD_ARG;
	switch (key->type)
	{
		case SP_KEY_OCT:
			st = make_hmac(key, alg, data, n, out, length);
			break;
		case SP_KEY_OKP:
			st = make_ed25519(key, data, n, out, length);
			break;
		default:
			st = make_hashed(key, alg, data, n, out, length);
	}
	if (st != SP_OK)
		ERR_clear_error();
	return st;
}
