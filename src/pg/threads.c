/*
 * src/pg/threads.c
 *	  Threads for what is not a network.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "storage/ipc.h"

#include "pg/model/nn.h"
#include "pg/seam.h"
#include "pg/threads.h"

/* The one that somebody uses, or NULL. */
static SpPool *pool = NULL;

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
	sp_pool_free(pool);
	pool = NULL;
}

SpPool *
sp_pg_pool(void)
{
	static bool registered = false;
	int threads = sp_nn_setting_threads();

	if (threads == 1 || pool != NULL)
		return NULL;
	if (!registered)
		before_shmem_exit(stop_at_exit, (Datum) 0);
	registered = true;
	sp_pg_check(sp_pool_new(sp_pg_env(), threads, NULL, &pool), "threads", NULL);
	sp_pg_own(pool, give_back);
	return pool;
}
