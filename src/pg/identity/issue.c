/*
 * src/pg/identity/issue.c
 *	  Issuing tokens, and the keys that they are signed with.
 *
 * A tenant has one key that signs, made when it is first needed, and retired
 * ones whose tokens are accepted until they expire: rotation breaks no session.
 * A tenant's key makes tokens of that tenant alone, whatever is written in them.
 * Ed25519, because its signatures need no randomness that could fail.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "core/jose/jws.h"
#include "pg/identity/internal.h"
#include "pg/keys/keys.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_issue_token);
SPOTAI_FUNCTION(spotai_jwks);
SPOTAI_FUNCTION(spotai_rotate_signing_key);

/* Tokens are not revoked one by one: 15 minutes unless said otherwise, and never longer than this. */
#define TOKEN_DAYS 31

/* A retired key is not kept longer than tokens can live. */
#define OVERLAP_DAYS TOKEN_DAYS

/* The tenant's active key. */
typedef struct Signer
{
	pg_uuid_t id;
	char *kid;
	bytea *sealed;
} Signer;

static char *
uuid_text(const pg_uuid_t *id)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)));
}

static char *
place_of(const pg_uuid_t *id)
{
	return psprintf("identity/signing_key/%s", uuid_text(id));
}

const char *
sp_identity_default_audience(void)
{
	return sp_identity_token_audience && sp_identity_token_audience[0] ? sp_identity_token_audience
	                                                                   : NULL;
}

TimestampTz
sp_identity_expiry(TimestampTz now, Interval *ttl, int days)
{
	TimestampTz then = DatumGetTimestampTz(DirectFunctionCall2(
		timestamptz_pl_interval, TimestampTzGetDatum(now), IntervalPGetDatum(ttl)));

	if (then <= now || then > now + days * USECS_PER_DAY)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		         errmsg_plural("the time to live must be longer than nothing and at most %d day",
		                       "the time to live must be longer than nothing and at most %d days",
		                       (unsigned long) days, days)));
	return then;
}

void
sp_identity_no_principal(const pg_uuid_t *principal)
{
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
	                errmsg("principal \"%s\" does not exist", uuid_text(principal))));
	pg_unreachable();
}

pg_uuid_t
sp_identity_tenant_of(const pg_uuid_t *principal)
{
	static SpQuery q = {.text =
	                        "SELECT p.tenant_id FROM spotai.principal p JOIN spotai.tenant t"
	                        " ON t.id = p.tenant_id WHERE p.id = $2 AND (p.tenant_id = $1 OR $3)"
	                        " AND p.deleted_at IS NULL AND t.deleted_at IS NULL",
	                    .nargs = 3,
	                    .types = {UUIDOID, UUIDOID, BOOLOID}};
	const SpSession *now = sp_identity_session();
	Datum args[] = {UUIDPGetDatum(&now->who.tenant), UUIDPGetDatum(principal),
	                BoolGetDatum(now->by_role)};
	pg_uuid_t tenant;
	SpAsOwner saved;
	bool isnull;

	sp_identity_owner_begin(&saved);
	if (sp_pg_query(&q, args, NULL, false) != 1)
		sp_identity_no_principal(principal);
	tenant = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
	sp_identity_owner_end(&saved);
	return tenant;
}

static void
free_key(void *key)
{
	sp_jwk_free(key);
}

static bool
find_signer(const pg_uuid_t *tenant, Signer *out)
{
	static SpQuery q = {.text = "SELECT id, kid, private_key FROM spotai.signing_key"
	                            " WHERE tenant_id = $1 AND retired_at IS NULL",
	                    .nargs = 1,
	                    .types = {UUIDOID}};
	Datum args[] = {UUIDPGetDatum(tenant)};
	SpAsOwner saved;
	bool isnull, found;

	sp_identity_owner_begin(&saved);
	found = sp_pg_query(&q, args, NULL, false) == 1;
	if (found)
	{
		out->id = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
		out->kid = sp_pg_column_text(0, 2);
		out->sealed = DatumGetByteaPCopy(sp_pg_column(0, 3, &isnull));
	}
	sp_identity_owner_end(&saved);
	return found;
}

/* Another session may have made one meanwhile; then this one is dropped. */
static void
insert_signer(const pg_uuid_t *tenant, const pg_uuid_t *id, const char *kid, const char *public,
              bytea *sealed)
{
	static SpQuery q = {
		.text = "INSERT INTO spotai.signing_key (tenant_id, id, kid, algorithm, public_key,"
				" private_key) VALUES ($1, $2, $3, 'EdDSA', $4::jsonb, $5)"
				" ON CONFLICT DO NOTHING",
		.nargs = 5,
		.types = {UUIDOID, UUIDOID, TEXTOID, TEXTOID, BYTEAOID}};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(id), CStringGetTextDatum(kid),
	                CStringGetTextDatum(public), PointerGetDatum(sealed)};

	sp_identity_owner_query(&q, args, NULL);
}

