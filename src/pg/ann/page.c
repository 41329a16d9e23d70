/*
 * src/pg/ann/page.c
 *	  A page of a list: codes from its beginning, what else belongs to rows from
 *	  its end.
 *
 * Codes lie side by side, as the estimate wants them, and what is between the
 * two is a hole to PostgreSQL, which then leaves it out of the WAL.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/transam.h"
#include "storage/indexfsm.h"
#include "storage/lmgr.h"
#include "utils/snapmgr.h"

#include "pg/ann/ann.h"

void
sp_ann_page_init(Page page, uint16 kind, uint32 list)
{
	SpAnnSpecial *special;

	PageInit(page, BLCKSZ, sizeof(SpAnnSpecial));
	((PageHeader) page)->pd_lower = MAXALIGN(SizeOfPageHeaderData);
	special = sp_ann_special(page);
	special->list = list;
	special->next = InvalidBlockNumber;
	special->last = InvalidBlockNumber;
	special->kind = kind;
	special->count = 0;
	special->deleted_at = InvalidFullTransactionId;
}

bool
sp_ann_page_is(Page page, uint16 kind)
{
	return !PageIsNew(page) && PageGetSpecialSize(page) == MAXALIGN(sizeof(SpAnnSpecial)) &&
	       sp_ann_special(page)->kind == kind;
}

void
sp_ann_check_page(Relation index, Buffer buffer, SpAnnLayout layout)
{
	Page page = BufferGetPage(buffer);
	PageHeader header = (PageHeader) page;
	uint32 sides = header->pd_special - header->pd_upper;

	if (sides % layout.side_size != 0 ||
	    header->pd_lower !=
	        MAXALIGN(SizeOfPageHeaderData) + (sides / layout.side_size) * layout.code_size)
		ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
		                errmsg("block %u of index \"%s\" is damaged", BufferGetBlockNumber(buffer),
		                       RelationGetRelationName(index)),
		                errhint("Run REINDEX.")));
}

/* Asking how long the index is costs a system call, so short lists are not suspected. */
#define UNSUSPICIOUS 1000

void
sp_ann_check_steps(Relation index, uint32 list, uint32 steps)
{
	if (steps > UNSUSPICIOUS && steps > RelationGetNumberOfBlocks(index))
		ereport(ERROR,
		        (errcode(ERRCODE_INDEX_CORRUPTED),
		         errmsg("list %u of index \"%s\" has no end", list, RelationGetRelationName(index)),
		         errhint("Run REINDEX.")));
}

bool
sp_ann_page_has_room(Page page, SpAnnLayout layout, uint32 rows)
{
	PageHeader header = (PageHeader) page;

	return header->pd_upper - header->pd_lower >= rows * (layout.code_size + layout.side_size);
}

void
sp_ann_page_add(Page page, SpAnnLayout layout, const void *code, const void *side)
{
	PageHeader header = (PageHeader) page;

	Assert(sp_ann_page_has_room(page, layout, 1));
	memcpy((char *) page + header->pd_lower, code, layout.code_size);
	header->pd_lower += layout.code_size;
	header->pd_upper -= layout.side_size;
	memcpy((char *) page + header->pd_upper, side, layout.side_size);
}

void
sp_ann_page_remove(Page page, SpAnnLayout layout, uint32 i)
{
	PageHeader header = (PageHeader) page;
	uint32 last = sp_ann_page_count(page, layout) - 1;
	char *codes = PageGetContents(page);

	if (i != last)
	{
		memcpy(codes + i * layout.code_size, codes + last * layout.code_size, layout.code_size);
		memcpy(sp_ann_page_side(page, layout, i), sp_ann_page_side(page, layout, last),
		       layout.side_size);
	}
	header->pd_lower -= layout.code_size;
	header->pd_upper += layout.side_size;
}

bool
sp_ann_page_can_be_used_again(Page page)
{
	if (PageIsNew(page))
		return true;
	return sp_ann_page_is(page, SP_ANN_PAGE_DELETED) &&
	       GlobalVisCheckRemovableFullXid(NULL, sp_ann_special(page)->deleted_at);
}

/* What the map of free space says may be old, so look; InvalidBuffer when there is none. */
static Buffer
free_buffer(Relation index)
{
	for (;;)
	{
		BlockNumber block = GetFreeIndexPage(index);
		Buffer buffer;

		if (block == InvalidBlockNumber)
			return InvalidBuffer;
		buffer = ReadBuffer(index, block);
		/* who has it locked is about to use it */
		if (ConditionalLockBuffer(buffer))
		{
			if (sp_ann_page_can_be_used_again(BufferGetPage(buffer)))
				return buffer;
			UnlockReleaseBuffer(buffer);
		}
		else
			ReleaseBuffer(buffer);
	}
}

Buffer
sp_ann_new_buffer(Relation index)
{
	Buffer buffer = free_buffer(index);
	bool shared = !RELATION_IS_LOCAL(index);

	if (BufferIsValid(buffer))
		return buffer;
	if (shared)
		LockRelationForExtension(index, ExclusiveLock);
	buffer = ReadBuffer(index, P_NEW);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (shared)
		UnlockRelationForExtension(index, ExclusiveLock);
	return buffer;
}
