/*
 * tests/unit/test_base64.c
 *	  base64url, base64, base32: RFC 4648's own examples, every short text, and
 *	  a naive reader for the others.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/crypto/base64.h"

#include "check.h"

static const char *const URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char *const PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char *const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

typedef SpStatus (*Decoder)(const char *, size_t, uint8_t *, size_t, size_t *);
typedef void (*Encoder)(const void *, size_t, char *);

/* Bits of characters one after another; what is left over must be zero and less than a character. */
static bool
naive(const char *alphabet, int bits, const char *text, size_t n, uint8_t *out, size_t *length)
{
	int held = 0;

	*length = 0;
	memset(out, 0, n + 1);
	for (size_t i = 0; i < n; i++)
	{
		const char *at = text[i] == '\0' ? NULL : strchr(alphabet, text[i]);

		if (at == NULL)
			return false;
		for (int bit = bits - 1; bit >= 0; bit--, held++)
			out[held / 8] |= (uint8_t) (((at - alphabet) >> bit & 1) << (7 - held % 8));
	}
	*length = (size_t) held / 8;
	return held % 8 < bits && (held % 8 == 0 || out[*length] == 0);
}

static void
check_against_naive(Decoder decode, const char *alphabet, int bits, const char *text, size_t n)
{
	uint8_t bytes[256], expected[256];
	size_t length = 0, expected_length;
	bool good = naive(alphabet, bits, text, n, expected, &expected_length);
	SpStatus st = decode(text, n, bytes, sizeof(bytes), &length);

	CHECK((st == SP_OK) == good);
	if (good && st == SP_OK)
		CHECK(length == expected_length && memcmp(bytes, expected, length) == 0);
}

/* RFC 4648, section 10. */
static void
test_rfc(void)
{
	static const char *const examples[][3] = {
		{"", "", ""},
		{"f", "Zg==", "MY"},
		{"fo", "Zm8=", "MZXQ"},
		{"foo", "Zm9v", "MZXW6"},
		{"foob", "Zm9vYg==", "MZXW6YQ"},
		{"fooba", "Zm9vYmE=", "MZXW6YTB"},
		{"foobar", "Zm9vYmFy", "MZXW6YTBOI"},
	};

	for (size_t i = 0; i < 7; i++)
	{
		const char *text = examples[i][0];
		size_t n = strlen(text), length;
		char out[32] = "";
		uint8_t bytes[32];

		sp_base64_encode(text, n, out);
		CHECK(strcmp(out, examples[i][1]) == 0 && strlen(out) == SP_BASE64_CHARS(n));
		CHECK(sp_base64_decode(out, strlen(out), bytes, 32, &length) == SP_OK && length == n &&
		      memcmp(bytes, text, n) == 0);
		memset(out, 0, sizeof(out));
		sp_base32_encode(text, n, out);
		CHECK(strcmp(out, examples[i][2]) == 0 && strlen(out) == SP_BASE32_CHARS(n));
		CHECK(sp_base32_decode(out, strlen(out), bytes, 32, &length) == SP_OK && length == n &&
		      memcmp(bytes, text, n) == 0);
		memset(out, 0, sizeof(out));
		sp_base64url_encode(text, n, out);
		CHECK(strncmp(out, examples[i][1], strlen(out)) == 0 &&
		      strlen(out) == SP_BASE64URL_CHARS(n) && strchr(out, '=') == NULL);
	}
}

/* RFC 7515, appendix C; and the two characters that differ. */
static void
test_url_alphabet(void)
{
	static const uint8_t appendix_c[] = {3, 236, 255, 224, 193}, ones[] = {0xFF, 0xFF, 0xFB, 0xEF};
	char out[16] = "";

	sp_base64url_encode(appendix_c, 5, out);
	CHECK(strcmp(out, "A-z_4ME") == 0);
	memset(out, 0, sizeof(out));
	sp_base64_encode(ones, 4, out);
	CHECK(strcmp(out, "///77w==") == 0);
}

