/*
 * src/pg/job/queue.h
 *	  The engine's statements on spotai.job: claim, renew, end an attempt,
 *	  prune.
 *
 * Every function runs inside sp_job_runner_open ... _close.  A change of a
 * running job names the fence number that it was claimed with; it changes
 * nothing, and says so, when the job has been taken over since.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_JOB_QUEUE_H
#define SP_PG_JOB_QUEUE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* A claimed job. */
typedef struct SpJobRow
{
	pg_uuid_t tenant_id;
	pg_uuid_t id;
	int64 fence;
	int attempt; /* 1 in the first */
	int max_attempts;
	char *kind;
	Jsonb *args;
	char *submitted_by;
} SpJobRow;

/* How an attempt ends when it does not succeed, and the job was not canceled. */
typedef enum SpJobEnd
{
	SP_JOB_END_RETRY,     /* queued, for run_at */
	SP_JOB_END_HAND_BACK, /* queued as it was; the attempt does not count */
	SP_JOB_END_FAILED,
	SP_JOB_END_DEAD
} SpJobEnd;

/*
 * Claim the best job that is due, or, when it is a light one, up to `limit`
 * light ones at once; everybody's, or only the current role's.  after_batch: what
 * was claimed before was not a single job.  Rows are palloc'd in `context`;
 * answers their number.
 */
extern int sp_job_claim(int limit, bool everybody, bool after_batch, TimestampTz now,
                        MemoryContext context, SpJobRow **rows);

/* Light jobs have nothing to do: they succeed together. */
extern void sp_job_succeed_batch(const SpJobRow *rows, int count, TimestampTz now);

/* false: the job is not ours any more. */
extern bool sp_job_succeed(const SpJobRow *row, Jsonb *result, TimestampTz now);
extern bool sp_job_end(const SpJobRow *row, SpJobEnd end, TimestampTz run_at, const char *error,
                       const char *error_code, TimestampTz now);

/* Renew the lease and show progress; message may be empty; *canceled: stop. */
extern bool sp_job_renew(const SpJobRow *row, double progress, const char *message, TimestampTz now,
                         bool *canceled);

/* Only look whether to stop. */
extern bool sp_job_check(const SpJobRow *row, bool *canceled);

/*
 * Keep others from taking the job over as long as the transaction is open,
 * even if the lease passes: it cannot be renewed from inside.
 */
extern bool sp_job_hold(const SpJobRow *row);

/*
 * Lock a job to take it over; false when it moved on, its lease was renewed
 * since lease_until, or its worker is inside a transaction.
 */
extern bool sp_job_seize(const SpJobRow *row, TimestampTz lease_until);

/* Delete some jobs that ended before `before`; answers how many. */
extern int sp_job_prune(TimestampTz before);
#define SP_JOB_PRUNE_BATCH 1000

/* When the next job or schedule after `now` is due; DT_NOEND: none. */
extern TimestampTz sp_job_next_due(TimestampTz now);

#endif /* SP_PG_JOB_QUEUE_H */
