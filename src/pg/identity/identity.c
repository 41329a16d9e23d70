/*
 * src/pg/identity/identity.c
 *	  Who this session is: the credential's setting, the answer of this
 *	  transaction, and whom a job acts for.
 *
 * The credential is a setting, so that SET LOCAL, ROLLBACK TO, DISCARD ALL and
 * connection poolers do with it what they do with settings.  What is believed
 * is not the setting but what its verification answered; that is kept until the
 * transaction ends or the setting changes.  An empty setting is a bad
 * credential, not a missing one: a program that lost its token is nobody, even
 * where its role could act without.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "pg/identity/internal.h"
#include "pg/seam.h"
#include "pg/secrets/secrets.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_current_tenant);
SPOTAI_FUNCTION(spotai_current_principal);

char *sp_identity_token = NULL;
char *sp_identity_token_audience = NULL;

/* The answer of this transaction. */
static SpSession session;
static MemoryContext session_context = NULL; /* what the answer points to */
static bool session_known = false;
/* Whom it was asked for, without a credential. */
static Oid session_role;
static Oid session_user_id;

/* Guards against a policy on our own tables that would ask us again. */
static bool asking = false;

/* Whom a job acts for. */
static SpSession acting;
static SubTransactionId acting_since = InvalidSubTransactionId;

static void
forget(void)
{
	session_known = false;
}

void
sp_identity_forget(void)
{
	forget();
}

/* SET has the credential in it, and pg_stat_activity would show it to all sessions of the role. */
static void
token_assigned(const char *newval, void *extra)
{
	forget();
	if (newval != NULL && !IsParallelWorker() && sp_secrets_named(debug_query_string))
		pgstat_report_activity(STATE_RUNNING, "spotai.token, statement withheld");
}

/* Not to the session either: what runs in it need not be what logged in. */
static const char *
token_shown(void)
{
	return sp_identity_token == NULL ? "" : "withheld";
}

static void
transaction_ended(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			break;
		default:
			forget();
			acting_since = InvalidSubTransactionId;
			asking = false;
	}
}

static void
subtransaction_ended(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		/* what it wrote is gone, and may have been looked up */
		forget();
		asking = false;
		if (acting_since == mine)
			acting_since = InvalidSubTransactionId;
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB && acting_since == mine)
		acting_since = parent;
}

void
sp_identity_init(void)
{
	DefineCustomStringVariable(
		"spotai.token", "Credential of the session: a signed token or an API key.",
		"Verified once a transaction; a bad one, also an empty one, belongs to nobody.",
		&sp_identity_token, NULL, PGC_USERSET, GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE, NULL,
		token_assigned, token_shown);
	DefineCustomStringVariable("spotai.token_audience", "Audience that tokens must name.",
	                           "Empty means that tokens of this database name none. Tokens of a "
	                           "trusted issuer name the audience that it is trusted for.",
	                           &sp_identity_token_audience, "", PGC_SUSET, 0, NULL, NULL, NULL);
	sp_identity_claims_init();
	sp_identity_strength_init();
	sp_identity_totp_init();
	sp_identity_trust_init();
	sp_identity_refused_init();
	RegisterXactCallback(transaction_ended, NULL);
	RegisterSubXactCallback(subtransaction_ended, NULL);
}

/* A superuser, an owner of the tables, a member of spotai_admin. */
static bool
needs_no_credential(Oid role)
{
	Oid owner, admin;

	if (superuser_arg(role))
		return true;
	owner = sp_pg_owner_of("tenant");
	if (OidIsValid(owner) && has_privs_of_role(role, owner))
		return true;
	admin = get_role_oid("spotai_admin", true);
	return OidIsValid(admin) && has_privs_of_role(role, admin);
}

/* Once a transaction, so past the executor: a query would take as long as a small INSERT. */
static bool
is_tenant_alive(const pg_uuid_t *tenant)
{
	Oid nsp = get_namespace_oid("spotai", true);
	Oid table = OidIsValid(nsp) ? get_relname_relid("tenant", nsp) : InvalidOid;
	Oid key_index;
	Snapshot snapshot;
	ScanKeyData key;
	SysScanDesc scan;
	Relation rel;
	HeapTuple tuple;
	bool alive;

	/* before migrate() there is nothing to see */
	if (!OidIsValid(table))
		return true;
	rel = table_open(table, AccessShareLock);
	key_index = sp_primary_key(rel);
	snapshot =
		RegisterSnapshot(ActiveSnapshotSet() ? GetActiveSnapshot() : GetTransactionSnapshot());
	ScanKeyInit(&key, get_attnum(table, "id"), BTEqualStrategyNumber, F_UUID_EQ,
	            UUIDPGetDatum(tenant));
	scan = systable_beginscan(rel, key_index, OidIsValid(key_index), snapshot, 1, &key);
	tuple = systable_getnext(scan);
	alive = HeapTupleIsValid(tuple) &&
	        heap_attisnull(tuple, get_attnum(table, "deleted_at"), RelationGetDescr(rel));
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return alive;
}

static void
ask_role(SpSession *out)
{
	pg_uuid_t *tenant;

	if (!needs_no_credential(GetOuterUserId()) ||
	    (GetUserId() != GetOuterUserId() && !needs_no_credential(GetUserId())))
		return;
	tenant = DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(SP_DEFAULT_TENANT)));
	if (!is_tenant_alive(tenant))
		return;
	out->by_role = true;
	out->who.known = true;
	out->who.tenant = *tenant;
}

