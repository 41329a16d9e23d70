/*
 * src/pg/job/shmem.c
 *	  What workers and sessions tell each other without touching a table.
 *
 * One struct in shared memory, guarded by one LWLock that is held for a few
 * loads and stores; latches are set after it is released.  A latch belongs to
 * a process slot of the server, which outlives the process: setting one too
 * many is harmless.
 *
 * No wake-up can be lost: a worker declares itself idle, then looks into the
 * queue with a new snapshot, then sleeps.  A commit is visible to snapshots
 * before its transaction callbacks run, so a job is either seen by that look
 * or its submitter finds the worker idle and sets the latch.
 *
 * NOTIFY would do the same through a queue on disk, with a lock that
 * serialises every committing submitter.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "pg/job/settings.h"
#include "pg/job/shmem.h"

/* Sessions in spotai.wait() that get woken; any more than that poll. */
#define MAX_WAITERS  128
#define TRANCHE_NAME "spotai"

typedef struct WorkerSlot
{
	Latch *latch; /* NULL: no worker here */
	Oid database;
	volatile bool idle; /* its worker reads it without the lock */
	bool has_job;
	pg_uuid_t job;        /* valid when has_job */
	volatile bool cancel; /* set under the lock; its worker takes it without */
} WorkerSlot;

typedef struct Waiter
{
	Latch *latch; /* NULL: free */
	pg_uuid_t job;
} Waiter;

/* Everything but lock is guarded by lock, unless said otherwise. */
typedef struct SharedState
{
	LWLock *lock;
	Latch *launcher;      /* NULL: none */
	bool tables_ready;    /* written by the first worker */
	volatile int waiting; /* used entries of waiters; read without the lock as a shortcut */
	WorkerSlot workers[SP_JOB_MAX_WORKERS];
	Waiter waiters[MAX_WAITERS];
} SharedState;

static SharedState *shared = NULL;
static WorkerSlot *own_slot = NULL;
static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

/* What the current transaction will do at commit. */
static int pending_wakes = 0;
static List *pending_cancels = NIL; /* of pg_uuid_t *, in TopTransactionContext */

static void
request_memory(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(sizeof(SharedState));
	RequestNamedLWLockTranche(TRANCHE_NAME, 1);
}

/* Also runs after a crash of a backend, when the server starts over. */
static void
initialize_memory(void)
{
	bool found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("spotai jobs", sizeof(SharedState), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(SharedState));
		shared->lock = &GetNamedLWLockTranche(TRANCHE_NAME)->lock;
	}
	LWLockRelease(AddinShmemInitLock);
}

void
sp_job_shmem_init(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = initialize_memory;
}

bool
sp_job_shmem_attached(void)
{
	return shared != NULL;
}

static void
detach_launcher(int code, Datum arg)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->launcher = NULL;
	LWLockRelease(shared->lock);
}

void
sp_job_launcher_attach(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->launcher = MyLatch;
	LWLockRelease(shared->lock);
	before_shmem_exit(detach_launcher, (Datum) 0);
}

void
sp_job_set_tables_ready(bool ready)
{
	Latch *launcher;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	launcher = shared->tables_ready != ready ? shared->launcher : NULL;
	shared->tables_ready = ready;
	LWLockRelease(shared->lock);
	if (launcher)
		SetLatch(launcher);
}

bool
sp_job_tables_ready(void)
{
	bool ready;

	LWLockAcquire(shared->lock, LW_SHARED);
	ready = shared->tables_ready;
	LWLockRelease(shared->lock);
	return ready;
}

static void
detach_worker(int code, Datum arg)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	memset(own_slot, 0, sizeof(*own_slot));
	LWLockRelease(shared->lock);
	own_slot = NULL;
}

void
sp_job_worker_attach(int index)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	own_slot = &shared->workers[index];
	memset(own_slot, 0, sizeof(*own_slot));
	own_slot->latch = MyLatch;
	own_slot->database = MyDatabaseId;
	LWLockRelease(shared->lock);
	before_shmem_exit(detach_worker, (Datum) 0);
}

static void
set_slot(bool idle, const pg_uuid_t *job)
{
	if (own_slot == NULL)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	own_slot->idle = idle;
	own_slot->cancel = false;
	own_slot->has_job = job != NULL;
	if (job != NULL)
		own_slot->job = *job;
	LWLockRelease(shared->lock);
}

void
sp_job_worker_idle(void)
{
	set_slot(true, NULL);
}

