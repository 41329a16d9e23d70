/*
 * src/pg/ann/scan.c
 *	  A scan: best first.
 *
 * Three queues.  Lists wait at the distance from which on, by the horizon, they
 * may hold a row; candidates at the least distance that their codes allow; rows
 * at their distance.  What is first of all is done first: a list is looked into,
 * a candidate's distance is fetched, a row is returned.  So a scan does what the
 * LIMIT above it, or a filter that lets few rows pass, asks for and no more, and
 * goes on as long as it is asked.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/vector/distance.h"
#include "pg/ann/scan.h"
#include "pg/seam.h"

SpAnnCounters sp_ann_counters;

/*
 * Of the neighbours that may be missed, what lists may miss: codes and too small a
 * sample miss the rest.  Less for a search that goes on, which loses what comes
 * too late as well.
 */
#define MISSED_BY_LISTS 0.65
#define MISSED_BY_LATER 0.4
/* What is deeper by this share reaches no farther: ranks are powers of two. */
#define SAME_DEPTH 0.03

/*
 * Up to this share the margins of codes leave enough to lists: they make 0.0055 of
 * the neighbours miss (100,000 x 128, a bit a dimension, all lists), a third of it.
 */
#define MISSED_BY_CODES 0.0157

/* Rows that are put in order at a time; at first as many as are wanted, if that is known. */
#define LEAST_FOUND 10
#define MOST_FOUND  1000

/* Bytes that memory gives at a time. */
#define LINE 64

/* Rows of a page, whatever it says. */
#define MOST_ROWS (BLCKSZ / sizeof(SpAnnSide))

/* --- begin and end -------------------------------------------------------------------- */

IndexScanDesc
sp_ann_begin_scan(Relation index, int nkeys, int norderbys)
{
	IndexScanDesc scan = RelationGetIndexScan(index, nkeys, norderbys);
	SpAnnScan *so = palloc0(sizeof(*so));

	so->context =
		AllocSetContextCreate(CurrentMemoryContext, "spotai_ann scan", ALLOCSET_DEFAULT_SIZES);
	if (norderbys > 0)
	{
		scan->xs_orderbyvals = palloc0(sizeof(Datum) * (Size) norderbys);
		scan->xs_orderbynulls = palloc0(sizeof(bool) * (Size) norderbys);
	}
	scan->opaque = so;
	return scan;
}

void
sp_ann_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys)
{
	SpAnnScan *so = scan->opaque;

	if (keys != NULL && scan->numberOfKeys > 0)
		memmove(scan->keyData, keys, (Size) scan->numberOfKeys * sizeof(ScanKeyData));
	if (orderbys != NULL && scan->numberOfOrderBys > 0)
		memmove(scan->orderByData, orderbys, (Size) scan->numberOfOrderBys * sizeof(ScanKeyData));
	so->above = sp_ann_above(orderbys);
	so->stage = SP_ANN_NOT_BEGUN;
}

void
sp_ann_end_scan(IndexScanDesc scan)
{
	SpAnnScan *so = scan->opaque;

	sp_ann_fetch_end(&so->fetch);
	MemoryContextDelete(so->context);
	pfree(so);
}

/* --- the query ------------------------------------------------------------------------ */

/* What is not about the query or labels stays for the next one. */
static void
forget_last_scan(SpAnnScan *so, const SpAnnIndex *ann)
{
	SpAnnFetch fetch = so->fetch;
	const SpAnnAbove *above = so->above;
	MemoryContext context = so->context;

	MemoryContextReset(context);
	memset(so, 0, sizeof(*so));
	so->fetch = fetch;
	so->above = above;
	so->context = context;
	so->ann = *ann;
}

