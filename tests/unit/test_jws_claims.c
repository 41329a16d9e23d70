/*
 * tests/unit/test_jws_claims.c
 *	  Claims: times and their edges, audiences, issuers, and values that are
 *	  none.  pgjwt took "exp": "never"; that is one of the cases.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/jose/claims.h"

#include "check.h"

/* RFC 7515's joe: expired at this second. */
#define JOE_EXP 1300819380.0

static SpJwtError
check(const char *payload, const SpClaimsWant *want)
{
	SpClaims *claims;
	SpJwtError why;
	SpFault fault = {"", ""};
	SpStatus st = sp_claims_read(&check_env, (const uint8_t *) payload, strlen(payload), &claims,
	                             &why, &fault);

	CHECK((st == SP_OK) == (claims != NULL));
	if (st == SP_OK)
		st = sp_claims_check(claims, want, &why, &fault);
	CHECK((st == SP_OK) == (why == SP_JWT_OK));
	CHECK((st == SP_OK) == (fault.detail[0] == '\0'));
	CHECK(st == SP_OK || st == SP_ERR_BAD_DATA || st == SP_ERR_TOO_LARGE);
	/* never what would have passed */
	CHECK(want->audience == NULL || strstr(fault.detail, want->audience) == NULL);
	CHECK(want->issuer == NULL || strstr(fault.detail, want->issuer) == NULL);
	CHECK(strstr(fault.detail, "1300819380") == NULL && strstr(fault.hint, "1300819380") == NULL);
	sp_claims_free(claims);
	return why;
}

static SpJwtError
check_at(const char *payload, double now_s, double leeway_s)
{
	SpClaimsWant want = {.now_s = now_s, .leeway_s = leeway_s};

	return check(payload, &want);
}

static void
test_times(void)
{
	static const char exp[] = "{\"exp\":1300819380}", nbf[] = "{\"nbf\":1300819380}";
	static const char fraction[] = "{\"exp\":1300819380.5}", power[] = "{\"exp\":1.30081938e9}";

	/* "on or after" exp it is over */
	CHECK(check_at(exp, JOE_EXP - 0.001, 0) == SP_JWT_OK);
	CHECK(check_at(exp, JOE_EXP, 0) == SP_JWT_EXPIRED);
	CHECK(check_at(exp, JOE_EXP + 9.999, 10) == SP_JWT_OK);
	CHECK(check_at(exp, JOE_EXP + 10, 10) == SP_JWT_EXPIRED);
	CHECK(check_at(fraction, JOE_EXP + 0.25, 0) == SP_JWT_OK);
	CHECK(check_at(fraction, JOE_EXP + 0.5, 0) == SP_JWT_EXPIRED);
	CHECK(check_at(power, JOE_EXP - 1, 0) == SP_JWT_OK);
	CHECK(check_at(power, JOE_EXP, 0) == SP_JWT_EXPIRED);
	CHECK(check_at(nbf, JOE_EXP, 0) == SP_JWT_OK);
	CHECK(check_at(nbf, JOE_EXP - 0.001, 0) == SP_JWT_NOT_YET_VALID);
	CHECK(check_at(nbf, JOE_EXP - 10, 10) == SP_JWT_OK);
	CHECK(check_at(nbf, JOE_EXP - 10.001, 10) == SP_JWT_NOT_YET_VALID);
	/* iat refuses nothing, and must still be a time */
	CHECK(check_at("{\"iat\":1300819380}", 5, 0) == SP_JWT_OK);
	CHECK(check_at("{\"exp\":0}", 0, 0) == SP_JWT_EXPIRED);
	CHECK(check_at("{\"exp\":253402300799}", JOE_EXP, 0) == SP_JWT_OK);
	CHECK(check_at("{}", JOE_EXP, 0) == SP_JWT_OK);
}

