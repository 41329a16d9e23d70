/*
 * tests/unit/test_vector_kmeans.c
 *	  The nearest centroid against brute force; clusters that are there are
 *	  found; degenerate clouds; the same for any number of threads.
 */
#include "check.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "core/vector/kmeans.h"

static double
square_distance(const float *a, const float *b, size_t dims)
{
	double sum = 0;

	for (size_t i = 0; i < dims; i++)
		sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
	return sum;
}

static float *
noise(size_t n)
{
	float *x = malloc(n * sizeof(float));

	for (size_t i = 0; i < n; i++)
		x[i] = check_noise();
	return x;
}

static SpPool *
new_pool(int threads)
{
	SpPool *pool = NULL;

	if (threads > 1)
		CHECK(sp_pool_new(&check_env, threads, NULL, &pool) == SP_OK);
	return pool;
}

/* More centroids than a block of a product, and vectors that end within a task. */
static void
check_nearest(size_t n, size_t count, size_t dims, int threads)
{
	float *vectors = noise(n * dims), *centroids = noise(count * dims);
	uint32_t *nearest = malloc(n * sizeof(uint32_t));
	float *distances = malloc(n * sizeof(float));
	SpPool *pool = new_pool(threads);
	SpNearest *s = NULL;

	CHECK(sp_nearest_new(&check_env, centroids, count, dims, pool, &s) == SP_OK);
	CHECK(sp_nearest_find(s, vectors, n, nearest, distances) == SP_OK);
	for (size_t i = 0; i < n; i++)
	{
		double least = HUGE_VAL, found;

		for (size_t k = 0; k < count; k++)
			least = fmin(least, square_distance(vectors + i * dims, centroids + k * dims, dims));
		CHECK(nearest[i] < count);
		found = square_distance(vectors + i * dims, centroids + nearest[i] * dims, dims);
		CHECK_NEAR(found, least, 1e-4);
		CHECK_NEAR(distances[i], least, 1e-4);
	}
	sp_nearest_free(s);
	sp_pool_free(pool);
	free(vectors);
	free(centroids);
	free(nearest);
	free(distances);
}

/* Balls around the corners of a cube, far apart: each gets its centroid. */
static void
check_balls(void)
{
	enum
	{
		N = 4000,
		DIMS = 3,
		BALLS = 8
	};
	float *x = noise(N * DIMS), centroids[BALLS * DIMS];
	/* Lloyd may stop with two balls in one cluster; the best of some seeds does not */
	double best = HUGE_VAL;

	for (size_t i = 0; i < N; i++)
		for (size_t k = 0; k < DIMS; k++)
			x[i * DIMS + k] = 0.1f * x[i * DIMS + k] + 10.0f * (float) (i % BALLS >> k & 1);
	for (uint64_t seed = 0; seed < 20; seed++)
	{
		SpKmeansConfig cfg = {DIMS, BALLS, 50, seed, NULL};
		double worst = 0;

		CHECK(sp_kmeans_run(&check_env, &cfg, x, N, centroids) == SP_OK);
		for (size_t b = 0; b < BALLS; b++)
		{
			float corner[DIMS] = {10.0f * (b & 1), 10.0f * (b >> 1 & 1), 10.0f * (b >> 2 & 1)};
			double least = HUGE_VAL;

			for (size_t k = 0; k < BALLS; k++)
				least = fmin(least, square_distance(corner, centroids + k * DIMS, DIMS));
			worst = fmax(worst, least);
		}
		best = fmin(best, worst);
	}
	CHECK(best < 0.01);
	free(x);
}

/* Each centroid is the mean of those that it is nearest to, once nothing moves. */
static void
check_fixed_point(void)
{
	enum
	{
		N = 500,
		DIMS = 5,
		K = 7
	};
	float *x = noise(N * DIMS), centroids[K * DIMS];
	SpKmeansConfig cfg = {DIMS, K, 1000, 3, NULL};
	uint32_t nearest[N];
	SpNearest *s = NULL;

	CHECK(sp_kmeans_run(&check_env, &cfg, x, N, centroids) == SP_OK);
	CHECK(sp_nearest_new(&check_env, centroids, K, DIMS, NULL, &s) == SP_OK);
	CHECK(sp_nearest_find(s, x, N, nearest, NULL) == SP_OK);
	for (size_t k = 0; k < K; k++)
		for (size_t d = 0; d < DIMS; d++)
		{
			double sum = 0;
			int size = 0;

			for (size_t i = 0; i < N; i++)
				if (nearest[i] == k)
				{
					sum += x[i * DIMS + d];
					size++;
				}
			CHECK(size > 0);
			CHECK_NEAR(centroids[k * DIMS + d], sum / size, 1e-5);
		}
	sp_nearest_free(s);
	free(x);
}

