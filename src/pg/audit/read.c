/*
 * src/pg/audit/read.c
 *	  The sealed log in the order of its positions: each leaf with its entry.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "pg/audit/read.h"
#include "pg/audit/write.h"
#include "pg/seam.h"

/* Columns of spotai.audit_entry, from 1. */
enum
{
	ENTRY_TENANT = 1,
	ENTRY_ID,
	ENTRY_TIME,
	ENTRY_PRINCIPAL,
	ENTRY_ACTION,
	ENTRY_OBJECT,
	ENTRY_SUBJECT,
	ENTRY_DETAIL
};

struct SpAuditReader
{
	SpAuditTree *tree;
	Relation key;
	SysScanDesc scan;
	uint64 to;
	MemoryContext each;
};

SpAuditReader *
sp_audit_reader_open(SpAuditTree *tree, uint64 from, uint64 to)
{
	SpAuditReader *reader = palloc0(sizeof(SpAuditReader));
	ScanKeyData key;

	reader->tree = tree;
	reader->to = to;
	reader->key = index_open(tree->leaf_key, AccessShareLock);
	reader->each =
		AllocSetContextCreate(CurrentMemoryContext, "spotai audit record", ALLOCSET_DEFAULT_SIZES);
	ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum((int64) from));
	reader->scan = systable_beginscan_ordered(tree->leaves, reader->key, tree->snapshot, 1, &key);
	return reader;
}

void
sp_audit_reader_close(SpAuditReader *reader)
{
	systable_endscan_ordered(reader->scan);
	index_close(reader->key, AccessShareLock);
	MemoryContextDelete(reader->each);
	pfree(reader);
}

static const char *
take_text(HeapTuple tuple, Relation rel, int number, size_t *n)
{
	char *server = TextDatumGetCString(sp_audit_column(tuple, rel, number));

	return sp_audit_utf8(server, strlen(server), n);
}

static void
take_entry(HeapTuple tuple, Relation rel, SpAuditRecord *record)
{
	SpEntry *entry = &record->entry;
	bytea *detail = DatumGetByteaPP(sp_audit_column(tuple, rel, ENTRY_DETAIL));
	bool no_principal;
	Datum principal = heap_getattr(tuple, ENTRY_PRINCIPAL, RelationGetDescr(rel), &no_principal);

	memcpy(entry->id, DatumGetUUIDP(sp_audit_column(tuple, rel, ENTRY_ID)), UUID_LEN);
	memcpy(entry->tenant, DatumGetUUIDP(sp_audit_column(tuple, rel, ENTRY_TENANT)), UUID_LEN);
	entry->time_us = sp_audit_unix_us(DatumGetTimestampTz(sp_audit_column(tuple, rel, ENTRY_TIME)));
	entry->has_principal = !no_principal;
	if (!no_principal)
		memcpy(entry->principal, DatumGetUUIDP(principal), UUID_LEN);
	entry->action = take_text(tuple, rel, ENTRY_ACTION, &entry->action_length);
	entry->object = take_text(tuple, rel, ENTRY_OBJECT, &entry->object_length);
	record->detail_length = VARSIZE_ANY_EXHDR(detail);
	record->detail =
		memcpy(palloc(record->detail_length + 1), VARDATA_ANY(detail), record->detail_length);
	sp_pg_check(
		sp_sha256_run(sp_audit_sha(), record->detail, record->detail_length, &entry->detail),
		"audit entry", NULL);
}

void
sp_audit_read_entry(SpAuditTree *tree, SpAuditRecord *record)
{
	Oid partition = sp_audit_partition(record->leaf.occurred_at);
	Relation rel = OidIsValid(partition) ? try_table_open(partition, AccessShareLock) : NULL;
	ScanKeyData keys[3];
	SysScanDesc scan;
	HeapTuple tuple;

	memset(&record->entry, 0, sizeof(record->entry));
	record->found = false;
	if (rel == NULL)
		return;
	ScanKeyInit(&keys[0], ENTRY_TENANT, BTEqualStrategyNumber, F_UUID_EQ,
	            UUIDPGetDatum(&record->leaf.tenant));
	ScanKeyInit(&keys[1], ENTRY_ID, BTEqualStrategyNumber, F_UUID_EQ,
	            UUIDPGetDatum(&record->leaf.id));
	ScanKeyInit(&keys[2], ENTRY_TIME, BTEqualStrategyNumber, F_TIMESTAMPTZ_EQ,
	            TimestampTzGetDatum(record->leaf.occurred_at));
	scan = systable_beginscan(rel, sp_audit_primary_key(rel), true, tree->snapshot, 3, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		record->found = true;
		take_entry(tuple, rel, record);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

bool
sp_audit_reader_next(SpAuditReader *reader, SpAuditRecord *record)
{
	Relation leaves = reader->tree->leaves;
	HeapTuple tuple = systable_getnext_ordered(reader->scan, ForwardScanDirection);
	MemoryContext caller;

	CHECK_FOR_INTERRUPTS();
	if (!HeapTupleIsValid(tuple))
		return false;
	record->position = (uint64) DatumGetInt64(sp_audit_column(tuple, leaves, 1));
	if (record->position >= reader->to)
		return false;
	MemoryContextReset(reader->each);
	caller = MemoryContextSwitchTo(reader->each);
	sp_audit_read_leaf(tuple, leaves, &record->leaf);
	sp_audit_read_entry(reader->tree, record);
	MemoryContextSwitchTo(caller);
	return true;
}
