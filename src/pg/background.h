/*
 * src/pg/background.h
 *	  What background workers with a database have in common: they begin, do
 *	  what signals ask for, and try again after an error.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_BACKGROUND_H
#define SP_PG_BACKGROUND_H

#include "postgres.h"

#include "pg/compat.h"

/* Between looks for the extension and its tables, which may come and go at any time. */
#define SP_TABLES_INTERVAL_MS 500L

typedef struct SpBackground
{
	char *database; /* that it is connected to */
	long pause_ms;  /* after the next error */
} SpBackground;

/*
 * Connect to spotai.database, with the settings that our transactions rely on,
 * whatever the database's own are.  stop handles SIGTERM and sets
 * ShutdownRequestPending; name is what pg_stat_activity shows.
 */
extern void sp_background_begin(SpBackground *background, void (*stop)(SIGNAL_ARGS),
                                const char *name);

/*
 * Call work(state), which does not return, and again after each error, later and
 * later.  recover(state) reports the error, ends its transaction and leaves a
 * memory context that lasts.
 */
extern void sp_background_run(SpBackground *background, void (*work)(void *state),
                              void (*recover)(void *state), void *state) SP_NORETURN;

/*
 * Handle what signals have asked for; whether the configuration was read again.
 * Ends the process when it is to stop, or spotai.database is another one now:
 * the launcher starts the next.
 */
extern bool sp_background_requests(const SpBackground *background);

/* Until the latch is set, a signal comes or the time has passed; at once when a request waits. */
extern void sp_background_doze(long ms);

/* It worked: the next error is the first again. */
extern void sp_background_worked(SpBackground *background);

/* Whether the extension is there, and two of its tables; in a transaction. */
extern bool sp_background_has_tables(const char *first, const char *second);

#endif /* SP_PG_BACKGROUND_H */
