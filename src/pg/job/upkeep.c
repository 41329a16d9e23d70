/*
 * src/pg/job/upkeep.c
 *	  What keeps the queue going between jobs.
 *
 * A running job names the process that claimed it: its pid and the time it
 * started.  Both together are never given out twice, so the process is alive
 * exactly if a backend with both exists now.  A job whose process is not is
 * taken over at once; so after a crash, a restart or a failover nothing waits
 * for its lease.  The lease is for a process that is there but does not move;
 * while that has a transaction open for the job, the job stays its own.
 *
 * A worker that vanished counts as an attempt, because the job may be what
 * killed it.  The first time the job is queued again at once; from then on it
 * backs off, so that a job that crashes the server does not do so in a loop.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "core/job/backoff.h"
#include "pg/compat.h"
#include "pg/identity/identity.h"
#include "pg/job/queue.h"
#include "pg/job/schedule.h"
#include "pg/job/settings.h"
#include "pg/job/shmem.h"
#include "pg/job/upkeep.h"
#include "pg/sql.h"

/* More are found the next time. */
#define TAKE_OVER_BATCH   1000
#define PRUNE_INTERVAL_US INT64CONST(60000000)

typedef struct RunningJob
{
	SpJobRow row; /* without kind, args and submitter */
	int worker_pid;
	TimestampTz worker_started_at;
	TimestampTz lease_until;
} RunningJob;

static int
read_running(RunningJob **running)
{
	static SpQuery q = {
		.text = "SELECT tenant_id, id, fence, attempt, max_attempts, worker_pid,"
				" worker_started_at, lease_until FROM spotai.job WHERE state = 'running' LIMIT $1",
		.nargs = 1,
		.types = {INT4OID}};
	Datum args[] = {Int32GetDatum(TAKE_OVER_BATCH)};
	int count = (int) sp_pg_query(&q, args, NULL, true);
	bool isnull;

	*running = palloc0(sizeof(RunningJob) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		RunningJob *job = &(*running)[i];

		job->row.tenant_id = *DatumGetUUIDP(sp_pg_column(i, 1, &isnull));
		job->row.id = *DatumGetUUIDP(sp_pg_column(i, 2, &isnull));
		job->row.fence = DatumGetInt64(sp_pg_column(i, 3, &isnull));
		job->row.attempt = DatumGetInt32(sp_pg_column(i, 4, &isnull));
		job->row.max_attempts = DatumGetInt32(sp_pg_column(i, 5, &isnull));
		job->worker_pid = DatumGetInt32(sp_pg_column(i, 6, &isnull));
		job->worker_started_at = DatumGetTimestampTz(sp_pg_column(i, 7, &isnull));
		job->lease_until = DatumGetTimestampTz(sp_pg_column(i, 8, &isnull));
	}
	return count;
}

/* Ourselves do not count: between jobs, what bears our name was left behind. */
static bool
worker_is_there(const RunningJob *job)
{
	int backends = pgstat_fetch_stat_numbackends();

	if (job->worker_pid == MyProcPid)
		return false;
	for (int i = 1; i <= backends; i++)
	{
		LocalPgBackendStatus *backend = sp_backend_status(i);

		if (backend && backend->backendStatus.st_procpid == job->worker_pid &&
		    backend->backendStatus.st_proc_start_timestamp == job->worker_started_at)
			return true;
	}
	return false;
}

static bool
give_back(const RunningJob *job, bool vanished, TimestampTz now)
{
	int64 delay_ms = 0;
	bool last = job->row.attempt >= job->row.max_attempts;

	if (!sp_job_seize(&job->row, job->lease_until))
		return false;
	if (job->row.attempt > 1)
		delay_ms = sp_backoff_ms(job->row.attempt - 1, sp_job_retry_base_ms, sp_job_retry_cap_ms,
		                         pg_prng_double(&pg_global_prng_state));
	return sp_job_end(&job->row, last ? SP_JOB_END_DEAD : SP_JOB_END_RETRY,
	                  TimestampTzPlusMilliseconds(now, delay_ms),
	                  vanished ? "the worker process ended before the job"
	                           : "the worker gave no sign of life until the lease ended",
	                  unpack_sql_state(ERRCODE_CONNECTION_FAILURE), now);
}

/*
 * The processes are looked up after the jobs: whoever claimed a job that we
 * can see was there before we looked, or has ended since.
 */
static int
take_over(TimestampTz now)
{
	RunningJob *running;
	int count = read_running(&running);
	int taken = 0;

	pgstat_clear_backend_activity_snapshot();
	for (int i = 0; i < count; i++)
	{
		bool vanished = !worker_is_there(&running[i]);

		if ((vanished || running[i].lease_until < now) && give_back(&running[i], vanished, now))
			taken++;
	}
	return taken;
}

/* A batch at a time; a full one means that there is more to do at once. */
static bool
prune(SpJobRunner *runner, TimestampTz now)
{
	bool more;

	if (sp_job_retention_s < 0 || now < runner->next_prune)
		return false;
	more = sp_job_prune(now - sp_job_retention_s * USECS_PER_SEC) == SP_JOB_PRUNE_BATCH;
	runner->next_prune = more ? now : now + PRUNE_INTERVAL_US;
	return more;
}

bool
sp_job_upkeep(SpJobRunner *runner)
{
	TimestampTz now = GetCurrentTimestamp();
	bool more;
	int due;

	runner->next_upkeep = now + SP_JOB_UPKEEP_INTERVAL_US;
	sp_job_runner_open(runner);
	due = take_over(now) + sp_job_submit_scheduled(now);
	sp_identity_upkeep();
	more = prune(runner, now);
	runner->next_due = sp_job_next_due(runner->last_look);
	if (due > 1)
		sp_job_wake_at_commit(due - 1);
	sp_job_runner_close(runner);
	return due > 0 || more;
}
