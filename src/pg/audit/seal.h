/*
 * src/pg/audit/seal.h
 *	  Sealing: what is pending gets its place in the log, and a checkpoint is
 *	  signed.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_AUDIT_SEAL_H
#define SP_PG_AUDIT_SEAL_H

#include "postgres.h"

#include "pg/audit/key.h"

/* Entries that are put into order together, of 88 bytes each. */
#define SP_AUDIT_SEAL_BATCH 65536

/*
 * Seal what is committed and pending, in the caller's transaction: batch after
 * batch until `limit` entries have been sealed; how many.  One at a time:
 * others wait.  SPI is connected.  signer is one from before, or NULL to have
 * one loaded when there is something to sign.  The transaction is flushed when
 * it commits, whatever synchronous_commit says.  Raises 25001 unless it is READ
 * COMMITTED.
 */
extern int64 sp_audit_seal(SpAuditSigner *signer, int64 limit);

/* Keep others from sealing, and from making a key, until the transaction ends. */
extern Oid sp_audit_seal_lock(void);

/* Raise 25001 in a transaction that has sealed: its checkpoint may still be rolled back. */
extern void sp_audit_require_committed(void);

/* Size of the log, as of the newest checkpoint.  SPI is connected. */
extern uint64 sp_audit_sealed_size(void);

/* Whether anything is pending. */
extern bool sp_audit_anything_pending(void);

#endif /* SP_PG_AUDIT_SEAL_H */
