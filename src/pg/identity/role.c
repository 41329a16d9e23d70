/*
 * src/pg/identity/role.c
 *	  Principals, and what they may do.
 *
 * Sessions have no privileges on these tables: whoever could write a row here
 * could give himself every permission.  So all goes through these functions,
 * which ask for identity:write; and nobody gives away, to himself or others,
 * what he does not have.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "pg/identity/internal.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_create_principal);
SPOTAI_FUNCTION(spotai_deactivate_principal);
SPOTAI_FUNCTION(spotai_create_role);
SPOTAI_FUNCTION(spotai_grant_role);
SPOTAI_FUNCTION(spotai_revoke_role);

/* Argument numbers of spotai.create_principal(). */
enum
{
	ARG_NAME,
	ARG_KIND,
	ARG_ISSUER,
	ARG_SUBJECT
};

void
sp_identity_check_name(text *name, const char *what)
{
	int n = (int) VARSIZE_ANY_EXHDR(name);

	if (n == 0 || n > SP_NAME_BYTES)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("the name of %s must have 1 to %d bytes", what, SP_NAME_BYTES)));
}

/* The tenant that a change is for; asks for the permission to make it. */
static SpIdentity
writer(void)
{
	sp_pg_require_tables();
	sp_identity_require_permission("identity:write");
	return sp_identity_require();
}

static void
check_principal(FunctionCallInfo fcinfo)
{
	char *kind;

	if (PG_ARGISNULL(ARG_NAME) || PG_ARGISNULL(ARG_KIND))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		                errmsg("name and kind of a principal must not be null")));
	sp_identity_check_name(PG_GETARG_TEXT_PP(ARG_NAME), "a principal");
	kind = text_to_cstring(PG_GETARG_TEXT_PP(ARG_KIND));
	if (strcmp(kind, "person") != 0 && strcmp(kind, "service") != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("a principal is a person or a service")));
	if (PG_ARGISNULL(ARG_ISSUER) != PG_ARGISNULL(ARG_SUBJECT))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("issuer and subject of a principal go together")));
	for (int i = ARG_ISSUER; i <= ARG_SUBJECT; i++)
		if (!PG_ARGISNULL(i))
			sp_identity_check_name(PG_GETARG_TEXT_PP(i), "an issuer or a subject");
}

/* spotai.create_principal(name text, kind text, issuer text, subject text) returns uuid */
Datum
spotai_create_principal(PG_FUNCTION_ARGS)
{
	static SpQuery q = {.text = "INSERT INTO spotai.principal (tenant_id, name, kind, issuer,"
	                            " subject) VALUES ($1, $2, $3, $4, $5) RETURNING id",
	                    .nargs = 5,
	                    .types = {UUIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}};
	SpIdentity who = writer();
	Datum args[5] = {UUIDPGetDatum(&who.tenant)};
	char nulls[] = "     ";
	pg_uuid_t *id;

	check_principal(fcinfo);
	for (int i = ARG_NAME; i <= ARG_SUBJECT; i++)
	{
		args[i + 1] = PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i);
		nulls[i + 1] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	id = sp_identity_owner_insert(&q, args, nulls);
	sp_identity_event_id("principal.create", "principal", id);
	PG_RETURN_UUID_P(id);
}

/* spotai.deactivate_principal(principal uuid) returns boolean */
Datum
spotai_deactivate_principal(PG_FUNCTION_ARGS)
{
	static SpQuery q = {.text = "UPDATE spotai.principal SET deleted_at = now(), updated_at = now()"
	                            " WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL",
	                    .nargs = 2,
	                    .types = {UUIDOID, UUIDOID}};
	SpIdentity who = writer();
	Datum args[] = {UUIDPGetDatum(&who.tenant), PG_GETARG_DATUM(0)};
	bool done = sp_identity_owner_query(&q, args, NULL) == 1;

	if (done)
		sp_identity_event_id("principal.deactivate", "principal", PG_GETARG_UUID_P(0));
	PG_RETURN_BOOL(done);
}

static bool
is_role_name(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < 64 && name[0] >= 'a' && name[0] <= 'z' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n;
}

