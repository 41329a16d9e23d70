/*
 * src/pg/ann/insert.c
 *	  A row is added to the last page of its list.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "storage/freespace.h"
#include "utils/memutils.h"

#include "pg/ann/ann.h"

/* --- a place for the copy ------------------------------------------------------------ */

typedef struct Copy
{
	Buffer buffer; /* locked, or InvalidBuffer */
	uint16 slot;
	bool fresh; /* the page is to be initialised */
} Copy;

/* The page, if it has a slot; else the map of free space is told that it has none. */
static bool
try_copy_page(Relation index, uint32 dims, BlockNumber block, Copy *copy)
{
	Buffer buffer = ReadBuffer(index, block);
	int slot = -1;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (sp_ann_page_is(BufferGetPage(buffer), SP_ANN_PAGE_VECTORS))
		slot = sp_ann_vectors_free_slot(BufferGetPage(buffer), dims);
	if (slot >= 0)
	{
		*copy = (Copy){buffer, (uint16) slot, false};
		return true;
	}
	UnlockReleaseBuffer(buffer);
	return false;
}

/* The last one that this backend used, one with a free slot, or a new one. */
static Copy
find_copy_page(Relation index, uint32 dims)
{
	BlockNumber block = RelationGetTargetBlock(index);
	Copy copy;

	if (block != InvalidBlockNumber && try_copy_page(index, dims, block, &copy))
		return copy;
	while ((block = GetPageWithFreeSpace(index, SP_ANN_SLOT_FREE)) != InvalidBlockNumber)
	{
		if (try_copy_page(index, dims, block, &copy))
		{
			RelationSetTargetBlock(index, block);
			return copy;
		}
		RecordPageWithFreeSpace(index, block, 0);
	}
	copy = (Copy){sp_ann_new_buffer(index), 0, true};
	RelationSetTargetBlock(index, BufferGetBlockNumber(copy.buffer));
	return copy;
}

static void
put_copy(GenericXLogState *state, const SpAnnIndex *ann, SpAnnRow *row, const Copy *copy)
{
	Page page;

	if (!BufferIsValid(copy->buffer))
		return;
	page =
		GenericXLogRegisterBuffer(state, copy->buffer, copy->fresh ? GENERIC_XLOG_FULL_IMAGE : 0);
	if (copy->fresh)
		sp_ann_page_init(page, SP_ANN_PAGE_VECTORS, 0);
	sp_ann_vectors_put(page, ann->meta.dims, copy->slot, row->half);
	sp_ann_set_copy(ann, row->side, BufferGetBlockNumber(copy->buffer), copy->slot);
}

static Copy
copy_for(Relation index, const SpAnnIndex *ann, const SpAnnRow *row)
{
	if (ann->block_at == 0 || row->list >= ann->meta.lists)
		return (Copy){InvalidBuffer, 0, false};
	return find_copy_page(index, ann->meta.dims);
}

static void
release(Buffer buffer)
{
	if (BufferIsValid(buffer))
		UnlockReleaseBuffer(buffer);
}

/* --- a place for the row ------------------------------------------------------------- */

static Buffer
lock_list_page(Relation index, uint32 list, BlockNumber block, int mode)
{
	Buffer buffer = ReadBuffer(index, block);
	Page page = BufferGetPage(buffer);

	LockBuffer(buffer, mode);
	if (!sp_ann_page_is(page, SP_ANN_PAGE_LIST) || sp_ann_special(page)->list != list)
		ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
		                errmsg("block %u of index \"%s\" is not of list %u", block,
		                       RelationGetRelationName(index), list),
		                errhint("Run REINDEX.")));
	return buffer;
}

