/*
 * tests/unit/test_pool.c
 *	  Batches on 1 to 4 threads: every task once, the first error, prompt
 *	  cancellation, blocked signals.
 *
 * By hand under ThreadSanitizer, which `make` does not build:
 *	  clang-14 -std=gnu11 -g -O1 -fsanitize=thread -Isrc -Itests/unit tests/unit/test_pool.c \
 *	      src/core/sp_pool.c src/core/sp_base.c -lpthread -lm -o build/test_pool_tsan
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "check.h"
#include "clock.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "core/sp_pool.h"

#define TASKS 200

/* What the tasks of a batch share. */
typedef struct Board
{
	atomic_int runs[TASKS];
	atomic_int busy[SP_POOL_MAX_THREADS]; /* a worker has one task at a time */
	atomic_int failures;
	atomic_int started, finished;
	atomic_bool held; /* tasks wait until it is false or they are told to stop */
	int fails_at, fails_at_too;
} Board;

static atomic_int entered;

static void
enter(void)
{
	atomic_fetch_add(&entered, 1);
}

static void
sleep_ms(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000L};

	nanosleep(&t, NULL);
}

/* --- every task once --------------------------------------------------------------- */

static SpStatus
count(void *arg, int task, int worker, const SpStop *stop)
{
	Board *board = arg;

	if (atomic_fetch_add(&board->busy[worker], 1) != 0 || sp_stop_asked(stop))
		atomic_fetch_add(&board->failures, 1);
	atomic_fetch_add(&board->runs[task], 1);
	atomic_fetch_sub(&board->busy[worker], 1);
	return SP_OK;
}

static void
check_batches(int threads)
{
	static const int sizes[] = {TASKS, 1, 0, 3, TASKS};
	SpPool *pool = NULL;

	atomic_store(&entered, 0);
	CHECK(sp_pool_new(&check_env, threads, enter, &pool) == SP_OK);
	CHECK(sp_pool_threads(pool) == threads);
	CHECK(sp_pool_wait(pool) == SP_OK); /* no batch */
	for (size_t b = 0; b < sizeof(sizes) / sizeof(sizes[0]); b++)
	{
		Board board = {0};
		int wrong = 0;

		sp_pool_start(pool, count, &board, sizes[b]);
		CHECK(sp_pool_wait(pool) == SP_OK);
		for (int i = 0; i < TASKS; i++)
			wrong += board.runs[i] != (i < sizes[b] ? 1 : 0);
		CHECK(wrong == 0);
		CHECK(board.failures == 0);
	}
	sp_pool_free(pool);
	CHECK(entered == threads);
}

/* --- errors ------------------------------------------------------------------------- */

static SpStatus
fail_some(void *arg, int task, int worker, const SpStop *stop)
{
	Board *board = arg;

	(void) worker;
	atomic_fetch_add(&board->started, 1);
	if (task == board->fails_at)
		return SP_ERR_BAD_DATA;
	/* the second error comes while the first is known */
	if (task == board->fails_at_too)
	{
		while (!sp_stop_asked(stop))
			sleep_ms(1);
		return SP_ERR_NO_MEMORY;
	}
	return SP_OK;
}

static void
check_errors(int threads)
{
	SpPool *pool = NULL;
	Board board = {.fails_at = 5, .fails_at_too = -1};

	CHECK(sp_pool_new(&check_env, threads, NULL, &pool) == SP_OK);
	sp_pool_start(pool, fail_some, &board, TASKS);
	CHECK(sp_pool_wait(pool) == SP_ERR_BAD_DATA);
	/* what had begun ends; the rest is not begun (but by workers that were past the question) */
	CHECK(board.started >= 6 && board.started <= 6 + 2 * threads);
	CHECK(sp_pool_wait(pool) == SP_OK); /* the batch is over, and told */
	if (threads > 1)
	{
		Board two = {.fails_at = 1, .fails_at_too = 0};

		sp_pool_start(pool, fail_some, &two, 2);
		CHECK(sp_pool_wait(pool) == SP_ERR_BAD_DATA);
	}
	/* an error is of its batch */
	board.fails_at = -1;
	atomic_store(&board.started, 0);
	sp_pool_start(pool, fail_some, &board, TASKS);
	CHECK(sp_pool_wait(pool) == SP_OK);
	CHECK(board.started == TASKS);
	sp_pool_free(pool);
}

/* --- cancellation ------------------------------------------------------------------- */

static SpStatus
hold(void *arg, int task, int worker, const SpStop *stop)
{
	Board *board = arg;

	(void) task;
	(void) worker;
	atomic_fetch_add(&board->started, 1);
	while (atomic_load(&board->held) && !sp_stop_asked(stop))
		sleep_ms(1);
	atomic_fetch_add(&board->finished, 1);
	return atomic_load(&board->held) ? SP_ERR_CANCELED : SP_OK;
}

/* Tasks that would run for ever; the host wants them to stop 60 ms after the start. */
typedef struct Host
{
	double until;
	pthread_t owner;
	int strangers; /* questions that did not come from the owner's thread */
} Host;

