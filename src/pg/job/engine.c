/*
 * src/pg/job/engine.c
 *	  Running jobs: claim, commit, work, commit.
 *
 * The last transaction of a handler also ends the job, under the fence, so
 * that what a job writes last happens exactly once.  Whatever else can go
 * wrong leaves the row running; upkeep finds it there.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "core/job/backoff.h"
#include "pg/identity/identity.h"
#include "pg/job/engine.h"
#include "pg/job/job.h"
#include "pg/job/kinds.h"
#include "pg/job/queue.h"
#include "pg/job/settings.h"
#include "pg/job/shmem.h"
#include "pg/job/upkeep.h"

/*
 * A batch of light jobs: enough to make two commits cheap, few enough that
 * several workers share a queue and that little is repeated after a crash.
 * Thousand jobs a second with 8 clients on 2 busy cores, three runs each: 50:
 * 32-49, 100: 39-46, 250: 67-68, 1000: 37-49.
 */
#define LIGHT_BATCH 250

/* A running job shows its progress and renews its lease. */
#define RENEW_INTERVAL_US INT64CONST(250000)

/* It looks whether it was canceled, where no shared memory tells it. */
#define CHECK_INTERVAL_US INT64CONST(100000)

#define MESSAGE_LENGTH 200

typedef enum StopReason
{
	STOP_NONE,
	STOP_CANCELED,
	STOP_LOST
} StopReason;

struct SpJob
{
	SpJobRow *row;
	SpJobRunner *runner;
	MemoryContext context;
	StopReason stop; /* why sp_job_tick or the end threw, if one did */
	TimestampTz next_check;
	TimestampTz next_renewal;
	double progress;
	char message[MESSAGE_LENGTH];
};

MemoryContext
sp_job_context(const SpJob *job)
{
	return job->context;
}

Datum
sp_job_tenant(const SpJob *job)
{
	return UUIDPGetDatum(&job->row->tenant_id);
}

Datum
sp_job_id(const SpJob *job)
{
	return UUIDPGetDatum(&job->row->id);
}

int
sp_job_attempt(const SpJob *job)
{
	return job->row->attempt;
}

static void
stop_if(SpJob *job, bool mine, bool canceled)
{
	if (!mine)
	{
		job->stop = STOP_LOST;
		ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED),
		                errmsg("the job has been taken over by another worker")));
	}
	if (canceled)
	{
		job->stop = STOP_CANCELED;
		ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED), errmsg("the job was canceled")));
	}
}

/* When to look at the table again, if nobody tells us. */
static TimestampTz
next_check(const SpJob *job, TimestampTz now)
{
	return job->runner->in_call ? now + CHECK_INTERVAL_US : DT_NOEND;
}

void
sp_job_tx_begin(SpJob *job)
{
	sp_job_runner_open(job->runner);
	stop_if(job, sp_job_hold(job->row), false);
	sp_job_runner_become_submitter(job->runner, job->row->submitted_by);
	sp_identity_act_for(&job->row->tenant_id, sp_job_kind(job->row->kind)->permission);
}

void
sp_job_tx_commit(SpJob *job)
{
	TimestampTz now = GetCurrentTimestamp();
	bool canceled = false;
	bool mine;

	sp_job_runner_become_engine(job->runner);
	mine = sp_job_renew(job->row, job->progress, job->message, now, &canceled);
	stop_if(job, mine, canceled);
	sp_job_runner_close(job->runner);
	job->next_renewal = now + RENEW_INTERVAL_US;
}

static void
renew(SpJob *job, TimestampTz now)
{
	bool canceled = false;
	bool mine;

	sp_job_runner_open(job->runner);
	/* a renewal that a crash forgets is not missed: the job is taken over */
	sp_job_runner_relax(job->runner);
	mine = sp_job_renew(job->row, job->progress, job->message, now, &canceled);
	sp_job_runner_close(job->runner);
	job->next_renewal = now + RENEW_INTERVAL_US;
	job->next_check = next_check(job, now);
	stop_if(job, mine, canceled);
}

