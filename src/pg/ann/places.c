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

/* 768 kB of a backend that searches; what collides is forgotten. */
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
	uint16 lower, upper; /* what was empty when a page of a list was read; 0: nothing is known */
} Place;

static Place places[PLACES];

/* Two tables may share a number, which costs time. */
static inline uint32
page_of(Relation table, BlockNumber block)
{
	return block ^ sp_file_number(table) * 0x9E3779B1u;
}

/* NULL: not known. */
static inline Place *
find(Relation rel, BlockNumber block)
{
	uint32 page = page_of(rel, block);
	Place *place = &places[page % PLACES];

	return place->page == page && place->buffer != InvalidBuffer ? place : NULL;
}

/* Buffers of temporary tables are no places: they have numbers of their own. */
static void
note(Relation rel, BlockNumber block, Buffer buffer)
{
	uint32 page = page_of(rel, block);
	Place *place = &places[page % PLACES];

	if (!BufferIsLocal(buffer) && (place->page != page || place->buffer != buffer))
		*place = (Place){page, buffer, 0, 0};
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
	const Place *place = find(rel, block);
	Buffer buffer;

	if (place != NULL && pin(rel, block, place->buffer))
		return place->buffer;
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
	const Place *place = find(table, block);

	if (place == NULL || place->buffer == heap->xs_cbuf || !pin(table, block, place->buffer))
		return;
	if (BufferIsValid(heap->xs_cbuf))
		ReleaseBuffer(heap->xs_cbuf);
	heap->xs_cbuf = place->buffer;
	/* the table's own fetch does this when it comes to another page */
	heap_page_prune_opt(table, place->buffer);
}

void
sp_ann_note_fetched(Relation table, const IndexFetchTableData *fetch, BlockNumber block)
{
	note(table, block, ((const IndexFetchHeapData *) fetch)->xs_cbuf);
}

/* --- what comes near ------------------------------------------------------------------ */

static inline OffsetNumber
offset_of(const ItemPointerData *row)
{
	OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(row);

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
	const Place *place = find(rel, block);

	if (place == NULL)
		return;
	fetch_header(place->buffer);
	fetch_lines(BufferGetPage(place->buffer), at, bytes);
}

void
sp_ann_expect_place(Relation table, const ItemPointerData *row)
{
	__builtin_prefetch(&places[page_of(table, ItemPointerGetBlockNumberNoCheck(row)) % PLACES]);
}

void
sp_ann_expect_pointer(Relation table, const ItemPointerData *row)
{
	sp_ann_expect_page(table, ItemPointerGetBlockNumberNoCheck(row),
	                   (int) offsetof(PageHeaderData, pd_linp[offset_of(row) - 1]), 1);
}

void
sp_ann_expect_row(Relation table, const ItemPointerData *row, int bytes)
{
	const Place *place = find(table, ItemPointerGetBlockNumberNoCheck(row));
	PageHeader page;

	if (place == NULL)
		return;
	page = (PageHeader) BufferGetPage(place->buffer);
	fetch_lines((const char *) page, (int) page->pd_linp[offset_of(row) - 1].lp_off, bytes);
}

/* --- pages of lists ------------------------------------------------------------------- */

void
sp_ann_note_ends(Relation index, BlockNumber block, Page page)
{
	Place *place = find(index, block);

	if (place == NULL)
		return;
	place->lower = ((PageHeader) page)->pd_lower;
	place->upper = ((PageHeader) page)->pd_upper;
}

/* It is not pinned, so it may be another page by now, which does no harm. */
bool
sp_ann_expect_list_page(Relation index, BlockNumber block)
{
	const Place *place = find(index, block);
	const char *page;

	if (place == NULL)
		return false;
	page = BufferGetPage(place->buffer);
	__builtin_prefetch(GetBufferDescriptor(place->buffer - 1));
	for (int at = 0; at < place->lower; at += LINE)
		__builtin_prefetch(page + at, 0, 2);
	for (int at = place->upper / LINE * LINE; at < BLCKSZ; at += LINE)
		__builtin_prefetch(page + at, 0, 2);
	return true;
}