/* In one record of WAL: the row, its copy, and the new page that it needed. */
static void
write_row(Relation index, const SpAnnIndex *ann, SpAnnRow *row, Buffer head, Buffer last,
          Buffer fresh)
{
	SpAnnLayout layout = sp_ann_layout(ann, row->list);
	Copy copy = copy_for(index, ann, row);
	GenericXLogState *state = GenericXLogStart(index);
	Page page = GenericXLogRegisterBuffer(state, last, 0);

	put_copy(state, ann, row, &copy);
	if (BufferIsValid(fresh))
	{
		Page first = head == last ? page : GenericXLogRegisterBuffer(state, head, 0);
		BlockNumber block = BufferGetBlockNumber(fresh);

		sp_ann_special(page)->next = block;
		sp_ann_special(first)->last = block;
		page = GenericXLogRegisterBuffer(state, fresh, GENERIC_XLOG_FULL_IMAGE);
		sp_ann_page_init(page, SP_ANN_PAGE_LIST, row->list);
	}
	sp_ann_page_add(page, layout, row->code, row->side);
	GenericXLogFinish(state);
	release(copy.buffer);
}

/* The list has no room: only who holds its first page may give it one more page. */
static void
extend_list(Relation index, const SpAnnIndex *ann, SpAnnRow *row, BlockNumber first)
{
	SpAnnLayout layout = sp_ann_layout(ann, row->list);
	Buffer head = lock_list_page(index, row->list, first, BUFFER_LOCK_EXCLUSIVE);
	BlockNumber block = sp_ann_special(BufferGetPage(head))->last;
	Buffer last =
		block == first ? head : lock_list_page(index, row->list, block, BUFFER_LOCK_EXCLUSIVE);
	Buffer fresh = InvalidBuffer;

	if (!sp_ann_page_has_room(BufferGetPage(last), layout, 1))
		fresh = sp_ann_new_buffer(index);
	write_row(index, ann, row, head, last, fresh);
	release(fresh);
	if (last != head)
		UnlockReleaseBuffer(last);
	UnlockReleaseBuffer(head);
}

/* Still the last one: since somebody said so it may have got a successor, and even have been emptied. */
static bool
is_last_with_room(Page page, const SpAnnIndex *ann, uint32 list)
{
	return sp_ann_page_is(page, SP_ANN_PAGE_LIST) && sp_ann_special(page)->list == list &&
	       sp_ann_special(page)->next == InvalidBlockNumber &&
	       sp_ann_page_has_room(page, sp_ann_layout(ann, list), 1);
}

static void
put_row(Relation index, const SpAnnIndex *ann, SpAnnRow *row, BlockNumber first)
{
	Buffer buffer = lock_list_page(index, row->list, first, BUFFER_LOCK_SHARE);
	BlockNumber block = sp_ann_special(BufferGetPage(buffer))->last;
	bool done;

	UnlockReleaseBuffer(buffer);
	buffer = ReadBuffer(index, block);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	done = is_last_with_room(BufferGetPage(buffer), ann, row->list);
	if (done)
		write_row(index, ann, row, InvalidBuffer, buffer, InvalidBuffer);
	UnlockReleaseBuffer(buffer);
	if (!done)
		extend_list(index, ann, row, first);
}

bool
sp_ann_insert(Relation index, Datum *values, bool *isnull, ItemPointer tid, Relation heap,
              IndexUniqueCheck unique, bool unchanged, IndexInfo *info)
{
	SpAnnEncoder *e = info->ii_AmCache;
	SpAnnIndex ann;
	SpAnnRow *row;

	if (e == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(info->ii_Context);

		e = info->ii_AmCache = sp_ann_encoder_new(index, sp_ann_open(index));
		MemoryContextSwitchTo(old);
	}
	e->ann = sp_ann_open(index);
	row = sp_ann_encode(e, values, isnull, tid);
	ann = *e->ann;
	if (ann.label_at != 0 && row->list < ann.meta.lists)
		sp_ann_set_label(&ann, row->side, sp_ann_label(&ann.meta, index, values, isnull));
	put_row(index, &ann, row, e->ann->heads[row->list]);
	return false;
}
