/*
 * src/pg/threads.c
 *	  Threads that a backend keeps for what is not a network.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "storage/ipc.h"
#include "utils/memutils.h"

#include "pg/nn.h"
#include "pg/seam.h"
#include "pg/threads.h"

static SpPool *pool = NULL;
static bool in_use = false;

/* Threads must not run any more when the process takes its libraries apart. */
static void
stop_at_exit(int code, Datum arg)
{
	if (pool != NULL)
		sp_pool_stop(pool);
}

static void
give_back(void *arg)
{
	in_use = false;
}

/* Another number of threads than before: the setting was changed. */
static void
start(int threads)
{
	static const SpEnv *env = NULL;

	if (env == NULL)
	{
		env = sp_pg_env_in(TopMemoryContext);
		before_shmem_exit(stop_at_exit, (Datum) 0);
	}
	sp_pool_free(pool);
	pool = NULL;
	sp_pg_check(sp_pool_new(env, threads, NULL, &pool), "threads", NULL);
}

SpPool *
sp_pg_pool(void)
{
	int threads = sp_nn_setting_threads();

	if (threads == 1 || in_use)
		return NULL;
	if (pool == NULL || sp_pool_threads(pool) != threads)
		start(threads);
	in_use = true;
	sp_pg_own(pool, give_back);
	return pool;
}
