/*
 * src/pg/audit/later.c
 *	  Events that are counted, and written once when the transaction commits.
 *
 * One statement may submit a hundred thousand jobs; an entry for each would cost
 * more than the jobs.  What is counted in a subtransaction that is rolled back
 * is taken off again.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "pg/audit/audit.h"
#include "pg/audit/settings.h"
#include "pg/audit/write.h"

typedef struct Counted
{
	SpAuditWho who;
	const char *role;
	const char *action;
	const char *object;
	SubTransactionId subtransaction;
	int64 count;
} Counted;

/* Of the current transaction, in its memory, newest last. */
static List *counted = NIL;

static void
write_counted(void)
{
	ListCell *cell;

	/* the transaction may have dropped it */
	if (!sp_audit_is_there())
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach (cell, counted)
	{
		const Counted *c = lfirst(cell);

		sp_audit_write_count(&c->who, c->role, c->action, c->object, c->count);
	}
	PopActiveSnapshot();
}

static void
at_transaction(XactEvent event, void *arg)
{
	if ((event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE) && counted != NIL)
	{
		write_counted();
		counted = NIL;
	}
	else if (event == XACT_EVENT_ABORT)
		counted = NIL;
}

static void
at_subtransaction(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	ListCell *cell;

	foreach (cell, counted)
	{
		Counted *c = lfirst(cell);

		if (c->subtransaction != id)
			continue;
		if (event == SUBXACT_EVENT_ABORT_SUB)
			counted = foreach_delete_current(counted, cell);
		else if (event == SUBXACT_EVENT_COMMIT_SUB)
			c->subtransaction = parent;
	}
}

void
sp_audit_later_init(void)
{
	RegisterXactCallback(at_transaction, NULL);
	RegisterSubXactCallback(at_subtransaction, NULL);
}

static bool
is_same(const Counted *c, const SpAuditWho *who, const char *role, const char *action,
        const char *object)
{
	return c->subtransaction == GetCurrentSubTransactionId() &&
	       memcmp(&c->who, who, sizeof(SpAuditWho)) == 0 && strcmp(c->action, action) == 0 &&
	       strcmp(c->object, object) == 0 && strcmp(c->role, role) == 0;
}

void
sp_audit_count(const char *action, const char *object)
{
	SpAuditWho who;
	const char *role;
	MemoryContext caller;
	ListCell *cell;
	Counted *c;

	if (!sp_audit_is_written(action))
		return;
	who = sp_audit_who();
	role = sp_audit_role();
	foreach (cell, counted)
		if (is_same(lfirst(cell), &who, role, action, object))
		{
			((Counted *) lfirst(cell))->count++;
			return;
		}
	caller = MemoryContextSwitchTo(TopTransactionContext);
	c = palloc0(sizeof(Counted));
	c->who = who;
	c->role = pstrdup(role);
	c->action = pstrdup(action);
	c->object = pstrdup(object);
	c->subtransaction = GetCurrentSubTransactionId();
	c->count = 1;
	counted = lappend(counted, c);
	MemoryContextSwitchTo(caller);
}
