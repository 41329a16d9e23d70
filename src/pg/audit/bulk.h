/*
 * src/pg/audit/bulk.h
 *	  Rows into tables of the audit log, many at a time, past triggers and the
 *	  executor.
 *
 * The planner, row security and triggers are for those who use SQL.  Rows that
 * are made here are right by construction, and there are a lot of them: this is
 * what makes auditing cheap.  Indexes are kept, and so is the free space map.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_AUDIT_BULK_H
#define SP_PG_AUDIT_BULK_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "utils/relcache.h"

typedef struct SpBulk SpBulk;

/* The table or index of that name in schema spotai; raises when there is none. */
extern Oid sp_audit_table(const char *name);

/*
 * Opens it for writing.  names are its first n columns, which must be there in
 * this order; what a user has added behind them becomes null.
 */
extern SpBulk *sp_bulk_open(Oid table, const char *const *names, int n);

/*
 * The next row: fill tts_values and tts_isnull of the first n columns, then
 * sp_bulk_put().  What values point to is allocated in sp_bulk_memory(), which
 * is emptied whenever rows are written out.
 */
extern TupleTableSlot *sp_bulk_row(SpBulk *bulk);
extern MemoryContext sp_bulk_memory(SpBulk *bulk);
extern void sp_bulk_put(SpBulk *bulk);

/* Writes what is left; the locks stay until the transaction ends. */
extern void sp_bulk_close(SpBulk *bulk);

#endif /* SP_PG_AUDIT_BULK_H */
