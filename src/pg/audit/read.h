/*
 * src/pg/audit/read.h
 *	  The sealed log in the order of its positions: each leaf with its entry.
 *
 * Read through indexes without the planner, and without believing anything:
 * an entry may be missing, or not be what was sealed.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_AUDIT_READ_H
#define SP_PG_AUDIT_READ_H

#include "postgres.h"

#include "pg/audit/store.h"

#include "core/merkle/entry.h"

/* Everything that it points to lives until the next one is read. */
typedef struct SpAuditRecord
{
	uint64 position;
	SpAuditLeaf leaf; /* what the log has recorded */
	bool found;       /* there is a row in spotai.audit_entry, and it is: */
	SpEntry entry;
	const void *detail;
	size_t detail_length;
} SpAuditRecord;

typedef struct SpAuditReader SpAuditReader;

/* From position `from` on, up to `to` - 1; tree is open while this is. */
extern SpAuditReader *sp_audit_reader_open(SpAuditTree *tree, uint64 from, uint64 to);
extern bool sp_audit_reader_next(SpAuditReader *reader, SpAuditRecord *record);
extern void sp_audit_reader_close(SpAuditReader *reader);

/*
 * The entry of record->leaf, in the current memory context: fills found, entry
 * and detail.  For what has no position too.
 */
extern void sp_audit_read_entry(SpAuditTree *tree, SpAuditRecord *record);

#endif /* SP_PG_AUDIT_READ_H */
