/*
 * src/pg/ann/places.h
 *	  Where pages were found among the buffers, and what comes near soon.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_ANN_PLACES_H
#define SP_PG_ANN_PLACES_H

#include "access/relscan.h"
#include "storage/buf.h"
#include "storage/bufpage.h"
#include "utils/rel.h"

/* As ReadBuffer() does, without the table of buffers where the page is still in its place. */
extern Buffer sp_ann_read_page(Relation rel, BlockNumber block);

/* A heap, whose fetch may be helped: before and after it. */
extern bool sp_ann_fetches_by_place(Relation table);
extern void sp_ann_pin_before_fetch(Relation table, IndexFetchTableData *fetch, BlockNumber block);
extern void sp_ann_note_fetched(Relation table, const IndexFetchTableData *fetch,
                                BlockNumber block);

/* The page's head and a part of it may soon be read, if its place is known: they come nearer. */
extern void sp_ann_expect_page(Relation rel, BlockNumber block, int at, int bytes);
/* What is known of the place of a row's page; when that is near, the same of the page; then of the
 * beginning of the row. */
extern void sp_ann_expect_place(Relation table, const ItemPointerData *row);
extern void sp_ann_expect_pointer(Relation table, const ItemPointerData *row);
extern void sp_ann_expect_row(Relation table, const ItemPointerData *row, int bytes);

/* Of a list: what of the page was empty when it was read; and all but that comes nearer, if its
 * place is known. */
extern void sp_ann_note_ends(Relation index, BlockNumber block, Page page);
extern bool sp_ann_expect_list_page(Relation index, BlockNumber block);

#endif /* SP_PG_ANN_PLACES_H */
