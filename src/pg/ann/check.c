/*
 * src/pg/ann/check.c
 *	  Whether an index is what it should be: _spotai.index_problems().
 *
 * Nobody writes meanwhile: pages that are being linked would look lost.  Each
 * page must belong to something once, each row must be there once with the code
 * of its vector, and each copy must be some row's.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "pg/ann/inspect.h"
#include "pg/seam.h"

SPOTAI_FUNCTION(spotai_ann_problems);

/* Problems that are told one by one. */
#define MOST_TOLD 20
/*
 * Of a code's bits: machines round differently, which turns signs of what is next
 * to nothing.
 */
#define BITS_THAT_MAY_DIFFER 0.02

/* A row of the index, in the order of the table. */
typedef struct Row
{
	ItemPointerData tid;
	uint32 list;
	BlockNumber block; /* where it stands */
	uint16 at;
	bool seen; /* in the table */
} Row;

typedef struct Check
{
	Relation index;
	SpAnnIndex *ann;
	BlockNumber blocks;
	uint8 *used; /* [blocks]: times that somebody came across it */
	Row *rows;
	int64 nrows, room;
	uint8 *copies; /* [blocks * per_page]: rows that say it is theirs */
	uint32 per_page;
	SpAnnEncoder *encoder;
	MemoryContext temporary;
	ArrayBuildState *told;
	int64 problems;
} Check;

static void tell(Check *c, const char *format, ...) pg_attribute_printf(2, 3);

static void
tell(Check *c, const char *format, ...)
{
	StringInfoData text;
	va_list args;

	if (c->problems++ >= MOST_TOLD)
		return;
	initStringInfo(&text);
	va_start(args, format);
	(void) appendStringInfoVA(&text, format, args);
	va_end(args);
	c->told = accumArrayResult(c->told, CStringGetTextDatum(text.data), false, TEXTOID,
	                           CurrentMemoryContext);
}

/* --- pages ------------------------------------------------------------------------------ */

static void
add_row(Check *c, const Row *row)
{
	if (c->nrows == c->room)
	{
		c->room *= 2;
		c->rows = repalloc_huge(c->rows, (Size) c->room * sizeof(Row));
	}
	c->rows[c->nrows++] = *row;
}

static void
check_copy(Check *c, const char *side)
{
	BlockNumber block = sp_ann_get_copy(c->ann, side);
	uint16 slot = ((const SpAnnSide *) side)->slot;

	if (block >= c->blocks || slot >= c->per_page)
		tell(c, "a row's copy is at block %u, slot %u, which there cannot be", block, slot);
	else if (c->copies[(Size) block * c->per_page + slot]++ > 0)
		tell(c, "block %u, slot %u is the copy of two rows", block, slot);
}

static void
check_rows(Check *c, Page page, BlockNumber block, uint32 list)
{
	SpAnnLayout layout = sp_ann_layout(c->ann, list);
	PageHeader header = (PageHeader) page;
	uint32 n = sp_ann_page_count(page, layout);

	if ((header->pd_special - header->pd_upper) % layout.side_size != 0 ||
	    header->pd_lower != MAXALIGN(SizeOfPageHeaderData) + n * layout.code_size)
	{
		tell(c, "block %u has another number of codes than of rows", block);
		return;
	}
	for (uint32 i = 0; i < n; i++)
	{
		char *side = sp_ann_page_side(page, layout, i);
		Row row = {.tid = *sp_ann_side_tid(side), .list = list, .block = block, .at = (uint16) i};

		add_row(c, &row);
		if (c->ann->block_at != 0 && list < c->ann->meta.lists)
			check_copy(c, side);
	}
}

static Buffer
read_page(Check *c, BlockNumber block)
{
	Buffer buffer = ReadBuffer(c->index, block);

	CHECK_FOR_INTERRUPTS();
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	return buffer;
}

/* The list's page and what comes after it; InvalidBlockNumber also where the list is damaged. */
static BlockNumber
check_list_page(Check *c, uint32 list, BlockNumber block)
{
	BlockNumber next = InvalidBlockNumber;
	Buffer buffer;
	Page page;

	if (block >= c->blocks || c->used[block]++ > 0)
	{
		tell(c, "list %u leads to block %u, which %s", list, block,
		     block >= c->blocks ? "there is not" : "is something else's");
		return InvalidBlockNumber;
	}
	buffer = read_page(c, block);
	page = BufferGetPage(buffer);
	if (!sp_ann_page_is(page, SP_ANN_PAGE_LIST) || sp_ann_special(page)->list != list)
		tell(c, "block %u is not of list %u", block, list);
	else
	{
		check_rows(c, page, block, list);
		next = sp_ann_special(page)->next;
	}
	UnlockReleaseBuffer(buffer);
	return next;
}

