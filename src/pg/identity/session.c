/*
 * src/pg/identity/session.c
 *	  Sessions: begun by a login, made stronger, looked at, ended.
 *
 * A session is a family of refresh tokens.  Its access tokens name it (claim
 * sid), so that they end with it, and carry on how and when somebody logged in.
 * Whoever proves more gets a new session: the tokens of the old one, which may be
 * in other hands, become no stronger by it, and end.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "pg/identity/internal.h"
#include "pg/seam.h"
#include "pg/secrets/secrets.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_begin_session);
SPOTAI_FUNCTION(spotai_step_up);
SPOTAI_FUNCTION(spotai_sessions);
SPOTAI_FUNCTION(spotai_end_session);
SPOTAI_FUNCTION(spotai_api_keys);

#define SESSION_DAYS 366

#define MAX_METHODS 10

/* Argument numbers of spotai.begin_session(). */
enum
{
	ARG_PRINCIPAL,
	ARG_METHODS,
	ARG_TTL,
	ARG_SCOPES,
	ARG_LABEL,
	ARG_CERTIFICATE
};

/* RFC 8176 has three to five letters; issuers have longer ones. */
static bool
is_method(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	return n > 0 && n < NAMEDATALEN && text[n] == '\0';
}

static void
check_methods(ArrayType *methods)
{
	Datum *items;
	bool *nulls;
	int count;

	deconstruct_array(methods, TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls, &count);
	for (int i = 0; i < count; i++)
		if (nulls[i] || !is_method(TextDatumGetCString(items[i])))
			count = 0;
	if (ARR_NDIM(methods) > 1 || count < 1 || count > MAX_METHODS)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		         errmsg("there must be one list of 1 to %d methods", MAX_METHODS),
		         errhint("Say how the principal has logged in, such as '{pwd,otp}': RFC 8176.")));
}

static void
take_certificate(const char *thumbprint, SpLogin *login)
{
	sp_identity_check_thumbprint(thumbprint);
	strlcpy(login->certificate, thumbprint, sizeof(login->certificate));
}

/* The first tokens of a new session. */
static Datum
begin(FunctionCallInfo fcinfo, const pg_uuid_t *tenant, const pg_uuid_t *principal, SpLogin *login,
      const char *label, TimestampTz expires)
{
	TimestampTz now = GetCurrentTimestamp();
	bool nulls[3] = {false, false, false};
	TupleDesc shape;
	Datum values[3];

	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "a function that begins sessions is declared wrongly");
	login->has_session = true;
	login->session = *DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));
	login->authenticated_at = now;
	values[0] = UUIDPGetDatum(&login->session);
	values[1] = CStringGetTextDatum(sp_identity_sign(tenant, principal, now,
	                                                 Min(now + SP_ACCESS_US, expires),
	                                                 sp_identity_default_audience(), login));
	values[2] =
		CStringGetTextDatum(sp_identity_insert_refresh(tenant, principal, login, label, expires));
	sp_identity_event_id("session.begin", "principal", principal);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls)));
}

/*
 * spotai.begin_session(principal uuid, methods text[], ttl interval, scopes text[], label text,
 * certificate text,
 * OUT session uuid, OUT access_token text, OUT refresh_token text)
 */
Datum
spotai_begin_session(PG_FUNCTION_ARGS)
{
	SpLogin login = {0};
	TimestampTz expires;
	pg_uuid_t tenant;
	Datum *names;

	sp_pg_require_tables();
	for (int i = ARG_PRINCIPAL; i <= ARG_TTL; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			                errmsg("principal, methods and ttl must not be null")));
	sp_identity_require_permission("identity:issue");
	login.methods = PG_GETARG_ARRAYTYPE_P(ARG_METHODS);
	check_methods(login.methods);
	if (!PG_ARGISNULL(ARG_SCOPES))
	{
		login.scopes = PG_GETARG_ARRAYTYPE_P(ARG_SCOPES);
		(void) sp_identity_check_permissions(login.scopes, &names);
	}
	if (!PG_ARGISNULL(ARG_LABEL))
		sp_identity_check_name(PG_GETARG_TEXT_PP(ARG_LABEL), "a session");
	if (!PG_ARGISNULL(ARG_CERTIFICATE))
		take_certificate(text_to_cstring(PG_GETARG_TEXT_PP(ARG_CERTIFICATE)), &login);
	sp_identity_require_binding(&login);
	expires =
		sp_identity_expiry(GetCurrentTimestamp(), PG_GETARG_INTERVAL_P(ARG_TTL), SESSION_DAYS);
	tenant = sp_identity_tenant_of(PG_GETARG_UUID_P(ARG_PRINCIPAL));
	return begin(fcinfo, &tenant, PG_GETARG_UUID_P(ARG_PRINCIPAL), &login,
	             PG_ARGISNULL(ARG_LABEL) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(ARG_LABEL)),
	             expires);
}

