/*
 * src/core/merkle/verifier.c
 *	  Holds the lines of an export against themselves and against checkpoints.
 *
 * After a bad entry we go on with the leaf that the log has recorded: if the
 * root then fits, the tree is untouched and the entry alone was changed.
 * After a gap there is nothing to go on with.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/merkle/verifier.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LABEL_BYTES 200

/* A checkpoint that was kept outside. */
typedef struct Outside
{
	char label[LABEL_BYTES];
	char origin[SP_NOTE_MAX_ORIGIN + 1];
	uint64_t size;
	SpDigest root;
} Outside;

typedef enum Expect
{
	EXPECT_HEADER,
	EXPECT_ENTRY, /* or, at the right size, the checkpoint */
	EXPECT_END,
	EXPECT_NOTHING /* what came can not be followed */
} Expect;

struct SpVerifier
{
	const SpEnv *env;
	SpSha256 *sha;
	SpNoteKey *keys;
	size_t n_keys;
	SpFound found;
	void *host;

	Outside *outside; /* by size */
	size_t n_outside;
	size_t room_outside;
	size_t next_outside;

	Expect expect;
	uint64_t line;
	uint64_t from;
	uint64_t to;
	SpMerkleFrontier frontier;
	uint64_t sure; /* the largest size at which a checkpoint fitted */
	SpVerdict verdict;
};

SpStatus
sp_verifier_new(const SpEnv *env, const SpNoteKey *keys, size_t n_keys, uint64_t from,
                SpFound found, void *host, SpVerifier **out)
{
	SpVerifier *v = NULL;
	SpStatus st = SP_ERR_NO_MEMORY;

	*out = NULL;
	if (n_keys == 0)
		return SP_ERR_BAD_ARG;
	v = sp_calloc(env, 1, sizeof(*v));
	if (v == NULL)
		goto fail;
	v->env = env;
	v->found = found;
	v->host = host;
	v->from = from;
	v->keys = sp_alloc(env, n_keys, sizeof(*keys));
	if (v->keys == NULL)
		goto fail;
	memcpy(v->keys, keys, n_keys * sizeof(*keys));
	v->n_keys = n_keys;
	st = sp_sha256_new(env, &v->sha);
	if (st != SP_OK)
		goto fail;
	*out = v;
	return SP_OK;

fail:
	sp_verifier_free(v);
	return st;
}

void
sp_verifier_free(SpVerifier *v)
{
	if (v == NULL)
		return;
	sp_sha256_free(v->sha);
	sp_free(v->env, v->outside);
	sp_free(v->env, v->keys);
	sp_free(v->env, v);
}

/* --- findings ------------------------------------------------------------------- */

#define NO_POSITION UINT64_MAX

static void __attribute__((format(printf, 4, 5)))
report(SpVerifier *v, SpFindingKind kind, uint64_t position, const char *format, ...)
{
	SpFinding finding = {.kind = kind, .line = v->line};
	va_list args;

	finding.has_position = position != NO_POSITION;
	finding.position = finding.has_position ? position : 0;
	va_start(args, format);
	vsnprintf(finding.text, sizeof(finding.text), format, args);
	va_end(args);
	v->verdict.n_findings++;
	v->found(v->host, &finding);
}

/* What outside input calls itself, fit to be shown: no control characters, not endless. */
typedef struct Shown
{
	char text[sizeof(((SpFault *) NULL)->detail)];
} Shown;

static Shown
show(const char *name)
{
	SpFault fault;
	Shown shown;

	sp_fault(&fault, SP_OK, "", "%.120s", name);
	memcpy(shown.text, fault.detail, sizeof(shown.text));
	return shown;
}

/* The sentence of a fault, without its full stop. */
static Shown
reason(const SpFault *fault)
{
	Shown shown = show(fault->detail);
	size_t n = strlen(shown.text);

	if (n > 0 && shown.text[n - 1] == '.')
		shown.text[n - 1] = '\0';
	return shown;
}

/* Nothing that comes behind this can be told apart from damage. */
static SpStatus
lost(SpVerifier *v)
{
	v->expect = EXPECT_NOTHING;
	return SP_ERR_BAD_DATA;
}

