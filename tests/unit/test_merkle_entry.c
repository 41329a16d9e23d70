/*
 * tests/unit/test_merkle_entry.c
 *	  Leaves of audit entries byte by byte, and lines of an export that are none.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "merkle_log.h"
#include "twins/merkle.h"

static SpSha256 *sha;

static SpEntry
an_entry(void)
{
	SpEntry e = {.time_us = 0x0102030405060708,
	             .has_principal = true,
	             .action = "do",
	             .action_length = 2,
	             .object = "it!",
	             .object_length = 3};

	memset(e.id, 0x11, sizeof(e.id));
	memset(e.tenant, 0x22, sizeof(e.tenant));
	memset(e.principal, 0x33, sizeof(e.principal));
	memset(e.detail.bytes, 0x44, sizeof(e.detail.bytes));
	return e;
}

/* The table of entry.h. */
static void
test_leaf(void)
{
	static const uint8_t begin[8] = {'s', 'p', 'a', 'u', 'd', 'i', 't', 1};
	static const uint8_t time_us[8] = {1, 2, 3, 4, 5, 6, 7, 8}, end[] = "\0\2do\0\3it!";
	uint8_t leaf[SP_ENTRY_MAX_LEAF], zeros[16] = {0};
	SpEntry e = an_entry();
	SpDigest hash, twin;
	size_t n;

	CHECK(sp_entry_leaf(&e, leaf, &n, NULL) == SP_OK && n == 97 + 4 + 5);
	CHECK(memcmp(leaf, begin, 8) == 0 && memcmp(leaf + 8, e.id, 16) == 0 &&
	      memcmp(leaf + 24, e.tenant, 16) == 0 && memcmp(leaf + 40, time_us, 8) == 0 &&
	      leaf[48] == 1 && memcmp(leaf + 49, e.principal, 16) == 0 &&
	      memcmp(leaf + 65, e.detail.bytes, 32) == 0 && memcmp(leaf + 97, end, 9) == 0);
	twin = twin_merkle_leaf(leaf, n);
	CHECK(sp_entry_leaf_hash(sha, &e, &hash, NULL) == SP_OK && sp_digest_equal(&hash, &twin));
	/* nobody: what is left in the principal does not matter */
	e.has_principal = false;
	e.time_us = -1;
	CHECK(sp_entry_leaf(&e, leaf, &n, NULL) == SP_OK && leaf[48] == 0 &&
	      memcmp(leaf + 49, zeros, 16) == 0 && leaf[40] == 0xFF && leaf[47] == 0xFF);
	/* letters that move from one text to the next make another leaf */
	e.action_length = 1;
	CHECK(sp_entry_leaf(&e, leaf, &n, NULL) == SP_OK && n == 97 + 4 + 4 && leaf[98] == 1);
}

