/*
 * src/pg/ann/build.c
 *	  Building an index: learn from a sample, read the table once, sort by list,
 *	  write lists one after the other.
 *
 * The table is read and taken apart by this process; threads meanwhile find
 * lists and encode what was read before.  Threads and not parallel workers,
 * because reading is the smaller part, and before PostgreSQL 17 the planner
 * offers no workers to access methods that are not its own.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <math.h>

#include "access/tableam.h"
#include "access/xloginsert.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "utils/backend_progress.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"

#include "core/nn/nn.h"
#include "core/vector/half.h"
#include "core/vector/kmeans.h"
#include "pg/ann/train.h"
#include "pg/ann/writer.h"
#include "pg/seam.h"
#include "pg/threads.h"

/* Rows of a task: those of a product of matrices. */
#define TASK 256
/* Rows of a batch. */
#define MOST_ROWS 4096

/* Rows that were read, and what becomes of them. */
typedef struct Batch
{
	size_t n;
	float *vectors; /* [room][dims] */
	uint32 *lists;  /* [room] */
	uint64 *codes;  /* [room][words] */
	char *sides;    /* [room][side_size] */
	uint16 *halves; /* [room][dims], where the index has copies */
} Batch;

typedef struct Build
{
	Relation index;
	SpAnnIndex ann;        /* heads and centroids are ours */
	float *centroids;      /* [lists][dims], as vectors are */
	float *code_centroids; /* [lists][padded], what codes are made with */
	const SpRotation *rotation;
	SpPool *pool;
	SpNearest *nearest[SP_POOL_MAX_THREADS]; /* one a thread */
	float *rotated[SP_POOL_MAX_THREADS];
	Batch batches[2];
	Batch *reading, *running; /* running: what threads work on, or NULL */
	size_t room;              /* rows of a batch */
	Tuplesortstate *sort;
	TupleTableSlot *slot, *sorted; /* rows that go in, and come out */
	bytea *payload;
	MemoryContext temporary;
	double rows, error; /* with a distance, and the sum of their codes' errors */
	double indexed;
} Build;

/* --- what threads do ------------------------------------------------------------------ */

static void
encode_row(const Build *b, const Batch *batch, size_t i, float *rotated)
{
	const SpAnnIndex *ann = &b->ann;
	SpAnnSide *side = (SpAnnSide *) (batch->sides + i * ann->side_size);
	const float *vector = batch->vectors + i * ann->meta.dims;

	sp_rotation_run(b->rotation, vector, rotated);
	sp_rabitq_encode(sp_ann_code_metric(&ann->meta), ann->meta.bits, rotated,
	                 b->code_centroids + (size_t) batch->lists[i] * ann->padded, ann->padded,
	                 batch->codes + i * ann->words, &side->factors);
	if (batch->halves != NULL)
		sp_half_from_floats(vector, batch->halves + i * ann->meta.dims, ann->meta.dims);
}

static SpStatus
encode_rows(void *arg, int task, int worker, const SpStop *stop)
{
	Build *b = arg;
	Batch *batch = b->running;
	size_t from = (size_t) task * TASK, n = Min(TASK, batch->n - from);
	SpStatus st;

	if (b->pool != NULL)
		sp_nn_enter_thread();
	if (sp_stop_asked(stop))
		return SP_ERR_CANCELED;
	st = sp_nearest_find(b->nearest[worker], batch->vectors + from * b->ann.meta.dims, n,
	                     batch->lists + from, NULL);
	for (size_t i = from; i < from + n && st == SP_OK; i++)
		encode_row(b, batch, i, b->rotated[worker]);
	return st;
}

/* --- into the sort -------------------------------------------------------------------- */

static void
sort_row(Build *b, uint32 list, const uint64 *code, const char *side, const uint16 *half)
{
	SpAnnLayout layout = sp_ann_layout(&b->ann, list);
	char *out = VARDATA(b->payload);

	memcpy(out, side, layout.side_size);
	memcpy(out + layout.side_size, code, layout.code_size);
	out += layout.side_size + layout.code_size;
	if (half != NULL)
	{
		memcpy(out, half, b->ann.meta.dims * sizeof(uint16));
		out += b->ann.meta.dims * sizeof(uint16);
	}
	SET_VARSIZE(b->payload, out - (char *) b->payload);
	ExecClearTuple(b->slot);
	b->slot->tts_values[0] = Int32GetDatum((int32) list);
	b->slot->tts_values[1] = PointerGetDatum(b->payload);
	b->slot->tts_isnull[0] = b->slot->tts_isnull[1] = false;
	ExecStoreVirtualTuple(b->slot);
	tuplesort_puttupleslot(b->sort, b->slot);
}

