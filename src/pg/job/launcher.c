/*
 * src/pg/job/launcher.c
 *	  The launcher: keeps spotai.workers background workers running, and the
 *	  sealer of the audit log.
 *
 * It is connected to no database, so it can wait for spotai.database to be
 * created.  It starts the first worker, which waits for the extension and its
 * tables, and the others when the first has found them.
 *
 * Workers are never restarted by the postmaster but by us, with a delay that
 * doubles while they keep dying young.  Killing one with SIGKILL makes the
 * postmaster restart all processes; it then starts us again, and we them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/audit/settings.h"
#include "pg/compat.h"
#include "pg/job/settings.h"
#include "pg/job/shmem.h"
#include "pg/job/worker.h"

PGDLLEXPORT void spotai_job_launcher_main(Datum arg);

/* Seconds before the postmaster starts a launcher that has died again. */
#define LAUNCHER_RESTART_S 1

/* How often to look for a database that does not exist, and at the workers. */
#define LOOK_INTERVAL_MS 1000L

/* A worker that lived shorter than this is started later and later. */
#define YOUNG_US       INT64CONST(10000000)
#define FIRST_DELAY_US INT64CONST(100000)
#define LAST_DELAY_US  INT64CONST(60000000)

typedef struct ManagedWorker
{
	BackgroundWorkerHandle *handle; /* NULL: not running */
	TimestampTz started_at;
	TimestampTz start_after;
	int64 delay_us;
} ManagedWorker;

void
sp_job_worker_init(void)
{
	BackgroundWorker worker = {0};

	snprintf(worker.bgw_name, BGW_MAXLEN, "spotai launcher");
	snprintf(worker.bgw_type, BGW_MAXLEN, "spotai launcher");
	snprintf(worker.bgw_library_name, BGW_MAXLEN, "spotai");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "spotai_job_launcher_main");
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = LAUNCHER_RESTART_S;
	RegisterBackgroundWorker(&worker);
}

/*
 * Read without an index, as the autovacuum launcher does: before any session
 * has connected there may be no description of one.
 */
static bool
database_exists(void)
{
	Relation databases;
	TableScanDesc scan;
	HeapTuple tuple;
	bool found = false;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	databases = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(databases, 0, NULL);
	while (!found && (tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		found = strcmp(NameStr(database->datname), sp_job_database) == 0;
	}
	table_endscan(scan);
	table_close(databases, AccessShareLock);
	CommitTransactionCommand();
	return found;
}

static void
start_process(ManagedWorker *managed, const char *type, const char *name, const char *function,
              int index)
{
	BackgroundWorker worker = {0};
	static bool complained = false;

	snprintf(worker.bgw_name, BGW_MAXLEN, "%s", name);
	snprintf(worker.bgw_type, BGW_MAXLEN, "%s", type);
	snprintf(worker.bgw_library_name, BGW_MAXLEN, "spotai");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "%s", function);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = Int32GetDatum(index);
	worker.bgw_notify_pid = MyProcPid;
	managed->started_at = GetCurrentTimestamp();
	if (RegisterDynamicBackgroundWorker(&worker, &managed->handle))
		return;
	managed->handle = NULL;
	managed->start_after = managed->started_at + LAST_DELAY_US;
	if (!complained)
		ereport(LOG, (errmsg("could not start %s", name),
		              errhint("Increase max_worker_processes, or decrease spotai.workers.")));
	complained = true;
}

static void
start_worker(ManagedWorker *managed, int index)
{
	char name[BGW_MAXLEN];

	snprintf(name, sizeof(name), "spotai worker %d", index + 1);
	start_process(managed, "spotai worker", name, SP_JOB_WORKER_MAIN, index);
}

/* Of the audit room, which finds out for itself what it has to do. */
static void
start_sealer(ManagedWorker *managed)
{
	start_process(managed, "spotai sealer", "spotai sealer", SP_AUDIT_SEALER_MAIN, 0);
}

/* A worker has ended: decide when to start the next, and let others take over. */
static void
note_end(ManagedWorker *managed)
{
	TimestampTz now = GetCurrentTimestamp();

	pfree(managed->handle);
	managed->handle = NULL;
	if (now - managed->started_at >= YOUNG_US)
		managed->delay_us = 0;
	managed->start_after = now + managed->delay_us;
	managed->delay_us = Min(Max(managed->delay_us * 2, FIRST_DELAY_US), LAST_DELAY_US);
	sp_job_wake(InvalidOid, 1);
}

/* Whether to start it now; takes note when it has ended. */
static bool
is_due(ManagedWorker *managed, bool wanted)
{
	pid_t pid;

	if (managed->handle && GetBackgroundWorkerPid(managed->handle, &pid) == BGWH_STOPPED)
		note_end(managed);
	return managed->handle == NULL && wanted && GetCurrentTimestamp() >= managed->start_after;
}

static void
manage(ManagedWorker *workers, ManagedWorker *sealer, bool database_there)
{
	int wanted = !database_there         ? 0
	             : sp_job_tables_ready() ? sp_job_workers
	                                     : Min(sp_job_workers, 1);

	/* those that are too many end by themselves */
	for (int i = 0; i < SP_JOB_MAX_WORKERS; i++)
		if (is_due(&workers[i], i < wanted))
			start_worker(&workers[i], i);
	if (is_due(sealer, database_there && sp_audit_seal_interval_ms > 0))
		start_sealer(sealer);
}

void
spotai_job_launcher_main(Datum arg)
{
	static ManagedWorker sealer;
	ManagedWorker *workers;
	bool complained = false;

	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	workers = MemoryContextAllocZero(TopMemoryContext, sizeof(ManagedWorker) * SP_JOB_MAX_WORKERS);
	sp_job_launcher_attach();

	while (!ShutdownRequestPending)
	{
		bool there;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			complained = false;
		}
		there = database_exists();
		if (!there && !complained)
			ereport(LOG,
			        (errmsg("spotai workers are waiting for database \"%s\"", sp_job_database)));
		complained = !there;
		manage(workers, &sealer, there);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOOK_INTERVAL_MS,
		                 PG_WAIT_EXTENSION);
	}
	proc_exit(0);
}
