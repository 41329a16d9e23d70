/*
 * tests/unit/test_otp.c
 *	  HOTP (RFC 4226, appendix D), TOTP (RFC 6238, appendix B), PKCE (RFC 7636,
 *	  appendix B), windows and replays, otpauth URIs, recovery codes.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/jose/otp.h"

#include "check.h"
#include "core/crypto/base64.h"
#include "core/jose/pkce.h"

static const char DIGITS[] = "1234567890123456789012345678901234567890123456789012345678901234";
static const uint8_t *const SECRET = (const uint8_t *) DIGITS;

/* Appendix D, with the 20 bytes "12345678901234567890". */
static void
test_hotp(void)
{
	static const char *const codes[] = {"755224", "287082", "359152", "969429", "338314",
	                                    "254676", "287922", "162583", "399871", "520489"};
	char code[SP_OTP_DIGITS_MAX + 1];

	for (uint64_t i = 0; i < 10; i++)
	{
		CHECK(sp_otp_code(&SP_OTP_DEFAULT, SECRET, 20, i, code) == SP_OK);
		CHECK(strcmp(code, codes[i]) == 0);
	}
}

/*
 * Appendix B: secrets of 20, 32 and 64 bytes (its table says so only in the
 * program beside it; erratum 2866).
 */
static void
test_totp(void)
{
	static const int64_t times[] = {59,         1111111109, 1111111111,
	                                1234567890, 2000000000, 20000000000};
	static const char *const codes[3][6] = {
		{"94287082", "07081804", "14050471", "89005924", "69279037", "65353130"},
		{"46119246", "68084774", "67062674", "91819424", "90698825", "77737706"},
		{"90693936", "25091201", "99943326", "93441116", "38618901", "47863826"}};
	static const SpOtp otps[] = {
		{SP_HASH_SHA1, 8, 30}, {SP_HASH_SHA256, 8, 30}, {SP_HASH_SHA512, 8, 30}};
	static const size_t lengths[] = {20, 32, 64};

	for (int h = 0; h < 3; h++)
		for (int t = 0; t < 6; t++)
		{
			char code[SP_OTP_DIGITS_MAX + 1];
			SpOtp six = {otps[h].hash, 6, 30};
			int64_t step;

			CHECK(sp_otp_code(&otps[h], SECRET, lengths[h], sp_otp_step(&otps[h], times[t]),
			                  code) == SP_OK);
			CHECK(strcmp(code, codes[h][t]) == 0);
			CHECK(sp_otp_check(&otps[h], SECRET, lengths[h], codes[h][t], 8, times[t], 0, -1,
			                   &step) == SP_OK);
			CHECK(step == times[t] / 30);
			/* six digits are the last six of eight */
			CHECK(sp_otp_check(&six, SECRET, lengths[h], codes[h][t] + 2, 6, times[t], 0, -1,
			                   &step) == SP_OK);
		}
}

static SpStatus
check_code(const char *code, int64_t now_s, int window, int64_t after, int64_t *step)
{
	return sp_otp_check(&SP_OTP_DEFAULT, SECRET, 20, code, strlen(code), now_s, window, after,
	                    step);
}

static void
test_window(void)
{
	char code[SP_OTP_DIGITS_MAX + 1];
	int64_t step;

	CHECK(sp_otp_code(&SP_OTP_DEFAULT, SECRET, 20, 1000, code) == SP_OK);
	for (int64_t at = 990; at < 1011; at++)
		for (int window = 0; window <= SP_OTP_WINDOW_MAX; window++)
		{
			bool in = llabs(at - 1000) <= window;

			CHECK((check_code(code, at * 30, window, -1, &step) == SP_OK) == in);
			CHECK(step == (in ? 1000 : -1));
			CHECK((check_code(code, at * 30 + 29, window, 999, &step) == SP_OK) == in);
			/* no step twice, and none before the last */
			CHECK(check_code(code, at * 30, window, 1000, &step) == SP_ERR_BAD_DATA && step == -1);
			CHECK(check_code(code, at * 30, window, 1005, &step) == SP_ERR_BAD_DATA);
		}
	/* before 1970 there is no step */
	CHECK(check_code("755224", 0, 3, -1, &step) == SP_OK && step == 0);
	CHECK(check_code("755224", 30, 0, -1, &step) == SP_ERR_BAD_DATA);
}

