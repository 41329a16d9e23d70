/*
 * src/pg/model/import.c
 *	  Models on their way in: weights of others become rows.
 *
 * In this order: open the file and believe nothing in it, recognise the
 * network, check names and shapes of all tensors, read all numbers once for
 * checksums and for what is not finite, and only then write.  The transaction
 * makes it all or nothing; reading first spares the tables the dead rows of a
 * file that is broken at its end.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <sys/stat.h>

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "storage/fd.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"

#include "pg/file.h"
#include "pg/identity/identity.h"
#include "pg/model/import.h"
#include "pg/model/model.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_model_import);
SPOTAI_FUNCTION(spotai_model_import_file);

/* Far above any network's number of tensors; a directory of a million names is an attack. */
#define MAX_TENSORS 100000

/*
 * Descriptors that reading an archive takes at the same time: the archive, the
 * index, the data, and one for the library that unpacks.
 */
#define WEIGHTS_DESCRIPTORS 4

/* Largest weights that are accepted, in bytes, after unpacking. */
static double model_max_bytes = 4.0 * 1024 * 1024 * 1024;

void
sp_model_init(void)
{
	DefineCustomRealVariable("spotai.model_max_bytes",
	                         "Largest weights of a model that are accepted, after unpacking.",
	                         "Applies to new models only.", &model_max_bytes, model_max_bytes, 1,
	                         1e15, PGC_SUSET, GUC_UNIT_BYTE, NULL, NULL, NULL);
	sp_model_base_init();
}

/* ---- arguments ---- */

static char *
text_argument(FunctionCallInfo fcinfo, int arg)
{
	return PG_ARGISNULL(arg) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(arg));
}

static SpDtype
find_dtype(const char *name)
{
	if (name == NULL || strcmp(name, "f32") == 0)
		return SP_DTYPE_F32;
	if (strcmp(name, "bf16") == 0)
		return SP_DTYPE_BF16;
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown dtype \"%s\"", name),
	                errhint("Use f32, or bf16 for half the size.")));
}

/* Everything that can be wrong without opening the file. */
static SpImport *
begin_import(FunctionCallInfo fcinfo, const char *what)
{
	SpImport *import = palloc0(sizeof(SpImport));

	sp_pg_require_tables();
	sp_identity_require_permission("model:write");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
		        (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", what)));
	import->name = text_argument(fcinfo, 1);
	import->architecture = sp_import_architecture(text_argument(fcinfo, 2));
	import->version = text_argument(fcinfo, 3);
	import->params = PG_ARGISNULL(4) ? NULL : PG_GETARG_JSONB_P(4);
	import->licence = text_argument(fcinfo, 5);
	import->source = text_argument(fcinfo, 6);
	import->dtype = find_dtype(text_argument(fcinfo, 7));
	import->activate = PG_ARGISNULL(8) || PG_GETARG_BOOL(8);
	if (import->name != NULL)
		sp_model_check_name(import->name);
	if (import->version != NULL)
		sp_model_check_version(import->version);
	if (import->params != NULL)
		sp_import_check_params(import->params, "params");
	return import;
}

/* ---- opening ---- */

static void
release_weights(void *weights)
{
	sp_weights_free(weights);
}

static void
release_descriptors(void *unused)
{
	for (int i = 0; i < WEIGHTS_DESCRIPTORS; i++)
		ReleaseExternalFD();
}

static void
reserve_descriptors(void)
{
	for (int i = 0; i < WEIGHTS_DESCRIPTORS; i++)
	{
		if (AcquireExternalFD())
			continue;
		while (i-- > 0)
			ReleaseExternalFD();
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
		                errmsg("too many open files to read a model: %m")));
	}
	sp_pg_own(NULL, release_descriptors);
}

static SpWeightsLimits
weights_limits(void)
{
	char *directory = palloc(MAXPGPATH);

	sp_pg_temporary_directory(directory);
	return (SpWeightsLimits){
		.max_bytes = (int64) model_max_bytes, .max_tensors = MAX_TENSORS, .temp_dir = directory};
}

/*
 * Where weights come from: a path, or a spool that holds a file's bytes.  When
 * the http room can fetch a URL into a spool, that spool comes in here too,
 * and nothing behind this line changes.
 */
