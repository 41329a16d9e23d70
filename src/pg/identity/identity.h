/*
 * src/pg/identity/identity.h
 *	  The identity room: whose rows a session may see, and in whose name.
 *
 * Identity is proved, never claimed.  The credential of a session is the value
 * of the setting spotai.token: a signed token or an API key, put there by
 * spotai.login(), spotai.login_api_key() or SET [LOCAL].  It is verified once a
 * transaction; any fault makes the session nobody, and nobody has no rows.
 *
 * Without a credential the role of the session decides (SET ROLE counts,
 * SECURITY DEFINER does not): a superuser, an owner of spotai.tenant and a
 * member of spotai_admin act for the default tenant, everybody else is nobody.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_IDENTITY_H
#define SP_PG_IDENTITY_H

#include "postgres.h"

#include "utils/uuid.h"

typedef struct SpIdentity
{
	bool known; /* false: nobody, and the rest is zero */
	pg_uuid_t tenant;
	bool has_principal; /* false: the operator, or a job */
	pg_uuid_t principal;
} SpIdentity;

/* Define the room's settings; called once from _PG_init. */
extern void sp_identity_init(void);

/* Who this session is.  Inside a transaction; SPI need not be connected. */
extern SpIdentity sp_identity_current(void);

/* As sp_identity_current; raises 42501 for nobody. */
extern SpIdentity sp_identity_require(void);

/* The address of the client; NULL: it is on a Unix socket, or there is none. */
extern const char *sp_identity_client(void);

/*
 * Be this tenant, without a principal, to the end of the (sub)transaction: for
 * jobs.  permission, a constant, is what the session may do then; NULL: nothing that
 * needs one.
 */
extern void sp_identity_act_for(const pg_uuid_t *tenant, const char *permission);

/* Write refused logins down, drop what has expired; in a worker's transaction, now and then. */
extern void sp_identity_upkeep(void);

/*
 * Whether the principal of the session has a permission such as "audit:read",
 * through its roles and within the scopes of its credential.  The operator has
 * all of them, a job what it acts with and job:submit, nobody none.  What has been
 * granted or taken away by others counts from the next statement on.
 */
extern bool sp_identity_has_permission(const char *permission);

/*
 * Raise 42501 unless sp_identity_has_permission, and the login is good enough for
 * it; also for nobody.
 */
extern void sp_identity_require_permission(const char *permission);

/*
 * The same, but for nobody answers false: for policies, and for what PostgreSQL's
 * privileges alone let a session without a tenant do.
 */
extern bool sp_identity_permitted(const char *permission);

/*
 * Raise 42501 for a person whose login is older than spotai.reauth_after, or,
 * with factor, lacks the second factor that spotai.second_factor wants.  Not for
 * the operator, jobs and services.  sp_identity_require_permission() calls it for
 * the permissions of spotai.sensitive_permissions.
 */
extern void sp_identity_require_recent(bool factor);

#endif /* SP_PG_IDENTITY_H */
