/*
 * src/pg/sql.c
 *	  SQL from C: prepared once a backend, run by name, results read by column.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "pg/identity/identity.h"
#include "pg/owner.h"
#include "pg/seam.h"
#include "pg/sql.h"

static void
prepare(SpQuery *q)
{
	SPIPlanPtr plan = SPI_prepare(q->text, q->nargs, q->types);

	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", q->text, SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "could not keep the plan of \"%s\"", q->text);
	q->plan = plan;
}

uint64
sp_pg_query(SpQuery *q, const Datum *args, const char *nulls, bool read_only)
{
	MemoryContext caller = CurrentMemoryContext;
	int rc;

	if (q->plan == NULL)
		prepare(q);
	rc = SPI_execute_plan(q->plan, unconstify(Datum *, args), nulls, read_only, 0);
	/* SPI leaves its own context current, which would own all that follows */
	MemoryContextSwitchTo(caller);
	if (rc < 0)
		elog(ERROR, "could not run \"%s\": %s", q->text, SPI_result_code_string(rc));
	return SPI_processed;
}

Datum
sp_pg_column(uint64 row, int col, bool *isnull)
{
	Assert(SPI_tuptable != NULL && row < SPI_tuptable->numvals);
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, col, isnull);
}

char *
sp_pg_column_text(uint64 row, int col)
{
	bool isnull;
	Datum value = sp_pg_column(row, col, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* The version of the tables that this library was built for. */
static int
required_version(void)
{
	static SpQuery newest = {
		.text = "SELECT max(version) FROM _spotai.known_migration()",
	};
	bool isnull;

	sp_pg_query(&newest, NULL, NULL, true);
	return DatumGetInt32(sp_pg_column(0, 1, &isnull));
}

static int
present_version(void)
{
	static SpQuery applied = {
		.text = "SELECT coalesce(max(version), 0) FROM spotai.schema_migration",
	};
	bool isnull;

	sp_pg_query(&applied, NULL, NULL, true);
	return DatumGetInt32(sp_pg_column(0, 1, &isnull));
}

/*
 * The answer is remembered by the oid of spotai.schema_migration, so that
 * dropping and recreating the tables in a live session is noticed.
 */
void
sp_pg_require_tables(void)
{
	static Oid verified = InvalidOid;
	Oid nsp = get_namespace_oid("spotai", true);
	Oid rel = OidIsValid(nsp) ? get_relname_relid("schema_migration", nsp) : InvalidOid;
	SpOwner before;

	if (OidIsValid(rel) && rel == verified)
		return;
	if (!OidIsValid(rel))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("spotai has no tables yet"),
		                errhint("CALL spotai.migrate();")));
	/* who may call us need not be able to read the list of steps */
	before = sp_pg_become_owner("schema_migration");
	SPI_connect();
	if (present_version() < required_version())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("the tables of spotai are older than the extension"),
		                errhint("CALL spotai.migrate();")));
	SPI_finish();
	sp_pg_resign(&before);
	verified = rel;
}

Datum
sp_pg_current_tenant(void)
{
	SpIdentity who = sp_identity_require();
	pg_uuid_t *tenant = palloc(sizeof(pg_uuid_t));

	*tenant = who.tenant;
	return UUIDPGetDatum(tenant);
}