static void
open_weights(SpImport *import, const char *path, SpSpool *spool)
{
	SpWeightsLimits limits = weights_limits();
	SpFault fault = {0};
	SpStatus st;

	reserve_descriptors();
	if (path != NULL)
		st = sp_weights_open_path(sp_pg_env(), path, &limits, &import->weights, &fault);
	else
		st = sp_weights_open_spool(sp_pg_env(), spool, &limits, &import->weights, &fault);
	sp_pg_check(st, "model file", &fault);
	sp_pg_own(import->weights, release_weights);
	import->tensors = sp_weights_tensors(import->weights);
}

/* ---- storing ---- */

static Datum
digest_datum(const uint8 *sha256)
{
	bytea *digest = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);

	SET_VARSIZE(digest, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	memcpy(VARDATA(digest), sha256, PG_SHA256_DIGEST_LENGTH);
	return PointerGetDatum(digest);
}

/* The id that this name and version have, when they have these weights; 42710 for others. */
static bool
find_same(const SpImport *import, pg_uuid_t *id)
{
	static SpQuery find = {
		.text = "SELECT id, sha256 = $3 AND dtype = $4 AND params = $5 FROM spotai.model"
				" WHERE tenant_id = spotai.current_tenant() AND name = $1 AND version = $2",
		.nargs = 5,
		.types = {TEXTOID, TEXTOID, BYTEAOID, TEXTOID, JSONBOID},
	};
	Datum args[] = {
		CStringGetTextDatum(import->name), CStringGetTextDatum(import->version),
		digest_datum(import->sha256),      CStringGetTextDatum(sp_dtype_name(import->dtype)),
		JsonbPGetDatum(import->resolved),
	};
	bool isnull;

	if (sp_pg_query(&find, args, NULL, false) == 0)
		return false;
	*id = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
	if (!DatumGetBool(sp_pg_column(0, 2, &isnull)))
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
		                errmsg("model \"%s\" version \"%s\" exists already", import->name,
		                       import->version),
		                errdetail("It has other weights, another dtype or other parameters."),
		                errhint("Pass another version, or drop it with spotai.model_drop().")));
	ereport(NOTICE, (errmsg("model \"%s\" version \"%s\" is installed already", import->name,
	                        import->version)));
	return true;
}

/* This version of it, whatever its weights. */
static bool
is_installed(const SpImport *import)
{
	static SpQuery find = {
		.text = "SELECT FROM spotai.model"
				" WHERE tenant_id = spotai.current_tenant() AND name = $1 AND version = $2",
		.nargs = 2,
		.types = {TEXTOID, TEXTOID},
	};
	Datum args[] = {CStringGetTextDatum(import->name), CStringGetTextDatum(import->version)};

	return sp_pg_query(&find, args, NULL, false) > 0;
}

/* {"sdr": {...}, "sdr_source": ...} as published, {} where nothing is. */
static Datum
published_metrics(const SpImport *import)
{
	const SpCatalogueEntry *entry = import->released;
	StringInfoData text;

	if (entry == NULL || entry->sdr == NULL)
		return JsonbPGetDatum(sp_import_jsonb("{}"));
	initStringInfo(&text);
	appendStringInfoString(&text, "{\"sdr\": {");
	for (const SpCatalogueSdr *sdr = entry->sdr; sdr->stem != NULL; sdr++)
		appendStringInfo(&text, "%s\"%s\": %.2f", sdr == entry->sdr ? "" : ", ", sdr->stem,
		                 sdr->sdr_db);
	appendStringInfo(&text, "}, \"sdr_source\": \"%s\"}", entry->sdr_source);
	return JsonbPGetDatum(sp_import_jsonb(text.data));
}

static Datum
stems_array(const SpModelSpec *spec)
{
	Datum names[SP_MODEL_MAX_STEMS];

	for (int i = 0; i < spec->stems; i++)
		names[i] = CStringGetTextDatum(spec->names[i]);
	return PointerGetDatum(construct_array(names, spec->stems, TEXTOID, -1, false, TYPALIGN_INT));
}

static Datum
optional_text(const char *text)
{
	return text ? CStringGetTextDatum(text) : (Datum) 0;
}

