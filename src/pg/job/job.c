/*
 * src/pg/job/job.c
 *	  The job room's settings, and its part of module load.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "pg/job/checks.h"
#include "pg/job/job.h"
#include "pg/job/settings.h"
#include "pg/job/shmem.h"
#include "pg/job/worker.h"

char *sp_job_database;
int sp_job_lease_s;
int sp_job_max_attempts;
int sp_job_poll_interval_ms;
int sp_job_retention_s;
int sp_job_retry_base_ms;
int sp_job_retry_cap_ms;
int sp_job_workers;

static void
define_worker_settings(void)
{
	DefineCustomStringVariable("spotai.database", "Database whose jobs the workers run.",
	                           "Read when the library is in shared_preload_libraries.",
	                           &sp_job_database, "postgres", PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("spotai.job_poll_interval",
	                        "Longest time between two looks of an idle worker at the queue.",
	                        "Workers are woken when a job is submitted or becomes due; this is for "
	                        "what reaches the queue by other ways.",
	                        &sp_job_poll_interval_ms, 5000, 10, 3600000, PGC_SIGHUP, GUC_UNIT_MS,
	                        NULL, NULL, NULL);
	DefineCustomIntVariable("spotai.workers", "Number of background workers that run jobs.",
	                        "Needs the library in shared_preload_libraries and room in "
	                        "max_worker_processes.",
	                        &sp_job_workers, 2, 0, SP_JOB_MAX_WORKERS, PGC_SIGHUP, 0, NULL, NULL,
	                        NULL);
}

static void
define_job_settings(void)
{
	DefineCustomIntVariable("spotai.job_lease_s",
	                        "Time after which a running job whose worker gave no sign of life is "
	                        "taken over.",
	                        "Workers give several a second; a worker that has ended is noticed "
	                        "without waiting for this.",
	                        &sp_job_lease_s, 30, 3, 86400, PGC_USERSET, GUC_UNIT_S, NULL, NULL,
	                        NULL);
	DefineCustomIntVariable("spotai.job_max_attempts",
	                        "Number of attempts that a job submitted in this session gets.", NULL,
	                        &sp_job_max_attempts, 5, 1, 1000, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"spotai.job_retention", "Time that finished jobs are kept; -1 keeps them for ever.", NULL,
		&sp_job_retention_s, 7 * 86400, -1, INT_MAX, PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("spotai.job_retry_base",
	                        "Longest delay before the second attempt; it doubles with each further "
	                        "one.",
	                        "The delay is drawn from the whole interval that begins at 0.",
	                        &sp_job_retry_base_ms, 1000, 0, INT_MAX, PGC_USERSET, GUC_UNIT_MS, NULL,
	                        NULL, NULL);
	DefineCustomIntVariable("spotai.job_retry_cap", "Longest delay before any attempt.", NULL,
	                        &sp_job_retry_cap_ms, 600000, 0, INT_MAX, PGC_USERSET, GUC_UNIT_MS,
	                        NULL, NULL, NULL);
}

void
sp_job_init(void)
{
	define_worker_settings();
	define_job_settings();
	sp_job_checks_init();
	if (process_shared_preload_libraries_in_progress)
	{
		sp_job_shmem_init();
		sp_job_worker_init();
	}
}
