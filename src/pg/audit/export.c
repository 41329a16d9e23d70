/*
 * src/pg/audit/export.c
 *	  The log as lines for spotai-verify (core/merkle/export.h).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "core/merkle/export.h"
#include "pg/audit/audit.h"
#include "pg/audit/key.h"
#include "pg/audit/read.h"
#include "pg/audit/seal.h"
#include "pg/audit/write.h"
#include "pg/identity/identity.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_audit_export);

typedef struct Export
{
	ReturnSetInfo *result;
	SpAuditTree tree;
	uint64 from;
	uint64 to;
} Export;

/* line has room for one more byte; it is freed. */
static void
put_line(Export *x, char *line, size_t n)
{
	Datum value;
	bool isnull = false;
	char *text;

	line[n] = '\0';
	text = pg_any_to_server(line, (int) n, PG_UTF8);
	value = CStringGetTextDatum(text);
	tuplestore_putvalues(x->result->setResult, x->result->setDesc, &value, &isnull);
	pfree(DatumGetPointer(value));
	if (text != line)
		pfree(text);
	pfree(line);
}

static void
put_header(Export *x, const char *origin)
{
	SpExportHeader header = {
		.origin = origin, .origin_length = strlen(origin), .from = x->from, .to = x->to};
	SpFault fault = {"A node of its tree is missing.",
	                 "SELECT * FROM spotai.audit_verify() says what is damaged."};
	char *line;
	size_t n;

	sp_pg_check(sp_merkle_frontier_load(&x->tree.store, x->from, &header.frontier), "audit log",
	            &fault);
	line = palloc(sp_export_header_size(&header) + 1);
	sp_pg_check(sp_export_header_print(&header, line, &n, &fault), "audit log", &fault);
	put_line(x, line, n);
}

/*
 * An entry that is missing is given out as what it is known by, so that the
 * verifier, to which it is not what was recorded, can name it.
 */
static void
put_entry(Export *x, const SpAuditRecord *record)
{
	SpExportEntry line = {.position = record->position,
	                      .entry = record->entry,
	                      .detail = record->found ? record->detail : NULL,
	                      .detail_length = record->detail_length,
	                      .leaf = record->leaf.leaf};
	SpFault fault = {"", ""};
	char *text;
	size_t n;

	if (!record->found)
	{
		memcpy(line.entry.id, record->leaf.id.data, SP_UUID_BYTES);
		memcpy(line.entry.tenant, record->leaf.tenant.data, SP_UUID_BYTES);
		line.entry.time_us = sp_audit_unix_us(record->leaf.occurred_at);
		line.entry.action = "(missing)";
		line.entry.action_length = strlen(line.entry.action);
		line.entry.object = "";
	}
	if (sp_export_entry_size(&line) > SP_EXPORT_MAX_LINE)
		line.detail = NULL;
	text = palloc(sp_export_entry_size(&line) + 1);
	sp_pg_check(sp_export_entry_print(&line, text, &n, &fault), "audit entry", &fault);
	put_line(x, text, n);
}

static void
put_entries(Export *x)
{
	SpAuditReader *reader = sp_audit_reader_open(&x->tree, x->from, x->to);
	SpAuditRecord record;

	while (sp_audit_reader_next(reader, &record))
		put_entry(x, &record);
	sp_audit_reader_close(reader);
}

/* The checkpoint of a size: what was signed then, or, for a size between two, what is signed now. */
static char *
checkpoint_of(Export *x)
{
	static SpQuery stored = {.text =
	                             "SELECT note FROM spotai.audit_checkpoint WHERE tree_size = $1",
	                         .nargs = 1,
	                         .types = {INT8OID}};
	Datum args[] = {Int64GetDatum((int64) x->to)};
	SpFault fault = {"A node of its tree is missing.",
	                 "SELECT * FROM spotai.audit_verify() says what is damaged."};
	SpMerkleFrontier frontier;
	SpDigest root;

	if (sp_pg_query(&stored, args, NULL, true) == 1)
		return sp_pg_column_text(0, 1);
	sp_pg_check(sp_merkle_frontier_load(&x->tree.store, x->to, &frontier), "audit log", &fault);
	return sp_audit_sign(sp_audit_signer(), &frontier, &root);
}

static void
put_checkpoint(Export *x, const char *note)
{
	SpExportCheckpoint checkpoint = {note, strlen(note)};
	SpFault fault = {"", ""};
	char *line = palloc(sp_export_checkpoint_size(&checkpoint) + 1);
	size_t n;

	sp_pg_check(sp_export_checkpoint_print(&checkpoint, line, &n, &fault), "checkpoint", &fault);
	put_line(x, line, n);
}

static void
check_range(int64 from, int64 to, uint64 sealed)
{
	if (from < 0 || from > to || (uint64) to > sealed)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("from_size and to_size must be from 0 to " UINT64_FORMAT
		                       ", the size of the log, in this order",
		                       sealed)));
}

/* The first line of a note. */
static char *
origin_of(const char *note)
{
	return pnstrdup(note, strcspn(note, "\n"));
}

/* Giving the log out is an event as well. */
static void
record_export(const Export *x)
{
	sp_audit_event("audit.export", psprintf(UINT64_FORMAT "-" UINT64_FORMAT, x->from, x->to),
	               (Datum) 0);
}

/* spotai.audit_export(from_size bigint, to_size bigint) returns setof text */
Datum
spotai_audit_export(PG_FUNCTION_ARGS)
{
	Export x = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
	char *note;

	sp_pg_require_tables();
	(void) sp_identity_permitted("audit:read");
	sp_audit_require_committed();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SPI_connect();
	check_range(PG_GETARG_INT64(0), PG_GETARG_INT64(1), sp_audit_sealed_size());
	x.from = (uint64) PG_GETARG_INT64(0);
	x.to = (uint64) PG_GETARG_INT64(1);
	sp_audit_tree_open(&x.tree, GetActiveSnapshot());
	note = checkpoint_of(&x);
	put_header(&x, origin_of(note));
	put_entries(&x);
	put_checkpoint(&x, note);
	sp_audit_tree_close(&x.tree);
	SPI_finish();
	record_export(&x);
	return (Datum) 0;
}
