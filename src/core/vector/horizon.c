/*
 * src/core/vector/horizon.c
 *	  How much farther than a neighbour its centroid is: measured and looked up.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/horizon.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/vector/distance.h"
#include "core/vector/queue.h"

#define LEAST_ROWS    64
#define LEAST_QUERIES 16
#define MOST_RANK     1024
/* What a row's own distance counts; see the header. */
#define WEIGHT 0.25
/* Of the mean distance of the nearest centroid: what counts as no less. */
#define LEAST 0.25
/* Of that of all centroids; only where there are hardly more different rows than lists. */
#define LEAST_OF_ALL 1e-3

/* Ranks that tell of neighbours nearer than the first: fewer are noise, more no line. */
#define FITTED 4
/*
 * Of the line's slope, for those: the nearer, the less it is.  On 100 lists of 60,000 rows in
 * 32 dimensions around a surface of 8, seen through 5,000, a search for a recall of .95 found
 * .86 of the first rows and .94 of the first ten with all of it, .96 and .96 with a quarter.
 */
#define BENT 0.25
/* So many ranks beyond the last its line is followed: 256 times as deep. */
#define BEYOND 8

static const double recalls[SP_HORIZON_RECALLS] = {.5, .8, .9, .95, .98, .99, .995, .999};

/*
 * Queries of a task, and bytes of rows that all of them are compared with: these stay
 * in a cache.  What all threads measure together takes no more room than the rows.
 */
#define MOST_GROUP  16
#define BLOCK_BYTES ((size_t) 256 * 1024)

typedef struct Worker
{
	SpQueue near;     /* the nearest rows of a query, the farthest of them first */
	double *measures; /* [group][rows] */
} Worker;

typedef struct Work
{
	const SpHorizonData *data;
	size_t most;  /* neighbours of a query, at most MOST_RANK */
	size_t group; /* queries of a task */
	double least;
	double *first;  /* [queries], measures of the nearest centroid */
	double *lists;  /* [lists], a query's measures of all */
	float *reaches; /* for each rank [queries][rank], one after the other */
	Worker *workers;
	size_t threads;
} Work;

/* Measures of vectors a and b; products are those with the direction of a. */
static double
measure(const SpHorizonData *d, const float *a, const float *b, double length)
{
	if (d->metric == SP_METRIC_L2_SQUARED)
		return sp_vector_l2_squared(a, b, d->dims);
	return length > 0 ? -sp_vector_inner_product(a, b, d->dims) / length : 0;
}

/* Of a and each of count vectors. */
static void
measure_many(const SpHorizonData *d, const float *a, double length, const float *vectors,
             size_t count, double *out)
{
	if (d->metric == SP_METRIC_L2_SQUARED)
	{
		sp_vector_l2_squared_many(a, vectors, d->dims, count, d->dims, out);
		return;
	}
	sp_vector_inner_product_many(a, vectors, d->dims, count, d->dims, out);
	for (size_t i = 0; i < count; i++)
		out[i] = length > 0 ? -out[i] / length : 0;
}

/* Of the nearest centroid, and added to *sum those of all. */
static double
nearest_centroid(const Work *w, const float *q, double *sum)
{
	const SpHorizonData *d = w->data;
	double least = INFINITY, length = sqrt(sp_vector_norm_squared(q, d->dims));

	measure_many(d, q, length, d->centroids, d->lists, w->lists);
	for (size_t i = 0; i < d->lists; i++)
	{
		least = fmin(least, w->lists[i]);
		*sum += sqrt(fmax(w->lists[i], 0));
	}
	return least;
}

/* Not yet divided: what the least divisor is must be known of all queries. */
static double
difference(double list, double row, double first)
{
	return list - WEIGHT * row - (1 - WEIGHT) * first;
}

static double
divisor(double least, SpVectorMetric metric, double first)
{
	return metric == SP_METRIC_L2_SQUARED ? fmax(sqrt(fmax(first, 0)), least) : 1;
}

/* Vectors may be as long as floats allow, and what is made of them a little longer. */
static float
to_float(double x)
{
	return (float) fmax(-FLT_MAX, fmin(x, FLT_MAX));
}