void
sp_job_worker_busy(const pg_uuid_t *job)
{
	set_slot(false, job);
}

bool
sp_job_worker_woken(void)
{
	return own_slot != NULL && !own_slot->idle;
}

bool
sp_job_worker_cancel_pending(void)
{
	return own_slot != NULL && own_slot->cancel;
}

bool
sp_job_worker_take_cancel(void)
{
	if (own_slot == NULL || !own_slot->cancel)
		return false;
	/* a cancel that is committed from here on sets it again */
	own_slot->cancel = false;
	return true;
}

void
sp_job_wake(Oid database, int count)
{
	Latch *latches[SP_JOB_MAX_WORKERS];
	int found = 0;

	if (shared == NULL)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < SP_JOB_MAX_WORKERS && found < count; i++)
	{
		WorkerSlot *slot = &shared->workers[i];

		if (slot->latch == NULL || !slot->idle ||
		    (OidIsValid(database) && slot->database != database))
			continue;
		/* the next commit wakes another one */
		slot->idle = false;
		latches[found++] = slot->latch;
	}
	LWLockRelease(shared->lock);
	for (int i = 0; i < found; i++)
		SetLatch(latches[i]);
}

void
sp_job_wake_waiters(const pg_uuid_t *jobs, int count)
{
	Latch *latches[MAX_WAITERS];
	int found = 0;

	if (shared == NULL || shared->waiting == 0)
		return;
	LWLockAcquire(shared->lock, LW_SHARED);
	for (int i = 0; i < MAX_WAITERS; i++)
	{
		Waiter *waiter = &shared->waiters[i];

		for (int j = 0; j < count && waiter->latch != NULL; j++)
			if (memcmp(&waiter->job, &jobs[j], sizeof(pg_uuid_t)) == 0)
			{
				latches[found++] = waiter->latch;
				break;
			}
	}
	LWLockRelease(shared->lock);
	for (int i = 0; i < found; i++)
		SetLatch(latches[i]);
}

static void
tell_worker_to_cancel(const pg_uuid_t *job)
{
	Latch *latch = NULL;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < SP_JOB_MAX_WORKERS; i++)
	{
		WorkerSlot *slot = &shared->workers[i];

		if (slot->has_job && memcmp(&slot->job, job, sizeof(*job)) == 0)
		{
			slot->cancel = true;
			latch = slot->latch;
		}
	}
	LWLockRelease(shared->lock);
	if (latch)
		SetLatch(latch);
}

/*
 * Must not fail: the transaction is already committed.  A prepared transaction
 * forgets what it would have done; its jobs are found by polling.
 */
static void
at_transaction_end(XactEvent event, void *arg)
{
	ListCell *cell;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (event == XACT_EVENT_COMMIT)
	{
		if (pending_wakes > 0)
			sp_job_wake(MyDatabaseId, pending_wakes);
		foreach (cell, pending_cancels)
		{
			tell_worker_to_cancel(lfirst(cell));
			sp_job_wake_waiters(lfirst(cell), 1);
		}
	}
	pending_wakes = 0;
	pending_cancels = NIL;
}

static void
register_callback(void)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(at_transaction_end, NULL);
	registered = true;
}

/* A rolled-back subtransaction leaves its wake-ups behind: a look too many. */
void
sp_job_wake_at_commit(int count)
{
	if (shared == NULL)
		return;
	register_callback();
	pending_wakes = Min(pending_wakes + count, SP_JOB_MAX_WORKERS);
}

void
sp_job_cancel_at_commit(const pg_uuid_t *job)
{
	MemoryContext old;
	pg_uuid_t *copy;

	if (shared == NULL)
		return;
	register_callback();
	old = MemoryContextSwitchTo(TopTransactionContext);
	copy = palloc(sizeof(*copy));
	*copy = *job;
	pending_cancels = lappend(pending_cancels, copy);
	MemoryContextSwitchTo(old);
}

int
sp_job_waiter_add(const pg_uuid_t *job)
{
	int found = -1;

	if (shared == NULL)
		return -1;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_WAITERS && found < 0; i++)
		if (shared->waiters[i].latch == NULL)
			found = i;
	if (found >= 0)
	{
		shared->waiters[found].latch = MyLatch;
		shared->waiters[found].job = *job;
		shared->waiting++;
	}
	LWLockRelease(shared->lock);
	return found;
}

void
sp_job_waiter_remove(int waiter)
{
	if (waiter < 0)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->waiters[waiter].latch = NULL;
	shared->waiting--;
	LWLockRelease(shared->lock);
}