static void
test_limits(void)
{
	static char text[SP_ENTRY_MAX_OBJECT + 1];
	uint8_t leaf[SP_ENTRY_MAX_LEAF];
	SpFault fault = {"", ""};
	SpEntry e = an_entry();
	SpDigest hash;
	size_t n;

	memset(text, 'a', sizeof(text));
	e.action = e.object = text;
	e.action_length = SP_ENTRY_MAX_ACTION;
	e.object_length = SP_ENTRY_MAX_OBJECT;
	CHECK(sp_entry_leaf(&e, leaf, &n, &fault) == SP_OK && n == SP_ENTRY_MAX_LEAF);
	e.object_length++;
	CHECK(sp_entry_leaf(&e, leaf, &n, &fault) == SP_ERR_TOO_LARGE && fault.detail[0] != '\0');
	e.object_length = 0;
	e.object = NULL;
	CHECK(sp_entry_leaf(&e, leaf, &n, NULL) == SP_OK);
	e.action_length++;
	CHECK(sp_entry_leaf(&e, leaf, &n, NULL) == SP_ERR_TOO_LARGE);
	CHECK(sp_entry_leaf_hash(sha, &e, &hash, &fault) == SP_ERR_TOO_LARGE);
	e.action_length = 0;
	CHECK(sp_entry_leaf(&e, leaf, &n, &fault) == SP_ERR_BAD_DATA);
	for (const char *const *bad = (const char *const[]){"\xFF", "\xC3", "a\xE2\x82", "\xC0\x80",
	                                                    "\xED\xA0\x80", "\xF4\x90\x80\x80", NULL};
	     *bad != NULL; bad++)
	{
		e.action = *bad;
		e.action_length = strlen(*bad);
		CHECK(sp_entry_leaf(&e, leaf, &n, NULL) == SP_ERR_BAD_DATA);
	}
	e.action = "a\0b";
	e.action_length = 3;
	CHECK(sp_entry_leaf(&e, leaf, &n, NULL) == SP_ERR_BAD_DATA);
	/* a character that the length cuts */
	e.action = "\xC3\xA9";
	e.action_length = 1;
	CHECK(sp_entry_leaf(&e, leaf, &n, NULL) == SP_ERR_BAD_DATA);
	e.action_length = 2;
	CHECK(sp_entry_leaf(&e, leaf, &n, NULL) == SP_OK);
}

static void
test_uuid(void)
{
	static const char text[] = "00112233-4455-6677-8899-aabbccddeeff";
	static const char *const bad[] = {"",
	                                  "00112233-4455-6677-8899-aabbccddeef",
	                                  "00112233-4455-6677-8899-aabbccddeeffa",
	                                  "00112233-4455-6677-8899-AABBCCDDEEFF",
	                                  "{0112233-4455-6677-8899-aabbccddeeff",
	                                  "001122334455-6677-8899-aabbccddeeff-",
	                                  "00112233-4455-6677-8899-aabbccddee g"};
	uint8_t uuid[16];
	char again[SP_UUID_TEXT];

	CHECK(sp_uuid_parse(text, 36, uuid));
	for (int i = 0; i < 16; i++)
		CHECK(uuid[i] == 0x11 * i);
	sp_uuid_print(uuid, again);
	CHECK(strcmp(again, text) == 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!sp_uuid_parse(bad[i], strlen(bad[i]), uuid));
}

static SpStatus
parse(const char *text, size_t n)
{
	SpFault fault = {"", ""};
	SpExportLine line;
	/* a copy that ends where the text does, so that reading on is seen */
	char *copy = malloc(n > 0 ? n : 1);
	SpStatus st;

	memcpy(copy, text, n);
	st = sp_export_parse(&check_env, copy, n, &line, &fault);
	CHECK(st == SP_OK || fault.detail[0] != '\0');
	sp_export_release(&check_env, &line);
	free(copy);
	return st;
}

#define ID     "\"id\":\"11111111-1111-1111-1111-111111111111\","
#define TENANT "\"tenant\":\"22222222-2222-2222-2222-222222222222\","
#define WHO    "\"principal\":null,"
#define HASH   "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define REST                                                      \
	"\"action\":\"a\",\"object\":\"o\",\"detail_sha256\":\"" HASH \
	"\",\"detail\":null,\"leaf\":\"" HASH "\"}"
#define START "{\"position\":0," ID TENANT "\"time_us\":1," WHO

