/*
 * tests/fuzz/fuzz_export.c
 *	  libFuzzer: lines of an exported audit log, and the verifier over all of
 *	  them; what reads is printed again as it was.
 */
#include <assert.h>
#include <string.h>

#include "core/merkle/verifier.h"
#include "host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char key_text[] =
	"example.com/audit+29b87bfc+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";

static void
try_line(const char *text, size_t n)
{
	SpFault fault = {"", ""};
	SpExportLine line;
	char *again = malloc(6 * n + 4096);
	size_t length = 0;
	SpStatus st;

	if (sp_export_parse(&env, text, n, &line, &fault) != SP_OK)
	{
		assert(fault.detail[0] != '\0');
		free(again);
		return;
	}
	if (line.kind == SP_EXPORT_HEADER)
		st = sp_export_header_print(&line.header, again, &length, NULL);
	else if (line.kind == SP_EXPORT_ENTRY)
		st = sp_export_entry_print(&line.entry, again, &length, NULL);
	else
		st = sp_export_checkpoint_print(&line.checkpoint, again, &length, NULL);
	assert(st == SP_OK && length == n && memcmp(again, text, n) == 0);
	sp_export_release(&env, &line);
	free(again);
}

static void
found(void *host, const SpFinding *finding)
{
	assert(finding->text[0] != '\0' && strlen(finding->text) < sizeof(finding->text));
	(*(uint64_t *) host)++;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *) data, *end = p + size, *newline;
	uint64_t n_found = 0;
	SpVerdict verdict;
	SpVerifier *v;
	SpNoteKey key;
	SpSha256 *sha;

	assert(sp_sha256_new(&env, &sha) == SP_OK);
	assert(sp_note_key_parse(sha, key_text, strlen(key_text), &key, NULL) == SP_OK);
	sp_sha256_free(sha);
	assert(sp_verifier_new(&env, &key, 1, 0, found, &n_found, &v) == SP_OK);
	/* the first byte says whether the whole is given as a checkpoint, too, which is a finding */
	if (size > 0 && data[0] != '{')
		assert(sp_verifier_outside(v, "kept", p, size) == SP_OK);
	for (; p < end; p = newline + 1)
	{
		newline = memchr(p, '\n', (size_t) (end - p));
		if (newline == NULL)
			newline = end;
		try_line(p, (size_t) (newline - p));
		(void) sp_verifier_line(v, p, (size_t) (newline - p));
		if (newline == end)
			break;
	}
	assert(sp_verifier_finish(v, &verdict) == SP_OK);
	assert(verdict.whole == (n_found == 0) && verdict.n_findings == n_found);
	sp_verifier_free(v);
	return 0;
}
