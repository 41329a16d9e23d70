/*
 * src/pg/background.c
 *	  What background workers with a database have in common: they begin, do
 *	  what signals ask for, and try again after an error.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "pg/background.h"
#include "pg/compat.h"
#include "pg/job/settings.h"

/* After an error of the worker itself. */
#define FIRST_PAUSE_MS 500L
#define LAST_PAUSE_MS  60000L

static void
override_settings(const char *name)
{
	static const char *const settings[][2] = {{"default_transaction_isolation", "read committed"},
	                                          {"default_transaction_read_only", "off"},
	                                          {"lock_timeout", "0"},
	                                          {"statement_timeout", "0"},
	                                          {"idle_in_transaction_session_timeout", "0"}};

	SetConfigOption("application_name", name, PGC_SUSET, PGC_S_OVERRIDE);
	for (int i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

void
sp_background_begin(SpBackground *background, void (*stop)(SIGNAL_ARGS), const char *name)
{
	pqsignal(SIGTERM, stop);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	background->database = MemoryContextStrdup(TopMemoryContext, sp_job_database);
	background->pause_ms = FIRST_PAUSE_MS;
	BackgroundWorkerInitializeConnection(background->database, NULL, 0);
	override_settings(name);
}

/* Wait before the next try. */
static void
pause_after_error(SpBackground *background)
{
	FlushErrorState();
	pgstat_report_activity(STATE_IDLE, NULL);
	RESUME_INTERRUPTS();
	if (ShutdownRequestPending)
		proc_exit(0);
	sp_background_doze(background->pause_ms);
	background->pause_ms = Min(background->pause_ms * 2, LAST_PAUSE_MS);
}

void
sp_background_run(SpBackground *background, void (*work)(void *state), void (*recover)(void *state),
                  void *state)
{
	sigjmp_buf local_jump;

	if (sigsetjmp(local_jump, 1) != 0)
	{
		HOLD_INTERRUPTS();
		recover(state);
		pause_after_error(background);
	}
	PG_exception_stack = &local_jump;
	work(state);
	pg_unreachable();
}

bool
sp_background_requests(const SpBackground *background)
{
	bool reread;

	ResetLatch(MyLatch);
	if (ShutdownRequestPending)
		proc_exit(0);
	CHECK_FOR_INTERRUPTS();
	reread = ConfigReloadPending;
	if (reread)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	if (strcmp(background->database, sp_job_database) != 0)
		proc_exit(0);
	return reread;
}

void
sp_background_doze(long ms)
{
	/* a wait for a lock may have reset the latch: look at what it stood for */
	if (ShutdownRequestPending || ConfigReloadPending)
		return;
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms,
	                 PG_WAIT_EXTENSION);
}

void
sp_background_worked(SpBackground *background)
{
	background->pause_ms = FIRST_PAUSE_MS;
}

bool
sp_background_has_tables(const char *first, const char *second)
{
	Oid nsp = get_namespace_oid("spotai", true);

	return OidIsValid(get_extension_oid("spotai", true)) && OidIsValid(nsp) &&
	       OidIsValid(get_relname_relid(first, nsp)) && OidIsValid(get_relname_relid(second, nsp));
}
