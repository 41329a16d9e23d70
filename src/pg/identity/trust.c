/*
 * src/pg/identity/trust.c
 *	  Tenants, and others whose tokens are accepted.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"

#include "core/jose/peek.h"
#include "pg/identity/internal.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_trust_issuer);
SPOTAI_FUNCTION(spotai_distrust_issuer);
SPOTAI_FUNCTION(spotai_create_tenant);
SPOTAI_FUNCTION(spotai_deactivate_tenant);

static bool tenants_trust = true;

static void
free_keys(void *keys)
{
	sp_jwk_set_free(keys);
}

/* What the table keeps is what a token will be verified with: all of it is read now. */
static void
check_keys(Jsonb *json)
{
	SpFault fault = {{0}, {0}};
	SpJwkSet *keys = NULL;
	char *text = JsonbToCString(NULL, &json->root, VARSIZE(json));
	char *utf8 = pg_server_to_any(text, (int) strlen(text), PG_UTF8);
	SpStatus st = sp_jwk_set_parse(sp_pg_env(), utf8, strlen(utf8), SP_JWK_PUBLIC, &keys, &fault);

	if (st == SP_ERR_NO_MEMORY)
		sp_pg_check(st, "key", &fault);
	if (st != SP_OK)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid key set"),
		                fault.detail[0] ? errdetail("%s", fault.detail) : 0,
		                errhint("Pass the issuer's public keys as a JSON Web Key Set (RFC 7517)."),
		                errhidestmt(true)));
	sp_pg_own(keys, free_keys);
}

static void
check_names(const char *issuer, const char *audience)
{
	if (issuer[0] == '\0' || strlen(issuer) > SP_PEEK_ISSUER_MAX || audience[0] == '\0' ||
	    strlen(audience) > SP_PEEK_ISSUER_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("issuer and audience must have 1 to %d bytes", SP_PEEK_ISSUER_MAX)));
	if (strncmp(issuer, SP_OWN_ISSUER, strlen(SP_OWN_ISSUER)) == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("an issuer must not be named like spotai's own")));
}

/*
 * An issuer's tokens for one audience are one tenant's.  Two that trust the same
 * would be two tenants of one session; and whoever came second could have come
 * with keys of his own.
 */
static void
refuse_taken(const pg_uuid_t *tenant, Datum issuer, Datum audience)
{
	static SpQuery lock = {
		.text = "SELECT pg_advisory_xact_lock(hashtextextended('spotai.trusted_issuer ' || $1, 0))",
		.nargs = 1,
		.types = {TEXTOID}};
	static SpQuery q = {.text = "SELECT FROM spotai.trusted_issuer WHERE issuer = $2"
	                            " AND audience = $3 AND tenant_id <> $1",
	                    .nargs = 3,
	                    .types = {UUIDOID, TEXTOID, TEXTOID}};
	Datum args[] = {UUIDPGetDatum(tenant), issuer, audience};

	sp_pg_query(&lock, &issuer, NULL, false);
	if (sp_pg_query(&q, args, NULL, false) > 0)
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
		                errmsg("this issuer is trusted for this audience already"),
		                errhint("Ask the issuer for an audience of your own.")));
}

/*
 * Whoever comes first has an issuer and an audience.  Where tenants do not trust
 * each other, staff says who that is: by the role of the session, since the
 * credential is the tenant's.
 */
static void
require_staff(void)
{
	Oid admin = get_role_oid("spotai_admin", true);

	if (tenants_trust || superuser_arg(GetOuterUserId()) ||
	    (OidIsValid(admin) && has_privs_of_role(GetOuterUserId(), admin)))
		return;
	sp_identity_refused_permission("identity:write", "issuers are trusted by staff");
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
	                errmsg("only staff may say which issuers are trusted"),
	                errhint("With the tenant's credential in a session of a member of "
	                        "spotai_admin.")));
}

void
sp_identity_trust_init(void)
{
	DefineCustomBoolVariable(
		"spotai.tenants_trust", "Tenants may say which issuers they trust.",
		"An issuer and an audience are the tenant's that names them first. Off: "
		"members of spotai_admin say it for them.",
		&tenants_trust, true, PGC_SUSET, 0, NULL, NULL, NULL);
}

