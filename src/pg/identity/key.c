/*
 * src/pg/identity/key.c
 *	  API keys: made, shown once, and only their hash kept.
 *
 * A key has 256 random bits, so that its hash can be plain SHA-256: a slow or
 * salted one makes guessing dear where people choose.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "core/crypto/base64.h"
#include "core/crypto/constant_time.h"
#include "core/crypto/hmac.h"
#include "core/crypto/random.h"
#include "pg/identity/internal.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_create_api_key);
SPOTAI_FUNCTION(spotai_revoke_api_key);

/* Of a key, kept to recognise it by: its prefix and 6 of 43 characters, 36 of 256 bits. */
#define SHOWN_CHARS 10

/* Keys that live longer than this are forgotten keys. */
#define API_KEY_DAYS 3660

#define MAX_PERMISSIONS 100

/* Argument numbers of spotai.create_api_key(). */
enum
{
	ARG_NAME,
	ARG_SCOPES,
	ARG_TTL,
	ARG_PRINCIPAL,
	ARG_NETWORKS
};

char *
sp_identity_new_secret(const char *prefix)
{
	uint8_t random[SP_SECRET_BYTES];
	size_t at = strlen(prefix);
	char *secret = palloc0(at + SP_SECRET_CHARS + 1);

	sp_pg_check(sp_crypto_random(random, sizeof(random)), "random bytes", NULL);
	memcpy(secret, prefix, at);
	sp_base64url_encode(random, sizeof(random), secret + at);
	sp_crypto_wipe(random, sizeof(random));
	return secret;
}

typedef struct SecretMemory
{
	size_t n;
	uint8_t bytes[FLEXIBLE_ARRAY_MEMBER];
} SecretMemory;

static void
wipe(void *memory)
{
	SecretMemory *secret = memory;

	sp_crypto_wipe(secret->bytes, secret->n);
}

uint8_t *
sp_identity_secret_memory(size_t n)
{
	SecretMemory *secret = palloc0(offsetof(SecretMemory, bytes) + n);

	secret->n = n;
	sp_pg_own(secret, wipe);
	return secret->bytes;
}

bytea *
sp_identity_hash(const char *text)
{
	bytea *hash = palloc(VARHDRSZ + SP_HASH_SHA256_BYTES);

	SET_VARSIZE(hash, VARHDRSZ + SP_HASH_SHA256_BYTES);
	sp_pg_check(sp_hash_run(SP_HASH_SHA256, text, strlen(text), (uint8_t *) VARDATA(hash)), "hash",
	            NULL);
	return hash;
}

static bool
is_permission(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz", more[] = "0123456789_";
	const char *at = name;

	for (int part = 0; part < 2; part++)
	{
		const char *begin = at;

		if (at[0] == '*' && at[1] == '\0')
			return true;
		while (*at && (strchr(letters, *at) || (at > begin && strchr(more, *at))))
			at++;
		if (at == begin || at - begin > 63 || *at != (part == 0 ? ':' : '\0'))
			return false;
		at++;
	}
	return true;
}

int
sp_identity_check_permissions(ArrayType *permissions, Datum **names)
{
	bool *nulls;
	int count;

	deconstruct_array(permissions, TEXTOID, -1, false, TYPALIGN_INT, names, &nulls, &count);
	if (ARR_NDIM(permissions) > 1 || count > MAX_PERMISSIONS)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		         errmsg("there must be one list of at most %d permissions", MAX_PERMISSIONS)));
	for (int i = 0; i < count; i++)
		if (nulls[i] || !is_permission(TextDatumGetCString((*names)[i])))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			                errmsg("something in the list is no permission"),
			                errhint("Permissions are written room:verb, room:* or *.")));
	return count;
}

void
sp_identity_check_given(ArrayType *permissions)
{
	Datum *names;
	int count = sp_identity_check_permissions(permissions, &names);

	for (int i = 0; i < count; i++)
		sp_identity_require_permission(TextDatumGetCString(names[i]));
}

/* A service for a key that is nobody's: the operator's own programs. */
static pg_uuid_t *
make_service(const pg_uuid_t *tenant, Datum name)
{
	static SpQuery q = {.text = "INSERT INTO spotai.principal (tenant_id, kind, name)"
	                            " VALUES ($1, 'service', $2) RETURNING id",
	                    .nargs = 2,
	                    .types = {UUIDOID, TEXTOID}};
	Datum args[] = {UUIDPGetDatum(tenant), name};

	return sp_identity_owner_insert(&q, args, NULL);
}

/*
 * Whose key it will be.  For others than oneself identity:write is needed: a
 * key is a way to be its principal.
 */
