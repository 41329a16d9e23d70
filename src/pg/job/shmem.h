/*
 * src/pg/job/shmem.h
 *	  What workers and sessions tell each other without touching a table:
 *	  "there is work", "stop that job", "that job has ended".
 *
 * All of it is a hint.  The truth is in spotai.job; whoever is woken looks
 * there, and whoever is not woken looks there a little later.  Without
 * shared_preload_libraries there is no shared memory, and every function here
 * does nothing.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_JOB_SHMEM_H
#define SP_PG_JOB_SHMEM_H

#include "postgres.h"

#include "utils/uuid.h"

/* Reserve the shared memory; called while shared_preload_libraries are loaded. */
extern void sp_job_shmem_init(void);
extern bool sp_job_shmem_attached(void);

/* The launcher: its latch is set when a worker has found the tables. */
extern void sp_job_launcher_attach(void);

/* The first worker saw that the tables are there (or are gone). */
extern void sp_job_set_tables_ready(bool ready);
extern bool sp_job_tables_ready(void);

/*
 * A worker takes slot `index` until it exits.  idle: from here on a commit
 * that queues a job may set our latch; call it before looking into the queue,
 * so that nothing can be missed in between.  busy: it has work; job, which may
 * be NULL, is the one that a cancel can reach.
 */
extern void sp_job_worker_attach(int index);
extern void sp_job_worker_idle(void);
extern void sp_job_worker_busy(const pg_uuid_t *job);

/*
 * Was this worker woken since it declared itself idle?  The latch alone does
 * not tell: waiting for a lock resets it.
 */
extern bool sp_job_worker_woken(void);

/*
 * Was a cancel of this worker's job committed since the last call?  Cheap; the
 * table decides.
 */
extern bool sp_job_worker_take_cancel(void);

/* The same without forgetting it; plain memory, so that the core may ask. */
extern bool sp_job_worker_cancel_pending(void);

/* At commit of the current transaction: wake up to `count` idle workers. */
extern void sp_job_wake_at_commit(int count);

/* At commit: tell the worker that runs the job, and those who wait for it. */
extern void sp_job_cancel_at_commit(const pg_uuid_t *job);

/* Now: wake one idle worker of this database, or of any when InvalidOid. */
extern void sp_job_wake(Oid database, int count);

/* Now: wake those who wait for one of these jobs. */
extern void sp_job_wake_waiters(const pg_uuid_t *jobs, int count);

/*
 * Have our latch set when the job ends.  Answers a number for
 * sp_job_waiter_remove, or -1 when there is no room: poll more often then.
 */
extern int sp_job_waiter_add(const pg_uuid_t *job);
extern void sp_job_waiter_remove(int waiter);

#endif /* SP_PG_JOB_SHMEM_H */
