/*
 * src/pg/job/call.c
 *	  CALL spotai.run_jobs(): the engine without background workers.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/memutils.h"
#include "utils/portal.h"

#include "pg/job/engine.h"
#include "pg/job/runner.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_run_jobs);

static void
check_call(FunctionCallInfo fcinfo)
{
	bool atomic = fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
	              castNode(CallContext, fcinfo->context)->atomic;

	if (atomic)
		ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
		                errmsg("spotai.run_jobs() cannot run inside a transaction block"),
		                errhint("Call it on its own: it commits before and after each job.")));
	if (PG_ARGISNULL(0) || PG_GETARG_INT32(0) < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("the number of jobs must be 0 or more")));
}

static void
run(SpJobRunner *runner, int left)
{
	while (left > 0)
	{
		int count = sp_job_run_due(runner, left);

		if (count == 0)
			break;
		left -= count;
		CHECK_FOR_INTERRUPTS();
	}
}

/* spotai.run_jobs(max_jobs integer) */
Datum
spotai_run_jobs(PG_FUNCTION_ARGS)
{
	SpJobRunner runner;

	check_call(fcinfo);
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	/* the portal's memory outlives the transactions of a procedure */
	sp_job_runner_init(&runner, true, PortalContext);
	/* the transaction of the CALL itself has a snapshot: begin with a new one */
	SPI_commit();
	MemoryContextSwitchTo(runner.home);
	PG_TRY();
	{
		run(&runner, PG_GETARG_INT32(0));
	}
	PG_CATCH();
	{
		ErrorData *error;

		/* no error may leave us inside a subtransaction of ours */
		MemoryContextSwitchTo(runner.context);
		error = CopyErrorData();
		FlushErrorState();
		sp_job_runner_abort(&runner);
		ReThrowError(error);
	}
	PG_END_TRY();
	SPI_finish();
	MemoryContextDelete(runner.context);
	PG_RETURN_VOID();
}
