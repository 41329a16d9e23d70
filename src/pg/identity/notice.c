/*
 * src/pg/identity/notice.c
 *	  What people should hear of: logins that look strange, credentials that were
 *	  changed or end soon.
 *
 * A database sends no letters.  An application asks from time to time, with the
 * time of the last notice, and writes to whom it concerns.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "pg/identity/internal.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_identity_notices);

#define KEYS                                                                            \
	"SELECT created_at, principal_id, 'key.created', name FROM spotai.api_key"          \
	" WHERE tenant_id = $1 UNION ALL"                                                   \
	" SELECT revoked_at, principal_id, 'key.revoked', name FROM spotai.api_key"         \
	" WHERE tenant_id = $1 UNION ALL"                                                   \
	" SELECT greatest(expires_at - $3, created_at), principal_id, 'key.expiring', name" \
	" FROM spotai.api_key WHERE tenant_id = $1 AND revoked_at IS NULL"                  \
	" AND expires_at > clock_timestamp()"

/* A second factor that is enrolled anew counts from its first right code, or as long as there was none. */
#define FACTORS                                                                              \
	"SELECT coalesce(confirmed_at, updated_at), principal_id, 'factor.enrolled',"            \
	" CASE WHEN confirmed_at IS NULL THEN 'not confirmed' ELSE 'confirmed' END"              \
	" FROM spotai.totp WHERE tenant_id = $1 AND (confirmed_at IS NOT NULL OR failures = 0)"  \
	" UNION ALL SELECT max(created_at), principal_id, 'recovery_codes.made', count(*)::text" \
	" FROM spotai.recovery_code WHERE tenant_id = $1 GROUP BY principal_id"

/* Each row of a session has when it began. */
#define SESSIONS                                                       \
	"SELECT DISTINCT authenticated_at, principal_id, 'session.begun'," \
	" coalesce(label, family_id::text) FROM spotai.refresh_token"      \
	" WHERE tenant_id = $1 AND authenticated_at > $2 UNION ALL"        \
	" SELECT tokens_after, id, 'signed_out', name FROM spotai.principal WHERE tenant_id = $1"

/* From the second login on, an address is new that none of the earlier ones came from. */
#define LOGINS                                                                                  \
	"SELECT occurred_at, principal_id, 'login.refused', kind || ': ' || reason"                 \
	" FROM spotai.login_attempt WHERE tenant_id = $1 AND occurred_at > $2 AND NOT accepted"     \
	" AND principal_id IS NOT NULL UNION ALL"                                                   \
	" SELECT occurred_at, principal_id, 'recovery_code.used', 'accepted'"                       \
	" FROM spotai.login_attempt WHERE tenant_id = $1 AND occurred_at > $2 AND accepted"         \
	" AND kind = 'recovery_code' UNION ALL"                                                     \
	" SELECT l.occurred_at, l.principal_id, 'login.new_address', host(l.client)"                \
	" FROM spotai.login_attempt l WHERE l.tenant_id = $1 AND l.occurred_at > $2 AND l.accepted" \
	" AND l.client IS NOT NULL AND EXISTS (SELECT FROM spotai.login_attempt e"                  \
	" WHERE e.tenant_id = $1 AND e.principal_id = l.principal_id AND e.accepted"                \
	" AND e.occurred_at < l.occurred_at) AND NOT EXISTS (SELECT FROM spotai.login_attempt e"    \
	" WHERE e.tenant_id = $1 AND e.principal_id = l.principal_id AND e.accepted"                \
	" AND e.occurred_at < l.occurred_at AND e.client = l.client)"

/* spotai.identity_notices(since timestamptz, ahead interval) returns setof record */
Datum
spotai_identity_notices(PG_FUNCTION_ARGS)
{
	static SpQuery q = {
		.text = "SELECT n.* FROM (" KEYS " UNION ALL " FACTORS " UNION ALL " SESSIONS
				" UNION ALL " LOGINS
				") n (occurred_at, principal, notice, about) WHERE n.occurred_at > $2"
				" AND n.occurred_at <= clock_timestamp() AND (n.principal = $4 OR $4 IS NULL)"
				" ORDER BY n.occurred_at, n.principal, n.notice, n.about",
		.nargs = 4,
		.types = {UUIDOID, TIMESTAMPTZOID, INTERVALOID, UUIDOID}};
	SpIdentity who = sp_identity_require();
	Datum args[] = {UUIDPGetDatum(&who.tenant), PG_GETARG_DATUM(0), PG_GETARG_DATUM(1),
	                UUIDPGetDatum(&who.principal)};

	sp_pg_require_tables();
	/* everybody hears of himself */
	return sp_identity_answer(fcinfo, &q, args,
	                          sp_identity_has_permission("identity:read") ? "   n" : NULL);
}
