/*
 * tests/fuzz/fuzz_jws.c
 *	  libFuzzer: a token as it comes; and any header and payload with a right
 *	  signature, so that what stands behind the signature is reached, too.
 *
 * A token that was not signed here is never valid.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdint.h>
#include <string.h>

#include "core/jose/claims.h"
#include "core/jose/jws.h"
#include "core/jose/peek.h"
#include "host.h"

/* The public halves are RFC 8037's and RFC 7515's; who signs is the second set. */
static const char PUBLIC[] = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\","
							 "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"},"
							 "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"ec\","
							 "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
							 "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";
static const char SECRET[] =
	"{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"
	"1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}";

/* The one token of the first set's keys that anybody has seen: RFC 8037, appendix A.4. */
static const char KNOWN[] =
	"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
	"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

static SpJwkSet *
parse(const char *text)
{
	SpJwkSet *set;

	if (sp_jwk_set_parse(&env, text, strlen(text), SP_JWK_ANY, &set, NULL) != SP_OK)
		abort();
	return set;
}

/* What it says about itself; a token whose claims were read says the issuer that they have. */
static void
peek(const char *token, size_t length, const SpClaims *claims)
{
	SpPeek out;
	SpJwtError why;
	SpFault fault = {"", ""};
	SpStatus st = sp_jws_peek(&env, token, length, &out, &why, &fault);
	size_t n = 0;
	const char *issuer = claims ? sp_claims_text(claims, "iss", &n) : NULL;

	if ((st == SP_OK) != (why == SP_JWT_OK) || (st == SP_OK) != (fault.detail[0] == '\0'))
		abort();
	if (st == SP_OK && (memchr(out.kid, '\0', sizeof(out.kid)) == NULL ||
	                    memchr(out.issuer, '\0', sizeof(out.issuer)) == NULL))
		abort();
	if (issuer != NULL && st == SP_OK && strcmp(issuer, out.issuer) != 0)
		abort();
	/* one that is for too many audiences is refused, too */
	if (issuer != NULL && st != SP_OK && n <= SP_PEEK_ISSUER_MAX && !sp_claims_has(claims, "aud"))
		abort();
	if (claims != NULL && st == SP_OK && out.n_audiences > 0 &&
	    strcmp(sp_claims_item(claims, "aud", 0), out.audiences) != 0)
		abort();
	if (claims != NULL)
		(void) sp_claims_member(claims, "cnf", "x5t#S256");
}

/* True when the token was taken. */
static bool
verify(const char *token, size_t length, SpJwkSet *keys)
{
	SpJws jws;
	SpJwtError why;
	SpFault fault = {"", ""};
	SpClaims *claims;
	SpClaimsWant want = {.now_s = 1300819379, .issuer = "joe"};
	SpStatus st = sp_jws_verify(&env, token, length, keys, NULL, &jws, &why, &fault);

	if ((st == SP_OK) != (why == SP_JWT_OK) || (st == SP_OK) != (fault.detail[0] == '\0'))
		abort();
	peek(token, length, NULL);
	if (st != SP_OK)
		return false;
	if (sp_claims_read(&env, jws.payload, jws.length, &claims, &why, &fault) == SP_OK)
	{
		sp_claims_check(claims, &want, &why, &fault);
		peek(token, length, claims);
		sp_claims_free(claims);
	}
	sp_jws_free(&jws);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static SpJwkSet *public_keys, *secret;
	const uint8_t *cut = memchr(data, '\0', size);
	char *token;
	size_t length;

	if (public_keys == NULL)
	{
		public_keys = parse(PUBLIC);
		secret = parse(SECRET);
	}
	if (verify((const char *) data, size, public_keys) &&
	    (size != strlen(KNOWN) || memcmp(data, KNOWN, size) != 0))
		abort();
	verify((const char *) data, size, secret);
	if (cut == NULL)
		return 0;
	if (sp_jws_sign_header(&env, sp_jwk_set_at(secret, 0), SP_JWA_HS256, (const char *) data,
	                       (size_t) (cut - data), cut + 1, (size_t) (data + size - cut - 1), &token,
	                       &length) == SP_OK)
		verify(token, length, secret);
	sp_free(&env, token);
	return 0;
}
