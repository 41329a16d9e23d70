/*
 * tests/unit/test_note.c
 *	  Signed notes and checkpoints: published ones, and everything that is none.
 *
 * Published: the keys and notes of the test of golang.org/x/mod/sumdb/note, and
 * a tree head of sum.golang.org, which c2sp.org/tlog-checkpoint quotes under
 * another origin.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "check.h"
#include "core/merkle/merkle.h"
#include "core/merkle/note.h"
#include "core/merkle/text.h"

#define PETER_KEY "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
/* PRIVATE+KEY+PeterNeumann+c74f20a3+..., its last part */
#define PETER_PRIVATE "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
#define ENOCH_KEY     "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
#define TEXT                                                     \
	"If you think cryptography is the answer to your problem,\n" \
	"then you don't know what your problem is.\n"
#define DASH "\xE2\x80\x94 "
#define PETER                                                                                      \
	DASH "PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngot" \
		 "pRZb6KE6RyyBwJnAM=\n"
#define ENOCH                                                                                      \
	DASH "EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLo" \
		 "x33WWd1RvMc+QQ=\n"

#define SUM_KEY  "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
#define SUM_ROOT "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
#define SUM_NOTE                                                                                   \
	"go.sum database tree\n20852163\n" SUM_ROOT "\n\n" DASH                                        \
	"sum.golang.org Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+z" \
	"yWE+xeMcTOAYQ8=\n"

static SpSha256 *sha;

static SpNoteKey
key_of(const char *text)
{
	SpNoteKey key = {0};
	char again[SP_NOTE_KEY_TEXT];

	CHECK(sp_note_key_parse(sha, text, strlen(text), &key, NULL) == SP_OK);
	sp_note_key_print(&key, again);
	CHECK(strcmp(again, text) == 0);
	return key;
}

static SpStatus
parse_key(const char *text, size_t n)
{
	SpFault fault = {"", ""};
	SpNoteKey key;
	SpStatus st = sp_note_key_parse(sha, text, n, &key, &fault);

	CHECK(st == SP_OK || fault.detail[0] != '\0');
	return st;
}

/* Every piece of a key, and every key with one byte changed, is none. */
static void
test_keys(void)
{
	char text[] = PETER_KEY;
	size_t n = strlen(text);
	uint8_t public_key[32] = {0};
	SpNoteKey key;
	char name[SP_NOTE_MAX_NAME + 2];

	for (size_t begin = 0; begin <= n; begin++)
		for (size_t end = begin + 1; end <= n; end++)
			CHECK((parse_key(text + begin, end - begin) == SP_OK) == (begin == 0 && end == n));
	for (size_t i = 0; i < n; i++)
	{
		text[i]++;
		CHECK(parse_key(text, n) != SP_OK);
		text[i]--;
	}
	CHECK(parse_key("", 0) == SP_ERR_BAD_DATA);
	/* a key of another length, and of another type, each under its right hash */
	CHECK(parse_key("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
	                75) == SP_ERR_BAD_DATA);
	CHECK(parse_key("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", 66) ==
	      SP_ERR_UNSUPPORTED);
	memset(name, 'n', sizeof(name));
	CHECK(sp_note_key_make(sha, name, SP_NOTE_MAX_NAME, public_key, &key, NULL) == SP_OK);
	CHECK(sp_note_key_make(sha, name, SP_NOTE_MAX_NAME + 1, public_key, &key, NULL) ==
	      SP_ERR_BAD_DATA);
	CHECK(sp_note_key_make(sha, "", 0, public_key, &key, NULL) == SP_ERR_BAD_DATA);
	CHECK(sp_note_key_make(sha, "caf\xC3\xA9", 5, public_key, &key, NULL) == SP_OK);
	for (const char *const *bad =
	         (const char *const[]){"a b", "a+b", "a\tb", "a\nb", "a\x01", "\xC2\xA0",
	                               "\xE3\x80\x80", "x\xE2\x80\x89", "\xE2\x80\xA8", "\xC2\x85",
	                               "\xFF", "\xC3", NULL};
	     *bad != NULL; bad++)
		CHECK(sp_note_key_make(sha, *bad, strlen(*bad), public_key, &key, NULL) == SP_ERR_BAD_DATA);
	CHECK(sp_note_key_make(sha, "a\0b", 3, public_key, &key, NULL) == SP_ERR_BAD_DATA);
}

