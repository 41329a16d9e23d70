/*
 * src/core/merkle/export_parse.c
 *	  Lines of an export, parsed strictly.
 *
 * As a line has one spelling, it is read from left to right: each member's name
 * must come next, and its value behind it.  Then the line is printed again from
 * what was found and held against itself (export_print.c), which leaves no room
 * for another spelling of a number or a string, or for a mistake here.
 *
 * The road not taken: a general JSON library.  jansson takes up to 79 bytes
 * for one of JSON, and reports that memory failed as damage to the text; a
 * verifier must not call a log damaged because a machine was short of memory.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "core/merkle/export_internal.h"
#include "core/merkle/text.h"

#define HINT_EXPORT "Export the log again; an export is read as it was written, byte by byte."

/*
 * What is left of a line.  Texts and bytes that are not in the line as such go
 * to scratch, which has as many bytes as the line: none becomes longer.
 */
typedef struct Reader
{
	const char *p;
	const char *end;
	char *scratch;
	const char *wanted; /* where the reader stopped: what should have been there */
} Reader;

static bool
stop(Reader *r, const char *wanted)
{
	if (r->wanted == NULL)
		r->wanted = wanted;
	return false;
}

/* Exactly this text. */
static bool
take(Reader *r, const char *text)
{
	size_t n = strlen(text);

	if ((size_t) (r->end - r->p) < n || memcmp(r->p, text, n) != 0)
		return stop(r, text);
	r->p += n;
	return true;
}

/* Whether this text comes next. */
static bool
comes(const Reader *r, const char *text)
{
	size_t n = strlen(text);

	return (size_t) (r->end - r->p) >= n && memcmp(r->p, text, n) == 0;
}

static bool
take_integer(Reader *r, int64_t *out)
{
	bool negative = comes(r, "-");
	const char *digits = r->p += negative ? 1 : 0;

	*out = 0;
	for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++)
	{
		int64_t digit = *r->p - '0';

		if (__builtin_mul_overflow(*out, 10, out) ||
		    __builtin_add_overflow(*out, negative ? -digit : digit, out))
			return stop(r, "a number of 64 bits");
	}
	return r->p > digits || stop(r, "a number");
}

/* A number of leaves, or a position. */
static bool
take_count(Reader *r, uint64_t *out)
{
	int64_t value;

	if (!take_integer(r, &value))
		return false;
	*out = (uint64_t) value;
	return value >= 0 || stop(r, "a number that is not negative");
}

static int
digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What stands behind a backslash; what has a shorter spelling is found out later. */
static bool
take_escape(Reader *r, char *out)
{
	static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (size_t i = 0; i + 1 < sizeof(letters); i += 2)
		if (r->p < r->end && letters[i + 1] == *r->p)
		{
			*out = letters[i];
			r->p++;
			return true;
		}
	if (r->end - r->p < 5 || !comes(r, "u00") || (r->p[3] != '0' && r->p[3] != '1') ||
	    digit_of(r->p[4]) < 0)
		return stop(r, "an escape of RFC 8785");
	*out = (char) (digit_of(r->p[3]) << 4 | digit_of(r->p[4]));
	r->p += 5;
	return true;
}

/* A string's text, in scratch. */
static bool
take_string(Reader *r, const char **text, size_t *n)
{
	char *out = r->scratch;

	if (!take(r, "\""))
		return false;
	while (r->p < r->end && *r->p != '"')
	{
		char c = *r->p++;

		if (c == '\\' && !take_escape(r, &c))
			return false;
		*out++ = c;
	}
	*text = r->scratch;
	*n = (size_t) (out - r->scratch);
	r->scratch = out;
	if (!sp_text_valid(*text, *n))
		return stop(r, "a text in UTF-8");
	return take(r, "\"");
}

/* A string that is base64 of at most capacity bytes. */
static bool
take_base64(Reader *r, void *out, size_t capacity, size_t *n)
{
	const char *quote;

	if (!take(r, "\""))
		return false;
	quote = memchr(r->p, '"', (size_t) (r->end - r->p));
	if (quote == NULL || !sp_base64_read(r->p, (size_t) (quote - r->p), out, capacity, n))
		return stop(r, "base64");
	r->p = quote + 1;
	return true;
}

static bool
take_hash(Reader *r, SpDigest *out)
{
	size_t n;

	return take_base64(r, out->bytes, SP_DIGEST_BYTES, &n) &&
	       (n == SP_DIGEST_BYTES || stop(r, "a hash of 32 bytes"));
}

static bool
take_uuid(Reader *r, uint8_t *out)
{
	if (!take(r, "\""))
		return false;
	if (r->end - r->p < SP_UUID_TEXT || !sp_uuid_parse(r->p, SP_UUID_TEXT - 1, out))
		return stop(r, "a UUID in lower case");
	r->p += SP_UUID_TEXT - 1;
	return take(r, "\"");
}

static bool
take_principal(Reader *r, SpEntry *entry)
{
	if (comes(r, "null"))
		return take(r, "null");
	entry->has_principal = true;
	return take_uuid(r, entry->principal);
}

