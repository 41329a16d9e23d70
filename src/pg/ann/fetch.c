/*
 * src/pg/ann/fetch.c
 *	  A candidate whose turn it is: does its row pass, and how far is it?  The exact
 *	  distance comes from the table or from its copy.
 *
 * The executor could do this, but it wants bounds that hold always, and those of
 * codes hold nearly always.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <math.h>

#include "access/tableam.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/vector/distance.h"
#include "core/vector/half.h"
#include "pg/ann/places.h"
#include "pg/ann/scan.h"
#include "pg/seam.h"

/* Of a row that is expected: what a filter asks for is mostly at its beginning. */
#define FILTERED_BYTES 128
#define WHOLE_BYTES    1024
/* Rows that are looked for ahead. */
#define EXPECTED 4

/* --- from the table ------------------------------------------------------------------ */

/* The column of the table, or 0 for an expression. */
static AttrNumber
column_of(IndexScanDesc scan, const SpAnnScan *so)
{
	return scan->indexRelation->rd_index->indkey.values[so->ann.meta.column];
}

/* As long as the scan, whichever row asks first. */
static void
begin(IndexScanDesc scan, const SpAnnScan *so, SpAnnFetch *f)
{
	MemoryContext old = MemoryContextSwitchTo(MemoryContextGetParent(so->context));

	f->heap = table_index_fetch_begin(scan->heapRelation);
	f->slot = table_slot_create(scan->heapRelation, NULL);
	f->by_place = sp_ann_fetches_by_place(scan->heapRelation);
	f->temporary = AllocSetContextCreate(CurrentMemoryContext, "a value", ALLOCSET_DEFAULT_SIZES);
	if (column_of(scan, so) == 0)
	{
		f->info = BuildIndexInfo(scan->indexRelation);
		f->estate = CreateExecutorState();
	}
	MemoryContextSwitchTo(old);
}

void
sp_ann_fetch_end(SpAnnFetch *f)
{
	if (f->heap == NULL)
		return;
	ExecDropSingleTupleTableSlot(f->slot);
	table_index_fetch_end(f->heap);
	if (f->estate != NULL)
		FreeExecutorState(f->estate);
	f->heap = NULL;
}

static Datum
indexed_value(IndexScanDesc scan, const SpAnnScan *so, SpAnnFetch *f, bool *isnull)
{
	Datum values[INDEX_MAX_KEYS];
	bool nulls[INDEX_MAX_KEYS];

	if (f->info == NULL)
		return slot_getattr(f->slot, column_of(scan, so), isnull);
	GetPerTupleExprContext(f->estate)->ecxt_scantuple = f->slot;
	ResetPerTupleExprContext(f->estate);
	FormIndexDatum(f->info, f->slot, f->estate, values, nulls);
	*isnull = nulls[so->ann.meta.column];
	return values[so->ann.meta.column];
}

static double
operator_distance(const SpAnnScan *so, const SpEmbedding *value)
{
	const float *q = so->query->values;
	size_t n = so->ann.meta.dims;

	switch ((SpAnnMetric) so->ann.meta.metric)
	{
		case SP_ANN_L2:
			return sqrt(sp_vector_l2_squared(q, value->values, n));
		case SP_ANN_COSINE:
			return 1.0 - sp_vector_cosine(q, value->values, n);
		case SP_ANN_IP:
			return 0.0 - sp_vector_inner_product(q, value->values, n);
	}
	return 0;
}

/* The row into the slot; false when it is not to be seen. */
static bool
fetch_row(IndexScanDesc scan, SpAnnScan *so, ItemPointerData tid)
{
	SpAnnFetch *f = &so->fetch;
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(&tid);
	bool again = false, found;

	if (f->heap == NULL)
		begin(scan, so, f);
	if (f->by_place)
		sp_ann_pin_before_fetch(scan->heapRelation, f->heap, block);
	found = table_index_fetch_tuple(f->heap, &tid, scan->xs_snapshot, f->slot, &again, NULL);
	if (f->by_place)
		sp_ann_note_fetched(scan->heapRelation, f->heap, block);
	return found;
}

