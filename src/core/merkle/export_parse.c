/*
 * src/core/merkle/export_parse.c
 *	  Lines of an export, parsed strictly.
 *
 * jansson finds the members; then the line is printed again from what was
 * found and held against itself (export_print.c), which leaves no room for
 * another spelling: duplicates, white space, escapes, order.
 *
 * jansson takes up to 79 bytes for one of JSON, and allocates by itself: a
 * hostile line costs 80 MB for as long as it is looked at.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "core/merkle/export_internal.h"
#include "core/merkle/text.h"
#include "core/sp_json.h"

#define HINT_EXPORT "Export the log again; an export is read as it was written, byte by byte."

/* One string of a JSON object. */
typedef struct Text
{
	const char *text;
	size_t n;
} Text;

static SpStatus
no_line(SpFault *fault, const char *why)
{
	return sp_fault(fault, SP_ERR_BAD_DATA, HINT_EXPORT, "%s", why);
}

/* What begins as `start` does is a line of that kind, or none. */
static bool
take_kind(const char *text, size_t n, SpExportKind *kind)
{
	static const struct
	{
		const char *start;
		SpExportKind kind;
	} kinds[] = {{"{\"position\":", SP_EXPORT_ENTRY},
	             {"{\"spotai_audit_export\":", SP_EXPORT_HEADER},
	             {"{\"checkpoint\":", SP_EXPORT_CHECKPOINT}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
	{
		size_t length = strlen(kinds[i].start);

		if (n > length && memcmp(text, kinds[i].start, length) == 0)
		{
			*kind = kinds[i].kind;
			return true;
		}
	}
	return false;
}

static SpStatus
load(const char *text, size_t n, json_t **root, SpFault *fault)
{
	json_error_t error;

	*root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
	if (*root != NULL)
		return SP_OK;
	/* where its memory fails, jansson often gives no reason at all */
	if (json_error_code(&error) == json_error_out_of_memory ||
	    json_error_code(&error) == json_error_unknown)
		return sp_fault(fault, SP_ERR_NO_MEMORY, "", "Out of memory.");
	return sp_fault(fault, SP_ERR_BAD_DATA, HINT_EXPORT,
	                "The line is not valid JSON: %.80s at byte %d.", error.text, error.position);
}

/* Members that are missing, of the wrong type, or too many. */
static SpStatus
bad_members(const json_error_t *error, const char *what, SpFault *fault)
{
	if (json_error_code(error) == json_error_out_of_memory)
		return sp_fault(fault, SP_ERR_NO_MEMORY, "", "Out of memory.");
	return sp_fault(fault, SP_ERR_BAD_DATA, HINT_EXPORT,
	                "The %s has not the members that it should have: %.80s.", what, error->text);
}

static bool
take_hash(Text text, SpDigest *out)
{
	size_t n;

	return sp_base64_read(text.text, text.n, out->bytes, SP_DIGEST_BYTES, &n) &&
	       n == SP_DIGEST_BYTES;
}

static bool
take_string(const json_t *value, Text *out)
{
	if (!json_is_string(value))
		return false;
	*out = (Text){json_string_value(value), json_string_length(value)};
	return true;
}

static SpStatus
take_header(json_t *root, SpExportHeader *header, SpFault *fault)
{
	uint8_t bytes[SP_MERKLE_FRONTIER_BYTES];
	json_int_t version, from, to;
	json_error_t error;
	Text frontier;
	size_t n;

	if (json_unpack_ex(root, &error, 0, "{s:I,s:s%,s:I,s:I,s:s%!}", "spotai_audit_export", &version,
	                   "origin", &header->origin, &header->origin_length, "from", &from, "to", &to,
	                   "frontier", &frontier.text, &frontier.n) != 0)
		return bad_members(&error, "header", fault);
	if (version != 1)
		return sp_fault(fault, SP_ERR_UNSUPPORTED, "Use a newer spotai-verify.",
		                "The export is of version %lld.", (long long) version);
	if (from < 0 || to < from)
		return no_line(fault, "The header's sizes are none of a log.");
	header->from = (uint64_t) from;
	header->to = (uint64_t) to;
	if (!sp_base64_read(frontier.text, frontier.n, bytes, sizeof(bytes), &n) ||
	    sp_merkle_frontier_read(bytes, n, &header->frontier) != SP_OK ||
	    header->frontier.size != header->from)
		return no_line(fault, "The header's frontier is none of its size.");
	return SP_OK;
}

/* The detail's bytes: line->detail, to be released. */
static SpStatus
take_detail(const SpEnv *env, const json_t *value, SpExportLine *line, SpFault *fault)
{
	size_t capacity, n;
	Text text;

	line->entry.detail = NULL;
	line->entry.detail_length = 0;
	if (json_is_null(value))
		return SP_OK;
	if (!take_string(value, &text))
		return no_line(fault, "The entry's detail is neither base64 nor null.");
	capacity = text.n / 4 * 3;
	/* an empty detail is one, and not NULL */
	line->detail = sp_alloc(env, capacity > 0 ? capacity : 1, 1);
	if (line->detail == NULL)
		return sp_fault(fault, SP_ERR_NO_MEMORY, "", "Out of memory.");
	if (!sp_base64_read(text.text, text.n, line->detail, capacity, &n))
		return no_line(fault, "The entry's detail is neither base64 nor null.");
	line->entry.detail = line->detail;
	line->entry.detail_length = n;
	return SP_OK;
}

static SpStatus
take_entry(const SpEnv *env, json_t *root, SpExportLine *line, SpFault *fault)
{
	SpEntry *entry = &line->entry.entry;
	Text id, tenant, hash, leaf, principal;
	json_t *who, *detail;
	json_int_t position, time_us;
	json_error_t error;

	if (json_unpack_ex(root, &error, 0, "{s:I,s:s%,s:s%,s:I,s:o,s:s%,s:s%,s:s%,s:o,s:s%!}",
	                   "position", &position, "id", &id.text, &id.n, "tenant", &tenant.text,
	                   &tenant.n, "time_us", &time_us, "principal", &who, "action", &entry->action,
	                   &entry->action_length, "object", &entry->object, &entry->object_length,
	                   "detail_sha256", &hash.text, &hash.n, "detail", &detail, "leaf", &leaf.text,
	                   &leaf.n) != 0)
		return bad_members(&error, "entry", fault);
	entry->has_principal = !json_is_null(who);
	if (entry->has_principal && (!take_string(who, &principal) ||
	                             !sp_uuid_parse(principal.text, principal.n, entry->principal)))
		return no_line(fault, "The entry's principal is neither a UUID nor null.");
	if (!sp_uuid_parse(id.text, id.n, entry->id) ||
	    !sp_uuid_parse(tenant.text, tenant.n, entry->tenant))
		return no_line(fault, "The entry's id or tenant is no UUID.");
	if (!take_hash(hash, &entry->detail) || !take_hash(leaf, &line->entry.leaf))
		return no_line(fault, "The entry's leaf or detail_sha256 is no hash in base64.");
	if (position < 0 || (uint64_t) position >= SP_MERKLE_MAX_SIZE)
		return no_line(fault, "The entry's position is none of a log.");
	line->entry.position = (uint64_t) position;
	entry->time_us = time_us;
	return take_detail(env, detail, line, fault);
}

static SpStatus
take_checkpoint(json_t *root, SpExportCheckpoint *checkpoint, SpFault *fault)
{
	json_error_t error;

	if (json_unpack_ex(root, &error, 0, "{s:s%!}", "checkpoint", &checkpoint->note,
	                   &checkpoint->note_length) != 0)
		return bad_members(&error, "checkpoint", fault);
	return SP_OK;
}

static SpStatus
take_members(const SpEnv *env, SpExportLine *line, SpFault *fault)
{
	switch (line->kind)
	{
		case SP_EXPORT_HEADER:
			return take_header(line->json, &line->header, fault);
		case SP_EXPORT_ENTRY:
			return take_entry(env, line->json, line, fault);
		case SP_EXPORT_CHECKPOINT:
			return take_checkpoint(line->json, &line->checkpoint, fault);
	}
	return SP_ERR_BAD_ARG;
}

static SpStatus
check_spelling(const SpExportLine *line, const char *text, size_t n, SpFault *fault)
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
	if (!sink.differs && sink.n == n)
		return SP_OK;
	return no_line(fault, "The line is not spelled as an export spells it.");
}

SpStatus
sp_export_parse(const SpEnv *env, const char *text, size_t n, SpExportLine *line, SpFault *fault)
{
	json_t *root;
	SpStatus st;

	memset(line, 0, sizeof(*line));
	if (n > SP_EXPORT_MAX_LINE)
		return sp_fault(fault, SP_ERR_TOO_LARGE, HINT_EXPORT, "The line has more than %d bytes.",
		                SP_EXPORT_MAX_LINE);
	if (!take_kind(text, n, &line->kind))
		return no_line(fault, "The line is no line of an export.");
	st = load(text, n, &root, fault);
	line->json = root;
	if (st == SP_OK)
		st = take_members(env, line, fault);
	if (st == SP_OK)
		st = check_spelling(line, text, n, fault);
	if (st != SP_OK)
		sp_export_release(env, line);
	return st;
}

void
sp_export_release(const SpEnv *env, SpExportLine *line)
{
	sp_free(env, line->detail);
	json_decref(line->json);
	line->detail = NULL;
	line->json = NULL;
}
