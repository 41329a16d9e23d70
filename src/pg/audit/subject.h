/*
 * src/pg/audit/subject.h
 *	  Details of a person: encrypted under that person's key, so that they can be
 *	  forgotten while the log stays what it is.
 *
 * A subject has a key in a tenant once something about it has been written
 * there (spotai.subject_key); two writers at the same time may make two, and
 * an entry names its own.  Keys are sealed under the tenant's data key (keys/keys.h).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_AUDIT_SUBJECT_H
#define SP_PG_AUDIT_SUBJECT_H

#include "postgres.h"

#include "utils/uuid.h"

/* Keys that a statement has used, in the memory context current at _new, wiped with it. */
typedef struct SpAuditSubjects SpAuditSubjects;

extern SpAuditSubjects *sp_audit_subjects_new(void);

/*
 * The detail of an entry as it is stored, *n_sealed bytes, palloc'd.  Makes the
 * subject's key when there is none.  Raises as sp_keys_seal.
 */
extern char *sp_audit_subject_seal(SpAuditSubjects *subjects, const pg_uuid_t *tenant,
                                   const pg_uuid_t *subject, const pg_uuid_t *entry,
                                   const char *detail, size_t n, size_t *n_sealed);

/*
 * The other way; NULL when its key has been destroyed.  Ended by a NUL, wiped
 * with the current memory context.
 */
extern char *sp_audit_subject_open(SpAuditSubjects *subjects, const pg_uuid_t *tenant,
                                   const pg_uuid_t *subject, const pg_uuid_t *entry,
                                   const char *sealed, size_t n, size_t *n_detail);

/*
 * Destroy all keys that a subject has in a tenant, also those that other
 * transactions are making, for which it waits; how many.
 */
extern int sp_audit_subject_forget(const pg_uuid_t *tenant, const pg_uuid_t *subject);

#endif /* SP_PG_AUDIT_SUBJECT_H */
