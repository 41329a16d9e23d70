/*
 * src/pg/sql.h
 *	  SQL from C: prepared once a backend, run by name, results read by column.
 *
 * A query is a static SpQuery.  Its plan is made at first use and kept for the
 * life of the backend.  The caller is connected to SPI (SPI_connect); every
 * SQL-callable function that gets here is declared with
 * SET search_path = pg_catalog, pg_temp, so unqualified operators are safe.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_SQL_H
#define SP_SQL_H

#include "postgres.h"

#include "executor/spi.h"
#include "utils/uuid.h"

#define SP_QUERY_MAX_ARGS 20

typedef struct SpQuery
{
	const char *text;
	int nargs;
	Oid types[SP_QUERY_MAX_ARGS];
	SPIPlanPtr plan; /* NULL until first run */
} SpQuery;

/*
 * Run q and return the number of rows; rows are in SPI_tuptable until the next
 * query.  nulls is NULL, or one ' ' or 'n' an argument.  read_only true runs in
 * the caller's snapshot; false sees what the same statement has done before, so
 * that separate(ingest(...)) finds its track.
 */
extern uint64 sp_pg_query(SpQuery *q, const Datum *args, const char *nulls, bool read_only);

/*
 * The same for a text that is made at run time, with no nulls among its arguments.
 * Few backends ask many different ones: the plans of the last ones are kept, by
 * text and types.  A plan is made without knowing the arguments, so what the
 * planner should see is a constant in the text.
 */
extern uint64 sp_pg_query_text(const char *text, int nargs, const Oid *types, const Datum *args,
                               bool read_only);

/* Column col (from 1) of result row `row` (from 0) of the last query. */
extern Datum sp_pg_column(uint64 row, int col, bool *isnull);

/* The same for a text column; NULL when it is null. */
extern char *sp_pg_column_text(uint64 row, int col);

/*
 * Raise "tables are missing" unless spotai.migrate() has made the tables that
 * this library needs.  Cheap after the first success in a backend.
 */
extern void sp_pg_require_tables(void);

/* The tenant whose rows this session may see, palloc'd; raises 42501 for nobody. */
extern Datum sp_pg_current_tenant(void);

#endif /* SP_SQL_H */
