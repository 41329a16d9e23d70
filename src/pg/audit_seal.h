/*
 * src/pg/audit_seal.h
 *	  Sealing: what is pending gets its place in the log, and a checkpoint is
 *	  signed.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_AUDIT_SEAL_H
#define SP_PG_AUDIT_SEAL_H

#include "postgres.h"

#include "pg/audit_key.h"

/*
 * Seal everything that is committed and pending, in the caller's transaction;
 * how many entries.  One at a time: others wait.  SPI is connected.  *signer is
 * a signer from before, or NULL to have one loaded when there is something to
 * sign.  Raises 25001 unless the transaction is READ COMMITTED.
 */
extern int64 sp_audit_seal(SpAuditSigner *signer);

/* Size of the log, as of the newest checkpoint.  SPI is connected. */
extern uint64 sp_audit_sealed_size(void);

/* Whether anything is pending. */
extern bool sp_audit_anything_pending(void);

#endif /* SP_PG_AUDIT_SEAL_H */
