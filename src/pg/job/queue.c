/*
 * src/pg/job/queue.c
 *	  The engine's statements on spotai.job.
 *
 * Claiming locks rows with SKIP LOCKED, so that claimers never wait for each
 * other, and raises the fence number, so that of two workers that both believe
 * they have a job only the later one can end it.
 *
 * Times come from the caller, because now() inside CALL is when the previous
 * transaction ended, which may be long ago.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pg/job/kinds.h"
#include "pg/job/queue.h"
#include "pg/job/settings.h"
#include "pg/sql.h"

static TimestampTz
lease_end(TimestampTz now)
{
	return now + sp_job_lease_s * USECS_PER_SEC;
}

static bool
is_light(const SpJobRow *job)
{
	const SpJobKind *kind = sp_job_kind(job->kind);

	return kind && kind->light && JB_ROOT_COUNT(job->args) == 0;
}

static void
read_row(uint64 row, SpJobRow *job)
{
	bool isnull;

	job->tenant_id = *DatumGetUUIDP(sp_pg_column(row, 1, &isnull));
	job->id = *DatumGetUUIDP(sp_pg_column(row, 2, &isnull));
	job->fence = DatumGetInt64(sp_pg_column(row, 3, &isnull));
	job->attempt = DatumGetInt32(sp_pg_column(row, 4, &isnull));
	job->max_attempts = DatumGetInt32(sp_pg_column(row, 5, &isnull));
	job->kind = TextDatumGetCString(sp_pg_column(row, 6, &isnull));
	job->args = DatumGetJsonbPCopy(sp_pg_column(row, 7, &isnull));
	job->submitted_by = pstrdup(NameStr(*DatumGetName(sp_pg_column(row, 8, &isnull))));
}

/* What is due and the caller's to run, the best first; $1 is now, $2 whether all roles' are. */
#define FROM_HEAD                                              \
	" FROM spotai.job WHERE state = 'queued' AND run_at <= $1" \
	" AND ($2 OR submitted_by = current_user) ORDER BY priority DESC, run_at LIMIT "

#define CLAIM                                                                                   \
	"UPDATE spotai.job SET state = 'running', attempt = attempt + 1, fence = fence + 1,"        \
	" lease_until = $3, worker_pid = $4, worker_started_at = $5, progress = 0, message = NULL," \
	" started_at = $1, updated_at = $1 WHERE ctid = "

#define CLAIMED " RETURNING tenant_id, id, fence, attempt, max_attempts, kind, args, submitted_by"

/* The first five arguments of both. */
#define CLAIM_TYPES TIMESTAMPTZOID, BOOLOID, TIMESTAMPTZOID, INT4OID, TIMESTAMPTZOID
#define CLAIM_ARGS(now, everybody)                                                          \
	TimestampTzGetDatum(now), BoolGetDatum(everybody), TimestampTzGetDatum(lease_end(now)), \
		Int32GetDatum(MyProcPid), TimestampTzGetDatum(MyStartTimestamp)

/* The rows are found again by ctid: they are locked, so they stay where they are. */
static bool
claim_next(bool everybody, TimestampTz now, SpJobRow *row)
{
	static SpQuery q = {.text = CLAIM "(SELECT ctid" FROM_HEAD "1 FOR UPDATE SKIP LOCKED)" CLAIMED,
	                    .nargs = 5,
	                    .types = {CLAIM_TYPES}};
	Datum args[] = {CLAIM_ARGS(now, everybody)};

	if (sp_pg_query(&q, args, NULL, false) == 0)
		return false;
	read_row(0, row);
	return true;
}

/*
 * The head of the queue is locked, but only its light jobs are taken; the others
 * are free again at commit.  How many.
 */
static int
claim_light(int limit, bool everybody, TimestampTz now, SpJobRow *rows)
{
	static SpQuery q = {
		.text = "WITH head AS MATERIALIZED (SELECT ctid, kind, args" FROM_HEAD
				"$6 FOR UPDATE SKIP LOCKED) " CLAIM
				"ANY (ARRAY(SELECT ctid FROM head WHERE kind = ANY ($7) AND args = '{}'))" CLAIMED,
		.nargs = 7,
		.types = {CLAIM_TYPES, INT4OID, TEXTARRAYOID}};
	Datum args[] = {CLAIM_ARGS(now, everybody), Int32GetDatum(limit), sp_job_light_kinds()};
	int count = (int) sp_pg_query(&q, args, NULL, false);

	for (int i = 0; i < count; i++)
		read_row(i, &rows[i]);
	return count;
}

