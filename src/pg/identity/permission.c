/*
 * src/pg/identity/permission.c
 *	  What the principal of a session may do.
 *
 * The roles are asked for once a statement: policies, and functions called for
 * many rows, want to know again and again.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "pg/identity/internal.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_has_permission);
SPOTAI_FUNCTION(spotai_permitted);

ArrayType *
sp_identity_ask_granted(const SpSession *who)
{
	static SpQuery q = {.text = "SELECT ARRAY(SELECT DISTINCT p.name FROM spotai.role_member m"
	                            " JOIN spotai.permission p USING (tenant_id, role_id)"
	                            " WHERE m.tenant_id = $1 AND m.principal_id = $2)",
	                    .nargs = 2,
	                    .types = {UUIDOID, UUIDOID}};
	Datum args[] = {UUIDPGetDatum(&who->who.tenant), UUIDPGetDatum(&who->who.principal)};
	SpAsOwner saved;
	ArrayType *names;
	bool isnull;

	sp_identity_owner_begin(&saved);
	sp_pg_query(&q, args, NULL, true);
	names = DatumGetArrayTypePCopy(sp_pg_column(0, 1, &isnull));
	sp_identity_owner_end(&saved);
	return names;
}

/* The permission itself, all of its room (stems:*), or all (*). */
static bool
is_among(ArrayType *names, const char *permission)
{
	size_t length = strlen(permission), room = strcspn(permission, ":");
	Datum *items;
	int count;

	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &items, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		const char *name = VARDATA_ANY(DatumGetPointer(items[i]));
		size_t n = VARSIZE_ANY_EXHDR(DatumGetPointer(items[i]));

		if ((n == 1 && name[0] == '*') || (n == length && memcmp(name, permission, n) == 0) ||
		    (n == room + 2 && memcmp(name, permission, room) == 0 &&
		     memcmp(name + room, ":*", 2) == 0))
			return true;
	}
	return false;
}

/* The roles of a person count; the key of a service has what its scopes say. */
bool
sp_identity_principal_may(const SpSession *who, const char *permission)
{
	return (who->login.scopes == NULL || is_among(who->login.scopes, permission)) &&
	       ((who->by_key && who->service) || is_among(who->granted, permission));
}

/* A job's row is changed along with what the job does; job:submit says who may change it. */
bool
sp_identity_job_may(const SpSession *job, const char *permission)
{
	return job->who.known &&
	       (strcmp(permission, "job:submit") == 0 ||
	        (job->permission != NULL && strcmp(permission, job->permission) == 0));
}

bool
sp_identity_permitted(const char *permission)
{
	if (!sp_identity_current().known)
		return false;
	sp_identity_require_permission(permission);
	return true;
}

/* spotai.has_permission(permission text) returns boolean */
Datum
spotai_has_permission(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(sp_identity_has_permission(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

/* _spotai.permitted(permission text) returns boolean */
Datum
spotai_permitted(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(sp_identity_permitted(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}