/* ---- proving more ---- */

/* Methods that somebody has used, and a one-time password. */
static ArrayType *
with_factor(ArrayType *methods)
{
	static SpQuery q = {
		.text =
			"SELECT ARRAY(SELECT DISTINCT m FROM unnest($1 || '{mfa,otp}'::text[]) m ORDER BY m)",
		.nargs = 1,
		.types = {TEXTARRAYOID}};
	Datum args[] = {PointerGetDatum(methods)};
	SpAsOwner saved;
	ArrayType *all;
	bool isnull;

	sp_identity_owner_begin(&saved);
	sp_pg_query(&q, args, methods != NULL ? NULL : "n", true);
	all = DatumGetArrayTypePCopy(sp_pg_column(0, 1, &isnull));
	sp_identity_owner_end(&saved);
	return all;
}

/* Whose a session is, what it is called, and when it ends. */
typedef struct Family
{
	pg_uuid_t principal;
	char *label; /* or NULL */
	TimestampTz expires;
} Family;

/* False: no session of the tenant. */
static bool
read_session(const pg_uuid_t *tenant, const pg_uuid_t *session, Family *out)
{
	static SpQuery q = {.text = "SELECT principal_id, label, expires_at FROM spotai.refresh_token"
	                            " WHERE tenant_id = $1 AND family_id = $2 LIMIT 1",
	                    .nargs = 2,
	                    .types = {UUIDOID, UUIDOID}};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(session)};
	SpAsOwner saved;
	bool isnull, found;

	sp_identity_owner_begin(&saved);
	found = sp_pg_query(&q, args, NULL, false) == 1;
	if (found)
	{
		out->principal = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
		out->label = sp_pg_column_text(0, 2);
		out->expires = DatumGetTimestampTz(sp_pg_column(0, 3, &isnull));
	}
	sp_identity_owner_end(&saved);
	return found;
}

static Datum
step_up(FunctionCallInfo fcinfo)
{
	SpSession now;
	Family family = {0};

	sp_pg_require_tables();
	(void) sp_identity_require();
	now = *sp_identity_session();
	if (!now.who.has_principal || now.by_key)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("only a session with a token can become stronger")));
	if (!sp_identity_totp_verify(&now.who.principal, text_to_cstring(PG_GETARG_TEXT_PP(0)),
	                             "spotai.step_up()"))
		PG_RETURN_NULL();
	/* it does not become longer by it */
	family.expires = now.expires_at;
	if (now.login.has_session)
	{
		(void) read_session(&now.who.tenant, &now.login.session, &family);
		(void) sp_identity_revoke_session(&now.who.tenant, &now.login.session);
	}
	now.login.methods = with_factor(now.login.methods);
	return begin(fcinfo, &now.who.tenant, &now.who.principal, &now.login, family.label,
	             family.expires);
}

/*
 * spotai.step_up(code text, OUT session uuid, OUT access_token text,
 * OUT refresh_token text)
 */
Datum
spotai_step_up(PG_FUNCTION_ARGS)
{
	ErrorContextCallback log;
	Datum result;

	sp_secrets_log_begin(&log, "spotai.step_up(), statement withheld");
	result = step_up(fcinfo);
	sp_secrets_log_end(&log);
	return result;
}

/* ---- looking, ending ---- */

/* Whose rows are asked for: one's own, another's with identity:write; false: the tenant's. */
static bool
choose(FunctionCallInfo fcinfo, const SpIdentity *who, pg_uuid_t *principal)
{
	bool given = !PG_ARGISNULL(0);

	if (given)
		*principal = *PG_GETARG_UUID_P(0);
	else
		*principal = who->principal;
	if (!who->has_principal || memcmp(principal, &who->principal, sizeof(pg_uuid_t)) != 0)
		sp_identity_require_permission("identity:write");
	return given || who->has_principal;
}

