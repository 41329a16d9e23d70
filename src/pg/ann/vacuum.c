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
#include "storage/freespace.h"
#include "storage/indexfsm.h"
#include "storage/lmgr.h"

#include "pg/ann/ann.h"
#include "pg/compat.h"

typedef struct Vacuum
{
	IndexVacuumInfo *info;
	Relation index;
	IndexBulkDeleteResult *stats;
	IndexBulkDeleteCallback callback;
	void *state;
	SpAnnIndex ann; /* heads are ours */
} Vacuum;

static Buffer
lock_page(Vacuum *v, BlockNumber block)
{
	Buffer buffer =
		ReadBufferExtended(v->index, MAIN_FORKNUM, block, RBM_NORMAL, v->info->strategy);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	return buffer;
}

/* --- copies -------------------------------------------------------------------------- */

/* Pages that a record of the WAL changes: the list's, then those of copies. */
typedef struct Changed
{
	GenericXLogState *state;
	int n;
	Buffer buffers[MAX_GENERIC_XLOG_PAGES];
	Page pages[MAX_GENERIC_XLOG_PAGES]; /* as they are to be */
} Changed;

static Page
change(Changed *c, Buffer buffer)
{
	c->buffers[c->n] = buffer;
	return c->pages[c->n++] = GenericXLogRegisterBuffer(c->state, buffer, 0);
}

static void
check_copy(Vacuum *v, BlockNumber block, Page page, uint16 slot)
{
	if (!sp_ann_page_is(page, SP_ANN_PAGE_VECTORS) ||
	    slot >= sp_ann_vectors_per_page(v->ann.meta.dims))
		ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
		                errmsg("block %u of index \"%s\" has no copy %u", block,
		                       RelationGetRelationName(v->index), slot),
		                errhint("Run REINDEX.")));
}

/* The copy of a row becomes free; false when the record has no room for its page. */
static bool
free_copy(Vacuum *v, Changed *c, const char *side)
{
	BlockNumber block = sp_ann_get_copy(&v->ann, side);
	uint16 slot = ((const SpAnnSide *) side)->slot;
	int i = 0;

	while (i < c->n && BufferGetBlockNumber(c->buffers[i]) != block)
		i++;
	if (i == MAX_GENERIC_XLOG_PAGES)
		return false;
	if (i == c->n)
		(void) change(c, lock_page(v, block));
	check_copy(v, block, c->pages[i], slot);
	sp_ann_vectors_free(c->pages[i], slot);
	return true;
}

/* Other rows may have their slots now. */
static void
release_copies(Vacuum *v, const Changed *c)
{
	for (int i = 1; i < c->n; i++)
	{
		BlockNumber block = BufferGetBlockNumber(c->buffers[i]);

		UnlockReleaseBuffer(c->buffers[i]);
		RecordPageWithFreeSpace(v->index, block, SP_ANN_SLOT_FREE);
	}
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

/*
 * In one record of the WAL: rows and their copies, so that no crash leaves a copy
 * that is nobody's and nobody else gets one that still is somebody's.  How many
 * rows went.
 */
static int
remove_some(Vacuum *v, Buffer buffer, uint32 list, const uint16 *dead, int n)
{
	SpAnnLayout layout = sp_ann_layout(&v->ann, list);
	bool copied = v->ann.block_at != 0 && list < v->ann.meta.lists;
	Changed c = {.state = GenericXLogStart(v->index)};
	Page page = change(&c, buffer);
	int i;

	for (i = 0; i < n; i++)
	{
		if (copied && !free_copy(v, &c, sp_ann_page_side(page, layout, dead[i])))
			break;
		sp_ann_page_remove(page, layout, dead[i]);
	}
	GenericXLogFinish(c.state);
	release_copies(v, &c);
	return i;
}

static void
remove_dead(Vacuum *v, Buffer buffer, uint32 list, const uint16 *dead, int n)
{
	for (int done = 0; done < n;)
		done += remove_some(v, buffer, list, dead + done, n - done);
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
	buffer = lock_page(v, block);
	page = BufferGetPage(buffer);
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
	v.stats->num_index_tuples = 0;
	v.stats->estimated_count = false;
	for (uint32 list = 0; list < SP_ANN_CHAINS(&v.ann.meta); list++)
		vacuum_list(&v, list);
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