static void
test_bad_codes(void)
{
	static const char *const codes[] = {"",        "75522",           "7552240", " 755224",
	                                    "755224 ", "75522a",          "+55224",  "-1",
	                                    "755 224", "\xD9\xA7\xD9\xA5"};
	char out[SP_OTP_DIGITS_MAX + 1];
	int64_t step;
	SpOtp otp = SP_OTP_DEFAULT;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		CHECK(check_code(codes[i], 0, 1, -1, &step) == SP_ERR_BAD_DATA);
	CHECK(sp_otp_check(&otp, SECRET, 20, "755224\0", 7, 0, 1, -1, &step) == SP_ERR_BAD_DATA);
	CHECK(check_code("755224", -1, 1, -1, &step) == SP_ERR_BAD_ARG);
	CHECK(check_code("755224", 0, -1, -1, &step) == SP_ERR_BAD_ARG);
	CHECK(check_code("755224", 0, SP_OTP_WINDOW_MAX + 1, -1, &step) == SP_ERR_BAD_ARG);
	CHECK(check_code("755224", INT64_MAX, 10, -1, &step) == SP_ERR_BAD_DATA);
	CHECK(sp_otp_code(&otp, SECRET, 0, 0, out) == SP_ERR_BAD_ARG);
	CHECK(sp_otp_code(&otp, SECRET, SP_OTP_SECRET_MAX + 1, 0, out) == SP_ERR_BAD_ARG);
	otp.digits = 5;
	CHECK(sp_otp_code(&otp, SECRET, 20, 0, out) == SP_ERR_BAD_ARG && out[0] == '\0');
	otp.digits = 9;
	CHECK(sp_otp_code(&otp, SECRET, 20, 0, out) == SP_ERR_BAD_ARG);
	otp = (SpOtp){SP_HASH_SHA1, 6, 0};
	CHECK(sp_otp_code(&otp, SECRET, 20, 0, out) == SP_ERR_BAD_ARG);
}

/* --- otpauth ------------------------------------------------------------------ */

static void
check_uri(const char *issuer, const char *account, const char *expected)
{
	static const uint8_t secret[] = "12345678901234567890";
	SpFault fault = {"", ""};
	char *uri;
	SpStatus st =
		sp_otp_uri(&check_env, &SP_OTP_DEFAULT, secret, 20, issuer, account, &uri, &fault);

	CHECK((st == SP_OK) == (expected != NULL));
	if (st == SP_OK && expected != NULL && strcmp(uri, expected) != 0)
		printf("# %s\n", uri);
	CHECK(st != SP_OK || expected == NULL || strcmp(uri, expected) == 0);
	CHECK(st == SP_OK || (uri == NULL && fault.detail[0] != '\0'));
	sp_otp_uri_free(&check_env, uri);
}

static void
test_uri(void)
{
#define S "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer="
#define E "&algorithm=SHA1&digits=6&period=30"
	static const SpOtp other = {SP_HASH_SHA512, 8, 60};
	char long_name[300], *uri;

	check_uri("spotai", "ada@example.org", "otpauth://totp/spotai:ada%40example.org" S "spotai" E);
	check_uri("Big Co & Sons", "a b+c/d?e=f#g%h",
	          "otpauth://totp/Big%20Co%20%26%20Sons:a%20b%2Bc%2Fd%3Fe%3Df%23g%25h" S
	          "Big%20Co%20%26%20Sons" E);
	check_uri("M\xC3\xBCsik", "\xF0\x9F\x8E\xB5",
	          "otpauth://totp/M%C3%BCsik:%F0%9F%8E%B5" S "M%C3%BCsik" E);
	check_uri("-._~", "\"<>\\^`{|}", "otpauth://totp/-._~:%22%3C%3E%5C%5E%60%7B%7C%7D" S "-._~" E);
	check_uri("", "a", NULL);
	check_uri("a", "", NULL);
	check_uri("a:b", "c", NULL);
	check_uri("a", "b:c", NULL);
	check_uri("a\n", "b", NULL);
	check_uri("a", "\x7F", NULL);
	check_uri("a", "\xC0\xAF", NULL);
	check_uri("\xFF", "b", NULL);
	memset(long_name, '%', sizeof(long_name));
	long_name[256] = '\0';
	check_uri(long_name, "a", NULL);
	long_name[255] = '\0';
	/* the longest of everything still fits */
	CHECK(sp_otp_uri(&check_env, &other, SECRET, 64, long_name, long_name, &uri, NULL) == SP_OK);
	CHECK(strlen(uri) > 3 * 3 * 255 && strstr(uri, "&algorithm=SHA512&digits=8&period=60") != NULL);
	sp_otp_uri_free(&check_env, uri);
	CHECK(sp_otp_uri(&check_env, &other, SECRET, 15, "a", "b", &uri, NULL) == SP_ERR_BAD_ARG);
	check_allocs_left = 0;
	CHECK(sp_otp_uri(&check_env, &other, SECRET, 20, "a", "b", &uri, NULL) == SP_ERR_NO_MEMORY);
	check_allocs_left = -1;
	sp_otp_uri_free(&check_env, NULL);
}

