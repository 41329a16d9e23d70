/*
 * src/pg/ann/ahead.c
 *	  Rows of the table that are likely to be next come nearer while one is looked at.
 *
 * To a row that no cache has there are three waits, each for what the one before
 * has told: the table of buffers, the page's first line, the row itself.  So the
 * candidate after the next one is looked up, and when it is the next one its page
 * is there and says where the row is.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/heapam.h"

#include "pg/ann/scan.h"

#define LINE 64

/* Nothing is pinned, so that it may be another page by now, and other lines come.  Inline: see walk.c. */
static inline __attribute__((always_inline)) void
fetch_row_lines(const SpAnnAhead *ahead)
{
	const char *page = BufferGetPage(ahead->buffer);
	int at = (int) ((PageHeader) page)->pd_linp[(OffsetNumber) ahead->row - 1].lp_off;

	/* what a filter asks for is mostly at the beginning */
	__builtin_prefetch(page + at % BLCKSZ, 0, 2);
	__builtin_prefetch(page + (at + LINE) % BLCKSZ, 0, 2);
}

static void
look_up(Relation heap, SpAnnAhead *ahead, uint64 row)
{
	OffsetNumber at = (OffsetNumber) row;
	PageHeader page;

	ahead->row = row;
	ahead->buffer = InvalidBuffer;
	/* a damaged index may say anything */
	if (at < FirstOffsetNumber || at > MaxHeapTuplesPerPage)
		return;
	ahead->buffer = PrefetchBuffer(heap, MAIN_FORKNUM, (BlockNumber) (row >> 16)).recent_buffer;
	if (!BufferIsValid(ahead->buffer))
		return;
	page = (PageHeader) BufferGetPage(ahead->buffer);
	__builtin_prefetch(page, 0, 2);
	__builtin_prefetch(&page->pd_linp[at - 1], 0, 2);
}

void
sp_ann_look_ahead(IndexScanDesc scan, SpAnnScan *so)
{
	const SpQueue *queue = &so->candidates.queue;
	SpAnnAhead *ahead = &so->fetch.ahead;

	if (queue->count < 3 || scan->heapRelation->rd_tableam != GetHeapamTableAmRoutine())
		return;
	if (ahead->row == queue->items[0].id && BufferIsValid(ahead->buffer))
		fetch_row_lines(ahead);
	look_up(scan->heapRelation, ahead,
	        queue->items[sp_queue_is_less(&queue->items[1], &queue->items[2]) ? 1 : 2].id);
}
