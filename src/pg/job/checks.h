/*
 * src/pg/job/checks.h
 *	  The CHECK constraints of spotai.job, made ready once a backend.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_JOB_CHECKS_H
#define SP_PG_JOB_CHECKS_H

/* At module load. */
extern void sp_job_checks_init(void);

#endif /* SP_PG_JOB_CHECKS_H */
