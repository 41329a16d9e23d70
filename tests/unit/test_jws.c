/*
 * tests/unit/test_jws.c
 *	  Tokens: the examples of RFC 7515 (appendix A) and RFC 8037 (appendix A),
 *	  every algorithm there and back, every character changed, every other
 *	  algorithm in the header, and bad input.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/jose/jws.h"

#include "jose_keys.h"

/* What is signed in A.1 and A.3, after the header. */
#define JOE                                                                                        \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
	"fQ"
#define JOE_TEXT \
	"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"

static const struct
{
	const char *key;
	const char *token;
	const char *payload;
} EXAMPLES[] = {
	{"{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"
     "1qS0gZH75aKtMN3Yj0iPS4hcgUu"
     "TwjAzZr1Z9CAow\"}",
     "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
     JOE_TEXT},
	{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
     "\"y\":\"x_"
     "FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-"
     "E9LI\"}",
     "eyJhbGciOiJFUzI1NiJ9." JOE
     ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApm"
     "WQxfKTUJqPP3-Kg6NU1Q",
     JOE_TEXT},
	{"{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":"
     "\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_"
     "NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk\",\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-"
     "x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2\"}",
     "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-"
     "mZZqwqT2SI-KGDKB34XO0aw_"
     "7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmx"
     "YbSW9ERBXukOXolLzeO_Jn",
     "Payload"},
	{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\","
     "\"x\":"
     "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
     "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-"
     "09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
     "Example of Ed25519 signing"},
};

static const char *const TEXT = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static EVP_PKEY *rsa;

static SpJwkSet *
parse_set(const char *text)
{
	SpJwkSet *set = NULL;
	SpFault fault = {"", ""};

	if (sp_jwk_set_parse(&check_env, text, strlen(text), SP_JWK_ANY, &set, &fault) != SP_OK)
		printf("# %s\n", fault.detail);
	CHECK(set != NULL);
	return set;
}

/* The reason of a refusal, or SP_JWT_OK. */
static SpJwtError
verify(const char *token, size_t length, SpJwkSet *keys, const SpJwsOptions *options)
{
	SpJws jws;
	SpJwtError why;
	SpFault fault = {"", ""};
	SpStatus st = sp_jws_verify(&check_env, token, length, keys, options, &jws, &why, &fault);

	CHECK((st == SP_OK) == (why == SP_JWT_OK));
	CHECK(st == SP_OK || st == SP_ERR_BAD_DATA || st == SP_ERR_TOO_LARGE);
	CHECK((st == SP_OK) == (fault.detail[0] == '\0'));
	CHECK((st == SP_OK) == (jws.payload != NULL));
	sp_jws_free(&jws);
	return why;
}

static void
test_examples(void)
{
	for (size_t i = 0; i < sizeof(EXAMPLES) / sizeof(EXAMPLES[0]); i++)
	{
		SpJwkSet *set = parse_set(EXAMPLES[i].key);
		SpJws jws;
		SpJwtError why;

		CHECK(sp_jws_verify(&check_env, EXAMPLES[i].token, strlen(EXAMPLES[i].token), set, NULL,
		                    &jws, &why, NULL) == SP_OK);
		CHECK(jws.length == strlen(EXAMPLES[i].payload) &&
		      strcmp((char *) jws.payload, EXAMPLES[i].payload) == 0);
		CHECK(jws.key == sp_jwk_set_at(set, 0));
		sp_jws_free(&jws);
		sp_jwk_set_free(set);
	}
}

/* HMAC and Ed25519 have no chance in them: the same token comes out. */
static void
test_made_again(void)
{
	static const char *const headers[] = {"{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}", NULL, NULL,
	                                      "{\"alg\":\"EdDSA\"}"};
	static const SpJwa algs[] = {SP_JWA_HS256, 0, 0, SP_JWA_EDDSA};

	for (int i = 0; i < 4; i += 3)
	{
		SpJwk *key = key_from_text(EXAMPLES[i].key);
		char *token;
		size_t length;

		CHECK(sp_jws_sign_header(&check_env, key, algs[i], headers[i], strlen(headers[i]),
		                         EXAMPLES[i].payload, strlen(EXAMPLES[i].payload), &token,
		                         &length) == SP_OK);
		CHECK(strcmp(token, EXAMPLES[i].token) == 0 && strlen(token) == length);
		sp_free(&check_env, token);
		sp_jwk_free(key);
	}
}