/* Ranks are powers of two: before one lies for each query one less than it. */
static float *
reaches_of(const Work *w, size_t rank)
{
	return w->reaches + w->data->queries_n * (rank - 1);
}

/* The nearest of a query's rows into *near, so that the farthest of them comes out first. */
static void
take_nearest(const Work *w, const double *measures, SpQueue *near)
{
	near->count = 0;
	for (size_t i = 0; i < w->data->n; i++)
	{
		/* of equals the first one is nearer */
		SpQueueItem row = {-measures[i], ~(uint64_t) i, i};

		if (near->count == w->most)
		{
			if (!sp_queue_is_less(&near->items[0], &row))
				continue;
			sp_queue_pop(near);
		}
		sp_queue_push(near, row);
	}
}

/* Of one query's neighbours up to each rank: how far out their lists are. */
static void
measure_query(const Work *w, size_t at, double length, const double *measures, SpQueue *near)
{
	const SpHorizonData *d = w->data;
	const float *q = d->queries + at * d->dims;
	double row[MOST_RANK], list[MOST_RANK], first = w->first[at];
	double by = divisor(w->least, d->metric, first);

	take_nearest(w, measures, near);
	for (size_t i = w->most; i-- > 0;)
	{
		SpQueueItem item = sp_queue_pop(near);

		row[i] = -item.key;
		list[i] = measure(d, q, d->centroids + d->list_of[item.place] * d->dims, length);
	}
	for (size_t rank = 1; rank <= w->most; rank *= 2)
	{
		float *reaches = reaches_of(w, rank) + at * rank;

		for (size_t i = 0; i < rank; i++)
			reaches[i] = to_float(difference(list[i], row[rank - 1], first) / by);
	}
}

/* Some queries together, or all rows would come from memory for each. */
static SpStatus
measure_group(void *arg, int task, int worker, const SpStop *stop)
{
	const Work *w = arg;
	const SpHorizonData *d = w->data;
	Worker *mine = w->workers + worker;
	size_t from = (size_t) task * w->group;
	size_t queries = d->queries_n - from < w->group ? d->queries_n - from : w->group;
	size_t block = BLOCK_BYTES / (d->dims * sizeof(float)) + 1;
	double lengths[MOST_GROUP];

	for (size_t i = 0; i < queries; i++)
		lengths[i] = sqrt(sp_vector_norm_squared(d->queries + (from + i) * d->dims, d->dims));
	for (size_t row = 0; row < d->n; row += block)
	{
		if (sp_stop_asked(stop))
			return SP_ERR_CANCELED;
		for (size_t i = 0; i < queries; i++)
			measure_many(d, d->queries + (from + i) * d->dims, lengths[i], d->rows + row * d->dims,
			             d->n - row < block ? d->n - row : block, mine->measures + i * d->n + row);
	}
	for (size_t i = 0; i < queries; i++)
		measure_query(w, from + i, lengths[i], mine->measures + i * d->n, &mine->near);
	return SP_OK;
}

static int
compare_floats(const void *a, const void *b)
{
	float x = *(const float *) a, y = *(const float *) b;

	return (x > y) - (x < y);
}

/* Quantiles of what all queries say of a rank, which are put in order. */
static void
take_quantiles(const Work *w, size_t rank, float *out)
{
	size_t n = w->data->queries_n * rank;
	float *reaches = reaches_of(w, rank);

	qsort(reaches, n, sizeof(float), compare_floats);
	for (int i = 0; i < SP_HORIZON_RECALLS; i++)
	{
		size_t at = (size_t) (recalls[i] * (double) n);

		out[i] = reaches[at < n ? at : n - 1];
	}
}

/*
 * A quarter of how far the nearest centroid is in the mean; where queries are
 * centroids, by how far all are: dividing by less would leave what a float holds.
 */
static SpStatus
measure_first(const SpEnv *env, Work *w, float *least)
{
	const SpHorizonData *d = w->data;
	double nearest = 0, all = 0, queries = (double) d->queries_n;

	for (size_t i = 0; i < d->queries_n; i++)
	{
		if (sp_should_stop(env))
			return SP_ERR_CANCELED;
		w->first[i] = nearest_centroid(w, d->queries + i * d->dims, &all);
		nearest += sqrt(fmax(w->first[i], 0));
	}
	if (d->metric == SP_METRIC_L2_SQUARED)
		*least = (float) fmax(
			fmax(LEAST * nearest / queries, LEAST_OF_ALL * all / queries / (double) d->lists),
			FLT_MIN);
	return SP_OK;
}

