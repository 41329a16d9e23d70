/*
 * src/pg/identity/limit.c
 *	  spotai.rate_limit(): at most so many calls in any stretch of time.
 *
 * An exact sliding window: the times of the calls that were allowed are kept,
 * and a call is allowed when fewer than max_calls of them are younger than the
 * window.  A fixed window would allow twice as many across its border.  A
 * refused call counts for nothing.  One row a bucket; callers of one bucket wait
 * for each other's commit, so it is asked in short transactions, and a caller
 * that rolls back has not called.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "pg/identity/internal.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_rate_limit);

/* 8 bytes each are kept: a row of 80 kB at most. */
#define MAX_CALLS 10000

/* An index entry has room for them. */
#define BUCKET_BYTES 1023

static void
check_limit(text *bucket, int32 max_calls, Interval *per)
{
	Interval nothing = {0, 0, 0};

	if (VARSIZE_ANY_EXHDR(bucket) > BUCKET_BYTES)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		         errmsg("the name of a bucket must not be longer than %d bytes", BUCKET_BYTES)));
	if (max_calls < 0 || max_calls > MAX_CALLS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("the number of calls must be from 0 to %d", MAX_CALLS)));
	if (!DatumGetBool(
			DirectFunctionCall2(interval_gt, IntervalPGetDatum(per), IntervalPGetDatum(&nothing))))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("the window must be longer than nothing")));
}

/* spotai.rate_limit(bucket text, max_calls integer, per interval) returns boolean */
Datum
spotai_rate_limit(PG_FUNCTION_ARGS)
{
	/* the row is locked before the clock is read, so that times are in order */
	static SpQuery q = {
		.text =
			"INSERT INTO spotai.rate_limit_bucket AS b (tenant_id, name, calls, expires_at)"
			" VALUES ($1, $2, ARRAY[clock_timestamp()], clock_timestamp() + $4)"
			" ON CONFLICT (tenant_id, name) DO UPDATE SET"
			" calls = ARRAY(SELECT c FROM unnest(b.calls) c WHERE c > clock_timestamp() - $4"
			" ORDER BY c) || clock_timestamp(), expires_at = clock_timestamp() + $4"
			" WHERE (SELECT count(*) FROM unnest(b.calls) c WHERE c > clock_timestamp() - $4) < $3",
		.nargs = 4,
		.types = {UUIDOID, TEXTOID, INT4OID, INTERVALOID}};
	SpIdentity who = sp_identity_require();
	Datum args[] = {UUIDPGetDatum(&who.tenant), PG_GETARG_DATUM(0), PG_GETARG_DATUM(1),
	                PG_GETARG_DATUM(2)};

	sp_pg_require_tables();
	check_limit(PG_GETARG_TEXT_PP(0), PG_GETARG_INT32(1), PG_GETARG_INTERVAL_P(2));
	if (PG_GETARG_INT32(1) == 0)
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(sp_identity_owner_query(&q, args, NULL) == 1);
}
