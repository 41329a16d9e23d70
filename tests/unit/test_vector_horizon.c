/*
 * tests/unit/test_vector_horizon.c
 *	  The recall that is asked for is what a search that follows the horizon
 *	  finds: in clusters, on a sphere, on a surface of few dimensions, for both
 *	  measures, at several depths.  The edges: nothing known, recall 1, queries
 *	  that are centroids, copies, numbers that end where floats do.
 */
#include "check.h"

#include "core/vector/distance.h"
#include "core/vector/horizon.h"
#include "core/vector/kmeans.h"
#include "core/vector/queue.h"

/* --- tables ---------------------------------------------------------------------------- */

enum
{
	DIMS = 12,
	BALLS = 40,
	SURFACE = 3,
	ASKING = 200, /* queries that measure */
	TESTS = 150   /* and others that test */
};

typedef enum Shape
{
	SHAPE_BALLS,
	SHAPE_SPHERE,
	SHAPE_CUBE,
	SHAPE_SURFACE
} Shape;

static const char *const shapes[] = {"balls", "sphere", "cube", "surface"};

typedef struct Table
{
	SpHorizonData data; /* rows, queries: those that measure */
	const float *tests; /* [TESTS][DIMS] */
	float *all, *centroids;
	uint32_t *list_of;
	SpHorizon horizon;
} Table;

/* Irwin and Hall's: near enough to normal, variance 1. */
static float
bell(void)
{
	float sum = 0;

	for (int i = 0; i < 3; i++)
		sum += check_noise();
	return sum;
}

static void
fill(float *x, size_t n, Shape shape)
{
	float balls[BALLS * DIMS], basis[SURFACE * DIMS];

	for (size_t i = 0; i < BALLS * DIMS; i++)
		balls[i] = check_noise();
	for (size_t i = 0; i < SURFACE * DIMS; i++)
		basis[i] = check_noise();
	for (size_t i = 0; i < n; i++)
	{
		size_t ball = check_random() % BALLS;
		float at[SURFACE] = {bell(), bell(), bell()};
		float *row = x + i * DIMS;

		for (size_t k = 0; k < DIMS; k++)
		{
			row[k] = shape == SHAPE_CUBE ? check_noise() : bell();
			if (shape == SHAPE_BALLS)
				row[k] = balls[ball * DIMS + k] + 0.3f * row[k];
			if (shape == SHAPE_SURFACE)
				row[k] *= 0.02f;
			for (size_t j = 0; j < SURFACE && shape == SHAPE_SURFACE; j++)
				row[k] += at[j] * basis[j * DIMS + k];
		}
		if (shape == SHAPE_SPHERE)
			sp_vector_normalize(row, row, DIMS);
	}
}

static uint32_t
nearest_list(const Table *t, const float *row)
{
	uint32_t best = 0;
	double least = INFINITY;

	for (uint32_t i = 0; i < t->data.lists; i++)
	{
		double d = sp_vector_l2_squared(row, t->centroids + i * DIMS, DIMS);

		if (d < least)
		{
			least = d;
			best = i;
		}
	}
	return best;
}

/* n rows, of which the horizon sees the first `seen`. */
static Table
new_table(Shape shape, SpVectorMetric metric, size_t n, size_t seen, size_t lists)
{
	size_t total = n + ASKING + TESTS;
	SpKmeansConfig cfg = {DIMS, lists, 8, 1, NULL};
	Table t = {.all = malloc(total * DIMS * sizeof(float)),
	           .centroids = malloc(lists * DIMS * sizeof(float)),
	           .list_of = malloc(n * sizeof(uint32_t))};

	fill(t.all, total, shape);
	CHECK(sp_kmeans_run(&check_env, &cfg, t.all, n, t.centroids) == SP_OK);
	t.data = (SpHorizonData){.metric = metric,
	                         .dims = DIMS,
	                         .centroids = t.centroids,
	                         .lists = lists,
	                         .rows = t.all,
	                         .n = seen,
	                         .list_of = t.list_of,
	                         .queries = t.all + n * DIMS,
	                         .queries_n = ASKING,
	                         .share = (double) seen / (double) n};
	t.tests = t.all + (n + ASKING) * DIMS;
	for (size_t i = 0; i < n; i++)
		t.list_of[i] = nearest_list(&t, t.all + i * DIMS);
	CHECK(sp_horizon_measure(&check_env, &t.data, &t.horizon) == SP_OK);
	return t;
}

