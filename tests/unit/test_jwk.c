/*
 * tests/unit/test_jwk.c
 *	  Keys: thumbprints of RFC 7638 and RFC 8037, what a key is for, and what
 *	  is refused.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/jose/jwk.h"

#include "core/jose/signature.h"
#include "jose_keys.h"

/* RFC 7638, section 3.1. */
#define RFC7638_N                                                                              \
	"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"  \
	"BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_" \
	"FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-"        \
	"bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"

/* RFC 8037, appendix A.1. */
#define ED_X "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define ED_D "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"

/* RFC 7515, appendix A.3. */
#define EC_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define EC_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define EC_D "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"

/*
 * 65537^123456789 mod M + k M, M being the product of the primes up to 353:
 * the form of a modulus of CVE-2017-15361, from a few lines of Python.
 */
#define ROCA_N                                                                              \
	"7FkKmo4AKCQ_taqh-DPsTdmsnNjK3zjgF7Gk8cWOB20-"                                          \
	"oejseW5591h2DUxKVN3eUwiig6tKpI9Hn92XbXUE4PA4UWASxAr4VRpRx-ntrc__0Fw6LTIA-JzFWk0_"      \
	"BAaSVFqhcF74Ft4BbcZyyVBHHBO_"                                                          \
	"UKrx51O2YnyaiuOsnJ2RdPcHQ4hmKULFuMLx5g11GHTCf7AsTu0Ch5EK45hlWyLHZqf_H765ZM6-eMuSMp7F-" \
	"O6XunuqPRrt51XFKNalNRSxOqHQ8FnXXkAJDiU83eZ1Ppw2RBvYk2b1sRaEs-Dv7X56tUi7_"              \
	"rOgrzcgAKGyIABqjj3eGqQUsjAaiFnMjw"

#define PRIVATE_HMAC \
	"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"

static EVP_PKEY *rsa;

/* The status of parsing; a refusal has a reason, which repeats no private number. */
static SpStatus
parse(const char *text, unsigned accept)
{
	SpJwk *key = NULL;
	SpFault fault = {"", ""};
	SpStatus st = sp_jwk_parse(&check_env, text, strlen(text), accept, &key, &fault);

	CHECK((st == SP_OK) == (key != NULL));
	CHECK((st == SP_OK) == (fault.detail[0] == '\0'));
	CHECK(strstr(fault.detail, "nWGx") == NULL && strstr(fault.detail, "AyM1") == NULL);
	sp_jwk_free(key);
	return st;
}

static void
check_thumbprint(const char *text, const char *expected)
{
	SpJwk *key = key_from_text(text);
	char out[SP_THUMBPRINT_CHARS + 1];

	CHECK(sp_jwk_thumbprint(key, out) == SP_OK && strcmp(out, expected) == 0);
	sp_jwk_free(key);
}

