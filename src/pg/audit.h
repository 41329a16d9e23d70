/*
 * src/pg/audit.h
 *	  The audit log, for other rooms.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_AUDIT_H
#define SP_PG_AUDIT_H

#include "postgres.h"

/* Defines the settings. */
extern void sp_audit_init(void);

/*
 * Write an entry in the caller's transaction, in the name of whoever has logged
 * in; when nobody has, it belongs to no tenant (all zeros).  action and object
 * are in the server's encoding, at most 255 and 8192 bytes in UTF-8; they stay
 * in the log for ever, so they name no person and hold no secret.  detail is a
 * jsonb, or 0 for none.  An entry is undone with its transaction: whoever
 * reports a failure commits first.
 */
extern void sp_audit_event(const char *action, const char *object, Datum detail);

#endif /* SP_PG_AUDIT_H */
