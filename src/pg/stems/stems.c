/*
 * src/pg/stems/stems.c
 *	  The stems room's SQL functions: separate and remix.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "pg/identity/identity.h"
#include "pg/seam.h"
#include "pg/sql.h"
#include "pg/stems/stems.h"

SPOTAI_FUNCTION(spotai_separate);

static void
put_stems(FunctionCallInfo fcinfo, SpSeparation *separation)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	for (int i = 0; i < sp_separation_count(separation); i++)
	{
		const SpStemResult *stem = sp_separation_stem(separation, i);
		Datum values[] = {
			CStringGetTextDatum(stem->name),
			stem->audio_id,
			Float8GetDatum(stem->duration_s),
			Float4GetDatum(stem->peak_db),
			Float4GetDatum(stem->rms_db),
			Float4GetDatum(stem->energy_share),
			CStringGetTextDatum(sp_separation_model(separation)),
		};
		bool nulls[lengthof(values)] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

static void
check_not_null(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
		        (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", name)));
}

/* spotai.separate(track_id uuid, stems integer, model text) returns table */
Datum
spotai_separate(PG_FUNCTION_ARGS)
{
	SpSeparation *separation;
	char *model;

	sp_pg_require_tables();
	sp_identity_require_permission("stems:write");
	check_not_null(fcinfo, 0, "track_id");
	check_not_null(fcinfo, 1, "stems");
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	model = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	separation =
		sp_separation_open(CurrentMemoryContext, PG_GETARG_DATUM(0), PG_GETARG_INT32(1), model);
	sp_separation_store_early(separation);
	sp_separation_compute(separation, NULL, NULL);
	sp_separation_store(separation);
	put_stems(fcinfo, separation);
	SPI_finish();
	return (Datum) 0;
}
