/*
 * src/pg/job/runner.h
 *	  Whoever runs jobs, a background worker or a call of spotai.run_jobs(), and
 *	  its short transactions.
 *
 * A worker has no transaction between two of these.  A call has one always, as
 * every statement does, but an empty one: no snapshot, no transaction id, no
 * lock, so it holds nothing up.
 *
 * Roles.  Statements on the queue run as the caller of run_jobs(), so row
 * security shows it only its own jobs.  When that is a superuser, and in
 * workers, they run as the owner of spotai.job instead: whatever triggers the
 * owner put on the table must not run as superuser.  A handler's transactions
 * run as the job's submitter.  The owner of the table could write any name
 * there, so a job is run only if the owner may act as that role anyway.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_JOB_RUNNER_H
#define SP_PG_JOB_RUNNER_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/palloc.h"

typedef struct SpJobRunner
{
	bool in_call; /* a call of run_jobs(); false: a background worker */
	bool open;    /* between sp_job_runner_open and _close */
	Oid role;     /* what the process runs as, outside of these transactions */
	int security_context;
	int engine_settings;   /* nest level of the engine's settings; 0: not in force */
	MemoryContext context; /* lives as long as the runner */
	MemoryContext home;    /* current between transactions: the job's, or context */
	bool had_single;       /* the last claim was one job, so the next may be */
	TimestampTz last_look; /* into the queue */
	TimestampTz next_due;  /* as of the last upkeep; DT_NOEND: nothing */
	TimestampTz next_upkeep;
	TimestampTz next_prune;
} SpJobRunner;

/* In CALL, SPI is connected with SPI_OPT_NONATOMIC by the caller. */
extern void sp_job_runner_init(SpJobRunner *runner, bool in_call, MemoryContext parent);

/* Open a transaction for statements on the queue; SPI is connected. */
extern void sp_job_runner_open(SpJobRunner *runner);

/* In an open transaction: go on with the privileges of a job's submitter ... */
extern void sp_job_runner_become_submitter(SpJobRunner *runner, const char *submitter);

/* ... and as the queue's engine again. */
extern void sp_job_runner_become_engine(SpJobRunner *runner);

/* Let the open transaction commit without waiting for the disk. */
extern void sp_job_runner_relax(SpJobRunner *runner);

/* Commit; afterwards home is the current memory context. */
extern void sp_job_runner_close(SpJobRunner *runner);

/* After an error was caught: roll back whatever is open; home is current. */
extern void sp_job_runner_abort(SpJobRunner *runner);

#endif /* SP_PG_JOB_RUNNER_H */
