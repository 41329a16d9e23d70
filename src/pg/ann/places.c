/*
 * src/pg/ann/places.c
 *	  Where pages were found among the buffers, and what comes near soon.
 *
 * To a row that no cache has there are four waits, each for what the one before has
 * told: the table of buffers, the buffer's header, the page's first line, the row.
 * A page is mostly where this backend saw it last, which takes no look into the
 * table of buffers, and so the next rows can be on their way while one is looked at.
 *
 * Nothing here must be true: a page is pinned only where it is, and what is read of
 * one that is not pinned only says which lines of memory are asked for.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/heapam.h"
#include "pgstat.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"

#include "pg/ann/places.h"
#include "pg/compat.h"

/* Half a megabyte of a backend that searches; what collides is forgotten. */
#define PLACES 65536
#define LINE   64
/*
 * A pin by place need not raise the count of uses by which pages stay in memory: with
 * fewer a page is read as any other, which does.
 */
#define LEAST_USES 2

typedef struct Place
{
	uint32 page; /* of any table: as page_of() says */
	Buffer buffer;
} Place;

static Place places[PLACES];

/* Two tables may share a number, which costs time. */
static inline uint32
page_of(Relation table, BlockNumber block)
{
	return block ^ sp_file_number(table) * 0x9E3779B1u;
}

Buffer
sp_ann_place(Relation rel, BlockNumber block)
{
	uint32 page = page_of(rel, block);
	const Place *place = &places[page % PLACES];

	return place->page == page ? place->buffer : InvalidBuffer;
}

/* Buffers of temporary tables are no places: they have numbers of their own. */
static void
note(Relation rel, BlockNumber block, Buffer buffer)
{
	uint32 page = page_of(rel, block);

	if (!BufferIsLocal(buffer))
		places[page % PLACES] = (Place){page, buffer};
}

/* As ReadBuffer() pins it; false when it is to be read so. */
static bool
pin(Relation rel, BlockNumber block, Buffer buffer)
{
	uint32 state = pg_atomic_read_u32(&GetBufferDescriptor(buffer - 1)->state);

	/* a temporary table's file may have the number of another's, whose page this is */
	if (RelationUsesLocalBuffers(rel) || BUF_STATE_GET_USAGECOUNT(state) < LEAST_USES ||
	    !ReadRecentBuffer(sp_file_locator(rel), MAIN_FORKNUM, block, buffer))
		return false;
	pgstat_count_buffer_read(rel);
	pgstat_count_buffer_hit(rel);
	return true;
}

Buffer
sp_ann_read_page(Relation rel, BlockNumber block)
{
	Buffer buffer = sp_ann_place(rel, block);

	if (BufferIsValid(buffer) && pin(rel, block, buffer))
		return buffer;
	buffer = ReadBuffer(rel, block);
	note(rel, block, buffer);
	return buffer;
}

bool
sp_ann_fetches_by_place(Relation table)
{
	return table->rd_tableam == GetHeapamTableAmRoutine() && !RelationUsesLocalBuffers(table);
}

void
sp_ann_pin_before_fetch(Relation table, IndexFetchTableData *fetch, BlockNumber block)
{
	IndexFetchHeapData *heap = (IndexFetchHeapData *) fetch;
	Buffer buffer = sp_ann_place(table, block);

	if (buffer == InvalidBuffer || buffer == heap->xs_cbuf || !pin(table, block, buffer))
		return;
	if (BufferIsValid(heap->xs_cbuf))
		ReleaseBuffer(heap->xs_cbuf);
	heap->xs_cbuf = buffer;
	/* the table's own fetch does this when it comes to another page */
	heap_page_prune_opt(table, buffer);
}

void
sp_ann_note_fetched(Relation table, const IndexFetchTableData *fetch, BlockNumber block)
{
	note(table, block, ((const IndexFetchHeapData *) fetch)->xs_cbuf);
}

/* --- what comes near ------------------------------------------------------------------ */

static inline OffsetNumber
offset_of(uint64 row)
{
	OffsetNumber offset = (OffsetNumber) row;

	/* a damaged index may say anything */
	return offset >= FirstOffsetNumber && offset <= MaxHeapTuplesPerPage ? offset
	                                                                     : FirstOffsetNumber;
}

/* Inline: see walk.c. */
static inline __attribute__((always_inline)) void
fetch_lines(const char *page, int at, int bytes)
{
	for (int i = 0; i < bytes; i += LINE)
		__builtin_prefetch(page + (at + i) % BLCKSZ);
}

static inline __attribute__((always_inline)) void
fetch_header(Buffer buffer)
{
	__builtin_prefetch(GetBufferDescriptor(buffer - 1));
	__builtin_prefetch(BufferGetPage(buffer));
}

void
sp_ann_expect_page(Relation rel, BlockNumber block, int at, int bytes)
{
	Buffer buffer = sp_ann_place(rel, block);

	if (buffer == InvalidBuffer)
		return;
	fetch_header(buffer);
	fetch_lines(BufferGetPage(buffer), at, bytes);
}

void
sp_ann_expect_pointer(Relation table, uint64 row)
{
	sp_ann_expect_page(table, (BlockNumber) (row >> 16),
	                   (int) offsetof(PageHeaderData, pd_linp[offset_of(row) - 1]), 1);
}

void
sp_ann_expect_row(Relation table, uint64 row, int bytes)
{
	Buffer buffer = sp_ann_place(table, (BlockNumber) (row >> 16));
	PageHeader page;

	if (buffer == InvalidBuffer)
		return;
	page = (PageHeader) BufferGetPage(buffer);
	fetch_lines((const char *) page, (int) page->pd_linp[offset_of(row) - 1].lp_off, bytes);
}
