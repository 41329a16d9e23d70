/*
 * src/core/sp_pool.h
 *	  Threads for the core: a few workers, one batch of tasks at a time.
 *
 * Workers start with all signals blocked and touch nothing of the host: no
 * allocation from the environment, no should_stop.  Only the thread that owns
 * the pool talks to the host, while it waits.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_POOL_H
#define SP_POOL_H

#include "core/sp_base.h"

#define SP_POOL_MAX_THREADS 64

/* Asked by long tasks between steps of at most 50 ms, from any thread: true means stop now. */
typedef struct SpStop
{
	bool (*asked)(void *arg);
	void *arg;
} SpStop;

static inline bool
sp_stop_asked(const SpStop *stop)
{
	return stop != NULL && stop->asked(stop->arg);
}

typedef struct SpPool SpPool;

/* Task `task` of a batch, on worker 0 .. threads - 1. */
typedef SpStatus (*SpPoolTask)(void *arg, int task, int worker, const SpStop *stop);

/*
 * enter, which may be NULL, is called first by every thread.  env must outlive
 * the pool.  SP_ERR_BAD_ARG, SP_ERR_NO_MEMORY (also when the system gives no
 * thread).
 */
SpStatus sp_pool_new(const SpEnv *env, int threads, void (*enter)(void), SpPool **out);

/* Stops what runs and ends the threads; the pool stays, and runs nothing any more. */
void sp_pool_stop(SpPool *pool);

/* As sp_pool_stop, and frees it; NULL is fine. */
void sp_pool_free(SpPool *pool);

int sp_pool_threads(const SpPool *pool);

/* Begins a batch and returns at once; not before the last one was waited for. */
void sp_pool_start(SpPool *pool, SpPoolTask run, void *arg, int tasks);

/*
 * Waits for the batch, asking env->should_stop every 20 ms.  The first task's
 * error, or SP_ERR_CANCELED; either way no task runs any more.  SP_OK at once
 * when there is no batch.
 */
SpStatus sp_pool_wait(SpPool *pool);

/* Stops the batch and waits until no task runs, without asking the host. */
void sp_pool_cancel(SpPool *pool);

#endif /* SP_POOL_H */
