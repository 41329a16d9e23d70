/*
 * src/pg/identity/refused.c
 *	  Refused logins and permissions, which raise an error: remembered past it.
 *
 * What a transaction that is refused something writes is taken back with it.  So
 * the session leaves a line in shared memory, and the next worker that looks
 * after the queue, within a second, writes it to the audit log, and logins to
 * spotai.login_attempt.  Without shared_preload_libraries there is neither: then
 * a refusal is in the server's log alone.  It holds no part of what was
 * presented.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/builtins.h"
#include "utils/elog.h"
#include "utils/fmgrprotos.h"
#include "utils/inet.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "pg/audit/audit.h"
#include "pg/identity/internal.h"
#include "pg/sql.h"

/* What comes faster than 64 a second is counted. */
#define KEPT 64

/* Of a database that nobody works for any more. */
#define STALE_US (INT64CONST(600) * USECS_PER_SEC)

/* Databases that workers look after. */
#define SERVED 16

/* Buckets of spotai.rate_limit() that mean nothing any more. */
#define PRUNE_INTERVAL_US (INT64CONST(600) * USECS_PER_SEC)

/* What was refused; each has a ring, so that a flood of one does not hide the other. */
typedef enum What
{
	LOGIN,
	PERMISSION,
	N_WHATS
} What;

typedef struct Refused
{
	TimestampTz at;
	Oid database;
	Oid role;
	SpIdentity who;  /* of a login: nobody */
	char kind[132];  /* of a permission: its name */
	char why[208];   /* two names of PostgreSQL and some words */
	char client[48]; /* empty: a Unix socket */
} Refused;

typedef struct Ring
{
	slock_t lock;
	volatile int n; /* also read without the lock, as a shortcut */
	int64 lost;
	Refused rows[KEPT];
} Ring;

typedef struct Memory
{
	Ring rings[N_WHATS];
	/* one after the other, from the first; written once by whoever takes the place */
	pg_atomic_uint32 served[SERVED];
} Memory;

static const char *const event_of[N_WHATS] = {
	[LOGIN] = "login.refused", [PERMISSION] = "permission.refused"};

static Memory *memory = NULL;
static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;
static emit_log_hook_type next_hook = NULL;

static void
request_memory(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(sizeof(Memory));
}

static void
clear_memory(void)
{
	memset(memory, 0, sizeof(Memory));
	for (int i = 0; i < N_WHATS; i++)
		SpinLockInit(&memory->rings[i].lock);
	for (int i = 0; i < SERVED; i++)
		pg_atomic_init_u32(&memory->served[i], InvalidOid);
}

static void
initialize_memory(void)
{
	bool found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	memory = ShmemInitStruct("spotai refusals", sizeof(Memory), &found);
	if (!found)
		clear_memory();
	LWLockRelease(AddinShmemInitLock);
}

const char *
sp_identity_client(void)
{
	static char client[sizeof(((Refused *) NULL)->client)];
	static bool known = false;

	/* a connection does not move */
	if (!known)
	{
		LOCAL_FCINFO(fcinfo, 0);
		Datum address;

		InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
		address = inet_client_addr(fcinfo);
		if (!fcinfo->isnull)
			strlcpy(client, DatumGetCString(DirectFunctionCall1(inet_out, address)),
			        sizeof(client));
		known = true;
	}
	return client[0] != '\0' ? client : NULL;
}

/* After an error nothing can be looked up: who is what is known already. */
static void
leave(What what, const char *kind, const char *why, const SpIdentity *who)
{
	const char *client = sp_identity_client();
	Ring *ring = &memory->rings[what];
	Refused row = {.at = GetCurrentTimestamp(), .database = MyDatabaseId, .role = GetOuterUserId()};

	if (who != NULL)
		row.who = *who;
	strlcpy(row.kind, kind, sizeof(row.kind));
	memcpy(row.why, why, (size_t) pg_mbcliplen(why, (int) strlen(why), sizeof(row.why) - 1));
	strlcpy(row.client, client != NULL ? client : "", sizeof(row.client));
	SpinLockAcquire(&ring->lock);
	if (ring->n < KEPT)
		ring->rows[ring->n++] = row;
	else
		ring->lost++;
	SpinLockRelease(&ring->lock);
}

void
sp_identity_refused(const char *kind, const char *why)
{
	if (memory != NULL)
		leave(LOGIN, kind, why, NULL);
}

