/*
 * src/pg/audit/verify.c
 *	  Is the log in the database what was sealed?
 *
 * The tree is built again from the entries, and held against what is stored on
 * the way: the leaf hash of each entry, each complete node, the root at the size
 * of each checkpoint, its signature.  So a change is found where it is, unless
 * whoever made it has carried it on: into the leaf, the nodes and, with the
 * key, the checkpoints.  The first step of that way that was left out gives it
 * away.  Whoever holds the key can take all of them; then only a checkpoint
 * kept outside of the database tells (spotai-verify).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "pg/audit/bulk.h"
#include "pg/audit/key.h"
#include "pg/audit/read.h"
#include "pg/audit/write.h"
#include "pg/identity/identity.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_audit_verify);

/* Findings that are given out; the others are counted. */
#define MAX_FINDINGS 100

/* Columns of spotai.audit_checkpoint, from 1. */
enum
{
	CHECKPOINT_SIZE = 1,
	CHECKPOINT_ROOT,
	CHECKPOINT_NOTE
};

typedef struct Checkpoint
{
	bool there;
	uint64 size;
	SpDigest root;
	char *note;
} Checkpoint;

typedef struct Verification
{
	ReturnSetInfo *result;
	SpAuditTree tree;
	SpMerkleFrontier frontier;
	SpNoteKey *keys;
	size_t n_keys;
	Relation checkpoints;
	Relation checkpoints_key;
	SysScanDesc scan;
	Checkpoint next; /* the first whose size is not below the frontier's */
	MemoryContext note_memory;
	uint64 covered; /* size of the last checkpoint that fits */
	uint64 n_checkpoints;
	uint64 n_findings;
	bool node_reported; /* what follows from a finding is not reported again */
	bool root_reported;
} Verification;

/* --- findings ----------------------------------------------------------------------- */

static void
put_row(Verification *v, uint64 size, bool ok, const pg_uuid_t *bad, const char *detail)
{
	Datum values[4];
	bool nulls[4] = {false, false, bad == NULL, false};

	values[0] = Int64GetDatum((int64) size);
	values[1] = BoolGetDatum(ok);
	values[2] = UUIDPGetDatum(bad);
	values[3] = CStringGetTextDatum(detail);
	tuplestore_putvalues(v->result->setResult, v->result->setDesc, values, nulls);
}

static void found(Verification *v, const pg_uuid_t *bad, const char *format, ...)
	pg_attribute_printf(3, 4);

/* tree_size of a finding is the size at which it shows. */
static void
found(Verification *v, const pg_uuid_t *bad, const char *format, ...)
{
	char detail[512];
	va_list args;

	if (v->n_findings++ >= MAX_FINDINGS)
		return;
	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	put_row(v, v->frontier.size, false, bad, detail);
}

/* The entry that the log has at a position; false: none. */
static bool
entry_at(Verification *v, uint64 position, pg_uuid_t *id)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	SpAuditLeaf leaf;
	bool there;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum((int64) position));
	scan = systable_beginscan(v->tree.leaves, v->tree.leaf_key, true, v->tree.snapshot, 1, &key);
	tuple = systable_getnext(scan);
	there = HeapTupleIsValid(tuple);
	if (there)
	{
		sp_audit_read_leaf(tuple, v->tree.leaves, &leaf);
		*id = leaf.id;
	}
	systable_endscan(scan);
	return there;
}

/* --- checkpoints ------------------------------------------------------------------------ */

static void
read_checkpoint(Verification *v)
{
	HeapTuple tuple = systable_getnext_ordered(v->scan, ForwardScanDirection);
	MemoryContext caller;
	bytea *root;

	MemoryContextReset(v->note_memory);
	v->next.there = HeapTupleIsValid(tuple);
	if (!v->next.there)
		return;
	caller = MemoryContextSwitchTo(v->note_memory);
	v->next.size = (uint64) DatumGetInt64(sp_audit_column(tuple, v->checkpoints, CHECKPOINT_SIZE));
	root = DatumGetByteaPP(sp_audit_column(tuple, v->checkpoints, CHECKPOINT_ROOT));
	memset(&v->next.root, 0, sizeof(v->next.root));
	memcpy(&v->next.root, VARDATA_ANY(root), Min(VARSIZE_ANY_EXHDR(root), SP_DIGEST_BYTES));
	v->next.note = TextDatumGetCString(sp_audit_column(tuple, v->checkpoints, CHECKPOINT_NOTE));
	MemoryContextSwitchTo(caller);
}