/* Any other character anywhere, one more, one less: refused. */
static void
check_changes(char *token, size_t length, SpJwkSet *set)
{
	char copy[2048];

	memcpy(copy, token, length + 1);
	for (size_t i = 0; i < length; i++)
	{
		char other = TEXT[check_random() % 64];

		copy[i] = other == token[i] ? '.' : other;
		CHECK(copy[i] == token[i] || verify(copy, length, set, NULL) != SP_JWT_OK);
		copy[i] = "= .\n\x80+/~"[check_random() % 8];
		CHECK(copy[i] == token[i] || verify(copy, length, set, NULL) != SP_JWT_OK);
		copy[i] = token[i];
	}
	for (size_t cut = 1; cut <= length && cut < 90; cut++)
		CHECK(verify(copy, length - cut, set, NULL) != SP_JWT_OK);
	strcpy(copy + length, "A");
	CHECK(verify(copy, length + 1, set, NULL) == SP_JWT_SIGNATURE);
	strcpy(copy + length, ".");
	CHECK(verify(copy, length + 1, set, NULL) == SP_JWT_MALFORMED);
	copy[length] = '\0';
	CHECK(verify(copy, length + 1, set, NULL) == SP_JWT_SIGNATURE);
	CHECK(verify(copy, length, set, NULL) == SP_JWT_OK);
}

static void
test_every_algorithm(void)
{
	static const char claims[] = "{\"sub\":\"7c5e\"}";

	for (int alg = 0; alg < SP_JWA_COUNT; alg++)
	{
		SpJwk *key = key_for((SpJwa) alg, rsa);
		char text[512], *token;
		SpJwkSet *set;
		size_t length;
		SpJwsOptions only = {.algs = SP_JWA_BIT(alg)}, others = {.algs = ~SP_JWA_BIT(alg)};

		snprintf(text, sizeof(text), OCT_JWK("%s"), sp_jwa_name((SpJwa) alg));
		set = public_set(key, text);
		CHECK(sp_jws_sign(&check_env, key, (SpJwa) alg, "JWT", claims, strlen(claims), &token,
		                  &length) == SP_OK);
		CHECK(verify(token, length, set, NULL) == SP_JWT_OK);
		CHECK(verify(token, length, set, &only) == SP_JWT_OK);
		CHECK(verify(token, length, set, &others) == SP_JWT_ALGORITHM);
		check_changes(token, length, set);
		sp_free(&check_env, token);
		sp_jwk_set_free(set);
		sp_jwk_free(key);
	}
}

/*
 * Every key with every other algorithm in the header.  Where the key could sign
 * so at all (RSA), the token is signed; else the key's own signature stands there.
 */
static void
test_confusion(void)
{
	for (int alg = 0; alg < SP_JWA_COUNT; alg++)
	{
		SpJwk *key = key_for((SpJwa) alg, rsa);
		char text[512], header[64], *token;
		SpJwkSet *set;
		size_t length;

		snprintf(text, sizeof(text), OCT_JWK("%s"), sp_jwa_name((SpJwa) alg));
		set = public_set(key, text);
		for (int other = 0; other < SP_JWA_COUNT; other++)
		{
			int n =
				snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", sp_jwa_name((SpJwa) other));

			if (other == alg)
				continue;
			CHECK(sp_jws_sign_header(&check_env, key, (SpJwa) alg, header, (size_t) n, "{}", 2,
			                         &token, &length) == SP_OK);
			CHECK(verify(token, length, set, NULL) == SP_JWT_ALGORITHM);
			sp_free(&check_env, token);
			CHECK(sp_jws_sign(&check_env, key, (SpJwa) other, NULL, "{}", 2, &token, &length) ==
			      SP_ERR_BAD_ARG);
			CHECK(token == NULL);
		}
		sp_jwk_set_free(set);
		sp_jwk_free(key);
	}
}