static void
make_signer(const pg_uuid_t *tenant)
{
	pg_uuid_t *id = DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));
	uint8_t *raw = sp_identity_secret_memory(SP_JWK_RAW_MAX);
	size_t length = 0, n;
	SpJwk *key = NULL;
	char *public;

	sp_keys_require();
	sp_pg_check(sp_jwk_generate(sp_pg_env(), SP_JWA_EDDSA, &key), "signing key", NULL);
	sp_pg_own(key, free_key);
	sp_pg_check(sp_jwk_public_text(sp_pg_env(), key, &public, &n), "signing key", NULL);
	sp_pg_check(sp_jwk_private_raw(key, raw, &length), "signing key", NULL);
	insert_signer(tenant, id, sp_jwk_kid(key), public,
	              sp_keys_seal(tenant, place_of(id), 1, raw, length));
}

static SpJwk *
open_signer(const pg_uuid_t *tenant)
{
	SpFault fault = {{0}, {0}};
	SpJwk *key = NULL;
	Signer signer;
	size_t n = 0;
	void *raw;

	if (!find_signer(tenant, &signer))
	{
		make_signer(tenant);
		if (!find_signer(tenant, &signer))
			ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			                errmsg("another session is making the signing key")));
	}
	raw = sp_keys_open(tenant, place_of(&signer.id), 1, signer.sealed, &n);
	sp_pg_check(sp_jwk_from_raw(sp_pg_env(), SP_JWA_EDDSA, raw, n, signer.kid, &key, &fault),
	            "signing key", &fault);
	sp_pg_own(key, free_key);
	return key;
}

static int64
whole_seconds(TimestampTz when)
{
	return (int64) sp_identity_epoch(when);
}

/* The texts of an array, between before and after, with a separator between them. */
static void
put_texts(StringInfo json, ArrayType *texts, const char *before, const char *separator,
          const char *after)
{
	Datum *items;
	int count;

	deconstruct_array(texts, TEXTOID, -1, false, TYPALIGN_INT, &items, NULL, &count);
	appendStringInfoString(json, before);
	for (int i = 0; i < count; i++)
		appendStringInfo(json, "%s%s", i > 0 ? separator : "", TextDatumGetCString(items[i]));
	appendStringInfoString(json, after);
}

/* Methods and scopes were checked: no letter in them means anything in JSON. */
static void
put_login(StringInfo json, const SpLogin *login)
{
	if (login->has_session)
		appendStringInfo(json, ",\"sid\":\"%s\"", uuid_text(&login->session));
	if (login->has_key)
		appendStringInfo(json, ",\"api_key\":\"%s\"", uuid_text(&login->key));
	if (login->authenticated_at != 0)
		appendStringInfo(json, ",\"auth_time\":" INT64_FORMAT,
		                 whole_seconds(login->authenticated_at));
	if (login->certificate[0] != '\0')
		appendStringInfo(json, ",\"cnf\":{\"x5t#S256\":\"%s\"}", login->certificate);
	if (login->methods != NULL && ARR_NDIM(login->methods) > 0)
		put_texts(json, login->methods, ",\"amr\":[\"", "\",\"", "\"]");
	if (login->scopes != NULL)
		put_texts(json, login->scopes, ",\"scope\":\"", " ", "\"");
}

/* RFC 7519's claims; jti makes two tokens of one second two tokens. */
static char *
claims_of(const pg_uuid_t *tenant, const pg_uuid_t *principal, TimestampTz now, TimestampTz expires,
          const char *audience, const SpLogin *login)
{
	StringInfoData json;
	pg_uuid_t *id = DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));

	initStringInfo(&json);
	appendStringInfo(&json, "{\"iss\":\"" SP_OWN_ISSUER "%s\",\"sub\":\"%s\"", uuid_text(tenant),
	                 uuid_text(principal));
	if (audience)
	{
		appendStringInfoString(&json, ",\"aud\":");
		escape_json(&json, audience);
	}
	if (login)
		put_login(&json, login);
	appendStringInfo(&json, ",\"iat\":" INT64_FORMAT ",\"exp\":" INT64_FORMAT ",\"jti\":\"%s\"}",
	                 whole_seconds(now), whole_seconds(expires), uuid_text(id));
	return pg_server_to_any(json.data, json.len, PG_UTF8);
}

