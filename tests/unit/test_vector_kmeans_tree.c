/*
 * tests/unit/test_vector_kmeans_tree.c
 *	  Centroids in two steps: nearly as good as in one, exactly as many as
 *	  asked for, the same for any number of threads, and stopped when asked.
 */
#include "check.h"

#include "core/vector/kmeans.h"

typedef SpStatus (*Run)(const SpEnv *env, const SpKmeansConfig *cfg, const float *vectors, size_t n,
                        float *centroids);

static float *
noise(size_t n)
{
	float *x = malloc(n * sizeof(float));

	for (size_t i = 0; i < n; i++)
		x[i] = check_noise();
	return x;
}

/* balls of unequal sizes around random points: ball b has about twice that of ball 2 b. */
static float *
clouds(size_t n, size_t dims, size_t balls, float width)
{
	float *centers = noise(balls * dims), *x = noise(n * dims);

	for (size_t i = 0; i < n; i++)
	{
		double at = check_random() / 4294967296.0;
		size_t ball = (size_t) (at * at * (double) balls);

		for (size_t d = 0; d < dims; d++)
			x[i * dims + d] = width * x[i * dims + d] + centers[ball * dims + d];
	}
	free(centers);
	return x;
}

static double
square_distance(const float *a, const float *b, size_t dims)
{
	double sum = 0;

	for (size_t i = 0; i < dims; i++)
		sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
	return sum;
}

/* Mean squared distance to the nearest, by brute force. */
static double
mean_error(const SpKmeansConfig *cfg, const float *x, size_t n, const float *centroids)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
	{
		double least = HUGE_VAL;

		for (size_t k = 0; k < cfg->centroids; k++)
			least = fmin(least,
			             square_distance(x + i * cfg->dims, centroids + k * cfg->dims, cfg->dims));
		sum += least;
	}
	return sum / (double) n;
}

static double
error_of(Run run, const SpKmeansConfig *cfg, const float *x, size_t n)
{
	float *centroids = malloc(cfg->centroids * cfg->dims * sizeof(float));
	double error;

	for (size_t i = 0; i < cfg->centroids * cfg->dims; i++)
		centroids[i] = NAN;
	CHECK(run(&check_env, cfg, x, n, centroids) == SP_OK);
	for (size_t i = 0; i < cfg->centroids * cfg->dims; i++)
		CHECK(isfinite(centroids[i]));
	error = mean_error(cfg, x, n, centroids);
	free(centroids);
	return error;
}

static void
check_quality(size_t balls, float width)
{
	enum
	{
		N = 5000,
		DIMS = 12,
		K = 150
	};
	float *x = clouds(N, DIMS, balls, width);
	SpKmeansConfig cfg = {DIMS, K, 10, 7, NULL};
	double flat = error_of(sp_kmeans_run, &cfg, x, N);

	CHECK(error_of(sp_kmeans_tree_run, &cfg, x, N) < 1.06 * flat);
	free(x);
}

/* As many centroids as vectors: each share is its cluster's size, and no vector is far from any. */
static void
check_shares(void)
{
	enum
	{
		N = 300,
		DIMS = 4
	};
	float *x = clouds(N, DIMS, 3, 0.1f);

	for (size_t k = 1; k <= N; k += k < 12 ? 1 : 37)
	{
		SpKmeansConfig cfg = {DIMS, k, 5, k, NULL};

		error_of(sp_kmeans_tree_run, &cfg, x, N);
	}
	for (size_t k = N - 2; k <= N; k++)
	{
		SpKmeansConfig cfg = {DIMS, k, 5, 1, NULL};

		CHECK(error_of(sp_kmeans_tree_run, &cfg, x, N) < (k == N ? 1e-12 : 1e-3));
	}
	free(x);
}

/* A few far from the many, each by itself: none is left without a centroid. */
static void
check_outliers(void)
{
	enum
	{
		N = 2000,
		FAR = 5,
		DIMS = 3
	};
	float *x = noise(N * DIMS), centroids[100 * DIMS];
	SpKmeansConfig cfg = {DIMS, 100, 20, 0, NULL};
	int found = 0;

	for (size_t i = 0; i < FAR * DIMS; i++)
		x[i] *= 1000;
	/* the first step begins with vectors at random, so that some seeds miss some of them */
	for (; cfg.seed < 50; cfg.seed++)
	{
		bool all = true;

		CHECK(sp_kmeans_tree_run(&check_env, &cfg, x, N, centroids) == SP_OK);
		for (size_t i = 0; i < FAR; i++)
		{
			double least = HUGE_VAL;

			for (size_t k = 0; k < cfg.centroids; k++)
				least = fmin(least, square_distance(x + i * DIMS, centroids + k * DIMS, DIMS));
			all = all && least < 1;
		}
		found += all;
	}
	CHECK(found > 0);
	free(x);
}