/* The public key's own text as the HMAC secret: CVE-2015-9235 and its relatives. */
static void
test_public_key_as_secret(void)
{
	SpJwk *pair = key_for(SP_JWA_ES256, rsa), *secret;
	SpJwkSet *set = public_set(pair, NULL);
	char *text, jwk[1024] = "{\"kty\":\"oct\",\"k\":\"", *token;
	size_t length, at = strlen(jwk);

	CHECK(sp_jwk_public_text(&check_env, pair, &text, &length) == SP_OK);
	sp_base64url_encode(text, length, jwk + at);
	strcpy(jwk + at + SP_BASE64URL_CHARS(length), "\",\"kid\":\"test\"}");
	sp_free(&check_env, text);
	secret = key_from_text(jwk);
	CHECK(sp_jws_sign(&check_env, secret, SP_JWA_HS256, "JWT", "{}", 2, &token, &length) == SP_OK);
	CHECK(verify(token, length, set, NULL) == SP_JWT_ALGORITHM);
	sp_free(&check_env, token);
	sp_jwk_free(secret);
	sp_jwk_free(pair);
	sp_jwk_set_free(set);
}

/* A token with any header, signed right. */
static SpJwtError
verify_header(const char *header, SpJwkSet *set, const SpJwsOptions *options)
{
	SpJwk *key = key_from_text(OCT_JWK("HS256"));
	char *token;
	size_t length;
	SpJwtError why;

	CHECK(sp_jws_sign_header(&check_env, key, SP_JWA_HS256, header, strlen(header), "{}", 2, &token,
	                         &length) == SP_OK);
	why = verify(token, length, set, options);
	/* and again, from what was kept of the header */
	CHECK(verify(token, length, set, options) == why);
	sp_free(&check_env, token);
	sp_jwk_free(key);
	return why;
}

static void
test_headers(void)
{
	static const struct
	{
		const char *header;
		SpJwtError why;
	} cases[] = {
		{"{\"alg\":\"HS256\"}", SP_JWT_OK},
		{" {\n\"alg\" : \"HS256\" } ", SP_JWT_OK},
		{"{\"alg\":\"\\u0048S256\"}", SP_JWT_OK},
		{"{\"alg\":\"HS256\",\"jku\":\"http://evil.example/\",\"jwk\":{\"kty\":\"oct\"}}",
	     SP_JWT_OK},
		{"{\"alg\":\"none\"}", SP_JWT_ALGORITHM},
		{"{\"alg\":\"None\"}", SP_JWT_ALGORITHM},
		{"{\"alg\":\"nOnE\"}", SP_JWT_ALGORITHM},
		{"{\"alg\":\"\"}", SP_JWT_ALGORITHM},
		{"{\"alg\":\"hs256\"}", SP_JWT_ALGORITHM},
		{"{\"alg\":\"HS256 \"}", SP_JWT_ALGORITHM},
		{"{\"alg\":\"HS512\"}", SP_JWT_ALGORITHM},
		{"{\"alg\":\"RS256\"}", SP_JWT_ALGORITHM},
		{"{}", SP_JWT_MALFORMED},
		{"{\"alg\":null}", SP_JWT_MALFORMED},
		{"{\"alg\":[\"HS256\"]}", SP_JWT_MALFORMED},
		{"{\"alg\":256}", SP_JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", SP_JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"x\":{\"y\":1,\"y\":1}}", SP_JWT_MALFORMED},
		{"{\"alg\":\"HS256\"} {}", SP_JWT_MALFORMED},
		{"{\"alg\":\"HS256\\u0000\"}", SP_JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":7}", SP_JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":null}", SP_JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"typ\":{}}", SP_JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"typ\":\"\xC3\x28\"}", SP_JWT_MALFORMED},
		{"[\"HS256\"]", SP_JWT_MALFORMED},
		{"\"HS256\"", SP_JWT_MALFORMED},
		{"", SP_JWT_MALFORMED},
		{"\xFF\xFE{", SP_JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", SP_JWT_CRITICAL},
		{"{\"alg\":\"HS256\",\"crit\":[]}", SP_JWT_CRITICAL},
		{"{\"alg\":\"HS256\",\"crit\":null}", SP_JWT_CRITICAL},
		{"{\"alg\":\"HS256\",\"b64\":false}", SP_JWT_CRITICAL},
		{"{\"alg\":\"HS256\",\"b64\":false,\"crit\":[\"b64\"]}", SP_JWT_CRITICAL},
	};
	SpJwkSet *set = parse_set(OCT_JWK("HS256"));

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		SpJwtError why = verify_header(cases[i].header, set, NULL);

		if (why != cases[i].why)
			printf("# %s: %s\n", cases[i].header, sp_jwt_error_text(why));
		CHECK(why == cases[i].why);
	}
	sp_jwk_set_free(set);
}

