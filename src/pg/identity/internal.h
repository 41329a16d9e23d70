/*
 * src/pg/identity/internal.h
 *	  What the files of the identity room share.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_IDENTITY_INTERNAL_H
#define SP_PG_IDENTITY_INTERNAL_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#include "core/jose/jws.h"
#include "pg/compat.h"
#include "pg/identity/identity.h"
#include "pg/owner.h"
#include "pg/sql.h"

/* The tenant that is made by migrate(), whose operator needs no credential. */
#define SP_DEFAULT_TENANT "00000000-0000-0000-0000-000000000001"

/* Tokens of our own name their tenant as issuer; nobody else can be trusted under such a name. */
#define SP_OWN_ISSUER "urn:spotai:tenant:"

/* The type in the header of tokens that we sign and take back: RFC 9068, section 2.1. */
#define SP_TOKEN_TYPE "at+jwt"

/* API keys and refresh tokens begin so, which no signed token does: those begin with {" in base64. */
#define SP_API_KEY_PREFIX "spk_"
#define SP_REFRESH_PREFIX "spr_"

/* Of names of principals, tenants and keys. */
#define SP_NAME_BYTES 255

/* 256 random bits behind the prefix, in base64url. */
#define SP_SECRET_BYTES 32
#define SP_SECRET_CHARS 43

/* What spotai.issue_token() takes when nobody says another time. */
#define SP_ACCESS_US (INT64CONST(15) * 60 * USECS_PER_SEC)

/* How somebody logged in, as tokens and refresh tokens carry it on. */
typedef struct SpLogin
{
	bool has_session;
	pg_uuid_t session;            /* claim sid: the family of refresh tokens */
	TimestampTz authenticated_at; /* claim auth_time; 0, which is long ago: nobody says */
	bool has_key;
	pg_uuid_t key;      /* claim api_key: what the token was made of, and ends with */
	ArrayType *methods; /* claim amr; NULL: nobody says */
	ArrayType *scopes;  /* permissions at most; NULL: no such limit */
	/* claim cnf: of the certificate that tokens are bound to; empty: none */
	char certificate[SP_THUMBPRINT_CHARS + 1];
} SpLogin;

/* Who a session is, and what limits it. */
typedef struct SpSession
{
	SpIdentity who;
	bool by_role;           /* no credential, but a role that acts for the default tenant */
	bool by_key;            /* an API key */
	bool service;           /* the principal is a service */
	bool strong;            /* a second factor was used */
	pg_uuid_t key_id;       /* with by_key */
	TimestampTz expires_at; /* of a token */
	SpLogin login;
	ArrayType *granted;     /* permissions of the principal's roles; NULL: not asked for yet */
	TimestampTz granted_at; /* the statement that asked */
	bool by_job;            /* acts for a tenant, in a job */
	const char *permission; /* with by_job; NULL: none */
} SpSession;

/* ---- identity.c ---- */

extern char *sp_identity_token;          /* the credential; NULL: none */
extern char *sp_identity_token_audience; /* that tokens must name; empty: none may */

/* Who this session is, if that was asked in this transaction; looks up nothing. */
extern SpIdentity sp_identity_if_known(void);

/* The session as it is now; valid until something changes it. */
extern const SpSession *sp_identity_session(void);

/* What the session may do has been changed. */
extern void sp_identity_forget(void);

/* Raise 42501 unless the session is the operator: no credential, and a role that needs none. */
extern void sp_identity_require_operator(void);

/*
 * Raise 25001 unless what this statement writes is committed with it: in a
 * transaction block or a subtransaction it could be rolled back and asked again.
 */
extern void sp_identity_require_own_transaction(const char *function);

/* ---- owner.c ---- */

/*
 * Between begin and end: connected to SPI, as the owner of the tables (pg/owner.h).
 * For fixed statements of ours alone.  An error ends it as well.
 */
typedef struct SpAsOwner
{
	SpOwner before;
	bool snapshot;
} SpAsOwner;

extern void sp_identity_owner_begin(SpAsOwner *saved);
extern void sp_identity_owner_end(SpAsOwner *saved);

/* One statement between the two: how many rows it wrote. */
extern uint64 sp_identity_owner_query(SpQuery *query, const Datum *args, const char *nulls);

/* The same with an INSERT of one row that answers its id; palloc'd. */
extern pg_uuid_t *sp_identity_owner_insert(SpQuery *query, const Datum *args, const char *nulls);

/* Whether the tables of this room are there. */
extern bool sp_identity_has_tables(void);

/* ---- permission.c ---- */

/* Permissions of the principal's roles, a text[] in the current memory context. */
extern ArrayType *sp_identity_ask_granted(const SpSession *who);

