/*
 * src/pg/privacy/job.c
 *	  The kind of job that carries out retention policies.
 *
 * It removes what the tenant's policies say and nothing else, so whoever may
 * submit jobs may submit it: it changes when rows go, not which.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "pg/owner.h"
#include "pg/privacy/job.h"
#include "pg/sql.h"

#define BATCH 10000

/* Rows removed; 0: nothing is left. */
static int64
step(int32 batch)
{
	static SpQuery q = {
		.text = "SELECT _spotai.retention_step($1)", .nargs = 1, .types = {INT8OID}};
	SpOwner before = sp_pg_become_owner("retention_policy");
	bool isnull;
	int64 removed;

	sp_pg_query(&q, (Datum[]){Int64GetDatum(batch)}, NULL, false);
	removed = DatumGetInt64(sp_pg_column(0, 1, &isnull));
	sp_pg_resign(&before);
	return removed;
}

static Jsonb *
count_of(int64 rows)
{
	char *text = psprintf("{\"rows\": " INT64_FORMAT "}", rows);

	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

Jsonb *
sp_privacy_retention_job(SpJob *job, Jsonb *args)
{
	int32 batch = sp_job_arg_integer(args, "batch", BATCH);
	int64 total = 0, removed;

	if (batch < 1)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a batch has at least one row")));
	for (;;)
	{
		sp_job_tx_begin(job);
		removed = step(batch);
		if (removed == 0)
			return count_of(total);
		total += removed;
		sp_job_tx_commit(job);
		sp_job_tick(job, 0.0, psprintf(INT64_FORMAT " rows removed", total));
	}
}