static void
check_list(Check *c, uint32 list)
{
	BlockNumber first = c->ann->heads[list], last = first, said;
	Buffer buffer;

	for (BlockNumber block = first; block != InvalidBlockNumber;)
	{
		last = block;
		block = check_list_page(c, list, block);
	}
	if (first >= c->blocks)
		return;
	buffer = read_page(c, first);
	said = sp_ann_page_is(BufferGetPage(buffer), SP_ANN_PAGE_LIST)
	           ? sp_ann_special(BufferGetPage(buffer))->last
	           : last;
	UnlockReleaseBuffer(buffer);
	if (said != last)
		tell(c, "list %u ends at block %u, not at %u", list, last, said);
}

/* A slot that is in use has a row, and the page knows how many are. */
static void
check_vectors_page(Check *c, Page page, BlockNumber block)
{
	const uint8 *bits = (const uint8 *) PageGetContents(page);
	int used = 0;

	for (uint32 slot = 0; slot < c->per_page; slot++)
	{
		bool in_use = (bits[slot / 8] & 1 << slot % 8) != 0;

		used += in_use;
		if (in_use != (c->copies[(Size) block * c->per_page + slot] > 0))
			tell(c,
			     in_use ? "block %u, slot %u is a copy, but no row's"
			            : "block %u, slot %u is a row's copy, but free",
			     block, slot);
	}
	if (used != sp_ann_special(page)->count)
		tell(c, "block %u has %d copies, not %u", block, used, sp_ann_special(page)->count);
}

/* What no list led to. */
static void
check_other_page(Check *c, BlockNumber block)
{
	Buffer buffer = read_page(c, block);
	Page page = BufferGetPage(buffer);

	if (sp_ann_page_is(page, SP_ANN_PAGE_VECTORS) && c->per_page > 0)
		check_vectors_page(c, page, block);
	else if (!PageIsNew(page) && !sp_ann_page_is(page, SP_ANN_PAGE_DELETED))
		tell(c, "block %u belongs to nothing", block);
	UnlockReleaseBuffer(buffer);
}

/* --- rows --------------------------------------------------------------------------------- */

static int
compare_rows(const void *a, const void *b)
{
	return ItemPointerCompare((ItemPointer) & ((const Row *) a)->tid,
	                          (ItemPointer) & ((const Row *) b)->tid);
}

static void
check_order(Check *c)
{
	qsort(c->rows, (size_t) c->nrows, sizeof(Row), compare_rows);
	for (int64 i = 1; i < c->nrows; i++)
		if (ItemPointerEquals(&c->rows[i - 1].tid, &c->rows[i].tid))
			tell(c, "row (%u,%u) is there twice", ItemPointerGetBlockNumber(&c->rows[i].tid),
			     ItemPointerGetOffsetNumber(&c->rows[i].tid));
}

static int
differing_bits(const uint64 *a, const uint64 *b, uint32 words)
{
	int n = 0;

	for (uint32 i = 0; i < words; i++)
		n += __builtin_popcountll(a[i] ^ b[i]);
	return n;
}

/* The code is that of the vector in this list. */
static void
check_code(Check *c, const Row *row, const float *vector)
{
	SpAnnLayout layout = sp_ann_layout(c->ann, row->list);
	Buffer buffer;
	const uint64 *code;
	int differing;

	sp_rotation_run(c->encoder->rotation, vector, c->encoder->rotated);
	sp_ann_encode_in_list(c->encoder, vector, row->list);
	buffer = read_page(c, row->block);
	code = (const uint64 *) ((const char *) sp_ann_page_codes(BufferGetPage(buffer)) +
	                         row->at * layout.code_size);
	differing = differing_bits(code, c->encoder->row.code, c->ann->words);
	UnlockReleaseBuffer(buffer);
	if (differing > BITS_THAT_MAY_DIFFER * c->ann->words * 64 + 2)
		tell(c, "row (%u,%u) has the code of another vector",
		     ItemPointerGetBlockNumber((ItemPointer) &row->tid),
		     ItemPointerGetOffsetNumber((ItemPointer) &row->tid));
}