char *
sp_identity_sign(const pg_uuid_t *tenant, const pg_uuid_t *principal, TimestampTz now,
                 TimestampTz expires, const char *audience, const SpLogin *login)
{
	char *claims = claims_of(tenant, principal, now, expires, audience, login);
	SpJwk *key = open_signer(tenant);
	char *token = NULL;
	size_t length = 0;

	sp_pg_check(sp_jws_sign(sp_pg_env(), key, SP_JWA_EDDSA, SP_TOKEN_TYPE, claims, strlen(claims),
	                        &token, &length),
	            "token", NULL);
	return token;
}

/* spotai.issue_token(principal uuid, ttl interval, audience text) returns text */
Datum
spotai_issue_token(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp(), expires;
	const char *audience = sp_identity_default_audience();
	pg_uuid_t *principal, tenant;
	SpLogin nothing = {0};

	sp_pg_require_tables();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		                errmsg("principal and ttl must not be null")));
	sp_identity_require_permission("identity:issue");
	sp_identity_require_binding(&nothing);
	expires = sp_identity_expiry(now, PG_GETARG_INTERVAL_P(1), TOKEN_DAYS);
	principal = PG_GETARG_UUID_P(0);
	tenant = sp_identity_tenant_of(principal);
	if (!PG_ARGISNULL(2))
		audience = text_to_cstring(PG_GETARG_TEXT_PP(2));
	sp_identity_event_id("token.issue", "principal", principal);
	PG_RETURN_TEXT_P(
		cstring_to_text(sp_identity_sign(&tenant, principal, now, expires, audience, NULL)));
}

/* spotai.jwks() returns jsonb: the public halves that tokens can be verified with */
Datum
spotai_jwks(PG_FUNCTION_ARGS)
{
	static SpQuery q = {
		.text = "SELECT jsonb_build_object('keys', coalesce(jsonb_agg(public_key"
				" ORDER BY created_at DESC, id), '[]')) FROM spotai.signing_key"
				" WHERE tenant_id = $1 AND (expires_at IS NULL OR expires_at > clock_timestamp())",
		.nargs = 1,
		.types = {UUIDOID}};
	SpIdentity who = sp_identity_require();
	Datum args[] = {UUIDPGetDatum(&who.tenant)};
	SpAsOwner saved;
	Jsonb *keys;
	bool isnull;

	sp_identity_owner_begin(&saved);
	sp_pg_query(&q, args, NULL, true);
	keys = DatumGetJsonbPCopy(sp_pg_column(0, 1, &isnull));
	sp_identity_owner_end(&saved);
	PG_RETURN_JSONB_P(keys);
}

static void
retire_signer(const pg_uuid_t *tenant, TimestampTz until)
{
	static SpQuery q = {
		.text = "UPDATE spotai.signing_key SET retired_at = clock_timestamp(), expires_at = $2"
				" WHERE tenant_id = $1 AND retired_at IS NULL",
		.nargs = 2,
		.types = {UUIDOID, TIMESTAMPTZOID}};
	static SpQuery shorten = {
		.text = "UPDATE spotai.signing_key SET expires_at = $2 WHERE tenant_id = $1"
				" AND expires_at > $2",
		.nargs = 2,
		.types = {UUIDOID, TIMESTAMPTZOID}};
	Datum args[] = {UUIDPGetDatum(tenant), TimestampTzGetDatum(until)};
	SpAsOwner saved;

	sp_identity_owner_begin(&saved);
	sp_pg_query(&q, args, NULL, false);
	/* with a shorter overlap, keys that were retired before do not outlive this one */
	sp_pg_query(&shorten, args, NULL, false);
	sp_identity_owner_end(&saved);
}

/* spotai.rotate_signing_key(overlap interval) returns text: the new key's kid */
Datum
spotai_rotate_signing_key(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until = DatumGetTimestampTz(
		DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now), PG_GETARG_DATUM(0)));
	SpIdentity who;
	Signer signer;

	sp_pg_require_tables();
	sp_identity_require_permission("identity:write");
	who = sp_identity_require();
	if (until < now || until > now + OVERLAP_DAYS * USECS_PER_DAY)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("the overlap must be from 0 to %d days", OVERLAP_DAYS)));
	sp_keys_require();
	retire_signer(&who.tenant, until);
	make_signer(&who.tenant);
	if (!find_signer(&who.tenant, &signer))
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
		                errmsg("another session is rotating the signing key")));
	sp_identity_event("key.rotate", "signing_key", signer.kid);
	PG_RETURN_TEXT_P(cstring_to_text(signer.kid));
}
