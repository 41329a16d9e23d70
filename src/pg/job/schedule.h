/*
 * src/pg/job/schedule.h
 *	  Schedules, for the engine.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_JOB_SCHEDULE_H
#define SP_PG_JOB_SCHEDULE_H

#include "postgres.h"

#include "datatype/timestamp.h"

/*
 * Submit a job for each schedule that is due, and move the schedules to their
 * next times.  Runs inside sp_job_runner_open ... _close; answers how many.
 */
extern int sp_job_submit_scheduled(TimestampTz now);

#endif /* SP_PG_JOB_SCHEDULE_H */