static void
read_query(IndexScanDesc scan, SpAnnScan *so)
{
	SpEmbedding *query;
	float *unit;

	so->is_null = scan->numberOfOrderBys == 0 || (scan->orderByData->sk_flags & SK_ISNULL) != 0;
	if (so->is_null)
		return;
	query = (SpEmbedding *) PG_DETOAST_DATUM(scan->orderByData->sk_argument);
	if (query->dims != (int) so->ann.meta.dims)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
		                errmsg("embeddings of %u and %d dimensions do not go together",
		                       so->ann.meta.dims, query->dims)));
	so->length = sqrt(sp_vector_norm_squared(query->values, (size_t) query->dims));
	so->vector = query->values;
	so->query = query;
	if (so->ann.meta.metric != SP_ANN_COSINE)
		return;
	if (so->length == 0)
		so->query = NULL;
	so->vector = unit = palloc(sizeof(float) * (Size) query->dims);
	sp_vector_normalize(query->values, unit, (size_t) query->dims);
}

/* All lists, at the distances of their centroids. */
static void
add_lists(IndexScanDesc scan, SpAnnScan *so, const SpEnv *env)
{
	const SpAnnIndex *ann = sp_ann_open(scan->indexRelation);
	SpVectorMetric metric = sp_ann_code_metric(&ann->meta);
	uint32 n = ann->meta.lists, *numbers = palloc(sizeof(uint32) * n);
	float *keys = palloc(sizeof(float) * n);
	double unsure = sp_ann_centroid_distances(ann, metric, so->in_unit, keys);

	so->first = INFINITY;
	for (uint32 i = 0; i < n; i++)
	{
		so->first = Min(so->first, keys[i]);
		numbers[i] = i;
	}
	so->as_near = so->first + unsure;
	sp_candidates_init(&so->lists, env, sizeof(uint32));
	sp_pg_check(sp_candidates_add(&so->lists, keys, numbers, n), "index scan", NULL);
	pfree(keys);
	pfree(numbers);
}

/*
 * Margins of codes, by which so and so many neighbours are missed, are larger for
 * a search that must not miss so many: by the tail of the normal distribution,
 * which errors of codes have, log(misses) falls with the square of the margin.
 */
static float
caution_for(double recall)
{
	double fewer = MISSED_BY_CODES / fmax(1 - recall, 1e-6);

	return (float) sqrt(1 + 2 * fmax(log(fewer), 0) / (SP_RABITQ_EPSILON_0 * SP_RABITQ_EPSILON_0));
}

static void
begin_search(IndexScanDesc scan, SpAnnScan *so)
{
	const SpEnv *env = sp_pg_env_in(so->context);
	SpVectorMetric metric = sp_ann_code_metric(&so->ann.meta);

	so->rotated = sp_alloc(env, so->ann.padded, sizeof(float));
	so->in_unit = sp_alloc(env, so->ann.padded, sizeof(float));
	so->centroid = sp_alloc(env, so->ann.padded, sizeof(float));
	if (so->rotated == NULL || so->in_unit == NULL || so->centroid == NULL)
		sp_pg_check(SP_ERR_NO_MEMORY, "index scan", NULL);
	so->exact.env = so->late.env = env;
	so->ready = palloc(sizeof(SpQueueItem) * MOST_FOUND);
	so->floor = -INFINITY;
	sp_candidates_init(&so->candidates, env,
	                   so->ann.block_at == 0 ? SP_ANN_UNCOPIED : sizeof(SpAnnCandidate));
	sp_pg_check(sp_rabitq_query_new(env, metric, so->ann.meta.bits, so->ann.padded, &so->codes),
	            "index scan", NULL);
	sp_rotation_run(sp_ann_rotation(so->ann.meta.dims, so->ann.meta.seed), so->vector, so->rotated);
	sp_ann_to_unit(&so->ann, so->rotated, so->in_unit);
	add_lists(scan, so, env);
	so->reach_depth = 0;
	so->caution = caution_for(sp_ann_recall);
	so->least = Min(sp_ann_limit(so->above), MOST_FOUND);
	if (so->least < 1)
		so->least = LEAST_FOUND;
}

