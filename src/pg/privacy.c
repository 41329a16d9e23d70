/*
 * src/pg/privacy.c
 *	  What the privacy room cannot do in SQL: its setting, and statements on
 *	  tables whose owners are not trusted.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "pg/identity.h"
#include "pg/owner.h"
#include "pg/privacy.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_privacy_permission);
SPOTAI_FUNCTION(spotai_as_table_owner);
SPOTAI_FUNCTION(spotai_may_give_away);

static bool consent_required = false;

void
sp_privacy_init(void)
{
	DefineCustomBoolVariable("spotai.require_consent",
	                         "Refuses to process a person's data without the person's consent.",
	                         "Consent is given by spotai.consent_give(). What asks for it, and for "
	                         "which purpose, is listed in docs/guides/privacy.md.",
	                         &consent_required, false, PGC_SUSET, 0, NULL, NULL, NULL);
}

void
sp_privacy_require_consent(const pg_uuid_t *subject, const char *purpose)
{
	static SpQuery ask = {
		.text = "SELECT _spotai.require_consent($1, $2)", .nargs = 2, .types = {UUIDOID, TEXTOID}};
	Datum args[] = {UUIDPGetDatum(subject), CStringGetTextDatum(purpose)};
	SpOwner before;

	if (!consent_required)
		return;
	before = sp_pg_become_owner("consent_event");
	SPI_connect();
	sp_pg_query(&ask, args, NULL, false);
	SPI_finish();
	sp_pg_resign(&before);
}

/* _spotai.privacy_permission(permission text) returns void. */
Datum
spotai_privacy_permission(PG_FUNCTION_ARGS)
{
	sp_identity_require_permission(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

static Oid
owner_of(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
		                errmsg("there is no table with the oid %u", relation)));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* The one value of the one row, in the memory context `result`. */
static Datum
run(const char *statement, Datum *args, const char *nulls, MemoryContext result, bool *isnull)
{
	Oid types[] = {UUIDOID, UUIDOID, UUIDARRAYOID, TIMESTAMPTZOID, INT8OID};
	MemoryContext caller = CurrentMemoryContext;
	Datum value = (Datum) 0;
	int rc = SPI_execute_with_args(statement, lengthof(types), types, args, nulls, false, 0);

	if (rc != SPI_OK_SELECT || SPI_processed != 1 || SPI_tuptable->tupdesc->natts != 1 ||
	    SPI_gettypeid(SPI_tuptable->tupdesc, 1) != JSONBOID)
		elog(ERROR, "a statement of the privacy room did not answer one jsonb");
	value = sp_pg_column(0, 1, isnull);
	if (!*isnull)
	{
		MemoryContextSwitchTo(result);
		value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	}
	MemoryContextSwitchTo(caller);
	return value;
}

/*
 * _spotai.as_table_owner(relation regclass, statement text, tenant uuid, subject
 * uuid, held uuid[], before timestamptz, batch bigint) returns jsonb
 *
 * A table may have triggers, generated columns and types of its owner's making,
 * which must not run with our privileges: the way of VACUUM and REINDEX.
 */
Datum
spotai_as_table_owner(PG_FUNCTION_ARGS)
{
	MemoryContext result = CurrentMemoryContext;
	Datum args[5], value;
	char nulls[6] = "     ";
	bool isnull;
	char *statement;
	Oid user;
	int context;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		                errmsg("a table and a statement are needed")));
	statement = text_to_cstring(PG_GETARG_TEXT_PP(1));
	for (int i = 0; i < lengthof(args); i++)
	{
		args[i] = PG_ARGISNULL(i + 2) ? (Datum) 0 : PG_GETARG_DATUM(i + 2);
		nulls[i] = PG_ARGISNULL(i + 2) ? 'n' : ' ';
	}
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner_of(PG_GETARG_OID(0)), context | SECURITY_LOCAL_USERID_CHANGE |
	                                                       SECURITY_RESTRICTED_OPERATION |
	                                                       SECURITY_NOFORCE_RLS);
	SPI_connect();
	value = run(statement, args, nulls, result, &isnull);
	SPI_finish();
	SetUserIdAndSecContext(user, context);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(value);
}

/*
 * _spotai.may_give_away(relation regclass) returns boolean: whether the role of
 * the session, which a SECURITY DEFINER function cannot see, owns the table.
 */
Datum
spotai_may_give_away(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(has_privs_of_role(GetOuterUserId(), owner_of(PG_GETARG_OID(0))));
}