static void
sort_batch(Build *b, Batch *batch)
{
	const SpAnnIndex *ann = &b->ann;

	for (size_t i = 0; i < batch->n; i++)
	{
		char *side = batch->sides + i * ann->side_size;

		b->rows++;
		b->error += ((SpAnnSide *) side)->factors.error;
		sort_row(b, batch->lists[i], batch->codes + i * ann->words, side,
		         batch->halves != NULL ? batch->halves + i * ann->meta.dims : NULL);
	}
	batch->n = 0;
}

static void
finish_running(Build *b)
{
	if (b->running == NULL)
		return;
	if (b->pool != NULL)
		sp_pg_check(sp_pool_wait(b->pool), "index", NULL);
	sort_batch(b, b->running);
	b->running = NULL;
}

/* What was read is handed over, and the other batch is for reading. */
static void
hand_over(Build *b)
{
	int tasks = (int) ((b->reading->n + TASK - 1) / TASK);

	finish_running(b);
	b->running = b->reading;
	b->reading = b->reading == &b->batches[0] ? &b->batches[1] : &b->batches[0];
	if (b->pool != NULL)
		sp_pool_start(b->pool, encode_rows, b, tasks);
	else
		for (int i = 0; i < tasks; i++)
			sp_pg_check(encode_rows(b, i, 0, NULL), "index", NULL);
}

/* --- reading -------------------------------------------------------------------------- */

static void
add_row(Build *b, Datum *values, bool *isnull, ItemPointer tid)
{
	Batch *batch = b->reading;
	SpAnnSide *side = (SpAnnSide *) (batch->sides + batch->n * b->ann.side_size);
	uint32 list = SP_ANN_NULLS(&b->ann);
	int column = b->ann.meta.column;

	memset(side, 0, b->ann.side_size);
	side->tid = *tid;
	if (!isnull[column])
		list = sp_ann_read_vector(&b->ann.meta, (SpEmbedding *) PG_DETOAST_DATUM(values[column]),
		                          batch->vectors + batch->n * b->ann.meta.dims)
		           ? 0
		           : SP_ANN_ZEROS(&b->ann);
	if (list >= b->ann.meta.lists)
	{
		sort_row(b, list, NULL, (char *) side, NULL);
		return;
	}
	if (b->ann.label_at != 0)
		sp_ann_set_label(&b->ann, (char *) side,
		                 sp_ann_label(&b->ann.meta, b->index, values, isnull));
	batch->n++;
}

static void
read_row(Relation index, ItemPointer tid, Datum *values, bool *isnull, bool alive, void *arg)
{
	Build *b = arg;
	MemoryContext old = MemoryContextSwitchTo(b->temporary);

	add_row(b, values, isnull, tid);
	MemoryContextSwitchTo(old);
	MemoryContextReset(b->temporary);
	if (b->reading->n == b->room)
		hand_over(b);
	b->indexed++;
	if (((int64) b->indexed & 1023) == 0)
		pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, (int64) b->indexed);
}

/* --- writing -------------------------------------------------------------------------- */

static void
write_row(Build *b, SpAnnWriter *w, uint32 list, bytea *payload)
{
	SpAnnLayout layout = sp_ann_layout(&b->ann, list);
	char *side = VARDATA_ANY(payload), *code = side + layout.side_size;
	char *half = code + layout.code_size;

	/* the sort keeps no alignment */
	memcpy(VARDATA(b->payload), side, layout.side_size);
	sp_ann_writer_add(w, code, VARDATA(b->payload),
	                  b->ann.block_at != 0 && list < b->ann.meta.lists ? half : NULL);
}

