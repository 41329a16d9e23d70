/*
 * tests/bench/jose.c
 *	  Verifying tokens: how many a second on one core, beside OpenSSL alone with
 *	  the same key?
 *
 * "OpenSSL" is what `openssl speed` measures: a context prepared once, and of
 * the signature nothing but the signature (RSA and ECDSA over a hash that is there
 * already).  "token" is sp_jws_verify: size, segments, base64url, header, key,
 * algorithm, hash, signature, payload.  "new header" is the same when no two
 * tokens have the same header, so that it is read as JSON each time.  "and claims"
 * adds the claims to "token": JSON, shapes, times, issuer, audience.
 *
 * Processor time, the best of five rounds that take turns.  RSA keys have 2048
 * bits, tokens about 420 characters beside their signature.
 *
 * Build without sanitizers:
 *	cc -O3 -std=gnu11 -Isrc -Itests -o bench_jose tests/bench/jose.c src/core/sp_base.c
 *	   src/core/crypto/X.c src/core/jose/X.c (all of them) -ljansson -lcrypto
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "core/crypto/base64.h"
#include "core/jose/claims.h"
#include "core/jose/signature.h"
#include "host.h"
#include "unit/jose_keys.h"

#define ROUNDS  5
#define SECONDS 0.15
#define WAYS    4
#define BAR     0.60

static const char CLAIMS[] =
	"{\"iss\":\"https://id.example.org/\",\"aud\":\"spotai\",\"sub\":\"5f0c1c1e-9d53-4a70-8d0e-"
	"4a3c1c7d9e11\",\"tenant\":\"0b7f2f0e-5d4f-4f0c-9f7a-2f8d6a1e3b55\",\"iat\":1700000000,"
	"\"exp\":1700000900,\"jti\":\"01HF3Q2W9K8Z7Y6X5V4T3S2R1P\",\"roles\":[\"stems:write\",\"read\"]"
	"}";

typedef struct Job
{
	SpJwa alg;
	SpJwk *key;
	SpJwkSet *set;
	EVP_PKEY *pkey;
	char *token, *other; /* other: the same with another header */
	size_t length, other_length;

	/* OpenSSL alone */
	EVP_PKEY_CTX *ctx;
	EVP_MD_CTX *md_ctx;
	EVP_MAC_CTX *mac_ctx;
	size_t signed_length, hash_length, signature_length;
	uint8_t hash[SP_HASH_MAX], signature[SP_SIGNATURE_MAX];
} Job;

static void
require(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s failed\n", what);
	exit(1);
}

/* --- OpenSSL alone ------------------------------------------------------------- */

static void
raw_mac(Job *job, const char *k)
{
	uint8_t secret[SP_JWK_SECRET_MAX];
	size_t n;
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string("digest", (char *) sp_hash_name(sp_jwa_hash(job->alg)), 0),
		OSSL_PARAM_construct_end()};

	require(sp_base64url_decode(k, 86, secret, sizeof(secret), &n) == SP_OK, "the secret");
	job->mac_ctx = EVP_MAC_CTX_new(mac);
	require(EVP_MAC_init(job->mac_ctx, secret, n, params), "EVP_MAC_init");
}

/* r and s as OpenSSL wants them, by its own functions. */
static size_t
to_der(uint8_t *signature, size_t n)
{
	ECDSA_SIG *pair = ECDSA_SIG_new();
	uint8_t *at = signature;
	int length;

	ECDSA_SIG_set0(pair, BN_bin2bn(signature, (int) n / 2, NULL),
	               BN_bin2bn(signature + n / 2, (int) n / 2, NULL));
	length = i2d_ECDSA_SIG(pair, &at);
	ECDSA_SIG_free(pair);
	return (size_t) length;
}

static EVP_PKEY *
raw_public(const Job *job)
{
	uint8_t raw[SP_JWK_RAW_MAX];
	size_t n;

	require(sp_jwk_private_raw(job->key, raw, &n) == SP_OK, "the private key");
	return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, raw, n);
}