static void
test_required(void)
{
	SpClaimsWant want = {.now_s = 5, .require_exp = true};

	CHECK(check("{}", &want) == SP_JWT_MISSING_CLAIM);
	CHECK(check("{\"exp\":6}", &want) == SP_JWT_OK);
	CHECK(check("{\"exp\":null}", &want) == SP_JWT_CLAIMS);
}

static void
test_values(void)
{
	static const char *const names[] = {"exp", "nbf", "iat"}, *const texts[] = {"iss", "sub",
	                                                                            "jti"};
	static const char *const no_times[] = {
		"\"never\"", "\"1300819380\"", "null",  "true", "[1]", "{}",
		"-1",        "253402300800",   "1e300", "-0.5"};
	static const char *const no_numbers[] = {"1e999", "99999999999999999999", "NaN", "0x10", "1."};
	static const char *const no_texts[] = {"1", "null", "[\"a\"]", "{}", "true"};
	static const char *const no_audiences[] = {"1",   "null",         "{}",
	                                           "[1]", "[\"a\",null]", "[[\"a\"]]"};
	char text[128];

	for (int i = 0; i < 3; i++)
	{
		for (size_t j = 0; j < sizeof(no_times) / sizeof(no_times[0]); j++)
		{
			snprintf(text, sizeof(text), "{\"%s\":%s}", names[i], no_times[j]);
			CHECK(check_at(text, 5, 0) == SP_JWT_CLAIMS);
		}
		for (size_t j = 0; j < sizeof(no_numbers) / sizeof(no_numbers[0]); j++)
		{
			snprintf(text, sizeof(text), "{\"%s\":%s}", names[i], no_numbers[j]);
			CHECK(check_at(text, 5, 0) == SP_JWT_MALFORMED);
		}
		for (size_t j = 0; j < sizeof(no_texts) / sizeof(no_texts[0]); j++)
		{
			snprintf(text, sizeof(text), "{\"%s\":%s}", texts[i], no_texts[j]);
			CHECK(check_at(text, 5, 0) == SP_JWT_CLAIMS);
		}
	}
	for (size_t j = 0; j < sizeof(no_audiences) / sizeof(no_audiences[0]); j++)
	{
		snprintf(text, sizeof(text), "{\"aud\":%s}", no_audiences[j]);
		CHECK(check_at(text, 5, 0) == SP_JWT_CLAIMS);
	}
	CHECK(check_at("[]", 5, 0) == SP_JWT_MALFORMED);
	CHECK(check_at("\"\"", 5, 0) == SP_JWT_MALFORMED);
	CHECK(check_at("", 5, 0) == SP_JWT_MALFORMED);
	CHECK(check_at("{\"exp\":10,\"exp\":20}", 5, 0) == SP_JWT_MALFORMED);
	CHECK(check_at("{\"a\":{\"b\":1,\"b\":1}}", 5, 0) == SP_JWT_MALFORMED);
	CHECK(check_at("{\"a\":\"\xFF\"}", 5, 0) == SP_JWT_MALFORMED);
}

static void
test_audience(void)
{
	SpClaimsWant want = {.audience = "music"}, none = {0}, any = {.any_audience = true};

	CHECK(check("{\"aud\":\"music\"}", &want) == SP_JWT_OK);
	CHECK(check("{\"aud\":[\"films\",\"music\"]}", &want) == SP_JWT_OK);
	CHECK(check("{\"aud\":\"Music\"}", &want) == SP_JWT_WRONG_AUDIENCE);
	CHECK(check("{\"aud\":\"music \"}", &want) == SP_JWT_WRONG_AUDIENCE);
	CHECK(check("{\"aud\":\"musi\"}", &want) == SP_JWT_WRONG_AUDIENCE);
	CHECK(check("{\"aud\":[]}", &want) == SP_JWT_WRONG_AUDIENCE);
	CHECK(check("{\"aud\":[\"films\",\"books\"]}", &want) == SP_JWT_WRONG_AUDIENCE);
	CHECK(check("{}", &want) == SP_JWT_MISSING_CLAIM);
	CHECK(check("{\"aud\":\"music\"}", &none) == SP_JWT_WRONG_AUDIENCE);
	CHECK(check("{}", &none) == SP_JWT_OK);
	CHECK(check("{\"aud\":\"music\"}", &any) == SP_JWT_OK);
	CHECK(check("{\"aud\":7}", &any) == SP_JWT_CLAIMS);
}

