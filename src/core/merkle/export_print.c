/*
 * src/core/merkle/export_print.c
 *	  Lines of an export, printed in their one spelling.
 *
 * Printed by hand: a JSON library would allocate a tree for each line, and the
 * spelling is ours to promise.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/merkle/export_internal.h"
#include "core/merkle/text.h"

/* More than names, punctuation, numbers, UUIDs and hashes of any line take together. */
#define FIXED_PART 512

/* Characters of an escaped byte at most: \u001f. */
#define MAX_ESCAPE 6

static void
put(SpLineSink *sink, const char *text, size_t n)
{
	if (sink->out != NULL)
		memcpy(sink->out + sink->n, text, n);
	else if (n > sink->n_expected - sink->n || memcmp(sink->expected + sink->n, text, n) != 0)
	{
		sink->differs = true;
		return;
	}
	sink->n += n;
}

static void
put_name(SpLineSink *sink, const char *name)
{
	put(sink, name, strlen(name));
}

static void
put_number(SpLineSink *sink, int64_t value)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%" PRId64, value);

	put(sink, digits, (size_t) n);
}

/* RFC 8785, section 3.2.2.2: seven short escapes, \u00xx in lower case, the rest as it is. */
static void
put_escape(SpLineSink *sink, char c)
{
	static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	char escape[MAX_ESCAPE + 1];

	for (size_t i = 0; i + 1 < sizeof(letters); i += 2)
		if (letters[i] == c)
		{
			escape[0] = '\\';
			escape[1] = letters[i + 1];
			put(sink, escape, 2);
			return;
		}
	snprintf(escape, sizeof(escape), "\\u%04x", (unsigned) (unsigned char) c);
	put(sink, escape, MAX_ESCAPE);
}

static bool
needs_escape(char c)
{
	return (unsigned char) c < 0x20 || c == '"' || c == '\\';
}

static void
put_string(SpLineSink *sink, const char *text, size_t n)
{
	size_t plain = 0;

	put(sink, "\"", 1);
	for (size_t i = 0; i < n; i++)
		if (needs_escape(text[i]))
		{
			put(sink, text + plain, i - plain);
			put_escape(sink, text[i]);
			plain = i + 1;
		}
	put(sink, text + plain, n - plain);
	put(sink, "\"", 1);
}

static void
put_base64(SpLineSink *sink, const void *data, size_t n)
{
	/* whole groups of three, so that padding comes at the end alone */
	uint8_t piece[192];
	char text[SP_BASE64_CHARS(sizeof(piece))];

	put(sink, "\"", 1);
	for (size_t at = 0; at < n; at += sizeof(piece))
	{
		size_t length = n - at < sizeof(piece) ? n - at : sizeof(piece);

		memcpy(piece, (const uint8_t *) data + at, length);
		put(sink, text, sp_base64_write(piece, length, text));
	}
	put(sink, "\"", 1);
}

static void
put_uuid(SpLineSink *sink, const uint8_t *uuid)
{
	char text[SP_UUID_TEXT];

	sp_uuid_print(uuid, text);
	put(sink, "\"", 1);
	put(sink, text, SP_UUID_TEXT - 1);
	put(sink, "\"", 1);
}

void
sp_line_header(SpLineSink *sink, const SpExportHeader *header)
{
	uint8_t frontier[SP_MERKLE_FRONTIER_BYTES];

	put_name(sink, "{\"spotai_audit_export\":1,\"origin\":");
	put_string(sink, header->origin, header->origin_length);
	put_name(sink, ",\"from\":");
	put_number(sink, (int64_t) header->from);
	put_name(sink, ",\"to\":");
	put_number(sink, (int64_t) header->to);
	put_name(sink, ",\"frontier\":");
	put_base64(sink, frontier, sp_merkle_frontier_write(&header->frontier, frontier));
	put_name(sink, "}");
}

