/*
 * src/pg/job/submit.h
 *	  Checks that several SQL functions of the job room share.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_JOB_SUBMIT_H
#define SP_PG_JOB_SUBMIT_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/uuid.h"

/* 22023 with a hint that names the kinds, unless there is one of this name. */
extern void sp_job_check_kind(const char *kind);

/* 42501 unless the session may submit, cancel or change jobs of this kind, which exists. */
extern void sp_job_require_kind(const char *kind);

/* 22023 unless args is an object. */
extern void sp_job_check_args(Jsonb *args);

/* 42704; the same for a job of another tenant as for one that never was. */
extern void sp_job_no_such_job(const pg_uuid_t *id) __attribute__((noreturn));

#endif /* SP_PG_JOB_SUBMIT_H */