static void
begin_scan(IndexScanDesc scan)
{
	SpAnnScan *so = scan->opaque;
	MemoryContext old;

	sp_ann_counters.scans++;
	forget_last_scan(so, sp_ann_open(scan->indexRelation));
	old = MemoryContextSwitchTo(so->context);
	read_query(scan, so);
	so->filtered = sp_ann_may_filter(so->above);
	so->stage = SP_ANN_BY_LIST;
	if (!sp_ann_read_labels(&so->labels, scan->keyData, scan->numberOfKeys))
		so->stage = SP_ANN_DONE;
	else if (so->query != NULL)
	{
		begin_search(scan, so);
		so->stage = SP_ANN_BY_DISTANCE;
		so->chain = so->ann.meta.lists;
	}
	MemoryContextSwitchTo(old);
}

/* --- a list --------------------------------------------------------------------------- */

static void
add_candidates(SpAnnScan *so, const float *least, const void *rows, uint32 n)
{
	sp_pg_check(sp_candidates_add(&so->candidates, least, rows, n), "index scan", NULL);
	so->matched += n;
}

/* What is kept of a row whose side this is; where the next one is kept. */
static inline char *
keep_row(const char *side, uint16 block_at, char *row)
{
	StaticAssertStmt(offsetof(SpAnnSide, factors) == SP_ANN_UNCOPIED, "beginnings are the same");
	memcpy(row, side, SP_ANN_UNCOPIED);
	if (block_at == 0)
		return row + SP_ANN_UNCOPIED;
	memcpy(row + SP_ANN_UNCOPIED, side + block_at, sizeof(BlockNumber));
	return row + sizeof(SpAnnCandidate);
}

/* Estimates for rows that a label leaves, one by one: they are few. */
static void
estimate_labelled(SpAnnScan *so, Page page, SpAnnLayout layout, uint32 n)
{
	for (uint32 i = 0; i < n; i++)
	{
		char *side = sp_ann_page_side(page, layout, i);
		SpAnnCandidate row;
		float estimate, margin;

		if (!sp_ann_label_fits(&so->labels, sp_ann_get_label(&so->ann, side)))
			continue;
		sp_rabitq_estimate(so->codes, sp_ann_page_codes(page) + (Size) i * so->ann.words,
		                   &((SpAnnSide *) side)->factors, 1, &estimate, &margin);
		estimate -= so->caution * margin;
		(void) keep_row(side, so->ann.block_at, (char *) &row);
		add_candidates(so, &estimate, &row, 1);
	}
}

static void
estimate_all(SpAnnScan *so, Page page, SpAnnLayout layout, uint32 n)
{
	SpRabitqFactors factors[MOST_ROWS];
	SpAnnCandidate rows[MOST_ROWS];
	float estimates[MOST_ROWS], margins[MOST_ROWS];
	char *row = (char *) rows;
	uint16 block_at = so->ann.block_at;
	uint32 i = 0;

	Assert(n > 0 && n <= MOST_ROWS);
	do
	{
		const char *side = sp_ann_page_side(page, layout, i);

		factors[i] = ((const SpAnnSide *) side)->factors;
		row = keep_row(side, block_at, row);
	} while (++i < n);
	sp_rabitq_estimate(so->codes, sp_ann_page_codes(page), factors, n, estimates, margins);
	for (i = 0; i < n; i++)
		estimates[i] -= so->caution * margins[i];
	add_candidates(so, estimates, rows, n);
}

static void
read_codes(SpAnnScan *so, Page page, uint32 list)
{
	SpAnnLayout layout = sp_ann_layout(&so->ann, list);
	uint32 n = sp_ann_page_count(page, layout);

	if (n == 0)
		return;
	if (so->labels.any)
		estimate_all(so, page, layout, n);
	else
		estimate_labelled(so, page, layout, n);
	so->scanned += n;
	sp_ann_counters.codes += n;
}

/* The list that is likely to be next: its first page and its centroid should be on the way. */
static void
expect_next_list(SpAnnScan *so, Relation index, const SpAnnIndex *ann)
{
	const void *next;
	uint32 list;

	if (sp_candidates_expect(&so->lists, &next, 1) == 0)
		return;
	list = *(const uint32 *) next;
	sp_ann_expect(index, ann->heads[list]);
	for (uint32 i = 0; i < ann->padded; i += LINE / sizeof(uint16))
		__builtin_prefetch(ann->centroids + (Size) list * ann->padded + i);
}

