/*
 * src/pg/model/choose.c
 *	  Which model separates a track, and what to say when it cannot.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "core/model/catalogue.h"
#include "core/stems/classical.h"
#include "pg/model/model.h"
#include "pg/seam.h"
#include "pg/sql.h"

char *
sp_model_how_to_install(const SpCatalogueEntry *entry)
{
	const char *archive = strrchr(entry->url, '/') + 1;

	return psprintf("SELECT spotai.model_import('/path/to/%s', '%s');", archive,
	                entry->base ? entry->base : entry->name);
}

/* What there is: classical and the installed ones. */
static char *
existing_names(void)
{
	static SpQuery list = {
		.text = "SELECT DISTINCT name COLLATE \"C\" FROM spotai.model"
				" WHERE tenant_id = spotai.current_tenant() ORDER BY 1 LIMIT 20",
	};
	StringInfoData names;
	uint64 count = sp_pg_query(&list, NULL, NULL, false);

	initStringInfo(&names);
	appendStringInfoString(&names, SP_MODEL_CLASSICAL);
	for (uint64 i = 0; i < count; i++)
		appendStringInfo(&names, ", %s", sp_pg_column_text(i, 1));
	return names.data;
}

void
sp_model_missing(const char *name)
{
	const SpCatalogueEntry *entry = sp_catalogue_find(name);

	if (entry != NULL)
		ereport(ERROR,
		        (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("model \"%s\" is not installed", name),
		         entry->base ? errdetail("It runs on the weights of \"%s\".", entry->base) : 0,
		         errhint("Fetch %s and run %s", entry->url, sp_model_how_to_install(entry))));
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("model \"%s\" does not exist", name),
	                errhint("Models that exist: %s. spotai.model_catalog() lists others that can "
	                        "be installed.",
	                        existing_names())));
}

/* "2, 4 or 5": the numbers of stems that classical knows. */
static char *
classical_counts(void)
{
	StringInfoData text;
	int last = 0;

	initStringInfo(&text);
	for (int n = 1; n <= SP_MODEL_MAX_STEMS; n++)
		if (sp_classical_names(n) != NULL)
			last = n;
	for (int n = 1; n <= last; n++)
		if (sp_classical_names(n) != NULL)
			appendStringInfo(&text, "%s%d", text.len == 0 ? "" : n == last ? " or " : ", ", n);
	return text.data;
}

/* False for a number of stems that it does not know. */
static bool
take_classical(int stems, SpModelRow *out)
{
	const char *const *names = sp_classical_names(stems);

	if (names == NULL)
		return false;
	memset(out, 0, sizeof(*out));
	out->name = SP_MODEL_CLASSICAL;
	out->n_stems = stems;
	for (int i = 0; i < stems; i++)
		out->stems[i] = names[i];
	return true;
}

static Datum
names_array(Datum *names, int count)
{
	return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Names of architectures that fold, or of all; another library may have installed unknown ones. */
static Datum
architectures(bool folding)
{
	Datum *names;
	int count = 0, known = 0;

	while (sp_architectures[known] != NULL)
		known++;
	names = palloc(sizeof(Datum) * Max(known, 1));
	for (int i = 0; i < known; i++)
		if (!folding || sp_architectures[i]->folds)
			names[count++] = CStringGetTextDatum(sp_architectures[i]->name);
	return names_array(names, count);
}

/* Either all stems of the model, or vocals and the rest of one that folds. */
static bool
separates(const SpModelRow *row, int stems)
{
	const SpArchitecture *architecture = sp_architecture_find(row->architecture);

	return row->n_stems == stems || (stems == 2 && architecture != NULL && architecture->folds);
}

static void
take_named(const char *name, int stems, SpModelRow *out)
{
	if (strcmp(name, SP_MODEL_CLASSICAL) == 0)
	{
		if (!take_classical(stems, out))
			ereport(ERROR,
			        (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			         errmsg("model \"%s\" cannot separate %d stems", name, stems),
			         errhint("It separates %s: pass stems => one of these.", classical_counts())));
		return;
	}
	if (strcmp(name, SP_MODEL_BASE) == 0)
		sp_model_ensure_base();
	sp_model_get(name, NULL, out);
	if (!separates(out, stems))
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		         errmsg("model \"%s\" cannot separate %d stems", name, stems),
		         separates(out, 2) && out->n_stems != 2
		             ? errhint("It separates 2 or %d: pass stems => one of these.", out->n_stems)
		             : errhint("It separates %d: pass stems => %d.", out->n_stems, out->n_stems)));
}

