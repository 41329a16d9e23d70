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
#include "catalog/namespace.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/audit/seal.h"
#include "pg/audit/settings.h"
#include "pg/audit/write.h"
#include "pg/compat.h"
#include "pg/job/settings.h"

PGDLLEXPORT void spotai_audit_sealer_main(Datum arg);

/* Between looks for the extension and its tables. */
#define TABLES_INTERVAL_MS 500L

/* After an error. */
#define FIRST_PAUSE_MS 500L
#define LAST_PAUSE_MS  60000L

/* The next month's partition is made this long before it is needed. */
#define AHEAD_US          (INT64CONST(7) * USECS_PER_DAY)
#define AHEAD_INTERVAL_US (INT64CONST(1) * USECS_PER_HOUR)

typedef struct Sealer
{
	char *database;
	MemoryContext memory; /* of the signer, which is wiped with it */
	SpAuditSigner *signer;
	TimestampTz next_ahead;
	long pause_ms;
	bool complained; /* that there is no key, since the configuration was read */
} Sealer;

static void
doze(long ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms,
	                 PG_WAIT_EXTENSION);
}

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
	ResetLatch(MyLatch);
	if (ShutdownRequestPending)
		proc_exit(0);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		/* keys may be elsewhere now */
		forget_signer(sealer);
		sealer->complained = false;
		sealer->pause_ms = FIRST_PAUSE_MS;
	}
	/* the launcher starts another where one is wanted */
	if (sp_audit_seal_interval_ms == 0 || strcmp(sealer->database, sp_job_database) != 0)
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

static bool
tables_exist(void)
{
	Oid nsp = get_namespace_oid("spotai", true);

	return OidIsValid(get_extension_oid("spotai", true)) && OidIsValid(nsp) &&
	       OidIsValid(get_relname_relid("audit_pending", nsp)) &&
	       OidIsValid(get_relname_relid("subject_key", nsp));
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
	if (tables_exist())
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
run(Sealer *sealer)
{
	for (;;)
	{
		TimestampTz start = GetCurrentTimestamp();
		int64 sealed;
		long ms;

		handle_requests(sealer);
		pgstat_report_activity(STATE_RUNNING, "sealing the audit log");
		sealed = seal(sealer);
		pgstat_report_activity(STATE_IDLE, NULL);
		sealer->pause_ms = FIRST_PAUSE_MS;
		if (sealed >= SP_AUDIT_SEAL_BATCH)
			continue;
		ms = sp_audit_seal_interval_ms -
		     TimestampDifferenceMilliseconds(start, GetCurrentTimestamp());
		if (sealed < 0)
			ms = Max(ms, TABLES_INTERVAL_MS);
		if (ms > 0 && !ShutdownRequestPending && !ConfigReloadPending)
			doze(ms);
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
recover(Sealer *sealer)
{
	HOLD_INTERRUPTS();
	report(sealer);
	AbortCurrentTransaction();
	FlushErrorState();
	MemoryContextSwitchTo(TopMemoryContext);
	forget_signer(sealer);
	pgstat_report_activity(STATE_IDLE, NULL);
	RESUME_INTERRUPTS();
	if (ShutdownRequestPending)
		proc_exit(0);
	doze(sealer->pause_ms);
	sealer->pause_ms = Min(sealer->pause_ms * 2, LAST_PAUSE_MS);
}

static void
override_settings(void)
{
	static const char *const settings[][2] = {{"application_name", "spotai sealer"},
	                                          {"search_path", "pg_catalog, pg_temp"},
	                                          {"default_transaction_isolation", "read committed"},
	                                          {"default_transaction_read_only", "off"},
	                                          {"lock_timeout", "0"},
	                                          {"statement_timeout", "0"},
	                                          {"idle_in_transaction_session_timeout", "0"}};

	for (int i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

void
spotai_audit_sealer_main(Datum arg)
{
	sigjmp_buf local_jump;
	static Sealer sealer;

	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	sealer.database = MemoryContextStrdup(TopMemoryContext, sp_job_database);
	sealer.pause_ms = FIRST_PAUSE_MS;
	sealer.memory =
		AllocSetContextCreate(TopMemoryContext, "spotai audit signer", ALLOCSET_SMALL_SIZES);
	BackgroundWorkerInitializeConnection(sealer.database, NULL, 0);
	override_settings();

	if (sigsetjmp(local_jump, 1) != 0)
		recover(&sealer);
	PG_exception_stack = &local_jump;
	run(&sealer);
}
