/*
 * src/pg/model/export.c
 *	  Models on their way out: rows become a safetensors file.
 *
 * The file has f32 numbers also for a model that is stored as bf16: nothing is
 * rounded, and importing it with dtype => 'bf16' gives the same rows again.
 * Its metadata holds what the tables know, under keys that begin with
 * "spotai.", so that an import elsewhere needs no argument.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "core/model/weights.h"
#include "pg/audio/audio.h"
#include "pg/audit/audit.h"
#include "pg/file.h"
#include "pg/model/model.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_model_export);
SPOTAI_FUNCTION(spotai_model_content);

/* Pairs of key and value, at most, and the NULL that ends them. */
#define MAX_METADATA (2 * 6 + 1)

static void
add(const char **list, const char *key, const char *value)
{
	int n = 0;

	if (value == NULL)
		return;
	while (list[n] != NULL)
		n++;
	list[n] = key;
	list[n + 1] = pg_server_to_any(value, strlen(value), PG_UTF8);
}

/* The model as the content of a safetensors file. */
static SpSpool *
export_model(const SpModelRow *row)
{
	const char *metadata[MAX_METADATA] = {NULL};
	const SpTensorSource *tensors = sp_model_tensors(row);
	SpSpool *spool = sp_audio_new_spool();
	SpFault fault = {0};
	SpStatus st;

	add(metadata, "spotai.name", row->name);
	add(metadata, "spotai.version", row->version);
	add(metadata, "spotai.architecture", row->architecture);
	add(metadata, "spotai.params", row->params);
	add(metadata, "spotai.licence", row->licence);
	add(metadata, "spotai.source", row->source);
	st = sp_safetensors_write(sp_pg_env(), spool, tensors, SP_DTYPE_F32, metadata, &fault);
	sp_model_check_tensors(tensors);
	sp_pg_check(st, "exported model", &fault);
	return spool;
}

/* Arguments name and version; connects to SPI. */
static void
find_model(FunctionCallInfo fcinfo, int version_arg, SpModelRow *row)
{
	char *name;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("name must not be null")));
	sp_pg_require_tables();
	SPI_connect();
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (strcmp(name, SP_MODEL_CLASSICAL) == 0)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
		                errmsg("model \"%s\" is built in and has no weights", name)));
	sp_model_get(name,
	             PG_ARGISNULL(version_arg) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(version_arg)),
	             row);
}

/* spotai.model_export(name text, path text, version text, overwrite boolean) returns bigint */
Datum
spotai_model_export(PG_FUNCTION_ARGS)
{
	char *path;
	SpModelRow row;
	SpSpool *content;
	int64 size;

	if (PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("path must not be null")));
	path = text_to_cstring(PG_GETARG_TEXT_PP(1));
	sp_pg_check_write_path(path, "fetch the content with spotai.model_content()");
	find_model(fcinfo, 2, &row);
	content = export_model(&row);
	size = sp_spool_size(content);
	sp_pg_write_file(path, content, !PG_ARGISNULL(3) && PG_GETARG_BOOL(3));
	sp_audit_event("model.export", psprintf("%s %s", row.name, row.version), (Datum) 0);
	SPI_finish();
	PG_RETURN_INT64(size);
}

/* spotai.model_content(name text, version text) returns bytea */
Datum
spotai_model_content(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	SpModelRow row;
	SpSpool *content;
	int64 size;
	bytea *value;
	size_t got;

	find_model(fcinfo, 1, &row);
	content = export_model(&row);
	size = sp_spool_size(content);
	if (size > MaxAllocSize - VARHDRSZ)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("a model of " INT64_FORMAT " bytes does not fit in a value", size),
		                errhint("Write it to a file with spotai.model_export().")));
	value = MemoryContextAlloc(caller, VARHDRSZ + size);
	SET_VARSIZE(value, VARHDRSZ + size);
	sp_pg_check(sp_spool_read(content, 0, VARDATA(value), size, &got), "temporary file", NULL);
	SPI_finish();
	PG_RETURN_BYTEA_P(value);
}
