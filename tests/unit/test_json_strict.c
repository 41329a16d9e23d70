/*
 * tests/unit/test_json_strict.c
 *	  JSON of tokens and keys: JSONTestSuite (Seriot, RFC 8259), and what is
 *	  refused beyond RFC 8259.
 *
 * JSONTestSuite: each y_ is accepted but for those of REFUSED, which are what
 * RFC 8725 asks for; each n_ is refused; of the i_, which a parser may treat
 * as it likes, those of ACCEPTED are accepted.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/jose/json_strict.h"

#include <dirent.h>

#include "jose_vectors.h"

/* Members that come twice; U+0000 in a name or a string. */
static const char *const REFUSED[] = {
	"y_object_duplicated_key.json",
	"y_object_duplicated_key_and_value.json",
	"y_object_escaped_null_in_key.json",
	"y_string_null_escape.json",
};

/* Numbers too small for a double become zero. */
static const char *const ACCEPTED[] = {
	"i_number_double_huge_neg_exp.json",
	"i_number_real_underflow.json",
};

static bool
is_in(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, list[i]) == 0)
			return true;
	return false;
}

static bool
should_be_accepted(const char *name)
{
	if (name[0] == 'y')
		return !is_in(name, REFUSED, sizeof(REFUSED) / sizeof(REFUSED[0]));
	return name[0] == 'i' && is_in(name, ACCEPTED, sizeof(ACCEPTED) / sizeof(ACCEPTED[0]));
}

static void
check_file(const char *name)
{
	char path[512];
	size_t length;
	char *text;
	json_t *value;
	SpFault fault = {"", ""};
	SpStatus st;

	snprintf(path, sizeof(path), "jsontestsuite/test_parsing/%s", name);
	text = vectors_bytes(path, &length);
	st = sp_json_read(text, length, 1 << 20, SP_JSON_DEPTH, &value, &fault);
	if ((st == SP_OK) != should_be_accepted(name))
		printf("# %s: %s\n", name, fault.detail);
	CHECK((st == SP_OK) == should_be_accepted(name));
	CHECK((st == SP_OK) == (value != NULL));
	CHECK(st == SP_OK || fault.detail[0] != '\0');
	sp_json_release(value);
	free(text);
}

static void
test_suite(void)
{
	DIR *folder = opendir(vectors_path("jsontestsuite/test_parsing"));
	struct dirent *entry;
	int files = 0;

	if (folder == NULL)
	{
		printf("# SKIP vectors/jsontestsuite is absent\n");
		return;
	}
	while ((entry = readdir(folder)) != NULL)
		if (strstr(entry->d_name, ".json") != NULL)
		{
			check_file(entry->d_name);
			files++;
		}
	closedir(folder);
	/* how many there are in the suite's version of 2024 */
	CHECK(files == 318);
}

static SpStatus
read_text(const char *text, SpFault *fault)
{
	json_t *value;
	SpStatus st = sp_json_read_object(text, strlen(text), 4096, &value, fault);

	sp_json_release(value);
	return st;
}

static void
test_beyond(void)
{
	static const char *const refused[] = {
		"{\"a\":1,\"a\":1}",
		"{\"a\":1,\"\\u0061\":2}",
		"{\"x\":{\"y\":[{\"a\":1,\"b\":2,\"a\":3}]}}",
		"{\"a\\u0000b\":1}",
		"{\"a\":\"b\\u0000\"}",
		"{\"a\":\"\xED\xA0\x80\"}",
		"{\"a\":\"\xC0\xAF\"}",
		"\xEF\xBB\xBF{}",
		"{\"a\":1e400}",
		"{\"a\":9223372036854775808}",
		"{\"a\":NaN}",
		"{\"a\":01}",
		"{} {}",
		"[]",
		"\"a\"",
		"",
		"{\"a\":1,}",
		"{'a':1}",
		"{\"a\":1}//",
	};
	SpFault fault;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		fault.detail[0] = '\0';
		CHECK(read_text(refused[i], &fault) == SP_ERR_BAD_DATA);
		CHECK(fault.detail[0] != '\0');
	}
	CHECK(read_text("{\"a\":1,\"b\":{\"a\":[1,{\"a\":2}]}}", NULL) == SP_OK);
	CHECK(read_text(" \r\n\t{ }\n", NULL) == SP_OK);
}

/* A NUL ends nothing, and is nothing. */
static void
test_nul(void)
{
	static const char *const inside = "{\"a\":1\0}";
	static const char text[] = "{\"a\":1}\0{\"a\":2}";
	json_t *value;

	CHECK(sp_json_read_object(text, sizeof(text) - 1, 4096, &value, NULL) == SP_ERR_BAD_DATA);
	CHECK(sp_json_read_object(text, 8, 4096, &value, NULL) == SP_ERR_BAD_DATA);
	CHECK(sp_json_read_object(inside, 8, 4096, &value, NULL) == SP_ERR_BAD_DATA);
	CHECK(sp_json_read_object(text, 7, 4096, &value, NULL) == SP_OK);
	sp_json_release(value);
}

/* Deep texts are refused before they are parsed; brackets in strings do not count. */
static void
test_limits(void)
{
	static char text[100000];
	char quoted[] = "{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"{{{\"}";
	json_t *value;

	memset(text, '[', sizeof(text));
	CHECK(sp_json_read(text, sizeof(text), sizeof(text), SP_JSON_DEPTH, &value, NULL) ==
	      SP_ERR_TOO_LARGE);
	for (int depth = 1; depth < 40; depth++)
	{
		memset(text, '[', (size_t) depth);
		memset(text + depth, ']', (size_t) depth);
		CHECK((sp_json_read(text, 2 * (size_t) depth, 1000, SP_JSON_DEPTH, &value, NULL) ==
		       SP_OK) == (depth <= SP_JSON_DEPTH));
		sp_json_release(value);
	}
	CHECK(read_text(quoted, NULL) == SP_OK);
	memset(text, ' ', sizeof(text));
	CHECK(sp_json_read(text, 4097, 4096, 4, &value, NULL) == SP_ERR_TOO_LARGE);
}

/* What is refused is not repeated. */
static void
test_silence(void)
{
	SpFault fault;

	CHECK(read_text("{\"k\":\"hunter2\" hunter2", &fault) == SP_ERR_BAD_DATA);
	CHECK(strstr(fault.detail, "hunter") == NULL && strstr(fault.hint, "hunter") == NULL);
	CHECK(read_text("{\"hunter2\":1,\"hunter2\":2}", &fault) == SP_ERR_BAD_DATA);
	CHECK(strstr(fault.detail, "hunter") == NULL);
}

static void
test_text(void)
{
	json_t *value;
	size_t length = 0;

	CHECK(sp_json_read_object("{\"a\":\"bc\",\"d\":1}", 16, 100, &value, NULL) == SP_OK);
	CHECK(strcmp(sp_json_text(value, "a", &length), "bc") == 0 && length == 2);
	CHECK(sp_json_text(value, "d", &length) == NULL);
	CHECK(sp_json_text(value, "e", &length) == NULL);
	sp_json_release(value);
	sp_json_release(NULL);
}

int
main(void)
{
	test_suite();
	test_beyond();
	test_nul();
	test_limits();
	test_silence();
	test_text();
	return check_report();
}
