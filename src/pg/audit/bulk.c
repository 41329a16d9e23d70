/*
 * src/pg/audit/bulk.c
 *	  Rows into tables of the audit log, many at a time, past triggers and the
 *	  executor: what COPY does once it has a row.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/executor.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "pg/audit/bulk.h"
#include "pg/compat.h"

/* Rows, and bytes of their values, that are held before they are written. */
#define BULK_ROWS  500
#define BULK_BYTES (4 << 20)

struct SpBulk
{
	Relation rel;
	EState *estate; /* NULL without indexes */
	ResultRelInfo *info;
	BulkInsertState state; /* NULL until there is more than a handful */
	MemoryContext home;
	MemoryContext values;
	CommandId command;
	int n_columns;
	int n; /* rows that are held */
	TupleTableSlot *slots[BULK_ROWS];
};

Oid
sp_audit_table(const char *name)
{
	Oid nsp = get_namespace_oid("spotai", true);
	Oid rel = OidIsValid(nsp) ? get_relname_relid(name, nsp) : InvalidOid;

	if (!OidIsValid(rel))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("spotai.%s does not exist", name),
		                errhint("CALL spotai.migrate();")));
	return rel;
}

/* A table whose columns were moved about would be filled with nonsense. */
static void
check_columns(Relation rel, const char *const *names, int n)
{
	TupleDesc desc = RelationGetDescr(rel);

	for (int i = 0; i < n; i++)
		if (i >= desc->natts || strcmp(NameStr(TupleDescAttr(desc, i)->attname), names[i]) != 0)
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
			                errmsg("column %d of spotai.%s is not \"%s\"", i + 1,
			                       RelationGetRelationName(rel), names[i]),
			                errdetail("The tables of the audit log were changed by hand.")));
}

SpBulk *
sp_bulk_open(Oid table, const char *const *names, int n)
{
	SpBulk *bulk = palloc0(sizeof(SpBulk));

	bulk->home = CurrentMemoryContext;
	bulk->rel = table_open(table, RowExclusiveLock);
	check_columns(bulk->rel, names, n);
	bulk->n_columns = n;
	bulk->values = AllocSetContextCreate(bulk->home, "spotai audit rows", ALLOCSET_DEFAULT_SIZES);
	if (RelationGetForm(bulk->rel)->relhasindex)
		bulk->estate = CreateExecutorState();
	bulk->info = makeNode(ResultRelInfo);
	InitResultRelInfo(bulk->info, bulk->rel, 0, NULL, 0);
	ExecOpenIndices(bulk->info, false);
	bulk->command = GetCurrentCommandId(true);
	return bulk;
}

MemoryContext
sp_bulk_memory(SpBulk *bulk)
{
	return bulk->values;
}

TupleTableSlot *
sp_bulk_row(SpBulk *bulk)
{
	TupleTableSlot *slot = bulk->slots[bulk->n];

	if (slot == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(bulk->home);

		slot = bulk->slots[bulk->n] = table_slot_create(bulk->rel, NULL);
		MemoryContextSwitchTo(caller);
	}
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, sizeof(bool) * slot->tts_tupleDescriptor->natts);
	memset(slot->tts_isnull, false, sizeof(bool) * bulk->n_columns);
	return slot;
}

static void
write_heap(SpBulk *bulk)
{
	if (bulk->n == 1)
	{
		table_tuple_insert(bulk->rel, bulk->slots[0], bulk->command, 0, bulk->state);
		return;
	}
	if (bulk->state == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(bulk->home);

		bulk->state = GetBulkInsertState();
		MemoryContextSwitchTo(caller);
	}
	table_multi_insert(bulk->rel, bulk->slots, bulk->n, bulk->command, 0, bulk->state);
}

/* What is allocated on the way goes with the values: the caller's context may be long-lived. */
static void
write_rows(SpBulk *bulk)
{
	MemoryContext caller = MemoryContextSwitchTo(bulk->values);

	write_heap(bulk);
	for (int i = 0; i < bulk->n; i++)
	{
		if (bulk->info->ri_NumIndices > 0)
		{
			list_free(sp_insert_index_tuples(bulk->info, bulk->slots[i], bulk->estate));
			ResetPerTupleExprContext(bulk->estate);
		}
		ExecClearTuple(bulk->slots[i]);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(bulk->values);
	bulk->n = 0;
}

void
sp_bulk_put(SpBulk *bulk)
{
	ExecStoreVirtualTuple(bulk->slots[bulk->n]);
	bulk->n++;
	if (bulk->n == BULK_ROWS || MemoryContextMemAllocated(bulk->values, true) > BULK_BYTES)
		write_rows(bulk);
}

void
sp_bulk_close(SpBulk *bulk)
{
	if (bulk->n > 0)
		write_rows(bulk);
	for (int i = 0; i < BULK_ROWS && bulk->slots[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(bulk->slots[i]);
	if (bulk->state != NULL)
		FreeBulkInsertState(bulk->state);
	ExecCloseIndices(bulk->info);
	if (bulk->estate != NULL)
		FreeExecutorState(bulk->estate);
	table_close(bulk->rel, NoLock);
	MemoryContextDelete(bulk->values);
	pfree(bulk);
}
