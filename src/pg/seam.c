/*
 * src/pg/seam.c
 *	  The seam between PostgreSQL and the core.
 *
 * This is the only file that turns an SpStatus into an SQLSTATE and the only
 * one that hands palloc to the core, so both policies can be read in one place.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <errno.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "pg/seam.h"

static void *
env_alloc(void *host, size_t size)
{
	/* NO_OOM: a throw here would longjmp over core (and FFTW, BLAS) frames */
	return palloc_extended(size, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
}

static void
env_release(void *host, void *ptr)
{
	if (ptr)
		pfree(ptr);
}

/* Another reason to stop than an interrupt of the session. */
static bool (*stop_asked)(void) = NULL;

void
sp_pg_also_stop(bool (*asked)(void))
{
	stop_asked = asked;
}

static bool
env_should_stop(void *host)
{
	return QueryCancelPending || ProcDiePending || (stop_asked != NULL && stop_asked());
}

const SpEnv *
sp_pg_env(void)
{
	static const SpEnv env = {env_alloc, env_release, env_should_stop, NULL};

	return &env;
}

static void *
env_alloc_in(void *host, size_t size)
{
	return MemoryContextAllocExtended((MemoryContext) host, size,
	                                  MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
}

const SpEnv *
sp_pg_env_in(MemoryContext context)
{
	SpEnv *env = MemoryContextAlloc(context, sizeof(SpEnv));

	*env = (SpEnv){env_alloc_in, env_release, env_should_stop, context};
	return env;
}

/* The fault's two sentences, where there are any. */
static int
fault_detail(const SpFault *fault)
{
	return fault && fault->detail[0] ? errdetail("%s", fault->detail) : 0;
}

static int
fault_hint(const SpFault *fault)
{
	return fault && fault->hint[0] ? errhint("%s", fault->hint) : 0;
}

void
sp_pg_check(SpStatus st, const char *what, const SpFault *fault)
{
	int saved_errno = errno;

	switch (st)
	{
		case SP_OK:
			return;
		case SP_ERR_BAD_ARG:
			/* glue validates SQL arguments first, so this is our own bug */
			elog(ERROR, "core rejected the arguments of %s", what);
			break;
		case SP_ERR_BAD_DATA:
			ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("invalid %s", what),
			                fault_detail(fault), fault_hint(fault)));
			break;
		case SP_ERR_UNSUPPORTED:
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("unsupported %s", what),
			                fault_detail(fault), fault_hint(fault)));
			break;
		case SP_ERR_TOO_LARGE:
			ereport(ERROR,
			        (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("%s exceeds a limit", what),
			         fault_detail(fault), fault_hint(fault)));
			break;
		case SP_ERR_NO_MEMORY:
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
			                errmsg("out of memory while processing %s", what), fault_detail(fault),
			                fault_hint(fault)));
			break;
		case SP_ERR_IO:
			errno = saved_errno;
			ereport(ERROR,
			        (errcode_for_file_access(), errmsg("could not read or write %s: %m", what),
			         fault_detail(fault), fault_hint(fault)));
			break;
		case SP_ERR_CANCELED:
			/* normally throws with the server's own wording and SQLSTATE */
			CHECK_FOR_INTERRUPTS();
			ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED),
			                errmsg("processing of %s was canceled", what)));
			break;
	}
}

typedef struct OwnedHandle
{
	MemoryContextCallback callback;
	void *handle;
	void (*release)(void *handle);
} OwnedHandle;

static void
release_owned(void *arg)
{
	OwnedHandle *owned = arg;

	owned->release(owned->handle);
}

void
sp_pg_own(void *handle, void (*release)(void *handle))
{
	OwnedHandle *owned = palloc_extended(sizeof(*owned), MCXT_ALLOC_NO_OOM);

	/* no room to remember it: let it go at once rather than leak it */
	if (owned == NULL)
	{
		release(handle);
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	owned->handle = handle;
	owned->release = release;
	owned->callback.func = release_owned;
	owned->callback.arg = owned;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &owned->callback);
}