static void
open_checkpoints(Verification *v)
{
	v->note_memory = AllocSetContextCreate(CurrentMemoryContext, "spotai audit checkpoint",
	                                       ALLOCSET_SMALL_SIZES);
	v->checkpoints = table_open(sp_audit_table("audit_checkpoint"), AccessShareLock);
	v->checkpoints_key = index_open(sp_audit_primary_key(v->checkpoints), AccessShareLock);
	v->scan =
		systable_beginscan_ordered(v->checkpoints, v->checkpoints_key, v->tree.snapshot, 0, NULL);
	read_checkpoint(v);
}

static void
close_checkpoints(Verification *v)
{
	systable_endscan_ordered(v->scan);
	index_close(v->checkpoints_key, AccessShareLock);
	table_close(v->checkpoints, AccessShareLock);
}

/* Signed by a key of the log, and its note says what its row says. */
static bool
is_signed(Verification *v, const Checkpoint *c)
{
	SpCheckpoint checkpoint;
	SpFault fault = {"", ""};
	SpNote note;
	SpStatus st = sp_note_verify(c->note, strlen(c->note), v->keys, v->n_keys, &note, NULL, &fault);

	if (st == SP_OK)
		st = sp_checkpoint_parse(note.text, note.text_length, &checkpoint, &fault);
	if (st != SP_OK && st != SP_ERR_BAD_DATA && st != SP_ERR_TOO_LARGE)
		sp_pg_check(st, "checkpoint", &fault);
	return st == SP_OK && checkpoint.size == c->size &&
	       sp_digest_equal(&checkpoint.root, &c->root) &&
	       strlen(v->keys[0].name) == checkpoint.origin_length &&
	       memcmp(v->keys[0].name, checkpoint.origin, checkpoint.origin_length) == 0;
}

static void
compare_root(Verification *v)
{
	pg_uuid_t id;
	SpDigest root;
	bool there;

	sp_pg_check(sp_merkle_root(sp_audit_sha(), &v->frontier, &root), "audit log", NULL);
	if (sp_digest_equal(&root, &v->next.root))
	{
		v->covered = v->next.size;
		return;
	}
	if (v->root_reported)
		return;
	v->root_reported = true;
	there = entry_at(v, v->covered, &id);
	found(v, there ? &id : NULL,
	      "the entries from position " UINT64_FORMAT " to " UINT64_FORMAT
	      " do not lead to the root of the checkpoint of size " UINT64_FORMAT,
	      v->covered, v->next.size == 0 ? 0 : v->next.size - 1, v->next.size);
}

/* All checkpoints of the size that has been reached. */
static void
check_checkpoints(Verification *v)
{
	while (v->next.there && v->next.size <= v->frontier.size)
	{
		v->n_checkpoints++;
		if (!is_signed(v, &v->next))
			found(v, NULL,
			      "the checkpoint of size " UINT64_FORMAT " is not signed by a key of the log",
			      v->next.size);
		else if (v->next.size == v->frontier.size)
			compare_root(v);
		read_checkpoint(v);
	}
}

/* --- entries ------------------------------------------------------------------------------- */

/* Whether the entry's content hashes to its recorded leaf. */
static bool
is_recorded(const SpAuditRecord *record)
{
	SpFault fault = {"", ""};
	SpDigest leaf;
	SpStatus st = sp_entry_leaf_hash(sp_audit_sha(), &record->entry, &leaf, &fault);

	if (st == SP_ERR_NO_MEMORY)
		sp_pg_check(st, "audit entry", &fault);
	return st == SP_OK && sp_digest_equal(&leaf, &record->leaf.leaf);
}

static void
check_node(Verification *v, const SpMerkleNode *node)
{
	uint64 first = node->id.index << node->id.level;
	SpDigest stored;
	pg_uuid_t id;

	if (v->node_reported ||
	    (sp_audit_tree_node(&v->tree, node->id, &stored) && sp_digest_equal(&stored, &node->hash)))
		return;
	v->node_reported = true;
	found(v, entry_at(v, first, &id) ? &id : NULL,
	      "the leaf hashes from position " UINT64_FORMAT " to " UINT64_FORMAT
	      " are not those that were sealed",
	      first, v->frontier.size - 1);
}

/* false: behind a gap nothing more can be told. */
static bool
check_record(Verification *v, const SpAuditRecord *record)
{
	SpMerkleNode nodes[SP_MERKLE_MAX_LEVELS];
	int n = 0;

	if (record->position != v->frontier.size)
	{
		found(v, &record->leaf.id,
		      "positions " UINT64_FORMAT " to " UINT64_FORMAT
		      " of the log are missing before this entry",
		      v->frontier.size, record->position - 1);
		return false;
	}
	sp_pg_check(sp_merkle_append(sp_audit_sha(), &v->frontier, &record->leaf.leaf, nodes, &n),
	            "audit log", NULL);
	if (!record->found)
		found(v, &record->leaf.id, "the entry at position " UINT64_FORMAT " is missing",
		      record->position);
	else if (!is_recorded(record))
		found(v, &record->leaf.id,
		      "the entry at position " UINT64_FORMAT " is not what was recorded", record->position);
	for (int i = 1; i < n; i++)
		check_node(v, &nodes[i]);
	return true;
}