static void
look_into_list(IndexScanDesc scan, SpAnnScan *so)
{
	const SpAnnIndex *ann = sp_ann_open(scan->indexRelation);
	const void *number;
	double key;
	uint32 list;

	sp_pg_check(sp_candidates_take(&so->lists, &key, &number), "index scan", NULL);
	list = *(const uint32 *) number;
	expect_next_list(so, scan->indexRelation, ann);
	sp_ann_centroid(ann, list, so->centroid);
	sp_rabitq_query_aim(so->codes, so->rotated, so->centroid);
	sp_ann_walk(so, scan->indexRelation, list, ann->heads[list], read_codes);
	so->looked++;
	sp_ann_counters.lists++;
}

/* --- what comes first ----------------------------------------------------------------- */

static bool
has_rows(const SpAnnScan *so)
{
	return !sp_candidates_is_empty(&so->candidates) || so->exact.count > 0;
}

/* Rows among which the one that is returned next is the last, as if there were no label and no filter. */
static double
depth(const SpAnnScan *so)
{
	double among = (so->found + 1) * (so->asked + 1) / (so->passed + 1);

	return so->matched > 0 ? among * so->scanned / so->matched : 1;
}

static double
list_key_by_horizon(SpAnnScan *so)
{
	const SpHorizon *h = &so->ann.meta.horizon;
	double missed = so->found < so->least ? MISSED_BY_LISTS : MISSED_BY_LATER;
	double recall = 1 - missed * (1 - sp_ann_recall), deep = depth(so);
	double list = sp_candidates_first(&so->lists);

	/* a row is found by its own vector: its list is the nearest, though another may seem nearer */
	if (list <= so->as_near)
		return -INFINITY;
	/* each row that a filter dismisses makes it a little deeper */
	if (recall != so->reach_recall || fabs(deep - so->reach_depth) > SAME_DEPTH * so->reach_depth)
	{
		so->reach = sp_horizon_reach(h, recall, deep);
		so->reach_recall = recall;
		so->reach_depth = deep;
		so->list_at = NAN;
	}
	if (list != so->list_at)
	{
		so->list_key = sp_horizon_key(h, sp_ann_code_metric(&so->ann.meta), so->reach, list,
		                              so->first, so->length);
		so->list_at = list;
	}
	return so->list_key;
}

/* So many lists before anything is returned, and as many again when all is. */
static double
list_key_by_number(SpAnnScan *so)
{
	if (so->looked >= so->allowed && !has_rows(so))
		so->allowed += sp_ann_probes;
	return so->looked < so->allowed ? -INFINITY : INFINITY;
}

/* The measure of rows from which on the next list must have been looked into. */
static double
list_key(SpAnnScan *so)
{
	return sp_ann_probes > 0 ? list_key_by_number(so) : list_key_by_horizon(so);
}

static bool
may_look(const SpAnnScan *so)
{
	return !sp_candidates_is_empty(&so->lists) &&
	       (sp_ann_max_scan == 0 || so->scanned < sp_ann_max_scan);
}

static void
report_stop(IndexScanDesc scan, SpAnnScan *so)
{
	sp_ann_counters.stopped++;
	so->told = true;
	ereport(NOTICE, (errmsg("scan of index \"%s\" stopped after %.0f rows",
	                        RelationGetRelationName(scan->indexRelation), so->scanned),
	                 errhint("Raise spotai.vector_max_scan, or set it to 0.")));
}

/* The nearest of the rows whose distance is known; false for one that was seen twice, which comes next to itself. */
static bool
take_row(SpAnnScan *so, SpQueueItem *row)
{
	*row = sp_queue_pop(&so->exact);
	if (row->id == so->last.id && row->key == so->last.key)
		return false;
	so->last = *row;
	so->found++;
	return true;
}