static SpStatus
verify(const char *note, const SpNoteKey *keys, size_t n_keys, bool *signed_by)
{
	SpFault fault = {"", ""};
	SpNote parts;
	/* a copy without NUL behind it, so that reading on is seen */
	size_t n = strlen(note);
	char *copy = malloc(n + 1);
	SpStatus st;

	memcpy(copy, note, n);
	copy = realloc(copy, n > 0 ? n : 1);
	st = sp_note_verify(copy, n, keys, n_keys, &parts, signed_by, &fault);
	CHECK(st == SP_OK || fault.detail[0] != '\0');
	if (st == SP_OK && strncmp(note, TEXT, strlen(TEXT)) == 0)
		CHECK(parts.text_length == strlen(TEXT) && parts.text == copy);
	free(copy);
	return st;
}

static void
test_published(void)
{
	SpNoteKey keys[3] = {key_of(PETER_KEY), key_of(ENOCH_KEY)};
	SpNoteSigner signer;
	uint8_t private_key[33];
	char out[1024];
	size_t n;
	bool by[3];

	CHECK(verify(TEXT "\n" PETER, keys, 1, by) == SP_OK && by[0]);
	CHECK(verify(TEXT "\n" PETER ENOCH, keys, 1, by) == SP_OK && by[0]);
	CHECK(verify(TEXT "\n" PETER ENOCH, keys, 2, by) == SP_OK && by[0] && by[1]);
	CHECK(verify(TEXT "\n" ENOCH, keys, 2, by) == SP_OK && !by[0] && by[1]);
	CHECK(verify(TEXT "\n" ENOCH, keys, 1, by) == SP_ERR_BAD_DATA);
	CHECK(verify(TEXT "\n" PETER, keys, 0, NULL) == SP_ERR_BAD_DATA);
	CHECK(verify(TEXT "\n" PETER PETER, keys, 1, NULL) == SP_OK);
	/* a key that is known twice, and one that shares name and id with another */
	keys[2] = keys[0];
	CHECK(verify(TEXT "\n" PETER, keys, 3, by) == SP_OK);
	keys[2].public_key[0] ^= 1;
	CHECK(verify(TEXT "\n" PETER, keys + 1, 2, by) == SP_ERR_BAD_DATA);
	CHECK(verify(TEXT "\n" PETER, keys, 3, by) == SP_OK);

	/* Ed25519 is deterministic: signing makes the published note again */
	CHECK(sp_base64_read(PETER_PRIVATE, strlen(PETER_PRIVATE), private_key, 33, &n) && n == 33);
	CHECK(sp_note_signer_make(sha, "PeterNeumann", 12, private_key + 1, &signer, NULL) == SP_OK);
	CHECK(memcmp(&signer.key, &keys[0], sizeof(signer.key)) == 0);
	CHECK(sp_note_sign(TEXT, strlen(TEXT), &signer, 1, out, NULL) == SP_OK);
	n = sp_note_signed_size(strlen(TEXT), &signer, 1);
	CHECK(n == strlen(TEXT "\n" PETER) && memcmp(out, TEXT "\n" PETER, n) == 0);

	keys[0] = key_of(SUM_KEY);
	CHECK(verify(SUM_NOTE, keys, 1, by) == SP_OK);
}

/* Whatever is changed in a signed text, or in its signature. */
static void
test_changed(void)
{
	char note[] = TEXT "\n" PETER;
	SpNoteKey key = key_of(PETER_KEY);
	int accepted = 0;

	for (size_t i = 0; i + 1 < sizeof(note); i++)
		for (int bit = 0; bit < 8; bit++)
		{
			note[i] ^= (char) (1 << bit);
			accepted += note[i] != '\0' && verify(note, &key, 1, NULL) == SP_OK;
			note[i] ^= (char) (1 << bit);
		}
	CHECK(accepted == 0);
	CHECK(verify(note, &key, 1, NULL) == SP_OK);
}

