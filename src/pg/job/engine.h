/*
 * src/pg/job/engine.h
 *	  Running jobs: the same code in background workers and in run_jobs().
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_JOB_ENGINE_H
#define SP_PG_JOB_ENGINE_H

#include "pg/job/runner.h"

/*
 * Claim what is due, one job or a batch of at most `limit` light ones, and run
 * it to its end.  Answers the number of jobs; 0: nothing is due.  Errors of a
 * job end in its row; errors of the queue itself are thrown, and so is the
 * request to stop, after the job has been handed back.
 */
extern int sp_job_run_due(SpJobRunner *runner, int limit);

#endif /* SP_PG_JOB_ENGINE_H */