/* spotai.create_role(name text, permissions text[]) returns uuid */
Datum
spotai_create_role(PG_FUNCTION_ARGS)
{
	static SpQuery q = {.text =
	                        "WITH r AS (INSERT INTO spotai.role (tenant_id, name) VALUES ($1, $2)"
	                        " RETURNING id), p AS (INSERT INTO spotai.permission (tenant_id,"
	                        " role_id, name) SELECT DISTINCT $1, r.id, n FROM r, unnest($3) n)"
	                        " SELECT id FROM r",
	                    .nargs = 3,
	                    .types = {UUIDOID, TEXTOID, TEXTARRAYOID}};
	SpIdentity who = writer();
	Datum args[] = {UUIDPGetDatum(&who.tenant), PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
	pg_uuid_t *id;

	if (!is_role_name(text_to_cstring(PG_GETARG_TEXT_PP(0))))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("the name of a role has 1 to 63 of a-z, 0-9, _ and -, and begins "
		                       "with a letter")));
	sp_identity_check_given(PG_GETARG_ARRAYTYPE_P(1));
	id = sp_identity_owner_insert(&q, args, NULL);
	sp_identity_event_id("role.create", "role", id);
	PG_RETURN_UUID_P(id);
}

/* The id of a role of the tenant, and its permissions; raises 42704. */
static pg_uuid_t *
find_role(const pg_uuid_t *tenant, Datum name, ArrayType **permissions)
{
	static SpQuery q = {.text =
	                        "SELECT r.id, ARRAY(SELECT p.name FROM spotai.permission p"
	                        " WHERE p.tenant_id = r.tenant_id AND p.role_id = r.id)"
	                        " FROM spotai.role r WHERE r.tenant_id = $1 AND r.name = $2 FOR SHARE",
	                    .nargs = 2,
	                    .types = {UUIDOID, TEXTOID}};
	Datum args[] = {UUIDPGetDatum(tenant), name};
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));
	SpAsOwner saved;
	bool isnull;

	sp_identity_owner_begin(&saved);
	if (sp_pg_query(&q, args, NULL, false) != 1)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
		                errmsg("this role does not exist in the tenant")));
	*id = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
	*permissions = DatumGetArrayTypePCopy(sp_pg_column(0, 2, &isnull));
	sp_identity_owner_end(&saved);
	return id;
}

static void
note_member(const char *action, const pg_uuid_t *role, const pg_uuid_t *principal)
{
	char *id = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(role)));

	sp_identity_event_id(action, psprintf("role/%s/principal", id), principal);
}

/* spotai.grant_role(principal uuid, role text) returns void */
Datum
spotai_grant_role(PG_FUNCTION_ARGS)
{
	static SpQuery q = {.text = "INSERT INTO spotai.role_member (tenant_id, principal_id, role_id)"
	                            " SELECT p.tenant_id, p.id, $3 FROM spotai.principal p WHERE"
	                            " p.tenant_id = $1 AND p.id = $2 AND p.deleted_at IS NULL"
	                            " ON CONFLICT (tenant_id, principal_id, role_id) DO UPDATE SET"
	                            " created_at = role_member.created_at",
	                    .nargs = 3,
	                    .types = {UUIDOID, UUIDOID, UUIDOID}};
	SpIdentity who = writer();
	ArrayType *permissions;
	pg_uuid_t *role = find_role(&who.tenant, PG_GETARG_DATUM(1), &permissions);
	Datum args[] = {UUIDPGetDatum(&who.tenant), PG_GETARG_DATUM(0), UUIDPGetDatum(role)};
	SpAsOwner saved;

	sp_identity_check_given(permissions);
	sp_identity_owner_begin(&saved);
	if (sp_pg_query(&q, args, NULL, false) != 1)
		sp_identity_no_principal(PG_GETARG_UUID_P(0));
	sp_identity_owner_end(&saved);
	sp_identity_forget();
	note_member("role.grant", role, PG_GETARG_UUID_P(0));
	PG_RETURN_VOID();
}

/* spotai.revoke_role(principal uuid, role text) returns boolean */
Datum
spotai_revoke_role(PG_FUNCTION_ARGS)
{
	static SpQuery q = {.text = "DELETE FROM spotai.role_member WHERE tenant_id = $1"
	                            " AND principal_id = $2 AND role_id = $3",
	                    .nargs = 3,
	                    .types = {UUIDOID, UUIDOID, UUIDOID}};
	SpIdentity who = writer();
	ArrayType *permissions;
	pg_uuid_t *role = find_role(&who.tenant, PG_GETARG_DATUM(1), &permissions);
	Datum args[] = {UUIDPGetDatum(&who.tenant), PG_GETARG_DATUM(0), UUIDPGetDatum(role)};
	bool gone = sp_identity_owner_query(&q, args, NULL) == 1;

	sp_identity_forget();
	if (gone)
		note_member("role.revoke", role, PG_GETARG_UUID_P(0));
	PG_RETURN_BOOL(gone);
}