static void
free_table(Table *t)
{
	free(t->all);
	free(t->centroids);
	free(t->list_of);
}

/* --- a search -------------------------------------------------------------------------- */

static double
measure(const Table *t, const float *a, const float *b)
{
	return t->data.metric == SP_METRIC_L2_SQUARED ? sp_vector_l2_squared(a, b, DIMS)
	                                              : -sp_vector_inner_product(a, b, DIMS);
}

static int
compare_doubles(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return (x > y) - (x < y);
}

typedef struct Search
{
	const Table *t;
	const float *query;
	size_t n;
	double *rows, *sorted; /* [n], their measures */
	SpQueue lists, found;
	size_t looked;
} Search;

static void
look(Search *s)
{
	uint64_t list = sp_queue_pop(&s->lists).id;

	for (size_t i = 0; i < s->n; i++)
		if (s->t->list_of[i] == list)
			sp_queue_push(&s->found, (SpQueueItem){s->rows[i], i, 0});
	s->looked++;
}

/* As the access method does it; the share of the depth nearest that are among the first depth. */
static double
search(Search *s, double recall, size_t depth)
{
	const Table *t = s->t;
	double first, length = sqrt(sp_vector_norm_squared(s->query, DIMS));
	size_t hits = 0;

	s->lists.count = s->found.count = 0;
	for (size_t i = 0; i < t->data.lists; i++)
		sp_queue_push(&s->lists,
		              (SpQueueItem){measure(t, s->query, t->centroids + i * DIMS), i, 0});
	first = s->lists.items[0].key;
	for (size_t returned = 0; returned < depth;)
	{
		double reach = sp_horizon_reach(&t->horizon, recall, (double) returned + 1);
		double row = s->found.count > 0 ? s->found.items[0].key : INFINITY;

		if (s->lists.count > 0 &&
		    (s->found.count == 0 || sp_horizon_key(&t->horizon, t->data.metric, reach,
		                                           s->lists.items[0].key, first, length) <= row))
		{
			look(s);
			continue;
		}
		hits += sp_queue_pop(&s->found).key <= s->sorted[depth - 1];
		returned++;
	}
	return (double) hits / (double) depth;
}

static Search
new_search(const Table *t, size_t n)
{
	Search s = {.t = t,
	            .n = n,
	            .rows = malloc(n * sizeof(double)),
	            .sorted = malloc(n * sizeof(double)),
	            .lists = {.env = &check_env},
	            .found = {.env = &check_env}};

	CHECK(sp_queue_reserve(&s.lists, t->data.lists) == SP_OK);
	CHECK(sp_queue_reserve(&s.found, n) == SP_OK);
	return s;
}

static void
free_search(Search *s)
{
	free(s->rows);
	free(s->sorted);
	sp_queue_free(&s->lists);
	sp_queue_free(&s->found);
}

static void
aim(Search *s, const float *query)
{
	s->query = query;
	for (size_t i = 0; i < s->n; i++)
		s->rows[i] = measure(s->t, query, s->t->data.rows + i * DIMS);
	memcpy(s->sorted, s->rows, s->n * sizeof(double));
	qsort(s->sorted, s->n, sizeof(double), compare_doubles);
}

/* --- recall ---------------------------------------------------------------------------- */

/*
 * What is found may lack two standard errors (of queries that measure and of those
 * that test, each all or nothing) of what is wanted, and `less`.  The lists that it
 * takes are printed, and are not all where less is wanted than nearly all.
 */
