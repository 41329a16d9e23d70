/*
 * src/pg/job/schedule.c
 *	  Schedules: jobs that are submitted at regular times.
 *
 * A due schedule is locked, its job inserted and the schedule moved to its
 * next time in one transaction, so several workers cannot submit a job twice;
 * the job's idempotency key, made from the schedule and the due time, says so
 * once more.  The next time is counted from now: times that were missed while
 * nobody looked are made up by one job.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "core/job/cron.h"
#include "pg/identity/identity.h"
#include "pg/job/schedule.h"
#include "pg/job/settings.h"
#include "pg/job/shmem.h"
#include "pg/job/submit.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_schedule);
SPOTAI_FUNCTION(spotai_unschedule);

/* More are found a second later. */
#define SUBMIT_BATCH 100

/* Seconds from 1970 to 2000, where timestamps begin. */
#define EPOCH_SHIFT_S ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

static SpStatus
next_time(const char *text, TimestampTz after, TimestampTz *next, SpFault *fault)
{
	SpCron cron;
	int64_t seconds;
	SpStatus st = sp_cron_parse(text, &cron, fault);

	if (st == SP_OK)
		st = sp_cron_next(&cron, after / USECS_PER_SEC + EPOCH_SHIFT_S, &seconds);
	if (st == SP_OK)
		*next = (seconds - EPOCH_SHIFT_S) * USECS_PER_SEC;
	return st;
}

typedef struct DueSchedule
{
	pg_uuid_t tenant_id;
	pg_uuid_t id;
	char *cron;
} DueSchedule;

static int
lock_due(TimestampTz now, DueSchedule **due)
{
	static SpQuery q = {
		.text = "SELECT tenant_id, id, cron FROM spotai.schedule WHERE next_run_at <= $1"
				" ORDER BY next_run_at LIMIT $2 FOR UPDATE SKIP LOCKED",
		.nargs = 2,
		.types = {TIMESTAMPTZOID, INT4OID}};
	Datum args[] = {TimestampTzGetDatum(now), Int32GetDatum(SUBMIT_BATCH)};
	int count = (int) sp_pg_query(&q, args, NULL, false);
	bool isnull;

	*due = palloc(sizeof(DueSchedule) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		(*due)[i].tenant_id = *DatumGetUUIDP(sp_pg_column(i, 1, &isnull));
		(*due)[i].id = *DatumGetUUIDP(sp_pg_column(i, 2, &isnull));
		(*due)[i].cron = TextDatumGetCString(sp_pg_column(i, 3, &isnull));
	}
	return count;
}

static int
submit_one(const DueSchedule *due)
{
	static SpQuery q = {
		.text = "INSERT INTO spotai.job (tenant_id, kind, args, run_at, max_attempts,"
				" idempotency_key, submitted_by)"
				" SELECT tenant_id, kind, args, next_run_at, $3, format('schedule %s %s', id,"
				" extract(epoch FROM next_run_at)::bigint), submitted_by"
				" FROM spotai.schedule WHERE tenant_id = $1 AND id = $2"
				" ON CONFLICT DO NOTHING",
		.nargs = 3,
		.types = {UUIDOID, UUIDOID, INT4OID}};
	Datum args[] = {UUIDPGetDatum(&due->tenant_id), UUIDPGetDatum(&due->id),
	                Int32GetDatum(sp_job_max_attempts)};

	return (int) sp_pg_query(&q, args, NULL, false);
}

/* A cron text that came past spotai.schedule() and is none stops its schedule. */
static void
advance(const DueSchedule *due, TimestampTz now)
{
	static SpQuery q = {
		.text = "UPDATE spotai.schedule SET last_run_at = next_run_at, next_run_at = $3,"
				" error = $4, updated_at = $5 WHERE tenant_id = $1 AND id = $2",
		.nargs = 5,
		.types = {UUIDOID, UUIDOID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID}};
	SpFault fault = {{0}, {0}};
	TimestampTz next = DT_NOEND;
	bool valid = next_time(due->cron, now, &next, &fault) == SP_OK;
	Datum args[] = {UUIDPGetDatum(&due->tenant_id), UUIDPGetDatum(&due->id),
	                TimestampTzGetDatum(next), CStringGetTextDatum(fault.detail),
	                TimestampTzGetDatum(now)};

	sp_pg_query(&q, args, valid ? "   n " : NULL, false);
}

