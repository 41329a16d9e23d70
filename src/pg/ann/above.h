/*
 * src/pg/ann/above.h
 *	  What stands above a scan in its plan: the rest of the WHERE, and the LIMIT.
 *
 * An access method is told of the conditions on its own columns only.  Others the
 * executor asks of the rows that it is given, each of which has been compared with
 * the query and put in order by then; where one row in a hundred passes, that is a
 * hundred distances for each row of the answer.  Nor is it told how many rows will
 * be wanted.  So scans of our indexes are noted when a plan starts.  A scan asks
 * the condition above it as soon as it has found a row of the table, and finds as
 * many rows as the LIMIT wants before it puts them in order.  The executor asks and
 * counts again: but for time, and for rows that would come too late to be in order,
 * nothing depends on this.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_ANN_ABOVE_H
#define SP_PG_ANN_ABOVE_H

#include "access/skey.h"
#include "nodes/execnodes.h"

typedef struct SpAnnAbove SpAnnAbove;

extern void sp_ann_above_init(void);

/* Above the scan that asks by these ordering keys of its own; NULL when nothing is known. */
extern const SpAnnAbove *sp_ann_above(const ScanKeyData *orderbys);

/*
 * The rest of the WHERE may be asked: there is one, and it may be asked of more
 * rows than the executor would ask.
 */
extern bool sp_ann_may_filter(const SpAnnAbove *above);

/* Whether the row passes it; one that does not is counted as removed by the filter. */
extern bool sp_ann_passes_filter(const SpAnnAbove *above, TupleTableSlot *slot);

/* Rows that will be asked for, or 0 when that is not known. */
extern double sp_ann_limit(const SpAnnAbove *above);

#endif /* SP_PG_ANN_ABOVE_H */
