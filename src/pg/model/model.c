/*
 * src/pg/model/model.c
 *	  Rows of models: finding, activating, dropping.
 *
 * A name means its active version.  Who changes what a name means holds an
 * advisory lock on the name until the end of the transaction, so that of two
 * concurrent imports the later one is active, and neither fails on the other.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "core/model/catalogue.h"
#include "pg/audit/audit.h"
#include "pg/identity/identity.h"
#include "pg/model/model.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_model_activate);
SPOTAI_FUNCTION(spotai_model_drop);

/* As long as an identifier, and safe in a hint, a file name, a shell. */
#define NAME_MAX_BYTES 63

static bool
is_name(const char *text)
{
	static const char begins[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	static const char goes_on[] = "._:+-";
	size_t length = strlen(text);

	if (length < 1 || length > NAME_MAX_BYTES || strchr(begins, text[0]) == NULL)
		return false;
	for (size_t i = 1; i < length; i++)
		if (strchr(begins, text[i]) == NULL && strchr(goes_on, text[i]) == NULL)
			return false;
	return true;
}

void
sp_model_check_name(const char *name)
{
	if (!is_name(name))
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		         errmsg("invalid model name \"%s\"", name),
		         errhint("Use 1 to 63 letters, digits and . _ : + - and begin with a letter or a "
		                 "digit, for example spleeter:4stems.")));
	if (strcmp(name, SP_MODEL_CLASSICAL) == 0)
		ereport(ERROR, (errcode(ERRCODE_RESERVED_NAME),
		                errmsg("model \"%s\" is built in", SP_MODEL_CLASSICAL),
		                errhint("Choose another name.")));
}

void
sp_model_check_version(const char *version)
{
	if (!is_name(version))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("invalid model version \"%s\"", version),
		                errhint("Use 1 to 63 letters, digits and . _ : + - and begin with a letter "
		                        "or a digit, for example 1.4.0.")));
}

/* The names of the outputs, from a text[] of a user's table. */
static void
take_stems(ArrayType *array, SpModelRow *out)
{
	Datum *names;
	bool *nulls;
	int count;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	out->n_stems = Min(count, SP_MODEL_MAX_STEMS);
	for (int i = 0; i < out->n_stems; i++)
		out->stems[i] = nulls[i] ? "" : TextDatumGetCString(names[i]);
}

/* Row 0 of the query in find_row. */
static void
take_row(SpModelRow *out)
{
	bool isnull;
	bytea *sha256;

	out->id = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
	out->name = sp_pg_column_text(0, 2);
	out->version = sp_pg_column_text(0, 3);
	out->architecture = sp_pg_column_text(0, 4);
	out->params = sp_pg_column_text(0, 5);
	take_stems(DatumGetArrayTypePCopy(sp_pg_column(0, 6, &isnull)), out);
	out->sample_rate_hz = DatumGetInt32(sp_pg_column(0, 7, &isnull));
	out->licence = sp_pg_column_text(0, 8);
	out->source = sp_pg_column_text(0, 9);
	sha256 = DatumGetByteaPP(sp_pg_column(0, 10, &isnull));
	memcpy(out->sha256, VARDATA_ANY(sha256),
	       Min(VARSIZE_ANY_EXHDR(sha256), PG_SHA256_DIGEST_LENGTH));
	out->parameters = DatumGetInt64(sp_pg_column(0, 11, &isnull));
}

/* params is JSON that is laid over the row's. */
static bool
find_row(const char *name, const char *version, const char *params, SpModelRow *out)
{
	static SpQuery find = {
		.text = "SELECT id, name, version, architecture, (params || $3::jsonb)::text, stems,"
				" sample_rate_hz, licence, source, sha256, parameters FROM spotai.model"
				" WHERE tenant_id = spotai.current_tenant() AND name = $1"
				" AND CASE WHEN $2 IS NULL THEN active ELSE version = $2 END",
		.nargs = 3,
		.types = {TEXTOID, TEXTOID, TEXTOID},
	};
	Datum args[] = {
		CStringGetTextDatum(name),
		version ? CStringGetTextDatum(version) : (Datum) 0,
		CStringGetTextDatum(params),
	};
	const char nulls[] = {' ', version ? ' ' : 'n', ' '};

	if (sp_pg_query(&find, args, nulls, false) == 0)
		return false;
	memset(out, 0, sizeof(*out));
	take_row(out);
	return true;
}

static bool
has_versions(const char *name)
{
	static SpQuery any = {
		.text = "SELECT FROM spotai.model WHERE tenant_id = spotai.current_tenant() AND name = $1"
				" LIMIT 1",
		.nargs = 1,
		.types = {TEXTOID},
	};

	return sp_pg_query(&any, (Datum[]){CStringGetTextDatum(name)}, NULL, false) > 0;
}

bool
sp_model_find(const char *name, const char *version, SpModelRow *out)
{
	const SpCatalogueEntry *entry;

	if (find_row(name, version, "{}", out))
		return true;
	entry = sp_catalogue_find(name);
	if (entry == NULL || entry->base == NULL || has_versions(name) ||
	    !find_row(entry->base, version, entry->params, out))
		return false;
	out->name = entry->name;
	return true;
}

