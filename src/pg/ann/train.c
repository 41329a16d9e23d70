/*
 * src/pg/ann/train.c
 *	  Centroids and the horizon, from rows of random blocks.
 *
 * All that is kept are rows of the sample, whose number follows that of the
 * lists, so memory does not depend on that of the rows.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <math.h>

#include "access/tableam.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "utils/backend_progress.h"
#include "utils/memutils.h"
#include "utils/sampling.h"

#include "core/vector/kmeans.h"
#include "pg/ann/train.h"
#include "pg/seam.h"

/* Rows of the sample for each list; fewer make poor centroids, more hardly better ones. */
#define ROWS_PER_LIST  50
#define LEAST_PER_LIST 16
/* Of Lloyd's; most of the gain comes from the first. */
#define ITERATIONS 10
/* Blocks that tell how many rows there are. */
#define COUNTED_BLOCKS 64
/* Lists from which on centroids are found in two steps. */
#define MANY_LISTS 1000
/* Rows that ask for their neighbours, and rows that are asked. */
#define MOST_QUERIES 500
#define MOST_ASKED   50000

typedef struct Sample
{
	Relation heap, index;
	IndexInfo *info;
	const SpAnnMeta *meta;
	float *rows; /* [room][dims]; NULL: only count */
	size_t n, room;
	double seen; /* rows with a distance that were offered */
	BlockNumber blocks;
	uint64 seed;
	pg_prng_state random;
} Sample;

/* --- sampling ------------------------------------------------------------------------ */

/* Vitter's algorithm R (1985): each row of the blocks has the same chance. */
static void
offer_row(Relation index, ItemPointer tid, Datum *values, bool *isnull, bool alive, void *arg)
{
	Sample *s = arg;
	int column = s->meta->column;
	SpEmbedding *value;
	size_t at;

	if (isnull[column])
		return;
	s->seen++;
	if (s->rows == NULL)
		return;
	at = s->n < s->room ? s->n : (size_t) pg_prng_uint64_range(&s->random, 0, (uint64) s->seen - 1);
	if (at >= s->room)
		return;
	value = (SpEmbedding *) PG_DETOAST_DATUM(values[column]);
	if (sp_ann_read_vector(s->meta, value, s->rows + at * s->meta->dims))
		s->n = Max(s->n, at + 1);
	if ((Pointer) value != DatumGetPointer(values[column]))
		pfree(value);
}

/* Rows of so many blocks at random, through offer_row(). */
static void
read_blocks(Sample *s, BlockNumber wanted)
{
	BlockSamplerData sampler;

	s->seen = 0;
	BlockSampler_Init(&sampler, s->blocks, (int) Min(wanted, PG_INT32_MAX), (uint32) s->seed);
	while (BlockSampler_HasMore(&sampler))
	{
		CHECK_FOR_INTERRUPTS();
		table_index_build_range_scan(s->heap, s->index, s->info, false, true, false,
		                             BlockSampler_Next(&sampler), 1, offer_row, s, NULL);
	}
}

static double
estimate_rows(Sample *s)
{
	BlockNumber counted = Min(COUNTED_BLOCKS, s->blocks);

	read_blocks(s, counted);
	return s->seen / counted * s->blocks;
}

/* --- how many ------------------------------------------------------------------------ */

/*
 * Between two measurements where more or fewer lists were slower at a recall of .95:
 * 245 for 60,000 rows of 784 dimensions, 8,000 for 1,000,000 of 128.  Lists of a
 * few rows would be pages of a few rows.
 */
static uint32
lists_for(double rows, uint32 dims)
{
	return (uint32) Max(1, Min(SP_ANN_MAX_LISTS, Min(10 * pow(rows / dims, 0.75), rows / 100)));
}

static uint32
lists_wanted(Relation index, double rows, uint32 dims)
{
	SpAnnOptions *options = (SpAnnOptions *) index->rd_options;
	uint32 wanted = options != NULL ? (uint32) options->lists : 0;

	if (wanted == 0)
		return lists_for(rows, dims);
	return (uint32) Max(1, Min(wanted, rows));
}

/* Rows of the sample that maintenance_work_mem has room for, beside centroids and their sums. */
static size_t
affordable_rows(const SpAnnMeta *meta)
{
	size_t row = meta->dims * sizeof(float), room = (size_t) maintenance_work_mem * 1024;

	/* the rows, the same in the order of clusters or what the horizon measures, three of
	 * ROWS_PER_LIST for centroids */
	return Max(room / 9 * 4 / row, 1);
}

