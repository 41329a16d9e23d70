/*
 * src/core/sp_pool.c
 *	  Worker threads and their batch of tasks.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/sp_pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

/* How often a waiting owner looks whether it should stop. */
#define POLL_NS 20000000L

typedef struct Worker
{
	SpPool *pool;
	int index;
	pthread_t thread;
} Worker;

struct SpPool
{
	const SpEnv *env;
	void (*enter)(void);
	pthread_mutex_t lock;
	pthread_cond_t work; /* tasks to take, or the end */
	pthread_cond_t idle; /* the batch is done */
	atomic_bool stop;    /* what runs should end soon */

	/* under lock */
	bool quit;
	SpPoolTask run;
	void *arg;
	int tasks, taken, done;
	SpStatus status;

	int threads;
	Worker workers[SP_POOL_MAX_THREADS];
};

static bool
stop_asked(void *arg)
{
	return atomic_load_explicit(&((SpPool *) arg)->stop, memory_order_relaxed);
}

static void
run_task(SpPool *pool, int worker)
{
	int task = pool->taken++;
	SpStop stop = {stop_asked, pool};
	SpStatus st = SP_ERR_CANCELED;

	pthread_mutex_unlock(&pool->lock);
	if (!stop_asked(pool))
		st = pool->run(pool->arg, task, worker, &stop);
	pthread_mutex_lock(&pool->lock);
	if (st != SP_OK && pool->status == SP_OK)
	{
		pool->status = st;
		atomic_store(&pool->stop, true);
	}
	if (++pool->done == pool->tasks)
		pthread_cond_signal(&pool->idle);
}

static void *
worker_main(void *arg)
{
	Worker *self = arg;
	SpPool *pool = self->pool;

	if (pool->enter != NULL)
		pool->enter();
	pthread_mutex_lock(&pool->lock);
	while (!pool->quit)
	{
		if (pool->taken < pool->tasks)
			run_task(pool, self->index);
		else
			pthread_cond_wait(&pool->work, &pool->lock);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* The new thread inherits the mask: signals belong to the host's own thread. */
static SpStatus
start_worker(SpPool *pool)
{
	Worker *worker = &pool->workers[pool->threads];
	sigset_t all, before;
	int failed;

	worker->pool = pool;
	worker->index = pool->threads;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&worker->thread, NULL, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed)
		return SP_ERR_NO_MEMORY;
	pool->threads++;
	return SP_OK;
}

static void
init_locks(SpPool *pool)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	/* timeouts must not jump with the wall clock */
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->idle, &attr);
	pthread_condattr_destroy(&attr);
}

SpStatus
sp_pool_new(const SpEnv *env, int threads, void (*enter)(void), SpPool **out)
{
	SpPool *pool;
	SpStatus st = SP_OK;

	*out = NULL;
	if (threads < 1 || threads > SP_POOL_MAX_THREADS)
		return SP_ERR_BAD_ARG;
	pool = sp_calloc(env, 1, sizeof(*pool));
	if (pool == NULL)
		return SP_ERR_NO_MEMORY;
	pool->env = env;
	pool->enter = enter;
	init_locks(pool);
	while (pool->threads < threads && st == SP_OK)
		st = start_worker(pool);
	if (st != SP_OK)
	{
		sp_pool_free(pool);
		return st;
	}
	*out = pool;
	return SP_OK;
}

void
sp_pool_stop(SpPool *pool)
{
	atomic_store(&pool->stop, true);
	pthread_mutex_lock(&pool->lock);
	pool->quit = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (int i = 0; i < pool->threads; i++)
		pthread_join(pool->workers[i].thread, NULL);
	/* nobody is left to do the rest of a batch, so nobody may wait for it */
	pool->threads = 0;
	pool->tasks = pool->done = 0;
	pool->status = SP_ERR_CANCELED;
}

void
sp_pool_free(SpPool *pool)
{
	if (pool == NULL)
		return;
	sp_pool_stop(pool);
	pthread_cond_destroy(&pool->idle);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	sp_free(pool->env, pool);
}

int
sp_pool_threads(const SpPool *pool)
{
	return pool->threads;
}

void
sp_pool_start(SpPool *pool, SpPoolTask run, void *arg, int tasks)
{
	pthread_mutex_lock(&pool->lock);
	if (pool->quit)
		tasks = 0;
	atomic_store(&pool->stop, false);
	pool->run = run;
	pool->arg = arg;
	pool->tasks = tasks;
	pool->taken = 0;
	pool->done = 0;
	pool->status = SP_OK;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
}

/* Under the lock: true when the batch is done within POLL_NS. */
static bool
wait_a_little(SpPool *pool)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += POLL_NS;
	if (until.tv_nsec >= 1000000000L)
	{
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	while (pool->done < pool->tasks)
		if (pthread_cond_timedwait(&pool->idle, &pool->lock, &until) == ETIMEDOUT)
			return pool->done == pool->tasks;
	return true;
}

/* Takes what the batch came to, so that the next question is about no batch. */
static SpStatus
take_status(SpPool *pool)
{
	SpStatus st = pool->status;

	pool->status = SP_OK;
	pool->tasks = pool->taken = pool->done = 0;
	return st;
}

SpStatus
sp_pool_wait(SpPool *pool)
{
	bool batch, done = false, canceled = false;
	SpStatus st = SP_OK;

	pthread_mutex_lock(&pool->lock);
	batch = pool->tasks > 0;
	pthread_mutex_unlock(&pool->lock);
	while (batch && !done)
	{
		/* the host is asked outside the lock: it may take its time */
		if (!canceled && sp_should_stop(pool->env))
		{
			canceled = true;
			atomic_store(&pool->stop, true);
		}
		pthread_mutex_lock(&pool->lock);
		done = wait_a_little(pool);
		if (done)
			st = take_status(pool);
		pthread_mutex_unlock(&pool->lock);
	}
	return canceled ? SP_ERR_CANCELED : st;
}

void
sp_pool_cancel(SpPool *pool)
{
	atomic_store(&pool->stop, true);
	pthread_mutex_lock(&pool->lock);
	while (!wait_a_little(pool))
		continue;
	pthread_mutex_unlock(&pool->lock);
}
