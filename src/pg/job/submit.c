/*
 * src/pg/job/submit.c
 *	  Submitting and canceling jobs, and the list of kinds.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "pg/audit/audit.h"
#include "pg/identity/identity.h"
#include "pg/job/kinds.h"
#include "pg/job/settings.h"
#include "pg/job/shmem.h"
#include "pg/job/submit.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_submit);
SPOTAI_FUNCTION(spotai_cancel);
SPOTAI_FUNCTION(spotai_job_kinds);
SPOTAI_FUNCTION(spotai_job_permitted);

/* Argument numbers of spotai.submit(). */
enum
{
	ARG_KIND,
	ARG_ARGS,
	ARG_PRIORITY,
	ARG_RUN_AT,
	ARG_KEY
};

void
sp_job_check_kind(const char *kind)
{
	if (sp_job_kind(kind) == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("unknown kind of job \"%s\"", kind),
		                errhint("The kinds are: %s.", sp_job_kind_names())));
}

void
sp_job_require_kind(const char *kind)
{
	const char *permission = sp_job_kind(kind)->permission;

	if (permission != NULL)
		sp_identity_require_permission(permission);
}

void
sp_job_check_args(Jsonb *args)
{
	if (!JB_ROOT_IS_OBJECT(args))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("the arguments of a job must be a JSON object"),
		                errhint("Write '{}' when there are none.")));
}

static void
check_submission(FunctionCallInfo fcinfo)
{
	char *kind;

	for (int i = ARG_KIND; i < ARG_KEY; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			                errmsg("only the idempotency key of a job can be null")));
	kind = text_to_cstring(PG_GETARG_TEXT_PP(ARG_KIND));
	sp_job_check_kind(kind);
	sp_job_require_kind(kind);
	sp_job_check_args(PG_GETARG_JSONB_P(ARG_ARGS));
	if (!PG_ARGISNULL(ARG_KEY) && VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(ARG_KEY)) == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("an idempotency key must not be empty")));
}

/* Without a key; the id in the caller's memory. */
static pg_uuid_t *
insert_job(FunctionCallInfo fcinfo, MemoryContext caller)
{
	static SpQuery q = {.text = "INSERT INTO spotai.job (kind, args, priority, run_at,"
	                            " max_attempts) VALUES ($1, $2, $3, $4, $5) RETURNING id",
	                    .nargs = 5,
	                    .types = {TEXTOID, JSONBOID, INT4OID, TIMESTAMPTZOID, INT4OID}};
	Datum args[] = {PG_GETARG_DATUM(ARG_KIND), PG_GETARG_DATUM(ARG_ARGS),
	                PG_GETARG_DATUM(ARG_PRIORITY), PG_GETARG_DATUM(ARG_RUN_AT),
	                Int32GetDatum(sp_job_max_attempts)};
	pg_uuid_t *id = MemoryContextAlloc(caller, sizeof(pg_uuid_t));
	bool isnull;

	sp_pg_query(&q, args, NULL, false);
	*id = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
	return id;
}

/*
 * With a key: the id of the job that has it.  The key may be taken by a
 * transaction that rolls back while we wait for it, or by a job that is pruned
 * before we can read it; then we try again.  *fresh tells whether it is ours.
 */
static pg_uuid_t *
insert_or_find_job(FunctionCallInfo fcinfo, MemoryContext caller, bool *fresh)
{
	static SpQuery insert = {
		.text = "INSERT INTO spotai.job (kind, args, priority, run_at, max_attempts,"
				" idempotency_key) VALUES ($1, $2, $3, $4, $5, $6)"
				" ON CONFLICT (tenant_id, submitted_by, idempotency_key)"
				" WHERE idempotency_key IS NOT NULL DO NOTHING RETURNING id",
		.nargs = 6,
		.types = {TEXTOID, JSONBOID, INT4OID, TIMESTAMPTZOID, INT4OID, TEXTOID}};
	static SpQuery find = {
		.text = "SELECT id, kind = $1 AND args = $2 FROM spotai.job"
				" WHERE tenant_id = spotai.current_tenant() AND submitted_by = current_user"
				" AND idempotency_key = $3",
		.nargs = 3,
		.types = {TEXTOID, JSONBOID, TEXTOID}};
	Datum args[] = {PG_GETARG_DATUM(ARG_KIND),          PG_GETARG_DATUM(ARG_ARGS),
	                PG_GETARG_DATUM(ARG_PRIORITY),      PG_GETARG_DATUM(ARG_RUN_AT),
	                Int32GetDatum(sp_job_max_attempts), PG_GETARG_DATUM(ARG_KEY)};
	Datum find_args[] = {args[0], args[1], args[5]};
	pg_uuid_t *id = MemoryContextAlloc(caller, sizeof(pg_uuid_t));
	bool isnull;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		*fresh = sp_pg_query(&insert, args, NULL, false) == 1;
		if (*fresh || sp_pg_query(&find, find_args, NULL, false) == 1)
			break;
	}
	if (!*fresh && !DatumGetBool(sp_pg_column(0, 2, &isnull)))
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
		                errmsg("idempotency key \"%s\" belongs to a job of another kind or with "
		                       "other arguments",
		                       text_to_cstring(PG_GETARG_TEXT_PP(ARG_KEY)))));
	*id = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
	return id;
}

