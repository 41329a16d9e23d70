/*
 * src/pg/ann/stats.c
 *	  What an index looks like inside: spotai.index_stats().
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "pg/ann/inspect.h"
#include "pg/seam.h"

SPOTAI_FUNCTION(spotai_ann_stats);

/* What calls for a new index; from what users of inverted lists are told elsewhere, rounded. */
#define MUCH_GROWTH    4.0
#define MUCH_DRIFT     1.2
#define MUCH_IMBALANCE 3.0
#define MUCH_EMPTY     0.3
/* Below that any index is fine. */
#define FEW_ROWS 1000

typedef struct Stats
{
	SpAnnMeta meta;
	int64 rows, without_distance, empty, largest, in_list;
	double squares, error;
	int64 pages, deleted;
} Stats;

Relation
sp_ann_open_index(Oid oid, LOCKMODE lock)
{
	Relation index = relation_open(oid, lock);

	if (index->rd_rel->relkind != RELKIND_INDEX || index->rd_indam->ambuild != sp_ann_build)
		ereport(ERROR,
		        (errcode(ERRCODE_WRONG_OBJECT_TYPE),
		         errmsg("\"%s\" is not an index of spotai_ann", RelationGetRelationName(index))));
	if (RELATION_IS_OTHER_TEMP(index))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("cannot read temporary indexes of other sessions")));
	return index;
}

static void
count_page(Relation index, Buffer buffer, const SpAnnIndex *ann, uint32 list, Stats *s)
{
	SpAnnLayout layout = sp_ann_layout(ann, list);
	Page page = BufferGetPage(buffer);
	uint32 n = sp_ann_page_count(page, layout);

	sp_ann_check_page(index, buffer, layout);
	if (list >= ann->meta.lists)
	{
		s->without_distance += n;
		return;
	}
	s->in_list += n;
	for (uint32 i = 0; i < n; i++)
		s->error += ((SpAnnSide *) sp_ann_page_side(page, layout, i))->factors.error;
}

static void
count_list(Relation index, const SpAnnIndex *ann, uint32 list, BlockNumber first, Stats *s)
{
	BlockNumber block = first;
	uint32 steps = 0;

	s->in_list = 0;
	while (block != InvalidBlockNumber)
	{
		Buffer buffer = ReadBuffer(index, block);
		Page page = BufferGetPage(buffer);

		CHECK_FOR_INTERRUPTS();
		sp_ann_check_steps(index, list, steps++);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (sp_ann_page_is(page, SP_ANN_PAGE_LIST) && sp_ann_special(page)->list == list)
			count_page(index, buffer, ann, list, s);
		block = sp_ann_page_is(page, SP_ANN_PAGE_LIST) || sp_ann_page_is(page, SP_ANN_PAGE_DELETED)
		            ? sp_ann_special(page)->next
		            : InvalidBlockNumber;
		UnlockReleaseBuffer(buffer);
	}
	if (list >= ann->meta.lists)
		return;
	s->rows += s->in_list;
	s->squares += (double) s->in_list * s->in_list;
	s->largest = Max(s->largest, s->in_list);
	s->empty += s->in_list == 0;
}

static void
count_deleted(Relation index, Stats *s)
{
	s->pages = RelationGetNumberOfBlocks(index);
	for (BlockNumber block = 0; block < s->pages; block++)
	{
		Buffer buffer = ReadBuffer(index, block);
		Page page = BufferGetPage(buffer);

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		s->deleted += PageIsNew(page) || sp_ann_page_is(page, SP_ANN_PAGE_DELETED);
		UnlockReleaseBuffer(buffer);
	}
}

/* How much longer residuals are than those that the index was built with. */
static double
drift(const Stats *s)
{
	if (s->rows == 0 || s->meta.built_error == 0)
		return 1;
	return s->error / (double) s->rows / s->meta.built_error;
}

/* 1 when all lists have as many rows, and as many times more that a search reads than it might. */
static double
imbalance(const Stats *s)
{
	if (s->rows == 0)
		return 1;
	return s->squares * s->meta.lists / ((double) s->rows * (double) s->rows);
}

static const char *
advice(const Stats *s)
{
	if (s->rows + s->without_distance < FEW_ROWS)
		return NULL;
	if ((double) s->rows > MUCH_GROWTH * s->meta.built_rows)
		return "REINDEX: the table has grown since the index was built";
	if (drift(s) > MUCH_DRIFT)
		return "REINDEX: rows are unlike those that the index was built with";
	if (imbalance(s) > MUCH_IMBALANCE)
		return "REINDEX, perhaps with more lists: a few lists have most of the rows";
	if ((double) s->deleted > MUCH_EMPTY * (double) s->pages)
		return "REINDEX: much of the index is empty";
	return NULL;
}

Datum
spotai_ann_stats(PG_FUNCTION_ARGS)
{
	Relation index = sp_ann_open_index(PG_GETARG_OID(0), AccessShareLock);
	SpAnnIndex *ann = sp_ann_copy(index);
	Stats s = {.meta = ann->meta};
	Datum values[11];
	bool nulls[11] = {false};
	TupleDesc desc;

	for (uint32 list = 0; list < SP_ANN_CHAINS(&ann->meta); list++)
		count_list(index, ann, list, ann->heads[list], &s);
	count_deleted(index, &s);
	relation_close(index, AccessShareLock);
	values[0] = Int64GetDatum(s.rows);
	values[1] = Int64GetDatum(s.without_distance);
	values[2] = Int32GetDatum((int32) s.meta.lists);
	values[3] = Int32GetDatum((int32) s.empty);
	values[4] = Int64GetDatum(s.largest);
	values[5] = Float8GetDatum(imbalance(&s));
	values[6] = Int64GetDatum((int64) s.meta.built_rows);
	values[7] = Float8GetDatum(drift(&s));
	values[8] = Int64GetDatum(s.pages);
	values[9] = Int64GetDatum(s.deleted);
	nulls[10] = advice(&s) == NULL;
	values[10] = nulls[10] ? (Datum) 0 : CStringGetTextDatum(advice(&s));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