/* --- checkpoints ------------------------------------------------------------------ */

/*
 * A signed checkpoint that a known key vouches for, or a finding: *ok tells.
 * The texts of *checkpoint are in note.
 */
static SpStatus
open_checkpoint(SpVerifier *v, const char *whose, const char *note, size_t n,
                SpCheckpoint *checkpoint, bool *ok)
{
	SpFault fault;
	SpNote parts;
	SpStatus st = sp_note_verify(note, n, v->keys, v->n_keys, &parts, NULL, &fault);

	if (st == SP_OK)
		st = sp_checkpoint_parse(parts.text, parts.text_length, checkpoint, &fault);
	*ok = st == SP_OK;
	if (st == SP_ERR_NO_MEMORY)
		return st;
	if (!*ok)
		report(v, SP_FOUND_SIGNATURE, NO_POSITION, "%s can not be trusted: %s", whose,
		       reason(&fault).text);
	return SP_OK;
}

/* Room for one more. */
static SpStatus
grow_outside(SpVerifier *v)
{
	size_t room = v->room_outside > 0 ? 2 * v->room_outside : 4;
	Outside *grown;

	if (v->n_outside < v->room_outside)
		return SP_OK;
	grown = sp_alloc(v->env, room, sizeof(*grown));
	if (grown == NULL)
		return SP_ERR_NO_MEMORY;
	if (v->n_outside > 0)
		memcpy(grown, v->outside, v->n_outside * sizeof(*grown));
	sp_free(v->env, v->outside);
	v->outside = grown;
	v->room_outside = room;
	return SP_OK;
}

SpStatus
sp_verifier_outside(SpVerifier *v, const char *label, const char *note, size_t n)
{
	Shown name = show(label);
	SpCheckpoint checkpoint;
	Outside added = {0};
	size_t at;
	SpStatus st;
	bool ok;

	if (v->expect != EXPECT_HEADER || v->line > 0)
		return SP_ERR_BAD_ARG;
	if (v->n_outside == SP_VERIFIER_MAX_OUTSIDE)
		return SP_ERR_TOO_LARGE;
	st = open_checkpoint(v, name.text, note, n, &checkpoint, &ok);
	if (st == SP_OK && ok)
		st = grow_outside(v);
	if (st != SP_OK || !ok)
		return st;
	snprintf(added.label, sizeof(added.label), "%s", name.text);
	memcpy(added.origin, checkpoint.origin, checkpoint.origin_length);
	added.size = checkpoint.size;
	added.root = checkpoint.root;
	for (at = v->n_outside; at > 0 && v->outside[at - 1].size > added.size; at--)
		v->outside[at] = v->outside[at - 1];
	v->outside[at] = added;
	v->n_outside++;
	return SP_OK;
}

/* Those that are of this size, once the frontier is. */
static SpStatus
try_outside(SpVerifier *v)
{
	SpDigest root;
	SpStatus st = SP_OK;

	if (v->next_outside < v->n_outside && v->outside[v->next_outside].size == v->frontier.size)
		st = sp_merkle_root(v->sha, &v->frontier, &root);
	for (; st == SP_OK && v->next_outside < v->n_outside; v->next_outside++)
	{
		const Outside *o = &v->outside[v->next_outside];

		if (o->size != v->frontier.size)
			break;
		if (strcmp(o->origin, v->verdict.origin) != 0)
			report(v, SP_FOUND_ORIGIN, NO_POSITION,
			       "%s is a checkpoint of the log \"%s\", the export is of \"%s\"", o->label,
			       show(o->origin).text, show(v->verdict.origin).text);
		else if (sp_digest_equal(&root, &o->root))
		{
			v->verdict.n_outside++;
			v->sure = v->verdict.covered = o->size;
		}
		else
			report(v, SP_FOUND_CHECKPOINT, v->sure,
			       "%s does not fit: entries before position %" PRIu64
			       " are not those of that day; the first that differs is at position %" PRIu64
			       " or behind it",
			       o->label, o->size, v->sure);
	}
	return st;
}

/* --- lines --------------------------------------------------------------------------- */

