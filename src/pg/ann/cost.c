/*
 * src/pg/ann/cost.c
 *	  What a scan will cost, for the planner.
 *
 * The planner wants the cost of the first row and of all rows and draws a line
 * between them, which is what a scan does: first centroids and the lists that
 * the first rows take, then lists, estimates and distances for each row more.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "nodes/pathnodes.h"
#include "optimizer/optimizer.h"
#include "utils/float.h"
#include "utils/selfuncs.h"

#include "pg/ann/ann.h"
#include "pg/compat.h"

/*
 * In units of cpu_operator_cost, which for comparing two numbers takes about 10 ns:
 * measured on an AMD EPYC (Zen 5), see core/vector/README.md.
 */
#define DISTANCE(dims) (0.5 + (dims) / 400.0)
#define ESTIMATE(dims) (0.5 + (dims) / 1600.0)
/* A row of the table, found and looked at, in units of cpu_tuple_cost. */
#define FETCH 15
/* The same of a search that goes on, for which more rows are looked at than are returned. */
#define LATER_FETCH 120
/* A row that a filter dismisses before its distance is fetched. */
#define ASK 15
/* Rows whose distance is fetched for the first ten, and lists for them. */
#define FIRST_ROWS  60
#define FIRST_LISTS 6

static SpAnnMeta
meta_of(Oid index)
{
	Relation relation = index_open(index, NoLock);
	SpAnnMeta meta = sp_ann_open(relation)->meta;

	index_close(relation, NoLock);
	return meta;
}

/* Of the rows that conditions on the index leave, those whose distance is fetched; see above.h. */
static double
share_that_passes(const IndexPath *path, double matching)
{
	List *conditions = path->indexinfo->indrestrictinfo;

	if (!sp_ann_filter_early || contain_volatile_functions((Node *) conditions))
		return 1;
	return Min(path->indexinfo->rel->rows / Max(matching, 1), 1);
}

void
sp_ann_cost(PlannerInfo *root, IndexPath *path, double loops, Cost *startup, Cost *total,
            Selectivity *selectivity, double *correlation, double *pages)
{
	GenericCosts costs = {0};
	SpAnnMeta meta;
	double rows, lists, matching, passing;

	/* without a query all rows come, which other plans do better */
	if (path->indexorderbys == NIL)
	{
		*startup = *total = get_float8_infinity();
		sp_disable_path(&path->path);
		*selectivity = 1;
		*correlation = *pages = 0;
		return;
	}
	genericcostestimate(root, path, loops, &costs);
	meta = meta_of(path->indexinfo->indexoid);
	rows = Max(path->indexinfo->tuples, 1);
	lists = Min(FIRST_LISTS, meta.lists);
	matching = rows * costs.indexSelectivity;
	passing = share_that_passes(path, matching);
	*startup = cpu_operator_cost * (meta.lists * DISTANCE(meta.dims) +
	                                rows * lists / meta.lists * ESTIMATE(meta.dims)) +
	           cpu_tuple_cost * FETCH * Min(FIRST_ROWS, matching);
	*total = *startup + cpu_operator_cost * rows * ESTIMATE(meta.dims) +
	         cpu_tuple_cost * matching * (passing * LATER_FETCH + (1 - passing) * ASK);
	*selectivity = costs.indexSelectivity;
	*correlation = 0;
	*pages = costs.numIndexPages;
}