static void
check_threads_agree(void)
{
	enum
	{
		N = 3000,
		DIMS = 70,
		K = 90
	};
	float *x = clouds(N, DIMS, 20, 0.5f), *one = malloc(K * DIMS * sizeof(float));
	float *other = malloc(K * DIMS * sizeof(float));
	SpKmeansConfig cfg = {DIMS, K, 8, 5, NULL};

	CHECK(sp_kmeans_tree_run(&check_env, &cfg, x, N, one) == SP_OK);
	for (int threads = 1; threads < 5; threads++)
	{
		CHECK(sp_pool_new(&check_env, threads, NULL, &cfg.pool) == SP_OK);
		CHECK(sp_kmeans_tree_run(&check_env, &cfg, x, N, other) == SP_OK);
		CHECK(memcmp(one, other, K * DIMS * sizeof(float)) == 0);
		sp_pool_free(cfg.pool);
	}
	cfg.pool = NULL;
	cfg.seed = 6;
	CHECK(sp_kmeans_tree_run(&check_env, &cfg, x, N, other) == SP_OK);
	CHECK(memcmp(one, other, K * DIMS * sizeof(float)) != 0);
	free(x);
	free(one);
	free(other);
}

/* What was found stays when nothing can move, and gets better otherwise. */
static void
check_refine(void)
{
	enum
	{
		N = 1000,
		DIMS = 6,
		K = 20
	};
	float *x = clouds(N, DIMS, 10, 0.5f), start[K * DIMS], centroids[K * DIMS];
	SpKmeansConfig cfg = {DIMS, K, 1000, 5, NULL};
	double before;

	memcpy(start, x, sizeof(start));
	memcpy(centroids, start, sizeof(start));
	before = mean_error(&cfg, x, N, centroids);
	CHECK(sp_kmeans_refine(&check_env, &cfg, x, N, centroids) == SP_OK);
	CHECK(mean_error(&cfg, x, N, centroids) < before);
	memcpy(start, centroids, sizeof(start));
	CHECK(sp_kmeans_refine(&check_env, &cfg, x, N, centroids) == SP_OK);
	CHECK(memcmp(start, centroids, sizeof(start)) == 0);
	free(x);
}

/* All the same, and fewer different ones than centroids. */
static void
check_degenerate(void)
{
	float x[200 * 2], centroids[200 * 2];

	for (size_t different = 1; different < 6; different++)
		for (size_t k = 1; k <= 200; k = 3 * k + 1)
		{
			SpKmeansConfig cfg = {2, k, 10, 1, NULL};

			for (size_t i = 0; i < 400; i++)
				x[i] = (float) (i / 2 % different);
			CHECK(sp_kmeans_tree_run(&check_env, &cfg, x, 200, centroids) == SP_OK);
			for (size_t i = 0; i < 2 * k; i++)
				CHECK(centroids[i] >= 0 && centroids[i] < (float) different);
		}
}

/* Stopped at each question in turn, then let through; nothing leaks. */
static void
check_canceled(Run run)
{
	enum
	{
		N = 2500,
		DIMS = 4,
		K = 30
	};
	float *x = clouds(N, DIMS, 5, 0.5f), centroids[K * DIMS];
	SpKmeansConfig cfg = {DIMS, K, 3, 1, NULL};
	SpStatus st = SP_ERR_CANCELED;
	long polls = 0;

	for (; st == SP_ERR_CANCELED && polls < 10000; polls++)
	{
		check_polls_left = polls;
		st = run(&check_env, &cfg, x, N, centroids);
	}
	CHECK(st == SP_OK && polls > 10);
	check_polls_left = -1;
	CHECK(sp_pool_new(&check_env, 2, NULL, &cfg.pool) == SP_OK);
	check_polls_left = 0;
	CHECK(run(&check_env, &cfg, x, N, centroids) == SP_ERR_CANCELED);
	check_polls_left = -1;
	CHECK(run(&check_env, &cfg, x, N, centroids) == SP_OK);
	sp_pool_free(cfg.pool);
	free(x);
}

static void
check_refusals(void)
{
	float *x = noise(100 * 2), centroids[9 * 2];
	SpKmeansConfig cfg = {2, 101, 2, 1, NULL};
	SpStatus st = SP_ERR_NO_MEMORY;
	long allowed = 0;

	CHECK(sp_kmeans_tree_run(&check_env, &cfg, x, 100, centroids) == SP_ERR_BAD_ARG);
	cfg.centroids = 0;
	CHECK(sp_kmeans_tree_run(&check_env, &cfg, x, 100, centroids) == SP_ERR_BAD_ARG);
	cfg.centroids = 9;
	cfg.dims = 0;
	CHECK(sp_kmeans_tree_run(&check_env, &cfg, x, 100, centroids) == SP_ERR_BAD_ARG);
	cfg.dims = 2;
	for (; st == SP_ERR_NO_MEMORY && allowed < 1000; allowed++)
	{
		check_allocs_left = allowed;
		st = sp_kmeans_tree_run(&check_env, &cfg, x, 100, centroids);
	}
	check_allocs_left = -1;
	CHECK(st == SP_OK && allowed > 20);
	free(x);
}

int
main(void)
{
	check_quality(30, 0.3f);
	check_quality(1000, 0.3f);
	check_quality(1, 1);
	check_shares();
	check_outliers();
	check_threads_agree();
	check_refine();
	check_degenerate();
	check_canceled(sp_kmeans_run);
	check_canceled(sp_kmeans_tree_run);
	check_refusals();
	return check_report();
}