Datum
sp_identity_answer(FunctionCallInfo fcinfo, SpQuery *q, const Datum *args, const char *nulls)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SpAsOwner saved;
	uint64 count;

	InitMaterializedSRF(fcinfo, 0);
	sp_identity_owner_begin(&saved);
	count = sp_pg_query(q, args, nulls, true);
	for (uint64 row = 0; row < count; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
	sp_identity_owner_end(&saved);
	return (Datum) 0;
}

/* spotai.sessions(principal uuid) returns setof record */
Datum
spotai_sessions(PG_FUNCTION_ARGS)
{
	static SpQuery q = {
		.text = "SELECT r.family_id, r.principal_id, r.label, r.methods, r.scopes,"
				" r.authenticated_at, r.created_at, r.expires_at, coalesce(r.family_id = $3, false)"
				" FROM spotai.refresh_token r WHERE r.tenant_id = $1"
				" AND (r.principal_id = $2 OR $2 IS NULL) AND r.used_at IS NULL"
				" AND r.expires_at > clock_timestamp() AND NOT EXISTS (SELECT FROM"
				" spotai.refresh_token f WHERE f.tenant_id = r.tenant_id"
				" AND f.family_id = r.family_id AND f.revoked_at IS NOT NULL)"
				" ORDER BY r.created_at, r.family_id",
		.nargs = 3,
		.types = {UUIDOID, UUIDOID, UUIDOID}};
	SpIdentity who = sp_identity_require();
	const SpLogin *login = &sp_identity_session()->login;
	pg_uuid_t principal, current = login->session;
	Datum args[] = {UUIDPGetDatum(&who.tenant), UUIDPGetDatum(&principal), UUIDPGetDatum(&current)};
	char nulls[] = "   ";

	sp_pg_require_tables();
	nulls[2] = login->has_session ? ' ' : 'n';
	nulls[1] = choose(fcinfo, &who, &principal) ? ' ' : 'n';
	return sp_identity_answer(fcinfo, &q, args, nulls);
}

/* spotai.api_keys(principal uuid) returns setof record */
Datum
spotai_api_keys(PG_FUNCTION_ARGS)
{
	static SpQuery q = {
		.text = "SELECT id, principal_id, name, prefix, scopes, networks, created_at, expires_at,"
				" last_used_at FROM spotai.api_key WHERE tenant_id = $1"
				" AND (principal_id = $2 OR $2 IS NULL) AND revoked_at IS NULL"
				" AND expires_at > clock_timestamp() ORDER BY created_at, id",
		.nargs = 2,
		.types = {UUIDOID, UUIDOID}};
	SpIdentity who = sp_identity_require();
	pg_uuid_t principal;
	Datum args[] = {UUIDPGetDatum(&who.tenant), UUIDPGetDatum(&principal)};

	sp_pg_require_tables();
	return sp_identity_answer(fcinfo, &q, args, choose(fcinfo, &who, &principal) ? NULL : " n");
}

/* spotai.end_session(session uuid) returns boolean */
Datum
spotai_end_session(PG_FUNCTION_ARGS)
{
	SpIdentity who = sp_identity_require();
	const SpLogin *login = &sp_identity_session()->login;
	pg_uuid_t *session = PG_GETARG_UUID_P(0);
	Family family;
	bool current;

	sp_pg_require_tables();
	current = login->has_session && memcmp(session, &login->session, sizeof(pg_uuid_t)) == 0;
	/* whoever stole one session must not end the others; logging out needs nothing */
	if (!current)
		sp_identity_require_recent(false);
	if (!read_session(&who.tenant, session, &family))
		PG_RETURN_BOOL(false);
	/* what is another's is answered as what is not there */
	if ((!who.has_principal || memcmp(&family.principal, &who.principal, sizeof(pg_uuid_t)) != 0) &&
	    !sp_identity_has_permission("identity:write") &&
	    !sp_identity_has_permission("identity:issue"))
		PG_RETURN_BOOL(false);
	if (!sp_identity_revoke_session(&who.tenant, session))
		PG_RETURN_BOOL(false);
	sp_identity_event_id("session.end", "principal", &family.principal);
	PG_RETURN_BOOL(true);
}
