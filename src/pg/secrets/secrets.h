/*
 * src/pg/secrets/secrets.h
 *	  Secrets of a tenant: passwords and tokens that other rooms need.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_SECRETS_H
#define SP_PG_SECRETS_H

#include "postgres.h"

#include "utils/uuid.h"

/* After pg/keys/keys.h, whose settings it needs. */
extern void sp_secrets_init(void);

/*
 * The value of a tenant's secret, of *n bytes and a NUL, wiped when the current
 * memory context is reset.  42704 when there is none of that name; otherwise as
 * sp_keys_open.  For C code that needs it, whoever the caller is.
 */
extern char *sp_secrets_read(const pg_uuid_t *tenant, const char *name, size_t *n);

/* log.c: what the server's log says while secrets are handled. */
extern void sp_secrets_log_init(void);

/* Whether a statement names what is handed secrets, tokens or codes. */
extern bool sp_secrets_named(const char *text);

/*
 * From here to sp_secrets_log_end, errors hide the statement and its context
 * from the log, and pg_stat_activity shows `shown` from now on.
 */
struct ErrorContextCallback;
extern void sp_secrets_log_begin(struct ErrorContextCallback *callback, const char *shown);
extern void sp_secrets_log_end(struct ErrorContextCallback *callback);

#endif /* SP_PG_SECRETS_H */
