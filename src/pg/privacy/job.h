/*
 * src/pg/privacy/job.h
 *	  The kind of job that carries out retention policies.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_PRIVACY_JOB_H
#define SP_PG_PRIVACY_JOB_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "pg/job/job.h"

/* args: batch (10000), rows a transaction; result: {"rows": n}. */
extern Jsonb *sp_privacy_retention_job(SpJob *job, Jsonb *args);

#endif /* SP_PG_PRIVACY_JOB_H */
