/*
 * src/pg/job/job.h
 *	  The job room: what a handler of a kind of job promises and may use.
 *
 * A handler is called once an attempt, outside any transaction, and does its
 * work in phases:
 *
 *		sp_job_tx_begin(job);		read what is needed, as the submitter
 *		sp_job_tx_commit(job);
 *		compute, calling sp_job_tick() at least every 50 ms
 *		sp_job_tx_begin(job);		write the outcome
 *		return result;				with that transaction open
 *
 * The engine marks the job as succeeded in the transaction that the handler
 * leaves open, if the job is still this worker's, and commits: the handler's
 * last writes and the job's end are one.  Earlier transactions may be repeated
 * by another attempt, so they must be harmless to repeat.
 *
 * An error may be thrown anywhere.  The engine then aborts the transaction, if
 * one is open, and decides by the SQLSTATE: bad input (classes 0A, 22, 28, 42,
 * 54, P0002 and 58P02) fails the job for good, anything else is tried again later.
 * Locks, buffers and SPI results end with the transaction they were taken in.
 *
 * Memory: outside a transaction CurrentMemoryContext is the job's own; it
 * lives across the job's transactions and goes with the job, so handles
 * registered by sp_pg_own() there are freed then, also on error and cancel.
 * Inside a transaction CurrentMemoryContext is one that goes at its end.
 *
 * The same handler runs in a background worker and in CALL spotai.run_jobs().
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_JOB_H
#define SP_PG_JOB_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/uuid.h"

typedef struct SpJob SpJob;

/*
 * Run one attempt.  args is a jsonb object in the job's memory.  Returns the
 * job's result, or NULL for none, in any memory, with a transaction open.
 */
typedef Jsonb *(*SpJobHandler)(SpJob *job, Jsonb *args);

/*
 * Open a short transaction: READ COMMITTED, SPI connected, an active snapshot,
 * search_path = pg_catalog, pg_temp, and the privileges of the role that
 * submitted the job, in the job's tenant.  Throws when that role does not exist any more.
 */
extern void sp_job_tx_begin(SpJob *job);

/* Commit it.  CurrentMemoryContext is the job's afterwards. */
extern void sp_job_tx_commit(SpJob *job);

/*
 * Between steps of computation, at least every 50 ms.  fraction is the share of
 * the work done, 0 to 1; message, which may be NULL to leave it, is one short
 * phrase for the user.  Both become visible in spotai.job a moment later.
 * Throws when the job was canceled, when another worker has taken it over, and
 * when this process is asked to stop.  Inside a transaction it may be called,
 * too, and then only looks whether to stop; nobody can take the job over there.
 */
extern void sp_job_tick(SpJob *job, double fraction, const char *message);

/* The job's memory, for what must outlive the transaction that is open. */
extern MemoryContext sp_job_context(const SpJob *job);

/* Whose job it is, and which attempt this is (1 for the first). */
extern Datum sp_job_tenant(const SpJob *job);
extern Datum sp_job_id(const SpJob *job);
extern int sp_job_attempt(const SpJob *job);

/*
 * Members of args.  A missing or null member answers the default; one of
 * another type throws 22023, an integer out of range 22003.  Strings are palloc'd.
 */
extern char *sp_job_arg_text(Jsonb *args, const char *name, const char *missing);
extern double sp_job_arg_number(Jsonb *args, const char *name, double missing);
extern int32 sp_job_arg_integer(Jsonb *args, const char *name, int32 missing);
extern bool sp_job_arg_bool(Jsonb *args, const char *name, bool missing);

/* A required uuid member; throws 22023 when it is missing or is no uuid. */
extern Datum sp_job_arg_uuid(Jsonb *args, const char *name);

/* Define the room's settings, shared memory and workers; called from _PG_init. */
extern void sp_job_init(void);

#endif /* SP_PG_JOB_H */