void
sp_model_get(const char *name, const char *version, SpModelRow *out)
{
	if (sp_model_find(name, version, out))
		return;
	if (!has_versions(name))
		sp_model_missing(name);
	if (version != NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
		                errmsg("model \"%s\" has no version \"%s\"", name, version),
		                errhint("SELECT name, version FROM spotai.models();")));
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
	                errmsg("no version of model \"%s\" is active", name),
	                errhint("SELECT spotai.model_activate('%s');", name)));
}

void
sp_model_lock(const char *name)
{
	static SpQuery lock = {
		.text = "SELECT pg_advisory_xact_lock(hashtextextended("
				"'spotai.model ' || spotai.current_tenant() || ' ' || $1, 0))",
		.nargs = 1,
		.types = {TEXTOID},
	};

	sp_pg_query(&lock, (Datum[]){CStringGetTextDatum(name)}, NULL, false);
}

void
sp_model_set_active(const char *name, const char *version)
{
	/* two statements: one alone would have two active versions for a moment */
	static SpQuery others = {
		.text = "UPDATE spotai.model SET active = false, updated_at = now()"
				" WHERE tenant_id = spotai.current_tenant() AND name = $1 AND active"
				" AND version <> $2",
		.nargs = 2,
		.types = {TEXTOID, TEXTOID},
	};
	static SpQuery chosen = {
		.text = "UPDATE spotai.model SET active = true, updated_at = now()"
				" WHERE tenant_id = spotai.current_tenant() AND name = $1 AND NOT active"
				" AND version = $2",
		.nargs = 2,
		.types = {TEXTOID, TEXTOID},
	};
	Datum args[] = {CStringGetTextDatum(name), CStringGetTextDatum(version)};

	sp_pg_query(&others, args, NULL, false);
	sp_pg_query(&chosen, args, NULL, false);
}

/* The version that was imported last; raises 42704 when there is none. */
static char *
newest_version(const char *name, uint64 *count)
{
	static SpQuery list = {
		.text = "SELECT version FROM spotai.model WHERE tenant_id = spotai.current_tenant()"
				" AND name = $1 ORDER BY created_at DESC, version COLLATE \"C\" DESC",
		.nargs = 1,
		.types = {TEXTOID},
	};

	*count = sp_pg_query(&list, (Datum[]){CStringGetTextDatum(name)}, NULL, false);
	if (*count == 0)
		sp_model_missing(name);
	return sp_pg_column_text(0, 1);
}

/* Argument 0, checked; connects to SPI and locks the name. */
static char *
begin_change(FunctionCallInfo fcinfo)
{
	char *name;

	sp_pg_require_tables();
	sp_identity_require_permission("model:write");
	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("name must not be null")));
	SPI_connect();
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	sp_model_check_name(name);
	sp_model_lock(name);
	return name;
}

/* spotai.model_activate(name text, version text) returns text */
Datum
spotai_model_activate(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	char *name = begin_change(fcinfo);
	uint64 count;
	char *version = newest_version(name, &count);
	SpModelRow row;
	text *result;

	if (!PG_ARGISNULL(1))
		version = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (!find_row(name, version, "{}", &row))
		sp_model_get(name, version, &row);
	sp_model_set_active(name, version);
	sp_audit_event("model.activate", psprintf("%s %s", name, version), (Datum) 0);
	MemoryContextSwitchTo(caller);
	result = cstring_to_text(version);
	SPI_finish();
	PG_RETURN_TEXT_P(result);
}

static void
delete_row(const SpModelRow *row)
{
	static SpQuery delete = {
		.text = "DELETE FROM spotai.model WHERE tenant_id = spotai.current_tenant() AND id = $1",
		.nargs = 1,
		.types = {UUIDOID},
	};

	sp_pg_query(&delete, (Datum[]){UUIDPGetDatum(&row->id)}, NULL, false);
}

/* spotai.model_drop(name text, version text) returns void */
Datum
spotai_model_drop(PG_FUNCTION_ARGS)
{
	char *name = begin_change(fcinfo);
	uint64 count;
	char *version = newest_version(name, &count);
	SpModelRow active;
	SpModelRow row;

	if (!PG_ARGISNULL(1))
		version = text_to_cstring(PG_GETARG_TEXT_PP(1));
	else if (count > 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("model \"%s\" has several versions", name),
		                errhint("Name the one to drop, for example version => '%s'.", version)));
	if (!find_row(name, version, "{}", &row))
		sp_model_get(name, version, &row);
	if (count > 1 && find_row(name, NULL, "{}", &active) && strcmp(active.version, version) == 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
		                errmsg("version \"%s\" of model \"%s\" is active", version, name),
		                errhint("Make another one active first, with spotai.model_activate().")));
	delete_row(&row);
	sp_audit_event("model.drop", psprintf("%s %s", name, version), (Datum) 0);
	SPI_finish();
	PG_RETURN_VOID();
}