static void
test_thumbprints(void)
{
	SpJwk *secret = key_from_text(OCT_JWK("HS256"));
	char out[SP_THUMBPRINT_CHARS + 1];

	check_thumbprint("{\"kty\":\"RSA\",\"n\":\"" RFC7638_N
	                 "\",\"e\":\"AQAB\",\"alg\":\"RS256\",\"kid\":"
	                 "\"2011-04-29\"}",
	                 "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
	check_thumbprint("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"}",
	                 "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
	check_thumbprint("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\",\"d\":\"" ED_D "\"}",
	                 "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
	CHECK(sp_jwk_thumbprint(secret, out) == SP_ERR_BAD_ARG && out[0] == '\0');
	sp_jwk_free(secret);
}

/* What the numbers, alg, use and key_ops leave. */
static void
test_purposes(void)
{
	static const struct
	{
		const char *text;
		unsigned verifies, signs;
	} cases[] = {
#define HS(more) "{\"kty\":\"oct\",\"k\":\"" PRIVATE_HMAC "\"" more "}"
#define ED(more) "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"" more "}"
		{HS(""), 7, 7},
		{HS(",\"alg\":\"HS384\""), 2, 2},
		{HS(",\"key_ops\":[\"verify\"]"), 7, 0},
		{HS(",\"key_ops\":[\"sign\",\"encrypt\"],\"use\":\"sig\""), 0, 7},
		{ED(""), SP_JWA_BIT(SP_JWA_EDDSA), 0},
		{ED(",\"d\":\"" ED_D "\""), SP_JWA_BIT(SP_JWA_EDDSA), SP_JWA_BIT(SP_JWA_EDDSA)},
		{ED(",\"d\":\"" ED_D "\",\"key_ops\":[\"sign\"]"), 0, SP_JWA_BIT(SP_JWA_EDDSA)},
		{ED(",\"d\":\"" ED_D "\",\"key_ops\":[\"verify\"]"), SP_JWA_BIT(SP_JWA_EDDSA), 0},
		{"{\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMw\"}", 1, 1},
		{"{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQAB\"}", 0x3F << SP_JWA_RS256, 0},
		{"{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"Aw\",\"alg\":\"PS384\"}",
	     SP_JWA_BIT(SP_JWA_PS384), 0},
		{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}",
	     SP_JWA_BIT(SP_JWA_ES256), 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		SpJwk *key = key_from_text(cases[i].text);

		CHECK(sp_jwk_verifies(key) == cases[i].verifies && sp_jwk_signs(key) == cases[i].signs);
		sp_jwk_free(key);
	}
}

static void
test_refused(void)
{
	static const struct
	{
		const char *text;
		SpStatus status;
	} cases[] = {
		{"", SP_ERR_BAD_DATA},
		{"[]", SP_ERR_BAD_DATA},
		{"{}", SP_ERR_BAD_DATA},
		{"{\"kty\":1}", SP_ERR_BAD_DATA},
		{"{\"kty\":\"rsa\"}", SP_ERR_UNSUPPORTED},
		{"{\"kty\":\"oct\"}", SP_ERR_BAD_DATA},
		{"{\"kty\":\"oct\",\"k\":\"\"}", SP_ERR_BAD_DATA},
		{"{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}", SP_ERR_BAD_DATA},
		{"{\"kty\":\"oct\",\"k\":[1]}", SP_ERR_BAD_DATA},
		{HS(",\"k\":\"AAAA\""), SP_ERR_BAD_DATA},
		{HS(",\"alg\":\"none\""), SP_ERR_UNSUPPORTED},
		{HS(",\"alg\":\"RS256\""), SP_ERR_BAD_DATA},
		{HS(",\"alg\":\"A256KW\""), SP_ERR_UNSUPPORTED},
		{HS(",\"alg\":5"), SP_ERR_BAD_DATA},
		{HS(",\"use\":\"enc\""), SP_ERR_UNSUPPORTED},
		{HS(",\"use\":[\"sig\"]"), SP_ERR_BAD_DATA},
		{HS(",\"key_ops\":\"sign\""), SP_ERR_BAD_DATA},
		{HS(",\"key_ops\":[]"), SP_ERR_UNSUPPORTED},
		{HS(",\"key_ops\":[\"encrypt\"]"), SP_ERR_UNSUPPORTED},
		{HS(",\"key_ops\":[\"sign\",\"sign\"]"), SP_ERR_BAD_DATA},
		{HS(",\"key_ops\":[\"sign\",1]"), SP_ERR_BAD_DATA},
		{HS(",\"kid\":\"\""), SP_ERR_BAD_DATA},
		{HS(",\"kid\":7"), SP_ERR_BAD_DATA},
		{HS(",\"kid\":\"a\\nb\""), SP_ERR_BAD_DATA},
		{"{\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMw\",\"alg\":"
	     "\"HS384\"}",
	     SP_ERR_BAD_DATA},
		{"{\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMw==\"}",
	     SP_ERR_BAD_DATA},
		{ED(",\"alg\":\"ES256\""), SP_ERR_BAD_DATA},
		/* another's private half; one that is too short; not ours */
		{ED(",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2B\""), SP_ERR_BAD_DATA},
		{ED(",\"d\":\"oWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\""), SP_ERR_BAD_DATA},
		{ED(",\"d\":\"nWGx\""), SP_ERR_BAD_DATA},
		{ED(",\"d\":null"), SP_ERR_BAD_DATA},
		{"{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"" ED_X "\"}", SP_ERR_UNSUPPORTED},
		{"{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" ED_X "\"}", SP_ERR_UNSUPPORTED},
		{"{\"kty\":\"OKP\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}",
	     SP_ERR_UNSUPPORTED},
		{"{\"kty\":\"EC\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"}", SP_ERR_UNSUPPORTED},
		{"{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}",
	     SP_ERR_UNSUPPORTED},
		{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\"}", SP_ERR_BAD_DATA},
		/* y of another point; coordinates of another length; beyond the prime */
		{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_X "\"}",
	     SP_ERR_BAD_DATA},
		{"{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}",
	     SP_ERR_BAD_DATA},
		{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AH_NzidwnsRdQYPL7m_bS3tYBzM1e-nvE7rPbjx70VRF\","
	     "\"y\":"
	     "\"" EC_Y "\"}",
	     SP_ERR_BAD_DATA},
		{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"__________________________________________8\","
	     "\"y\":"
	     "\"" EC_Y "\"}",
	     SP_ERR_BAD_DATA},
		{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
	     "\"y\":"
	     "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
	     SP_ERR_BAD_DATA},
		/* d = 0, and d = the order of P-256 + 1 */
		{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y
	     "\",\"d\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
	     SP_ERR_BAD_DATA},
		{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y
	     "\",\"d\":\"_____wAAAAD__________7zm-q2nF56E87nKwvxjJVI\"}",
	     SP_ERR_BAD_DATA},
		{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\",\"d\":\"" ED_D
	     "\"}",
	     SP_ERR_BAD_DATA},
		{"{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\"}", SP_ERR_BAD_DATA},
		{"{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQ\"}", SP_ERR_BAD_DATA},
		{"{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQAA\"}", SP_ERR_BAD_DATA},
		{"{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AAEAAQ\"}", SP_ERR_BAD_DATA},
		{"{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQAAAAAAAAAB\"}", SP_ERR_TOO_LARGE},
		{"{\"kty\":\"RSA\",\"n\":\"AN" RFC7638_N "\",\"e\":\"AQAB\"}", SP_ERR_BAD_DATA},
		{"{\"kty\":\"RSA\",\"n\":\"rJBIp6T1YK-RtPyvYqFFlcucqewSAA_IReSFchE8qyiQrbARqRlXWkB2DR8j_"
	     "pJQnIpYELbQWZC5Cd0PTGAU8rMbar2AW6zpmBbi7aQf17lUBdt8XI9M9rq7FPVQ1dDdUXm1SVH_"
	     "9qqWhvMPR422SbfHBEzCAtzK0ANDRo6qz78\",\"e\":\"AQAB\"}",
	     SP_ERR_BAD_DATA},
		{"{\"kty\":\"RSA\",\"n\":\"" ROCA_N "\",\"e\":\"AQAB\"}", SP_ERR_BAD_DATA},
		{"{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQAB\",\"d\":\"AQAB\"}",
	     SP_ERR_BAD_DATA},
		{"{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQAB\",\"oth\":[]}", SP_ERR_UNSUPPORTED},
		{"{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQAB\",\"p\":\"AQAB\"}",
	     SP_ERR_BAD_DATA},
		{"{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQAB\",\"alg\":\"RSA-OAEP\"}",
	     SP_ERR_UNSUPPORTED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		SpStatus st = parse(cases[i].text, SP_JWK_ANY);

		if (st != cases[i].status)
			printf("# %s: %d\n", cases[i].text, st);
		CHECK(st == cases[i].status);
	}
}

/* That the ROCA key above is refused for what it is. */
static void
test_roca(void)
{
	SpFault fault;
	SpJwk *key;
	const char *text = "{\"kty\":\"RSA\",\"n\":\"" ROCA_N "\",\"e\":\"AQAB\"}";

	CHECK(sp_jwk_parse(&check_env, text, strlen(text), SP_JWK_ANY, &key, &fault) ==
	      SP_ERR_BAD_DATA);
	CHECK(strstr(fault.detail, "ROCA") != NULL);
}

static void
test_kinds(void)
{
	static const char *const kinds[] = {HS(""), ED(""), ED(",\"d\":\"" ED_D "\"")};
	static const SpJwkKind bits[] = {SP_JWK_SECRET, SP_JWK_PUBLIC, SP_JWK_PRIVATE};
	char *text;

	for (int i = 0; i < 3; i++)
		for (unsigned accept = 1; accept < 8; accept++)
			CHECK(parse(kinds[i], accept) == (accept & bits[i] ? SP_OK : SP_ERR_BAD_DATA));
	text = rsa_jwk(rsa, "RS256", true);
	CHECK(parse(text, SP_JWK_PUBLIC) == SP_ERR_BAD_DATA);
	CHECK(parse(text, SP_JWK_PRIVATE) == SP_OK);
	free(text);
	CHECK(parse("{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQAB\",\"dq\":\"AQAB\"}",
	            SP_JWK_PUBLIC) == SP_ERR_BAD_DATA);
}

/* One changed digit in each number of an RSA pair. */
static void
test_rsa_pair(void)
{
	static const char *const names[] = {"\"n\":\"", "\"e\":\"",  "\"d\":\"",  "\"p\":\"",
	                                    "\"q\":\"", "\"dp\":\"", "\"dq\":\"", "\"qi\":\""};
	char *text = rsa_jwk(rsa, "PS256", true), *only_d = strdup(text);

	for (int i = 0; i < 8; i++)
	{
		char *at = strstr(text, names[i]) + strlen(names[i]) + 1, was = *at;

		*at = was == 'B' ? 'C' : 'B';
		CHECK(parse(text, SP_JWK_ANY) == SP_ERR_BAD_DATA);
		*at = was;
	}
	CHECK(parse(text, SP_JWK_ANY) == SP_OK);
	/* d without the primes is a key, with some of them it is not (RFC 7518, 6.3.2) */
	strcpy(strstr(only_d, ",\"p\""), "}");
	CHECK(parse(only_d, SP_JWK_ANY) == SP_OK);
	strcpy(strstr(text, ",\"qi\""), "}");
	CHECK(parse(text, SP_JWK_ANY) == SP_ERR_BAD_DATA);
	free(only_d);
	free(text);
}

static void
test_generate(void)
{
	static const SpJwa algs[] = {SP_JWA_EDDSA, SP_JWA_ES256};

	for (int i = 0; i < 2; i++)
	{
		SpJwk *key, *again, *public_key;
		uint8_t raw[SP_JWK_RAW_MAX], signature[SP_SIGNATURE_MAX];
		size_t n, length;
		char print[SP_THUMBPRINT_CHARS + 1], *text;

		CHECK(sp_jwk_generate(&check_env, algs[i], &key) == SP_OK);
		CHECK(sp_jwk_kind(key) == SP_JWK_PRIVATE);
		CHECK(sp_jwk_thumbprint(key, print) == SP_OK && strcmp(sp_jwk_kid(key), print) == 0);
		CHECK(sp_jwk_private_raw(key, raw, &n) == SP_OK && n == 32);
		CHECK(sp_jwk_from_raw(&check_env, algs[i], raw, n, NULL, &again, NULL) == SP_OK);
		CHECK(strcmp(sp_jwk_kid(again), print) == 0);
		CHECK(sp_signature_make(again, algs[i], "x", 1, signature, &length) == SP_OK &&
		      length == 64);
		CHECK(sp_signature_check(key, algs[i], "x", 1, signature, length) == SP_OK);
		CHECK(sp_signature_check(key, algs[i], "y", 1, signature, length) == SP_ERR_BAD_DATA);
		CHECK(sp_jwk_public_text(&check_env, key, &text, &n) == SP_OK);
		CHECK(strstr(text, "\"d\"") == NULL && strstr(text, "\"use\":\"sig\"") != NULL &&
		      strstr(text, print) != NULL && strstr(text, sp_jwa_name(algs[i])) != NULL);
		CHECK(sp_jwk_parse(&check_env, text, n, SP_JWK_PUBLIC, &public_key, NULL) == SP_OK);
		CHECK(sp_signature_check(public_key, algs[i], "x", 1, signature, length) == SP_OK);
		CHECK(sp_signature_make(public_key, algs[i], "x", 1, signature, &length) == SP_ERR_BAD_ARG);
		CHECK(sp_jwk_private_raw(public_key, raw, &length) == SP_ERR_BAD_ARG && length == 0);
		sp_free(&check_env, text);
		sp_jwk_free(key);
		sp_jwk_free(again);
		sp_jwk_free(public_key);
		CHECK(sp_jwk_generate(&check_env, SP_JWA_RS256, &key) == SP_ERR_BAD_ARG && key == NULL);
	}
}

static void
test_raw(void)
{
	uint8_t d[SP_CURVE_MAX];
	SpJwk *key;
	size_t n;
	SpFault fault;

	CHECK(sp_base64url_decode(EC_D, 43, d, sizeof(d), &n) == SP_OK);
	CHECK(sp_jwk_from_raw(&check_env, SP_JWA_ES256, d, n, "own", &key, NULL) == SP_OK);
	CHECK(strcmp(sp_jwk_kid(key), "own") == 0);
	sp_jwk_free(key);
	CHECK(sp_jwk_from_raw(&check_env, SP_JWA_ES256, d, 31, "own", &key, &fault) == SP_ERR_BAD_DATA);
	CHECK(sp_jwk_from_raw(&check_env, SP_JWA_HS256, d, 32, "own", &key, &fault) == SP_ERR_BAD_ARG);
	memset(d, 0, sizeof(d));
	CHECK(sp_jwk_from_raw(&check_env, SP_JWA_ES256, d, 32, "own", &key, &fault) == SP_ERR_BAD_DATA);
	memset(d, 0xFF, sizeof(d));
	CHECK(sp_jwk_from_raw(&check_env, SP_JWA_ES512, d, 66, "own", &key, &fault) == SP_ERR_BAD_DATA);
	CHECK(key == NULL);
}

static SpStatus
parse_set(const char *text, unsigned accept, size_t *count)
{
	SpJwkSet *set = NULL;
	SpFault fault = {"", ""};
	SpStatus st = sp_jwk_set_parse(&check_env, text, strlen(text), accept, &set, &fault);

	CHECK((st == SP_OK) == (set != NULL) && (st == SP_OK) == (fault.detail[0] == '\0'));
	*count = set != NULL ? sp_jwk_set_count(set) : 0;
	sp_jwk_set_free(set);
	return st;
}

static void
test_sets(void)
{
#define SET(keys) "{\"keys\":[" keys "]}"
#define EC(more)  "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"" more "}"
	static const char other[] = "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" ED_X "\"}";
	char text[4096];
	size_t n;

	CHECK(parse_set(SET(ED(",\"kid\":\"1\"") "," EC(",\"kid\":\"2\"")), SP_JWK_PUBLIC, &n) ==
	          SP_OK &&
	      n == 2);
	CHECK(parse_set(SET(ED("") "," EC("")), SP_JWK_PUBLIC, &n) == SP_OK && n == 2);
	CHECK(parse_set(ED(""), SP_JWK_PUBLIC, &n) == SP_OK && n == 1);
	CHECK(parse_set(SET(ED(",\"kid\":\"1\"") "," EC(",\"kid\":\"1\"")), SP_JWK_ANY, &n) ==
	      SP_ERR_BAD_DATA);
	CHECK(parse_set(SET(ED("") "," HS("")), SP_JWK_ANY, &n) == SP_ERR_BAD_DATA);
	CHECK(parse_set(SET(EC("") "," ED(",\"d\":\"" ED_D "\"")), SP_JWK_ANY, &n) == SP_ERR_BAD_DATA);
	CHECK(parse_set(SET(EC("") "," ED(",\"d\":\"" ED_D "\"")), SP_JWK_PUBLIC, &n) ==
	      SP_ERR_BAD_DATA);
	CHECK(parse_set(SET(""), SP_JWK_ANY, &n) == SP_ERR_UNSUPPORTED);
	CHECK(parse_set("{\"keys\":{}}", SP_JWK_ANY, &n) == SP_ERR_BAD_DATA);
	CHECK(parse_set(SET("1"), SP_JWK_ANY, &n) == SP_ERR_BAD_DATA);
	CHECK(parse_set(SET("{}"), SP_JWK_ANY, &n) == SP_ERR_BAD_DATA);
	snprintf(text, sizeof(text), "{\"keys\":[%s,%s]}", other, ED(""));
	CHECK(parse_set(text, SP_JWK_PUBLIC, &n) == SP_OK && n == 1);
	snprintf(text, sizeof(text), "{\"keys\":[%s]}", other);
	CHECK(parse_set(text, SP_JWK_PUBLIC, &n) == SP_ERR_UNSUPPORTED);
	CHECK(parse_set(other, SP_JWK_PUBLIC, &n) == SP_ERR_UNSUPPORTED);
}

static void
test_set_limits(void)
{
	SpJwkSet *set;
	SpJwk *key;
	char *text;
	size_t n;
	SpFault fault;

	CHECK(sp_jwk_set_new(&check_env, &set) == SP_OK);
	for (int i = 0; i <= SP_JWK_SET_KEYS; i++)
	{
		CHECK(sp_jwk_generate(&check_env, SP_JWA_EDDSA, &key) == SP_OK);
		CHECK(sp_jwk_set_add(set, key, &fault) == (i < SP_JWK_SET_KEYS ? SP_OK : SP_ERR_TOO_LARGE));
	}
	CHECK(sp_jwk_set_at(set, SP_JWK_SET_KEYS) == NULL);
	CHECK(sp_jwk_set_public_text(&check_env, set, &text, &n) == SP_OK);
	sp_jwk_set_free(set);
	CHECK(sp_jwk_set_parse(&check_env, text, n, SP_JWK_PUBLIC, &set, NULL) == SP_OK);
	CHECK(sp_jwk_set_count(set) == SP_JWK_SET_KEYS);
	sp_jwk_set_free(set);
	sp_free(&check_env, text);
	text = malloc(SP_JWK_SET_BYTES + 1);
	memset(text, ' ', SP_JWK_SET_BYTES + 1);
	CHECK(sp_jwk_set_parse(&check_env, text, SP_JWK_SET_BYTES + 1, SP_JWK_ANY, &set, &fault) ==
	      SP_ERR_TOO_LARGE);
	free(text);
	CHECK(sp_jwk_set_parse(&check_env, OCT_JWK("HS256"), strlen(OCT_JWK("HS256")), SP_JWK_ANY, &set,
	                       NULL) == SP_OK);
	CHECK(sp_jwk_set_public_text(&check_env, set, &text, &n) == SP_ERR_BAD_ARG && text == NULL);
	sp_jwk_set_free(set);
}

/* Kids are written so that they can be read again, whatever is in them. */
static void
test_kid(void)
{
	SpJwk *key = key_from_text(ED(",\"kid\":\"\\\"}\\\\ \\u00e9\\ud83c\\udfb5\"")), *again = NULL;
	char *text, long_kid[512];
	size_t n;

	CHECK(strcmp(sp_jwk_kid(key), "\"}\\ \xC3\xA9\xF0\x9F\x8E\xB5") == 0);
	CHECK(sp_jwk_public_text(&check_env, key, &text, &n) == SP_OK);
	CHECK(sp_jwk_parse(&check_env, text, n, SP_JWK_PUBLIC, &again, NULL) == SP_OK);
	CHECK(again != NULL && strcmp(sp_jwk_kid(key), sp_jwk_kid(again)) == 0);
	sp_free(&check_env, text);
	sp_jwk_free(key);
	sp_jwk_free(again);
	for (int i = 254; i < 258; i++)
	{
		snprintf(long_kid, sizeof(long_kid), ED(",\"kid\":\"%0*d\""), i, 0);
		CHECK(parse(long_kid, SP_JWK_ANY) == (i <= SP_JWK_KID_MAX ? SP_OK : SP_ERR_BAD_DATA));
	}
}

/* --- what is freed holds no secret ------------------------------------------- */

static const uint8_t *needle;
static size_t needle_length;
static int found;

/* Sizes, in front of each block. */
static void *
tracking_alloc(void *host, size_t size)
{
	size_t *block = malloc(size + 16);

	(void) host;
	block[0] = size;
	return block + 2;
}

static bool
holds_needle(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i + needle_length <= n; i++)
		if (memcmp(p + i, needle, needle_length) == 0)
			return true;
	return false;
}

static void
tracking_release(void *host, void *p)
{
	size_t *block = (size_t *) p - 2;

	(void) host;
	found += holds_needle(p, block[0]);
	free(block);
}

static void
check_wiped(const char *text, const uint8_t *secret, size_t length)
{
	static const SpEnv tracking = {tracking_alloc, tracking_release, NULL, NULL};
	SpJwk *key = NULL;

	needle = secret;
	needle_length = length;
	found = 0;
	if (sp_jwk_parse(&tracking, text, strlen(text), SP_JWK_ANY, &key, NULL) == SP_OK)
		sp_jwk_free(key);
	CHECK(found == 0);
}

static void
test_wiped(void)
{
	uint8_t secret[64], reversed[32];
	size_t n;

	CHECK(sp_base64url_decode(PRIVATE_HMAC, 86, secret, 64, &n) == SP_OK);
	check_wiped(HS(""), secret, 16);
	check_wiped(HS(",\"alg\":\"ES256\""), secret, 16);
	CHECK(sp_base64url_decode(ED_D, 43, secret, 64, &n) == SP_OK);
	check_wiped(ED(",\"d\":\"" ED_D "\""), secret, 16);
	check_wiped(EC(",\"d\":\"" ED_D "\""), secret, 16);
	for (int i = 0; i < 32; i++)
		reversed[i] = secret[31 - i];
	check_wiped(EC(",\"d\":\"" ED_D "\""), reversed, 16);
	/* the test itself would find what is left */
	needle = (const uint8_t *) "needle";
	needle_length = 6;
	found = 0;
	tracking_release(NULL, strcpy(tracking_alloc(NULL, 32), "a needle"));
	CHECK(found == 1);
}

int
main(void)
{
	rsa = EVP_RSA_gen(2048);
	test_thumbprints();
	test_purposes();
	test_refused();
	test_roca();
	test_kinds();
	test_rsa_pair();
	test_generate();
	test_raw();
	test_sets();
	test_set_limits();
	test_kid();
	test_wiped();
	EVP_PKEY_free(rsa);
	sp_jwk_free(NULL);
	sp_jwk_set_free(NULL);
	return check_report();
}