static void
ask(SpSession *out)
{
	MemoryContext scratch =
		AllocSetContextCreate(CurrentMemoryContext, "spotai identity", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(scratch);
	SpSession found;
	const char *why;

	memset(&found, 0, sizeof(found));
	if (sp_identity_token == NULL)
		ask_role(&found);
	else if (!sp_identity_has_tables() || !sp_identity_verify(sp_identity_token, &found, &why) ||
	         !sp_identity_may_be_session(&found, &why))
		memset(&found, 0, sizeof(found));
	MemoryContextSwitchTo(session_context);
	if (found.login.scopes)
		found.login.scopes = DatumGetArrayTypePCopy(PointerGetDatum(found.login.scopes));
	if (found.login.methods)
		found.login.methods = DatumGetArrayTypePCopy(PointerGetDatum(found.login.methods));
	*out = found;
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
}

const SpSession *
sp_identity_session(void)
{
	static const SpSession nobody;

	if (!IsTransactionState() || asking)
		return &nobody;
	if (acting_since != InvalidSubTransactionId)
		return &acting;
	if (session_known && (sp_identity_token != NULL ||
	                      (session_role == GetOuterUserId() && session_user_id == GetUserId())))
		return &session;
	if (session_context == NULL)
		session_context =
			AllocSetContextCreate(TopMemoryContext, "spotai session", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(session_context);
	session_known = false;
	asking = true;
	PG_TRY();
	{
		ask(&session);
	}
	PG_FINALLY();
	{
		asking = false;
	}
	PG_END_TRY();
	session_role = GetOuterUserId();
	session_user_id = GetUserId();
	session_known = true;
	return &session;
}

SpIdentity
sp_identity_if_known(void)
{
	SpIdentity nobody = {0};

	if (acting_since != InvalidSubTransactionId)
		return acting.who;
	return session_known ? session.who : nobody;
}

SpIdentity
sp_identity_current(void)
{
	return sp_identity_session()->who;
}

SpIdentity
sp_identity_require(void)
{
	SpIdentity who = sp_identity_current();

	if (!who.known)
	{
		sp_identity_refused_permission("tenant", "no tenant");
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		                errmsg("this session belongs to no tenant"),
		                errhint("Log in with spotai.login() or spotai.login_api_key(), or SET "
		                        "LOCAL spotai.token.")));
	}
	return who;
}

void
sp_identity_require_operator(void)
{
	if (sp_identity_session()->by_role)
		return;
	sp_identity_refused_permission("operator", "not the operator");
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
	                errmsg("only the operator of the database may do this"),
	                errhint("The operator is a member of spotai_admin who has no credential "
	                        "in spotai.token.")));
}

void
sp_identity_require_own_transaction(const char *function)
{
	if (IsTransactionBlock() || IsSubTransaction())
		ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
		                errmsg("%s cannot run inside a transaction block", function),
		                errdetail("Whoever could roll back what it writes could ask again "
		                          "without being seen."),
		                errhint("Call it as a statement of its own, with autocommit.")));
}

void
sp_identity_act_for(const pg_uuid_t *tenant, const char *permission)
{
	memset(&acting, 0, sizeof(acting));
	acting.by_job = true;
	acting.permission = permission;
	acting.who.tenant = *tenant;
	acting.who.known = is_tenant_alive(tenant);
	acting_since = GetCurrentSubTransactionId();
}

bool
sp_identity_has_permission(const char *permission)
{
	const SpSession *who = sp_identity_session();
	MemoryContext caller;
	ArrayType *granted;

	if (!who->who.has_principal)
		return who->by_role || (who->by_job && sp_identity_job_may(who, permission));
	if (session.granted == NULL || session.granted_at != GetCurrentStatementStartTimestamp())
	{
		granted = sp_identity_ask_granted(who);
		if (session.granted != NULL)
			pfree(session.granted);
		session.granted = NULL;
		caller = MemoryContextSwitchTo(session_context);
		session.granted = DatumGetArrayTypePCopy(PointerGetDatum(granted));
		session.granted_at = GetCurrentStatementStartTimestamp();
		MemoryContextSwitchTo(caller);
	}
	return sp_identity_principal_may(&session, permission);
}

void
sp_identity_require_permission(const char *permission)
{
	(void) sp_identity_require();
	if (sp_identity_has_permission(permission))
	{
		if (sp_identity_is_sensitive(permission))
			sp_identity_require_recent(true);
		return;
	}
	sp_identity_refused_permission(permission, "not permitted");
	ereport(ERROR,
	        (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
	         errmsg("permission \"%s\" is required", permission),
	         errhint("Give the principal a role that has \"%s\" with spotai.grant_role(); an "
	                 "API key needs it among its scopes as well.",
	                 permission)));
}

/* spotai.current_tenant() returns uuid */
Datum
spotai_current_tenant(PG_FUNCTION_ARGS)
{
	const SpSession *now = sp_identity_session();
	pg_uuid_t *tenant;

	if (!now->who.known)
		PG_RETURN_NULL();
	tenant = palloc(sizeof(pg_uuid_t));
	*tenant = now->who.tenant;
	PG_RETURN_UUID_P(tenant);
}

/* spotai.current_principal() returns uuid */
Datum
spotai_current_principal(PG_FUNCTION_ARGS)
{
	const SpSession *now = sp_identity_session();
	pg_uuid_t *principal;

	if (!now->who.known || !now->who.has_principal)
		PG_RETURN_NULL();
	principal = palloc(sizeof(pg_uuid_t));
	*principal = now->who.principal;
	PG_RETURN_UUID_P(principal);
}
