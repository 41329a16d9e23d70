/*
 * src/pg/identity/login.c
 *	  Logging in and out, and what is kept of it.
 *
 * A refused login raises an error, which takes back what its transaction wrote:
 * refused.c writes it down afterwards.  The
 * statement, which may have the credential in it, is kept out of the log and of
 * pg_stat_activity (secrets/log.c); programs pass it as a parameter all the same.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "pg/audit/audit.h"
#include "pg/identity/internal.h"
#include "pg/seam.h"
#include "pg/secrets/secrets.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_login);
SPOTAI_FUNCTION(spotai_login_api_key);
SPOTAI_FUNCTION(spotai_api_key_token);
SPOTAI_FUNCTION(spotai_logout);

/* A standby and a read-only transaction keep no record, and may log in all the same. */
static bool
can_write(void)
{
	return !XactReadOnly && !RecoveryInProgress() && !IsInParallelMode();
}

void
sp_identity_note(const char *kind, const pg_uuid_t *tenant, const pg_uuid_t *principal,
                 const char *reason)
{
	static SpQuery q = {
		.text = "INSERT INTO spotai.login_attempt (tenant_id, kind, principal_id, accepted, reason,"
				" client) VALUES ($1, $2, $3, $4 IS NULL, $4, inet_client_addr())",
		.nargs = 4,
		.types = {UUIDOID, TEXTOID, UUIDOID, TEXTOID}};
	Datum args[] = {tenant ? UUIDPGetDatum(tenant)
	                       : DirectFunctionCall1(uuid_in, CStringGetDatum(SP_DEFAULT_TENANT)),
	                CStringGetTextDatum(kind), UUIDPGetDatum(principal),
	                reason ? CStringGetTextDatum(reason) : (Datum) 0};
	char nulls[] = "    ";

	if (!can_write())
		return;
	nulls[2] = principal ? ' ' : 'n';
	nulls[3] = reason ? ' ' : 'n';
	sp_identity_owner_query(&q, args, nulls);
	sp_audit_event_by(reason ? "login.refused" : "login.accepted", kind, tenant, principal,
	                  reason ? sp_audit_detail("{\"reason\": \"%s\"}", reason) : (Datum) 0);
}

void
sp_identity_event(const char *action, const char *kind, const char *id)
{
	sp_audit_event(action, psprintf("%s/%s", kind, id), (Datum) 0);
}

void
sp_identity_event_id(const char *action, const char *kind, const pg_uuid_t *id)
{
	sp_identity_event(action, kind,
	                  DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id))));
}

/* Once a minute is enough to see which keys are in use, and makes no hot row. */
static void
note_use(const SpSession *found)
{
	static SpQuery q = {
		.text = "UPDATE spotai.api_key SET last_used_at = clock_timestamp() WHERE tenant_id = $1"
				" AND id = $2 AND (last_used_at IS NULL"
				" OR last_used_at < clock_timestamp() - interval '1 minute')",
		.nargs = 2,
		.types = {UUIDOID, UUIDOID}};
	Datum args[] = {UUIDPGetDatum(&found->who.tenant), UUIDPGetDatum(&found->key_id)};

	if (!can_write())
		return;
	sp_identity_owner_query(&q, args, NULL);
}

static void
set_credential(const char *credential)
{
	(void) set_config_option("spotai.token", credential, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SET,
	                         true, 0, false);
}

static void
refuse(bool key, const char *why)
{
	sp_identity_refused(key ? "api_key" : "token", why);
	ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
	                errmsg("login refused: %s", why)));
}

/* Whose credential it is, written down; errors when it is nobody's. */
static void
prove(const char *credential, bool key, bool as_session, SpSession *found)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(caller, "spotai login", ALLOCSET_SMALL_SIZES);
	const char *why = NULL;

	sp_pg_require_tables();
	if (sp_identity_is_api_key(credential) != key)
		refuse(key, key ? "this is no API key" : "this is no token");
	MemoryContextSwitchTo(scratch);
	if (!sp_identity_verify(credential, found, &why) ||
	    (as_session && !sp_identity_may_be_session(found, &why)))
		refuse(key, why);
	sp_identity_note(key ? "api_key" : "token", &found->who.tenant, &found->who.principal, NULL);
	if (key)
		note_use(found);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	memset(&found->login, 0, sizeof(found->login));
}

static Datum
login(const char *credential, bool key)
{
	pg_uuid_t *principal = palloc(sizeof(pg_uuid_t));
	ErrorContextCallback log;
	SpSession found;

	sp_secrets_log_begin(&log, key ? "spotai.login_api_key(), statement withheld"
	                               : "spotai.login(), statement withheld");
	prove(credential, key, true, &found);
	set_credential(credential);
	sp_secrets_log_end(&log);
	*principal = found.who.principal;
	PG_RETURN_UUID_P(principal);
}

/* spotai.login(token text) returns uuid */
Datum
spotai_login(PG_FUNCTION_ARGS)
{
	return login(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
}

/* spotai.login_api_key(key text) returns uuid */
Datum
spotai_login_api_key(PG_FUNCTION_ARGS)
{
	return login(text_to_cstring(PG_GETARG_TEXT_PP(0)), true);
}

/* spotai.api_key_token(key text, ttl interval) returns text */
Datum
spotai_api_key_token(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp(),
				expires = sp_identity_expiry(now, PG_GETARG_INTERVAL_P(1), 1);
	ErrorContextCallback log;
	SpSession found;
	SpLogin login = {.has_key = true};
	char *token;

	sp_secrets_log_begin(&log, "spotai.api_key_token(), statement withheld");
	prove(text_to_cstring(PG_GETARG_TEXT_PP(0)), true, false, &found);
	login.key = found.key_id;
	token = sp_identity_sign(&found.who.tenant, &found.who.principal, now, expires,
	                         sp_identity_default_audience(), &login);
	sp_secrets_log_end(&log);
	PG_RETURN_TEXT_P(cstring_to_text(token));
}

/* spotai.logout() returns void */
Datum
spotai_logout(PG_FUNCTION_ARGS)
{
	set_credential(NULL);
	PG_RETURN_VOID();
}