static void
insert_model(const SpImport *import, pg_uuid_t *id)
{
	static SpQuery insert = {
		.text = "INSERT INTO spotai.model (tenant_id, name, version, architecture, params, stems,"
				" sample_rate_hz, licence, source, format, sha256, dtype, parameters, bytes,"
				" metrics) VALUES (spotai.current_tenant(), $1, $2, $3, $4, $5, $6, $7, $8, $9,"
				" $10, $11, $12, $13, $14) RETURNING id",
		.nargs = 14,
		.types = {TEXTOID, TEXTOID, TEXTOID, JSONBOID, TEXTARRAYOID, INT4OID, TEXTOID, TEXTOID,
	              TEXTOID, BYTEAOID, TEXTOID, INT8OID, INT8OID, JSONBOID},
	};
	SpModelSize size = sp_model_measure(import->tensors, import->dtype);
	Datum args[] = {
		CStringGetTextDatum(import->name),
		CStringGetTextDatum(import->version),
		CStringGetTextDatum(import->architecture->name),
		JsonbPGetDatum(import->resolved),
		stems_array(&import->spec),
		Int32GetDatum(import->spec.sample_rate_hz),
		optional_text(import->licence),
		optional_text(import->source),
		CStringGetTextDatum(sp_weights_format(import->weights)),
		digest_datum(import->sha256),
		CStringGetTextDatum(sp_dtype_name(import->dtype)),
		Int64GetDatum(size.parameters),
		Int64GetDatum(size.bytes),
		published_metrics(import),
	};
	const char nulls[] = {
		' ', ' ', ' ', ' ', ' ', ' ', import->licence ? ' ' : 'n', import->source ? ' ' : 'n',
		' ', ' ', ' ', ' ', ' ', ' '};
	bool isnull;

	sp_pg_query(&insert, args, nulls, false);
	*id = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
}

/* From open weights to rows: what both ways in share. */
static void
import_model(SpImport *import, pg_uuid_t *id)
{
	sp_import_identify(import);
	sp_import_resolve(import);
	sp_model_lock(import->name);
	if (!find_same(import, id))
	{
		sp_import_warn_of_others(import);
		sp_model_verify(import->tensors);
		insert_model(import, id);
		sp_model_store_tensors(UUIDPGetDatum(id), import->tensors, import->dtype);
	}
	if (import->activate)
		sp_model_set_active(import->name, import->version);
}

/* A file or a folder: what else has a name, a FIFO for one, could block the backend for ever. */
static void
check_kind(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not open \"%s\": %m", path)));
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
		                errmsg("\"%s\" is neither a file nor a folder", path)));
}

/* spotai.model_import(path text, ...) returns uuid */
Datum
spotai_model_import_file(PG_FUNCTION_ARGS)
{
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));
	SpImport *import = begin_import(fcinfo, "path");
	char *path = text_to_cstring(PG_GETARG_TEXT_PP(0));

	sp_pg_check_read_path(path, "send the content to spotai.model_import()");
	check_kind(path);
	SPI_connect();
	open_weights(import, path, NULL);
	import_model(import, id);
	SPI_finish();
	PG_RETURN_UUID_P(id);
}

bool
sp_model_import_shipped(const char *path, const char *name)
{
	SpImport *import = palloc0(sizeof(SpImport));
	pg_uuid_t id;

	import->activate = true;
	open_weights(import, path, NULL);
	sp_import_identify(import);
	if (strcmp(import->name, name) != 0)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
		                errmsg("\"%s\" holds the model \"%s\" instead of \"%s\"", path,
		                       import->name, name)));
	sp_model_lock(import->name);
	if (is_installed(import))
		return false;
	import_model(import, &id);
	return true;
}

static void
release_spool(void *spool)
{
	sp_spool_free(spool);
}

/* spotai.model_import(content bytea, ...) returns uuid */
Datum
spotai_model_import(PG_FUNCTION_ARGS)
{
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));
	SpImport *import = begin_import(fcinfo, "content");
	bytea *content;
	SpSpool *spool;

	content = PG_GETARG_BYTEA_PP(0);
	SPI_connect();
	sp_pg_check(
		sp_spool_new_memory(sp_pg_env(), VARDATA_ANY(content), VARSIZE_ANY_EXHDR(content), &spool),
		"model file", NULL);
	sp_pg_own(spool, release_spool);
	open_weights(import, NULL, spool);
	import_model(import, id);
	SPI_finish();
	PG_RETURN_UUID_P(id);
}
