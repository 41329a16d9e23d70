/*
 * src/pg/identity/owner.c
 *	  Acting as the owner of the tables, for fixed statements.
 *
 * Keys, hashes and principals must be looked up for sessions that may not read
 * them, before anybody knows whose they are.  SECURITY DEFINER would make it the
 * owner of the functions, a superuser, with his rights for all that follows; the
 * owner of the tables has no more than he needs.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/snapmgr.h"

#include "pg/identity/internal.h"

/* The table that the step of this room makes last. */
bool
sp_identity_has_tables(void)
{
	return OidIsValid(sp_pg_owner_of("rate_limit_bucket"));
}

void
sp_identity_owner_begin(SpAsOwner *saved)
{
	MemoryContext caller = CurrentMemoryContext;

	saved->before = sp_pg_become_owner("tenant");
	saved->snapshot = !ActiveSnapshotSet();
	if (saved->snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	/* what is read is the caller's, and outlives SPI's own memory */
	MemoryContextSwitchTo(caller);
}

void
sp_identity_owner_end(SpAsOwner *saved)
{
	SPI_finish();
	if (saved->snapshot)
		PopActiveSnapshot();
	sp_pg_resign(&saved->before);
}

uint64
sp_identity_owner_query(SpQuery *query, const Datum *args, const char *nulls)
{
	SpAsOwner saved;
	uint64 rows;

	sp_identity_owner_begin(&saved);
	rows = sp_pg_query(query, args, nulls, false);
	sp_identity_owner_end(&saved);
	return rows;
}

pg_uuid_t *
sp_identity_owner_insert(SpQuery *query, const Datum *args, const char *nulls)
{
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));
	SpAsOwner saved;
	bool isnull;

	sp_identity_owner_begin(&saved);
	sp_pg_query(query, args, nulls, false);
	*id = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
	sp_identity_owner_end(&saved);
	return id;
}
