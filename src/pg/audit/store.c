/*
 * src/pg/audit/store.c
 *	  The Merkle tree of the audit log in its tables.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "pg/audit/bulk.h"
#include "pg/audit/store.h"
#include "pg/audit/write.h"
#include "pg/seam.h"

/* Columns of spotai.audit_leaf and spotai.audit_node, from 1. */
enum
{
	LEAF_POSITION = 1,
	LEAF_TENANT,
	LEAF_ENTRY,
	LEAF_TIME,
	LEAF_HASH
};
enum
{
	NODE_LEVEL = 1,
	NODE_FIRST,
	NODE_HASHES
};

/* --- reading ------------------------------------------------------------------------ */

Oid
sp_audit_primary_key(Relation rel)
{
	Oid key = sp_primary_key(rel);

	if (!OidIsValid(key))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
		                errmsg("%s has no primary key", RelationGetRelationName(rel))));
	return key;
}

Datum
sp_audit_column(HeapTuple tuple, Relation rel, int number)
{
	bool isnull;
	Datum value = heap_getattr(tuple, number, RelationGetDescr(rel), &isnull);

	if (isnull)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
		                errmsg("a row of %s has a null", RelationGetRelationName(rel))));
	return value;
}

/* n digests of a bytea, from number `first` on; false when there are not as many. */
static bool
take_digests(Datum value, int first, int n, SpDigest *out)
{
	bytea *bytes = DatumGetByteaPP(value);
	bool there = VARSIZE_ANY_EXHDR(bytes) >= (Size) (first + n) * SP_DIGEST_BYTES;

	if (there)
		memcpy(out, VARDATA_ANY(bytes) + (Size) first * SP_DIGEST_BYTES,
		       (Size) n * SP_DIGEST_BYTES);
	return there;
}

static bool
fetch_leaf(SpAuditTree *tree, uint64 position, SpDigest *out)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	bool found;

	ScanKeyInit(&key, LEAF_POSITION, BTEqualStrategyNumber, F_INT8EQ,
	            Int64GetDatum((int64) position));
	scan = systable_beginscan(tree->leaves, tree->leaf_key, true, tree->snapshot, 1, &key);
	tuple = systable_getnext(scan);
	found = HeapTupleIsValid(tuple) &&
	        take_digests(sp_audit_column(tuple, tree->leaves, LEAF_HASH), 0, 1, out);
	systable_endscan(scan);
	return found;
}

/* Its run is the last one that begins at it or before. */
bool
sp_audit_tree_node(SpAuditTree *tree, SpMerkleId id, SpDigest *out)
{
	ScanKeyData keys[2];
	SysScanDesc scan;
	Relation key = index_open(tree->node_key, AccessShareLock);
	HeapTuple tuple;
	bool found = false;

	ScanKeyInit(&keys[0], NODE_LEVEL, BTEqualStrategyNumber, F_INT2EQ,
	            Int16GetDatum((int16) id.level));
	ScanKeyInit(&keys[1], NODE_FIRST, BTLessEqualStrategyNumber, F_INT8LE,
	            Int64GetDatum((int64) id.index));
	scan = systable_beginscan_ordered(tree->nodes, key, tree->snapshot, 2, keys);
	tuple = systable_getnext_ordered(scan, BackwardScanDirection);
	if (HeapTupleIsValid(tuple))
	{
		uint64 first = (uint64) DatumGetInt64(sp_audit_column(tuple, tree->nodes, NODE_FIRST));

		found = id.index - first < SP_AUDIT_RUN &&
		        take_digests(sp_audit_column(tuple, tree->nodes, NODE_HASHES),
		                     (int) (id.index - first), 1, out);
	}
	systable_endscan_ordered(scan);
	index_close(key, AccessShareLock);
	return found;
}

static SpStatus
fetch(void *host, const SpMerkleId *ids, size_t n, SpDigest *out)
{
	SpAuditTree *tree = host;

	for (size_t i = 0; i < n; i++)
	{
		bool found = ids[i].level == 0 ? fetch_leaf(tree, ids[i].index, &out[i])
		                               : sp_audit_tree_node(tree, ids[i], &out[i]);

		if (!found)
			return SP_ERR_BAD_DATA;
	}
	return SP_OK;
}

void
sp_audit_tree_open(SpAuditTree *tree, Snapshot snapshot)
{
	tree->leaves = table_open(sp_audit_table("audit_leaf"), AccessShareLock);
	tree->nodes = table_open(sp_audit_table("audit_node"), AccessShareLock);
	tree->leaf_key = sp_audit_primary_key(tree->leaves);
	tree->node_key = sp_audit_primary_key(tree->nodes);
	tree->snapshot = snapshot;
	tree->store = (SpMerkleStore){fetch, tree};
}

void
sp_audit_tree_close(SpAuditTree *tree)
{
	table_close(tree->leaves, AccessShareLock);
	table_close(tree->nodes, AccessShareLock);
}

