/*
 * src/pg/identity/verify.c
 *	  Whose credential is this?
 *
 * A token says who signed it.  Our own name their tenant as issuer and are
 * verified with that tenant's signing key; others are looked for among the
 * trusted issuers.  An API key is looked for by its hash.  In each case the
 * principal and the tenant must be alive now.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "core/crypto/constant_time.h"
#include "core/jose/claims.h"
#include "core/jose/peek.h"
#include "pg/identity/internal.h"
#include "pg/seam.h"
#include "pg/sql.h"

bool
sp_identity_is_api_key(const char *credential)
{
	return strncmp(credential, SP_API_KEY_PREFIX, strlen(SP_API_KEY_PREFIX)) == 0;
}

double
sp_identity_epoch(TimestampTz when)
{
	return (double) when / USECS_PER_SEC +
	       (double) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
}

/* Errors that are nobody's token's fault are raised; what is left is a reason. */
static bool
accepted(SpStatus st, const SpJwtError *reason, const char **why)
{
	if (st == SP_OK)
		return true;
	if (*reason == SP_JWT_OK)
		sp_pg_check(st, "token", NULL);
	*why = sp_jwt_error_text(*reason);
	return false;
}

/* Why a credential that is in order is refused. */
#define NOBODY "nobody is known by it"

/* Names that the tables cannot hold are nobody's there. */
static bool
is_storable(const char *utf8, size_t length)
{
	if (GetDatabaseEncoding() == PG_UTF8)
		return true;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char) utf8[i] > 0x7f)
			return false;
	return true;
}

static void
free_keys(void *keys)
{
	sp_jwk_set_free(keys);
}

static void
free_claims(void *claims)
{
	sp_claims_free(claims);
}

/* Public keys as a table has them; NULL when they are none, which is refused like a wrong token. */
static SpJwkSet *
read_keys(const char *text)
{
	SpJwkSet *keys = NULL;
	char *utf8 = pg_server_to_any((char *) text, (int) strlen(text), PG_UTF8);

	if (sp_jwk_set_parse(sp_pg_env(), utf8, strlen(utf8), SP_JWK_PUBLIC, &keys, NULL) != SP_OK)
		return NULL;
	sp_pg_own(keys, free_keys);
	return keys;
}

/* The claims of a token, when its signature is one of the keys' and they hold. */
static SpClaims *
read_token(const char *token, const char *keys_text, const char *issuer, const char *audience,
           bool own, const char **why)
{
	SpClaimsWant want = {.now_s = sp_identity_epoch(GetCurrentTimestamp()),
	                     .issuer = issuer,
	                     .audience = audience,
	                     .require_exp = true};
	SpJwkSet *keys = read_keys(keys_text);
	SpClaims *claims = NULL;
	SpJws jws;
	SpJwtError reason = SP_JWT_OK;

	if (keys == NULL)
	{
		*why = sp_jwt_error_text(SP_JWT_UNKNOWN_KEY);
		return NULL;
	}
	if (!accepted(sp_jws_verify(sp_pg_env(), token, strlen(token), keys,
	                            sp_identity_token_options(own), &jws, &reason, NULL),
	              &reason, why) ||
	    !accepted(sp_claims_read(sp_pg_env(), jws.payload, jws.length, &claims, &reason, NULL),
	              &reason, why))
		return NULL;
	sp_pg_own(claims, free_claims);
	if (!accepted(sp_claims_check(claims, &want, &reason, NULL), &reason, why))
		return NULL;
	return claims;
}

/* The row of the last query is a principal and whether it is a service. */
static bool
take_principal(uint64 rows, SpSession *out, const char **why)
{
	bool isnull;

	if (rows != 1)
	{
		*why = NOBODY;
		return false;
	}
	out->who.known = true;
	out->who.has_principal = true;
	out->who.tenant = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
	out->who.principal = *DatumGetUUIDP(sp_pg_column(0, 2, &isnull));
	out->service = DatumGetBool(sp_pg_column(0, 3, &isnull));
	return true;
}