static void
test_rsa_bits(void)
{
	SpJwsOptions enough = {.rsa_min_bits = 2048}, more = {.rsa_min_bits = 3072};
	SpJwa algs[] = {SP_JWA_RS256, SP_JWA_PS256, SP_JWA_ES256};
	char *token;
	size_t length;

	for (int i = 0; i < 3; i++)
	{
		SpJwk *key = key_for(algs[i], rsa);
		SpJwkSet *set = NULL;

		CHECK(sp_jwk_bits(key) == (algs[i] == SP_JWA_ES256 ? 0 : 2048));
		CHECK(sp_jws_sign(&check_env, key, algs[i], NULL, "{}", 2, &token, &length) == SP_OK);
		CHECK(sp_jwk_set_new(&check_env, &set) == SP_OK);
		CHECK(sp_jwk_set_add(set, key, NULL) == SP_OK);
		CHECK(verify(token, length, set, &enough) == SP_JWT_OK);
		CHECK(verify(token, length, set, &more) ==
		      (algs[i] == SP_JWA_ES256 ? SP_JWT_OK : SP_JWT_WEAK_KEY));
		sp_free(&check_env, token);
		sp_jwk_set_free(set);
	}
}

static void
test_typ(void)
{
	SpJwkSet *set = parse_set(OCT_JWK("HS256"));
	SpJwsOptions at = {.typ = "at+jwt"};
	SpJwsOptions several = {.typ = ",JWT , at+jwt", .typ_optional = true};
	char header[256];

	CHECK(verify_header("{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", set, &at) == SP_JWT_OK);
	CHECK(verify_header("{\"alg\":\"HS256\",\"typ\":\"AT+JWT\"}", set, &at) == SP_JWT_OK);
	CHECK(verify_header("{\"alg\":\"HS256\",\"typ\":\"application/at+jwt\"}", set, &at) ==
	      SP_JWT_OK);
	CHECK(verify_header("{\"alg\":\"HS256\",\"typ\":\"text/at+jwt\"}", set, &at) == SP_JWT_TYPE);
	CHECK(verify_header("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", set, &at) == SP_JWT_TYPE);
	CHECK(verify_header("{\"alg\":\"HS256\",\"typ\":\"\"}", set, &at) == SP_JWT_TYPE);
	CHECK(verify_header("{\"alg\":\"HS256\"}", set, &at) == SP_JWT_TYPE);
	CHECK(verify_header("{\"alg\":\"HS256\",\"typ\":\"at+jwt2\"}", set, &at) == SP_JWT_TYPE);
	CHECK(verify_header("{\"alg\":\"HS256\",\"typ\":\"at\"}", set, &at) == SP_JWT_TYPE);
	CHECK(verify_header("{\"alg\":\"HS256\",\"typ\":\"jwt\"}", set, &several) == SP_JWT_OK);
	CHECK(verify_header("{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", set, &several) == SP_JWT_OK);
	CHECK(verify_header("{\"alg\":\"HS256\"}", set, &several) == SP_JWT_OK);
	CHECK(verify_header("{\"alg\":\"HS256\",\"typ\":\"logout+jwt\"}", set, &several) ==
	      SP_JWT_TYPE);
	CHECK(verify_header("{\"alg\":\"HS256\",\"typ\":\"\"}", set, &several) == SP_JWT_TYPE);
	CHECK(verify_header("{\"alg\":\"HS256\",\"typ\":\",\"}", set, &several) == SP_JWT_TYPE);
	CHECK(verify_header("{\"alg\":\"HS256\"}", set, NULL) == SP_JWT_OK);
	for (int n = 60; n < 70; n++)
	{
		snprintf(header, sizeof(header), "{\"alg\":\"HS256\",\"typ\":\"%0*d\"}", n, 0);
		CHECK(verify_header(header, set, NULL) == (n <= 63 ? SP_JWT_OK : SP_JWT_MALFORMED));
	}
	sp_jwk_set_free(set);
}

