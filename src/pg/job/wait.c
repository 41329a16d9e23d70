/*
 * src/pg/job/wait.c
 *	  spotai.wait(): until a job has ended.
 *
 * Each look uses the latest snapshot, so it sees commits that are newer than
 * the statement's own, at every isolation level.  Where workers share memory
 * with us they set our latch when the job ends; a job can also end where
 * nobody tells us (a superuser's UPDATE, a prepared transaction), so we look
 * at growing intervals all the same.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "pg/job/shmem.h"
#include "pg/job/submit.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_wait);

/* Between two looks: at first, and at most when told or not told of the end. */
#define FIRST_PAUSE_MS        10
#define LONGEST_PAUSE_TOLD_MS 1000
#define LONGEST_PAUSE_POLL_MS 100

static SPIPlanPtr
look_plan(void)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {UUIDOID, UUIDOID};

	if (plan == NULL)
	{
		SPIPlanPtr made = SPI_prepare("SELECT state, finished_at IS NOT NULL, xmin"
		                              " FROM spotai.job WHERE tenant_id = $1 AND id = $2",
		                              2, types);

		if (made == NULL || SPI_keepplan(made) != 0)
			elog(ERROR, "could not prepare the look at a job");
		plan = made;
	}
	return plan;
}

/* The state now; *ended tells whether it is final. */
static char *
look(Datum tenant, const pg_uuid_t *id, MemoryContext caller, bool *ended)
{
	Datum args[] = {tenant, UUIDPGetDatum(id)};
	Snapshot latest = RegisterSnapshot(GetLatestSnapshot());
	char *state;
	bool isnull;
	int rc = SPI_execute_snapshot(look_plan(), args, NULL, latest, InvalidSnapshot, true, false, 1);

	UnregisterSnapshot(latest);
	if (rc != SPI_OK_SELECT)
		elog(ERROR, "could not look at a job: %s", SPI_result_code_string(rc));
	if (SPI_processed == 0)
		sp_job_no_such_job(id);
	state = MemoryContextStrdup(caller, TextDatumGetCString(sp_pg_column(0, 1, &isnull)));
	*ended = DatumGetBool(sp_pg_column(0, 2, &isnull));
	if (!*ended &&
	    TransactionIdIsCurrentTransactionId(DatumGetTransactionId(sp_pg_column(0, 3, &isnull))))
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		         errmsg("cannot wait for a job that this transaction has submitted or changed"),
		         errhint("Commit first: workers see the job after the commit.")));
	SPI_freetuptable(SPI_tuptable);
	return state;
}

static TimestampTz
deadline_of(Interval *timeout)
{
	TimestampTz now = GetCurrentTimestamp();
	Datum end = DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now),
	                                IntervalPGetDatum(timeout));

	return DatumGetTimestampTz(end);
}

static char *
wait_until_ended(Datum tenant, const pg_uuid_t *id, TimestampTz deadline, bool told,
                 MemoryContext caller)
{
	long longest = told ? LONGEST_PAUSE_TOLD_MS : LONGEST_PAUSE_POLL_MS;
	long pause = FIRST_PAUSE_MS;

	for (;;)
	{
		bool ended;
		char *state;
		long left;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		state = look(tenant, id, caller, &ended);
		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);
		if (ended || left <= 0)
			return state;
		pfree(state);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Min(pause, left),
		                 PG_WAIT_EXTENSION);
		pause = Min(pause * 2, longest);
	}
}

static void
stop_waiting(int code, Datum waiter)
{
	sp_job_waiter_remove(DatumGetInt32(waiter));
}

/* spotai.wait(job uuid, timeout interval) returns text */
Datum
spotai_wait(PG_FUNCTION_ARGS)
{
	pg_uuid_t *id = PG_GETARG_UUID_P(0);
	TimestampTz deadline = deadline_of(PG_GETARG_INTERVAL_P(1));
	MemoryContext caller = CurrentMemoryContext;
	char *state;
	int waiter;

	sp_pg_require_tables();
	SPI_connect();
	/* before the first look, so that an end in between is told */
	waiter = sp_job_waiter_add(id);
	PG_ENSURE_ERROR_CLEANUP(stop_waiting, Int32GetDatum(waiter));
	{
		state = wait_until_ended(sp_pg_current_tenant(), id, deadline, waiter >= 0, caller);
	}
	PG_END_ENSURE_ERROR_CLEANUP(stop_waiting, Int32GetDatum(waiter));
	stop_waiting(0, Int32GetDatum(waiter));
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text(state));
}
