/*
 * tests/fuzz/fuzz_note.c
 *	  libFuzzer: signed notes, checkpoints and verifier keys; what reads is
 *	  printed again as it was.
 */
#include <assert.h>
#include <string.h>

#include "core/merkle/merkle.h"
#include "core/merkle/note.h"
#include "host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A published key and the one of tests/golden/merkle, so that signatures are verified. */
static const char *const keys[] = {
	"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
	"example.com/audit+29b87bfc+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"};

static void
try_key(SpSha256 *sha, const char *text, size_t size)
{
	SpFault fault = {"", ""};
	char again[SP_NOTE_KEY_TEXT];
	SpNoteKey key;

	if (sp_note_key_parse(sha, text, size, &key, &fault) != SP_OK)
	{
		assert(fault.detail[0] != '\0');
		return;
	}
	sp_note_key_print(&key, again);
	assert(strlen(again) == size && memcmp(again, text, size) == 0);
}

static void
try_checkpoint(const char *text, size_t size)
{
	SpFault fault = {"", ""};
	SpCheckpoint checkpoint;
	char *again;
	size_t n;

	if (sp_checkpoint_parse(text, size, &checkpoint, &fault) != SP_OK)
	{
		assert(fault.detail[0] != '\0');
		return;
	}
	again = malloc(sp_checkpoint_size(&checkpoint));
	assert(sp_checkpoint_print(&checkpoint, again, &n, NULL) == SP_OK);
	assert(n == size && memcmp(again, text, n) == 0);
	free(again);
}

static void
try_note(SpSha256 *sha, const char *text, size_t size)
{
	SpFault fault = {"", ""};
	SpNoteKey known[2];
	bool by[2];
	SpNote note;

	if (sp_note_parse(text, size, &note, &fault) != SP_OK)
	{
		assert(fault.detail[0] != '\0');
		return;
	}
	assert(note.text == text && note.signatures == text + note.text_length + 1 &&
	       note.text_length + 1 + note.signatures_length == size && note.n_signatures > 0);
	try_checkpoint(note.text, note.text_length);
	for (int i = 0; i < 2; i++)
		assert(sp_note_key_parse(sha, keys[i], strlen(keys[i]), &known[i], NULL) == SP_OK);
	if (sp_note_verify(text, size, known, 2, &note, by, &fault) == SP_OK)
		assert(by[0] || by[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SpSha256 *sha;

	assert(sp_sha256_new(&env, &sha) == SP_OK);
	try_key(sha, (const char *) data, size);
	try_checkpoint((const char *) data, size);
	try_note(sha, (const char *) data, size);
	sp_sha256_free(sha);
	return 0;
}
