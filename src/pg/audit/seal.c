/*
 * src/pg/audit/seal.c
 *	  Sealing: what is pending gets its place in the log, and a checkpoint is
 *	  signed, all in one transaction.
 *
 * Entries become visible in the order of their commits, which no one knows
 * beforehand; so positions are given here, to what a snapshot shows.  Within a
 * batch they follow the ids, that is, time.  A pending row is deleted in the
 * transaction that gives its entry a position: after a crash it is either
 * still there or the entry is in the log, never both or neither.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/audit/bulk.h"
#include "pg/audit/seal.h"
#include "pg/audit/store.h"
#include "pg/audit/write.h"
#include "pg/identity/identity.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_audit_seal);

/* Columns of spotai.audit_pending, from 1. */
enum
{
	PENDING_TENANT = 1,
	PENDING_ENTRY,
	PENDING_TIME,
	PENDING_LEAF
};

typedef struct Pending
{
	SpAuditLeaf leaf;
	ItemPointerData tid;
} Pending;

/*
 * Keeps a second sealer out.  No lock on the table itself, which would stop
 * autovacuum, and no advisory one, which any user could take.
 */
Oid
sp_audit_seal_lock(void)
{
	Oid checkpoints = sp_audit_table("audit_checkpoint");

	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
		        (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
		         errmsg("the audit log can only be sealed in a READ COMMITTED transaction")));
	LockDatabaseObject(RelationRelationId, checkpoints, 1, ExclusiveLock);
	return checkpoints;
}

uint64
sp_audit_sealed_size(void)
{
	static SpQuery newest = {
		.text = "SELECT tree_size FROM spotai.audit_checkpoint ORDER BY tree_size DESC LIMIT 1"};
	bool isnull;

	if (sp_pg_query(&newest, NULL, NULL, false) == 0)
		return 0;
	return (uint64) DatumGetInt64(sp_pg_column(0, 1, &isnull));
}

static void
load_frontier(Snapshot snapshot, SpMerkleFrontier *frontier)
{
	SpFault fault = {"A node of its tree is missing.",
	                 "SELECT * FROM spotai.audit_verify() says what is damaged."};
	SpAuditTree tree;

	sp_audit_tree_open(&tree, snapshot);
	sp_pg_check(sp_merkle_frontier_load(&tree.store, sp_audit_sealed_size(), frontier), "audit log",
	            &fault);
	sp_audit_tree_close(&tree);
}

/* --- what is pending ----------------------------------------------------------------------- */

static void
read_pending(TupleTableSlot *slot, Pending *pending)
{
	bytea *leaf;

	slot_getallattrs(slot);
	leaf = DatumGetByteaPP(slot->tts_values[PENDING_LEAF - 1]);
	if (VARSIZE_ANY_EXHDR(leaf) != SP_DIGEST_BYTES)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
		                errmsg("a leaf hash in spotai.audit_pending is damaged")));
	memcpy(pending->leaf.leaf.bytes, VARDATA_ANY(leaf), SP_DIGEST_BYTES);
	pending->leaf.tenant = *DatumGetUUIDP(slot->tts_values[PENDING_TENANT - 1]);
	pending->leaf.id = *DatumGetUUIDP(slot->tts_values[PENDING_ENTRY - 1]);
	pending->leaf.occurred_at = DatumGetTimestampTz(slot->tts_values[PENDING_TIME - 1]);
	pending->tid = slot->tts_tid;
}

static int
compare_pending(const void *a, const void *b)
{
	const SpAuditLeaf *x = &((const Pending *) a)->leaf, *y = &((const Pending *) b)->leaf;

	return memcmp(&x->id, &y->id, UUID_LEN);
}

static void
delete_pending(Relation rel, Snapshot snapshot, Pending *pending, int n, CommandId command)
{
	for (int i = 0; i < n; i++)
	{
		TM_FailureData failure;
		TM_Result result = table_tuple_delete(rel, &pending[i].tid, command, snapshot,
		                                      InvalidSnapshot, true, &failure, false);

		if (result != TM_Ok)
			ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			                errmsg("spotai.audit_pending was changed while it was sealed")));
	}
}

static void
append_batch(SpAuditGrowth *growth, Pending *pending, int n)
{
	CHECK_FOR_INTERRUPTS();
	qsort(pending, (size_t) n, sizeof(Pending), compare_pending);
	for (int i = 0; i < n; i++)
		sp_audit_growth_append(growth, &pending[i].leaf);
}

