/*
 * src/pg/audit/sealer.c
 *	  The background worker that seals the audit log.
 *
 * One process, so that the signing key is asked for once and not twice a second, and
 * so that a job that takes hours never makes the log wait.  It looks every
 * spotai.audit_seal_interval for what is pending, and seals that in batches, a
 * transaction each: an entry that has just been written waits for one batch
 * before its own, not for all of them.  The job launcher starts it, and starts
 * it again when it has died.
 *
 * Without a key-encryption key it can not sign.  It says so once and waits; what
 * is pending stays pending, and spotai.audit_unsealed shows it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/audit/seal.h"
#include "pg/audit/settings.h"
#include "pg/audit/write.h"
#include "pg/background.h"
#include "pg/compat.h"

PGDLLEXPORT void spotai_audit_sealer_main(Datum arg);

/* The next month's partition is made this long before it is needed. */
#define AHEAD_US          (INT64CONST(7) * USECS_PER_DAY)
#define AHEAD_INTERVAL_US (INT64CONST(1) * USECS_PER_HOUR)

typedef struct Sealer
{
	SpBackground background;
	MemoryContext memory; /* of the signer, which is wiped with it */
	SpAuditSigner *signer;
	TimestampTz next_ahead;
	bool complained; /* that there is no key, since the configuration was read */
} Sealer;

static void
forget_signer(Sealer *sealer)
{
	sealer->signer = NULL;
	MemoryContextReset(sealer->memory);
}

/* Handle what signals have asked for; ends the process when it is to stop. */
static void
handle_requests(Sealer *sealer)
{
	if (sp_background_requests(&sealer->background))
	{
		/* keys may be elsewhere now */
		forget_signer(sealer);
		sealer->complained = false;
		sp_background_worked(&sealer->background);
	}
	/* the launcher starts another where one is wanted */
	if (sp_audit_seal_interval_ms == 0)
		proc_exit(0);
}

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
commit(void)
{
	PopActiveSnapshot();
	SPI_finish();
	CommitTransactionCommand();
}

/* As the owner of the tables would; so that no writer has to. */
static void
make_partition_ahead(Sealer *sealer)
{
	TimestampTz now = GetCurrentTimestamp();

	if (now < sealer->next_ahead)
		return;
	sp_audit_prepare_partition(now + AHEAD_US);
	sealer->next_ahead = now + AHEAD_INTERVAL_US;
}

/* Nobody else makes a key or signs while we have the lock. */
static void
load_signer(Sealer *sealer)
{
	MemoryContext caller;

	if (sealer->signer != NULL && sp_audit_signer_changed(sealer->signer))
		forget_signer(sealer);
	if (sealer->signer != NULL)
		return;
	caller = MemoryContextSwitchTo(sealer->memory);
	sealer->signer = sp_audit_signer();
	MemoryContextSwitchTo(caller);
}

/* Seal a batch; how many entries, or -1 when there are no tables. */
static int64
seal(Sealer *sealer)
{
	int64 sealed = -1;

	begin();
	if (sp_background_has_tables("audit_pending", "subject_key"))
	{
		sealed = 0;
		make_partition_ahead(sealer);
		if (sp_audit_anything_pending())
		{
			sp_audit_seal_lock();
			load_signer(sealer);
			sealed = sp_audit_seal(sealer->signer, SP_AUDIT_SEAL_BATCH);
		}
	}
	commit();
	return sealed;
}

/* Until an error. */
static void
run(void *state)
{
	Sealer *sealer = state;

	for (;;)
	{
		TimestampTz start = GetCurrentTimestamp();
		int64 sealed;
		long ms;

		handle_requests(sealer);
		pgstat_report_activity(STATE_RUNNING, "sealing the audit log");
		sealed = seal(sealer);
		pgstat_report_activity(STATE_IDLE, NULL);
		sp_background_worked(&sealer->background);
		if (sealed >= SP_AUDIT_SEAL_BATCH)
			continue;
		ms = sp_audit_seal_interval_ms -
		     TimestampDifferenceMilliseconds(start, GetCurrentTimestamp());
		if (sealed < 0)
			ms = Max(ms, SP_TABLES_INTERVAL_MS);
		if (ms > 0)
			sp_background_doze(ms);
	}
}

/* That there is no key is said once. */
static void
report(Sealer *sealer)
{
	bool no_key = geterrcode() == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;

	if (!ShutdownRequestPending && !(no_key && sealer->complained))
		EmitErrorReport();
	sealer->complained = sealer->complained || no_key;
}

static void
recover(void *state)
{
	Sealer *sealer = state;

	report(sealer);
	AbortCurrentTransaction();
	MemoryContextSwitchTo(TopMemoryContext);
	forget_signer(sealer);
}

void
spotai_audit_sealer_main(Datum arg)
{
	static Sealer sealer;

	sp_background_begin(&sealer.background, SignalHandlerForShutdownRequest, "spotai sealer");
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET, PGC_S_OVERRIDE);
	sealer.memory =
		AllocSetContextCreate(TopMemoryContext, "spotai audit signer", ALLOCSET_SMALL_SIZES);
	sp_background_run(&sealer.background, run, recover, &sealer);
}
