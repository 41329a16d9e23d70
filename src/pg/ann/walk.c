/*
 * src/pg/ann/walk.c
 *	  From page to page of a list.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "miscadmin.h"

#include "pg/ann/scan.h"

/* Times that a walk may find a page gone before the index must be damaged. */
#define MOST_RESTARTS 1000

/* The page belongs to the list, or did and still shows the way. */
static bool
is_on_the_way(Page page, uint32 list)
{
	return (sp_ann_page_is(page, SP_ANN_PAGE_LIST) || sp_ann_page_is(page, SP_ANN_PAGE_DELETED)) &&
	       sp_ann_special(page)->list == list;
}

/*
 * On a standby, where nobody waits for us, a page may have become another
 * list's while we were on the way to it; then we begin again, and what was seen
 * is seen twice.
 */
void
sp_ann_walk(SpAnnScan *so, Relation index, uint32 list, BlockNumber first, SpAnnPageFn fn)
{
	BlockNumber block = first;
	int restarts = 0;

	while (block != InvalidBlockNumber)
	{
		Buffer buffer;
		Page page;

		CHECK_FOR_INTERRUPTS();
		buffer = ReadBuffer(index, block);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buffer);
		if (is_on_the_way(page, list))
		{
			if (sp_ann_special(page)->kind == SP_ANN_PAGE_LIST)
				fn(so, page, list);
			block = sp_ann_special(page)->next;
		}
		else if (block == first || restarts++ == MOST_RESTARTS)
			ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
			                errmsg("block %u of index \"%s\" is not of list %u", block,
			                       RelationGetRelationName(index), list),
			                errhint("Run REINDEX.")));
		else
			block = first;
		UnlockReleaseBuffer(buffer);
	}
}
