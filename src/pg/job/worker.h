/*
 * src/pg/job/worker.h
 *	  Background workers that run jobs, and the launcher that keeps them going.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_JOB_WORKER_H
#define SP_PG_JOB_WORKER_H

/* Register the launcher; called while shared_preload_libraries are loaded. */
extern void sp_job_worker_init(void);

/* Entry point of a worker; its argument is the number of its slot. */
#define SP_JOB_WORKER_MAIN "spotai_job_worker_main"

#endif /* SP_PG_JOB_WORKER_H */