static void
check_value(Check *c, const Row *row, Datum value, bool isnull)
{
	uint32 list = SP_ANN_NULLS(c->ann);

	if (!isnull)
		list = sp_ann_read_vector(&c->ann->meta, (SpEmbedding *) PG_DETOAST_DATUM(value),
		                          c->encoder->vector)
		           ? 0
		           : SP_ANN_ZEROS(c->ann);
	if ((list == 0) != (row->list < c->ann->meta.lists) || (list > 0 && list != row->list))
		tell(c, "row (%u,%u) is in list %u", ItemPointerGetBlockNumber((ItemPointer) &row->tid),
		     ItemPointerGetOffsetNumber((ItemPointer) &row->tid), row->list);
	else if (list == 0)
		check_code(c, row, c->encoder->vector);
}

static void
check_table_row(Relation index, ItemPointer tid, Datum *values, bool *isnull, bool alive, void *arg)
{
	Check *c = arg;
	Row key = {.tid = *tid};
	Row *row = bsearch(&key, c->rows, (size_t) c->nrows, sizeof(Row), compare_rows);
	MemoryContext old;

	if (row == NULL)
	{
		tell(c, "row (%u,%u) of the table is not in the index", ItemPointerGetBlockNumber(tid),
		     ItemPointerGetOffsetNumber(tid));
		return;
	}
	row->seen = true;
	if (c->problems >= MOST_TOLD)
		return;
	old = MemoryContextSwitchTo(c->temporary);
	check_value(c, row, values[c->ann->meta.column], isnull[c->ann->meta.column]);
	MemoryContextSwitchTo(old);
	MemoryContextReset(c->temporary);
}

/* As amcheck's heapallindexed: all that a new snapshot sees. */
static void
check_table(Check *c, Relation heap)
{
	IndexInfo *info = BuildIndexInfo(c->index);
	Snapshot snapshot = RegisterSnapshot(GetTransactionSnapshot());
	TableScanDesc scan = table_beginscan_strat(heap, snapshot, 0, NULL, true, true);

	info->ii_Concurrent = true;
	table_index_build_scan(heap, c->index, info, true, false, check_table_row, c, scan);
	UnregisterSnapshot(snapshot);
}

/* --- all of it ------------------------------------------------------------------------------ */

static void
check_all(Check *c, Relation heap)
{
	for (BlockNumber block = 0; block <= c->ann->meta.constant_blocks && block < c->blocks; block++)
		c->used[block] = 1;
	for (uint32 list = 0; list < SP_ANN_CHAINS(&c->ann->meta); list++)
		check_list(c, list);
	for (BlockNumber block = 0; block < c->blocks; block++)
		if (c->used[block] == 0)
			check_other_page(c, block);
	check_order(c);
	check_table(c, heap);
	if (c->problems > MOST_TOLD)
		c->told = accumArrayResult(
			c->told,
			CStringGetTextDatum(psprintf("and " INT64_FORMAT " more", c->problems - MOST_TOLD)),
			false, TEXTOID, CurrentMemoryContext);
}

static void
begin_check(Check *c, Relation index)
{
	c->index = index;
	c->told = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	c->ann = sp_ann_copy(index);
	c->blocks = RelationGetNumberOfBlocks(index);
	c->used = palloc_extended(c->blocks + 1, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	c->room = 1024;
	c->rows = palloc((Size) c->room * sizeof(Row));
	if (c->ann->block_at != 0)
		c->per_page = sp_ann_vectors_per_page(c->ann->meta.dims);
	c->copies =
		palloc_extended((Size) c->blocks * c->per_page + 1, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	c->encoder = sp_ann_encoder_new(NULL, c->ann);
	c->temporary = AllocSetContextCreate(CurrentMemoryContext, "a value", ALLOCSET_DEFAULT_SIZES);
}

/* _spotai.index_problems(index regclass) returns text[], empty when there are none. */
Datum
spotai_ann_problems(PG_FUNCTION_ARGS)
{
	Oid oid = PG_GETARG_OID(0), table = IndexGetRelation(oid, true);
	Relation heap, index;
	LOCKMODE lock;
	Check c = {0};

	if (!OidIsValid(table))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
		                errmsg("\"%s\" is not an index of spotai_ann", get_rel_name(oid))));
	/* a standby has one writer, the recovery, and lets nobody keep it out */
	lock = RecoveryInProgress() ? AccessShareLock : ShareLock;
	heap = table_open(table, lock);
	index = sp_ann_open_index(oid, lock);
	begin_check(&c, index);
	check_all(&c, heap);
	relation_close(index, lock);
	table_close(heap, lock);
	PG_RETURN_DATUM(makeArrayResult(c.told, CurrentMemoryContext));
}