static void
choose_sizes(Sample *s, double rows, SpAnnMeta *meta)
{
	size_t affordable = affordable_rows(meta);
	uint32 lists = lists_wanted(s->index, rows, meta->dims);

	if (lists > Max(affordable / LEAST_PER_LIST, 1))
	{
		lists = (uint32) Max(affordable / LEAST_PER_LIST, 1);
		ereport(NOTICE,
		        (errmsg("index \"%s\" gets %u lists", RelationGetRelationName(s->index), lists),
		         errdetail("maintenance_work_mem has no room for a sample for more."),
		         errhint("Raise maintenance_work_mem.")));
	}
	meta->lists = lists;
	s->room = Min(affordable, (size_t) lists * ROWS_PER_LIST + MOST_QUERIES);
}

/* --- learning ------------------------------------------------------------------------ */

static void
swap_rows(float *a, float *b, size_t dims)
{
	for (size_t i = 0; i < dims; i++)
	{
		float x = a[i];

		a[i] = b[i];
		b[i] = x;
	}
}

/* Rows that will ask, from all over the sample to its end; how many. */
static size_t
set_queries_apart(Sample *s)
{
	size_t dims = s->meta->dims, n = Min(MOST_QUERIES, s->n / 10), step = n > 0 ? s->n / n : 0;

	for (size_t i = 0; i < n; i++)
		swap_rows(s->rows + i * step * dims, s->rows + (s->n - 1 - i) * dims, dims);
	return n;
}

static void
measure_horizon(const Sample *s, size_t queries, const float *centroids, double rows, SpPool *pool,
                SpHorizon *horizon)
{
	size_t dims = s->meta->dims, n = Min(s->n - queries, MOST_ASKED);
	uint32 *list_of = palloc_extended(sizeof(uint32) * (n + 1), MCXT_ALLOC_HUGE);
	SpHorizonData data = {.metric = sp_ann_code_metric(s->meta),
	                      .dims = dims,
	                      .centroids = centroids,
	                      .lists = s->meta->lists,
	                      .rows = s->rows,
	                      .n = n,
	                      .list_of = list_of,
	                      .queries = s->rows + (s->n - queries) * dims,
	                      .queries_n = queries,
	                      .share = Min(1, n / Max(rows, 1)),
	                      .pool = pool};
	SpNearest *nearest;

	sp_pg_check(sp_nearest_new(sp_pg_env(), centroids, s->meta->lists, dims, pool, &nearest),
	            "index", NULL);
	sp_pg_check(sp_nearest_find(nearest, s->rows, n, list_of, NULL), "index", NULL);
	sp_nearest_free(nearest);
	sp_pg_check(sp_horizon_measure(sp_pg_env(), &data, horizon), "index", NULL);
	pfree(list_of);
}

static void
find_centroids(const Sample *s, size_t n, SpPool *pool, float *centroids)
{
	SpKmeansConfig cfg = {.dims = s->meta->dims,
	                      .centroids = s->meta->lists,
	                      .iterations = ITERATIONS,
	                      .seed = s->seed,
	                      .pool = pool};

	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, SP_ANN_PHASE_KMEANS);
	sp_pg_check((s->meta->lists < MANY_LISTS ? sp_kmeans_run : sp_kmeans_tree_run)(
					sp_pg_env(), &cfg, s->rows, n, centroids),
	            "index", NULL);
}

static float *
new_floats(size_t rows, size_t dims)
{
	return palloc_extended(rows * dims * sizeof(float), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

float *
sp_ann_train(Relation heap, Relation index, IndexInfo *info, SpPool *pool, SpAnnMeta *meta)
{
	Sample s = {.heap = heap, .index = index, .info = info, .meta = meta, .seed = meta->seed};
	double rows = 0;
	size_t queries;
	float *centroids;

	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, SP_ANN_PHASE_SAMPLE);
	pg_prng_seed(&s.random, s.seed);
	s.blocks = RelationGetNumberOfBlocks(heap);
	if (s.blocks > 0)
		rows = estimate_rows(&s);
	choose_sizes(&s, rows, meta);
	if (rows >= 1)
	{
		s.rows = new_floats(s.room, meta->dims);
		read_blocks(&s, (BlockNumber) Min(s.blocks, ceil(1.05 * s.room / rows * s.blocks) + 1));
	}
	/* what was counted may have been rows of zeros, or more dense than others */
	queries = set_queries_apart(&s);
	meta->lists = (uint32) Max(1, Min(meta->lists, s.n - queries));
	centroids = new_floats(meta->lists, meta->dims);
	if (s.n > queries)
	{
		find_centroids(&s, s.n - queries, pool, centroids);
		measure_horizon(&s, queries, centroids, rows, pool, &meta->horizon);
	}
	if (s.rows != NULL)
		pfree(s.rows);
	return centroids;
}