static void
raw_hashed(Job *job, EVP_PKEY *pkey)
{
	SpHash hash = sp_jwa_hash(job->alg);

	job->hash_length = sp_hash_bytes(hash);
	sp_hash_run(hash, job->token, job->signed_length, job->hash);
	job->ctx = EVP_PKEY_CTX_new(pkey, NULL);
	require(EVP_PKEY_verify_init(job->ctx) > 0, "EVP_PKEY_verify_init");
	EVP_PKEY_CTX_set_signature_md(job->ctx, EVP_get_digestbyname(sp_hash_name(hash)));
	if (job->alg >= SP_JWA_PS256 && job->alg <= SP_JWA_PS512)
	{
		EVP_PKEY_CTX_set_rsa_padding(job->ctx, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(job->ctx, RSA_PSS_SALTLEN_DIGEST);
	}
	if (sp_jwa_key_type(job->alg) == SP_KEY_EC)
		job->signature_length = to_der(job->signature, job->signature_length);
}

/* The curve's key once more, from the public text, for OpenSSL. */
static EVP_PKEY *
ec_public(const Job *job)
{
	const SpCurve *curve = sp_curve_of(job->alg);
	uint8_t point[1 + 2 * SP_CURVE_MAX] = {4};
	size_t n, length;
	char *text;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *) curve->name, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * curve->bytes),
		OSSL_PARAM_construct_end()};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *pkey = NULL;

	require(sp_jwk_public_text(&env, job->key, &text, &length) == SP_OK, "the public text");
	for (int i = 0; i < 2; i++)
	{
		const char *at = strstr(text, i == 0 ? "\"x\":\"" : "\"y\":\"") + 5;

		require(sp_base64url_decode(at, SP_BASE64URL_CHARS(curve->bytes),
		                            point + 1 + (size_t) i * curve->bytes, curve->bytes,
		                            &n) == SP_OK,
		        "a coordinate");
	}
	sp_free(&env, text);
	require(EVP_PKEY_fromdata_init(ctx) > 0 &&
	            EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) > 0,
	        "EVP_PKEY_fromdata");
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

static bool
raw_once(Job *job)
{
	uint8_t code[SP_HASH_MAX];
	size_t n;

	if (job->mac_ctx != NULL)
		return EVP_MAC_init(job->mac_ctx, NULL, 0, NULL) &&
		       EVP_MAC_update(job->mac_ctx, (uint8_t *) job->token, job->signed_length) &&
		       EVP_MAC_final(job->mac_ctx, code, &n, sizeof(code)) &&
		       CRYPTO_memcmp(code, job->signature, n) == 0;
	if (job->md_ctx != NULL)
		return EVP_DigestVerify(job->md_ctx, job->signature, job->signature_length,
		                        (uint8_t *) job->token, job->signed_length) == 1;
	return EVP_PKEY_verify(job->ctx, job->signature, job->signature_length, job->hash,
	                       job->hash_length) == 1;
}

/* --- tokens ----------------------------------------------------------------------- */

static bool
token_once(Job *job, const char *token, size_t length, bool claims_too)
{
	static const SpClaimsWant want = {
		.now_s = 1700000100, .issuer = "https://id.example.org/", .audience = "spotai"};
	SpJws jws;
	SpJwtError why;
	SpClaims *claims = NULL;
	bool ok = sp_jws_verify(&env, token, length, job->set, NULL, &jws, &why, NULL) == SP_OK;

	if (ok && claims_too)
		ok = sp_claims_read(&env, jws.payload, jws.length, &claims, &why, NULL) == SP_OK &&
		     sp_claims_check(claims, &want, &why, NULL) == SP_OK;
	sp_claims_free(claims);
	sp_jws_free(&jws);
	return ok;
}

static bool
once(Job *job, int way, long i)
{
	switch (way)
	{
		case 0:
			return raw_once(job);
		case 1:
			return token_once(job, job->token, job->length, false);
		case 2:
			return i % 2 ? token_once(job, job->other, job->other_length, false)
			             : token_once(job, job->token, job->length, false);
		default:
			return token_once(job, job->token, job->length, true);
	}
}