/* Which key of a set is meant. */
static void
test_kid(void)
{
	static const char *const k =
		"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
	static const char *const other =
		"BBM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
	char text[1024];
	SpJwkSet *set;

	snprintf(text, sizeof(text),
	         "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"alg\":\"HS256\",\"k\":\"%s\"},"
	         "{\"kty\":\"oct\",\"kid\":\"b\",\"alg\":\"HS256\",\"k\":\"%s\"},"
	         "{\"kty\":\"oct\",\"kid\":\"c\",\"alg\":\"HS512\",\"k\":\"%s\"}]}",
	         k, other, k);
	set = parse_set(text);
	CHECK(verify_header("{\"alg\":\"HS256\",\"kid\":\"a\"}", set, NULL) == SP_JWT_OK);
	CHECK(verify_header("{\"alg\":\"HS256\",\"kid\":\"b\"}", set, NULL) == SP_JWT_SIGNATURE);
	CHECK(verify_header("{\"alg\":\"HS256\",\"kid\":\"c\"}", set, NULL) == SP_JWT_ALGORITHM);
	CHECK(verify_header("{\"alg\":\"HS256\",\"kid\":\"d\"}", set, NULL) == SP_JWT_UNKNOWN_KEY);
	CHECK(verify_header("{\"alg\":\"HS256\",\"kid\":\"\"}", set, NULL) == SP_JWT_UNKNOWN_KEY);
	/* two could be meant, and neither is tried */
	CHECK(verify_header("{\"alg\":\"HS256\"}", set, NULL) == SP_JWT_UNKNOWN_KEY);
	CHECK(verify_header("{\"alg\":\"HS384\"}", set, NULL) == SP_JWT_UNKNOWN_KEY);
	CHECK(verify_header("{\"alg\":\"HS512\"}", set, NULL) == SP_JWT_SIGNATURE);
	sp_jwk_set_free(set);
	/* a key without a name takes tokens with one, a key with a name none with another */
	set = parse_set(OCT_JWK("HS256"));
	CHECK(verify_header("{\"alg\":\"HS256\",\"kid\":\"x\"}", set, NULL) == SP_JWT_OK);
	sp_jwk_set_free(set);
	snprintf(text, sizeof(text), "{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"%s\"}", k);
	set = parse_set(text);
	CHECK(verify_header("{\"alg\":\"HS256\",\"kid\":\"A\"}", set, NULL) == SP_JWT_UNKNOWN_KEY);
	CHECK(verify_header("{\"alg\":\"HS256\"}", set, NULL) == SP_JWT_OK);
	sp_jwk_set_free(set);
}

/* A key that comes later may be the one that a known header means. */
static void
test_memo_forgets(void)
{
	SpJwkSet *set = parse_set(OCT_JWK("HS256"));

	CHECK(verify_header("{\"alg\":\"HS256\"}", set, NULL) == SP_JWT_OK);
	CHECK(sp_jwk_set_add(set, key_from_text(OCT_JWK("HS256")), NULL) == SP_OK);
	CHECK(verify_header("{\"alg\":\"HS256\"}", set, NULL) == SP_JWT_UNKNOWN_KEY);
	sp_jwk_set_free(set);
}

static void
test_sizes(void)
{
	SpJwkSet *set = parse_set(OCT_JWK("HS256"));
	SpJwk *key = key_from_text(OCT_JWK("HS256"));
	size_t length, mebibyte = 1 << 20;
	char *big = malloc(mebibyte), *token;
	SpJwsOptions two = {.max_bytes = 2 << 20};

	memset(big, 'A', mebibyte);
	CHECK(verify(big, mebibyte, set, NULL) == SP_JWT_TOO_LARGE);
	CHECK(verify(big, mebibyte, set, &two) == SP_JWT_MALFORMED);
	memset(big, '.', mebibyte);
	CHECK(verify(big, SP_JWS_BYTES, set, NULL) == SP_JWT_MALFORMED);
	/* a header of 30,000 bytes */
	memset(big, 'A', mebibyte);
	big[40000] = big[40010] = '.';
	CHECK(verify(big, 40100, set, NULL) == SP_JWT_TOO_LARGE);
	/* a signature longer than any */
	memcpy(big, "eyJhbGciOiJIUzI1NiJ9.e30.", 25);
	memset(big + 25, 'A', 40000);
	CHECK(verify(big, 40000, set, NULL) == SP_JWT_SIGNATURE);
	memset(big, ' ', mebibyte);
	CHECK(sp_jws_sign(&check_env, key, SP_JWA_HS256, NULL, big, mebibyte, &token, &length) ==
	      SP_OK);
	CHECK(verify(token, length, set, NULL) == SP_JWT_TOO_LARGE);
	CHECK(verify(token, length, set, &two) == SP_JWT_OK);
	sp_free(&check_env, token);
	free(big);
	sp_jwk_free(key);
	sp_jwk_set_free(set);
}