static void
check(SpJob *job, TimestampTz now)
{
	bool canceled = false;
	bool mine;

	sp_job_runner_open(job->runner);
	mine = sp_job_check(job->row, &canceled);
	sp_job_runner_close(job->runner);
	job->next_check = next_check(job, now);
	stop_if(job, mine, canceled);
}

void
sp_job_tick(SpJob *job, double fraction, const char *message)
{
	TimestampTz now = GetCurrentTimestamp();

	CHECK_FOR_INTERRUPTS();
	stop_if(job, true, sp_job_worker_take_cancel());
	job->progress = Max(0.0, Min(fraction, 1.0));
	if (message)
		strlcpy(job->message, message,
		        pg_mbcliplen(message, (int) strlen(message), MESSAGE_LENGTH - 1) + 1);
	if (job->runner->open)
		return;
	if (now >= job->next_renewal)
	{
		/* nobody sends a signal when the postmaster is gone */
		if (!PostmasterIsAlive())
			proc_exit(1);
		renew(job, now);
	}
	else if (now >= job->next_check)
		check(job, now);
}

/* The handler's last transaction is open; make the job's end part of it. */
static void
succeed(SpJob *job, Jsonb *result)
{
	if (!job->runner->open)
		elog(ERROR, "the handler of \"%s\" returned without an open transaction", job->row->kind);
	sp_job_runner_become_engine(job->runner);
	stop_if(job, sp_job_succeed(job->row, result, GetCurrentTimestamp()), false);
	sp_job_runner_close(job->runner);
}

/*
 * Will another attempt end the same way?  By SQLSTATE class: feature not
 * supported, invalid authorization, data exception, syntax error or access
 * rule violation, program limit exceeded; and no_data_found, duplicate_file.
 */
static bool
is_permanent(int sqlstate)
{
	static const char *const classes[] = {"0A", "22", "28", "42", "54"};
	const char *code = unpack_sql_state(sqlstate);

	for (int i = 0; i < lengthof(classes); i++)
		if (strncmp(code, classes[i], 2) == 0)
			return true;
	return sqlstate == ERRCODE_NO_DATA_FOUND || sqlstate == ERRCODE_DUPLICATE_FILE;
}

/* Asked to stop by a person or a shutdown, not by what the job does. */
static bool
is_interrupted(const SpJob *job, const ErrorData *error)
{
	return job->stop == STOP_NONE && (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
	                                  error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN);
}

/*
 * A canceled job is handed back as well: handing back ends it as canceled if its
 * row says so, and it does, unless the cancel was rolled back to a savepoint.
 */
static SpJobEnd
judge(const SpJob *job, const ErrorData *error)
{
	if (job->stop == STOP_CANCELED || is_interrupted(job, error))
		return SP_JOB_END_HAND_BACK;
	if (is_permanent(error->sqlerrcode))
		return SP_JOB_END_FAILED;
	return job->row->attempt >= job->row->max_attempts ? SP_JOB_END_DEAD : SP_JOB_END_RETRY;
}

/* Message, detail and hint, as psql shows them. */
static char *
error_text(const ErrorData *error)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, error->message ? error->message : "unknown error");
	if (error->detail)
		appendStringInfo(&text, "\nDETAIL:  %s", error->detail);
	if (error->hint)
		appendStringInfo(&text, "\nHINT:  %s", error->hint);
	return text.data;
}

static void
end_unsuccessfully(SpJob *job, const ErrorData *error)
{
	SpJobEnd end = judge(job, error);
	bool blame = end != SP_JOB_END_HAND_BACK;
	TimestampTz now = GetCurrentTimestamp();
	int64 delay_ms = sp_backoff_ms(job->row->attempt, sp_job_retry_base_ms, sp_job_retry_cap_ms,
	                               pg_prng_double(&pg_global_prng_state));

	if (job->stop == STOP_LOST)
		return;
	sp_job_runner_open(job->runner);
	(void) sp_job_end(job->row, end, TimestampTzPlusMilliseconds(now, delay_ms),
	                  blame ? error_text(error) : NULL,
	                  blame ? unpack_sql_state(error->sqlerrcode) : NULL, now);
	/* a worker that is shutting down leaves the job to another */
	if (end == SP_JOB_END_HAND_BACK || end == SP_JOB_END_RETRY)
		sp_job_wake_at_commit(1);
	sp_job_runner_close(job->runner);
	if (end == SP_JOB_END_FAILED || end == SP_JOB_END_DEAD)
		ereport(LOG, (errmsg("spotai job %s (%s) is %s: %s",
		                     DatumGetCString(DirectFunctionCall1(uuid_out, sp_job_id(job))),
		                     job->row->kind, end == SP_JOB_END_FAILED ? "failed" : "dead",
		                     error->message)));
}