static void
test_spelling(void)
{
	static const char *const good[] = {
		START REST,
		"{\"checkpoint\":\"\"}",
		"{\"checkpoint\":\"a\\nb \xC3\xA9 / \\\" \\\\ \\u001f\"}",
		"{\"spotai_audit_export\":1,\"origin\":\"o\",\"from\":0,\"to\":0,\"frontier\":"
		"\"AAAAAAAAAAA=\"}",
		"{\"spotai_audit_export\":1,\"origin\":\"o\",\"from\":1,\"to\":1,\"frontier\":"
		"\"AAAAAAAAAAHj"
		"sMRCmPwcFJr79MiZb7kkJ65B5GSbk0yklZkbeFK4VQ==\"}",
	};
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"null",
		"{\"position\":0",
		"{\"position\":0}",
		" " START REST,
		START REST " ",
		START REST "\n",
		START REST "{}",
		START " " REST,
		START "\"extra\":1," REST,
		START "\"action\":\"a\"," REST,
		/* another order */
		"{\"position\":0," TENANT ID "\"time_us\":1," WHO REST,
		/* numbers that are spelled otherwise, or too large */
		"{\"position\":00," ID TENANT "\"time_us\":1," WHO REST,
		"{\"position\":-0," ID TENANT "\"time_us\":1," WHO REST,
		"{\"position\":-1," ID TENANT "\"time_us\":1," WHO REST,
		"{\"position\":0.0," ID TENANT "\"time_us\":1," WHO REST,
		"{\"position\":0e0," ID TENANT "\"time_us\":1," WHO REST,
		"{\"position\":\"0\"," ID TENANT "\"time_us\":1," WHO REST,
		"{\"position\":9223372036854775807," ID TENANT "\"time_us\":1," WHO REST,
		"{\"position\":9223372036854775808," ID TENANT "\"time_us\":1," WHO REST,
		"{\"position\":0," ID TENANT "\"time_us\":9223372036854775808," WHO REST,
		"{\"position\":0," ID TENANT "\"time_us\":true," WHO REST,
		"{\"position\":0," ID TENANT "\"time_us\":1,\"principal\":false," REST,
		"{\"position\":0," ID TENANT "\"time_us\":1,\"principal\":\"\"," REST,
		"{\"position\":0," ID "\"tenant\":null,\"time_us\":1," WHO REST,
		"{\"position\":0," ID "\"tenant\":\"2222\",\"time_us\":1," WHO REST,
		/* strings that are spelled otherwise */
		"{\"checkpoint\":\"\\/\"}",
		"{\"checkpoint\":\"\\u0041\"}",
		"{\"checkpoint\":\"\\u001F\"}",
		"{\"checkpoint\":\"\\u000a\"}",
		"{\"checkpoint\":\"\\u00e9\"}",
		"{\"checkpoint\":\"\\u0000\"}",
		"{\"checkpoint\":\"\xFF\"}",
		"{\"checkpoint\":\"\\ud800\"}",
		"{\"checkpoint\":null}",
		"{\"checkpoint\":\"a\",\"checkpoint\":\"a\"}",
		"{\"checkpoint\":\"a\"",
		"{\"checkpoint\" :\"a\"}",
		"{\"spotai_audit_export\":2,\"origin\":\"o\",\"from\":0,\"to\":0,\"frontier\":"
		"\"AAAAAAAAAAA=\"}",
		"{\"spotai_audit_export\":1,\"origin\":\"o\",\"from\":1,\"to\":0,\"frontier\":"
		"\"AAAAAAAAAAA=\"}",
		"{\"spotai_audit_export\":1,\"origin\":\"o\",\"from\":1,\"to\":1,\"frontier\":"
		"\"AAAAAAAAAAA=\"}",
		"{\"spotai_audit_export\":1,\"origin\":\"o\",\"from\":0,\"to\":0,\"frontier\":\"\"}",
		"{\"spotai_audit_export\":1,\"origin\":\"o\",\"from\":0,\"to\":0,\"frontier\":"
		"\"AAAAAAAAAAB=\"}",
		"{\"spotai_audit_export\":1,\"origin\":1,\"from\":0,\"to\":0,\"frontier\":\"AAAAAAAAAAA="
		"\"}",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(parse(good[i], strlen(good[i])) == SP_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(parse(bad[i], strlen(bad[i])) != SP_OK);
	CHECK(parse("{\"checkpoint\":\"a\0b\"}", 20) == SP_ERR_BAD_DATA);
}

static void
test_bad_values(void)
{
	/* what stands for HASH, then for the detail */
	static const char *const hashes[] = {"", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=",
	                                     "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuA==",
	                                     "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU="};
	static const char *const details[] = {"\"A\"", "\"AB==\"", "1", "[]", "\"AA==AA==\""};
	char text[1024];

	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
	{
		snprintf(text, sizeof(text),
		         START "\"action\":\"a\",\"object\":\"o\",\"detail_sha256\":\"%s\",\"detail\":null,"
		               "\"leaf\":\"%s\"}",
		         hashes[i], HASH);
		CHECK(parse(text, strlen(text)) == SP_ERR_BAD_DATA);
		snprintf(text, sizeof(text),
		         START "\"action\":\"a\",\"object\":\"o\",\"detail_sha256\":\"%s\",\"detail\":null,"
		               "\"leaf\":\"%s\"}",
		         HASH, hashes[i]);
		CHECK(parse(text, strlen(text)) == SP_ERR_BAD_DATA);
	}
	for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++)
	{
		snprintf(text, sizeof(text),
		         START "\"action\":\"a\",\"object\":\"o\",\"detail_sha256\":\"" HASH
		               "\",\"detail\":%s,\"leaf\":\"" HASH "\"}",
		         details[i]);
		CHECK(parse(text, strlen(text)) == SP_ERR_BAD_DATA);
	}
}

