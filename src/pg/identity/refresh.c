/*
 * src/pg/identity/refresh.c
 *	  Refresh tokens: exchanged once, and what happens to those that are not.
 *
 * A token that comes a second time was stolen, before or after its owner used
 * it; nobody knows who of the two is here.  So all that came from the same login
 * is revoked (RFC 9700, 4.14.2).  The row is locked, so that of two that come at
 * once one is the second; and one revoked row revokes its family, so that a
 * token which was made while the others were revoked is revoked too.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "pg/identity/internal.h"
#include "pg/seam.h"
#include "pg/secrets/secrets.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_issue_refresh_token);
SPOTAI_FUNCTION(spotai_refresh);
SPOTAI_FUNCTION(spotai_revoke_tokens);

#define REFRESH_DAYS 366

/* The row of a refresh token, locked. */
typedef struct Refresh
{
	pg_uuid_t tenant;
	pg_uuid_t id;
	pg_uuid_t principal;
	SpLogin login; /* its session is the family */
	char *label;
	TimestampTz expires;
	bool used;
	bool revoked;
	bool alive; /* its principal and tenant */
} Refresh;

char *
sp_identity_insert_refresh(const pg_uuid_t *tenant, const pg_uuid_t *principal,
                           const SpLogin *login, const char *label, TimestampTz expires)
{
	static SpQuery q = {
		.text = "INSERT INTO spotai.refresh_token (tenant_id, family_id, principal_id, hash,"
				" expires_at, authenticated_at, methods, scopes, label,"
				" certificate)"
				" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,"
				" nullif($10, ''))",
		.nargs = 10,
		.types = {UUIDOID, UUIDOID, UUIDOID, BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTARRAYOID,
	              TEXTARRAYOID, TEXTOID, TEXTOID}};
	char *token = sp_identity_new_secret(SP_REFRESH_PREFIX), nulls[] = "          ";
	Datum args[] = {UUIDPGetDatum(tenant),
	                UUIDPGetDatum(&login->session),
	                UUIDPGetDatum(principal),
	                PointerGetDatum(sp_identity_hash(token)),
	                TimestampTzGetDatum(expires),
	                TimestampTzGetDatum(login->authenticated_at),
	                PointerGetDatum(login->methods),
	                PointerGetDatum(login->scopes),
	                label != NULL ? CStringGetTextDatum(label) : (Datum) 0,
	                CStringGetTextDatum(login->certificate)};

	nulls[5] = login->authenticated_at != 0 ? ' ' : 'n';
	nulls[6] = login->methods != NULL ? ' ' : 'n';
	nulls[7] = login->scopes != NULL ? ' ' : 'n';
	nulls[8] = label != NULL ? ' ' : 'n';
	sp_identity_owner_query(&q, args, nulls);
	return token;
}

/* spotai.issue_refresh_token(principal uuid, ttl interval) returns text */
Datum
spotai_issue_refresh_token(PG_FUNCTION_ARGS)
{
	pg_uuid_t *principal = PG_GETARG_UUID_P(0), tenant;
	SpLogin login = {.has_session = true};
	TimestampTz expires;

	sp_pg_require_tables();
	sp_identity_require_permission("identity:issue");
	expires = sp_identity_expiry(GetCurrentTimestamp(), PG_GETARG_INTERVAL_P(1), REFRESH_DAYS);
	tenant = sp_identity_tenant_of(principal);
	sp_identity_require_binding(&login);
	login.session = *DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));
	sp_identity_event_id("token.issue_refresh", "principal", principal);
	PG_RETURN_TEXT_P(
		cstring_to_text(sp_identity_insert_refresh(&tenant, principal, &login, NULL, expires)));
}

static ArrayType *
texts_of(int column)
{
	bool isnull;
	Datum texts = sp_pg_column(0, column, &isnull);

	return isnull ? NULL : DatumGetArrayTypePCopy(texts);
}

