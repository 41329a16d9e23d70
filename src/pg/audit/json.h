/*
 * src/pg/audit/json.h
 *	  Rows of a table as JSON, for the audit log.
 *
 * Times are written as ISO 8601 in UTC, whatever the session's settings; other
 * types as the session would show them.  A value of more than SP_AUDIT_BIG_VALUE bytes is
 * written as {"sha256": ..., "bytes": ...}, so that auditing does not store
 * music twice.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_AUDIT_JSON_H
#define SP_PG_AUDIT_JSON_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "utils/relcache.h"

/* A bound of ours: a row of ordinary columns is far below it. */
#define SP_AUDIT_BIG_VALUE 4096

typedef struct SpAuditShape SpAuditShape;

/* How to write rows of rel; only the n named columns, or all when n is 0. */
extern SpAuditShape *sp_audit_shape(Relation rel, char *const *names, int n);

/* Whether rows have a primary key. */
extern bool sp_audit_shape_has_key(const SpAuditShape *shape);

/*
 * The row's columns as a JSON object.  When other is not NULL: only those in
 * which the two rows differ.
 */
extern void sp_audit_row_json(const SpAuditShape *shape, TupleTableSlot *row, TupleTableSlot *other,
                              StringInfo out);

/* Whether two rows differ in a column that is written. */
extern bool sp_audit_row_differs(const SpAuditShape *shape, TupleTableSlot *row,
                                 TupleTableSlot *other);

/* The table's name and, as a JSON array, the row's primary key: what an entry calls its object. */
extern void sp_audit_row_name(const SpAuditShape *shape, TupleTableSlot *row, StringInfo out);

/* The row's column of that name and type uuid; false when there is none, or it is null. */
extern bool sp_audit_row_uuid(const SpAuditShape *shape, TupleTableSlot *row, const char *name,
                              Datum *value);

#endif /* SP_PG_AUDIT_JSON_H */
