/*
 * src/pg/threads.h
 *	  Threads for what is not a network.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_THREADS_H
#define SP_PG_THREADS_H

#include "postgres.h"

#include "core/sp_pool.h"

/*
 * As many threads as spotai.threads says, for whoever asks first, until the
 * current memory context is reset; NULL when it says one, or when somebody
 * else has them: do the work in your own thread then.  What uses them must
 * belong to the same context and be made later.
 */
extern SpPool *sp_pg_pool(void);

#endif /* SP_PG_THREADS_H */