static pg_uuid_t *
choose_principal(FunctionCallInfo fcinfo, const SpSession *now, pg_uuid_t *tenant)
{
	pg_uuid_t *principal;

	*tenant = now->who.tenant;
	if (PG_ARGISNULL(ARG_PRINCIPAL))
	{
		if (!now->who.has_principal)
			return make_service(tenant, PG_GETARG_DATUM(ARG_NAME));
		principal = palloc(sizeof(pg_uuid_t));
		*principal = now->who.principal;
	}
	else
		principal = PG_GETARG_UUID_P(ARG_PRINCIPAL);
	if (!now->who.has_principal || memcmp(principal, &now->who.principal, sizeof(pg_uuid_t)) != 0)
		sp_identity_require_permission("identity:write");
	*tenant = sp_identity_tenant_of(principal);
	return principal;
}

static pg_uuid_t *
insert_key(FunctionCallInfo fcinfo, const pg_uuid_t *tenant, const pg_uuid_t *principal,
           const char *key, TimestampTz expires)
{
	static SpQuery q = {
		.text = "INSERT INTO spotai.api_key (tenant_id, principal_id, name, prefix, hash, scopes,"
				" networks, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
				" RETURNING id",
		.nargs = 8,
		.types = {UUIDOID, UUIDOID, TEXTOID, TEXTOID, BYTEAOID, TEXTARRAYOID, CIDRARRAYOID,
	              TIMESTAMPTZOID}};
	Datum args[] = {UUIDPGetDatum(tenant),
	                UUIDPGetDatum(principal),
	                PG_GETARG_DATUM(ARG_NAME),
	                PointerGetDatum(cstring_to_text_with_len(key, SHOWN_CHARS)),
	                PointerGetDatum(sp_identity_hash(key)),
	                PG_GETARG_DATUM(ARG_SCOPES),
	                PG_ARGISNULL(ARG_NETWORKS) ? (Datum) 0 : PG_GETARG_DATUM(ARG_NETWORKS),
	                TimestampTzGetDatum(expires)};

	return sp_identity_owner_insert(&q, args, PG_ARGISNULL(ARG_NETWORKS) ? "      n " : NULL);
}

/*
 * spotai.create_api_key(name text, scopes text[], ttl interval, principal uuid,
 * networks cidr[]) returns text
 */
Datum
spotai_create_api_key(PG_FUNCTION_ARGS)
{
	TimestampTz expires;
	pg_uuid_t *principal, *id, tenant;
	char *key;

	sp_pg_require_tables();
	for (int i = ARG_NAME; i <= ARG_TTL; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			                errmsg("name, scopes and ttl of a key must not be null")));
	sp_identity_check_name(PG_GETARG_TEXT_PP(ARG_NAME), "a key");
	(void) sp_identity_require();
	sp_identity_require_recent(true);
	expires =
		sp_identity_expiry(GetCurrentTimestamp(), PG_GETARG_INTERVAL_P(ARG_TTL), API_KEY_DAYS);
	sp_identity_check_given(PG_GETARG_ARRAYTYPE_P(ARG_SCOPES));
	principal = choose_principal(fcinfo, sp_identity_session(), &tenant);
	key = sp_identity_new_secret(SP_API_KEY_PREFIX);
	id = insert_key(fcinfo, &tenant, principal, key, expires);
	/* by which spotai.revoke_api_key() ends it */
	sp_identity_event_id("key.create", "api_key", id);
	PG_RETURN_TEXT_P(cstring_to_text(key));
}

/* spotai.revoke_api_key(key uuid) returns boolean */
Datum
spotai_revoke_api_key(PG_FUNCTION_ARGS)
{
	static SpQuery q = {
		.text = "UPDATE spotai.api_key SET revoked_at = now() WHERE tenant_id = $1 AND id = $2"
				" AND revoked_at IS NULL AND ($3 OR principal_id = $4)",
		.nargs = 4,
		.types = {UUIDOID, UUIDOID, BOOLOID, UUIDOID}};
	SpIdentity who = sp_identity_require();
	Datum args[] = {UUIDPGetDatum(&who.tenant), PG_GETARG_DATUM(0),
	                BoolGetDatum(sp_identity_has_permission("identity:write")),
	                UUIDPGetDatum(&who.principal)};
	bool revoked = sp_identity_owner_query(&q, args, NULL) == 1;

	if (revoked)
		sp_identity_event_id("key.revoke", "api_key", PG_GETARG_UUID_P(0));
	PG_RETURN_BOOL(revoked);
}
