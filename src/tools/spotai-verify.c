/*
 * src/tools/spotai-verify.c
 *	  Says whether an exported audit log is whole, without a database.
 *
 * Reads lines, hands them to core/merkle/verifier.h, prints what that finds.
 * The memory it takes is that of one line and the checkpoints.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/merkle/text.h"
#include "core/merkle/verifier.h"

enum
{
	WHOLE = 0,
	NOT_WHOLE = 1,
	TROUBLE = 2 /* of usage, or input that can not be read */
};

#define MAX_KEYS 64

/* Findings that are printed; the others are counted. */
#define MAX_PRINTED 20

/* A file of one key: the text and a line ending. */
#define KEY_FILE_BYTES (SP_NOTE_KEY_TEXT + 2)

typedef struct Options
{
	const char *export_file;
	uint64_t from;
	const char *keys[MAX_KEYS];
	size_t n_keys;
	const char *checkpoints[SP_VERIFIER_MAX_OUTSIDE];
	size_t n_checkpoints;
} Options;

static void *
allocate(void *host, size_t size)
{
	(void) host;
	return malloc(size);
}

static void
release(void *host, void *p)
{
	(void) host;
	free(p);
}

static const SpEnv env = {allocate, release, NULL, NULL};

static int
trouble(const char *what, const char *why)
{
	fprintf(stderr, "spotai-verify: %s: %s\n", what, why);
	return TROUBLE;
}

static int
usage_trouble(const char *why)
{
	fprintf(stderr, "spotai-verify: %s\nTry \"spotai-verify --help\".\n", why);
	return TROUBLE;
}

static void
help(void)
{
	puts("spotai-verify says whether an exported audit log of spotai is whole.\n"
	     "\n"
	     "Usage:\n"
	     "  spotai-verify --key KEY [--checkpoint FILE]... [--from N] EXPORT\n"
	     "\n"
	     "EXPORT is what spotai.audit_export() returned, one line a row, or - for standard\n"
	     "input.\n"
	     "\n"
	     "Options:\n"
	     "  -k, --key KEY          verifier key of the log, NAME+HASH+BASE64, or @FILE that\n"
	     "                         holds it; more than one when keys were changed\n"
	     "  -c, --checkpoint FILE  a checkpoint that was kept outside of the database, earlier\n"
	     "                         or later than the export; as many as there are\n"
	     "  -f, --from N           the export begins at position N of the log instead of 0\n"
	     "  -h, --help             this text\n"
	     "  -V, --version          the version\n"
	     "\n"
	     "Exit status: 0 the log is whole, 1 it is not, 2 wrong usage or unreadable input.\n"
	     "\n"
	     "Without --checkpoint the answer is as good as the key is secret: whoever holds the\n"
	     "key and the database can sign another history.");
}

/* --- reading ----------------------------------------------------------------------- */

/*
 * The first bytes of a file, at most capacity; *n is how many there were, more
 * than capacity when it is longer.
 */
static bool
read_file(const char *path, char *out, size_t capacity, size_t *n)
{
	FILE *f = fopen(path, "rb");
	bool ok;

	if (f == NULL)
		return false;
	*n = fread(out, 1, capacity, f);
	if (*n == capacity && fgetc(f) != EOF)
		(*n)++;
	ok = !ferror(f);
	fclose(f);
	if (!ok)
		errno = EIO;
	return ok;
}

static int
read_key(SpSha256 *sha, const char *text, SpNoteKey *key)
{
	char content[KEY_FILE_BYTES];
	size_t n = strlen(text);
	SpFault fault = {"", ""};

	if (text[0] == '@')
	{
		if (!read_file(text + 1, content, sizeof(content), &n))
			return trouble(text + 1, strerror(errno));
		if (n > sizeof(content))
			return trouble(text + 1, "this is no verifier key");
		text = content;
		if (n > 0 && text[n - 1] == '\n')
			n--;
		if (n > 0 && text[n - 1] == '\r')
			n--;
	}
	if (sp_note_key_parse(sha, text, n, key, &fault) != SP_OK)
		return trouble("--key", fault.detail);
	return WHOLE;
}

static int
read_keys(const Options *o, SpNoteKey *keys)
{
	SpSha256 *sha;
	int status = WHOLE;

	if (sp_sha256_new(&env, &sha) != SP_OK)
		return trouble("SHA-256", "out of memory");
	for (size_t i = 0; i < o->n_keys && status == WHOLE; i++)
		status = read_key(sha, o->keys[i], &keys[i]);
	sp_sha256_free(sha);
	return status;
}

static int
read_checkpoints(const Options *o, SpVerifier *v)
{
	/* one byte more, so that what is too large is seen to be */
	size_t capacity = SP_NOTE_MAX_BYTES + 1, n;
	char *note = malloc(capacity);
	int status = WHOLE;

	if (note == NULL)
		return trouble("checkpoint", "out of memory");
	for (size_t i = 0; i < o->n_checkpoints && status == WHOLE; i++)
	{
		const char *path = o->checkpoints[i];

		if (!read_file(path, note, capacity, &n))
			status = trouble(path, strerror(errno));
		/* psql ends a value with a newline, also one that ends in a newline */
		else if (n >= 2 && n < capacity && memcmp(note + n - 2, "\n\n", 2) == 0)
			n--;
		if (status == WHOLE &&
		    sp_verifier_outside(v, path, note, n < capacity ? n : capacity) != SP_OK)
			status = trouble(path, "out of memory");
	}
	free(note);
	return status;
}

/*
 * Each line to the verifier, until it has heard enough.  A line that does not
 * fit the buffer is handed over cut, and refused for its length.
 */