/* spotai.trust_issuer(issuer text, audience text, jwks jsonb) returns uuid */
Datum
spotai_trust_issuer(PG_FUNCTION_ARGS)
{
	static SpQuery q = {.text =
	                        "INSERT INTO spotai.trusted_issuer (tenant_id, issuer, audience, jwks)"
	                        " VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id, issuer, audience)"
	                        " DO UPDATE SET jwks = excluded.jwks, updated_at = now() RETURNING id",
	                    .nargs = 4,
	                    .types = {UUIDOID, TEXTOID, TEXTOID, JSONBOID}};
	SpIdentity who;
	Datum args[4];
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));
	SpAsOwner saved;
	bool isnull;

	sp_pg_require_tables();
	sp_identity_require_permission("identity:write");
	require_staff();
	who = sp_identity_require();
	check_names(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)));
	check_keys(PG_GETARG_JSONB_P(2));
	args[0] = UUIDPGetDatum(&who.tenant);
	for (int i = 0; i < 3; i++)
		args[i + 1] = PG_GETARG_DATUM(i);
	sp_identity_owner_begin(&saved);
	refuse_taken(&who.tenant, args[1], args[2]);
	sp_pg_query(&q, args, NULL, false);
	*id = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
	sp_identity_owner_end(&saved);
	sp_identity_event("issuer.trust", "issuer", text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_UUID_P(id);
}

/* spotai.distrust_issuer(issuer text, audience text) returns boolean */
Datum
spotai_distrust_issuer(PG_FUNCTION_ARGS)
{
	static SpQuery q = {.text = "DELETE FROM spotai.trusted_issuer WHERE tenant_id = $1"
	                            " AND issuer = $2 AND audience = $3",
	                    .nargs = 3,
	                    .types = {UUIDOID, TEXTOID, TEXTOID}};
	SpIdentity who;
	Datum args[] = {UUIDPGetDatum(&who.tenant), PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
	bool gone;

	sp_pg_require_tables();
	sp_identity_require_permission("identity:write");
	who = sp_identity_require();
	gone = sp_identity_owner_query(&q, args, NULL) == 1;
	if (gone)
		sp_identity_event("issuer.distrust", "issuer", text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_BOOL(gone);
}

/* A tenant with somebody in it who can do everything there. */
static void
insert_tenant(Datum name, Datum *tenant, Datum *administrator)
{
	static SpQuery q = {
		.text = "WITH t AS (INSERT INTO spotai.tenant (name) VALUES ($1) RETURNING id),"
				" p AS (INSERT INTO spotai.principal (tenant_id, kind, name)"
				" SELECT id, 'person', 'administrator' FROM t RETURNING tenant_id, id),"
				" r AS (INSERT INTO spotai.role (tenant_id, name)"
				" SELECT id, 'administrator' FROM t RETURNING tenant_id, id),"
				" n AS (INSERT INTO spotai.permission (tenant_id, role_id, name)"
				" SELECT tenant_id, id, '*' FROM r),"
				" m AS (INSERT INTO spotai.role_member (tenant_id, role_id, principal_id)"
				" SELECT r.tenant_id, r.id, p.id FROM r, p) SELECT t.id, p.id FROM t, p",
		.nargs = 1,
		.types = {TEXTOID}};
	pg_uuid_t *ids = palloc(2 * sizeof(pg_uuid_t));
	SpAsOwner saved;
	bool isnull;

	sp_identity_owner_begin(&saved);
	sp_pg_query(&q, &name, NULL, false);
	ids[0] = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
	ids[1] = *DatumGetUUIDP(sp_pg_column(0, 2, &isnull));
	sp_identity_owner_end(&saved);
	*tenant = UUIDPGetDatum(&ids[0]);
	*administrator = UUIDPGetDatum(&ids[1]);
}

/* spotai.create_tenant(name text, OUT tenant uuid, OUT administrator uuid) */
Datum
spotai_create_tenant(PG_FUNCTION_ARGS)
{
	TupleDesc shape;
	Datum values[2];
	bool nulls[2] = {false, false};

	sp_pg_require_tables();
	sp_identity_require_operator();
	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "spotai.create_tenant() is declared wrongly");
	sp_identity_check_name(PG_GETARG_TEXT_PP(0), "a tenant");
	insert_tenant(PG_GETARG_DATUM(0), &values[0], &values[1]);
	sp_identity_event_id("tenant.create", "tenant", DatumGetUUIDP(values[0]));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls)));
}

/* spotai.deactivate_tenant(tenant uuid) returns boolean */
Datum
spotai_deactivate_tenant(PG_FUNCTION_ARGS)
{
	static SpQuery q = {.text = "UPDATE spotai.tenant SET deleted_at = now(), updated_at = now()"
	                            " WHERE id = $1 AND deleted_at IS NULL",
	                    .nargs = 1,
	                    .types = {UUIDOID}};
	Datum args[] = {PG_GETARG_DATUM(0)};
	bool done;

	sp_pg_require_tables();
	sp_identity_require_operator();
	done = sp_identity_owner_query(&q, args, NULL) == 1;
	if (done)
		sp_identity_event_id("tenant.deactivate", "tenant", PG_GETARG_UUID_P(0));
	PG_RETURN_BOOL(done);
}