static SpStatus
take_header(SpVerifier *v, const SpExportHeader *header)
{
	if (header->origin_length == 0 || header->origin_length > SP_NOTE_MAX_ORIGIN)
	{
		report(v, SP_FOUND_BAD_LINE, NO_POSITION, "the header names no log");
		return lost(v);
	}
	memcpy(v->verdict.origin, header->origin, header->origin_length);
	v->verdict.from = v->sure = header->from;
	v->to = header->to;
	v->frontier = header->frontier;
	v->expect = EXPECT_ENTRY;
	if (header->from != v->from)
		report(v, SP_FOUND_START, NO_POSITION,
		       "the export begins at position %" PRIu64 ", not at %" PRIu64, header->from, v->from);
	for (; v->next_outside < v->n_outside; v->next_outside++)
	{
		const Outside *o = &v->outside[v->next_outside];

		if (o->size >= header->from)
			break;
		report(v, SP_FOUND_BEFORE, NO_POSITION,
		       "%s, of size %" PRIu64 ", can not be tried: the export begins at position %" PRIu64,
		       o->label, o->size, header->from);
	}
	return try_outside(v);
}

/* Position `found` where the next one was expected. */
static SpStatus
report_position(SpVerifier *v, const SpExportEntry *e)
{
	uint64_t expected = v->frontier.size;
	char id[SP_UUID_TEXT];

	sp_uuid_print(e->entry.id, id);
	report(v, SP_FOUND_POSITION, expected,
	       e->position < expected ? "line %" PRIu64 ": position %" PRIu64
	                                " should follow, but %" PRIu64 " (entry %s) comes again or late"
	                              : "line %" PRIu64 ": position %" PRIu64 " is missing, %" PRIu64
	                                " (entry %s) comes in its place",
	       v->line, expected, e->position, id);
	return lost(v);
}

static SpStatus
try_detail(SpVerifier *v, const SpExportEntry *e, const char *id)
{
	SpDigest digest;
	SpStatus st = SP_OK;

	if (e->detail == NULL)
		return SP_OK;
	st = sp_sha256_run(v->sha, e->detail, e->detail_length, &digest);
	if (st == SP_OK && !sp_digest_equal(&digest, &e->entry.detail))
		report(v, SP_FOUND_BAD_DETAIL, e->position,
		       "entry %s at position %" PRIu64 " has another detail than was recorded", id,
		       e->position);
	return st;
}

static SpStatus
take_entry(SpVerifier *v, const SpExportEntry *e)
{
	char id[SP_UUID_TEXT];
	SpDigest leaf;
	SpFault fault;
	SpStatus st;

	if (e->position != v->frontier.size)
		return report_position(v, e);
	if (v->frontier.size == v->to)
	{
		report(v, SP_FOUND_BAD_LINE, e->position,
		       "line %" PRIu64 ": an entry at position %" PRIu64
		       ", where the export should have its checkpoint",
		       v->line, e->position);
		return lost(v);
	}
	sp_uuid_print(e->entry.id, id);
	st = sp_entry_leaf_hash(v->sha, &e->entry, &leaf, &fault);
	if (st == SP_ERR_NO_MEMORY)
		return st;
	if (st != SP_OK)
		report(v, SP_FOUND_BAD_ENTRY, e->position,
		       "entry %s at position %" PRIu64 " is none that could be recorded: %s", id,
		       e->position, reason(&fault).text);
	else if (!sp_digest_equal(&leaf, &e->leaf))
		report(v, SP_FOUND_BAD_ENTRY, e->position,
		       "entry %s at position %" PRIu64 " is not what was recorded: its content does not "
		       "hash to its leaf",
		       id, e->position);
	st = try_detail(v, e, id);
	if (st == SP_OK)
		st = sp_merkle_append(v->sha, &v->frontier, &e->leaf, NULL, NULL);
	return st == SP_OK ? try_outside(v) : st;
}

