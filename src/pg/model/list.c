/*
 * src/pg/model/list.c
 *	  What there is: models that can be used, models that can be had.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "core/model/catalogue.h"
#include "core/stems/classical.h"
#include "pg/model/model.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_models);
SPOTAI_FUNCTION(spotai_model_catalog);

/* Columns of spotai.models(). */
#define MODELS_COLUMNS 14

static Datum
text_array(const char *const *texts)
{
	Datum items[SP_MODEL_MAX_STEMS];
	int count = 0;

	while (count < SP_MODEL_MAX_STEMS && texts[count] != NULL)
	{
		items[count] = CStringGetTextDatum(texts[count]);
		count++;
	}
	return PointerGetDatum(construct_array(items, count, TEXTOID, -1, false, TYPALIGN_INT));
}

static Datum
bytes_of_hex(const char *hex)
{
	bytea *value = palloc(VARHDRSZ + SP_CATALOGUE_SHA256);

	SET_VARSIZE(value, VARHDRSZ + SP_CATALOGUE_SHA256);
	sp_catalogue_digest(hex, (uint8 *) VARDATA(value));
	return PointerGetDatum(value);
}

/* The built-in model: a row for each number of stems that it knows. */
static void
put_classical(ReturnSetInfo *result)
{
	for (int n = 1; n <= SP_MODEL_MAX_STEMS; n++)
	{
		Datum values[MODELS_COLUMNS] = {0};
		bool nulls[MODELS_COLUMNS];

		if (sp_classical_names(n) == NULL)
			continue;
		memset(nulls, true, sizeof(nulls));
		values[0] = CStringGetTextDatum(SP_MODEL_CLASSICAL);
		values[3] = text_array(sp_classical_names(n));
		values[11] = BoolGetDatum(true);
		nulls[0] = nulls[3] = nulls[11] = false;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/* All rows of the last query, as they are. */
static void
put_query(ReturnSetInfo *result, uint64 count)
{
	for (uint64 row = 0; row < count; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
}

/* The variants of the catalogue as arrays of name, base and params. */
static void
list_variants(Datum *arrays)
{
	size_t count;
	const SpCatalogueEntry *entries = sp_catalogue(&count);
	Datum *columns[3];
	int n = 0;

	for (int c = 0; c < 3; c++)
		columns[c] = palloc(sizeof(Datum) * count);
	for (size_t i = 0; i < count; i++)
	{
		if (entries[i].base == NULL)
			continue;
		columns[0][n] = CStringGetTextDatum(entries[i].name);
		columns[1][n] = CStringGetTextDatum(entries[i].base);
		columns[2][n] = CStringGetTextDatum(entries[i].params);
		n++;
	}
	for (int c = 0; c < 3; c++)
		arrays[c] =
			PointerGetDatum(construct_array(columns[c], n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* spotai.models() returns setof record */
Datum
spotai_models(PG_FUNCTION_ARGS)
{
	static SpQuery list = {
		.text =
			"WITH variant AS (SELECT * FROM unnest($1, $2, $3) v (name, base, params)),"
			" listed AS ("
			"  SELECT m.name, m.version, m.architecture, m.stems, m.sample_rate_hz, m.params,"
			"   m.dtype, m.parameters, m.bytes, m.licence, m.source, m.active,"
			"   NULL::text AS weights_of, m.created_at"
			"  FROM spotai.model m WHERE m.tenant_id = spotai.current_tenant()"
			"  UNION ALL"
			"  SELECT v.name, m.version, m.architecture, m.stems, m.sample_rate_hz,"
			"   m.params || v.params::jsonb, m.dtype, m.parameters, 0, m.licence, m.source, true,"
			"   m.name, m.created_at"
			"  FROM variant v JOIN spotai.model m ON m.name = v.base"
			"  WHERE m.tenant_id = spotai.current_tenant() AND m.active AND NOT EXISTS"
			"   (SELECT FROM spotai.model own WHERE own.tenant_id = m.tenant_id"
			"    AND own.name = v.name))"
			" SELECT name, version, architecture, stems, sample_rate_hz,"
			"  least(sample_rate_hz / 2, round((params ->> 'bins')::numeric * sample_rate_hz"
			"   / nullif((params ->> 'fft_size')::numeric, 0)))::integer,"
			"  dtype, parameters, bytes, licence, source, active, weights_of, created_at"
			" FROM listed ORDER BY name COLLATE \"C\", created_at, version COLLATE \"C\"",
		.nargs = 3,
		.types = {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID},
	};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum variants[3];

	sp_pg_require_tables();
	InitMaterializedSRF(fcinfo, 0);
	put_classical(result);
	SPI_connect();
	list_variants(variants);
	put_query(result, sp_pg_query(&list, variants, NULL, false));
	SPI_finish();
	return (Datum) 0;
}

/* Some version of it or of what it runs on, active or not. */
static bool
is_installed(const SpCatalogueEntry *entry)
{
	static SpQuery any = {
		.text = "SELECT FROM spotai.model WHERE tenant_id = spotai.current_tenant()"
				" AND name IN ($1, $2) LIMIT 1",
		.nargs = 2,
		.types = {TEXTOID, TEXTOID},
	};
	Datum args[] = {
		CStringGetTextDatum(entry->name),
		CStringGetTextDatum(entry->base ? entry->base : entry->name),
	};

	return sp_pg_query(&any, args, NULL, false) > 0;
}

/* How to get it, or what it needs; NULL for what is there. */
static char *
how_to_get(const SpCatalogueEntry *entry, bool installed)
{
	if (installed)
		return NULL;
	if (entry->base != NULL)
		return psprintf("install %s: this runs on its weights", entry->base);
	return psprintf("curl -fLO %s, check archive_sha256, then %s", entry->url,
	                sp_model_how_to_install(entry));
}

/* spotai.model_catalog() returns setof record */
Datum
spotai_model_catalog(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	size_t count;
	const SpCatalogueEntry *entries = sp_catalogue(&count);

	sp_pg_require_tables();
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	for (size_t i = 0; i < count; i++)
	{
		const SpCatalogueEntry *entry = &entries[i];
		bool installed = is_installed(entry);
		char *how = how_to_get(entry, installed);
		Datum values[] = {
			CStringGetTextDatum(entry->name),
			text_array(entry->stems),
			Int32GetDatum(entry->bandwidth_hz),
			CStringGetTextDatum(entry->licence),
			CStringGetTextDatum(entry->url),
			bytes_of_hex(entry->archive_sha256),
			Int64GetDatum(entry->bytes),
			bytes_of_hex(entry->sha256),
			BoolGetDatum(installed),
			how ? CStringGetTextDatum(how) : (Datum) 0,
		};
		bool nulls[lengthof(values)] = {[lengthof(values) - 1] = how == NULL};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	SPI_finish();
	return (Datum) 0;
}
