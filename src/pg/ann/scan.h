/*
 * src/pg/ann/scan.h
 *	  A scan: best first over lists, candidates and distances.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_ANN_SCAN_H
#define SP_PG_ANN_SCAN_H

#include "access/relscan.h"
#include "executor/tuptable.h"

#include "core/vector/candidates.h"
#include "pg/ann/above.h"
#include "pg/ann/ann.h"

/* What the scan returns now. */
typedef enum SpAnnStage
{
	SP_ANN_NOT_BEGUN,
	SP_ANN_BY_DISTANCE,
	SP_ANN_BY_LIST, /* rows that have no distance, or when there is no query */
	SP_ANN_DONE
} SpAnnStage;

/* Values that a label may have. */
typedef struct SpAnnLabels
{
	bool any; /* no condition */
	int n;
	int32 *values; /* ascending */
	bool recheck;  /* one of them also stands for NULL */
} SpAnnLabels;

/* Where exact distances come from; fetch.c. */
typedef struct SpAnnFetch
{
	IndexFetchTableData *heap;
	bool by_place; /* places.c knows it */
	TupleTableSlot *slot;
	IndexInfo *info; /* of an index on an expression, else NULL */
	EState *estate;
	MemoryContext temporary;
} SpAnnFetch;

/* What a search keeps of a row whose code it read: of its side, what finds the row. */
typedef struct SpAnnCandidate
{
	ItemPointerData tid;
	uint16 slot; /* of the copy */
	BlockNumber block;
} SpAnnCandidate;

/* The first so many bytes, where there are no copies. */
#define SP_ANN_UNCOPIED offsetof(SpAnnCandidate, block)

typedef struct SpAnnScan
{
	SpAnnIndex ann; /* heads and centroids: see sp_ann_open */
	MemoryContext context;
	SpAnnStage stage;
	SpAnnFetch fetch;
	SpAnnLabels labels;
	const SpAnnAbove *above; /* NULL: nothing is known */
	bool filtered;           /* the rest of the WHERE is asked here */

	/* the query */
	const SpEmbedding *query; /* NULL: there is none, or it is NULL or has no direction */
	bool is_null;
	const float *vector; /* [dims], for cosine of length 1 */
	float *rotated;      /* [padded] */
	float *in_unit;      /* [padded], as sp_ann_to_unit makes it */
	float *centroid;     /* [padded], of the list at hand */
	double length;
	SpRabitqQuery *codes;
	float caution; /* times the margins that they tell */

	/* best first */
	SpCandidates lists;      /* key: distance of the centroid; records: their numbers */
	SpCandidates candidates; /* key: the least that the distance may be; records: SpAnnCandidate */
	SpQueue exact;           /* key: the distance; place: what the operator says, its bits */
	SpQueueItem last;        /* row that was taken from them */
	SpQueueItem *ready;      /* rows that are returned next, in order */
	int nready, at;
	int kept;     /* behind those, for the next turn */
	double least; /* rows that are found before the first is returned */
	double floor; /* what has been returned was no farther */
	bool told;    /* that it stopped before its time */
	SpQueue late; /* rows that are nearer than that, for the end */
	int allowed;  /* lists to look into before anything is returned, of a fixed number */
	int looked;
	double found, scanned, matched; /* rows */
	double asked, passed;           /* rows of the table that met the filter */
	double first;                   /* distance of the nearest centroid */
	double as_near;                 /* up to which one may be as near as that */
	double reach;                   /* of the horizon, for what is returned next */
	double reach_recall, reach_depth;
	double list_at, list_key; /* of the list at that distance, for this reach */

	/* list by list */
	uint32 chain;
	ItemPointerData *tids;
	int ntids, tid;
} SpAnnScan;

/* walk.c: each calls back with pages of the list, locked, some maybe twice. */
typedef void (*SpAnnPageFn)(SpAnnScan *so, Page page, uint32 list);
extern void sp_ann_walk(SpAnnScan *so, Relation index, uint32 list, BlockNumber first,
                        SpAnnPageFn fn);
/* The page will be read soon: asks the disk for it, or the memory. */
extern void sp_ann_expect(Relation index, BlockNumber block);

/* labels.c: false when no row can satisfy the conditions. */
extern bool sp_ann_read_labels(SpAnnLabels *labels, ScanKey keys, int nkeys);

static inline bool
sp_ann_label_fits(const SpAnnLabels *labels, int32 label)
{
	int from = 0, to = labels->n;

	while (from < to)
	{
		int middle = from + (to - from) / 2;

		if (labels->values[middle] < label)
			from = middle + 1;
		else
			to = middle;
	}
	return labels->any || (from < labels->n && labels->values[from] == label);
}

/* fetch.c: the candidate that is next to the rows with a distance, if it is to be seen and passes the filter. */
extern void sp_ann_take_candidate(IndexScanDesc scan, SpAnnScan *so);
extern void sp_ann_fetch_end(SpAnnFetch *fetch);
/* The executor fetches the row that is returned again: it need not look for the page. */
extern void sp_ann_before_return(IndexScanDesc scan, const SpAnnScan *so);

/* bylist.c: the next row without a distance, which is NaN or NULL; false when there is none. */
extern bool sp_ann_next_by_list(IndexScanDesc scan, SpAnnScan *so);

#endif /* SP_PG_ANN_SCAN_H */