void
sp_audit_read_leaf(HeapTuple tuple, Relation rel, SpAuditLeaf *leaf)
{
	leaf->tenant = *DatumGetUUIDP(sp_audit_column(tuple, rel, LEAF_TENANT));
	leaf->id = *DatumGetUUIDP(sp_audit_column(tuple, rel, LEAF_ENTRY));
	leaf->occurred_at = DatumGetTimestampTz(sp_audit_column(tuple, rel, LEAF_TIME));
	if (!take_digests(sp_audit_column(tuple, rel, LEAF_HASH), 0, 1, &leaf->leaf))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
		                errmsg("a leaf hash in %s is damaged", RelationGetRelationName(rel))));
}

int64
sp_audit_tree_position(SpAuditTree *tree, const pg_uuid_t *entry, SpAuditLeaf *leaf)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	int64 position = -1;

	ScanKeyInit(&key, LEAF_ENTRY, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(entry));
	scan = systable_beginscan(tree->leaves, sp_audit_table("audit_leaf_entry_idx"), true,
	                          tree->snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		position = DatumGetInt64(sp_audit_column(tuple, tree->leaves, LEAF_POSITION));
		if (leaf != NULL)
			sp_audit_read_leaf(tuple, tree->leaves, leaf);
	}
	systable_endscan(scan);
	return position;
}

/* --- writing ---------------------------------------------------------------------------- */

/* Nodes of a level that wait for the end of their run. */
typedef struct Run
{
	uint64 first;
	int n;
	SpDigest hashes[SP_AUDIT_RUN];
} Run;

struct SpAuditGrowth
{
	SpMerkleFrontier frontier;
	SpBulk *leaves;
	SpBulk *nodes;
	Run runs[SP_MERKLE_MAX_LEVELS];
};

SpAuditGrowth *
sp_audit_growth_open(const SpMerkleFrontier *frontier)
{
	static const char *const leaf_columns[] = {"position", "entry_tenant_id", "entry_id",
	                                           "occurred_at", "leaf"};
	static const char *const node_columns[] = {"level", "first_index", "hashes"};
	SpAuditGrowth *growth = palloc0(sizeof(SpAuditGrowth));

	growth->frontier = *frontier;
	growth->leaves =
		sp_bulk_open(sp_audit_table("audit_leaf"), leaf_columns, lengthof(leaf_columns));
	growth->nodes =
		sp_bulk_open(sp_audit_table("audit_node"), node_columns, lengthof(node_columns));
	return growth;
}

static Datum
digests_datum(const SpDigest *hashes, int n)
{
	return PointerGetDatum(cstring_to_text_with_len((const char *) hashes, n * SP_DIGEST_BYTES));
}

static void
write_run(SpAuditGrowth *growth, int level)
{
	Run *run = &growth->runs[level];
	TupleTableSlot *slot = sp_bulk_row(growth->nodes);
	MemoryContext caller = MemoryContextSwitchTo(sp_bulk_memory(growth->nodes));

	slot->tts_values[0] = Int16GetDatum((int16) level);
	slot->tts_values[1] = Int64GetDatum((int64) run->first);
	slot->tts_values[2] = digests_datum(run->hashes, run->n);
	MemoryContextSwitchTo(caller);
	sp_bulk_put(growth->nodes);
	run->n = 0;
}

static void
keep_node(SpAuditGrowth *growth, const SpMerkleNode *node)
{
	Run *run = &growth->runs[node->id.level];

	if (run->n == 0)
		run->first = node->id.index;
	run->hashes[run->n++] = node->hash;
	if ((node->id.index + 1) % SP_AUDIT_RUN == 0)
		write_run(growth, node->id.level);
}

static void
write_leaf(SpAuditGrowth *growth, const SpAuditLeaf *leaf)
{
	TupleTableSlot *slot = sp_bulk_row(growth->leaves);
	MemoryContext caller = MemoryContextSwitchTo(sp_bulk_memory(growth->leaves));
	pg_uuid_t *ids = palloc(2 * sizeof(pg_uuid_t));

	ids[0] = leaf->tenant;
	ids[1] = leaf->id;
	slot->tts_values[0] = Int64GetDatum((int64) growth->frontier.size);
	slot->tts_values[1] = UUIDPGetDatum(&ids[0]);
	slot->tts_values[2] = UUIDPGetDatum(&ids[1]);
	slot->tts_values[3] = TimestampTzGetDatum(leaf->occurred_at);
	slot->tts_values[4] = digests_datum(&leaf->leaf, 1);
	MemoryContextSwitchTo(caller);
	sp_bulk_put(growth->leaves);
}

void
sp_audit_growth_append(SpAuditGrowth *growth, const SpAuditLeaf *leaf)
{
	SpMerkleNode nodes[SP_MERKLE_MAX_LEVELS];
	int n = 0;

	write_leaf(growth, leaf);
	sp_pg_check(sp_merkle_append(sp_audit_sha(), &growth->frontier, &leaf->leaf, nodes, &n),
	            "audit log", NULL);
	for (int i = 1; i < n; i++)
		keep_node(growth, &nodes[i]);
}

void
sp_audit_growth_close(SpAuditGrowth *growth, SpMerkleFrontier *frontier)
{
	for (int level = 1; level < SP_MERKLE_MAX_LEVELS; level++)
		if (growth->runs[level].n > 0)
			write_run(growth, level);
	sp_bulk_close(growth->leaves);
	sp_bulk_close(growth->nodes);
	*frontier = growth->frontier;
	pfree(growth);
}
