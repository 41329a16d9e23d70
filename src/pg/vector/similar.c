/*
 * src/pg/vector/similar.c
 *	  spotai.similar_tracks(): the tracks nearest to one, in a space.
 *
 * The query is made for the tenant, the space and its dimensions, all written
 * into it: so the planner sees that an index on the cast of that space's rows
 * (spotai.embedding_index()) answers it.  Without one it sorts all distances.
 * Either way the filters stand above what comes in order of distance, and the
 * scan goes on until k rows have passed them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "pg/seam.h"
#include "pg/sql.h"
#include "pg/vector/similar.h"

SPOTAI_FUNCTION(spotai_similar_tracks);

/* More are a listing of the library, which tables give in any order. */
#define MAX_K 10000

/* What is looked for: the nearest to an embedding of a track. */
typedef struct Wanted
{
	Datum track_id;
	int k;
	char *space;
	int dims;
	Datum embedding;
	Oid type; /* of embedding */
} Wanted;

/* "openl3, clap": the first column of the last query. */
static char *
list_of(uint64 count)
{
	StringInfoData names;

	initStringInfo(&names);
	for (uint64 i = 0; i < count; i++)
		appendStringInfo(&names, "%s%s", i == 0 ? "" : ", ", sp_pg_column_text(i, 1));
	return names.data;
}

/* The row of the last query that has the space, or is the only one, or the default. */
static uint64
choose(uint64 count, const char *space, Datum track_id)
{
	char *track = DatumGetCString(DirectFunctionCall1(uuid_out, track_id));
	bool isnull;

	for (uint64 i = 0; i < count; i++)
		if (space != NULL ? strcmp(sp_pg_column_text(i, 1), space) == 0
		                  : count == 1 || DatumGetBool(sp_pg_column(i, 2, &isnull)))
			return i;
	if (count == 0)
		ereport(ERROR,
		        (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("track \"%s\" has no embedding", track),
		         errhint("Store one: SELECT spotai.set_embedding(track_id, space, "
		                 "embedding);")));
	if (space != NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
		                errmsg("track \"%s\" has no embedding in space \"%s\"", track, space),
		                errhint("Spaces where it has one: %s.", list_of(count))));
	ereport(ERROR, (errcode(ERRCODE_AMBIGUOUS_PARAMETER),
	                errmsg("track \"%s\" has embeddings in several spaces", track),
	                errhint("Name one (%s), or make it the default: UPDATE spotai.embedding_space "
	                        "SET is_default = true WHERE name = '...';",
	                        list_of(count))));
}

/* Fill in the space, when it is not said, and the embedding. */
static void
find_embedding(Wanted *w)
{
	static SpQuery find = {
		.text = "SELECT s.name, s.is_default, e.dims, e.embedding::spotai.embedding"
				" FROM spotai.track_embedding e JOIN spotai.embedding_space s"
				" ON s.tenant_id = e.tenant_id AND s.name = e.space"
				" WHERE e.tenant_id = spotai.current_tenant() AND e.track_id = $1"
				" ORDER BY s.name COLLATE \"C\"",
		.nargs = 1,
		.types = {UUIDOID},
	};
	uint64 row = choose(sp_pg_query(&find, &w->track_id, NULL, true), w->space, w->track_id);
	bool isnull;

	w->space = sp_pg_column_text(row, 1);
	w->dims = DatumGetInt32(sp_pg_column(row, 3, &isnull));
	w->embedding = sp_pg_column(row, 4, &isnull);
	w->type = SPI_gettypeid(SPI_tuptable->tupdesc, 4);
}

/* spotai.excluded_provenance as the literal of an array. */
static char *
excluded_provenances(void)
{
	static const char between[] = ", \t";
	const char *at = sp_excluded_provenance();
	StringInfoData array;

	initStringInfo(&array);
	for (at += strspn(at, between); *at != '\0'; at += strspn(at, between))
	{
		size_t length = strcspn(at, between);
		char *name = pnstrdup(at, length);

		appendStringInfo(&array, "%s%s", array.len > 0 ? ", " : "", quote_literal_cstr(name));
		at += length;
	}
	return psprintf("ARRAY[%s]::text[]", array.data);
}

/*
 * $1 the embedding, $2 its track; zeros are at a distance of NaN, which sorts last.
 * An index gives rows in the order of distance and of nothing else (before
 * PostgreSQL 17 it is not even considered for more), so ties at the end are all
 * fetched, and brought into order afterwards.
 */
static char *
query_text(const Wanted *w)
{
	return psprintf(
		"SELECT n.track_id, (1 - n.distance)::real FROM ("
		"SELECT e.track_id, e.embedding::spotai.embedding(%d) OPERATOR(spotai.<=>) $1 AS distance"
		" FROM spotai.track_embedding e JOIN spotai.track t"
		" ON t.tenant_id = e.tenant_id AND t.id = e.track_id"
		" WHERE e.tenant_id = '%s' AND e.space = %s AND e.dims = %d AND e.track_id <> $2"
		" AND t.deleted_at IS NULL AND t.provenance <> ALL (%s)"
		" ORDER BY distance FETCH FIRST %d ROWS WITH TIES) n"
		" WHERE n.distance <> 'NaN' ORDER BY n.distance, n.track_id LIMIT %d",
		w->dims, DatumGetCString(DirectFunctionCall1(uuid_out, sp_pg_current_tenant())),
		quote_literal_cstr(w->space), w->dims, excluded_provenances(), w->k, w->k);
}

static void
put_nearest(const Wanted *w, ReturnSetInfo *result)
{
	Oid types[] = {w->type, UUIDOID};
	Datum args[] = {w->embedding, w->track_id};
	uint64 count = sp_pg_query_text(query_text(w), lengthof(types), types, args, true);

	for (uint64 i = 0; i < count; i++)
	{
		Datum values[2];
		bool nulls[2];

		values[0] = sp_pg_column(i, 1, &nulls[0]);
		values[1] = sp_pg_column(i, 2, &nulls[1]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/* spotai.similar_tracks(track_id uuid, k integer, space text) returns table */
Datum
spotai_similar_tracks(PG_FUNCTION_ARGS)
{
	Wanted w = {0};

	sp_pg_require_tables();
	sp_pg_current_tenant();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		                errmsg("%s must not be null", PG_ARGISNULL(0) ? "track_id" : "k")));
	w.track_id = PG_GETARG_DATUM(0);
	w.k = PG_GETARG_INT32(1);
	if (w.k < 1 || w.k > MAX_K)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("k is %d; it must be 1 to %d", w.k, MAX_K)));
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	w.space = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	sp_similar_check_track(w.track_id, true);
	find_embedding(&w);
	put_nearest(&w, (ReturnSetInfo *) fcinfo->resultinfo);
	SPI_finish();
	return (Datum) 0;
}
