/*
 * tests/unit/test_peek.c
 *	  What a token says about itself: its kid and its issuer, and what is no token.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/crypto/base64.h"
#include "core/jose/peek.h"

#include "check.h"

static char token[SP_JWS_BYTES + 64];

/* A token of two JSON texts and a signature that nobody looks at. */
static size_t
write_token(const char *header, const char *payload)
{
	size_t n = SP_BASE64URL_CHARS(strlen(header)), m = SP_BASE64URL_CHARS(strlen(payload));

	sp_base64url_encode(header, strlen(header), token);
	token[n] = '.';
	sp_base64url_encode(payload, strlen(payload), token + n + 1);
	strcpy(token + n + 1 + m, ".AAAA");
	return n + m + 6;
}

static SpJwtError
peek(const char *text, size_t length, SpPeek *out)
{
	SpJwtError why = SP_JWT_EXPIRED;
	SpFault fault = {"", ""};
	SpStatus st = sp_jws_peek(&check_env, text, length, out, &why, &fault);

	CHECK((st == SP_OK) == (why == SP_JWT_OK) || st == SP_ERR_NO_MEMORY);
	CHECK((st == SP_OK || st == SP_ERR_NO_MEMORY) == (fault.detail[0] == '\0'));
	return why;
}

static SpJwtError
peek_json(const char *header, const char *payload, SpPeek *out)
{
	return peek(token, write_token(header, payload), out);
}

static void
test_names(void)
{
	SpPeek out;

	CHECK(peek_json("{\"alg\":\"EdDSA\",\"kid\":\"k\"}", "{\"iss\":\"i\"}", &out) == SP_JWT_OK);
	CHECK(strcmp(out.kid, "k") == 0 && strcmp(out.issuer, "i") == 0);
	/* what is not there, and what is empty */
	CHECK(peek_json("{}", "{}", &out) == SP_JWT_OK);
	CHECK(out.kid[0] == '\0' && out.issuer[0] == '\0');
	CHECK(peek_json("{\"kid\":\"\"}", "{\"iss\":\"\"}", &out) == SP_JWT_OK);
	CHECK(out.kid[0] == '\0' && out.issuer[0] == '\0');
	CHECK(peek_json("{\"kid\":\"\xc3\xa9\"}", "{\"iss\":\"\\u00e9\"}", &out) == SP_JWT_OK);
	CHECK(strcmp(out.kid, "\xc3\xa9") == 0 && strcmp(out.issuer, "\xc3\xa9") == 0);
	/* only at the top, and in its own segment */
	CHECK(peek_json("{\"iss\":\"x\",\"a\":{\"kid\":\"x\"}}",
	                "{\"kid\":\"x\",\"a\":{\"iss\":\"x\"}}", &out) == SP_JWT_OK);
	CHECK(out.kid[0] == '\0' && out.issuer[0] == '\0');
}

static void
test_audiences(void)
{
	SpPeek out;
	char many[1024] = "{\"aud\":[\"0\"", *long_one;

	CHECK(peek_json("{}", "{}", &out) == SP_JWT_OK && out.n_audiences == 0);
	CHECK(peek_json("{}", "{\"aud\":\"music\"}", &out) == SP_JWT_OK && out.n_audiences == 1);
	CHECK(strcmp(out.audiences, "music") == 0);
	CHECK(peek_json("{}", "{\"aud\":[\"films\",\"\",\"music\"]}", &out) == SP_JWT_OK);
	CHECK(out.n_audiences == 3 && memcmp(out.audiences, "films\0\0music", 13) == 0);
	CHECK(peek_json("{}", "{\"aud\":[]}", &out) == SP_JWT_OK && out.n_audiences == 0);
	CHECK(peek_json("{}", "{\"aud\":7}", &out) == SP_JWT_MALFORMED);
	CHECK(peek_json("{}", "{\"aud\":null}", &out) == SP_JWT_MALFORMED);
	CHECK(peek_json("{}", "{\"aud\":[\"a\",7]}", &out) == SP_JWT_MALFORMED);
	CHECK(peek_json("{}", "{\"aud\":[[\"a\"]]}", &out) == SP_JWT_MALFORMED);
	for (int i = 1; i < SP_PEEK_AUDIENCES; i++)
		strcat(many, ",\"a\"");
	strcat(many, "]}");
	CHECK(peek_json("{}", many, &out) == SP_JWT_OK && out.n_audiences == SP_PEEK_AUDIENCES);
	strcpy(many + strlen(many) - 2, ",\"a\"]}");
	CHECK(peek_json("{}", many, &out) == SP_JWT_MALFORMED);
	long_one = malloc(SP_PEEK_AUDIENCE_BYTES + 64);
	for (int more = 0; more < 2; more++)
	{
		size_t n = SP_PEEK_AUDIENCE_BYTES - 1 + (size_t) more;

		strcpy(long_one, "{\"aud\":\"");
		memset(long_one + 8, 'a', n);
		strcpy(long_one + 8 + n, "\"}");
		CHECK(peek_json("{}", long_one, &out) == (more ? SP_JWT_MALFORMED : SP_JWT_OK));
	}
	free(long_one);
}