static bool
host_should_stop(void *arg)
{
	Host *host = arg;

	host->strangers += !pthread_equal(pthread_self(), host->owner);
	return now() >= host->until;
}

static void
check_cancel(int threads)
{
	Host host = {.owner = pthread_self()};
	SpEnv env = {check_alloc, check_release, host_should_stop, &host};
	Board board = {.held = true};
	SpPool *pool = NULL;
	double late;

	CHECK(sp_pool_new(&env, threads, NULL, &pool) == SP_OK);
	host.until = now() + 0.06;
	sp_pool_start(pool, hold, &board, TASKS);
	CHECK(sp_pool_wait(pool) == SP_ERR_CANCELED);
	late = now() - host.until;
	CHECK(late >= 0 && late < 0.1);
	CHECK(board.started == board.finished && board.started <= threads);
	CHECK(host.strangers == 0);
	/* the pool is good for the next batch */
	host.until = INFINITY;
	atomic_store(&board.held, false);
	atomic_store(&board.started, 0);
	sp_pool_start(pool, hold, &board, TASKS);
	CHECK(sp_pool_wait(pool) == SP_OK);
	CHECK(board.started == TASKS);
	/* no batch: nothing to cancel */
	host.until = 0;
	CHECK(sp_pool_wait(pool) == SP_OK);
	sp_pool_free(pool);
}

/* Freed while tasks run: they are stopped, and none runs afterwards. */
static void
check_free_while_running(int threads)
{
	Board board = {.held = true};
	SpPool *pool = NULL;
	double start;

	CHECK(sp_pool_new(&check_env, threads, NULL, &pool) == SP_OK);
	sp_pool_start(pool, hold, &board, TASKS);
	while (atomic_load(&board.started) < threads)
		sleep_ms(1);
	start = now();
	sp_pool_free(pool);
	CHECK(now() - start < 0.1);
	CHECK(board.started == threads && board.finished == threads);
	/* and before any has begun */
	CHECK(sp_pool_new(&check_env, threads, NULL, &pool) == SP_OK);
	sp_pool_start(pool, hold, &board, TASKS);
	sp_pool_free(pool);
	CHECK(board.started == board.finished);
}

/* --- signals, memory --------------------------------------------------------------- */

static SpStatus
look_at_mask(void *arg, int task, int worker, const SpStop *stop)
{
	static const int signals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,
	                              SIGUSR2, SIGALRM, SIGCHLD, SIGPIPE, SIGURG};
	sigset_t mask;
	Board *board = arg;

	(void) task;
	(void) worker;
	(void) stop;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (sigismember(&mask, signals[i]) != 1)
			atomic_fetch_add(&board->failures, 1);
	return SP_OK;
}

static atomic_int handled_elsewhere;
static pthread_t main_thread;

static void
on_signal(int signal)
{
	(void) signal;
	if (!pthread_equal(pthread_self(), main_thread))
		atomic_fetch_add(&handled_elsewhere, 1);
}

static void
check_signals(int threads)
{
	Board board = {0}, held = {.held = true};
	struct sigaction action = {.sa_handler = on_signal}, before;
	SpPool *pool = NULL;
	sigset_t mask;

	main_thread = pthread_self();
	sigaction(SIGUSR1, &action, &before);
	CHECK(sp_pool_new(&check_env, threads, NULL, &pool) == SP_OK);
	sp_pool_start(pool, look_at_mask, &board, TASKS);
	CHECK(sp_pool_wait(pool) == SP_OK);
	CHECK(board.failures == 0);
	/* the owner's own mask is what it was */
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	CHECK(sigismember(&mask, SIGUSR1) == 0 && sigismember(&mask, SIGTERM) == 0);
	sp_pool_start(pool, hold, &held, threads);
	for (int i = 0; i < 20; i++)
		kill(getpid(), SIGUSR1);
	atomic_store(&held.held, false);
	CHECK(sp_pool_wait(pool) == SP_OK);
	CHECK(handled_elsewhere == 0);
	sp_pool_free(pool);
	sigaction(SIGUSR1, &before, NULL);
}

static void
check_refusals(void)
{
	SpPool *pool = NULL;

	CHECK(sp_pool_new(&check_env, 0, NULL, &pool) == SP_ERR_BAD_ARG && pool == NULL);
	CHECK(sp_pool_new(&check_env, SP_POOL_MAX_THREADS + 1, NULL, &pool) == SP_ERR_BAD_ARG);
	check_allocs_left = 0;
	CHECK(sp_pool_new(&check_env, 2, NULL, &pool) == SP_ERR_NO_MEMORY && pool == NULL);
	check_allocs_left = -1;
	sp_pool_free(NULL);
	/* as many as there may be */
	CHECK(sp_pool_new(&check_env, SP_POOL_MAX_THREADS, NULL, &pool) == SP_OK);
	sp_pool_free(pool);
}

int
main(void)
{
	for (int threads = 1; threads <= 4; threads++)
	{
		check_batches(threads);
		check_errors(threads);
		check_cancel(threads);
		check_free_while_running(threads);
		check_signals(threads);
	}
	check_refusals();
	return check_report();
}