static void
test_no_notes(void)
{
	static const char *const bad[] = {
		"",
		"\n",
		"\n\n",
		TEXT,
		TEXT "\n",
		PETER,
		"\n" PETER,
		"\n\n" PETER,
		"\x01" TEXT "\n" PETER,
		"a\tb\n\n" PETER,
		"a\r\n\n" PETER,
		"\xFF" TEXT "\n" PETER,
		"\xC3\n\n" PETER,
		"\xED\xA0\x80\n\n" PETER,
		TEXT "\n" PETER "Unexpected line.\n",
		TEXT "\n" PETER "\n",
		TEXT "\n" DASH "Bad Name x08go/ZJ\n",
		TEXT "\n" DASH " x08go/ZJ\n",
		TEXT "\n" DASH "a+b x08go/ZJ\n",
		TEXT "\n" DASH "name x08go/ZJ \n",
		TEXT "\n" DASH "name x08go/Z\n",
		TEXT "\n" DASH "name x08go/==\n",
		TEXT "\n" DASH "name x08g o/Z\n",
		TEXT "\n" DASH "name x08goA==\n",
		TEXT "\n" DASH "name \n",
		TEXT "\n" DASH "name\n",
		TEXT "\n-- name x08go/ZJ\n",
		/* padding inside */
		TEXT "\n" DASH
			 "n AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==AAAAAAAA\n",
	};
	SpNoteKey key = key_of(PETER_KEY);
	SpNote note;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		CHECK(sp_note_parse(bad[i], strlen(bad[i]), &note, NULL) == SP_ERR_BAD_DATA);
		CHECK(verify(bad[i], &key, 1, NULL) == SP_ERR_BAD_DATA);
	}
	CHECK(sp_note_parse(TEXT "\n" PETER, strlen(TEXT "\n" PETER) - 1, &note, NULL) ==
	      SP_ERR_BAD_DATA);
	CHECK(sp_note_parse("a\0b\n\n" PETER, 5 + strlen(PETER), &note, NULL) == SP_ERR_BAD_DATA);
	/* empty lines in the text; a control character that is none of ASCII's */
	CHECK(sp_note_parse("a\n\nb\n\n\n" PETER, 7 + strlen(PETER), &note, NULL) == SP_OK &&
	      note.text_length == 6 && note.n_signatures == 1);
	CHECK(sp_note_parse("\x7F\n\n" PETER, 3 + strlen(PETER), &note, NULL) == SP_OK);
	/* a signature of another type, longer than ours; and one of a known key that is too short */
	CHECK(verify(TEXT
	             "\n" PETER DASH "n "
	             "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	             "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
	             &key, 1, NULL) == SP_OK);
	CHECK(verify(TEXT "\n" PETER DASH "PeterNeumann x08goA\n", &key, 1, NULL) == SP_ERR_BAD_DATA);
	CHECK(verify(TEXT "\n" PETER DASH "PeterNeumann x08go/AA\n", &key, 1, NULL) == SP_ERR_BAD_DATA);
}

static void
test_note_limits(void)
{
	size_t n_text = strlen(TEXT "\n"), n_line = strlen(PETER);
	char *note = malloc(n_text + (SP_NOTE_MAX_SIGNATURES + 1) * n_line);
	char *large = malloc(SP_NOTE_MAX_BYTES + 1);
	uint8_t private_key[32] = {9};
	SpNoteSigner signer;
	SpNote parts;

	memcpy(note, TEXT "\n", n_text);
	for (size_t i = 0; i <= SP_NOTE_MAX_SIGNATURES; i++)
		memcpy(note + n_text + i * n_line, PETER, n_line);
	CHECK(sp_note_parse(note, n_text + SP_NOTE_MAX_SIGNATURES * n_line, &parts, NULL) == SP_OK &&
	      parts.n_signatures == SP_NOTE_MAX_SIGNATURES);
	CHECK(sp_note_parse(note, n_text + (SP_NOTE_MAX_SIGNATURES + 1) * n_line, &parts, NULL) ==
	      SP_ERR_TOO_LARGE);
	memset(large, 'a', SP_NOTE_MAX_BYTES + 1);
	large[SP_NOTE_MAX_BYTES] = large[SP_NOTE_MAX_BYTES - 1] = '\n';
	CHECK(sp_note_signer_make(sha, "n", 1, private_key, &signer, NULL) == SP_OK);
	CHECK(sp_note_sign(large, SP_NOTE_MAX_BYTES, &signer, 1, large, NULL) == SP_ERR_TOO_LARGE);
	CHECK(sp_note_parse(large, SP_NOTE_MAX_BYTES + 1, &parts, NULL) == SP_ERR_TOO_LARGE);
	free(large);
	free(note);
}