/*
 * What is next decides: a light job brings others with it.  A row that was
 * changed after our snapshot, say its priority, is locked and not found again;
 * so nothing is nothing only when it is so twice.
 */
int
sp_job_claim(int limit, bool everybody, TimestampTz now, MemoryContext context, SpJobRow **rows)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	int count = 0;

	*rows = palloc(sizeof(SpJobRow) * Max(limit, 1));
	if (claim_next(everybody, now, *rows) || claim_next(everybody, now, *rows))
		count = 1;
	if (count == 1 && limit > 1 && is_light(*rows))
		count += claim_light(limit - 1, everybody, now, *rows + 1);
	MemoryContextSwitchTo(old);
	return count;
}

void
sp_job_succeed_batch(const SpJobRow *rows, int count, TimestampTz now)
{
	static SpQuery q = {
		.text = "UPDATE spotai.job j SET state = 'succeeded', progress = 1, error = NULL,"
				" error_code = NULL, lease_until = NULL, finished_at = $4, updated_at = $4"
				" FROM unnest($1, $2, $3) AS done (tenant_id, id, fence)"
				" WHERE j.tenant_id = done.tenant_id AND j.id = done.id AND j.fence = done.fence"
				" AND j.state = 'running'",
		.nargs = 4,
		.types = {UUIDARRAYOID, UUIDARRAYOID, INT8ARRAYOID, TIMESTAMPTZOID}};
	Datum *tenants = palloc(sizeof(Datum) * count);
	Datum *ids = palloc(sizeof(Datum) * count);
	Datum *fences = palloc(sizeof(Datum) * count);
	Datum args[4];

	for (int i = 0; i < count; i++)
	{
		tenants[i] = UUIDPGetDatum(&rows[i].tenant_id);
		ids[i] = UUIDPGetDatum(&rows[i].id);
		fences[i] = Int64GetDatum(rows[i].fence);
	}
	args[0] =
		PointerGetDatum(construct_array(tenants, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	args[1] = PointerGetDatum(construct_array(ids, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	args[2] = PointerGetDatum(
		construct_array(fences, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	args[3] = TimestampTzGetDatum(now);
	sp_pg_query(&q, args, NULL, false);
}

/* The first three arguments of every statement below. */
#define ROW_IS_MINE "tenant_id = $1 AND id = $2 AND fence = $3 AND state = 'running'"
#define ROW_ARGS(row) \
	UUIDPGetDatum(&(row)->tenant_id), UUIDPGetDatum(&(row)->id), Int64GetDatum((row)->fence)

bool
sp_job_succeed(const SpJobRow *row, Jsonb *result, TimestampTz now)
{
	static SpQuery q = {
		.text = "UPDATE spotai.job SET state = 'succeeded', progress = 1, result = $5,"
				" error = NULL, error_code = NULL, lease_until = NULL, finished_at = $4,"
				" updated_at = $4 WHERE " ROW_IS_MINE,
		.nargs = 5,
		.types = {UUIDOID, UUIDOID, INT8OID, TIMESTAMPTZOID, JSONBOID}};
	Datum args[] = {ROW_ARGS(row), TimestampTzGetDatum(now), PointerGetDatum(result)};

	return sp_pg_query(&q, args, result ? NULL : "    n", false) == 1;
}

bool
sp_job_end(const SpJobRow *row, SpJobEnd end, TimestampTz run_at, const char *error,
           const char *error_code, TimestampTz now)
{
	static const char *const states[] = {"queued", "queued", "failed", "dead"};
	/* a cancel that came too late to stop the attempt still stops the next one */
	static SpQuery q = {
		.text = "UPDATE spotai.job SET state = CASE WHEN cancel_requested THEN 'canceled' ELSE $5"
				" END, finished_at = CASE WHEN cancel_requested OR $5 <> 'queued' THEN $4 END,"
				" attempt = attempt - CASE WHEN cancel_requested THEN 0 ELSE $6 END, run_at = "
				"coalesce($7, run_at),"
				" error = coalesce($8, error), error_code = coalesce($9, error_code),"
				" lease_until = NULL, updated_at = $4 WHERE " ROW_IS_MINE,
		.nargs = 9,
		.types = {UUIDOID, UUIDOID, INT8OID, TIMESTAMPTZOID, TEXTOID, INT4OID, TIMESTAMPTZOID,
	              TEXTOID, TEXTOID}};
	char nulls[] = "         ";
	Datum args[] = {ROW_ARGS(row),
	                TimestampTzGetDatum(now),
	                CStringGetTextDatum(states[end]),
	                Int32GetDatum(end == SP_JOB_END_HAND_BACK ? 1 : 0),
	                TimestampTzGetDatum(run_at),
	                error ? CStringGetTextDatum(error) : (Datum) 0,
	                error_code ? CStringGetTextDatum(error_code) : (Datum) 0};

	if (end != SP_JOB_END_RETRY)
		nulls[6] = 'n';
	if (error == NULL)
		nulls[7] = 'n';
	if (error_code == NULL)
		nulls[8] = 'n';
	return sp_pg_query(&q, args, nulls, false) == 1;
}

bool
sp_job_renew(const SpJobRow *row, double progress, const char *message, TimestampTz now,
             bool *canceled)
{
	static SpQuery q = {
		.text = "UPDATE spotai.job SET progress = $5, message = $6, lease_until = $7,"
				" updated_at = $4 WHERE " ROW_IS_MINE " RETURNING cancel_requested",
		.nargs = 7,
		.types = {UUIDOID, UUIDOID, INT8OID, TIMESTAMPTZOID, FLOAT4OID, TEXTOID, TIMESTAMPTZOID}};
	Datum args[] = {ROW_ARGS(row), TimestampTzGetDatum(now), Float4GetDatum((float4) progress),
	                CStringGetTextDatum(message), TimestampTzGetDatum(lease_end(now))};
	bool isnull;

	if (sp_pg_query(&q, args, message[0] ? NULL : "     n ", false) == 0)
		return false;
	*canceled = DatumGetBool(sp_pg_column(0, 1, &isnull));
	return true;
}

bool
sp_job_check(const SpJobRow *row, bool *canceled)
{
	static SpQuery q = {.text = "SELECT cancel_requested FROM spotai.job WHERE " ROW_IS_MINE,
	                    .nargs = 3,
	                    .types = {UUIDOID, UUIDOID, INT8OID}};
	Datum args[] = {ROW_ARGS(row)};
	bool isnull;

	if (sp_pg_query(&q, args, NULL, true) == 0)
		return false;
	*canceled = DatumGetBool(sp_pg_column(0, 1, &isnull));
	return true;
}

/*
 * A key-share lock conflicts with nothing but the FOR UPDATE of a take-over,
 * which skips locked rows; a cancel goes through.
 */
bool
sp_job_hold(const SpJobRow *row)
{
	static SpQuery q = {.text = "SELECT FROM spotai.job WHERE " ROW_IS_MINE " FOR KEY SHARE",
	                    .nargs = 3,
	                    .types = {UUIDOID, UUIDOID, INT8OID}};
	Datum args[] = {ROW_ARGS(row)};

	return sp_pg_query(&q, args, NULL, false) == 1;
}

bool
sp_job_seize(const SpJobRow *row, TimestampTz lease_until)
{
	static SpQuery q = {.text = "SELECT FROM spotai.job WHERE " ROW_IS_MINE
	                            " AND lease_until = $4 FOR UPDATE SKIP LOCKED",
	                    .nargs = 4,
	                    .types = {UUIDOID, UUIDOID, INT8OID, TIMESTAMPTZOID}};
	Datum args[] = {ROW_ARGS(row), TimestampTzGetDatum(lease_until)};

	return sp_pg_query(&q, args, NULL, false) == 1;
}

int
sp_job_prune(TimestampTz before)
{
	static SpQuery q = {
		.text = "DELETE FROM spotai.job WHERE ctid = ANY (ARRAY(SELECT ctid FROM spotai.job"
				" WHERE finished_at < $1 ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED))",
		.nargs = 2,
		.types = {TIMESTAMPTZOID, INT4OID}};
	Datum args[] = {TimestampTzGetDatum(before), Int32GetDatum(SP_JOB_PRUNE_BATCH)};

	return (int) sp_pg_query(&q, args, NULL, false);
}

TimestampTz
sp_job_next_due(TimestampTz now)
{
	static SpQuery q = {
		.text = "SELECT coalesce(least((SELECT min(run_at) FROM spotai.job WHERE state = 'queued'"
				" AND run_at > created_at AND run_at > $1),"
				" (SELECT min(next_run_at) FROM spotai.schedule WHERE next_run_at > $1)),"
				" 'infinity')",
		.nargs = 1,
		.types = {TIMESTAMPTZOID}};
	Datum args[] = {TimestampTzGetDatum(now)};
	bool isnull;

	sp_pg_query(&q, args, NULL, true);
	return DatumGetTimestampTz(sp_pg_column(0, 1, &isnull));
}