/* Columns 9 to 13 of lock_token()'s row. */
static void
take_login(Refresh *out)
{
	bool isnull;
	Datum when = sp_pg_column(0, 9, &isnull);
	char *certificate;

	out->login.has_session = true;
	out->login.authenticated_at = isnull ? 0 : DatumGetTimestampTz(when);
	out->login.methods = texts_of(10);
	out->login.scopes = texts_of(11);
	out->label = sp_pg_column_text(0, 12);
	certificate = sp_pg_column_text(0, 13);
	strlcpy(out->login.certificate, certificate != NULL ? certificate : "",
	        sizeof(out->login.certificate));
}

static bool
lock_token(const char *token, Refresh *out)
{
	static SpQuery q = {
		.text = "SELECT r.tenant_id, r.id, r.family_id, r.principal_id, r.expires_at,"
				" r.used_at IS NOT NULL, EXISTS (SELECT FROM spotai.refresh_token f WHERE"
				" f.tenant_id = r.tenant_id AND f.family_id = r.family_id"
				" AND f.revoked_at IS NOT NULL),"
				" p.deleted_at IS NULL AND t.deleted_at IS NULL,"
				" r.authenticated_at, r.methods, r.scopes, r.label, r.certificate"
				" FROM spotai.refresh_token r JOIN spotai.principal p"
				" ON p.tenant_id = r.tenant_id AND p.id = r.principal_id"
				" JOIN spotai.tenant t ON t.id = r.tenant_id"
				" WHERE r.hash = $1 FOR UPDATE OF r",
		.nargs = 1,
		.types = {BYTEAOID}};
	Datum args[] = {PointerGetDatum(sp_identity_hash(token))};
	SpAsOwner saved;
	bool isnull, found;

	sp_identity_owner_begin(&saved);
	found = sp_pg_query(&q, args, NULL, false) == 1;
	if (found)
	{
		out->tenant = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
		out->id = *DatumGetUUIDP(sp_pg_column(0, 2, &isnull));
		out->login.session = *DatumGetUUIDP(sp_pg_column(0, 3, &isnull));
		out->principal = *DatumGetUUIDP(sp_pg_column(0, 4, &isnull));
		out->expires = DatumGetTimestampTz(sp_pg_column(0, 5, &isnull));
		out->used = DatumGetBool(sp_pg_column(0, 6, &isnull));
		out->revoked = DatumGetBool(sp_pg_column(0, 7, &isnull));
		out->alive = DatumGetBool(sp_pg_column(0, 8, &isnull));
		take_login(out);
	}
	sp_identity_owner_end(&saved);
	return found;
}

/* Of a session that is bound to a certificate, refresh tokens are, too (RFC 8705, 4). */
static bool
is_bound_elsewhere(const Refresh *token)
{
	char mine[SP_THUMBPRINT_CHARS + 1];

	return token->login.certificate[0] != '\0' &&
	       !(sp_identity_certificate(mine) && strcmp(mine, token->login.certificate) == 0);
}

/* NULL: the token may be exchanged. */
static const char *
fault_of(const Refresh *token)
{
	/* first of all: whoever stole it does not end its owner's session */
	if (is_bound_elsewhere(token))
		return "the token is bound to another client";
	if (token->revoked)
		return "the token is revoked";
	if (token->used)
		return "the token was used before";
	if (!token->alive)
		return "the principal is deactivated";
	if (token->expires <= GetCurrentTimestamp())
		return "the token has expired";
	return NULL;
}

static void
mark_used(const Refresh *token)
{
	static SpQuery q = {.text = "UPDATE spotai.refresh_token SET used_at = clock_timestamp()"
	                            " WHERE tenant_id = $1 AND id = $2",
	                    .nargs = 2,
	                    .types = {UUIDOID, UUIDOID}};
	Datum args[] = {UUIDPGetDatum(&token->tenant), UUIDPGetDatum(&token->id)};

	sp_identity_owner_query(&q, args, NULL);
}

bool
sp_identity_revoke_session(const pg_uuid_t *tenant, const pg_uuid_t *session)
{
	static SpQuery q = {.text = "UPDATE spotai.refresh_token SET revoked_at = clock_timestamp()"
	                            " WHERE tenant_id = $1 AND family_id = $2 AND revoked_at IS NULL",
	                    .nargs = 2,
	                    .types = {UUIDOID, UUIDOID}};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(session)};

	return sp_identity_owner_query(&q, args, NULL) > 0;
}