/* With a principal whose granted is known. */
extern bool sp_identity_principal_may(const SpSession *who, const char *permission);
extern bool sp_identity_job_may(const SpSession *job, const char *permission);

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

/* ---- claims.c ---- */

typedef struct SpClaims SpClaims;
typedef struct SpJwsOptions SpJwsOptions;

extern void sp_identity_claims_init(void);

/* What tokens must be before anybody looks into them: ours, or those of others. */
extern const SpJwsOptions *sp_identity_token_options(bool own);

/* What the claims say of a login; false with *why when one that we need is malformed. */
extern bool sp_identity_take_login(const SpClaims *claims, bool own, SpSession *out,
                                   const char **why);

/* Seconds since 1970 as a time; out of range: the first or last that can be meant. */
extern TimestampTz sp_identity_time_of(double seconds);

/* A UUID as we write it; false: it is none. */
extern bool sp_identity_read_uuid(const char *text, pg_uuid_t *out);

/* ---- trust.c ---- */

extern void sp_identity_trust_init(void);

/* ---- certificate.c ---- */

/* The thumbprint (RFC 8705, 3.1) of the client's certificate; false: it has none. */
extern bool sp_identity_certificate(char out[SP_THUMBPRINT_CHARS + 1]);

/* Raise 22023 unless a text has the form of one. */
extern void sp_identity_check_thumbprint(const char *text);

/* ---- strength.c ---- */

extern void sp_identity_strength_init(void);

/* Whether a list with commas or blanks between its words has that word. */
extern bool sp_identity_in_list(const char *list, const char *word);

/* Whether a method (amr) or class (acr) is one of a second factor. */
extern bool sp_identity_is_factor(const char *method);

/* Raise 55000 for a token that is bound to no client where spotai.token_binding wants that. */
extern void sp_identity_require_binding(const SpLogin *login);

/* Whether the settings let a credential that is in order be a session's; false with *why. */
extern bool sp_identity_may_be_session(const SpSession *found, const char **why);

extern bool sp_identity_is_sensitive(const char *permission);

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

/* A token of a principal, by the tenant's newest key; palloc'd.  audience and login NULL: none. */
extern char *sp_identity_sign(const pg_uuid_t *tenant, const pg_uuid_t *principal, TimestampTz now,
                              TimestampTz expires, const char *audience, const SpLogin *login);

/* The audience that tokens have when nobody says another; NULL: none. */
extern const char *sp_identity_default_audience(void);

/* now + ttl; raises 22023 unless it is later than now and at most days later. */
extern TimestampTz sp_identity_expiry(TimestampTz now, Interval *ttl, int days);

/* The tenant of a principal that is alive: the session's own, or for the operator any; raises 42704. */
extern pg_uuid_t sp_identity_tenant_of(const pg_uuid_t *principal);

/* Raise 42704: there is no such principal. */
extern void sp_identity_no_principal(const pg_uuid_t *principal) SP_NORETURN;

/* ---- refresh.c ---- */

/* The next refresh token of login->session; label NULL: none. */
extern char *sp_identity_insert_refresh(const pg_uuid_t *tenant, const pg_uuid_t *principal,
                                        const SpLogin *login, const char *label,
                                        TimestampTz expires);

/* No token of a session is accepted any more; false when there was none to end. */
extern bool sp_identity_revoke_session(const pg_uuid_t *tenant, const pg_uuid_t *session);

/* ---- session.c ---- */

/* The rows of a query, run as the owner of the tables, as what a function answers. */
extern Datum sp_identity_answer(FunctionCallInfo fcinfo, SpQuery *q, const Datum *args,
                                const char *nulls);

/* ---- totp.c ---- */

extern void sp_identity_totp_init(void);

/* spotai.totp_verify(), for a function of that name */
extern bool sp_identity_totp_verify(const pg_uuid_t *principal, const char *code,
                                    const char *function);

/* ---- role.c ---- */

/* Raise 22023 unless a name has 1 to SP_NAME_BYTES; what is "a key" or so. */
extern void sp_identity_check_name(text *name, const char *what);

/* ---- key.c ---- */

/* Raise 22023 unless all are permissions; how many there are, and *names. */
extern int sp_identity_check_permissions(ArrayType *permissions, Datum **names);

/* The same; 42501 for one that the session has not: nobody gives
 * away what he does not have. */
extern void sp_identity_check_given(ArrayType *permissions);

/* prefix and 43 random characters, with a NUL; palloc'd. */
extern char *sp_identity_new_secret(const char *prefix);

/* n bytes for what is secret, overwritten when the current memory context goes. */
extern uint8_t *sp_identity_secret_memory(size_t n);

/* SHA-256 of a text. */
extern bytea *sp_identity_hash(const char *text);

#endif /* SP_PG_IDENTITY_INTERNAL_H */
