/*
 * src/pg/audit/settings.h
 *	  The audit room's settings, as its files read them; defined in audit.c.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_AUDIT_SETTINGS_H
#define SP_PG_AUDIT_SETTINGS_H

#include "postgres.h"

/* Entry point of the sealer (sealer.c), which the job launcher starts. */
#define SP_AUDIT_SEALER_MAIN "spotai_audit_sealer_main"

extern char *sp_audit_origin;
extern int sp_audit_seal_interval_ms; /* 0: no sealer */

extern char *sp_audit_skip;

/* Whether the extension's own event of that name is to be written here and now. */
extern bool sp_audit_is_written(const char *action);

/* Whether this database has a log that can be written to. */
extern bool sp_audit_is_there(void);

/* later.c, utility.c */
extern void sp_audit_later_init(void);
extern void sp_audit_utility_init(void);

#endif /* SP_PG_AUDIT_SETTINGS_H */