/* What is wanted with a higher recall reaches no less far. */
static void
make_rise(double *x)
{
	for (int i = 1; i < SP_HORIZON_RECALLS; i++)
		x[i] = fmax(x[i], x[i - 1]);
}

/* The line of least squares through the first ranks, at x. */
static double
fitted(const SpHorizon *h, int recall, double x)
{
	int n = h->ranks < FITTED ? h->ranks : FITTED;
	double mean = 0, slope = 0, squares = 0, middle = (n - 1) / 2.0;

	for (int r = 0; r < n; r++)
	{
		mean += h->reaches[r][recall] / n;
		slope += (r - middle) * h->reaches[r][recall];
		squares += (r - middle) * (r - middle);
	}
	return mean + slope / squares * (x - middle);
}

/*
 * Where n is a small part of all rows, the ten nearest of those are nearer than
 * the nearest of n.  Two ranks tell little of that: they are made to lie on the line
 * that sp_horizon_reach() is to follow, which more of them tell of.
 */
static void
smooth_begin(SpHorizon *h, double x)
{
	double at_x[SP_HORIZON_RECALLS], at_1[SP_HORIZON_RECALLS];

	for (int i = 0; i < SP_HORIZON_RECALLS; i++)
	{
		at_x[i] = fitted(h, i, BENT * x);
		at_1[i] = fitted(h, i, 1);
	}
	make_rise(at_x);
	make_rise(at_1);
	for (int i = 0; i < SP_HORIZON_RECALLS; i++)
	{
		h->reaches[0][i] = to_float(at_1[i] + (at_x[i] - at_1[i]) / (1 - x));
		h->reaches[1][i] = to_float(at_1[i]);
	}
}

/* The line through the last two ranks, far beyond them, must rise with the recall too. */
static void
smooth_end(SpHorizon *h)
{
	float *last = h->reaches[h->ranks - 1];
	const float *before = h->reaches[h->ranks - 2];
	double far[SP_HORIZON_RECALLS];

	for (int i = 0; i < SP_HORIZON_RECALLS; i++)
		far[i] = before[i] + ((double) last[i] - before[i]) * (1 + BEYOND);
	make_rise(far);
	for (int i = 0; i < SP_HORIZON_RECALLS; i++)
		last[i] = to_float(before[i] + (far[i] - before[i]) / (1 + BEYOND));
}

static SpStatus
measure_queries(const SpEnv *env, Work *w)
{
	int tasks = (int) ((w->data->queries_n + w->group - 1) / w->group);
	SpStatus st = SP_OK;

	if (w->data->pool != NULL)
	{
		sp_pool_start(w->data->pool, measure_group, w, tasks);
		return sp_pool_wait(w->data->pool);
	}
	for (int i = 0; i < tasks && st == SP_OK; i++)
		st = sp_should_stop(env) ? SP_ERR_CANCELED : measure_group(w, i, 0, NULL);
	return st;
}

static SpStatus
measure_all(const SpEnv *env, Work *w, SpHorizon *out)
{
	const SpHorizonData *d = w->data;
	SpStatus st = measure_first(env, w, &out->least);

	w->least = out->least;
	if (st == SP_OK)
		st = measure_queries(env, w);
	if (st != SP_OK)
		return st;
	for (size_t rank = 1; rank <= w->most; rank *= 2)
	{
		take_quantiles(w, rank, out->reaches[out->ranks]);
		out->ranks++;
	}
	out->depth = (float) (1 / d->share);
	if (d->share < 1)
		smooth_begin(out, log2(d->share));
	smooth_end(out);
	return SP_OK;
}

