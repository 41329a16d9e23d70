/*
 * src/pg/identity/internal.h
 *	  What the files of the identity room share.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_IDENTITY_INTERNAL_H
#define SP_PG_IDENTITY_INTERNAL_H

#include "postgres.h"

#include "utils/array.h"
#include "utils/timestamp.h"

#include "core/jose/jws.h"
#include "pg/compat.h"
#include "pg/identity/identity.h"
#include "pg/owner.h"

/* The tenant that is made by migrate(), whose operator needs no credential. */
#define SP_DEFAULT_TENANT "00000000-0000-0000-0000-000000000001"

/* Tokens of our own name their tenant as issuer; nobody else can be trusted under such a name. */
#define SP_OWN_ISSUER "urn:spotai:tenant:"

/* API keys and refresh tokens begin so, which no signed token does: those begin with {" in base64. */
#define SP_API_KEY_PREFIX "spk_"
#define SP_REFRESH_PREFIX "spr_"

/* Audiences that one issuer may be trusted for, by all tenants together. */
#define SP_MAX_TRUSTED 64

/* Of names of principals, tenants and keys. */
#define SP_NAME_BYTES 255

/* 256 random bits behind the prefix, in base64url. */
#define SP_SECRET_BYTES 32
#define SP_SECRET_CHARS 43

/* Who a session is, and what limits it. */
typedef struct SpSession
{
	SpIdentity who;
	bool by_role;      /* no credential, but a role that acts for the default tenant */
	bool by_key;       /* an API key */
	bool service;      /* the principal is a service */
	pg_uuid_t key_id;  /* with by_key */
	ArrayType *scopes; /* permissions at most; NULL: no such limit */
} SpSession;

/* ---- identity.c ---- */

extern char *sp_identity_token;          /* the credential; NULL: none */
extern char *sp_identity_token_audience; /* that tokens must name; empty: none may */

/* Who this session is, if that was asked in this transaction; looks up nothing. */
extern SpIdentity sp_identity_if_known(void);

/* The session as it is now; valid until something changes it. */
extern const SpSession *sp_identity_session(void);

/* Raise 42501 unless the session is the operator: no credential, and a role that needs none. */
extern void sp_identity_require_operator(void);

/*
 * Raise 25001 unless what this statement writes is committed with it: in a
 * transaction block or a subtransaction it could be rolled back and asked again.
 */
extern void sp_identity_require_own_transaction(const char *function);

/* ---- owner.c ---- */

/*
 * Between begin and end: connected to SPI, as the owner of the tables, with
 * search_path = pg_catalog, pg_temp.  For fixed statements of ours alone.  An
 * error ends it as well.
 */
typedef struct SpAsOwner
{
	SpOwner before;
	int settings;
	bool snapshot;
} SpAsOwner;

extern void sp_identity_owner_begin(SpAsOwner *saved);
extern void sp_identity_owner_end(SpAsOwner *saved);

/* Whether the tables of this room are there. */
extern bool sp_identity_has_tables(void);

/* ---- verify.c ---- */

/*
 * Whose credential this is; false with *why, one line for people that says
 * what failed and never what would have passed.  Allocates in the current
 * context, which the caller deletes soon: foreign handles go with it.
 */
extern bool sp_identity_verify(const char *credential, SpSession *out, const char **why);

extern bool sp_identity_is_api_key(const char *credential);

/* Seconds since 1970 of a time. */
extern double sp_identity_epoch(TimestampTz when);

/* ---- login.c ---- */

/* Keep what happened, where the transaction can write.  reason NULL: it was accepted. */
extern void sp_identity_note(const char *kind, const pg_uuid_t *tenant, const pg_uuid_t *principal,
                             const char *reason);

/*
 * An event of this room for the audit log: action is a kind and a verb, the
 * object "kind/id".  In the name of the session.
 */
extern void sp_identity_event(const char *action, const char *kind, const char *id);
extern void sp_identity_event_id(const char *action, const char *kind, const pg_uuid_t *id);

/* ---- refused.c ---- */

extern void sp_identity_refused_init(void);

/* A login is about to be refused by an error: kind as sp_identity_note has it, why without quotes. */
extern void sp_identity_refused(const char *kind, const char *why);

/* A permission, or something of that name, is about to be refused to this session. */
extern void sp_identity_refused_permission(const char *permission, const char *why);

/* ---- issue.c ---- */

/* A token of a principal, by the tenant's newest key; palloc'd.  audience NULL: none. */
extern char *sp_identity_sign(const pg_uuid_t *tenant, const pg_uuid_t *principal, TimestampTz now,
                              TimestampTz expires, const char *audience);

/* The audience that tokens have when nobody says another; NULL: none. */
extern const char *sp_identity_default_audience(void);

/* now + ttl; raises 22023 unless it is later than now and at most days later. */
extern TimestampTz sp_identity_expiry(TimestampTz now, Interval *ttl, int days);

/* The tenant of a principal that is alive: the session's own, or for the operator any; raises 42704. */
extern pg_uuid_t sp_identity_tenant_of(const pg_uuid_t *principal);

/* Raise 42704: there is no such principal. */
extern void sp_identity_no_principal(const pg_uuid_t *principal) SP_NORETURN;

/* ---- role.c ---- */

/* Raise 22023 unless a name has 1 to SP_NAME_BYTES; what is "a key" or so. */
extern void sp_identity_check_name(text *name, const char *what);

/* ---- key.c ---- */

/* Raise 22023 unless all are permissions, 42501 for one that the session has not: nobody gives
 * away what he does not have. */
extern void sp_identity_check_given(ArrayType *permissions);

/* prefix and 43 random characters, with a NUL; palloc'd. */
extern char *sp_identity_new_secret(const char *prefix);

/* n bytes for what is secret, overwritten when the current memory context goes. */
extern uint8_t *sp_identity_secret_memory(size_t n);

/* SHA-256 of a text. */
extern bytea *sp_identity_hash(const char *text);

#endif /* SP_PG_IDENTITY_INTERNAL_H */