static double
rate(Job *job, int way)
{
	double start = cpu_seconds(), now = start;
	long n = 0;

	while (now - start < SECONDS)
	{
		for (int i = 0; i < 64; i++, n++)
			require(once(job, way, n), "a verification");
		now = cpu_seconds();
	}
	return (double) n / (now - start);
}

static void
prepare(Job *job, EVP_PKEY *rsa)
{
	const char *dot;
	char text[512], header[128];
	int n;

	job->key = key_for(job->alg, rsa);
	snprintf(text, sizeof(text), OCT_JWK("%s"), sp_jwa_name(job->alg));
	job->set = public_set(job->key, text);
	require(sp_jws_sign(&env, job->key, job->alg, "JWT", CLAIMS, strlen(CLAIMS), &job->token,
	                    &job->length) == SP_OK,
	        "signing");
	n = snprintf(header, sizeof(header), "{\"typ\":\"JWT\",\"alg\":\"%s\"}", sp_jwa_name(job->alg));
	require(sp_jws_sign_header(&env, job->key, job->alg, header, (size_t) n, CLAIMS, strlen(CLAIMS),
	                           &job->other, &job->other_length) == SP_OK,
	        "signing");
	dot = strrchr(job->token, '.');
	job->signed_length = (size_t) (dot - job->token);
	require(sp_base64url_decode(dot + 1, job->length - job->signed_length - 1, job->signature,
	                            sizeof(job->signature), &job->signature_length) == SP_OK,
	        "the signature");
	if (sp_jwa_key_type(job->alg) == SP_KEY_OCT)
		raw_mac(job, strstr(text, "AyM1"));
	else if (job->alg == SP_JWA_EDDSA)
	{
		job->pkey = raw_public(job);
		job->md_ctx = EVP_MD_CTX_new();
		require(EVP_DigestVerifyInit(job->md_ctx, NULL, NULL, NULL, job->pkey) > 0,
		        "EVP_DigestVerifyInit");
	}
	else
	{
		job->pkey = sp_jwa_key_type(job->alg) == SP_KEY_EC ? ec_public(job) : rsa;
		raw_hashed(job, job->pkey);
	}
}

/* True when the bar is reached. */
static bool
measure(SpJwa alg, EVP_PKEY *rsa)
{
	Job job = {.alg = alg};
	double best[WAYS] = {0};

	prepare(&job, rsa);
	for (int round = 0; round < ROUNDS; round++)
		for (int way = 0; way < WAYS; way++)
			best[way] = fmax(best[way], rate(&job, way));
	printf("| %s | %.0f | %.0f | %.0f %% | %.0f | %.0f |\n", sp_jwa_name(alg), best[0], best[1],
	       100 * best[1] / best[0], best[2], best[3]);
	fflush(stdout);
	sp_free(&env, job.token);
	sp_free(&env, job.other);
	sp_jwk_set_free(job.set);
	sp_jwk_free(job.key);
	EVP_PKEY_CTX_free(job.ctx);
	EVP_MD_CTX_free(job.md_ctx);
	EVP_MAC_CTX_free(job.mac_ctx);
	if (job.pkey != rsa)
		EVP_PKEY_free(job.pkey);
	return best[1] >= BAR * best[0];
}

int
main(void)
{
	EVP_PKEY *rsa = EVP_RSA_gen(2048);
	bool reached = true;

	printf("| verifications a second | OpenSSL | token | of OpenSSL | new header | and claims |\n");
	printf("|---|---|---|---|---|---|\n");
	for (int alg = 0; alg < SP_JWA_COUNT; alg++)
		reached &= measure((SpJwa) alg, rsa);
	EVP_PKEY_free(rsa);
	if (!reached)
		fprintf(stderr, "an algorithm is below %.0f %% of OpenSSL\n", 100 * BAR);
	return 0;
}