/* Every text of up to two bytes, whatever they are, and of three of a small alphabet. */
static void
test_short_texts(void)
{
	static const char some[] = "AQgw5_-+/=. \n\r\tZz27";
	char text[4];

	for (int a = 0; a < 256; a++)
		for (int b = 0; b < 257; b++)
		{
			text[0] = (char) a;
			text[1] = (char) b;
			check_against_naive(sp_base64url_decode, URL, 6, text, b == 256 ? 1 : 2);
			check_against_naive(sp_base32_decode, BASE32, 5, text, b == 256 ? 1 : 2);
		}
	for (size_t i = 0; i < sizeof(some) * sizeof(some) * sizeof(some) * sizeof(some); i++)
	{
		size_t k = i;

		for (int j = 0; j < 4; j++, k /= sizeof(some))
			text[j] = some[k % sizeof(some)];
		check_against_naive(sp_base64url_decode, URL, 6, text, 3);
		check_against_naive(sp_base64url_decode, URL, 6, text, 4);
		check_against_naive(sp_base32_decode, BASE32, 5, text, 4);
	}
}

/* All lengths around the chunks, with and without one wrong character at every place. */
static void
test_long_texts(void)
{
	uint8_t bytes[160], back[160];
	char text[256];
	size_t length;

	for (size_t n = 0; n < sizeof(bytes); n++)
	{
		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t) check_random();
		sp_base64url_encode(bytes, n, text);
		CHECK(sp_base64url_decode(text, SP_BASE64URL_CHARS(n), back, n, &length) == SP_OK &&
		      length == n && memcmp(bytes, back, n) == 0);
		CHECK(n == 0 || sp_base64url_decode(text, SP_BASE64URL_CHARS(n), back, n - 1, &length) ==
		                    SP_ERR_TOO_LARGE);
		for (size_t i = 0; i < SP_BASE64URL_CHARS(n); i++)
		{
			char was = text[i];

			text[i] = "=+/\n \x80~"[check_random() % 7];
			CHECK(sp_base64url_decode(text, SP_BASE64URL_CHARS(n), back, n, &length) ==
			      SP_ERR_BAD_DATA);
			text[i] = URL[check_random() % 64];
			check_against_naive(sp_base64url_decode, URL, 6, text, SP_BASE64URL_CHARS(n));
			text[i] = was;
		}
		sp_base32_encode(bytes, n, text);
		if (n < 150)
			check_against_naive(sp_base32_decode, BASE32, 5, text, SP_BASE32_CHARS(n));
	}
}

static void
check_refused(Decoder decode, const char *text)
{
	uint8_t bytes[64];
	size_t length;

	CHECK(decode(text, strlen(text), bytes, sizeof(bytes), &length) == SP_ERR_BAD_DATA);
}

static void
test_refused(void)
{
	static const char *const padded[] = {
		"Zg",   "Zg=",      "Zg===", "=",      "==",   "====",   "Zh==",        "Zm9=",
		"Z===", "Zg==Zg==", "Zg= =", "Zm9vYg", "A=AA", "Zm8=\n", "Zm9v\r\nYmFy"};
	static const char *const base32[] = {"my",     "MZ", "MY======", "M",         "MZX",
	                                     "MZXW6Y", "M1", "M8",       "MZXW6YTBOJ"};

	for (size_t i = 0; i < sizeof(padded) / sizeof(padded[0]); i++)
		check_refused(sp_base64_decode, padded[i]);
	for (size_t i = 0; i < sizeof(base32) / sizeof(base32[0]); i++)
		check_refused(sp_base32_decode, base32[i]);
	check_refused(sp_base64url_decode, "Zg==");
	check_refused(sp_base64url_decode, "A+z/4ME");
	CHECK(strlen(PLAIN) == 64);
}

int
main(void)
{
	test_rfc();
	test_url_alphabet();
	test_short_texts();
	test_long_texts();
	test_refused();
	return check_report();
}
