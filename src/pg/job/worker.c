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
#include "catalog/namespace.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pg/compat.h"
#include "pg/job/engine.h"
#include "pg/job/settings.h"
#include "pg/job/shmem.h"
#include "pg/job/upkeep.h"
#include "pg/job/worker.h"
#include "pg/seam.h"

PGDLLEXPORT void spotai_job_worker_main(Datum arg);

/* Between looks for the extension and its tables. */
#define TABLES_INTERVAL_MS 500L

/* After an error of the queue itself (not of a job). */
#define FIRST_PAUSE_MS 500L
#define LAST_PAUSE_MS  60000L

typedef struct Worker
{
	int index;
	char *database;
	SpJobRunner runner;
	long pause_ms; /* after the next error of the queue */
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

static void
doze(long ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms,
	                 PG_WAIT_EXTENSION);
}

/* Handle what signals have asked for; ends the process when it is to stop. */
static void
handle_requests(Worker *worker)
{
	ResetLatch(MyLatch);
	if (ShutdownRequestPending)
		proc_exit(0);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	/* the launcher starts another where one is wanted */
	if (worker->index >= sp_job_workers || strcmp(worker->database, sp_job_database) != 0)
		proc_exit(0);
}

static bool
tables_exist(void)
{
	Oid nsp;
	bool exist;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	nsp = get_namespace_oid("spotai", true);
	exist = OidIsValid(get_extension_oid("spotai", true)) && OidIsValid(nsp) &&
	        OidIsValid(get_relname_relid("job", nsp)) &&
	        OidIsValid(get_relname_relid("schedule", nsp));
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
			                     worker->database),
			              errhint("CREATE EXTENSION spotai; CALL spotai.migrate();")));
		complained = true;
		doze(TABLES_INTERVAL_MS);
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
	if (ms > 0 && !sp_job_worker_woken() && !ShutdownRequestPending && !ConfigReloadPending)
		doze(ms);
}

/* Until an error of the queue. */
static void
run(Worker *worker)
{
	for (;;)
	{
		handle_requests(worker);
		wait_for_tables(worker);
		sp_job_worker_idle();
		pgstat_report_activity(STATE_RUNNING, "running spotai jobs");
		if (sp_job_run_due(&worker->runner, PG_INT32_MAX) == 0 && !sp_job_upkeep(&worker->runner))
			sleep_until_due(worker);
		worker->pause_ms = FIRST_PAUSE_MS;
	}
}

/* Report an error of the queue, and wait before the next try. */
static void
recover(Worker *worker)
{
	HOLD_INTERRUPTS();
	if (!ShutdownRequestPending)
		EmitErrorReport();
	sp_job_runner_abort(&worker->runner);
	FlushErrorState();
	MemoryContextSwitchTo(worker->runner.context);
	pgstat_report_activity(STATE_IDLE, NULL);
	RESUME_INTERRUPTS();
	if (ShutdownRequestPending)
		proc_exit(0);
	doze(worker->pause_ms);
	worker->pause_ms = Min(worker->pause_ms * 2, LAST_PAUSE_MS);
}

static void
override_settings(void)
{
	static const char *const settings[][2] = {{"application_name", "spotai worker"},
	                                          {"default_transaction_isolation", "read committed"},
	                                          {"default_transaction_read_only", "off"},
	                                          {"lock_timeout", "0"},
	                                          {"statement_timeout", "0"},
	                                          {"idle_in_transaction_session_timeout", "0"}};

	for (int i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

void
spotai_job_worker_main(Datum arg)
{
	sigjmp_buf local_jump;
	static Worker worker;

	pqsignal(SIGTERM, handle_stop);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	worker.index = DatumGetInt32(arg);
	worker.database = MemoryContextStrdup(TopMemoryContext, sp_job_database);
	worker.pause_ms = FIRST_PAUSE_MS;
	BackgroundWorkerInitializeConnection(worker.database, NULL, 0);
	override_settings();
	sp_job_worker_attach(worker.index);
	sp_pg_also_stop(sp_job_worker_cancel_pending);
	sp_job_runner_init(&worker.runner, false, TopMemoryContext);
	MemoryContextSwitchTo(worker.runner.context);

	if (sigsetjmp(local_jump, 1) != 0)
		recover(&worker);
	PG_exception_stack = &local_jump;
	run(&worker);
}
