/*
 * src/pg/ann/vacuum.c
 *	  Vacuum: list by list, each page is made dense, and pages that fit into the
 *	  next one are emptied into it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/transam.h"
#include "commands/vacuum.h"
#include "storage/indexfsm.h"
#include "storage/lmgr.h"

#include "pg/ann/ann.h"
#include "pg/compat.h"

/* A slot of a copy that belongs to nobody any more. */
typedef struct Slot
{
	BlockNumber block;
	uint16 slot;
} Slot;

typedef struct Vacuum
{
	IndexVacuumInfo *info;
	Relation index;
	IndexBulkDeleteResult *stats;
	IndexBulkDeleteCallback callback;
	void *state;
	SpAnnIndex ann; /* heads are ours */
	Slot *slots;    /* of the page at hand */
	int nslots;
} Vacuum;

/* --- copies -------------------------------------------------------------------------- */

static int
compare_slots(const void *a, const void *b)
{
	const Slot *x = a, *y = b;

	if (x->block != y->block)
		return x->block < y->block ? -1 : 1;
	return (int) x->slot - (int) y->slot;
}

/* After the rows are gone: until then somebody might have given a slot to another row. */
static void
release_slots(Vacuum *v)
{
	uint16 *slots = palloc(sizeof(uint16) * (v->nslots + 1));

	qsort(v->slots, v->nslots, sizeof(Slot), compare_slots);
	for (int from = 0, to; from < v->nslots; from = to)
	{
		for (to = from; to < v->nslots && v->slots[to].block == v->slots[from].block; to++)
			slots[to - from] = v->slots[to].slot;
		sp_ann_vectors_release(v->index, v->ann.meta.dims, v->slots[from].block, slots, to - from);
	}
	v->nslots = 0;
	pfree(slots);
}

static void
remember_slot(Vacuum *v, const char *side)
{
	v->slots[v->nslots++] =
		(Slot){sp_ann_get_copy(&v->ann, side), ((const SpAnnSide *) side)->slot};
}

/* --- one page ------------------------------------------------------------------------ */

/* Rows of the page that are dead, from the last to the first, which is how they go. */
static int
find_dead(Vacuum *v, Page page, SpAnnLayout layout, uint16 *dead)
{
	int n = 0;

	for (int i = (int) sp_ann_page_count(page, layout) - 1; i >= 0; i--)
		if (v->callback(sp_ann_side_tid(sp_ann_page_side(page, layout, (uint32) i)), v->state))
			dead[n++] = (uint16) i;
	return n;
}

static void
remove_dead(Vacuum *v, Buffer buffer, uint32 list, const uint16 *dead, int n)
{
	SpAnnLayout layout = sp_ann_layout(&v->ann, list);
	GenericXLogState *state = GenericXLogStart(v->index);
	Page page = GenericXLogRegisterBuffer(state, buffer, 0);

	for (int i = 0; i < n; i++)
	{
		if (v->ann.block_at != 0 && list < v->ann.meta.lists)
			remember_slot(v, sp_ann_page_side(page, layout, dead[i]));
		sp_ann_page_remove(page, layout, dead[i]);
	}
	GenericXLogFinish(state);
	v->stats->tuples_removed += n;
}

typedef struct Seen
{
	BlockNumber next;
	uint32 rows;
} Seen;

static Seen
clean_page(Vacuum *v, uint32 list, BlockNumber block)
{
	SpAnnLayout layout = sp_ann_layout(&v->ann, list);
	uint16 dead[BLCKSZ / SP_ANN_BARE_SIDE];
	Buffer buffer;
	Page page;
	Seen seen;
	int n;

	sp_vacuum_delay_point();
	buffer = ReadBufferExtended(v->index, MAIN_FORKNUM, block, RBM_NORMAL, v->info->strategy);
	page = BufferGetPage(buffer);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (!sp_ann_page_is(page, SP_ANN_PAGE_LIST) || sp_ann_special(page)->list != list)
		ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
		                errmsg("block %u of index \"%s\" is not of list %u", block,
		                       RelationGetRelationName(v->index), list),
		                errhint("Run REINDEX.")));
	sp_ann_check_page(v->index, buffer, layout);
	n = find_dead(v, page, layout, dead);
	if (n > 0)
		remove_dead(v, buffer, list, dead, n);
	seen.next = sp_ann_special(page)->next;
	seen.rows = sp_ann_page_count(page, layout);
	UnlockReleaseBuffer(buffer);
	if (v->nslots > 0)
		release_slots(v);
	return seen;
}

/* --- two pages ----------------------------------------------------------------------- */

static void
move_rows(Page from, Page to, SpAnnLayout layout)
{
	uint32 n = sp_ann_page_count(from, layout);
	const char *codes = PageGetContents(from);

	for (uint32 i = 0; i < n; i++)
		sp_ann_page_add(to, layout, codes + i * layout.code_size,
		                sp_ann_page_side(from, layout, i));
}