static void
test_recovery(void)
{
	char code[SP_RECOVERY_CHARS + 1], other[SP_RECOVERY_CHARS + 1], typed[64] = "";
	uint8_t hash[SP_HASH_SHA256_BYTES], again[SP_HASH_SHA256_BYTES];
	size_t n = 0;

	CHECK(sp_recovery_make(code) == SP_OK && strlen(code) == SP_RECOVERY_CHARS);
	CHECK(sp_recovery_make(other) == SP_OK && strcmp(code, other) != 0);
	CHECK(code[4] == '-' && code[24] == '-' &&
	      strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567-") == 29);
	CHECK(sp_recovery_hash(code, strlen(code), hash) == SP_OK);
	for (const char *c = code; *c != '\0'; c++)
		if (*c != '-')
			typed[n++] = (char) (*c >= 'A' ? *c - 'A' + 'a' : *c);
	typed[n++] = ' ';
	CHECK(sp_recovery_hash(typed, n, again) == SP_OK && memcmp(hash, again, sizeof(hash)) == 0);
	CHECK(sp_recovery_hash(other, strlen(other), again) == SP_OK &&
	      memcmp(hash, again, sizeof(hash)) != 0);
	CHECK(sp_recovery_hash(code, strlen(code) - 1, again) == SP_ERR_BAD_DATA);
	CHECK(sp_recovery_hash("", 0, again) == SP_ERR_BAD_DATA);
	CHECK(sp_recovery_hash("AAAA-AAAA-AAAA-AAAA-AAAA-AAAAA", 30, again) == SP_ERR_BAD_DATA);
	CHECK(sp_recovery_hash("AAAA-AAAA-AAAA-AAAA-AAAA-AAA1", 29, again) == SP_ERR_BAD_DATA);
}

/* RFC 7636, appendix B. */
static void
test_pkce(void)
{
	static const char verifier[] = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
	static const char challenge[] = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
	char out[SP_PKCE_CHARS + 1], made[SP_PKCE_CHARS + 1], text[130];

	CHECK(sp_pkce_challenge(verifier, 43, out) == SP_OK && strcmp(out, challenge) == 0);
	CHECK(sp_pkce_check(verifier, 43, challenge, 43) == SP_OK);
	CHECK(sp_pkce_check(verifier, 43, challenge, 42) == SP_ERR_BAD_DATA);
	CHECK(sp_pkce_check(verifier, 43, "e9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", 43) ==
	      SP_ERR_BAD_DATA);
	/* "plain" */
	CHECK(sp_pkce_check(verifier, 43, verifier, 43) == SP_ERR_BAD_DATA);
	CHECK(sp_pkce_make(made) == SP_OK && strlen(made) == 43);
	CHECK(sp_pkce_challenge(made, 43, out) == SP_OK && sp_pkce_check(made, 43, out, 43) == SP_OK);
	memset(text, 'a', sizeof(text));
	CHECK(sp_pkce_challenge(text, 42, out) == SP_ERR_BAD_DATA && out[0] == '\0');
	CHECK(sp_pkce_challenge(text, 128, out) == SP_OK);
	CHECK(sp_pkce_challenge(text, 129, out) == SP_ERR_BAD_DATA);
	text[7] = '=';
	CHECK(sp_pkce_challenge(text, 64, out) == SP_ERR_BAD_DATA);
	text[7] = '\0';
	CHECK(sp_pkce_challenge(text, 64, out) == SP_ERR_BAD_DATA);
}

int
main(void)
{
	test_hotp();
	test_totp();
	test_window();
	test_bad_codes();
	test_uri();
	test_recovery();
	test_pkce();
	return check_report();
}
