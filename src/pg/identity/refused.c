/*
 * src/pg/identity/refused.c
 *	  Refused logins, which raise an error: remembered past it.
 *
 * What the transaction of a refused login writes is taken back with it.  So the
 * session leaves a line in shared memory, and the next worker that looks after
 * the queue, within a second, writes it to spotai.login_attempt and the audit
 * log.  Without shared_preload_libraries there is neither: then a refusal is in
 * the server's log alone.  It holds no part of what was presented.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/timestamp.h"

#include "pg/audit/audit.h"
#include "pg/identity/internal.h"
#include "pg/sql.h"

/* What comes faster than 64 a second is counted. */
#define KEPT 64

/* Buckets of spotai.rate_limit() that mean nothing any more. */
#define PRUNE_INTERVAL_US (INT64CONST(600) * USECS_PER_SEC)

typedef struct Refused
{
	TimestampTz at;
	Oid database;
	char kind[16];
	char why[80];
	char client[48]; /* empty: a Unix socket */
} Refused;

typedef struct Ring
{
	slock_t lock;
	volatile int n; /* also read without the lock, as a shortcut */
	int64 lost;
	Refused rows[KEPT];
} Ring;

static Ring *ring = NULL;
static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void
request_memory(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(sizeof(Ring));
}

static void
initialize_memory(void)
{
	bool found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	ring = ShmemInitStruct("spotai refused logins", sizeof(Ring), &found);
	if (!found)
	{
		memset(ring, 0, sizeof(Ring));
		SpinLockInit(&ring->lock);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
sp_identity_refused_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = initialize_memory;
}

static void
client_address(char *out, size_t size)
{
	LOCAL_FCINFO(fcinfo, 0);
	Datum address;

	InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
	address = inet_client_addr(fcinfo);
	out[0] = '\0';
	if (!fcinfo->isnull)
		strlcpy(out, DatumGetCString(DirectFunctionCall1(inet_out, address)), size);
}

void
sp_identity_refused(const char *kind, const char *why)
{
	Refused row = {.at = GetCurrentTimestamp(), .database = MyDatabaseId};

	if (ring == NULL)
		return;
	strlcpy(row.kind, kind, sizeof(row.kind));
	strlcpy(row.why, why, sizeof(row.why));
	client_address(row.client, sizeof(row.client));
	SpinLockAcquire(&ring->lock);
	if (ring->n < KEPT)
		ring->rows[ring->n++] = row;
	else
		ring->lost++;
	SpinLockRelease(&ring->lock);
}

/* Those of this database; others stay for the workers of theirs. */
static int
take_rows(Refused *out, int64 *lost)
{
	int taken = 0, left = 0;

	SpinLockAcquire(&ring->lock);
	for (int i = 0; i < ring->n; i++)
		if (ring->rows[i].database == MyDatabaseId)
			out[taken++] = ring->rows[i];
		else
			ring->rows[left++] = ring->rows[i];
	ring->n = left;
	*lost = taken > 0 ? ring->lost : 0;
	ring->lost -= *lost;
	SpinLockRelease(&ring->lock);
	return taken;
}

static void
write_row(const Refused *row)
{
	static SpQuery q = {
		.text = "INSERT INTO spotai.login_attempt (tenant_id, kind, accepted, reason, client,"
				" occurred_at) VALUES ($1, $2, false, $3, nullif($4, '')::inet, $5)",
		.nargs = 5,
		.types = {UUIDOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}};
	Datum args[] = {DirectFunctionCall1(uuid_in, CStringGetDatum(SP_DEFAULT_TENANT)),
	                CStringGetTextDatum(row->kind), CStringGetTextDatum(row->why),
	                CStringGetTextDatum(row->client), TimestampTzGetDatum(row->at)};
	SpAsOwner saved;

	sp_identity_owner_begin(&saved);
	sp_pg_query(&q, args, NULL, false);
	sp_identity_owner_end(&saved);
	sp_audit_event_by("login.refused", row->kind, NULL, NULL,
	                  sp_audit_detail("{\"reason\": \"%s\"}", row->why));
}

static void
prune_buckets(void)
{
	static SpQuery q = {.text = "DELETE FROM spotai.rate_limit_bucket WHERE expires_at < now()"};
	static TimestampTz next = 0;
	TimestampTz now = GetCurrentTimestamp();
	SpAsOwner saved;

	if (now < next)
		return;
	next = now + PRUNE_INTERVAL_US;
	sp_identity_owner_begin(&saved);
	sp_pg_query(&q, NULL, NULL, false);
	sp_identity_owner_end(&saved);
}

void
sp_identity_upkeep(void)
{
	Refused *rows;
	int64 lost;
	int n;

	if (!sp_identity_has_tables())
		return;
	prune_buckets();
	if (ring == NULL || ring->n == 0)
		return;
	rows = palloc(sizeof(Refused) * KEPT);
	n = take_rows(rows, &lost);
	for (int i = 0; i < n; i++)
		write_row(&rows[i]);
	if (lost > 0)
		sp_audit_event_by("login.refused", "more", NULL, NULL,
		                  sp_audit_detail("{\"count\": " INT64_FORMAT "}", lost));
	pfree(rows);
}
