/*
 * src/pg/model/recognise.c
 *	  Which network these weights are, and with which hyper-parameters.
 *
 * What the user leaves out is taken from the file (our own exports say what
 * they are) and then from the catalogue, which knows released weights by
 * their SHA-256.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "pg/audio/audio.h"
#include "pg/model/import.h"
#include "pg/model/model.h"
#include "pg/seam.h"

void
sp_import_check_params(Jsonb *params, const char *whose)
{
	if (!JB_ROOT_IS_OBJECT(params))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("%s must be a JSON object", whose),
		                errhint("For example {\"bins\": 1536}.")));
}

const SpArchitecture *
sp_import_architecture(const char *name)
{
	const SpArchitecture *found = name ? sp_architecture_find(name) : NULL;
	StringInfoData known;

	if (name == NULL || found != NULL)
		return found;
	initStringInfo(&known);
	for (int i = 0; sp_architectures[i] != NULL; i++)
		appendStringInfo(&known, "%s%s", i > 0 ? ", " : "", sp_architectures[i]->name);
	ereport(ERROR,
	        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown architecture \"%s\"", name),
	         errhint("Architectures that exist: %s.", known.data)));
}

/* A value of our own exports' metadata, or NULL. */
static char *
metadata(const SpImport *import, const char *key)
{
	const char *value = sp_weights_metadata(import->weights, key);

	return value ? pg_any_to_server(value, strlen(value), PG_UTF8) : NULL;
}

void
sp_import_identify(SpImport *import)
{
	sp_audio_hash(sp_weights_payload(import->weights), import->sha256);
	import->released = sp_catalogue_recognise(import->sha256);
	if (import->name == NULL)
		import->name = metadata(import, "spotai.name");
	if (import->name == NULL && import->released != NULL)
		import->name = pstrdup(import->released->name);
	if (import->name == NULL)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the model needs a name"),
		         errdetail("The weights do not tell one, and no release is known that has them."),
		         errhint("Pass name => 'my-model', for example.")));
	if (import->version == NULL)
		import->version = metadata(import, "spotai.version");
	if (import->version == NULL)
		import->version = pstrdup("1");
	sp_model_check_name(import->name);
	sp_model_check_version(import->version);
}

static void
find_origin(SpImport *import)
{
	if (import->licence == NULL)
		import->licence = metadata(import, "spotai.licence");
	if (import->source == NULL)
		import->source = metadata(import, "spotai.source");
	if (import->released == NULL)
		return;
	if (import->licence == NULL)
		import->licence = pstrdup(import->released->licence);
	if (import->source == NULL)
		import->source = pstrdup(import->released->url);
}

/* A name that people know should mean what they know; fine-tuned weights are welcome, silence is not. */
void
sp_import_warn_of_others(const SpImport *import)
{
	const SpCatalogueEntry *named = sp_catalogue_find(import->name);
	uint8 expected[PG_SHA256_DIGEST_LENGTH];

	if (named == NULL || metadata(import, "spotai.architecture") != NULL)
		return;
	sp_catalogue_digest(named->sha256, expected);
	if (memcmp(expected, import->sha256, sizeof(expected)) != 0)
		ereport(WARNING, (errmsg("these are not the released weights of \"%s\"", named->name),
		                  errdetail("The SHA-256 of the released ones is %s.", named->sha256)));
}

static void
choose_architecture(SpImport *import)
{
	if (import->architecture == NULL)
		import->architecture = sp_import_architecture(metadata(import, "spotai.architecture"));
	if (import->architecture == NULL)
		import->architecture = sp_architecture_recognise(import->tensors);
	if (import->architecture == NULL)
		ereport(ERROR,
		        (errcode(ERRCODE_DATA_EXCEPTION), errmsg("no known network has these tensors"),
		         errdetail("There are %zu of them, the first is \"%s\".", import->tensors->count,
		                   import->tensors->count > 0 ? import->tensors->tensors[0].name : ""),
		         errhint("Pass architecture => ... to learn which tensor is missing.")));
}

Jsonb *
sp_import_jsonb(const char *text)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

static Jsonb *
lay_over(Jsonb *below, Jsonb *above)
{
	if (below == NULL || above == NULL)
		return below ? below : above;
	return DatumGetJsonbP(
		DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(below), JsonbPGetDatum(above)));
}

/* Hyper-parameters that somebody gives: the file, then the catalogue's entry of this name, then the user. */
static Jsonb *
given_params(const SpImport *import)
{
	const SpCatalogueEntry *named = sp_catalogue_find(import->name);
	char *in_file = metadata(import, "spotai.params");
	Jsonb *params = NULL;

	if (in_file != NULL)
	{
		params = sp_import_jsonb(in_file);
		sp_import_check_params(params, "spotai.params in the file");
	}
	if (named != NULL && named->params != NULL)
		params = lay_over(params, sp_import_jsonb(named->params));
	return lay_over(params, import->params);
}

/* Names, shapes, hyper-parameters: does this network fit together? */
static void
fit(SpImport *import)
{
	Jsonb *given = given_params(import);
	char text[SP_MODEL_PARAMS_MAX];
	SpFault fault = {0};

	if (given != NULL)
		sp_pg_check(sp_model_spec_parse(JsonbToCString(NULL, &given->root, VARSIZE(given)),
		                                &import->spec, &fault),
		            "model parameters", &fault);
	import->spec.architecture = import->architecture;
	sp_pg_check(import->architecture->resolve(import->tensors, &import->spec, &fault), "model file",
	            &fault);
	sp_pg_check(sp_model_spec_print(&import->spec, text), "model parameters", NULL);
	import->resolved = sp_import_jsonb(text);
}

void
sp_import_resolve(SpImport *import)
{
	find_origin(import);
	choose_architecture(import);
	fit(import);
}