static void
check_threads_agree(void)
{
	enum
	{
		N = 3000,
		DIMS = 20,
		K = 30
	};
	float *x = noise(N * DIMS), *one = malloc(K * DIMS * sizeof(float));
	float *three = malloc(K * DIMS * sizeof(float));
	SpKmeansConfig cfg = {DIMS, K, 8, 5, NULL};

	CHECK(sp_kmeans_run(&check_env, &cfg, x, N, one) == SP_OK);
	cfg.pool = new_pool(3);
	CHECK(sp_kmeans_run(&check_env, &cfg, x, N, three) == SP_OK);
	CHECK(memcmp(one, three, K * DIMS * sizeof(float)) == 0);
	cfg.seed = 6;
	CHECK(sp_kmeans_run(&check_env, &cfg, x, N, three) == SP_OK);
	CHECK(memcmp(one, three, K * DIMS * sizeof(float)) != 0);
	sp_pool_free(cfg.pool);
	free(x);
	free(one);
	free(three);
}

/* All the same, fewer different ones than centroids, as many vectors as centroids. */
static void
check_degenerate(void)
{
	float same[40 * 2], centroids[40 * 2];
	SpKmeansConfig cfg = {2, 10, 10, 1, NULL};

	for (size_t i = 0; i < 80; i++)
		same[i] = 1.5f;
	CHECK(sp_kmeans_run(&check_env, &cfg, same, 40, centroids) == SP_OK);
	for (size_t i = 0; i < 20; i++)
		CHECK(centroids[i] == 1.5f);
	for (size_t i = 0; i < 80; i++)
		same[i] = (float) (i / 2 % 3);
	CHECK(sp_kmeans_run(&check_env, &cfg, same, 40, centroids) == SP_OK);
	for (size_t i = 0; i < 20; i++)
		CHECK(isfinite(centroids[i]) && centroids[i] >= 0 && centroids[i] <= 2);
	cfg.centroids = 40;
	CHECK(sp_kmeans_run(&check_env, &cfg, same, 40, centroids) == SP_OK);
	cfg.centroids = 1;
	CHECK(sp_kmeans_run(&check_env, &cfg, same, 40, centroids) == SP_OK);
	CHECK_NEAR(centroids[0], 39.0 / 40, 1e-6);
}

static void
check_refusals(void)
{
	float x[4] = {1, 2, 3, 4}, centroids[8];
	SpKmeansConfig cfg = {2, 3, 10, 1, NULL};
	SpStatus st = SP_ERR_NO_MEMORY;
	long allowed = 0;

	CHECK(sp_kmeans_run(&check_env, &cfg, x, 2, centroids) == SP_ERR_BAD_ARG);
	cfg.centroids = 0;
	CHECK(sp_kmeans_run(&check_env, &cfg, x, 2, centroids) == SP_ERR_BAD_ARG);
	cfg.centroids = 2;
	cfg.dims = 0;
	CHECK(sp_kmeans_run(&check_env, &cfg, x, 2, centroids) == SP_ERR_BAD_ARG);
	cfg.dims = 2;
	for (; st == SP_ERR_NO_MEMORY && allowed < 100; allowed++)
	{
		check_allocs_left = allowed;
		st = sp_kmeans_run(&check_env, &cfg, x, 2, centroids);
	}
	check_allocs_left = -1;
	CHECK(st == SP_OK && allowed > 4);
}

/* Without a pool it is the caller's thread that does it all: no library starts others. */
static void
check_one_thread(void)
{
	DIR *tasks = opendir("/proc/self/task");
	int threads = 0;

	if (tasks == NULL)
	{
		printf("# SKIP threads of this process: no /proc\n");
		return;
	}
	while (readdir(tasks) != NULL)
		threads++;
	closedir(tasks);
	CHECK(threads == 3); /* with . and .. */
}

static volatile sig_atomic_t signals;

/* A frame of its own under the kernel's, as deep as a backend's handlers go. */
static void
on_alarm(int signal)
{
	volatile char frame[2048];

	(void) signal;
	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = 1;
	signals++;
}

/* oneDNN's kernel keeps its stack on the heap: a signal's frame there ended the process in free(). */
static void
check_signals(void)
{
	enum
	{
		N = 6000,
		COUNT = 300,
		DIMS = 128
	};
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}, before;
	struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
	SpKmeansConfig cfg = {.dims = DIMS, .centroids = COUNT, .iterations = 2};
	float *x = noise((size_t) N * DIMS), *centroids = malloc(COUNT * DIMS * sizeof(float));
	sigset_t mask;

	sigaction(SIGALRM, &action, &before);
	setitimer(ITIMER_REAL, &often, NULL);
	for (cfg.seed = 0; cfg.seed < 40; cfg.seed++)
		CHECK(sp_kmeans_run(&check_env, &cfg, x, N, centroids) == SP_OK);
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &before, NULL);
	CHECK(signals > 100);
	/* the mask is what it was */
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	CHECK(sigismember(&mask, SIGALRM) == 0 && sigismember(&mask, SIGTERM) == 0);
	free(x);
	free(centroids);
}

int
main(void)
{
	check_nearest(1, 1, 1, 1);
	check_nearest(300, 17, 3, 1);
	check_nearest(700, 600, 33, 1);
	check_one_thread();
	check_nearest(700, 1100, 8, 2);
	check_balls();
	check_fixed_point();
	check_threads_agree();
	check_degenerate();
	check_refusals();
	check_signals();
	return check_report();
}