static void
check_recall(Shape shape, SpVectorMetric metric, size_t n, size_t seen, double less)
{
	static const double recalls[] = {0.8, 0.95, 0.99};
	static const size_t depths[] = {1, 10, 100};
	Table t = new_table(shape, metric, n, seen, 50);
	Search s = new_search(&t, n);
	double found[3][3] = {{0}};

	for (size_t q = 0; q < TESTS; q++)
	{
		aim(&s, t.tests + q * DIMS);
		for (int r = 0; r < 3; r++)
			for (int d = 0; d < 3; d++)
				found[r][d] += search(&s, recalls[r], depths[d]) / TESTS;
	}
	for (int r = 0; r < 3; r++)
	{
		double p = recalls[r], error = sqrt(p * (1 - p) * (1.0 / ASKING + 1.0 / TESTS));

		printf("# %s, %s, %zu of %zu seen, recall %.2f: %.3f %.3f %.3f\n", shapes[shape],
		       metric == SP_METRIC_L2_SQUARED ? "distance" : "product", seen, n, p, found[r][0],
		       found[r][1], found[r][2]);
		for (int d = 0; d < 3; d++)
			CHECK(found[r][d] >= p - 2 * error - less);
	}
	printf("# lists of a query, in the mean: %.1f\n", (double) s.looked / (TESTS * 9));
	CHECK((double) s.looked / (TESTS * 9) < 35);
	free_search(&s);
	free_table(&t);
}

/* --- what is promised of reaches ------------------------------------------------------- */

/* A higher recall reaches no less far, at any depth; nothing is no number. */
static void
check_rises(Shape shape, SpVectorMetric metric, size_t n, size_t seen)
{
	Table t = new_table(shape, metric, n, seen, 30);

	CHECK(t.horizon.ranks > 0 && t.horizon.ranks <= SP_HORIZON_RANKS);
	CHECK_NEAR(t.horizon.depth, (double) n / (double) seen, 1e-4 * t.horizon.depth);
	for (double depth = 0; depth < 1e9; depth = depth * 1.7 + 1)
	{
		/* what a float leaves of a reach, at both ends of a line */
		double before = -INFINITY, slack = 1e-4;

		for (double recall = 0; recall < 1; recall += 0.0099)
		{
			double reach = sp_horizon_reach(&t.horizon, recall, depth);

			CHECK(isfinite(reach) && reach >= before - slack);
			before = reach;
		}
		before = -INFINITY;
		for (double miss = 0.01; miss > 1e-12; miss /= 2)
		{
			double reach = sp_horizon_reach(&t.horizon, 1 - miss, depth);

			CHECK(isfinite(reach) && reach >= before - slack);
			before = reach;
		}
		CHECK(sp_horizon_reach(&t.horizon, 1, depth) == INFINITY);
	}
	/* below the first depth there is the first */
	CHECK(sp_horizon_reach(&t.horizon, 0.9, 0) == sp_horizon_reach(&t.horizon, 0.9, 1));
	free_table(&t);
}

/* Near lists come before far ones, those within more reach before those within less. */
static void
check_keys(void)
{
	Table t = new_table(SHAPE_BALLS, SP_METRIC_L2_SQUARED, 1000, 1000, 20);
	const SpHorizon *h = &t.horizon;

	for (int m = SP_METRIC_L2_SQUARED; m <= SP_METRIC_NEGATIVE_PRODUCT; m++)
	{
		double key = sp_horizon_key(h, m, 1, 2, 0.5, 1);

		CHECK(sp_horizon_key(h, m, 1, 3, 0.5, 1) > key);
		CHECK(sp_horizon_key(h, m, 2, 2, 0.5, 1) < key);
	}
	/* a list is within reach of a row at its key: (D^2 - d^2 / 4 - 3/4 D1^2) / D1 = reach */
	CHECK_NEAR(sp_horizon_key(h, SP_METRIC_L2_SQUARED, 1.5, 9, 4, 7), 4 * (9 - 3 - 1.5 * 2), 1e-9);
	CHECK_NEAR(sp_horizon_key(h, SP_METRIC_NEGATIVE_PRODUCT, 1.5, -9, -12, 2),
	           4 * (-9 + 9 - 1.5 * 2), 1e-9);
	free_table(&t);
}

