/*
 * src/pg/owner.h
 *	  Acting as the owner of our tables, for rows that nobody else may touch.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_OWNER_H
#define SP_PG_OWNER_H

#include "postgres.h"

typedef struct SpOwner
{
	Oid user;
	int context;
	int settings;
} SpOwner;

/*
 * Until sp_pg_resign(), queries run with the privileges of the owner of table
 * spotai.<table>, past its row-level security, also where that is forced: they
 * name the tenant themselves.  search_path is pg_catalog, pg_temp, and what runs
 * is restricted as by VACUUM: it makes no temporary tables, sets no role.  An
 * error, which ends the transaction or the subtransaction, resigns too.  Only
 * for fixed statements of our own, and after sp_identity_require(): within, code
 * of others that a superuser happens to run is taken for the operator.  42P01
 * when there is no such table.
 */
extern Oid sp_pg_owner_of(const char *table); /* InvalidOid when there is no such table */
extern SpOwner sp_pg_become_owner(const char *table);
extern void sp_pg_resign(const SpOwner *before);

#endif /* SP_PG_OWNER_H */
