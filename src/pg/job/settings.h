/*
 * src/pg/job/settings.h
 *	  The job room's settings, as their files read them; defined in job.c.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_JOB_SETTINGS_H
#define SP_PG_JOB_SETTINGS_H

/* A bound for shared memory; the setting itself is usually 2. */
#define SP_JOB_MAX_WORKERS 64

extern char *sp_job_database;
extern int sp_job_lease_s;
extern int sp_job_max_attempts;
extern int sp_job_poll_interval_ms;
extern int sp_job_retention_s; /* -1: keep finished jobs */
extern int sp_job_retry_base_ms;
extern int sp_job_retry_cap_ms;
extern int sp_job_workers;

#endif /* SP_PG_JOB_SETTINGS_H */