/* The detail's bytes, in scratch; an empty one is not NULL. */
static bool
take_detail(Reader *r, SpExportEntry *e)
{
	if (comes(r, "null"))
		return take(r, "null");
	e->detail = r->scratch;
	if (!take_base64(r, r->scratch, (size_t) (r->end - r->p), &e->detail_length))
		return false;
	r->scratch += e->detail_length;
	return true;
}

static bool
take_header(Reader *r, SpExportHeader *header)
{
	uint8_t bytes[SP_MERKLE_FRONTIER_BYTES];
	size_t n;

	if (!take(r, "{\"spotai_audit_export\":1,\"origin\":") ||
	    !take_string(r, &header->origin, &header->origin_length) || !take(r, ",\"from\":") ||
	    !take_count(r, &header->from) || !take(r, ",\"to\":") || !take_count(r, &header->to) ||
	    !take(r, ",\"frontier\":") || !take_base64(r, bytes, sizeof(bytes), &n) || !take(r, "}"))
		return false;
	if (header->to < header->from)
		return stop(r, "a size that is not below the first");
	return (sp_merkle_frontier_read(bytes, n, &header->frontier) == SP_OK &&
	        header->frontier.size == header->from) ||
	       stop(r, "the frontier of the first size");
}

static bool
take_entry(Reader *r, SpExportEntry *e)
{
	SpEntry *entry = &e->entry;

	if (!take(r, "{\"position\":") || !take_count(r, &e->position) || !take(r, ",\"id\":") ||
	    !take_uuid(r, entry->id) || !take(r, ",\"tenant\":") || !take_uuid(r, entry->tenant) ||
	    !take(r, ",\"time_us\":") || !take_integer(r, &entry->time_us) ||
	    !take(r, ",\"principal\":") || !take_principal(r, entry))
		return false;
	if (!take(r, ",\"action\":") || !take_string(r, &entry->action, &entry->action_length) ||
	    !take(r, ",\"object\":") || !take_string(r, &entry->object, &entry->object_length) ||
	    !take(r, ",\"detail_sha256\":") || !take_hash(r, &entry->detail) ||
	    !take(r, ",\"detail\":") || !take_detail(r, e) || !take(r, ",\"leaf\":") ||
	    !take_hash(r, &e->leaf) || !take(r, "}"))
		return false;
	return e->position < SP_MERKLE_MAX_SIZE || stop(r, "a position of a log");
}

static bool
take_checkpoint(Reader *r, SpExportCheckpoint *checkpoint)
{
	return take(r, "{\"checkpoint\":") &&
	       take_string(r, &checkpoint->note, &checkpoint->note_length) && take(r, "}");
}

/* How a line begins says what it is. */
static bool
take_line(Reader *r, SpExportLine *line)
{
	if (comes(r, "{\"position\":"))
	{
		line->kind = SP_EXPORT_ENTRY;
		return take_entry(r, &line->entry);
	}
	if (comes(r, "{\"checkpoint\":"))
	{
		line->kind = SP_EXPORT_CHECKPOINT;
		return take_checkpoint(r, &line->checkpoint);
	}
	line->kind = SP_EXPORT_HEADER;
	return take_header(r, &line->header);
}

static bool
spelled_so(const SpExportLine *line, const char *text, size_t n)
{
	SpLineSink sink = {.expected = text, .n_expected = n};

	switch (line->kind)
	{
		case SP_EXPORT_HEADER:
			sp_line_header(&sink, &line->header);
			break;
		case SP_EXPORT_ENTRY:
			sp_line_entry(&sink, &line->entry);
			break;
		case SP_EXPORT_CHECKPOINT:
			sp_line_checkpoint(&sink, &line->checkpoint);
			break;
	}
	return !sink.differs && sink.n == n;
}

SpStatus
sp_export_parse(const SpEnv *env, const char *text, size_t n, SpExportLine *line, SpFault *fault)
{
	Reader r = {.p = text, .end = text + n};
	SpStatus st = SP_OK;

	memset(line, 0, sizeof(*line));
	if (n > SP_EXPORT_MAX_LINE)
		return sp_fault(fault, SP_ERR_TOO_LARGE, HINT_EXPORT, "The line has more than %d bytes.",
		                SP_EXPORT_MAX_LINE);
	/* one byte more, so that an empty text is somewhere */
	line->memory = r.scratch = sp_alloc(env, n + 1, 1);
	if (line->memory == NULL)
		return sp_fault(fault, SP_ERR_NO_MEMORY, "", "Out of memory.");
	if (!take_line(&r, line))
		st = sp_fault(fault, SP_ERR_BAD_DATA, HINT_EXPORT,
		              "The line is none of an export: at byte %d, %s was expected.",
		              (int) (r.p - text) + 1, r.wanted);
	else if (!spelled_so(line, text, n))
		st = sp_fault(fault, SP_ERR_BAD_DATA, HINT_EXPORT,
		              "The line is not spelled as an export spells it.");
	if (st != SP_OK)
		sp_export_release(env, line);
	return st;
}

void
sp_export_release(const SpEnv *env, SpExportLine *line)
{
	sp_free(env, line->memory);
	line->memory = NULL;
}
