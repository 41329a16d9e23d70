/*
 * src/pg/audit/key.h
 *	  The keys of the audit log, and what is signed with them.
 *
 * Private keys lie in spotai.audit_key, sealed under the key-encryption key,
 * which is outside the database (keys/keys.h).  The newest key signs; the others
 * stay, because checkpoints that they have signed do.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_AUDIT_KEY_H
#define SP_PG_AUDIT_KEY_H

#include "postgres.h"

#include "utils/uuid.h"

#include "core/merkle/merkle.h"
#include "core/merkle/note.h"

typedef struct SpAuditSigner
{
	pg_uuid_t id;        /* of the key, in spotai.audit_key */
	SpNoteSigner signer; /* its name is the log's origin */
} SpAuditSigner;

/*
 * The signer in use, in the current memory context, which wipes it when it is
 * reset.  Makes the log's first key when there is none.  SPI is connected.
 * Raises 55000 when there is no key-encryption key.
 */
extern SpAuditSigner *sp_audit_signer(void);

/* Whether that would be another one than this. */
extern bool sp_audit_signer_changed(const SpAuditSigner *signer);

/* Make another key, which signs from now on; the origin stays. */
extern SpAuditSigner *sp_audit_signer_new(void);

/* The checkpoint of a frontier as a signed note, NUL-terminated; *root is its root. */
extern char *sp_audit_sign(const SpAuditSigner *signer, const SpMerkleFrontier *frontier,
                           SpDigest *root);

/* The verifier keys of the log, *n of them.  SPI is connected. */
extern SpNoteKey *sp_audit_verifier_keys(size_t *n);

#endif /* SP_PG_AUDIT_KEY_H */