static bool
from_row(IndexScanDesc scan, SpAnnScan *so, double *distance)
{
	SpAnnFetch *f = &so->fetch;
	bool isnull = true;
	MemoryContext old = MemoryContextSwitchTo(f->temporary);
	Datum value = indexed_value(scan, so, f, &isnull);
	const SpEmbedding *e = isnull ? NULL : (SpEmbedding *) PG_DETOAST_DATUM(value);

	if (e != NULL)
	{
		sp_embedding_check_same(so->query, e);
		*distance = operator_distance(so, e);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(f->temporary);
	return e != NULL;
}

/* --- from the copy ------------------------------------------------------------------- */

static double
copy_distance(const SpAnnScan *so, const uint16 *half)
{
	size_t n = so->ann.meta.dims;

	switch ((SpAnnMetric) so->ann.meta.metric)
	{
		case SP_ANN_L2:
			return sqrt(sp_half_l2_squared(so->vector, half, n));
		case SP_ANN_COSINE:
			return sp_half_l2_squared(so->vector, half, n) / 2;
		case SP_ANN_IP:
			return 0.0 - sp_half_inner_product(so->vector, half, n);
	}
	return 0;
}

/* A row that vacuum took away since its code was read has no copy any more. */
static bool
from_copy(Relation index, SpAnnScan *so, const SpAnnCandidate *row, double *distance)
{
	Buffer buffer = sp_ann_read_page(index, row->block);
	Page page = BufferGetPage(buffer);
	bool found;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	found = sp_ann_page_is(page, SP_ANN_PAGE_VECTORS) &&
	        row->slot < sp_ann_vectors_per_page(so->ann.meta.dims);
	if (found)
		*distance = copy_distance(so, sp_ann_vector_at(page, so->ann.meta.dims, row->slot));
	UnlockReleaseBuffer(buffer);
	return found;
}

/* Of the row in the slot. */
static bool
passes(SpAnnScan *so)
{
	so->asked++;
	if (!sp_ann_passes_filter(so->above, so->fetch.slot))
	{
		sp_ann_counters.filtered++;
		return false;
	}
	so->passed++;
	return true;
}

/* The operator's result; false when there is no such row to be seen, or it does not pass. */
static bool
fetch_distance(IndexScanDesc scan, SpAnnScan *so, const SpAnnCandidate *row, double *distance)
{
	bool copied = so->ann.meta.rerank == SP_ANN_FROM_INDEX;

	if ((!copied || so->filtered) && !fetch_row(scan, so, row->tid))
		return false;
	if (so->filtered && !passes(so))
		return false;
	sp_ann_counters.fetches++;
	return copied ? from_copy(scan->indexRelation, so, row, distance)
	              : from_row(scan, so, distance);
}

void
sp_ann_before_return(IndexScanDesc scan, const SpAnnScan *so)
{
	if (so->fetch.by_place)
		sp_ann_pin_before_fetch(scan->heapRelation, scan->xs_heapfetch,
		                        ItemPointerGetBlockNumber(&scan->xs_heaptid));
}

/* --- candidates ------------------------------------------------------------------------ */

/* Which row of the table it is, in the table's order. */
static uint64
row_number(const SpAnnCandidate *row)
{
	return (uint64) ItemPointerGetBlockNumberNoCheck(&row->tid) << 16 |
	       ItemPointerGetOffsetNumberNoCheck(&row->tid);
}

/* As codes measure. */
static double
key_of(const SpAnnScan *so, double distance)
{
	switch ((SpAnnMetric) so->ann.meta.metric)
	{
		case SP_ANN_L2:
			return distance * distance;
		case SP_ANN_COSINE:
			return 2 * distance;
		case SP_ANN_IP:
			break;
	}
	return distance;
}

static void
expect_copy(IndexScanDesc scan, const SpAnnScan *so, const SpAnnCandidate *row)
{
	int bytes = (int) (so->ann.meta.dims * sizeof(uint16));

	sp_ann_expect_page(scan->indexRelation, row->block, row->slot * bytes, bytes);
}

/*
 * The next row; those behind it, whose pages say where the row is; and the one behind
 * those, whose place says where the page is.
 */
static void
expect_rows(IndexScanDesc scan, const SpAnnScan *so)
{
	const void *next[EXPECTED];
	size_t n = sp_candidates_expect(&so->candidates, next, EXPECTED);

	if (n == 0)
		return;
	if (so->ann.meta.rerank == SP_ANN_FROM_INDEX && !so->filtered)
	{
		expect_copy(scan, so, next[0]);
		return;
	}
	if (!so->fetch.by_place)
		return;
	if (n == EXPECTED)
		sp_ann_expect_place(scan->heapRelation, next[EXPECTED - 1]);
	for (size_t i = 1; i < n && i < EXPECTED - 1; i++)
		sp_ann_expect_pointer(scan->heapRelation, next[i]);
	sp_ann_expect_row(scan->heapRelation, next[0], so->filtered ? FILTERED_BYTES : WHOLE_BYTES);
}

void
sp_ann_take_candidate(IndexScanDesc scan, SpAnnScan *so)
{
	const void *row;
	double least, distance;
	SpQueueItem item;

	/* a filter may dismiss any number of them */
	CHECK_FOR_INTERRUPTS();
	sp_pg_check(sp_candidates_take(&so->candidates, &least, &row), "index scan", NULL);
	expect_rows(scan, so);
	if (!fetch_distance(scan, so, row, &distance))
		return;
	item.key = key_of(so, distance);
	item.id = row_number(row);
	memcpy(&item.place, &distance, sizeof(distance));
	/* what overflows is as far away as anything */
	if (isnan(item.key))
		item.key = INFINITY;
	sp_pg_check(sp_queue_reserve(&so->exact, 1), "index scan", NULL);
	sp_queue_push(&so->exact, item);
}