/* The next row that nothing nearer is expected behind; false when there is none. */
static bool
find_row(IndexScanDesc scan, SpAnnScan *so, SpQueueItem *row)
{
	for (;;)
	{
		double candidate = sp_candidates_first(&so->candidates);
		double exact = so->exact.count > 0 ? so->exact.items[0].key : INFINITY;
		bool rows = has_rows(so), look = may_look(so);
		double list = look ? list_key(so) : INFINITY;

		if (!rows && !look)
			return false;
		if (look && (!rows || list <= Min(candidate, exact)))
			look_into_list(scan, so);
		else if (candidate <= exact && !sp_candidates_is_empty(&so->candidates))
			sp_ann_take_candidate(scan, so);
		else if (take_row(so, row))
			return true;
	}
}

static int
compare_items(const void *a, const void *b)
{
	if (sp_queue_is_less(a, b))
		return -1;
	return sp_queue_is_less(b, a) ? 1 : 0;
}

/*
 * What was not expected to come behind a farther row sometimes does.  So rows are
 * found some at a time, as many as an answer mostly has and more as it grows, and
 * put in order; what is too late even then waits until nothing else is left.
 */
static void
find_rows(IndexScanDesc scan, SpAnnScan *so)
{
	double more = so->found == 0 ? so->least : Max(LEAST_FOUND, so->found / 2);
	int n = so->kept, wanted = (int) Min(n + more, MOST_FOUND);
	SpQueueItem row;

	memmove(so->ready, so->ready + so->nready, sizeof(SpQueueItem) * (Size) n);
	while (n < wanted && find_row(scan, so, &row))
	{
		if (row.key >= so->floor)
			so->ready[n++] = row;
		else
		{
			sp_pg_check(sp_queue_reserve(&so->late, 1), "index scan", NULL);
			sp_queue_push(&so->late, row);
		}
	}
	if (n < wanted && !sp_candidates_is_empty(&so->lists) && !so->told)
		report_stop(scan, so);
	/* the last ones wait for the next turn: what comes late is mostly not that late */
	so->kept = n == wanted && so->floor > -INFINITY ? n / 3 : 0;
	while (n < wanted && so->late.count > 0 && !has_rows(so) && !may_look(so))
		so->ready[n++] = sp_queue_pop(&so->late);
	qsort(so->ready, (size_t) n, sizeof(SpQueueItem), compare_items);
	so->nready = n - so->kept;
	so->at = 0;
	if (so->nready > 0)
		so->floor = so->ready[so->nready - 1].key;
}

/* The next row by distance; false when there is none. */
static bool
next_by_distance(IndexScanDesc scan, SpAnnScan *so)
{
	const SpQueueItem *row;
	double distance;

	if (so->at == so->nready)
		find_rows(scan, so);
	if (so->at == so->nready)
		return false;
	row = &so->ready[so->at++];
	memcpy(&distance, &row->place, sizeof(distance));
	ItemPointerSet(&scan->xs_heaptid, (BlockNumber) (row->id >> 16), (OffsetNumber) row->id);
	sp_ann_before_return(scan, so);
	scan->xs_recheck = so->labels.recheck;
	scan->xs_recheckorderby = false;
	scan->xs_orderbyvals[0] = Float8GetDatum(distance);
	scan->xs_orderbynulls[0] = false;
	return true;
}

/* --- what is next --------------------------------------------------------------------- */

bool
sp_ann_get_tuple(IndexScanDesc scan, ScanDirection direction)
{
	SpAnnScan *so = scan->opaque;

	Assert(ScanDirectionIsForward(direction));
	if (so->stage == SP_ANN_NOT_BEGUN)
		begin_scan(scan);
	if (so->stage == SP_ANN_BY_DISTANCE)
	{
		if (next_by_distance(scan, so))
			return true;
		so->stage = SP_ANN_BY_LIST;
	}
	if (so->stage == SP_ANN_BY_LIST)
	{
		if (sp_ann_next_by_list(scan, so))
			return true;
		so->stage = SP_ANN_DONE;
	}
	return false;
}