int
sp_job_submit_scheduled(TimestampTz now)
{
	DueSchedule *due;
	int count = lock_due(now, &due);
	int submitted = 0;

	for (int i = 0; i < count; i++)
	{
		submitted += submit_one(&due[i]);
		advance(&due[i], now);
	}
	return submitted;
}

/* Say it in our words before row-level security does; owners are not bound by it. */
static void
refuse_foreign(Datum tenant, Datum name)
{
	static SpQuery q = {
		.text = "SELECT FROM spotai.schedule WHERE tenant_id = $1 AND name = $2"
				" AND submitted_by <> current_user AND row_security_active('spotai.schedule')",
		.nargs = 2,
		.types = {UUIDOID, TEXTOID}};
	Datum args[] = {tenant, name};

	if (sp_pg_query(&q, args, NULL, false) > 0)
		ereport(ERROR,
		        (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		         errmsg("schedule \"%s\" belongs to another role", TextDatumGetCString(name))));
}

/* spotai.schedule(name text, cron text, kind text, args jsonb) returns timestamptz */
Datum
spotai_schedule(PG_FUNCTION_ARGS)
{
	static SpQuery q = {
		.text = "INSERT INTO spotai.schedule AS s (tenant_id, name, cron, kind, args, next_run_at)"
				" VALUES ($1, $2, $3, $4, $5, $6)"
				" ON CONFLICT (tenant_id, name) DO UPDATE SET cron = excluded.cron,"
				" kind = excluded.kind, args = excluded.args, next_run_at = excluded.next_run_at,"
				" submitted_by = excluded.submitted_by, error = NULL, updated_at = now()",
		.nargs = 6,
		.types = {UUIDOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, TIMESTAMPTZOID}};
	SpFault fault = {{0}, {0}};
	TimestampTz next = 0;
	Datum args[6];
	char *kind;

	sp_pg_require_tables();
	sp_identity_require_permission("job:submit");
	if (VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(0)) == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("the name of a schedule must not be empty")));
	kind = text_to_cstring(PG_GETARG_TEXT_PP(2));
	sp_job_check_kind(kind);
	sp_job_require_kind(kind);
	sp_job_check_args(PG_GETARG_JSONB_P(3));
	sp_pg_check(
		next_time(text_to_cstring(PG_GETARG_TEXT_PP(1)), GetCurrentTimestamp(), &next, &fault),
		"crontab expression", &fault);
	SPI_connect();
	args[0] = sp_pg_current_tenant();
	for (int i = 0; i < 4; i++)
		args[i + 1] = PG_GETARG_DATUM(i);
	args[5] = TimestampTzGetDatum(next);
	refuse_foreign(args[0], args[1]);
	sp_pg_query(&q, args, NULL, false);
	SPI_finish();
	/* a sleeping worker has to look when it is due now */
	sp_job_wake_at_commit(1);
	PG_RETURN_TIMESTAMPTZ(next);
}

/* spotai.unschedule(name text) returns boolean */
Datum
spotai_unschedule(PG_FUNCTION_ARGS)
{
	static SpQuery q = {.text = "DELETE FROM spotai.schedule WHERE tenant_id = $1 AND name = $2",
	                    .nargs = 2,
	                    .types = {UUIDOID, TEXTOID}};
	Datum args[2];
	bool deleted;

	sp_pg_require_tables();
	sp_identity_require_permission("job:submit");
	SPI_connect();
	args[0] = sp_pg_current_tenant();
	args[1] = PG_GETARG_DATUM(0);
	refuse_foreign(args[0], args[1]);
	deleted = sp_pg_query(&q, args, NULL, false) > 0;
	SPI_finish();
	PG_RETURN_BOOL(deleted);
}