/* A member of n letters. */
static const char *
long_member(const char *name, size_t n)
{
	static char text[SP_PEEK_ISSUER_MAX + SP_JWK_KID_MAX + 64];
	size_t at = (size_t) sprintf(text, "{\"%s\":\"", name);

	memset(text + at, 'a', n);
	strcpy(text + at + n, "\"}");
	return text;
}

static void
test_lengths(void)
{
	SpPeek out;

	CHECK(peek_json("{}", long_member("iss", SP_PEEK_ISSUER_MAX), &out) == SP_JWT_OK);
	CHECK(strlen(out.issuer) == SP_PEEK_ISSUER_MAX);
	CHECK(peek_json("{}", long_member("iss", SP_PEEK_ISSUER_MAX + 1), &out) == SP_JWT_MALFORMED);
	CHECK(peek_json(long_member("kid", SP_JWK_KID_MAX), "{}", &out) == SP_JWT_OK);
	CHECK(strlen(out.kid) == SP_JWK_KID_MAX);
	CHECK(peek_json(long_member("kid", SP_JWK_KID_MAX + 1), "{}", &out) == SP_JWT_MALFORMED);
	memset(token, 'A', sizeof(token));
	CHECK(peek(token, SP_JWS_BYTES + 1, &out) == SP_JWT_TOO_LARGE);
	CHECK(peek(token, SP_JWS_BYTES, &out) == SP_JWT_MALFORMED);
}

static void
test_refused(void)
{
	static const char *const payloads[] = {"{\"iss\":1}",
	                                       "{\"iss\":null}",
	                                       "{\"iss\":[\"i\"]}",
	                                       "{\"iss\":{}}",
	                                       "{\"iss\":\"i\",\"iss\":\"j\"}",
	                                       "{\"iss\":\"i\\u0000j\"}",
	                                       "{\"iss\":\"\xc3\x28\"}",
	                                       "{\"iss\":\"i\"",
	                                       "{\"iss\":\"i\"} x",
	                                       "[\"iss\"]",
	                                       "\"iss\"",
	                                       "iss",
	                                       "",
	                                       " "};
	static const char *const tokens[] = {"",         ".",        "..",        "...",   "e30",
	                                     "e30.",     ".e30.",    "e30.e30",   "e30..", "e3=.e30.",
	                                     "e30.e 0.", "e30.e31.", "e30\n.e30."};
	SpPeek out;

	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++)
	{
		CHECK(peek_json("{}", payloads[i], &out) == SP_JWT_MALFORMED);
		if (strstr(payloads[i], "\"iss\":") == NULL)
			CHECK(peek_json(payloads[i], "{}", &out) == SP_JWT_MALFORMED);
	}
	CHECK(peek_json("{\"kid\":1}", "{}", &out) == SP_JWT_MALFORMED);
	CHECK(peek_json("{\"kid\":\"a\",\"kid\":\"a\"}", "{}", &out) == SP_JWT_MALFORMED);
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
		CHECK(peek(tokens[i], strlen(tokens[i]), &out) == SP_JWT_MALFORMED);
	/* what stands behind the second dot is for others */
	CHECK(peek("e30.e30.", 8, &out) == SP_JWT_OK && peek("e30.e30.?.!", 11, &out) == SP_JWT_OK);
}

static void
test_memory(void)
{
	SpPeek out;
	size_t n = write_token("{\"kid\":\"k\"}", "{\"iss\":\"i\"}");
	SpJwtError why;
	long after = 0;
	SpStatus st;

	do
	{
		check_allocs_left = after++;
		st = sp_jws_peek(&check_env, token, n, &out, &why, NULL);
		CHECK(st == SP_OK || (st == SP_ERR_NO_MEMORY && why == SP_JWT_OK));
	} while (st != SP_OK && after < 100);
	check_allocs_left = -1;
	CHECK(st == SP_OK && after > 2);
}

int
main(void)
{
	test_names();
	test_audiences();
	test_lengths();
	test_refused();
	test_memory();
	return check_report();
}
