/*
 * src/pg/job/worker.c
 *	  A background worker that runs jobs.
 *
 * It holds no transaction while a job computes, sleeps until something is
 * submitted or becomes due, and hands its job back when it is asked to stop.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pg/background.h"
#include "pg/compat.h"
#include "pg/job/engine.h"
#include "pg/job/settings.h"
#include "pg/job/shmem.h"
#include "pg/job/upkeep.h"
#include "pg/job/worker.h"
#include "pg/seam.h"

PGDLLEXPORT void spotai_job_worker_main(Datum arg);

typedef struct Worker
{
	SpBackground background;
	int index;
	SpJobRunner runner;
} Worker;

/*
 * Stop soon.  Besides the flag we pretend that the query was canceled: that
 * ends whatever runs, in SQL or in the core, by an ordinary error, which lets
 * the engine hand the job back before the process ends.
 */
static void
handle_stop(SIGNAL_ARGS)
{
	int saved_errno = errno;

	ShutdownRequestPending = true;
	QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
	errno = saved_errno;
}

/* Handle what signals have asked for; ends the process when it is to stop. */
static void
handle_requests(Worker *worker)
{
	(void) sp_background_requests(&worker->background);
	/* the launcher starts another where one is wanted */
	if (worker->index >= sp_job_workers)
		proc_exit(0);
}

static bool
tables_exist(void)
{
	bool exist;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	exist = sp_background_has_tables("job", "schedule");
	CommitTransactionCommand();
	return exist;
}

/* The database may get the extension and its tables at any time, or lose them. */
static void
wait_for_tables(Worker *worker)
{
	bool complained = false;

	while (!tables_exist())
	{
		sp_job_set_tables_ready(false);
		/* one of us is enough to wait */
		if (worker->index > 0)
			proc_exit(0);
		if (!complained)
			ereport(LOG, (errmsg("spotai workers are waiting for the extension and its tables in "
			                     "database \"%s\"",
			                     worker->background.database),
			              errhint("CREATE EXTENSION spotai; CALL spotai.migrate();")));
		complained = true;
		sp_background_doze(SP_TABLES_INTERVAL_MS);
		handle_requests(worker);
	}
	if (worker->index == 0)
		sp_job_set_tables_ready(true);
}

static void
sleep_until_due(Worker *worker)
{
	TimestampTz now = GetCurrentTimestamp();
	long ms = sp_job_poll_interval_ms;

	if (worker->runner.next_due != DT_NOEND)
		ms = Min(ms, TimestampDifferenceMilliseconds(now, worker->runner.next_due));
	pgstat_report_activity(STATE_IDLE, NULL);
	/* the latch may have been reset by a wait for a lock: look at what it stands for */
	if (ms > 0 && !sp_job_worker_woken())
		sp_background_doze(ms);
}

/* Until an error of the queue. */
static void
run(void *state)
{
	Worker *worker = state;

	for (;;)
	{
		handle_requests(worker);
		wait_for_tables(worker);
		sp_job_worker_idle();
		pgstat_report_activity(STATE_RUNNING, "running spotai jobs");
		if (sp_job_run_due(&worker->runner, PG_INT32_MAX) == 0 && !sp_job_upkeep(&worker->runner))
			sleep_until_due(worker);
		sp_background_worked(&worker->background);
	}
}

/* After an error of the queue itself, not of a job. */
static void
recover(void *state)
{
	Worker *worker = state;

	if (!ShutdownRequestPending)
		EmitErrorReport();
	sp_job_runner_abort(&worker->runner);
	MemoryContextSwitchTo(worker->runner.context);
}

void
spotai_job_worker_main(Datum arg)
{
	static Worker worker;

	worker.index = DatumGetInt32(arg);
	sp_background_begin(&worker.background, handle_stop, "spotai worker");
	sp_job_worker_attach(worker.index);
	sp_pg_also_stop(sp_job_worker_cancel_pending);
	sp_job_runner_init(&worker.runner, false, TopMemoryContext);
	MemoryContextSwitchTo(worker.runner.context);
	sp_background_run(&worker.background, run, recover, &worker);
}