/* --- edges ----------------------------------------------------------------------------- */

/* All lists, wherever the query is, when all is wanted or nothing is known. */
static void
check_all_lists(void)
{
	Table t = new_table(SHAPE_CUBE, SP_METRIC_L2_SQUARED, 63, 63, 9);
	SpHorizon zeros = {0};

	CHECK(memcmp(&t.horizon, &zeros, sizeof(zeros)) == 0);
	for (int m = SP_METRIC_L2_SQUARED; m <= SP_METRIC_NEGATIVE_PRODUCT; m++)
		for (double recall = 0; recall <= 1; recall += 0.25)
		{
			double reach = sp_horizon_reach(&zeros, recall, 1);

			CHECK(reach == INFINITY);
			CHECK(sp_horizon_key(&zeros, m, reach, 5, 1, 2) == -INFINITY);
			/* at a centroid; without a length */
			CHECK(sp_horizon_key(&zeros, m, reach, 5, 0, 2) == -INFINITY);
			CHECK(sp_horizon_key(&zeros, m, reach, 0, 0, 0) == -INFINITY);
		}
	free_table(&t);
}

static void
check_few(void)
{
	Table t = new_table(SHAPE_CUBE, SP_METRIC_L2_SQUARED, 64, 64, 4);
	SpHorizon h;

	CHECK(t.horizon.ranks == 5);
	t.data.queries_n = 15;
	CHECK(sp_horizon_measure(&check_env, &t.data, &h) == SP_OK && h.ranks == 0);
	t.data.queries_n = 16;
	CHECK(sp_horizon_measure(&check_env, &t.data, &h) == SP_OK && h.ranks == 5);
	t.data.queries_n = 0;
	t.data.n = 0;
	t.data.share = 0;
	CHECK(sp_horizon_measure(&check_env, &t.data, &h) == SP_OK && h.ranks == 0);
	free_table(&t);
}

/*
 * Few different rows, each in a list of its own, so that a query is at its
 * centroid and the next one is infinitely farther: of numbers of any size.
 */
static void
check_copies(float size)
{
	enum
	{
		DIFFERENT = 8
	};
	Table t = new_table(SHAPE_CUBE, SP_METRIC_L2_SQUARED, 400, 400, DIFFERENT);
	Search s = new_search(&t, 400);

	for (size_t i = 0; i < 400 + ASKING + TESTS; i++)
		for (size_t k = 0; k < DIMS; k++)
			t.all[i * DIMS + k] = size * (float) ((i % DIFFERENT + k) % DIFFERENT);
	memcpy(t.centroids, t.all, sizeof(float) * DIFFERENT * DIMS);
	for (size_t i = 0; i < 400; i++)
		t.list_of[i] = nearest_list(&t, t.all + i * DIMS);
	for (int m = SP_METRIC_L2_SQUARED; m <= SP_METRIC_NEGATIVE_PRODUCT; m++)
	{
		t.data.metric = m;
		CHECK(sp_horizon_measure(&check_env, &t.data, &t.horizon) == SP_OK);
		for (int r = 0; r < t.horizon.ranks; r++)
			for (int i = 0; i < SP_HORIZON_RECALLS; i++)
				CHECK(isfinite(t.horizon.reaches[r][i]));
		for (double depth = 1; depth < 1e6; depth *= 3)
			CHECK(isfinite(sp_horizon_reach(&t.horizon, 0.99, depth)));
		for (size_t q = 0; q < 16; q++)
		{
			aim(&s, t.tests + q * DIMS);
			/* 50 are copies of the query, 100 beyond them are not */
			CHECK(search(&s, 0.99, 50) == 1);
			CHECK(search(&s, 0.99, 100) >= 0.9);
		}
	}
	free_search(&s);
	free_table(&t);
}

/* The rows with zeros behind them, which change no distance, but many at a time. */
static float *
widened(const float *rows, size_t n, size_t dims)
{
	float *wide = calloc(n * dims, sizeof(float));

	for (size_t i = 0; i < n; i++)
		memcpy(wide + i * dims, rows + i * DIMS, DIMS * sizeof(float));
	return wide;
}