/* An empty page that still shows the way. */
static void
mark_deleted(Page page, uint32 list, BlockNumber next)
{
	sp_ann_page_init(page, SP_ANN_PAGE_DELETED, list);
	sp_ann_special(page)->next = next;
	sp_ann_special(page)->deleted_at = ReadNextFullTransactionId();
}

static Buffer
lock_page(Vacuum *v, BlockNumber block)
{
	Buffer buffer =
		ReadBufferExtended(v->index, MAIN_FORKNUM, block, RBM_NORMAL, v->info->strategy);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	return buffer;
}

/* The rows of middle go to the page behind it, if they fit there still. */
static bool
merge_pages(Vacuum *v, uint32 list, BlockNumber before, BlockNumber middle, BlockNumber after)
{
	SpAnnLayout layout = sp_ann_layout(&v->ann, list);
	Buffer a = lock_page(v, before), b = lock_page(v, middle), c = lock_page(v, after);
	uint32 rows = sp_ann_page_count(BufferGetPage(b), layout);
	bool fits = sp_ann_page_has_room(BufferGetPage(c), layout, rows);

	if (fits)
	{
		GenericXLogState *state = GenericXLogStart(v->index);

		sp_ann_special(GenericXLogRegisterBuffer(state, a, 0))->next = after;
		/* the copy of b that is registered keeps its rows until they have been moved */
		move_rows(BufferGetPage(b), GenericXLogRegisterBuffer(state, c, 0), layout);
		mark_deleted(GenericXLogRegisterBuffer(state, b, 0), list, after);
		GenericXLogFinish(state);
		v->stats->pages_newly_deleted++;
	}
	UnlockReleaseBuffer(c);
	UnlockReleaseBuffer(b);
	UnlockReleaseBuffer(a);
	return fits;
}

/* The first page stays the first, so the second is the first that may go. */
static void
vacuum_list(Vacuum *v, uint32 list)
{
	SpAnnLayout layout = sp_ann_layout(&v->ann, list);
	uint32 room = (BLCKSZ - MAXALIGN(SizeOfPageHeaderData) - MAXALIGN(sizeof(SpAnnSpecial))) /
	              (layout.code_size + layout.side_size);
	BlockNumber before = InvalidBlockNumber, middle = InvalidBlockNumber;
	uint32 middle_rows = 0, steps = 0;

	for (BlockNumber block = v->ann.heads[list]; block != InvalidBlockNumber;)
	{
		Seen seen = clean_page(v, list, block);
		bool merged = before != InvalidBlockNumber && middle_rows + seen.rows <= room &&
		              merge_pages(v, list, before, middle, block);

		sp_ann_check_steps(v->index, list, steps++);
		v->stats->num_index_tuples += seen.rows;
		middle_rows = merged ? middle_rows + seen.rows : seen.rows;
		before = merged ? before : middle;
		middle = block;
		block = seen.next;
	}
}

/* --- entry points --------------------------------------------------------------------- */

IndexBulkDeleteResult *
sp_ann_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
                   IndexBulkDeleteCallback callback, void *state)
{
	SpAnnIndex *ann = sp_ann_open(info->index);
	Size size = sizeof(BlockNumber) * SP_ANN_CHAINS(&ann->meta);
	Vacuum v = {.info = info, .index = info->index, .callback = callback, .state = state};

	v.stats = stats != NULL ? stats : palloc0(sizeof(*stats));
	v.ann = *ann;
	v.ann.heads = memcpy(palloc(size), ann->heads, size);
	v.slots = palloc(sizeof(Slot) * (BLCKSZ / sizeof(SpAnnSide)));
	v.stats->num_index_tuples = 0;
	v.stats->estimated_count = false;
	for (uint32 list = 0; list < SP_ANN_CHAINS(&v.ann.meta); list++)
		vacuum_list(&v, list);
	pfree(v.slots);
	pfree(v.ann.heads);
	return v.stats;
}

/* Pages that may be used again go into the map of free space. */
IndexBulkDeleteResult *
sp_ann_vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	Relation index = info->index;
	BlockNumber blocks;

	if (info->analyze_only)
		return stats;
	if (stats == NULL)
	{
		stats = palloc0(sizeof(*stats));
		stats->num_index_tuples = info->num_heap_tuples;
		stats->estimated_count = true;
	}
	blocks = RelationGetNumberOfBlocks(index);
	stats->pages_deleted = stats->pages_free = 0;
	for (BlockNumber block = sp_ann_open(index)->meta.constant_blocks + 1; block < blocks; block++)
	{
		Buffer buffer;
		Page page;

		sp_vacuum_delay_point();
		buffer = ReadBufferExtended(index, MAIN_FORKNUM, block, RBM_NORMAL, info->strategy);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buffer);
		if (PageIsNew(page) || sp_ann_page_is(page, SP_ANN_PAGE_DELETED))
			stats->pages_deleted++;
		if (sp_ann_page_can_be_used_again(page))
		{
			RecordFreeIndexPage(index, block);
			stats->pages_free++;
		}
		UnlockReleaseBuffer(buffer);
	}
	IndexFreeSpaceMapVacuum(index);
	stats->num_pages = blocks;
	return stats;
}
