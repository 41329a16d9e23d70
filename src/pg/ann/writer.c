/*
 * src/pg/ann/writer.c
 *	  Pages of an index that nobody sees yet.
 *
 * A page is made in memory of our own and copied to its buffer when it is done,
 * so that no lock is held while a sort reads its files.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "utils/lsyscache.h"

#include "pg/ann/writer.h"
#include "pg/seam.h"

/* Of the rotations of all indexes, so that a backend makes one for each number of dimensions. */
#define SEED UINT64CONST(0x73706f7461692031)

/* A page that is being made, and the buffer, pinned, that it goes to. */
typedef struct Making
{
	PGAlignedBlock page;
	Buffer buffer;
} Making;

struct SpAnnWriter
{
	Relation index;
	ForkNumber fork;
	SpAnnIndex *ann;
	uint32 list;
	SpAnnLayout layout;
	Making rows;
	Making copies; /* its buffer is InvalidBuffer when there is none */
	uint16 slots;  /* copies that a page has room for */
};

/* --- what the index is to be ---------------------------------------------------------- */

static SpAnnMetric
metric_of(Relation index, int column)
{
	FmgrInfo *support = index_getprocinfo(index, (AttrNumber) (column + 1), 1);

	return (SpAnnMetric) DatumGetInt32(FunctionCall0Coll(support, InvalidOid));
}

static void
check_dims(Relation index, const SpAnnMeta *meta, int32 typmod)
{
	if (typmod < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("an indexed embedding needs a number of dimensions"),
		                errhint("Declare the column as spotai.embedding(n), or index the "
		                        "expression (column::spotai.embedding(n)).")));
	if (meta->rerank == SP_ANN_FROM_INDEX && sp_ann_vectors_per_page((uint32) typmod) < 1)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("copies of %d dimensions do not fit on a page", typmod),
		                errhint("Use rerank = 'heap'.")));
}

/* Only classes of embeddings have a support function. */
static bool
is_embedding(Relation index, int column)
{
	return OidIsValid(index->rd_support[column]);
}

/* Where the embedding is. */
static int
check_columns(Relation index)
{
	int n = IndexRelationGetNumberOfKeyAttributes(index);

	if (n > SP_ANN_COLUMNS)
		ereport(ERROR, (errcode(ERRCODE_TOO_MANY_COLUMNS),
		                errmsg("an index of spotai_ann has an embedding and at most one label")));
	if (n == 1 && !is_embedding(index, 0))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("an index of spotai_ann needs an embedding")));
	if (n == 2 && is_embedding(index, 0) == is_embedding(index, 1))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("an index of spotai_ann has one embedding and one label"),
		                errhint("Labels are integer or smallint.")));
	return is_embedding(index, 0) ? 0 : 1;
}

/* A row and its code must fit on a page. */
static void
check_row(const SpAnnMeta *meta)
{
	SpAnnIndex ann;
	SpAnnLayout layout;
	PGAlignedBlock page;

	sp_ann_fill(&ann, meta);
	layout = sp_ann_layout(&ann, 0);
	sp_ann_page_init(page.data, SP_ANN_PAGE_LIST, 0);
	if (!sp_ann_page_has_room(page.data, layout, 1))
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("codes of %d bits for %u dimensions do not fit on a page",
		                       meta->bits, meta->dims),
		                errhint("Use fewer bits.")));
}

void
sp_ann_meta_begin(Relation index, SpAnnMeta *meta)
{
	SpAnnOptions *options = (SpAnnOptions *) index->rd_options;
	int column = check_columns(index);
	int32 typmod = TupleDescAttr(RelationGetDescr(index), column)->atttypmod;

	memset(meta, 0, sizeof(*meta));
	meta->magic = SP_ANN_MAGIC;
	meta->version = SP_ANN_VERSION;
	meta->seed = SEED;
	meta->metric = (uint8) metric_of(index, column);
	meta->column = (uint8) column;
	meta->bits = options != NULL ? (uint8) options->bits : 1;
	meta->rerank = options != NULL ? (uint8) options->rerank : SP_ANN_FROM_HEAP;
	meta->has_label = IndexRelationGetNumberOfKeyAttributes(index) > 1;
	/* no list has none, so that what is read from a damaged page is never a division by it */
	meta->lists = 1;
	check_dims(index, meta, typmod);
	meta->dims = (uint32) typmod;
	check_row(meta);
}