/* A token that does not say when it was issued is older than any sign-out. */
static Datum
issued_at(const SpClaims *claims)
{
	double seconds = 0;

	(void) sp_claims_time(claims, "iat", &seconds);
	return TimestampTzGetDatum(sp_identity_time_of(seconds));
}

#define PRINCIPAL_IS_ALIVE                                                                      \
	"SELECT p.tenant_id, p.id, p.kind = 'service' FROM spotai.principal p JOIN spotai.tenant t" \
	" ON t.id = p.tenant_id WHERE p.tenant_id = $1 AND p.deleted_at IS NULL"                    \
	" AND t.deleted_at IS NULL AND p.tokens_after <= $2 AND "

static bool
find_own_principal(const pg_uuid_t *tenant, const SpClaims *claims, SpSession *out,
                   const char **why)
{
	static SpQuery q = {.text = PRINCIPAL_IS_ALIVE
	                    "p.id = $3 AND ($4 IS NULL OR (EXISTS (SELECT"
	                    " FROM spotai.refresh_token f WHERE f.tenant_id = $1"
	                    " AND f.family_id = $4) AND NOT EXISTS (SELECT"
	                    " FROM spotai.refresh_token f WHERE f.tenant_id = $1"
	                    " AND f.family_id = $4 AND f.revoked_at IS NOT NULL)))",
	                    .nargs = 4,
	                    .types = {UUIDOID, TIMESTAMPTZOID, UUIDOID, UUIDOID}};
	size_t length = 0;
	pg_uuid_t id;
	Datum args[] = {UUIDPGetDatum(tenant), issued_at(claims), UUIDPGetDatum(&id),
	                UUIDPGetDatum(&out->login.session)};

	if (!sp_identity_read_uuid(sp_claims_text(claims, "sub", &length), &id))
	{
		*why = sp_jwt_error_text(SP_JWT_CLAIMS);
		return false;
	}
	return take_principal(sp_pg_query(&q, args, out->login.has_session ? NULL : "   n", true), out,
	                      why);
}

/* Whether the key of the last query's row may be used now and from here. */
static bool
take_key(uint64 rows, SpSession *out, const char **why)
{
	bool isnull;

	*why = "the key is not known";
	if (rows != 1)
		return false;
	if (!DatumGetBool(sp_pg_column(0, 6, &isnull)))
	{
		*why = "the key is revoked or has expired";
		return false;
	}
	if (!DatumGetBool(sp_pg_column(0, 7, &isnull)))
	{
		*why = "the key is not accepted from here";
		return false;
	}
	out->login.scopes = DatumGetArrayTypePCopy(sp_pg_column(0, 5, &isnull));
	out->key_id = *DatumGetUUIDP(sp_pg_column(0, 8, &isnull));
	out->by_key = true;
	return take_principal(rows, out, why);
}

#define KEY_IS_USABLE                                                             \
	"SELECT p.tenant_id, p.id, p.kind = 'service', k.hash, k.scopes,"             \
	" k.revoked_at IS NULL AND k.expires_at > clock_timestamp(),"                 \
	" k.networks IS NULL OR EXISTS (SELECT FROM unnest(k.networks) n"             \
	" WHERE inet_client_addr() <<= n), k.id"                                      \
	" FROM spotai.api_key k JOIN spotai.principal p ON p.tenant_id = k.tenant_id" \
	" AND p.id = k.principal_id JOIN spotai.tenant t ON t.id = k.tenant_id"       \
	" WHERE p.deleted_at IS NULL AND t.deleted_at IS NULL AND "