void
sp_line_entry(SpLineSink *sink, const SpExportEntry *e)
{
	put_name(sink, "{\"position\":");
	put_number(sink, (int64_t) e->position);
	put_name(sink, ",\"id\":");
	put_uuid(sink, e->entry.id);
	put_name(sink, ",\"tenant\":");
	put_uuid(sink, e->entry.tenant);
	put_name(sink, ",\"time_us\":");
	put_number(sink, e->entry.time_us);
	put_name(sink, ",\"principal\":");
	if (e->entry.has_principal)
		put_uuid(sink, e->entry.principal);
	else
		put_name(sink, "null");
	put_name(sink, ",\"action\":");
	put_string(sink, e->entry.action, e->entry.action_length);
	put_name(sink, ",\"object\":");
	put_string(sink, e->entry.object, e->entry.object_length);
	put_name(sink, ",\"detail_sha256\":");
	put_base64(sink, e->entry.detail.bytes, SP_DIGEST_BYTES);
	put_name(sink, ",\"detail\":");
	if (e->detail != NULL)
		put_base64(sink, e->detail, e->detail_length);
	else
		put_name(sink, "null");
	put_name(sink, ",\"leaf\":");
	put_base64(sink, e->leaf.bytes, SP_DIGEST_BYTES);
	put_name(sink, "}");
}

void
sp_line_checkpoint(SpLineSink *sink, const SpExportCheckpoint *checkpoint)
{
	put_name(sink, "{\"checkpoint\":");
	put_string(sink, checkpoint->note, checkpoint->note_length);
	put_name(sink, "}");
}

static SpStatus
check_text(const char *what, const char *text, size_t n, SpFault *fault)
{
	if (sp_text_valid(text, n))
		return SP_OK;
	return sp_fault(fault, SP_ERR_BAD_DATA, "Use text in UTF-8.", "The %s is no text.", what);
}

/* After printing. */
static SpStatus
check_length(const SpLineSink *sink, size_t *n, SpFault *fault)
{
	*n = sink->n;
	if (sink->n <= SP_EXPORT_MAX_LINE)
		return SP_OK;
	return sp_fault(fault, SP_ERR_TOO_LARGE, "Leave the detail out.",
	                "The line has %llu bytes, more than %d.", (unsigned long long) sink->n,
	                SP_EXPORT_MAX_LINE);
}

size_t
sp_export_header_size(const SpExportHeader *header)
{
	return FIXED_PART + MAX_ESCAPE * header->origin_length +
	       SP_BASE64_CHARS(SP_MERKLE_FRONTIER_BYTES);
}

SpStatus
sp_export_header_print(const SpExportHeader *header, char *out, size_t *n, SpFault *fault)
{
	SpLineSink sink = {.out = out};
	SpStatus st = check_text("origin", header->origin, header->origin_length, fault);

	if (st != SP_OK)
		return st;
	if (header->from > header->to || header->to > SP_MERKLE_MAX_SIZE ||
	    header->frontier.size != header->from)
		return sp_fault(fault, SP_ERR_BAD_DATA, "Export from one size of the log to another.",
		                "The sizes of the export do not fit.");
	sp_line_header(&sink, header);
	return check_length(&sink, n, fault);
}

size_t
sp_export_entry_size(const SpExportEntry *entry)
{
	return FIXED_PART + MAX_ESCAPE * (entry->entry.action_length + entry->entry.object_length) +
	       SP_BASE64_CHARS(entry->detail_length);
}

SpStatus
sp_export_entry_print(const SpExportEntry *entry, char *out, size_t *n, SpFault *fault)
{
	SpLineSink sink = {.out = out};
	SpStatus st = check_text("action", entry->entry.action, entry->entry.action_length, fault);

	if (st == SP_OK)
		st = check_text("object", entry->entry.object, entry->entry.object_length, fault);
	if (st == SP_OK && entry->position >= SP_MERKLE_MAX_SIZE)
		st = sp_fault(fault, SP_ERR_BAD_DATA, "Count from the log's begin.",
		              "The position is none of a log.");
	if (st != SP_OK)
		return st;
	sp_line_entry(&sink, entry);
	return check_length(&sink, n, fault);
}

size_t
sp_export_checkpoint_size(const SpExportCheckpoint *checkpoint)
{
	return FIXED_PART + MAX_ESCAPE * checkpoint->note_length;
}

SpStatus
sp_export_checkpoint_print(const SpExportCheckpoint *checkpoint, char *out, size_t *n,
                           SpFault *fault)
{
	SpLineSink sink = {.out = out};
	SpStatus st = check_text("checkpoint", checkpoint->note, checkpoint->note_length, fault);

	if (st != SP_OK)
		return st;
	sp_line_checkpoint(&sink, checkpoint);
	return check_length(&sink, n, fault);
}
