/*
 * src/pg/privacy/privacy.c
 *	  What the privacy room cannot do in SQL: its setting, whoever may call its
 *	  functions, and statements on tables whose owners are not trusted.
 *
 * Sessions have no privileges on what an erasure touches.  SECURITY DEFINER
 * functions would give them, but would ask for the permission in the definer's
 * name: code of others that the operator happens to run could erase.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"
#include "utils/syscache.h"

#include "pg/identity/internal.h"
#include "pg/owner.h"
#include "pg/privacy/privacy.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_privacy);
SPOTAI_FUNCTION(spotai_as_table_owner);
SPOTAI_FUNCTION(spotai_may_give_away);

/* How the names of the triggers of spotai.audit_enable() begin. */
#define AUDIT_TRIGGER "spotai_audit_"

static bool consent_required = false;

/* What sessions may call, and what for. */
typedef struct Entry
{
	const char *name;
	const char *permission; /* NULL: none, and "false" is for sessions of no tenant */
	bool self;              /* none for oneself, whom the first argument names */
	bool operator;          /* nor for anybody with a credential */
} Entry;

static const Entry entries[] = {
	{"consent_give", "privacy:write", true, false},
	{"consent_withdraw", "privacy:write", true, false},
	{"has_consent", NULL, false, false},
	{"hold_place", "privacy:hold", false, false},
	{"hold_release", "privacy:hold", false, false},
	{"purge", "privacy:write", false, false},
	{"register_personal_data", "privacy:write", false, true},
	{"retention_drop", "privacy:write", false, false},
	{"retention_run", "privacy:write", false, false},
	{"retention_set", "privacy:write", false, false},
	{"subject_erase", "privacy:write", false, false},
	{"subject_export", "privacy:read", true, false},
	{"unregister_personal_data", "privacy:write", false, true},
};

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

/* --- entry points --------------------------------------------------------- */

static const Entry *
entry_named(const char *name)
{
	for (int i = 0; i < lengthof(entries); i++)
		if (strcmp(entries[i].name, name) == 0)
			return &entries[i];
	elog(ERROR, "\"%s\" is no function of the privacy room", name);
}

static void
check_entry(const Entry *entry, FunctionCallInfo fcinfo)
{
	SpIdentity who = sp_identity_current();

	if (entry->permission == NULL)
		return;
	/* a key that was given away for little does not open all of its owner's data */
	if (entry->self && who.has_principal && sp_identity_session()->login.scopes == NULL &&
	    !PG_ARGISNULL(0) && memcmp(PG_GETARG_UUID_P(0), &who.principal, UUID_LEN) == 0)
		return;
	sp_identity_require_permission(entry->permission);
	if (entry->operator&& who.has_principal)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		                errmsg("only the operator of the database may say which tables hold "
		                       "personal data"),
		                errhint("The operator is a member of spotai_admin who has no credential "
		                        "in spotai.token.")));
}

/* The value of _spotai.<name>() with the same arguments, in the memory context `result`. */
static Datum
call(const Entry *entry, FunctionCallInfo fcinfo, MemoryContext result, bool *isnull)
{
	Oid fn = fcinfo->flinfo->fn_oid, *types;
	Datum args[FUNC_MAX_ARGS], value;
	char nulls[FUNC_MAX_ARGS + 1];
	StringInfoData text;
	MemoryContext caller;
	int16 length;
	bool by_value;
	int n;

	(void) get_func_signature(fn, &types, &n);
	initStringInfo(&text);
	appendStringInfo(&text, "SELECT _spotai.%s(", entry->name);
	for (int i = 0; i < n; i++)
	{
		appendStringInfo(&text, "%s$%d", i > 0 ? ", " : "", i + 1);
		args[i] = fcinfo->args[i].value;
		nulls[i] = fcinfo->args[i].isnull ? 'n' : ' ';
	}
	appendStringInfoChar(&text, ')');
	if (SPI_execute_with_args(text.data, n, types, args, nulls,
	                          func_volatile(fn) != PROVOLATILE_VOLATILE, 0) != SPI_OK_SELECT ||
	    SPI_processed != 1)
		elog(ERROR, "could not run \"%s\"", text.data);
	value = sp_pg_column(0, 1, isnull);
	get_typlenbyval(SPI_gettypeid(SPI_tuptable->tupdesc, 1), &length, &by_value);
	caller = MemoryContextSwitchTo(result);
	value = *isnull ? (Datum) 0 : datumCopy(value, by_value, length);
	MemoryContextSwitchTo(caller);
	return value;
}