static void
test_segments(void)
{
	static const char *const tokens[] = {"",
	                                     ".",
	                                     "..",
	                                     "...",
	                                     "a",
	                                     "a.b",
	                                     "a.b.c.d",
	                                     "eyJhbGciOiJIUzI1NiJ9",
	                                     ".e30.",
	                                     "{\"payload\":\"\"}",
	                                     "eyJhbGciOiJIUzI1NiJ9.e30.e30.e30",
	                                     "eyJhbGciOiJIUzI1NiJ9=.e30.AA",
	                                     " eyJhbGciOiJIUzI1NiJ9.e30.AA",
	                                     "eyJhbGciOiJIUzI1NiK.e30.AA"};
	SpJwkSet *set = parse_set(OCT_JWK("HS256")), *empty;

	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
		CHECK(verify(tokens[i], strlen(tokens[i]), set, NULL) == SP_JWT_MALFORMED);
	CHECK(verify("eyJhbGciOiJIUzI1NiJ9.e30.", 25, set, NULL) == SP_JWT_SIGNATURE);
	CHECK(sp_jwk_set_new(&check_env, &empty) == SP_OK);
	CHECK(verify("eyJhbGciOiJIUzI1NiJ9.e30.AA", 27, empty, NULL) == SP_JWT_UNKNOWN_KEY);
	sp_jwk_set_free(empty);
	sp_jwk_set_free(set);
}

/* A right signature over a payload that is not base64url. */
static void
test_payload(void)
{
	static const char head[] = "eyJhbGciOiJIUzI1NiJ9.e31=";
	char token[256];
	uint8_t secret[64], code[32];
	size_t n;
	SpJwkSet *set = parse_set(OCT_JWK("HS256"));

	CHECK(sp_base64url_decode(strstr(OCT_JWK("HS256"), "AyM1"), 86, secret, 64, &n) == SP_OK);
	CHECK(sp_hmac_once(SP_HASH_SHA256, secret, n, head, strlen(head), code) == SP_OK);
	snprintf(token, sizeof(token), "%s.", head);
	sp_base64url_encode(code, 32, token + strlen(token));
	CHECK(verify(token, strlen(head) + 44, set, NULL) == SP_JWT_MALFORMED);
	sp_jwk_set_free(set);
}

/* One allocation after the other fails; nothing leaks, nothing is called wrong. */
static void
test_memory(void)
{
	SpStatus st = SP_ERR_NO_MEMORY;
	int failures = 0;

	for (long allowed = 0; st != SP_OK; allowed++)
	{
		SpJwkSet *set = NULL;
		SpJws jws = {0};
		SpJwtError why = SP_JWT_OK;
		char *token = NULL;
		size_t length;

		check_allocs_left = allowed;
		st = sp_jwk_set_parse(&check_env, EXAMPLES[1].key, strlen(EXAMPLES[1].key), SP_JWK_ANY,
		                      &set, NULL);
		if (st == SP_OK)
			st = sp_jws_verify(&check_env, EXAMPLES[1].token, strlen(EXAMPLES[1].token), set, NULL,
			                   &jws, &why, NULL);
		if (st == SP_OK)
			st = sp_jws_sign(&check_env, sp_jwk_set_at(set, 0), SP_JWA_ES256, "JWT", "{}", 2,
			                 &token, &length);
		check_allocs_left = -1;
		CHECK(st == SP_OK || st == SP_ERR_NO_MEMORY);
		CHECK(why == SP_JWT_OK);
		failures += st != SP_OK;
		sp_free(&check_env, token);
		if (jws.env != NULL)
			sp_jws_free(&jws);
		sp_jwk_set_free(set);
	}
	CHECK(failures > 8);
}

int
main(void)
{
	rsa = EVP_RSA_gen(2048);
	test_examples();
	test_made_again();
	test_every_algorithm();
	test_confusion();
	test_public_key_as_secret();
	test_headers();
	test_typ();
	test_rsa_bits();
	test_kid();
	test_memo_forgets();
	test_sizes();
	test_segments();
	test_payload();
	test_memory();
	EVP_PKEY_free(rsa);
	return check_report();
}