static void
check_same_reaches(const SpHorizon *a, const SpHorizon *b)
{
	CHECK(a->ranks == b->ranks);
	for (int r = 0; r < a->ranks; r++)
		for (int i = 0; i < SP_HORIZON_RECALLS; i++)
			CHECK_NEAR(a->reaches[r][i], b->reaches[r][i], 1e-3);
}

/* Groups of queries, blocks of rows and threads: what is measured is the same. */
static void
check_groups(SpVectorMetric metric)
{
	enum
	{
		WIDE = 16 * DIMS
	};
	Table t = new_table(SHAPE_BALLS, metric, 3000, 3000, 30);
	float *rows = widened(t.data.rows, t.data.n, WIDE);
	float *queries = widened(t.data.queries, t.data.queries_n, WIDE);
	float *centroids = widened(t.data.centroids, t.data.lists, WIDE);
	SpHorizonData wide = t.data;
	SpHorizon alone, together;

	wide.dims = WIDE;
	wide.rows = rows;
	wide.queries = queries;
	wide.centroids = centroids;
	CHECK(sp_horizon_measure(&check_env, &wide, &alone) == SP_OK);
	check_same_reaches(&alone, &t.horizon);
	CHECK(sp_pool_new(&check_env, 3, NULL, &wide.pool) == SP_OK);
	CHECK(sp_horizon_measure(&check_env, &wide, &together) == SP_OK);
	CHECK(memcmp(&together, &alone, sizeof(alone)) == 0);
	check_polls_left = 0;
	CHECK(sp_horizon_measure(&check_env, &wide, &together) == SP_ERR_CANCELED);
	check_polls_left = -1;
	sp_pool_free(wide.pool);
	free(rows);
	free(queries);
	free(centroids);
	free_table(&t);
}

static void
check_refusals(void)
{
	Table t = new_table(SHAPE_CUBE, SP_METRIC_L2_SQUARED, 500, 500, 10);
	SpStatus st = SP_ERR_NO_MEMORY;
	long allowed = 0;
	SpHorizon h;

	for (; st == SP_ERR_NO_MEMORY && allowed < 20; allowed++)
	{
		check_allocs_left = allowed;
		st = sp_horizon_measure(&check_env, &t.data, &h);
		CHECK(st == SP_OK || h.ranks == 0);
	}
	check_allocs_left = -1;
	CHECK(st == SP_OK && allowed > 2);
	CHECK(memcmp(&h, &t.horizon, sizeof(h)) == 0);
	for (long polls = 0; polls < 20; polls += 19)
	{
		check_polls_left = polls;
		CHECK(sp_horizon_measure(&check_env, &t.data, &h) == SP_ERR_CANCELED);
		CHECK(h.ranks == 0);
	}
	check_polls_left = -1;
	free_table(&t);
}

int
main(void)
{
	for (Shape shape = SHAPE_BALLS; shape <= SHAPE_SURFACE; shape++)
	{
		check_recall(shape, SP_METRIC_L2_SQUARED, 3000, 3000, 0);
		check_recall(shape, SP_METRIC_NEGATIVE_PRODUCT, 3000, 3000, 0);
		/* of the nearest one of twenty nothing was measured but where its like lie */
		check_recall(shape, SP_METRIC_L2_SQUARED, 6000, 300, 0.08);
		check_rises(shape, SP_METRIC_L2_SQUARED, 3000, 3000);
		check_rises(shape, SP_METRIC_L2_SQUARED, 3000, 150);
		check_rises(shape, SP_METRIC_NEGATIVE_PRODUCT, 3000, 150);
		check_rises(shape, SP_METRIC_L2_SQUARED, 100, 100);
	}
	check_keys();
	check_all_lists();
	check_few();
	check_copies(1);
	check_copies(1e6f);
	check_copies(1e-20f);
	check_copies(1e30f);
	check_groups(SP_METRIC_L2_SQUARED);
	check_groups(SP_METRIC_NEGATIVE_PRODUCT);
	check_refusals();
	return check_report();
}
