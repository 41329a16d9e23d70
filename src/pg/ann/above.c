/*
 * src/pg/ann/above.c
 *	  What stands above the scans of a plan, noted when it starts.
 *
 * A condition is asked of more rows than the answer has, as it would be by a
 * sequential scan, and in no order that anybody was promised; so it must not be
 * volatile.  And it must not be dearer than what it saves.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "executor/executor.h"
#include "lib/ilist.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/rel.h"

#include "pg/ann/above.h"
#include "pg/ann/ann.h"

/* A condition of so many operators takes as long as a distance does. */
#define MOST_OPERATORS 100

/* In the memory of the query, with which it goes. */
struct SpAnnAbove
{
	dlist_node link;
	MemoryContextCallback forget;
	IndexScanState *node;
	LimitState *limit; /* NULL: none, or something between may drop rows */
	bool may_filter;
};

static dlist_head noted = DLIST_STATIC_INIT(noted);
static ExecutorStart_hook_type next_hook;

/* --- noting ----------------------------------------------------------------------------- */

static void
forget(void *above)
{
	dlist_delete(&((SpAnnAbove *) above)->link);
}

static bool
may_be_asked_early(List *condition)
{
	QualCost cost;

	if (condition == NIL || contain_volatile_functions((Node *) condition))
		return false;
	cost_qual_eval(&cost, condition, NULL);
	return cost.per_tuple <= MOST_OPERATORS * cpu_operator_cost;
}

static void
note(IndexScanState *node, LimitState *limit)
{
	MemoryContext context = node->ss.ps.state->es_query_cxt;
	SpAnnAbove *above = MemoryContextAllocZero(context, sizeof(*above));

	above->node = node;
	above->limit = limit;
	above->may_filter = may_be_asked_early(node->ss.ps.plan->qual);
	above->forget.func = forget;
	above->forget.arg = above;
	dlist_push_head(&noted, &above->link);
	MemoryContextRegisterResetCallback(context, &above->forget);
}

/* Asks for an order, by an index of ours; EXPLAIN opens none. */
static bool
is_ours(const IndexScanState *node)
{
	return node->iss_NumOrderByKeys > 0 && node->iss_RelationDesc != NULL &&
	       node->iss_RelationDesc->rd_indam->ambeginscan == sp_ann_begin_scan;
}

/* All rows of its children are its own; those that it locks are seldom others by then. */
static bool
drops_no_rows(const PlanState *ps)
{
	switch (nodeTag(ps))
	{
		case T_AppendState:
		case T_LockRowsState:
		case T_MergeAppendState:
		case T_ResultState:
			return true;
		default:
			return IsA(ps, SubqueryScanState) && ps->qual == NULL;
	}
}

static bool
note_scans(PlanState *ps, void *limit)
{
	if (IsA(ps, IndexScanState) && is_ours((IndexScanState *) ps))
		note((IndexScanState *) ps, limit);
	if (IsA(ps, LimitState))
		limit = ps;
	else if (!drops_no_rows(ps))
		limit = NULL;
	return planstate_tree_walker(ps, note_scans, limit);
}

static void
start_executor(QueryDesc *query, int flags)
{
	if (next_hook != NULL)
		next_hook(query, flags);
	else
		standard_ExecutorStart(query, flags);
	if (query->planstate != NULL)
		note_scans(query->planstate, NULL);
}

void
sp_ann_above_init(void)
{
	next_hook = ExecutorStart_hook;
	ExecutorStart_hook = start_executor;
}

/* --- asking ----------------------------------------------------------------------------- */

const SpAnnAbove *
sp_ann_above(const ScanKeyData *orderbys)
{
	dlist_iter i;

	dlist_foreach(i, &noted)
	{
		const SpAnnAbove *above = dlist_container(SpAnnAbove, link, i.cur);

		if (above->node->iss_OrderByKeys == orderbys)
			return above;
	}
	return NULL;
}

bool
sp_ann_may_filter(const SpAnnAbove *above)
{
	return sp_ann_filter_early && above != NULL && above->may_filter;
}

bool
sp_ann_passes_filter(const SpAnnAbove *above, TupleTableSlot *slot)
{
	PlanState *ps = &above->node->ss.ps;
	bool passes;

	ResetExprContext(ps->ps_ExprContext);
	ps->ps_ExprContext->ecxt_scantuple = slot;
	passes = ExecQual(ps->qual, ps->ps_ExprContext);
	if (!passes)
		InstrCountFiltered1(ps, 1);
	return passes;
}

double
sp_ann_limit(const SpAnnAbove *above)
{
	const LimitState *limit = above != NULL ? above->limit : NULL;

	if (limit == NULL || limit->lstate == LIMIT_INITIAL || limit->noCount)
		return 0;
	/* what the executor drops comes on top, nobody knows how much */
	if (above->node->ss.ps.qual != NULL && !sp_ann_may_filter(above))
		return 0;
	return (double) limit->count + (double) limit->offset;
}
