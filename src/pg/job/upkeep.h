/*
 * src/pg/job/upkeep.h
 *	  What keeps the queue going between jobs: taking over from workers that are
 *	  gone, submitting scheduled jobs, pruning.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_JOB_UPKEEP_H
#define SP_PG_JOB_UPKEEP_H

#include "pg/job/runner.h"

/* A busy worker does its upkeep this often; an idle one before it sleeps. */
#define SP_JOB_UPKEEP_INTERVAL_US INT64CONST(1000000)

/*
 * Do all of it, in a transaction of its own.  true: something became due, so
 * look into the queue again.  Otherwise runner->next_due is when the next thing
 * after runner->last_look will be.
 */
extern bool sp_job_upkeep(SpJobRunner *runner);

#endif /* SP_PG_JOB_UPKEEP_H */
