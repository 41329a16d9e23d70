/*
 * src/pg/audit_settings.h
 *	  The audit room's settings, as its files read them; defined in audit.c.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_AUDIT_SETTINGS_H
#define SP_PG_AUDIT_SETTINGS_H

extern char *sp_audit_origin;
extern int sp_audit_seal_interval_ms; /* 0: no sealer */

#endif /* SP_PG_AUDIT_SETTINGS_H */
