/*
 * tests/unit/jose_keys.h
 *	  Keys to test with: one for each algorithm.  RSA keys are drawn by OpenSSL
 *	  and written as JWK here, by other code than what reads them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef JOSE_KEYS_H
#define JOSE_KEYS_H

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "check.h"
#include "core/crypto/base64.h"
#include "core/jose/jwk_set.h"

/* HMAC keys of RFC 7515, appendix A.1: 64 bytes, for any of the three. */
#define OCT_JWK(alg)                                                                           \
	"{\"kty\":\"oct\",\"alg\":\"" alg "\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_" \
	"T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}"

/* {"kty":"RSA", ...} with alg, and the private numbers if wanted; the caller's to free. */
static inline char *
rsa_jwk(EVP_PKEY *pkey, const char *alg, bool private_too)
{
	static const char *const names[][2] = {
		{"n", OSSL_PKEY_PARAM_RSA_N},          {"e", OSSL_PKEY_PARAM_RSA_E},
		{"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
		{"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
		{"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1}};
	char *text = malloc(16384), number[2048];
	uint8_t bytes[1024];
	int at = sprintf(text, "{\"kty\":\"RSA\",\"alg\":\"%s\"", alg);

	for (int i = 0; i < (private_too ? 8 : 2); i++)
	{
		BIGNUM *bn = NULL;
		int n;

		if (!EVP_PKEY_get_bn_param(pkey, names[i][1], &bn))
			abort();
		n = BN_bn2bin(bn, bytes);
		sp_base64url_encode(bytes, (size_t) n, number);
		number[SP_BASE64URL_CHARS((size_t) n)] = '\0';
		at += sprintf(text + at, ",\"%s\":\"%s\"", names[i][0], number);
		BN_clear_free(bn);
	}
	strcpy(text + at, "}");
	return text;
}

static inline SpJwk *
key_from_text(const char *text)
{
	SpJwk *key = NULL;
	SpFault fault = {"", ""};
	SpStatus st = sp_jwk_parse(&check_env, text, strlen(text), SP_JWK_ANY, &key, &fault);

	if (st != SP_OK)
		printf("# %s\n", fault.detail);
	CHECK(st == SP_OK);
	return key;
}

/* A pair or a secret that signs alg.  rsa: a key of 2048 bits. */
static inline SpJwk *
key_for(SpJwa alg, EVP_PKEY *rsa)
{
	uint8_t d[SP_CURVE_MAX] = {0};
	const SpCurve *curve = sp_curve_of(alg);
	char text[512], *jwk;
	SpJwk *key = NULL;

	if (alg <= SP_JWA_HS512)
	{
		snprintf(text, sizeof(text), OCT_JWK("%s"), sp_jwa_name(alg));
		return key_from_text(text);
	}
	if (curve == NULL)
	{
		jwk = rsa_jwk(rsa, sp_jwa_name(alg), true);
		key = key_from_text(jwk);
		free(jwk);
		return key;
	}
	for (size_t i = 1; i < curve->bytes; i++)
		d[i] = (uint8_t) check_random();
	d[1] = 0;
	CHECK(sp_jwk_from_raw(&check_env, alg, d, curve->bytes, "test", &key, NULL) == SP_OK);
	return key;
}

/* A set of the public half alone (of the secret itself, if it is one). */
static inline SpJwkSet *
public_set(const SpJwk *key, const char *secret_text)
{
	SpJwkSet *set = NULL;
	char *text = NULL;
	size_t length;

	if (sp_jwk_kind(key) == SP_JWK_SECRET)
	{
		CHECK(sp_jwk_set_parse(&check_env, secret_text, strlen(secret_text), SP_JWK_SECRET, &set,
		                       NULL) == SP_OK);
		return set;
	}
	CHECK(sp_jwk_public_text(&check_env, key, &text, &length) == SP_OK);
	CHECK(strlen(text) == length);
	CHECK(sp_jwk_set_parse(&check_env, text, length, SP_JWK_PUBLIC, &set, NULL) == SP_OK);
	sp_free(&check_env, text);
	return set;
}

#endif /* JOSE_KEYS_H */