/*
 * spotai.submit(kind text, args jsonb, priority integer, run_at timestamptz,
 * idempotency_key text) returns uuid
 */
Datum
spotai_submit(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	bool fresh = true;
	pg_uuid_t *id;

	sp_pg_require_tables();
	sp_identity_require_permission("job:submit");
	check_submission(fcinfo);
	SPI_connect();
	if (PG_ARGISNULL(ARG_KEY))
		id = insert_job(fcinfo, caller);
	else
		id = insert_or_find_job(fcinfo, caller, &fresh);
	SPI_finish();
	/* also for a later run_at: a sleeping worker has to set its alarm */
	if (fresh)
	{
		sp_job_wake_at_commit(1);
		sp_audit_count("job.submit", text_to_cstring(PG_GETARG_TEXT_PP(ARG_KIND)));
	}
	PG_RETURN_UUID_P(id);
}

/* spotai.cancel(job uuid) returns boolean */
Datum
spotai_cancel(PG_FUNCTION_ARGS)
{
	static SpQuery cancel = {
		.text = "UPDATE spotai.job SET cancel_requested = true,"
				" state = CASE state WHEN 'queued' THEN 'canceled' ELSE state END,"
				" finished_at = CASE state WHEN 'queued' THEN $3 END, updated_at = $3"
				" WHERE tenant_id = $1 AND id = $2 AND state IN ('queued', 'running')",
		.nargs = 3,
		.types = {UUIDOID, UUIDOID, TIMESTAMPTZOID}};
	static SpQuery look = {.text = "SELECT state IN ('queued', 'running') FROM spotai.job"
	                               " WHERE tenant_id = $1 AND id = $2",
	                       .nargs = 2,
	                       .types = {UUIDOID, UUIDOID}};
	Datum args[3];
	bool canceled;
	bool isnull;

	sp_pg_require_tables();
	sp_identity_require_permission("job:submit");
	SPI_connect();
	args[0] = sp_pg_current_tenant();
	args[1] = PG_GETARG_DATUM(0);
	args[2] = TimestampTzGetDatum(GetCurrentTimestamp());
	canceled = sp_pg_query(&cancel, args, NULL, false) == 1;
	if (!canceled)
	{
		if (sp_pg_query(&look, args, NULL, false) == 0)
			sp_job_no_such_job(PG_GETARG_UUID_P(0));
		if (DatumGetBool(sp_pg_column(0, 1, &isnull)))
			ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			                errmsg("the job belongs to another role")));
	}
	SPI_finish();
	if (canceled)
		sp_job_cancel_at_commit(PG_GETARG_UUID_P(0));
	PG_RETURN_BOOL(canceled);
}

void
sp_job_no_such_job(const pg_uuid_t *id)
{
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
	                errmsg("job %s does not exist",
	                       DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id))))));
}

/* spotai.job_kinds(OUT kind text, OUT description text, OUT permission text) returns setof record */
Datum
spotai_job_kinds(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int count;
	const SpJobKind *kinds = sp_job_kinds(&count);

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < count; i++)
	{
		Datum values[] = {CStringGetTextDatum(kinds[i].name),
		                  CStringGetTextDatum(kinds[i].description), (Datum) 0};
		bool nulls[] = {false, false, kinds[i].permission == NULL};

		if (kinds[i].permission != NULL)
			values[2] = CStringGetTextDatum(kinds[i].permission);

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

static bool
is_permitted(const char *name)
{
	const SpJobKind *kind = sp_job_kind(name);

	if (kind == NULL)
		return sp_identity_has_permission("*");
	return kind->permission == NULL || sp_identity_permitted(kind->permission);
}

/*
 * _spotai.job_permitted(kind text) returns boolean: for the policies of jobs and
 * schedules.  A kind that only a newer library knows is for those who may do
 * anything.  One statement asks once for the kind of its rows, as an InitPlan would.
 */
Datum
spotai_job_permitted(PG_FUNCTION_ARGS)
{
	text *kind = PG_GETARG_TEXT_PP(0);
	text *permitted = fcinfo->flinfo->fn_extra;
	MemoryContext caller;

	if (permitted != NULL && VARSIZE_ANY_EXHDR(permitted) == VARSIZE_ANY_EXHDR(kind) &&
	    memcmp(VARDATA_ANY(permitted), VARDATA_ANY(kind), VARSIZE_ANY_EXHDR(kind)) == 0)
		PG_RETURN_BOOL(true);
	if (!is_permitted(text_to_cstring(kind)))
		PG_RETURN_BOOL(false);
	/* rows of two kinds in turn: ask each time rather than fill the memory of the statement */
	if (permitted == NULL)
	{
		caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
		fcinfo->flinfo->fn_extra =
			cstring_to_text_with_len(VARDATA_ANY(kind), VARSIZE_ANY_EXHDR(kind));
		MemoryContextSwitchTo(caller);
	}
	PG_RETURN_BOOL(true);
}