static void
write_lists(Build *b)
{
	SpAnnWriter *w = sp_ann_writer_new(b->index, MAIN_FORKNUM, &b->ann);
	uint32 list = 0;
	bool isnull;

	sp_ann_writer_begin_list(w, 0);
	while (tuplesort_gettupleslot(b->sort, true, false, b->sorted, NULL))
	{
		uint32 at = (uint32) DatumGetInt32(slot_getattr(b->sorted, 1, &isnull));

		CHECK_FOR_INTERRUPTS();
		while (list < at)
		{
			sp_ann_writer_end_list(w);
			sp_ann_writer_begin_list(w, ++list);
		}
		write_row(b, w, list, DatumGetByteaPP(slot_getattr(b->sorted, 2, &isnull)));
	}
	while (++list < SP_ANN_CHAINS(&b->ann.meta))
	{
		sp_ann_writer_end_list(w);
		sp_ann_writer_begin_list(w, list);
	}
	sp_ann_writer_end_list(w);
	b->ann.meta.built_rows = b->rows;
	b->ann.meta.built_error = b->rows > 0 ? b->error / b->rows : 0;
	sp_ann_writer_end(w);
}

/* --- all of it ------------------------------------------------------------------------ */

static void
init_batch(Build *b, Batch *batch)
{
	const SpAnnMeta *meta = &b->ann.meta;
	const SpEnv *env = sp_pg_env();

	batch->vectors = sp_alloc(env, b->room * meta->dims, sizeof(float));
	batch->lists = sp_alloc(env, b->room, sizeof(uint32));
	batch->codes = sp_alloc(env, b->room * b->ann.words, sizeof(uint64));
	batch->sides = sp_alloc(env, b->room, b->ann.side_size);
	if (b->ann.block_at != 0)
		batch->halves = sp_alloc(env, b->room * meta->dims, sizeof(uint16));
	if (batch->vectors == NULL || batch->lists == NULL || batch->codes == NULL ||
	    batch->sides == NULL || (b->ann.block_at != 0 && batch->halves == NULL))
		sp_pg_check(SP_ERR_NO_MEMORY, "index", NULL);
}

static void
init_threads(Build *b)
{
	int threads = b->pool != NULL ? sp_pool_threads(b->pool) : 1;
	const SpAnnMeta *meta = &b->ann.meta;

	for (int i = 0; i < threads; i++)
	{
		sp_pg_check(sp_nearest_new(sp_pg_env(), b->centroids, meta->lists, meta->dims, NULL,
		                           &b->nearest[i]),
		            "index", NULL);
		b->rotated[i] = sp_alloc(sp_pg_env(), b->ann.padded, sizeof(float));
		if (b->rotated[i] == NULL)
			sp_pg_check(SP_ERR_NO_MEMORY, "index", NULL);
	}
}

/* The largest number becomes 1,024, far from where halves end at either side. */
static double
unit_of(const float *x, size_t n)
{
	float largest = 0;

	for (size_t i = 0; i < n; i++)
		largest = fmaxf(largest, fabsf(x[i]));
	return largest > 0 ? (double) largest / 1024 : 1;
}

static void
round_centroids(Build *b)
{
	SpAnnIndex *ann = &b->ann;
	size_t n = (size_t) ann->meta.lists * ann->padded;

	ann->meta.unit = unit_of(b->code_centroids, n);
	for (uint32 i = 0; i < ann->meta.lists; i++)
	{
		float *centroid = b->code_centroids + (size_t) i * ann->padded;

		sp_ann_to_unit(ann, centroid, centroid);
		sp_half_from_floats(centroid, ann->centroids + (size_t) i * ann->padded, ann->padded);
		sp_ann_centroid(ann, i, centroid);
	}
}

static void
rotate_centroids(Build *b)
{
	SpAnnIndex *ann = &b->ann;
	size_t n = (size_t) ann->meta.lists * ann->padded;

	b->rotation = sp_ann_rotation(ann->meta.dims, ann->meta.seed);
	ann->heads = palloc0(sizeof(BlockNumber) * SP_ANN_CHAINS(&ann->meta));
	ann->centroids = sp_alloc(sp_pg_env(), n, sizeof(uint16));
	b->code_centroids = sp_alloc(sp_pg_env(), n, sizeof(float));
	if (ann->centroids == NULL || b->code_centroids == NULL)
		sp_pg_check(SP_ERR_NO_MEMORY, "index", NULL);
	for (uint32 i = 0; i < ann->meta.lists; i++)
		sp_rotation_run(b->rotation, b->centroids + (size_t) i * ann->meta.dims,
		                b->code_centroids + (size_t) i * ann->padded);
	round_centroids(b);
}