static int64
move_pending(Relation rel, Snapshot snapshot, int64 limit, SpMerkleFrontier *frontier)
{
	Pending *pending = palloc_extended(sizeof(Pending) * SP_AUDIT_SEAL_BATCH, MCXT_ALLOC_HUGE);
	SpAuditGrowth *growth = sp_audit_growth_open(frontier);
	CommandId command = GetCurrentCommandId(true);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	int64 moved = 0;
	bool more = true;

	while (more && moved < limit)
	{
		int n = 0;

		while (n < SP_AUDIT_SEAL_BATCH &&
		       (more = table_scan_getnextslot(scan, ForwardScanDirection, slot)))
			read_pending(slot, &pending[n++]);
		append_batch(growth, pending, n);
		delete_pending(rel, snapshot, pending, n, command);
		moved += n;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	sp_audit_growth_close(growth, frontier);
	pfree(pending);
	return moved;
}

static bool
anything_pending(Relation rel, Snapshot snapshot)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	bool found = table_scan_getnextslot(scan, ForwardScanDirection, slot);

	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return found;
}

bool
sp_audit_anything_pending(void)
{
	Relation rel = table_open(sp_audit_table("audit_pending"), AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	bool found = anything_pending(rel, snapshot);

	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return found;
}

/* --- the checkpoint ------------------------------------------------------------------------ */

static void
store_checkpoint(Oid table, const SpAuditSigner *signer, const SpMerkleFrontier *frontier)
{
	static const char *const columns[] = {"tree_size", "root", "note", "key_id", "sealed_at"};
	SpDigest root;
	char *note = sp_audit_sign(signer, frontier, &root);
	SpBulk *bulk = sp_bulk_open(table, columns, lengthof(columns));
	TupleTableSlot *slot = sp_bulk_row(bulk);

	slot->tts_values[0] = Int64GetDatum((int64) frontier->size);
	slot->tts_values[1] =
		PointerGetDatum(cstring_to_text_with_len((const char *) root.bytes, SP_DIGEST_BYTES));
	slot->tts_values[2] = CStringGetTextDatum(note);
	slot->tts_values[3] = UUIDPGetDatum(&signer->id);
	slot->tts_values[4] = TimestampTzGetDatum(GetCurrentTimestamp());
	sp_bulk_put(bulk);
	sp_bulk_close(bulk);
}

/* Of the last sealing of this session. */
static TransactionId sealed_in = InvalidTransactionId;

/*
 * A copy of a checkpoint that is rolled back afterwards would accuse an honest
 * log for ever.
 */
void
sp_audit_require_committed(void)
{
	if (TransactionIdIsValid(sealed_in) && sealed_in == GetTopTransactionIdIfAny())
		ereport(
			ERROR,
			(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
		     errmsg("the checkpoint of this transaction is not committed yet"),
		     errhint("Commit what spotai.audit_seal() has done, then ask for the checkpoint.")));
}

int64
sp_audit_seal(SpAuditSigner *signer, int64 limit)
{
	Oid checkpoints = sp_audit_seal_lock();
	Relation rel = table_open(sp_audit_table("audit_pending"), RowExclusiveLock);
	/* taken after the lock: the last sealer's work is in it */
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	SpMerkleFrontier frontier;
	int64 sealed = 0;

	if (anything_pending(rel, snapshot))
	{
		/* before the work, which is in vain without it */
		if (signer == NULL)
			signer = sp_audit_signer();
		load_frontier(snapshot, &frontier);
		sealed = move_pending(rel, snapshot, limit, &frontier);
		store_checkpoint(checkpoints, signer, &frontier);
		/* a copy of the checkpoint must not outlive it: a crash would make it accuse us */
		ForceSyncCommit();
		sealed_in = GetTopTransactionId();
		CommandCounterIncrement();
	}
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	return sealed;
}

/* spotai.audit_seal() returns bigint */
Datum
spotai_audit_seal(PG_FUNCTION_ARGS)
{
	int64 sealed;

	PreventCommandIfReadOnly("spotai.audit_seal()");
	PreventCommandIfParallelMode("spotai.audit_seal()");
	sp_pg_require_tables();
	(void) sp_identity_permitted("audit:write");
	SPI_connect();
	sealed = sp_audit_seal(NULL, PG_INT64_MAX);
	SPI_finish();
	PG_RETURN_INT64(sealed);
}
