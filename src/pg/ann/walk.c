/*
 * src/pg/ann/walk.c
 *	  From page to page of a list.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "miscadmin.h"

#include "pg/ann/places.h"
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

void
sp_ann_expect(Relation index, BlockNumber block)
{
	if (!sp_ann_expect_list_page(index, block))
		(void) PrefetchBuffer(index, MAIN_FORKNUM, block);
}

static Buffer
read_ahead(Relation index, BlockNumber block)
{
	Buffer buffer = sp_ann_read_page(index, block);

	(void) sp_ann_expect_list_page(index, block);
	return buffer;
}

/* Gives the page to fn; the next one, pinned, or InvalidBuffer. *lost when this is no page of the list. */
static Buffer
visit(SpAnnScan *so, Relation index, uint32 list, Buffer buffer, SpAnnPageFn fn, bool *lost)
{
	Page page = BufferGetPage(buffer);
	Buffer next = InvalidBuffer;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	*lost = !is_on_the_way(page, list);
	if (!*lost)
	{
		if (sp_ann_special(page)->next != InvalidBlockNumber)
			next = read_ahead(index, sp_ann_special(page)->next);
		if (sp_ann_special(page)->kind == SP_ANN_PAGE_LIST)
		{
			sp_ann_check_page(index, buffer, sp_ann_layout(&so->ann, list));
			sp_ann_note_ends(index, BufferGetBlockNumber(buffer), page);
			fn(so, page, list);
		}
	}
	UnlockReleaseBuffer(buffer);
	return next;
}

/*
 * On a standby, where nobody waits for us, a page may have become another
 * list's while we were on the way to it; then we begin again, and what was seen
 * is seen twice.
 */
void
sp_ann_walk(SpAnnScan *so, Relation index, uint32 list, BlockNumber first, SpAnnPageFn fn)
{
	int restarts = 0;
	uint32 steps = 0;
	bool lost;

	for (Buffer buffer = sp_ann_read_page(index, first); BufferIsValid(buffer);)
	{
		BlockNumber block = BufferGetBlockNumber(buffer);

		CHECK_FOR_INTERRUPTS();
		sp_ann_check_steps(index, list, steps++);
		buffer = visit(so, index, list, buffer, fn, &lost);
		if (!lost)
			continue;
		if (block == first || restarts++ == MOST_RESTARTS)
			ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
			                errmsg("block %u of index \"%s\" is not of list %u", block,
			                       RelationGetRelationName(index), list),
			                errhint("Run REINDEX.")));
		buffer = sp_ann_read_page(index, first);
		steps = 0;
	}
}
