/*
 * src/pg/vector/space.c
 *	  Embeddings of tracks on their way in: spotai.set_embedding().
 *
 * What the same program made can be compared; that is a space.  A foreign key
 * on its name and dimensions keeps all its embeddings of one length, whoever
 * writes them; here the same is said in words that help.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/uuid.h"

#include "pg/identity/identity.h"
#include "pg/identity/internal.h"
#include "pg/seam.h"
#include "pg/sql.h"
#include "pg/vector/embedding.h"
#include "pg/vector/similar.h"

SPOTAI_FUNCTION(spotai_set_embedding);

/* Names of spaces are of 1 to 63 of these, as those of models; the first is a letter or a digit. */
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:+-"
#define NAME_MAX_BYTES  63

static char *excluded_provenance;

void
sp_similar_init(void)
{
	DefineCustomStringVariable(
		"spotai.excluded_provenance",
		"Provenances of tracks that are left out of features and recommendation.",
		"A comma-separated list. Spotify's terms forbid feeding its content to machine learning; "
		"empty it where you have other rights.",
		&excluded_provenance, "spotify", PGC_SUSET, 0, NULL, NULL, NULL);
}

const char *
sp_excluded_provenance(void)
{
	return excluded_provenance;
}

void
sp_similar_check_track(Datum track_id, bool read_only)
{
	static SpQuery find = {
		.text = "SELECT provenance FROM spotai.track"
				" WHERE tenant_id = spotai.current_tenant() AND id = $1 AND deleted_at IS NULL",
		.nargs = 1,
		.types = {UUIDOID},
	};
	char *provenance;

	if (sp_pg_query(&find, &track_id, NULL, read_only) == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
		                errmsg("track \"%s\" does not exist",
		                       DatumGetCString(DirectFunctionCall1(uuid_out, track_id)))));
	provenance = sp_pg_column_text(0, 1);
	if (sp_identity_in_list(excluded_provenance, provenance))
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		         errmsg("tracks of provenance \"%s\" are left out of machine learning", provenance),
		         errhint("The operator says which are: spotai.excluded_provenance.")));
}

/* As the table's check constraint, but with words that help. */
static void
check_name(const char *name)
{
	size_t length = strlen(name);

	if (length < 1 || length > NAME_MAX_BYTES || strspn(name, NAME_CHARACTERS) != length ||
	    strchr("._:+-", name[0]) != NULL)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		         errmsg("invalid name of an embedding space: \"%.*s\"",
		                pg_mbcliplen(name, (int) length, NAME_MAX_BYTES), name),
		         errhint("Up to 63 letters, digits and . _ : + - name what made the embedding, "
		                 "for example openl3 or clap:630k.")));
}

/* The dimensions of a space of the tenant's; 0 when there is none. */
static int
space_dims(Datum space)
{
	static SpQuery find = {
		.text = "SELECT dims FROM spotai.embedding_space"
				" WHERE tenant_id = spotai.current_tenant() AND name = $1",
		.nargs = 1,
		.types = {TEXTOID},
	};
	bool isnull;

	if (sp_pg_query(&find, &space, NULL, false) == 0)
		return 0;
	return DatumGetInt32(sp_pg_column(0, 1, &isnull));
}

static void
insert_space(Datum space, int dims)
{
	static SpQuery insert = {
		.text =
			"INSERT INTO spotai.embedding_space (tenant_id, name, dims)"
			" VALUES (spotai.current_tenant(), $1, $2) ON CONFLICT (tenant_id, name) DO NOTHING",
		.nargs = 2,
		.types = {TEXTOID, INT4OID},
	};

	sp_pg_query(&insert, (Datum[]){space, Int32GetDatum(dims)}, NULL, false);
}

/* The space exists afterwards, and its embeddings have so many dimensions. */
static void
require_space(Datum space, int dims)
{
	char *name = TextDatumGetCString(space);
	int existing = space_dims(space);

	if (existing == 0)
	{
		insert_space(space, dims);
		existing = space_dims(space);
	}
	/* removed again before it was looked at */
	if (existing == 0)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
		                errmsg("embedding space \"%s\" was removed at the same time", name),
		                errhint("Try again.")));
	if (existing != dims)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
		                errmsg("embeddings of space \"%s\" have %d dimensions, not %d", name,
		                       existing, dims),
		                errhint("Use another space, or begin anew: DELETE FROM "
		                        "spotai.embedding_space WHERE name = %s;",
		                        quote_literal_cstr(name))));
}

/* What is stored already stays as it is, so that computing again costs no index anything. */
static void
store(Datum track_id, Datum space, SpEmbedding *embedding)
{
	static SpQuery upsert = {
		.text = "INSERT INTO spotai.track_embedding AS e (tenant_id, track_id, space, embedding)"
				" VALUES (spotai.current_tenant(), $1, $2, $3)"
				" ON CONFLICT (tenant_id, track_id, space) DO UPDATE"
				" SET embedding = excluded.embedding, updated_at = now()"
				" WHERE e.embedding <> excluded.embedding",
		.nargs = 3,
		.types = {UUIDOID, TEXTOID, FLOAT4ARRAYOID},
	};
	Datum array = PointerGetDatum(sp_embedding_to_array(embedding));

	sp_pg_query(&upsert, (Datum[]){track_id, space, array}, NULL, false);
}

/* spotai.set_embedding(track_id uuid, space text, embedding spotai.embedding) returns void */
Datum
spotai_set_embedding(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"track_id", "space", "embedding"};
	SpEmbedding *embedding;

	sp_pg_require_tables();
	sp_identity_require_permission("vector:write");
	for (int i = 0; i < (int) lengthof(names); i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			                errmsg("%s must not be null", names[i])));
	check_name(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	embedding = SP_GETARG_EMBEDDING(2);
	SPI_connect();
	sp_similar_check_track(PG_GETARG_DATUM(0), false);
	require_space(PG_GETARG_DATUM(1), embedding->dims);
	store(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), embedding);
	SPI_finish();
	PG_RETURN_VOID();
}
