/*
 * src/pg/job/kinds.h
 *	  The kinds of jobs.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_JOB_KINDS_H
#define SP_PG_JOB_KINDS_H

#include "postgres.h"

#include "pg/job/job.h"

typedef struct SpJobKind
{
	const char *name;
	SpJobHandler handler;
	/*
	 * Does nothing when its args are {}: such jobs are claimed and finished in
	 * batches, without calling the handler.
	 */
	bool light;
	/* What whoever submits one needs besides job:submit, and the job may do; NULL: nothing. */
	const char *permission;
	const char *description;
} SpJobKind;

/* Every kind; *count is their number. */
extern const SpJobKind *sp_job_kinds(int *count);

/* NULL when there is none of that name. */
extern const SpJobKind *sp_job_kind(const char *name);

/* The names, for a hint: "export, noop, separate". */
extern char *sp_job_kind_names(void);

/* The names of the light ones, a text[] in the current memory context. */
extern Datum sp_job_light_kinds(void);

#endif /* SP_PG_JOB_KINDS_H */
