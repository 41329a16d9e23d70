/*
 * src/pg/audit/audit.h
 *	  The audit log, for other rooms.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_AUDIT_H
#define SP_PG_AUDIT_H

#include "postgres.h"

#include "utils/uuid.h"

/* Defines the settings. */
extern void sp_audit_init(void);

/*
 * Write an entry in the caller's transaction, in the name of whoever has logged
 * in; when nobody has, it belongs to no tenant (all zeros).  action is a kind and
 * a verb, such as "secret.put"; nothing is written of kinds that spotai.audit_skip
 * names.  action and object are in the server's encoding, at most 255 and 8192
 * bytes in UTF-8; they stay in the log for ever, so they name no person and hold
 * no secret.  detail is a jsonb, or 0 for none.
 *
 * Also in a READ ONLY transaction, since it is not the caller who writes; on a
 * standby nothing is written.  An entry is undone with its transaction: whoever
 * reports a failure commits first.
 */
extern void sp_audit_event(const char *action, const char *object, Datum detail);

/* The same with a detail about a person, which is encrypted under that person's key. */
extern void sp_audit_event_about(const char *action, const char *object, const pg_uuid_t *subject,
                                 Datum detail);

/* The same in the name of another than the session: tenant or principal NULL: nobody. */
extern void sp_audit_event_by(const char *action, const char *object, const pg_uuid_t *tenant,
                              const pg_uuid_t *principal, Datum detail);

/* Whether events say which address they come from. */
extern bool sp_audit_client_wanted(void);

/* A detail, from the text of a JSON object of at most 1,023 bytes. */
extern Datum sp_audit_detail(const char *format, ...) pg_attribute_printf(1, 2);

/*
 * The same as sp_audit_event() for what may happen very often: when the
 * transaction commits, one entry says how often it did.
 */
extern void sp_audit_count(const char *action, const char *object);

#endif /* SP_PG_AUDIT_H */