/*
 * Whether a worker writes down what is left here.  Of other databases, which may
 * have nothing of spotai, nothing is kept; a standby has no workers.
 */
static bool
is_served(void)
{
	for (int i = 0; memory != NULL && OidIsValid(MyDatabaseId) && i < SERVED; i++)
		if (pg_atomic_read_u32(&memory->served[i]) == MyDatabaseId)
			return !RecoveryInProgress();
	return false;
}

static void
serve(void)
{
	for (int i = 0; i < SERVED; i++)
	{
		uint32 nobody = InvalidOid;

		if (pg_atomic_compare_exchange_u32(&memory->served[i], &nobody, MyDatabaseId) ||
		    nobody == MyDatabaseId)
			return;
	}
}

void
sp_identity_refused_permission(const char *permission, const char *why)
{
	SpIdentity who = sp_identity_current();

	if (is_served())
		leave(PERMISSION, permission, why, &who);
}

/* PostgreSQL's own refusals, known by where they are raised: their words name nothing but objects. */
static bool
is_refusal(const ErrorData *message)
{
	static const char *const files[] = {"aclchk.c", "execMain.c"};
	const char *name;

	if (message->elevel != ERROR || message->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE ||
	    message->filename == NULL || message->message == NULL)
		return false;
	name = strrchr(message->filename, '/');
	name = name != NULL ? name + 1 : message->filename;
	return strcmp(name, files[0]) == 0 || strcmp(name, files[1]) == 0;
}

static void
reported(ErrorData *message)
{
	/* a parallel worker's error is its leader's */
	if (!IsParallelWorker() && is_refusal(message) && is_served())
	{
		SpIdentity who = sp_identity_if_known();

		leave(PERMISSION, "postgresql", message->message, &who);
	}
	if (next_hook != NULL)
		next_hook(message);
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
	next_hook = emit_log_hook;
	emit_log_hook = reported;
}

/* Those of this database; others stay for the workers of theirs. */
static int
take_rows(Ring *ring, Refused *out, int64 *lost)
{
	TimestampTz now = GetCurrentTimestamp();
	int taken = 0, left = 0;

	SpinLockAcquire(&ring->lock);
	for (int i = 0; i < ring->n; i++)
		if (ring->rows[i].database == MyDatabaseId)
			out[taken++] = ring->rows[i];
		else if (ring->rows[i].at > now - STALE_US)
			ring->rows[left++] = ring->rows[i];
		else
			ring->lost++;
	ring->n = left;
	*lost = taken > 0 ? ring->lost : 0;
	ring->lost -= *lost;
	SpinLockRelease(&ring->lock);
	return taken;
}

static void
write_attempt(const Refused *row)
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
}

/* Who asked and from where is not who writes. */
static Datum
detail_of(const Refused *row)
{
	char *role = GetUserNameFromId(row->role, true);
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"reason\": ");
	escape_json(&json, row->why);
	if (role != NULL)
	{
		appendStringInfoString(&json, ", \"role\": ");
		escape_json(&json, role);
	}
	if (row->client[0] != '\0' && sp_audit_client_wanted())
	{
		appendStringInfoString(&json, ", \"client\": ");
		escape_json(&json, row->client);
	}
	appendStringInfoChar(&json, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

static void
write_row(What what, const Refused *row)
{
	if (what == LOGIN)
		write_attempt(row);
	sp_audit_event_by(event_of[what], row->kind, row->who.known ? &row->who.tenant : NULL,
	                  row->who.has_principal ? &row->who.principal : NULL, detail_of(row));
}

static void
write_rows(What what, Refused *rows)
{
	int64 lost;
	int n;

	if (memory->rings[what].n == 0)
		return;
	n = take_rows(&memory->rings[what], rows, &lost);
	for (int i = 0; i < n; i++)
		write_row(what, &rows[i]);
	if (lost > 0)
		sp_audit_event_by(event_of[what], "more", NULL, NULL,
		                  sp_audit_detail("{\"count\": " INT64_FORMAT "}", lost));
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

	if (!sp_identity_has_tables())
		return;
	prune_buckets();
	if (memory == NULL)
		return;
	serve();
	rows = palloc(sizeof(Refused) * KEPT);
	for (int what = 0; what < N_WHATS; what++)
		write_rows(what, rows);
	pfree(rows);
}
