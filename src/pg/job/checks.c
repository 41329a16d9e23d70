/*
 * src/pg/job/checks.c
 *	  The CHECK constraints of spotai.job, made ready once a backend.
 *
 * The server keeps constraints as text, and each statement that writes a row
 * reads them again: for the ten of spotai.job that took two fifths of what
 * spotai.submit() cost.  Nothing else is different: which constraints there
 * are, and that each is checked, is the table's affair, and a changed table is
 * noticed by the server's own message.
 *
 * What is kept is shared by statements, also by one within another; so only
 * constraints of immutable built-in functions are, which run no statements and
 * are never redefined.  With others of somebody's making the server does as it
 * always did.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/transam.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "pg/compat.h"
#include "pg/job/checks.h"

typedef struct Checks
{
	Oid table;     /* InvalidOid: none yet */
	bool outdated; /* the table has been changed since */
	int count;
	ExprState **states; /* NULL: the server's way */
	MemoryContext context;
} Checks;

static Checks kept;
static ExecutorStart_hook_type next_hook;

static void
table_changed(Datum arg, Oid table)
{
	if (!OidIsValid(table) || table == kept.table)
		kept.outdated = true;
}

static bool
is_of_somebody(Oid function, void *context)
{
	return function >= FirstUnpinnedObjectId;
}

/* A domain's constraints may change without the table. */
static bool
depends_on_somebody(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, CoerceToDomain) || check_functions_in_node(node, is_of_somebody, context))
		return true;
	return expression_tree_walker(node, depends_on_somebody, context);
}

/* NULL when one of them cannot be kept. */
static ExprState **
make_ready(const TupleConstr *constraints)
{
	ExprState **states = palloc(sizeof(ExprState *) * constraints->num_check);

	for (int i = 0; i < constraints->num_check; i++)
	{
		const ConstrCheck *constraint = &constraints->check[i];
		Expr *check;

		states[i] = NULL;
		if (!sp_check_is_enforced(constraint))
			continue;
		check = stringToNode(constraint->ccbin);
		if (contain_mutable_functions((Node *) check) || depends_on_somebody((Node *) check, NULL))
			return NULL;
		states[i] = ExecInitExpr(expression_planner(check), NULL);
	}
	return states;
}

/* A statement around this one may still use the old ones: they go with the transaction. */
static void
retire(void)
{
	if (kept.context != NULL)
		MemoryContextSetParent(kept.context, TopTransactionContext);
	memset(&kept, 0, sizeof(kept));
}

static void
keep(Relation rel)
{
	const TupleConstr *constraints = RelationGetDescr(rel)->constr;
	/* the query's until it is complete */
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "spotai job checks", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	ExprState **states = sp_checks_can_be_kept(constraints) ? make_ready(constraints) : NULL;

	MemoryContextSwitchTo(caller);
	retire();
	MemoryContextSetParent(context, TopMemoryContext);
	kept.context = context;
	kept.states = states;
	kept.count = constraints->num_check;
	kept.table = RelationGetRelid(rel);
}

static bool
is_queue(Relation rel)
{
	const char *schema;

	if (RelationGetRelid(rel) == kept.table)
		return true;
	if (strcmp(RelationGetRelationName(rel), "job") != 0)
		return false;
	schema = get_namespace_name(RelationGetNamespace(rel));
	return schema != NULL && strcmp(schema, "spotai") == 0;
}

static void
lend(ResultRelInfo *target)
{
	Relation rel = target->ri_RelationDesc;
	const TupleConstr *constraints = RelationGetDescr(rel)->constr;

	if (constraints == NULL || constraints->num_check == 0 || !is_queue(rel))
		return;
	if (kept.outdated || kept.table != RelationGetRelid(rel))
		keep(rel);
	if (kept.states != NULL && kept.count == constraints->num_check)
		target->sp_check_states = kept.states;
}

static void
start_executor(QueryDesc *query, int flags)
{
	const ModifyTableState *writer;

	if (next_hook != NULL)
		next_hook(query, flags);
	else
		standard_ExecutorStart(query, flags);
	if (query->operation != CMD_INSERT && query->operation != CMD_UPDATE)
		return;
	if (query->planstate == NULL || !IsA(query->planstate, ModifyTableState))
		return;
	writer = castNode(ModifyTableState, query->planstate);
	if (writer->mt_nrels == 1)
		lend(writer->resultRelInfo);
}

void
sp_job_checks_init(void)
{
	CacheRegisterRelcacheCallback(table_changed, (Datum) 0);
	next_hook = ExecutorStart_hook;
	ExecutorStart_hook = start_executor;
}