static void
test_signing(void)
{
	uint8_t private_key[32] = {7}, other[32] = {8};
	SpNoteSigner signers[2];
	SpNoteKey keys[2];
	SpFault fault = {"", ""};
	char out[2048];
	size_t n;
	bool by[2];

	CHECK(sp_note_signer_make(sha, "old", 3, private_key, &signers[0], NULL) == SP_OK);
	CHECK(sp_note_signer_make(sha, "new", 3, other, &signers[1], NULL) == SP_OK);
	CHECK(sp_note_signer_make(sha, "n w", 3, other, &signers[1], NULL) == SP_ERR_BAD_DATA);
	keys[0] = signers[0].key;
	keys[1] = signers[1].key;
	n = sp_note_signed_size(strlen(TEXT), signers, 2);
	CHECK(sp_note_sign(TEXT, strlen(TEXT), signers, 2, out, NULL) == SP_OK);
	out[n] = '\0';
	CHECK(verify(out, keys, 2, by) == SP_OK && by[0] && by[1]);
	CHECK(verify(out, keys + 1, 1, by) == SP_OK && by[0]);
	CHECK(sp_note_sign(TEXT, strlen(TEXT), signers, 0, out, &fault) == SP_ERR_BAD_ARG);
	CHECK(sp_note_sign(TEXT, strlen(TEXT) - 1, signers, 1, out, &fault) == SP_ERR_BAD_DATA);
	CHECK(sp_note_sign("", 0, signers, 1, out, &fault) == SP_ERR_BAD_DATA);
	CHECK(sp_note_sign("a\x01\n", 3, signers, 1, out, &fault) == SP_ERR_BAD_DATA);
	signers[0].private_key[0] ^= 1;
	CHECK(sp_note_sign(TEXT, strlen(TEXT), signers, 1, out, &fault) == SP_ERR_BAD_ARG);
}

static SpStatus
parse_checkpoint(const char *text, SpCheckpoint *checkpoint)
{
	SpFault fault = {"", ""};
	SpStatus st = sp_checkpoint_parse(text, strlen(text), checkpoint, &fault);

	CHECK(st == SP_OK || fault.detail[0] != '\0');
	return st;
}

static void
test_checkpoints(void)
{
	static const char *const bad[] = {
		"",
		"\n",
		"o\n1\n",
		"o\n1\n" SUM_ROOT,
		"\n1\n" SUM_ROOT "\n",
		"o\n\n" SUM_ROOT "\n",
		"o\n01\n" SUM_ROOT "\n",
		"o\n00\n" SUM_ROOT "\n",
		"o\n-1\n" SUM_ROOT "\n",
		"o\n+1\n" SUM_ROOT "\n",
		"o\n1 \n" SUM_ROOT "\n",
		"o\n0x1\n" SUM_ROOT "\n",
		"o\n9223372036854775808\n" SUM_ROOT "\n",
		"o\n18446744073709551617\n" SUM_ROOT "\n",
		"o\n99999999999999999999999\n" SUM_ROOT "\n",
		"o\n1\n\n",
		"o\n1\n" SUM_ROOT "=\n",
		"o\n1\n" SUM_ROOT " \n",
		"o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
		"o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==\n",
		"o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2JA\n",
		"o\n1\nCsUYapGGPo4dkMgIAUqom_Xajj7h2fB2MPA3j2jxq2I=\n",
		"o\n1\n" SUM_ROOT "\n\n",
		"o\n1\n" SUM_ROOT "\nextension\n\nmore\n",
		"o\n1\n" SUM_ROOT "\nex\x01\n",
	};
	SpCheckpoint c, again;
	char out[512];
	size_t n;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(parse_checkpoint(bad[i], &c) == SP_ERR_BAD_DATA);
	CHECK(parse_checkpoint("o\n0\n" SUM_ROOT "\n", &c) == SP_OK && c.size == 0);
	CHECK(parse_checkpoint("o o\n9223372036854775807\n" SUM_ROOT "\na b\n\xC3\xA9\n", &c) == SP_OK);
	CHECK(c.size == SP_MERKLE_MAX_SIZE && c.origin_length == 3 && c.extensions_length == 7);
	CHECK(sp_checkpoint_size(&c) <= sizeof(out));
	CHECK(sp_checkpoint_print(&c, out, &n, NULL) == SP_OK && n <= sp_checkpoint_size(&c));
	CHECK(sp_checkpoint_parse(out, n, &again, NULL) == SP_OK && again.size == c.size &&
	      sp_digest_equal(&again.root, &c.root) && again.extensions_length == 7);
	c.size++;
	CHECK(sp_checkpoint_print(&c, out, &n, NULL) == SP_ERR_BAD_DATA);
	/* what would be read as something else is not printed */
	c = (SpCheckpoint){.origin = "a\n1", .origin_length = 3};
	CHECK(sp_checkpoint_print(&c, out, &n, NULL) == SP_ERR_BAD_DATA);
	c = (SpCheckpoint){.origin = "a\n1\n" SUM_ROOT, .origin_length = 4 + 44};
	CHECK(sp_checkpoint_print(&c, out, &n, NULL) == SP_ERR_BAD_DATA);
	c = (SpCheckpoint){.origin = "", .origin_length = 0};
	CHECK(sp_checkpoint_print(&c, out, &n, NULL) == SP_ERR_BAD_DATA);
	c = (SpCheckpoint){
		.origin = "o", .origin_length = 1, .extensions = "x", .extensions_length = 1};
	CHECK(sp_checkpoint_print(&c, out, &n, NULL) == SP_ERR_BAD_DATA);

	CHECK(sp_checkpoint_parse(SUM_NOTE, strstr(SUM_NOTE, "\n\n") + 1 - SUM_NOTE, &c, NULL) ==
	          SP_OK &&
	      c.size == 20852163);
}