/* The core may have stopped for a cancel before a tick could say why. */
static void
note_cancel(SpJob *job, const ErrorData *error)
{
	if (job->stop == STOP_NONE && error->sqlerrcode == ERRCODE_QUERY_CANCELED &&
	    sp_job_worker_take_cancel())
		job->stop = STOP_CANCELED;
}

static void
run_handler(SpJob *job)
{
	const SpJobKind *kind = sp_job_kind(job->row->kind);

	if (kind == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
		                errmsg("unknown kind of job \"%s\"", job->row->kind),
		                errhint("The kinds are: %s.", sp_job_kind_names())));
	succeed(job, kind->handler(job, job->row->args));
}

/* Run one claimed job; rethrows when we were asked to stop. */
static void
run_job(SpJobRunner *runner, SpJobRow *row)
{
	TimestampTz now = GetCurrentTimestamp();
	SpJob *job = MemoryContextAllocZero(runner->context, sizeof(SpJob));
	ErrorData *volatile error = NULL;

	job->row = row;
	job->runner = runner;
	job->next_renewal = now + RENEW_INTERVAL_US;
	/* at the first tick: a cancel may have come before we were known to have the job */
	job->next_check = now;
	job->context = AllocSetContextCreate(runner->context, "spotai job", ALLOCSET_DEFAULT_SIZES);
	runner->home = job->context;
	MemoryContextSwitchTo(job->context);
	sp_job_worker_busy(&row->id);

	PG_TRY();
	{
		run_handler(job);
	}
	PG_CATCH();
	{
		runner->home = runner->context;
		MemoryContextSwitchTo(runner->context);
		error = CopyErrorData();
		FlushErrorState();
		sp_job_runner_abort(runner);
	}
	PG_END_TRY();

	runner->home = runner->context;
	MemoryContextSwitchTo(runner->context);
	if (error)
	{
		note_cancel(job, error);
		end_unsuccessfully(job, error);
	}
	sp_job_worker_busy(NULL);
	sp_job_wake_waiters(&row->id, 1);
	/* frees what the handler left, decoders and plans too */
	MemoryContextDelete(job->context);
	if (error && is_interrupted(job, error))
		ReThrowError(error);
}

static void
run_batch(SpJobRunner *runner, const SpJobRow *rows, int count)
{
	pg_uuid_t *ids = palloc(sizeof(pg_uuid_t) * count);

	sp_job_runner_open(runner);
	sp_job_succeed_batch(rows, count, GetCurrentTimestamp());
	sp_job_runner_close(runner);
	for (int i = 0; i < count; i++)
		ids[i] = rows[i].id;
	sp_job_wake_waiters(ids, count);
}

int
sp_job_run_due(SpJobRunner *runner, int limit)
{
	SpJobRow *rows;
	int count;

	MemoryContextReset(runner->context);
	if (GetCurrentTimestamp() >= runner->next_upkeep)
		(void) sp_job_upkeep(runner);
	sp_job_runner_open(runner);
	runner->last_look = GetCurrentTimestamp();
	count = sp_job_claim(Min(limit, LIGHT_BATCH), superuser_arg(runner->role), runner->last_look,
	                     runner->context, &rows);
	sp_job_runner_close(runner);
	if (count == 0)
		return 0;
	sp_job_worker_busy(NULL);
	/* one job has a handler's way, so that noop's own is walked as well */
	if (count == 1)
		run_job(runner, &rows[0]);
	else
		run_batch(runner, rows, count);
	return count;
}