static bool
is_refresh_token(const char *token)
{
	size_t n = strlen(SP_REFRESH_PREFIX);

	return strncmp(token, SP_REFRESH_PREFIX, n) == 0 && strlen(token) == n + SP_SECRET_CHARS;
}

/* Two new tokens for an old one; false when it is refused. */
static bool
exchange(const char *text, Datum *access, Datum *refresh)
{
	TimestampTz now = GetCurrentTimestamp();
	Refresh token = {0};
	const char *why;

	sp_identity_require_own_transaction("spotai.refresh()");
	/* nothing is kept of these: nobody's calls must not fill a table */
	if (!is_refresh_token(text) || !lock_token(text, &token))
		return false;
	why = fault_of(&token);
	sp_identity_note("refresh_token", &token.tenant, &token.principal, why);
	if (why != NULL)
	{
		if (token.used && !token.revoked && !is_bound_elsewhere(&token))
			(void) sp_identity_revoke_session(&token.tenant, &token.login.session);
		return false;
	}
	sp_identity_require_binding(&token.login);
	mark_used(&token);
	*access = CStringGetTextDatum(sp_identity_sign(&token.tenant, &token.principal, now,
	                                               Min(now + SP_ACCESS_US, token.expires),
	                                               sp_identity_default_audience(), &token.login));
	*refresh = CStringGetTextDatum(sp_identity_insert_refresh(
		&token.tenant, &token.principal, &token.login, token.label, token.expires));
	return true;
}

/* spotai.refresh(token text, OUT access_token text, OUT refresh_token text) */
Datum
spotai_refresh(PG_FUNCTION_ARGS)
{
	TupleDesc shape;
	Datum values[2] = {0, 0};
	bool nulls[2];
	ErrorContextCallback log;

	sp_secrets_log_begin(&log, "spotai.refresh(), statement withheld");
	sp_pg_require_tables();
	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "spotai.refresh() is declared wrongly");
	nulls[0] = nulls[1] = !exchange(text_to_cstring(PG_GETARG_TEXT_PP(0)), &values[0], &values[1]);
	sp_secrets_log_end(&log);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls)));
}

/* spotai.revoke_tokens(principal uuid) returns boolean */
Datum
spotai_revoke_tokens(PG_FUNCTION_ARGS)
{
	/* iat has whole seconds: a token of this second is refused as well */
	static SpQuery tokens = {.text =
	                             "UPDATE spotai.principal SET tokens_after = date_trunc('second',"
	                             " clock_timestamp()) + interval '1 second', updated_at = now()"
	                             " WHERE tenant_id = $1 AND id = $2",
	                         .nargs = 2,
	                         .types = {UUIDOID, UUIDOID}};
	static SpQuery families = {
		.text = "UPDATE spotai.refresh_token SET revoked_at = clock_timestamp()"
				" WHERE tenant_id = $1 AND principal_id = $2 AND revoked_at IS NULL",
		.nargs = 2,
		.types = {UUIDOID, UUIDOID}};
	SpIdentity who;
	Datum args[] = {UUIDPGetDatum(&who.tenant), PG_GETARG_DATUM(0)};
	SpAsOwner saved;
	bool known;

	sp_pg_require_tables();
	who = sp_identity_require();
	if (!who.has_principal || memcmp(&who.principal, PG_GETARG_UUID_P(0), sizeof(pg_uuid_t)) != 0)
		sp_identity_require_permission("identity:write");
	sp_identity_require_recent(false);
	sp_identity_owner_begin(&saved);
	known = sp_pg_query(&tokens, args, NULL, false) == 1;
	sp_pg_query(&families, args, NULL, false);
	sp_identity_owner_end(&saved);
	if (known)
		sp_identity_event_id("token.revoke", "principal", PG_GETARG_UUID_P(0));
	PG_RETURN_BOOL(known);
}
