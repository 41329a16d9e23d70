/*
 * src/pg/audit/write.h
 *	  Writing entries of the audit log.
 *
 * A writer is opened once a statement and reads the clock and the session's
 * identity then.  It writes each entry to the partition of its month, and its
 * leaf to spotai.audit_pending, where the sealer finds it.  No writer waits for
 * another.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_AUDIT_WRITE_H
#define SP_PG_AUDIT_WRITE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "utils/uuid.h"

#include "core/merkle/entry.h"

/* Whose entries they are. */
typedef struct SpAuditWho
{
	bool has_tenant; /* otherwise nobody has logged in, and tenant is all zeros */
	pg_uuid_t tenant;
	bool has_principal;
	pg_uuid_t principal;
} SpAuditWho;

extern SpAuditWho sp_audit_who(void);

/* Whether the session may know of a tenant's entries: it is its own, or an auditor's. */
extern bool sp_audit_may_see(const pg_uuid_t *tenant);

/* The database role that acts, for the detail: SET ROLE seen, SECURITY DEFINER not. */
extern const char *sp_audit_role(void);

/* A hasher that lives as long as the process. */
extern SpSha256 *sp_audit_sha(void);

/* Text in the server's encoding as UTF-8, in which it is hashed; NUL-terminated. */
extern const char *sp_audit_utf8(const char *text, size_t n, size_t *n_utf8);

/* The server's time as an entry has it, microseconds since 1970. */
extern int64 sp_audit_unix_us(TimestampTz at);

/*
 * The partition of spotai.audit_entry for a time, by its name; InvalidOid: there
 * is none.
 */
extern Oid sp_audit_partition(TimestampTz at);

/* Makes it when there is none, with the rights of the tables' owner. */
extern void sp_audit_prepare_partition(TimestampTz at);

typedef struct SpAuditWriter SpAuditWriter;

/* In the name of who, or of the session when that is NULL. */
extern SpAuditWriter *sp_audit_writer_open(const SpAuditWho *who);

/* Whose name that is. */
extern const SpAuditWho *sp_audit_writer_who(const SpAuditWriter *writer);

/* What is written.  Texts are in the server's encoding, and are copied. */
typedef struct SpAuditText
{
	const char *action;
	const char *object;
	const StringInfoData *detail; /* JSON */
	const pg_uuid_t *subject;     /* the person whom the detail is about; NULL: nobody */
} SpAuditText;

/* An entry.  *id, when not NULL, becomes its id. */
extern void sp_audit_write(SpAuditWriter *writer, const pg_uuid_t *tenant, const SpAuditText *text,
                           pg_uuid_t *id);
extern void sp_audit_writer_close(SpAuditWriter *writer);

/* An event that has happened `count` times. */
extern void sp_audit_write_count(const SpAuditWho *who, const char *role, const char *action,
                                 const char *object, int64 count);

#endif /* SP_PG_AUDIT_WRITE_H */