static void
check_log(Verification *v)
{
	SpAuditReader *reader = sp_audit_reader_open(&v->tree, 0, SP_MERKLE_MAX_SIZE);
	SpAuditRecord record;
	bool whole = true;

	check_checkpoints(v);
	while (whole && sp_audit_reader_next(reader, &record))
	{
		whole = check_record(v, &record);
		check_checkpoints(v);
	}
	sp_audit_reader_close(reader);
	if (!whole)
		return;
	if (v->next.there)
		found(v, NULL,
		      "the log ends at size " UINT64_FORMAT
		      ", but there is a checkpoint of size " UINT64_FORMAT,
		      v->frontier.size, v->next.size);
	else if (v->covered < v->frontier.size && v->n_findings == 0)
	{
		pg_uuid_t id;

		found(v, entry_at(v, v->covered, &id) ? &id : NULL,
		      "no checkpoint covers the entries from position " UINT64_FORMAT " on", v->covered);
	}
}

/* --- what is not sealed ------------------------------------------------------------------- */

static void
check_pending_row(Verification *v, TupleTableSlot *slot)
{
	SpAuditRecord record = {0};
	bytea *leaf;

	slot_getallattrs(slot);
	leaf = DatumGetByteaPP(slot->tts_values[3]);
	record.leaf.tenant = *DatumGetUUIDP(slot->tts_values[0]);
	record.leaf.id = *DatumGetUUIDP(slot->tts_values[1]);
	record.leaf.occurred_at = DatumGetTimestampTz(slot->tts_values[2]);
	memcpy(&record.leaf.leaf, VARDATA_ANY(leaf), Min(VARSIZE_ANY_EXHDR(leaf), SP_DIGEST_BYTES));
	sp_audit_read_entry(&v->tree, &record);
	if (!record.found)
		found(v, &record.leaf.id, "the entry, which is not sealed yet, is missing");
	else if (!is_recorded(&record))
		found(v, &record.leaf.id, "the entry, which is not sealed yet, is not what was recorded");
}

static void
check_pending(Verification *v)
{
	Relation rel = table_open(sp_audit_table("audit_pending"), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, v->tree.snapshot, 0, NULL);
	MemoryContext each =
		AllocSetContextCreate(CurrentMemoryContext, "spotai audit pending", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(each);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		check_pending_row(v, slot);
		MemoryContextReset(each);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(each);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
}

/* Entries that were put into the table by another way than ours, or taken out of the log. */
static void
check_strangers(Verification *v)
{
	static SpQuery strangers = {
		.text = "SELECT e.id FROM spotai.audit_entry e"
				" WHERE NOT EXISTS (SELECT FROM spotai.audit_leaf l WHERE l.entry_id = e.id)"
				" AND NOT EXISTS (SELECT FROM spotai.audit_pending p WHERE p.entry_id = e.id)"
				" LIMIT 100"};
	uint64 n = sp_pg_query(&strangers, NULL, NULL, true);
	SPITupleTable *rows = SPI_tuptable;

	for (uint64 i = 0; i < n; i++)
	{
		bool isnull;

		found(v, DatumGetUUIDP(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull)),
		      "the entry is not in the log");
	}
}

/* spotai.audit_verify() returns setof record */
Datum
spotai_audit_verify(PG_FUNCTION_ARGS)
{
	Verification v = {.result = (ReturnSetInfo *) fcinfo->resultinfo};

	sp_pg_require_tables();
	(void) sp_identity_permitted("audit:read");
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	v.keys = sp_audit_verifier_keys(&v.n_keys);
	sp_audit_tree_open(&v.tree, GetActiveSnapshot());
	open_checkpoints(&v);
	check_log(&v);
	check_pending(&v);
	check_strangers(&v);
	if (v.n_findings > MAX_FINDINGS)
		put_row(&v, v.frontier.size, false, NULL,
		        psprintf(UINT64_FORMAT " more findings like these", v.n_findings - MAX_FINDINGS));
	if (v.n_findings == 0)
		put_row(&v, v.frontier.size, true, NULL,
		        psprintf(UINT64_FORMAT " entries, " UINT64_FORMAT " checkpoints", v.frontier.size,
		                 v.n_checkpoints));
	close_checkpoints(&v);
	sp_audit_tree_close(&v.tree);
	SPI_finish();
	return (Datum) 0;
}