/* Every function of the room in schema spotai; its own name says which one is called. */
Datum
spotai_privacy(PG_FUNCTION_ARGS)
{
	const Entry *entry = entry_named(get_func_name(fcinfo->flinfo->fn_oid));
	MemoryContext result = CurrentMemoryContext;
	SpOwner before;
	Datum value;
	bool isnull;

	sp_pg_require_tables();
	check_entry(entry, fcinfo);
	/* asked here: as the owner, what others run as a superuser would be the operator */
	if (entry->permission == NULL && !sp_identity_current().known)
		PG_RETURN_BOOL(false);
	before = sp_pg_become_owner("consent_event");
	SPI_connect();
	value = call(entry, fcinfo, result, &isnull);
	SPI_finish();
	sp_pg_resign(&before);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(value);
}

/* --- tables of others ------------------------------------------------------- */

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

/* Nobody gets more rights by this than he has. */
static void
check_may_act(Oid user, Oid owner, Oid relation)
{
	if (!has_privs_of_role(user, owner))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		                errmsg("role \"%s\" may not act as the owner of table \"%s\"",
		                       GetUserNameFromId(user, false), get_rel_name(relation)),
		                errhint("The owner of spotai's tables must be a superuser, or a member of "
		                        "each role that owns a table with personal data.")));
}

/*
 * An operator without a credential is nobody to code of others (identity/identity.c), and
 * so is who audits rows in a trigger of theirs: what it writes about a person
 * would be sealed for nobody's tenant, where no erasure destroys the key.
 */
static void
check_audited(Oid relation)
{
	Relation rel = table_open(relation, AccessShareLock);
	const TriggerDesc *triggers = rel->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		if (strncmp(triggers->triggers[i].tgname, AUDIT_TRIGGER, strlen(AUDIT_TRIGGER)) == 0)
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			                errmsg("the rows of table \"%s\" are audited, and to its owner this "
			                       "session is nobody",
			                       RelationGetRelationName(rel)),
			                errhint("Log in with a credential, or grant spotai_admin to the owner "
			                        "of the table.")));
	table_close(rel, NoLock);
}

/*
 * Statements name the table, and names can change hands between the look at
 * their owner and the statement: the triggers of the new table would run as the
 * owner of the old one.
 */
static void
check_is_about(SPIPlanPtr plan, Oid relation)
{
	const CachedPlanSource *source = linitial(SPI_plan_get_plan_sources(plan));

	if (!list_member_oid(source->relationOids, relation))
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
		                errmsg("a table with personal data was replaced by another of its name"),
		                errhint("Try again.")));
}

/* The one value of the one row, in the memory context `result`. */
static Datum
run(const char *statement, Oid relation, Datum *args, const char *nulls, MemoryContext result,
    bool *isnull)
{
	Oid types[] = {UUIDOID, UUIDOID, UUIDARRAYOID, TIMESTAMPTZOID, INT8OID};
	MemoryContext caller = CurrentMemoryContext;
	SPIPlanPtr plan = SPI_prepare(statement, lengthof(types), types);
	Datum value;

	if (plan == NULL || list_length(SPI_plan_get_plan_sources(plan)) != 1)
		elog(ERROR, "a statement of the privacy room is not one statement");
	check_is_about(plan, relation);
	if (SPI_execute_plan(plan, args, nulls, false, 0) != SPI_OK_SELECT || SPI_processed != 1 ||
	    SPI_tuptable->tupdesc->natts != 1 || SPI_gettypeid(SPI_tuptable->tupdesc, 1) != JSONBOID)
		elog(ERROR, "a statement of the privacy room did not answer one jsonb");
	/* it may have been parsed again before it ran */
	check_is_about(plan, relation);
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
	bool isnull, somebody = sp_identity_current().known;
	char *statement;
	Oid user, owner;
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
	owner = owner_of(PG_GETARG_OID(0));
	check_may_act(user, owner, PG_GETARG_OID(0));
	SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE |
	                                  SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
	if (somebody && !sp_identity_current().known)
		check_audited(PG_GETARG_OID(0));
	SPI_connect();
	value = run(statement, PG_GETARG_OID(0), args, nulls, result, &isnull);
	SPI_finish();
	SetUserIdAndSecContext(user, context);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(value);
}

/*
 * _spotai.may_give_away(relation regclass) returns boolean: whether the role of
 * the session owns the table, asked while we act as another one.
 */
Datum
spotai_may_give_away(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(has_privs_of_role(GetOuterUserId(), owner_of(PG_GETARG_OID(0))));
}
