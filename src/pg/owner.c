/*
 * src/pg/owner.c
 *	  Acting as the owner of our tables, for rows that nobody else may touch.
 *
 * The way of the server's own foreign keys (ri_triggers.c): SECURITY DEFINER
 * functions would do the same, but anybody who may call one of those can also
 * be made to call it from a place that we do not control.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "pg/owner.h"

Oid
sp_pg_owner_of(const char *table)
{
	Oid nsp = get_namespace_oid("spotai", true);
	Oid rel = OidIsValid(nsp) ? get_relname_relid(table, nsp) : InvalidOid;
	HeapTuple tuple = OidIsValid(rel) ? SearchSysCache1(RELOID, ObjectIdGetDatum(rel)) : NULL;
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* GUC_ACTION_SAVE is allowed while a parallel query runs, whose leader asks policies. */
static void
set_safely(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
	                         false);
}

SpOwner
sp_pg_become_owner(const char *table)
{
	SpOwner before;
	Oid owner = sp_pg_owner_of(table);

	if (!OidIsValid(owner))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
		                errmsg("the tables of spotai are not there, or older than the extension"),
		                errhint("CALL spotai.migrate();")));
	GetUserIdAndSecContext(&before.user, &before.context);
	/* nor may a trigger of theirs leave anything behind that runs with another's rights */
	SetUserIdAndSecContext(owner, before.context | SECURITY_LOCAL_USERID_CHANGE |
	                                  SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
	before.settings = NewGUCNestLevel();
	set_safely("search_path", "pg_catalog, pg_temp");
	/* "off" would turn what the owner may not see into an error of the session's query */
	set_safely("row_security", "on");
	return before;
}

void
sp_pg_resign(const SpOwner *before)
{
	AtEOXact_GUC(false, before->settings);
	SetUserIdAndSecContext(before->user, before->context);
}
