/*
 * src/pg/ann/bylist.c
 *	  Rows that no distance puts in order: those without one, or all when there is
 *	  no query.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <math.h>

#include "utils/memutils.h"

#include "pg/ann/scan.h"

static void
collect_tids(SpAnnScan *so, Page page, uint32 list)
{
	SpAnnLayout layout = sp_ann_layout(&so->ann, list);
	uint32 n = sp_ann_page_count(page, layout);
	Size size = sizeof(ItemPointerData) * (Size) (so->ntids + n);

	if (n == 0)
		return;
	so->tids = so->tids == NULL ? MemoryContextAllocHuge(so->context, size)
	                            : repalloc_huge(so->tids, size);
	for (uint32 i = 0; i < n; i++)
	{
		char *side = sp_ann_page_side(page, layout, i);

		if (so->ann.label_at == 0 || list >= so->ann.meta.lists ||
		    sp_ann_label_fits(&so->labels, sp_ann_get_label(&so->ann, side)))
			so->tids[so->ntids++] = *sp_ann_side_tid(side);
	}
}

static int
compare_tids(const void *a, const void *b)
{
	return ItemPointerCompare((ItemPointer) a, (ItemPointer) b);
}

static void
collect_list(IndexScanDesc scan, SpAnnScan *so, uint32 list)
{
	int kept = 0;

	so->ntids = so->tid = 0;
	sp_ann_walk(so, scan->indexRelation, list, sp_ann_open(scan->indexRelation)->heads[list],
	            collect_tids);
	if (so->ntids == 0)
		return;
	qsort(so->tids, (size_t) so->ntids, sizeof(ItemPointerData), compare_tids);
	for (int i = 0; i < so->ntids; i++)
		if (i == 0 || !ItemPointerEquals(&so->tids[i], &so->tids[kept - 1]))
			so->tids[kept++] = so->tids[i];
	so->ntids = kept;
}

bool
sp_ann_next_by_list(IndexScanDesc scan, SpAnnScan *so)
{
	while (so->tid == so->ntids)
	{
		if (so->chain == SP_ANN_CHAINS(&so->ann.meta))
			return false;
		collect_list(scan, so, so->chain++);
	}
	scan->xs_heaptid = so->tids[so->tid++];
	/* lists of rows without a distance know no labels */
	scan->xs_recheck = scan->numberOfKeys > 0;
	scan->xs_recheckorderby = false;
	if (scan->numberOfOrderBys > 0)
	{
		scan->xs_orderbyvals[0] = Float8GetDatum(NAN);
		scan->xs_orderbynulls[0] = so->is_null || so->chain == SP_ANN_CHAINS(&so->ann.meta);
	}
	return true;
}