static void
test_issuer(void)
{
	SpClaimsWant want = {.issuer = "https://id.example/"};

	CHECK(check("{\"iss\":\"https://id.example/\"}", &want) == SP_JWT_OK);
	CHECK(check("{\"iss\":\"https://id.example\"}", &want) == SP_JWT_WRONG_ISSUER);
	CHECK(check("{\"iss\":\"HTTPS://id.example/\"}", &want) == SP_JWT_WRONG_ISSUER);
	CHECK(check("{}", &want) == SP_JWT_MISSING_CLAIM);
}

static void
test_access(void)
{
	static const char text[] = "{\"sub\":\"7c5e\",\"exp\":12.5,\"n\":3,\"x\":\"3\"}";
	SpClaims *claims;
	SpJwtError why;
	size_t length;
	double t;

	CHECK(sp_claims_read(&check_env, (const uint8_t *) text, strlen(text), &claims, &why, NULL) ==
	      SP_OK);
	CHECK(strcmp(sp_claims_text(claims, "sub", &length), "7c5e") == 0 && length == 4);
	CHECK(sp_claims_text(claims, "exp", &length) == NULL);
	CHECK(sp_claims_time(claims, "exp", &t) && t == 12.5);
	CHECK(!sp_claims_time(claims, "x", &t) && !sp_claims_time(claims, "y", &t));
	sp_claims_free(claims);
	sp_claims_free(NULL);
	check_allocs_left = 0;
	CHECK(sp_claims_read(&check_env, (const uint8_t *) text, strlen(text), &claims, &why, NULL) ==
	      SP_ERR_NO_MEMORY);
	check_allocs_left = -1;
	CHECK(claims == NULL && why == SP_JWT_OK);
}

static void
test_items(void)
{
	static const char text[] = "{\"amr\":[\"pwd\",\"otp\",7,\"mfa\"],\"one\":\"otp\",\"n\":3,"
							   "\"cnf\":{\"x5t#S256\":\"abc\",\"n\":1},\"null\":null}";
	SpClaims *claims;
	SpJwtError why;

	CHECK(sp_claims_read(&check_env, (const uint8_t *) text, strlen(text), &claims, &why, NULL) ==
	      SP_OK);
	CHECK(strcmp(sp_claims_item(claims, "amr", 0), "pwd") == 0);
	CHECK(strcmp(sp_claims_item(claims, "amr", 1), "otp") == 0);
	CHECK(sp_claims_item(claims, "amr", 2) == NULL && sp_claims_item(claims, "amr", 4) == NULL);
	CHECK(strcmp(sp_claims_item(claims, "one", 0), "otp") == 0);
	CHECK(sp_claims_item(claims, "one", 1) == NULL);
	CHECK(sp_claims_item(claims, "n", 0) == NULL && sp_claims_item(claims, "cnf", 0) == NULL);
	CHECK(sp_claims_item(claims, "no", 0) == NULL);
	CHECK(strcmp(sp_claims_member(claims, "cnf", "x5t#S256"), "abc") == 0);
	CHECK(sp_claims_member(claims, "cnf", "n") == NULL);
	CHECK(sp_claims_member(claims, "one", "x") == NULL &&
	      sp_claims_member(claims, "no", "x") == NULL);
	CHECK(sp_claims_has(claims, "null") && sp_claims_has(claims, "n"));
	CHECK(!sp_claims_has(claims, "no"));
	sp_claims_free(claims);
}

int
main(void)
{
	test_times();
	test_required();
	test_values();
	test_audience();
	test_issuer();
	test_access();
	test_items();
	return check_report();
}