static SpStatus
take_checkpoint(SpVerifier *v, const SpExportCheckpoint *c)
{
	SpCheckpoint checkpoint;
	SpDigest root;
	SpStatus st;
	bool ok;

	if (v->frontier.size != v->to)
	{
		report(v, SP_FOUND_POSITION, v->frontier.size,
		       "line %" PRIu64 ": entries from position %" PRIu64 " to %" PRIu64 " are missing",
		       v->line, v->frontier.size, v->to - 1);
		return lost(v);
	}
	v->expect = EXPECT_END;
	st = open_checkpoint(v, "the export's checkpoint", c->note, c->note_length, &checkpoint, &ok);
	if (st == SP_OK && ok)
		st = sp_merkle_root(v->sha, &v->frontier, &root);
	if (st != SP_OK || !ok)
		return st;
	if (strlen(v->verdict.origin) != checkpoint.origin_length ||
	    memcmp(v->verdict.origin, checkpoint.origin, checkpoint.origin_length) != 0)
		report(v, SP_FOUND_ORIGIN, NO_POSITION, "the export's checkpoint is of another log");
	else if (checkpoint.size != v->to)
		report(v, SP_FOUND_ROOT, NO_POSITION,
		       "the export's checkpoint is of size %" PRIu64 ", the export ends at %" PRIu64,
		       checkpoint.size, v->to);
	else if (!sp_digest_equal(&root, &checkpoint.root))
		report(v, SP_FOUND_ROOT, v->sure,
		       "the entries do not lead to the root that was signed; the first that differs is at "
		       "position %" PRIu64 " or behind it",
		       v->sure);
	return SP_OK;
}

/* What a line is, against what may come now. */
static SpStatus
take_line(SpVerifier *v, const SpExportLine *line)
{
	if (v->expect == EXPECT_HEADER && line->kind == SP_EXPORT_HEADER)
		return take_header(v, &line->header);
	if (v->expect == EXPECT_ENTRY && line->kind == SP_EXPORT_ENTRY)
		return take_entry(v, &line->entry);
	if (v->expect == EXPECT_ENTRY && line->kind == SP_EXPORT_CHECKPOINT)
		return take_checkpoint(v, &line->checkpoint);
	report(v, SP_FOUND_BAD_LINE, NO_POSITION, "line %" PRIu64 ": %s", v->line,
	       v->expect == EXPECT_HEADER ? "the export does not begin with its header"
	       : v->expect == EXPECT_END  ? "there is something behind the export's checkpoint"
	                                  : "there is a second header");
	return lost(v);
}

SpStatus
sp_verifier_line(SpVerifier *v, const char *text, size_t n)
{
	SpExportLine line;
	SpFault fault;
	SpStatus st;

	if (v->expect == EXPECT_NOTHING)
		return SP_ERR_BAD_DATA;
	v->line++;
	st = sp_export_parse(v->env, text, n, &line, &fault);
	if (st == SP_ERR_NO_MEMORY)
		return st;
	if (st != SP_OK)
	{
		report(v, SP_FOUND_BAD_LINE, v->expect == EXPECT_ENTRY ? v->frontier.size : NO_POSITION,
		       "line %" PRIu64 ": %s", v->line, reason(&fault).text);
		return lost(v);
	}
	st = take_line(v, &line);
	sp_export_release(v->env, &line);
	return st;
}

SpStatus
sp_verifier_finish(SpVerifier *v, SpVerdict *verdict)
{
	SpStatus st = sp_merkle_root(v->sha, &v->frontier, &v->verdict.root);

	if (st != SP_OK)
		return st;
	v->line = 0;
	if (v->expect == EXPECT_HEADER || v->expect == EXPECT_ENTRY)
		report(v, SP_FOUND_INCOMPLETE, v->expect == EXPECT_ENTRY ? v->frontier.size : NO_POSITION,
		       "the export breaks off: its checkpoint is missing");
	/* behind a gap nobody can say what was there */
	for (; v->expect == EXPECT_END && v->next_outside < v->n_outside; v->next_outside++)
	{
		const Outside *o = &v->outside[v->next_outside];

		report(v, SP_FOUND_TAIL, v->frontier.size,
		       "%s is of size %" PRIu64 ": entries from position %" PRIu64 " to %" PRIu64
		       " are missing",
		       o->label, o->size, v->frontier.size, o->size - 1);
	}
	v->verdict.size = v->frontier.size;
	v->verdict.whole = v->verdict.n_findings == 0;
	*verdict = v->verdict;
	return SP_OK;
}