/* The setting's model, where it is one of this number of stems. */
static bool
take_fallback(const char *name, int stems, SpModelRow *out)
{
	if (name == NULL || name[0] == '\0')
		return false;
	if (strcmp(name, SP_MODEL_CLASSICAL) == 0)
		return take_classical(stems, out);
	if (strcmp(name, SP_MODEL_BASE) == 0)
		sp_model_ensure_base();
	if (!sp_model_find(name, NULL, out))
		ereport(ERROR,
		        (errcode(ERRCODE_UNDEFINED_OBJECT),
		         errmsg("model \"%s\" of the setting spotai.stems_model is not installed or not "
		                "active",
		                name),
		         errhint("Install it, name another model, or leave the setting empty; "
		                 "spotai.models() lists what there is.")));
	return separates(out, stems);
}

/* Names of the catalogue, the better ones first. */
static Datum
ranked_names(void)
{
	size_t count;
	const SpCatalogueEntry *entries = sp_catalogue(&count);
	Datum *names = palloc(sizeof(Datum) * count);

	for (size_t i = 0; i < count; i++)
		names[i] = CStringGetTextDatum(entries[i].name);
	return names_array(names, (int) count);
}

static bool
take_best(int stems, SpModelRow *out)
{
	static SpQuery best = {
		.text = "SELECT name FROM spotai.model,"
				" LATERAL (SELECT avg(value::text::float8) AS sdr_db FROM jsonb_each("
				"  CASE jsonb_typeof(metrics -> 'sdr') WHEN 'object' THEN metrics -> 'sdr' END)"
				"  WHERE jsonb_typeof(value) = 'number') quality"
				" WHERE tenant_id = spotai.current_tenant() AND active AND architecture = ANY ($3)"
				" AND (cardinality(stems) = $1 OR $1 = 2 AND architecture = ANY ($4))"
				" ORDER BY sdr_db DESC NULLS LAST, name = '" SP_MODEL_BASE
				"', array_position($2, name) NULLS LAST,"
				" created_at DESC, name COLLATE \"C\" LIMIT 1",
		.nargs = 4,
		.types = {INT4OID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID},
	};
	Datum args[] = {Int32GetDatum(stems), ranked_names(), architectures(false),
	                architectures(true)};

	if (sp_pg_query(&best, args, NULL, false) == 0)
		return false;
	return sp_model_find(sp_pg_column_text(0, 1), NULL, out);
}

/*
 * The network that comes with the extension, for a tenant that never had it.
 * There is no silent way past weights that are missing or damaged: who wants
 * classical instead says so.
 */
static bool
take_base(int stems, SpModelRow *out)
{
	if (stems != 2 && stems != 4)
		return false;
	sp_model_ensure_base();
	return sp_model_find(SP_MODEL_BASE, NULL, out) && separates(out, stems);
}

/* A network that another version of the library knows. */
static void
check_architecture(const SpModelRow *row)
{
	if (row->architecture != NULL && sp_architecture_find(row->architecture) == NULL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("model \"%s\" has the architecture \"%s\", which this version of "
		                       "spotai does not know",
		                       row->name, row->architecture)));
}

void
sp_model_choose(const char *name, const char *fallback, int stems, SpModelRow *out)
{
	if (name != NULL)
		take_named(name, stems, out);
	else if (!take_fallback(fallback, stems, out) && !take_best(stems, out) &&
	         !take_base(stems, out) && !take_classical(stems, out))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("a track cannot be separated into %d stems", stems),
		                errhint("Use %s stems.", classical_counts())));
	check_architecture(out);
}