static SpStatus
new_workers(const SpEnv *env, Work *w)
{
	SpStatus st = SP_OK;

	w->workers = sp_calloc(env, w->threads, sizeof(Worker));
	if (w->workers == NULL)
		return SP_ERR_NO_MEMORY;
	for (size_t i = 0; i < w->threads && st == SP_OK; i++)
	{
		Worker *worker = &w->workers[i];

		worker->near.env = env;
		worker->measures = sp_alloc(env, w->group * w->data->n, sizeof(double));
		st = worker->measures != NULL ? sp_queue_reserve(&worker->near, w->most) : SP_ERR_NO_MEMORY;
	}
	return st;
}

static void
free_workers(const SpEnv *env, Work *w)
{
	for (size_t i = 0; w->workers != NULL && i < w->threads; i++)
	{
		sp_queue_free(&w->workers[i].near);
		sp_free(env, w->workers[i].measures);
	}
	sp_free(env, w->workers);
}

SpStatus
sp_horizon_measure(const SpEnv *env, const SpHorizonData *data, SpHorizon *out)
{
	Work w = {.data = data, .most = 1, .group = 1};
	SpStatus st;

	memset(out, 0, sizeof(*out));
	if (data->n < LEAST_ROWS || data->queries_n < LEAST_QUERIES)
		return SP_OK;
	/* farther than a quarter of the rows nobody looks */
	while (w.most < MOST_RANK && w.most * 8 <= data->n)
		w.most *= 2;
	w.threads = data->pool != NULL ? (size_t) sp_pool_threads(data->pool) : 1;
	while (w.group < MOST_GROUP &&
	       2 * w.group * w.threads * sizeof(double) <= data->dims * sizeof(float))
		w.group *= 2;
	w.reaches = sp_alloc(env, data->queries_n * (2 * w.most - 1), sizeof(float));
	w.first = sp_alloc(env, data->queries_n, sizeof(double));
	w.lists = sp_alloc(env, data->lists, sizeof(double));
	st = new_workers(env, &w);
	if (w.reaches == NULL || w.first == NULL || w.lists == NULL)
		st = SP_ERR_NO_MEMORY;
	if (st == SP_OK)
		st = measure_all(env, &w, out);
	free_workers(env, &w);
	sp_free(env, w.lists);
	sp_free(env, w.first);
	sp_free(env, w.reaches);
	return st;
}

/* In this scale a recall's distance from 1 is cut in half at equal steps. */
static double
scale(double recall)
{
	return -log2(1 - recall);
}

static double
reach_of_rank(const float *reaches, double recall)
{
	int i = 1;
	double from, to;

	if (recall <= recalls[0])
		return reaches[0];
	while (i < SP_HORIZON_RECALLS - 1 && recall > recalls[i])
		i++;
	from = scale(recalls[i - 1]);
	to = scale(recalls[i]);
	return reaches[i - 1] + (reaches[i] - reaches[i - 1]) * (scale(recall) - from) / (to - from);
}

bool
sp_horizon_is_sound(const SpHorizon *h)
{
	if (h->ranks == 0)
		return true;
	return h->ranks >= 2 && h->ranks <= SP_HORIZON_RANKS && h->depth > 0 && isfinite(h->depth) &&
	       h->least >= 0 && isfinite(h->least);
}

double
sp_horizon_reach(const SpHorizon *h, double recall, double depth)
{
	double at, low, high;
	int r;

	if (h->ranks == 0 || recall >= 1)
		return INFINITY;
	at = fmin(log2(fmax(depth, 1) / h->depth), h->ranks - 1 + BEYOND);
	/* on the line through the two ranks beside it, or through the first two or the last two */
	r = at < 0 ? 0 : at >= h->ranks - 1 ? h->ranks - 2 : (int) at;
	low = reach_of_rank(h->reaches[r], recall);
	high = reach_of_rank(h->reaches[r + 1], recall);
	return low + (high - low) * (at - r);
}

double
sp_horizon_key(const SpHorizon *h, SpVectorMetric metric, double reach, double list, double first,
               double length)
{
	double scale = metric == SP_METRIC_L2_SQUARED ? 1 : length;

	/* times nothing, as of a query that is a centroid, it would be no number */
	if (isinf(reach))
		return -reach;
	/* with products all is divided by the length of the query, reaches are not */
	return (list - (1 - WEIGHT) * first - reach * scale * divisor(h->least, metric, first)) /
	       WEIGHT;
}