static void
init_sort(Build *b, int memory)
{
	TupleDesc desc = CreateTemplateTupleDesc(2);
	AttrNumber column = 1;
	Oid less = Int4LessOperator, collation = InvalidOid;
	bool nulls_first = false;

	TupleDescInitEntry(desc, 1, "list", INT4OID, -1, 0);
	TupleDescInitEntry(desc, 2, "row", BYTEAOID, -1, 0);
	b->slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	b->sorted = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	b->sort = tuplesort_begin_heap(desc, 1, &column, &less, &collation, &nulls_first, memory, NULL,
	                               TUPLESORT_NONE);
	b->payload = palloc(VARHDRSZ + b->ann.side_size + b->ann.words * sizeof(uint64) +
	                    b->ann.meta.dims * sizeof(uint16));
}

/* Half of maintenance_work_mem is for the two batches, at most, and the rest for the sort. */
static void
share_memory(Build *b)
{
	size_t room = (size_t) maintenance_work_mem * 1024;
	size_t row = b->ann.meta.dims * (sizeof(float) + sizeof(uint16)) + b->ann.side_size +
	             b->ann.words * sizeof(uint64);

	b->room = Max(TASK, Min(MOST_ROWS, room / 4 / row));
	init_batch(b, &b->batches[0]);
	init_batch(b, &b->batches[1]);
	b->reading = &b->batches[0];
	init_sort(b, (int) Max(64, maintenance_work_mem - (int64) (2 * b->room * row / 1024)));
}

static double
read_table(Build *b, Relation heap, IndexInfo *info)
{
	double rows;

	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, SP_ANN_PHASE_ASSIGN);
	rows = table_index_build_scan(heap, b->index, info, true, true, read_row, b, NULL);
	if (b->reading->n > 0)
		hand_over(b);
	finish_running(b);
	return rows;
}

static double
build(Build *b, Relation heap, IndexInfo *info)
{
	SpAnnMeta meta;
	double rows;

	sp_ann_meta_begin(b->index, &meta);
	b->pool = sp_pg_pool();
	b->centroids = sp_ann_train(heap, b->index, info, b->pool, &meta);
	meta.constant_blocks = sp_ann_constant_blocks(&meta);
	sp_ann_fill(&b->ann, &meta);
	rotate_centroids(b);
	init_threads(b);
	share_memory(b);
	rows = read_table(b, heap, info);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, SP_ANN_PHASE_SORT);
	tuplesort_performsort(b->sort);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, SP_ANN_PHASE_WRITE);
	write_lists(b);
	ExecDropSingleTupleTableSlot(b->sorted);
	ExecDropSingleTupleTableSlot(b->slot);
	tuplesort_end(b->sort);
	return rows;
}

/* All that is made lives in a context of its own, threads included. */
IndexBuildResult *
sp_ann_build(Relation heap, Relation index, IndexInfo *info)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "spotai_ann build", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Build *b = palloc0(sizeof(*b));
	IndexBuildResult *result;
	double rows, indexed;

	if (RelationGetNumberOfBlocks(index) != 0)
		elog(ERROR, "index \"%s\" already contains data", RelationGetRelationName(index));
	b->index = index;
	b->temporary = AllocSetContextCreate(context, "a row", ALLOCSET_DEFAULT_SIZES);
	rows = build(b, heap, info);
	indexed = b->indexed;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	if (RelationNeedsWAL(index))
		log_newpage_range(index, MAIN_FORKNUM, 0, RelationGetNumberOfBlocks(index), true);
	result = palloc(sizeof(*result));
	result->heap_tuples = rows;
	result->index_tuples = indexed;
	return result;
}

/* What an unlogged index is after a crash. */
void
sp_ann_build_empty(Relation index)
{
	SpAnnIndex ann;
	SpAnnMeta meta;
	SpAnnWriter *w;

	sp_ann_meta_begin(index, &meta);
	meta.lists = 1;
	meta.constant_blocks = sp_ann_constant_blocks(&meta);
	sp_ann_fill(&ann, &meta);
	ann.heads = palloc0(sizeof(BlockNumber) * SP_ANN_CHAINS(&meta));
	ann.centroids = palloc0(sizeof(uint16) * ann.padded);
	ann.meta.unit = 1;
	w = sp_ann_writer_new(index, INIT_FORKNUM, &ann);
	for (uint32 list = 0; list < SP_ANN_CHAINS(&meta); list++)
	{
		sp_ann_writer_begin_list(w, list);
		sp_ann_writer_end_list(w);
	}
	sp_ann_writer_end(w);
	log_newpage_range(index, INIT_FORKNUM, 0, RelationGetNumberOfBlocksInFork(index, INIT_FORKNUM),
	                  true);
}
