/*
 * src/pg/seam.h
 *	  The seam between PostgreSQL and the core.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_SEAM_H
#define SP_SEAM_H

#include "postgres.h"

#include "fmgr.h"

#include "core/sp_base.h"
#include "pg/compat.h"

/* Declare and export one SQL-callable C function. */
#define SPOTAI_FUNCTION(fn)                 \
	PGDLLEXPORT Datum fn(PG_FUNCTION_ARGS); \
	PG_FUNCTION_INFO_V1(fn)

/*
 * Environment whose memory comes from CurrentMemoryContext at the time of
 * each allocation, and which asks the core to stop on a query cancel or a
 * termination.  Whoever keeps a core object across statements calls this with
 * a context that lives as long as the object.
 */
extern const SpEnv *sp_pg_env(void);

/* The same, but all memory comes from context, in which the environment itself lives. */
extern const SpEnv *sp_pg_env_in(MemoryContext context);

/*
 * Make the core stop also when asked() answers true: from plain memory, since
 * the core polls it anywhere, also on behalf of foreign libraries.
 */
extern void sp_pg_also_stop(bool (*asked)(void));

/*
 * Raise the SQL error for st; returns normally only when st is SP_OK.  what is
 * a noun phrase for the message ("audio", "separation"); fault, which may be
 * NULL or empty, becomes DETAIL and HINT.
 */
extern void sp_pg_check(SpStatus st, const char *what, const SpFault *fault);

/* Run release(handle) when the current memory context is reset or deleted. */
extern void sp_pg_own(void *handle, void (*release)(void *handle));

#endif /* SP_SEAM_H */