/* RFC 4648, section 10; and that nothing but it is read. */
static void
test_base64(void)
{
	static const char *const good[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
	                                   "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
	static const char *const bad[] = {"Z",    "Zg",   "Zg=",   "Zg===",    "====",      "=",
	                                  "Zh==", "Zm9=", "Z===",  "Zg==\n",   " Zg==",     "Zg==Zg==",
	                                  "Zm-v", "Zm_v", "Zm9v=", "Zm9v====", "Zm\xC3\xA9"};
	char out[16];
	uint8_t bytes[16];
	size_t n;

	for (size_t i = 0; i < 7; i++)
	{
		n = sp_base64_write("foobar", i, out);
		CHECK(n == strlen(good[i]) && memcmp(out, good[i], n) == 0);
		CHECK(sp_base64_read(good[i], n, bytes, i, &n) && n == i &&
		      memcmp(bytes, "foobar", i) == 0);
		if (i > 0)
			CHECK(!sp_base64_read(good[i], strlen(good[i]), bytes, i - 1, &n));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!sp_base64_read(bad[i], strlen(bad[i]), bytes, sizeof(bytes), &n));
}

/* RFC 8032, section 7.1, TEST 1: the empty message. */
static void
test_ed25519(void)
{
	static const char secret[] = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
	static const char public_key[] = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
	uint8_t key[32], wanted[32], got[32], signature[64];
	size_t n;

	CHECK(sp_base64_read(secret, strlen(secret), key, 32, &n) && n == 32);
	CHECK(sp_base64_read(public_key, strlen(public_key), wanted, 32, &n) && n == 32);
	CHECK(sp_ed25519_public(key, got) == SP_OK && memcmp(got, wanted, 32) == 0);
	CHECK(sp_ed25519_sign(key, NULL, 0, signature) == SP_OK && signature[0] == 0xe5 &&
	      signature[1] == 0x56 && signature[63] == 0x0b);
	CHECK(sp_ed25519_verify(got, NULL, 0, signature) == SP_OK);
	CHECK(sp_ed25519_verify(got, "", 1, signature) == SP_ERR_BAD_DATA);
	signature[0] ^= 1;
	CHECK(sp_ed25519_verify(got, NULL, 0, signature) == SP_ERR_BAD_DATA);
	/* no point of the curve */
	memset(got, 0xFF, sizeof(got));
	CHECK(sp_ed25519_verify(got, NULL, 0, signature) == SP_ERR_BAD_DATA);
}

int
main(void)
{
	CHECK(sp_sha256_new(&check_env, &sha) == SP_OK);
	test_base64();
	test_ed25519();
	test_keys();
	test_published();
	test_changed();
	test_no_notes();
	test_note_limits();
	test_signing();
	test_checkpoints();
	sp_sha256_free(sha);
	return check_report();
}