/* --- pages ---------------------------------------------------------------------------- */

static void
begin_page(SpAnnWriter *w, Making *m, uint16 kind, uint32 list)
{
	m->buffer = ReadBufferExtended(w->index, w->fork, P_NEW, RBM_NORMAL, NULL);
	sp_ann_page_init(m->page.data, kind, list);
}

static void
end_page(Making *m)
{
	LockBuffer(m->buffer, BUFFER_LOCK_EXCLUSIVE);
	memcpy(BufferGetPage(m->buffer), m->page.data, BLCKSZ);
	MarkBufferDirty(m->buffer);
	UnlockReleaseBuffer(m->buffer);
	m->buffer = InvalidBuffer;
}

SpAnnWriter *
sp_ann_writer_new(Relation index, ForkNumber fork, SpAnnIndex *ann)
{
	SpAnnWriter *w = palloc0(sizeof(*w));

	w->index = index;
	w->fork = fork;
	w->ann = ann;
	if (ann->block_at != 0)
		w->slots = (uint16) sp_ann_vectors_per_page(ann->meta.dims);
	for (uint32 i = 0; i <= ann->meta.constant_blocks; i++)
		ReleaseBuffer(ReadBufferExtended(index, fork, P_NEW, RBM_NORMAL, NULL));
	return w;
}

void
sp_ann_writer_begin_list(SpAnnWriter *w, uint32 list)
{
	w->list = list;
	w->layout = sp_ann_layout(w->ann, list);
	begin_page(w, &w->rows, SP_ANN_PAGE_LIST, list);
	w->ann->heads[list] = BufferGetBlockNumber(w->rows.buffer);
	sp_ann_special(w->rows.page.data)->last = w->ann->heads[list];
}

static void
put_copy(SpAnnWriter *w, char *side, const void *half)
{
	Page page = w->copies.page.data;
	uint16 slot;

	if (!BufferIsValid(w->copies.buffer))
		begin_page(w, &w->copies, SP_ANN_PAGE_VECTORS, 0);
	slot = sp_ann_special(page)->count;
	sp_ann_vectors_put(page, w->ann->meta.dims, slot, half);
	sp_ann_set_copy(w->ann, side, BufferGetBlockNumber(w->copies.buffer), slot);
	if (slot + 1 == w->slots)
		end_page(&w->copies);
}

static void
next_page(SpAnnWriter *w)
{
	Making next;

	begin_page(w, &next, SP_ANN_PAGE_LIST, w->list);
	sp_ann_special(w->rows.page.data)->next = BufferGetBlockNumber(next.buffer);
	end_page(&w->rows);
	w->rows = next;
}

void
sp_ann_writer_add(SpAnnWriter *w, const void *code, char *side, const void *half)
{
	if (half != NULL)
		put_copy(w, side, half);
	if (!sp_ann_page_has_room(w->rows.page.data, w->layout, 1))
		next_page(w);
	sp_ann_page_add(w->rows.page.data, w->layout, code, side);
}

void
sp_ann_writer_end_list(SpAnnWriter *w)
{
	BlockNumber last = BufferGetBlockNumber(w->rows.buffer), first = w->ann->heads[w->list];
	Buffer buffer;

	end_page(&w->rows);
	if (last == first)
		return;
	buffer = ReadBufferExtended(w->index, w->fork, first, RBM_NORMAL, NULL);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	sp_ann_special(BufferGetPage(buffer))->last = last;
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
}

void
sp_ann_writer_end(SpAnnWriter *w)
{
	if (BufferIsValid(w->copies.buffer))
		end_page(&w->copies);
	sp_ann_write_meta(w->index, w->fork, &w->ann->meta, w->ann->heads, w->ann->centroids);
	pfree(w);
}
