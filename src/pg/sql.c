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
#include "utils/memutils.h"

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

/* Plans of texts made at run time that a backend keeps; some 50 KB each. */
#define KEPT_TEXTS 16

typedef struct KeptText
{
	char *text; /* NULL: free */
	int nargs;
	Oid types[SP_QUERY_MAX_ARGS];
	SPIPlanPtr plan;
	int running; /* a plan that runs must not be freed */
	uint64 last_used;
} KeptText;

static KeptText *
find_text(KeptText *kept, const char *text, int nargs, const Oid *types)
{
	for (int i = 0; i < KEPT_TEXTS; i++)
		if (kept[i].text != NULL && kept[i].nargs == nargs &&
		    memcmp(kept[i].types, types, sizeof(Oid) * nargs) == 0 &&
		    strcmp(kept[i].text, text) == 0)
			return &kept[i];
	return NULL;
}

/* A free place, or that of what was not used for longest; NULL when all of them run. */
static KeptText *
make_room(KeptText *kept)
{
	KeptText *oldest = NULL;

	for (int i = 0; i < KEPT_TEXTS; i++)
	{
		if (kept[i].text == NULL)
			return &kept[i];
		if (kept[i].running == 0 && (oldest == NULL || kept[i].last_used < oldest->last_used))
			oldest = &kept[i];
	}
	if (oldest != NULL)
	{
		SPI_freeplan(oldest->plan);
		pfree(oldest->text);
		memset(oldest, 0, sizeof(*oldest));
	}
	return oldest;
}

static SPIPlanPtr
prepare_text(const char *text, int nargs, const Oid *types)
{
	SPIPlanPtr plan =
		SPI_prepare_cursor(text, nargs, unconstify(Oid *, types), CURSOR_OPT_GENERIC_PLAN);

	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", text, SPI_result_code_string(SPI_result));
	return plan;
}

/* NULL when it cannot be kept. */
static KeptText *
keep_text(KeptText *kept, const char *text, int nargs, const Oid *types, SPIPlanPtr plan)
{
	KeptText *q = make_room(kept);

	if (q == NULL)
		return NULL;
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "could not keep the plan of \"%s\"", text);
	q->plan = plan;
	q->nargs = nargs;
	memcpy(q->types, types, sizeof(Oid) * nargs);
	q->text = MemoryContextStrdup(TopMemoryContext, text);
	return q;
}

static int
run_kept(KeptText *const q, const Datum *const args, const bool read_only)
{
	volatile int rc = 0;

	q->running++;
	PG_TRY();
	{
		rc = SPI_execute_plan(q->plan, unconstify(Datum *, args), NULL, read_only, 0);
	}
	PG_FINALLY();
	{
		q->running--;
	}
	PG_END_TRY();
	return rc;
}

uint64
sp_pg_query_text(const char *text, int nargs, const Oid *types, const Datum *args, bool read_only)
{
	static KeptText kept[KEPT_TEXTS];
	static uint64 now = 0;
	MemoryContext caller = CurrentMemoryContext;
	KeptText *q = find_text(kept, text, nargs, types);
	KeptText once = {0};
	int rc;

	if (q == NULL)
	{
		once.plan = prepare_text(text, nargs, types);
		q = keep_text(kept, text, nargs, types, once.plan);
	}
	if (q == NULL)
		q = &once;
	q->last_used = ++now;
	rc = run_kept(q, args, read_only);
	MemoryContextSwitchTo(caller);
	if (rc < 0)
		elog(ERROR, "could not run \"%s\": %s", text, SPI_result_code_string(rc));
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