static int
read_lines(FILE *f, char *buffer, size_t capacity, SpVerifier *v)
{
	size_t used = 0, got;
	SpStatus st = SP_OK;

	while (st == SP_OK && (got = fread(buffer + used, 1, capacity - used, f)) > 0)
	{
		size_t begin = 0;
		const char *end;

		used += got;
		while (st == SP_OK && (end = memchr(buffer + begin, '\n', used - begin)) != NULL)
		{
			st = sp_verifier_line(v, buffer + begin, (size_t) (end - buffer) - begin);
			begin = (size_t) (end - buffer) + 1;
		}
		if (st == SP_OK && begin == 0 && used == capacity)
			st = sp_verifier_line(v, buffer, used);
		memmove(buffer, buffer + begin, used - begin);
		used -= begin;
	}
	/* a last line without its newline */
	if (st == SP_OK && !ferror(f) && used > 0)
		st = sp_verifier_line(v, buffer, used);
	if (ferror(f))
		return trouble("export", strerror(errno));
	return st == SP_ERR_NO_MEMORY ? trouble("export", "out of memory") : WHOLE;
}

static int
read_export(const Options *o, SpVerifier *v)
{
	bool standard_input = strcmp(o->export_file, "-") == 0;
	FILE *f = standard_input ? stdin : fopen(o->export_file, "rb");
	size_t capacity = SP_EXPORT_MAX_LINE + 2;
	char *buffer;
	int status;

	if (f == NULL)
		return trouble(o->export_file, strerror(errno));
	buffer = malloc(capacity);
	status =
		buffer != NULL ? read_lines(f, buffer, capacity, v) : trouble("export", "out of memory");
	free(buffer);
	if (!standard_input)
		fclose(f);
	return status;
}

/* --- answering ------------------------------------------------------------------------- */

static void
print_finding(void *host, const SpFinding *finding)
{
	uint64_t *n = host;

	if (++*n <= MAX_PRINTED)
		printf("not whole: %s\n", finding->text);
}

static void
print_whole(const SpVerdict *verdict, size_t n_given)
{
	char root[SP_BASE64_CHARS(SP_DIGEST_BYTES)];
	size_t n = sp_base64_write(verdict->root.bytes, SP_DIGEST_BYTES, root);

	printf("whole: log \"%s\", %" PRIu64 " entries from position %" PRIu64 " on, root %.*s\n",
	       verdict->origin, verdict->size - verdict->from, verdict->from, (int) n, root);
	if (n_given > 0)
		printf("checkpoints kept outside: %" PRIu64 " fit, the last of size %" PRIu64 "\n",
		       verdict->n_outside, verdict->covered);
	else
		puts("checkpoints kept outside: none given, so this rests on the key alone");
}

static int
answer(const Options *o, SpVerifier *v)
{
	SpVerdict verdict;

	if (sp_verifier_finish(v, &verdict) != SP_OK)
		return trouble("export", "out of memory");
	if (verdict.n_findings > MAX_PRINTED)
		printf("not whole: %" PRIu64 " more findings like these\n",
		       verdict.n_findings - MAX_PRINTED);
	if (verdict.whole)
		print_whole(&verdict, o->n_checkpoints);
	if (fflush(stdout) != 0 || ferror(stdout))
		return trouble("standard output", strerror(errno));
	return verdict.whole ? WHOLE : NOT_WHOLE;
}

static int
verify(const Options *o)
{
	SpNoteKey keys[MAX_KEYS];
	SpVerifier *v = NULL;
	uint64_t n_found = 0;
	int status = read_keys(o, keys);

	if (status == WHOLE &&
	    sp_verifier_new(&env, keys, o->n_keys, o->from, print_finding, &n_found, &v) != SP_OK)
		status = trouble("export", "out of memory");
	if (status == WHOLE)
		status = read_checkpoints(o, v);
	if (status == WHOLE)
		status = read_export(o, v);
	if (status == WHOLE)
		status = answer(o, v);
	sp_verifier_free(v);
	return status;
}

/* --- arguments ---------------------------------------------------------------------------- */

static bool
take_position(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 &&
	       *out <= SP_MERKLE_MAX_SIZE;
}

/* Whether there is something to verify; if not, *status is the answer. */
static bool
take_arguments(int argc, char **argv, Options *o, int *status)
{
	static const struct option known[] = {
		{"key", required_argument, NULL, 'k'},  {"checkpoint", required_argument, NULL, 'c'},
		{"from", required_argument, NULL, 'f'}, {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},    {NULL, 0, NULL, 0}};
	int option;

	*status = WHOLE;
	while ((option = getopt_long(argc, argv, "k:c:f:hV", known, NULL)) != -1)
	{
		if (option == 'k' && o->n_keys < MAX_KEYS)
			o->keys[o->n_keys++] = optarg;
		else if (option == 'c' && o->n_checkpoints < SP_VERIFIER_MAX_OUTSIDE)
			o->checkpoints[o->n_checkpoints++] = optarg;
		else if (option == 'f' && take_position(optarg, &o->from))
			continue;
		else if (option == 'h')
			return help(), false;
		else if (option == 'V')
			return puts("spotai-verify " SPOTAI_VERSION), false;
		else
		{
			*status = usage_trouble(option == 'f' ? "--from is a position of the log"
			                                      : "unknown option, or too many of one kind");
			return false;
		}
	}
	if (o->n_keys == 0)
		*status = usage_trouble("no --key was given");
	else if (argc - optind != 1)
		*status = usage_trouble("one export is wanted, or - for standard input");
	else
		o->export_file = argv[optind];
	return *status == WHOLE;
}

int
main(int argc, char **argv)
{
	static Options options;
	int status;

	if (!take_arguments(argc, argv, &options, &status))
		return status;
	return verify(&options);
}
