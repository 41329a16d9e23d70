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
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#include "pg/identity/internal.h"

/* The table that the step of this room makes last. */
bool
sp_identity_has_tables(void)
{
	return OidIsValid(sp_pg_owner_of("rate_limit_bucket"));
}

/* GUC_ACTION_SAVE is allowed while a parallel query runs, whose leader asks policies. */
static void
set_safely(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
	                         false);
}

void
sp_identity_owner_begin(SpAsOwner *saved)
{
	MemoryContext caller = CurrentMemoryContext;
	int context;
	Oid owner;

	saved->before = sp_pg_become_owner("tenant");
	/* nor may a trigger of theirs leave anything behind that runs with another's rights */
	GetUserIdAndSecContext(&owner, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_RESTRICTED_OPERATION);
	saved->settings = NewGUCNestLevel();
	set_safely("search_path", "pg_catalog, pg_temp");
	/* "off" would turn what the owner may not see into an error of the session's query */
	set_safely("row_security", "on");
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
	AtEOXact_GUC(false, saved->settings);
	sp_pg_resign(&saved->before);
}
