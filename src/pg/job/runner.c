/*
 * src/pg/job/runner.c
 *	  The short transactions of whoever runs jobs.
 *
 * In a worker, open and close are StartTransactionCommand and
 * CommitTransactionCommand.  In a procedure the same is done by SPI_commit, and
 * each transaction's work is wrapped into a subtransaction: aborting it is what
 * cleans up SPI connections, snapshots and roles that an error leaves behind.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "pg/job/runner.h"

void
sp_job_runner_init(SpJobRunner *runner, bool in_call, MemoryContext parent)
{
	memset(runner, 0, sizeof(*runner));
	runner->in_call = in_call;
	GetUserIdAndSecContext(&runner->role, &runner->security_context);
	runner->context = AllocSetContextCreate(parent, "spotai job runner", ALLOCSET_DEFAULT_SIZES);
	runner->home = runner->context;
}

/* As SET LOCAL does; undone at the end of the (sub)transaction. */
static void
set_local(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
	                         false);
}

/*
 * The statements on the queue are few and each has one right plan: through its
 * partial index.  Say so, because a queue's statistics are always out of date:
 * a plan made while the table was empty would read all of it later.
 */
static void
pin_plans(SpJobRunner *runner)
{
	runner->engine_settings = NewGUCNestLevel();
	set_local("enable_seqscan", "off");
	set_local("enable_bitmapscan", "off");
	set_local("enable_sort", "off");
	set_local("jit", "off");
	set_local("plan_cache_mode", "force_generic_plan");
}

static Oid
owner_of_queue(void)
{
	Oid nsp = get_namespace_oid("spotai", true);
	Oid rel = OidIsValid(nsp) ? get_relname_relid("job", nsp) : InvalidOid;
	HeapTuple tuple = OidIsValid(rel) ? SearchSysCache1(RELOID, ObjectIdGetDatum(rel)) : NULL;
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("spotai has no tables yet"),
		                errhint("CALL spotai.migrate();")));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * Nothing of what runs with lesser privileges may be left to run with ours:
 * no SET ROLE, no deferred trigger.
 */
static void
become(SpJobRunner *runner, Oid role)
{
	ConstraintsSetStmt immediately = {.type = T_ConstraintsSetStmt};

	if (role == runner->role)
	{
		SetUserIdAndSecContext(runner->role, runner->security_context);
		return;
	}
	AfterTriggerSetState(&immediately);
	SetUserIdAndSecContext(role, runner->security_context | SECURITY_LOCAL_USERID_CHANGE |
	                                 SECURITY_RESTRICTED_OPERATION);
}

static void
start_transaction(SpJobRunner *runner)
{
	if (!runner->in_call)
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
	}
	/*
	 * Claiming skips rows that have just been changed by others, which only
	 * this level allows; nothing has taken a snapshot yet.
	 */
	XactIsoLevel = XACT_READ_COMMITTED;
	runner->open = true;
	if (runner->in_call)
		BeginInternalSubTransaction(NULL);
	(void) NewGUCNestLevel();
	set_local("search_path", "pg_catalog, pg_temp");
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
}

void
sp_job_runner_become_engine(SpJobRunner *runner)
{
	become(runner, superuser_arg(runner->role) ? owner_of_queue() : runner->role);
	pin_plans(runner);
}

void
sp_job_runner_open(SpJobRunner *runner)
{
	start_transaction(runner);
	sp_job_runner_become_engine(runner);
}

static Oid
check_submitter(SpJobRunner *runner, const char *submitter)
{
	Oid role = get_role_oid(submitter, true);
	Oid voucher = superuser_arg(runner->role) ? owner_of_queue() : runner->role;

	if (!OidIsValid(role))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
		                errmsg("role \"%s\", which submitted the job, does not exist", submitter)));
	if (!is_member_of_role(voucher, role))
		ereport(ERROR,
		        (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		         errmsg("role \"%s\" may not run a job as \"%s\"",
		                GetUserNameFromId(voucher, false), submitter),
		         errhint("The owner of spotai.job must be a superuser, or a member of each role "
		                 "that submits jobs.")));
	return role;
}

void
sp_job_runner_become_submitter(SpJobRunner *runner, const char *submitter)
{
	/* a handler's statements are planned as usual */
	AtEOXact_GUC(false, runner->engine_settings);
	become(runner, check_submitter(runner, submitter));
}

void
sp_job_runner_relax(SpJobRunner *runner)
{
	set_local("synchronous_commit", "off");
}

void
sp_job_runner_close(SpJobRunner *runner)
{
	PopActiveSnapshot();
	SPI_finish();
	SetUserIdAndSecContext(runner->role, runner->security_context);
	if (runner->in_call)
	{
		ReleaseCurrentSubTransaction();
		SPI_commit();
	}
	else
	{
		CommitTransactionCommand();
		pgstat_report_stat(false);
	}
	runner->open = false;
	MemoryContextSwitchTo(runner->home);
}

void
sp_job_runner_abort(SpJobRunner *runner)
{
	if (runner->in_call)
	{
		while (GetCurrentTransactionNestLevel() > 1)
			RollbackAndReleaseCurrentSubTransaction();
		SPI_rollback();
	}
	else
		AbortCurrentTransaction();
	runner->open = false;
	MemoryContextSwitchTo(runner->home);
}