static bool
verify_key(const char *key, SpSession *out, const char **why)
{
	static SpQuery q = {.text = KEY_IS_USABLE "k.hash = $1", .nargs = 1, .types = {BYTEAOID}};
	bytea *hash, *kept;
	Datum args[1];
	uint64 rows;
	bool isnull;

	*why = "the key is not known";
	if (strlen(key) != strlen(SP_API_KEY_PREFIX) + SP_SECRET_CHARS)
		return false;
	hash = sp_identity_hash(key);
	args[0] = PointerGetDatum(hash);
	rows = sp_pg_query(&q, args, NULL, true);
	if (rows != 1)
		return false;
	kept = DatumGetByteaPP(sp_pg_column(0, 4, &isnull));
	return sp_crypto_equal(VARDATA_ANY(kept), VARSIZE_ANY_EXHDR(kept), VARDATA_ANY(hash),
	                       VARSIZE_ANY_EXHDR(hash)) &&
	       take_key(rows, out, why);
}

/* A token that was made of a key is good for what the key is, as long as the key is. */
static bool
find_key_of_token(const pg_uuid_t *tenant, const SpClaims *claims, SpSession *out, const char **why)
{
	static SpQuery q = {.text = KEY_IS_USABLE "k.tenant_id = $1 AND k.id = $2"
	                                          " AND p.tokens_after <= $3 AND p.id::text = $4",
	                    .nargs = 4,
	                    .types = {UUIDOID, UUIDOID, TIMESTAMPTZOID, TEXTOID}};
	size_t length;
	const char *subject = sp_claims_text(claims, "sub", &length);
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(&out->login.key), issued_at(claims),
	                CStringGetTextDatum(subject != NULL ? subject : "")};

	return take_key(sp_pg_query(&q, args, NULL, true), out, why);
}

/* A token of ours: the issuer says the tenant, the kid which of its keys. */
static bool
verify_own(const char *token, const SpPeek *peek, SpSession *out, const char **why)
{
	static SpQuery q = {
		.text = "SELECT public_key::text FROM spotai.signing_key WHERE tenant_id = $1"
				" AND kid = $2 AND (expires_at IS NULL OR expires_at > clock_timestamp())",
		.nargs = 2,
		.types = {UUIDOID, TEXTOID}};
	const char *name = peek->issuer + strlen(SP_OWN_ISSUER);
	const char *audience = sp_identity_default_audience();
	pg_uuid_t tenant;
	Datum args[] = {UUIDPGetDatum(&tenant), CStringGetTextDatum(peek->kid)};
	SpClaims *claims;

	*why = sp_jwt_error_text(SP_JWT_UNKNOWN_KEY);
	if (!is_storable(peek->kid, strlen(peek->kid)) || !sp_identity_read_uuid(name, &tenant) ||
	    sp_pg_query(&q, args, NULL, true) != 1)
		return false;
	if (audience)
		audience = pg_server_to_any((char *) audience, (int) strlen(audience), PG_UTF8);
	claims = read_token(token, sp_pg_column_text(0, 1), peek->issuer, audience, true, why);
	if (claims == NULL || !sp_identity_take_login(claims, true, out, why))
		return false;
	return out->login.has_key ? find_key_of_token(&tenant, claims, out, why)
	                          : find_own_principal(&tenant, claims, out, why);
}

typedef struct Trusted
{
	pg_uuid_t tenant;
	char *audience;
	char *keys;
} Trusted;

/* The audiences that a token names, as far as the tables can hold them. */
static ArrayType *
audiences_of(const SpPeek *peek)
{
	Datum items[SP_PEEK_AUDIENCES];
	const char *at = peek->audiences;
	int count = 0;

	for (int i = 0; i < peek->n_audiences; i++, at += strlen(at) + 1)
		if (is_storable(at, strlen(at)))
			items[count++] = CStringGetTextDatum(at);
	return construct_array(items, count, TEXTOID, -1, false, TYPALIGN_INT);
}