/* The longest line, and one byte more. */
static void
test_long_lines(void)
{
	static char note[SP_EXPORT_MAX_LINE];
	SpExportCheckpoint c = {note, SP_EXPORT_MAX_LINE - 17};
	char *line = malloc(sp_export_checkpoint_size(&(SpExportCheckpoint){note, sizeof(note)}));
	SpExportHeader header = {"o", 1, 2, 1, {0}};
	SpExportEntry e = {.entry = an_entry()};
	size_t n;

	memset(note, 'a', sizeof(note));
	CHECK(sp_export_checkpoint_print(&c, line, &n, NULL) == SP_OK && n == SP_EXPORT_MAX_LINE);
	CHECK(parse(line, n) == SP_OK);
	c.note_length++;
	CHECK(sp_export_checkpoint_print(&c, line, &n, NULL) == SP_ERR_TOO_LARGE);
	CHECK(parse(line, n) == SP_ERR_TOO_LARGE);
	e.detail = note;
	e.detail_length = SP_EXPORT_MAX_LINE / 4 * 3;
	CHECK(sp_export_entry_size(&e) <= 6 * SP_EXPORT_MAX_LINE);
	CHECK(sp_export_entry_print(&e, line, &n, NULL) == SP_ERR_TOO_LARGE);
	e.detail = NULL;
	CHECK(sp_export_entry_print(&e, line, &n, NULL) == SP_OK && parse(line, n) == SP_OK);
	/* what is no text, and sizes that do not fit */
	e.entry.object = "\xFF";
	e.entry.object_length = 1;
	CHECK(sp_export_entry_print(&e, line, &n, NULL) == SP_ERR_BAD_DATA);
	e.entry.object_length = 0;
	e.position = SP_MERKLE_MAX_SIZE;
	CHECK(sp_export_entry_print(&e, line, &n, NULL) == SP_ERR_BAD_DATA);
	CHECK(sp_export_header_print(&header, line, &n, NULL) == SP_ERR_BAD_DATA);
	header.from = header.to = 1;
	CHECK(sp_export_header_print(&header, line, &n, NULL) == SP_ERR_BAD_DATA);
	free(line);
}

int
main(void)
{
	CHECK(sp_sha256_new(&check_env, &sha) == SP_OK);
	test_leaf();
	test_limits();
	test_uuid();
	test_spelling();
	test_bad_values();
	test_long_lines();
	sp_sha256_free(sha);
	return check_report();
}