/* At most one row an audience: spotai.trust_issuer() sees to that. */
static int
read_trusted(const SpPeek *peek, Trusted *rows)
{
	static SpQuery q = {.text = "SELECT tenant_id, audience, jwks::text FROM spotai.trusted_issuer"
	                            " WHERE issuer = $1 AND audience = ANY ($2)"
	                            " ORDER BY created_at, id LIMIT $3",
	                    .nargs = 3,
	                    .types = {TEXTOID, TEXTARRAYOID, INT4OID}};
	Datum args[] = {CStringGetTextDatum(peek->issuer), PointerGetDatum(audiences_of(peek)),
	                Int32GetDatum(SP_PEEK_AUDIENCES)};
	int count = (int) sp_pg_query(&q, args, NULL, true);
	bool isnull;

	for (int i = 0; i < count; i++)
	{
		char *audience = sp_pg_column_text(i, 2);

		rows[i].tenant = *DatumGetUUIDP(sp_pg_column(i, 1, &isnull));
		rows[i].audience = pg_server_to_any(audience, (int) strlen(audience), PG_UTF8);
		rows[i].keys = sp_pg_column_text(i, 3);
	}
	return count;
}

static bool
find_their_principal(const pg_uuid_t *tenant, const char *issuer, const SpClaims *claims,
                     SpSession *out, const char **why)
{
	static SpQuery q = {.text = PRINCIPAL_IS_ALIVE "p.issuer = $3 AND p.subject = $4",
	                    .nargs = 4,
	                    .types = {UUIDOID, TIMESTAMPTZOID, TEXTOID, TEXTOID}};
	size_t length = 0;
	const char *subject = sp_claims_text(claims, "sub", &length);
	Datum args[4];

	if (subject == NULL || !is_storable(subject, length))
	{
		*why = subject ? NOBODY : sp_jwt_error_text(SP_JWT_MISSING_CLAIM);
		return false;
	}
	args[0] = UUIDPGetDatum(tenant);
	args[1] = issued_at(claims);
	args[2] = CStringGetTextDatum(issuer);
	args[3] = PointerGetDatum(cstring_to_text_with_len(subject, (int) length));
	return take_principal(sp_pg_query(&q, args, NULL, true), out, why);
}

/*
 * A token of others.  Several tenants may trust one issuer, each for its own
 * audience; a token for the audiences of two is for neither.
 */
static bool
verify_theirs(const char *token, const SpPeek *peek, SpSession *out, const char **why)
{
	Trusted *rows = palloc(sizeof(Trusted) * SP_PEEK_AUDIENCES);
	int count = read_trusted(peek, rows);
	SpClaims *claims = NULL;
	int which = -1;

	*why = "the token's issuer is not trusted for its audience";
	for (int i = 0; i < count; i++)
	{
		SpClaims *found =
			read_token(token, rows[i].keys, peek->issuer, rows[i].audience, false, why);

		if (found == NULL)
			continue;
		if (which >= 0 && memcmp(&rows[which].tenant, &rows[i].tenant, sizeof(pg_uuid_t)) != 0)
		{
			*why = "the token is for more than one tenant";
			return false;
		}
		which = i;
		claims = found;
	}
	return which >= 0 && sp_identity_take_login(claims, false, out, why) &&
	       find_their_principal(&rows[which].tenant, peek->issuer, claims, out, why);
}

static bool
verify_token(const char *token, SpSession *out, const char **why)
{
	SpPeek *peek = palloc0(sizeof(SpPeek));
	SpJwtError reason = SP_JWT_OK;

	if (!accepted(sp_jws_peek(sp_pg_env(), token, strlen(token), peek, &reason, NULL), &reason,
	              why))
		return false;
	if (strncmp(peek->issuer, SP_OWN_ISSUER, strlen(SP_OWN_ISSUER)) == 0)
		return verify_own(token, peek, out, why);
	*why = sp_jwt_error_text(SP_JWT_UNKNOWN_KEY);
	return is_storable(peek->issuer, strlen(peek->issuer)) && verify_theirs(token, peek, out, why);
}

bool
sp_identity_verify(const char *credential, SpSession *out, const char **why)
{
	SpAsOwner saved;
	bool good;

	memset(out, 0, sizeof(*out));
	sp_identity_owner_begin(&saved);
	good = sp_identity_is_api_key(credential) ? verify_key(credential, out, why)
	                                          : verify_token(credential, out, why);
	sp_identity_owner_end(&saved);
	return good;
}
