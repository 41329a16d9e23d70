/*
 * src/pg/ann/ann.h
 *	  The access method spotai_ann: what an index is made of.
 *
 * Inverted lists with codes (Jegou, Douze, Schmid 2011; the codes are RaBitQ's,
 * core/vector/rabitq.h).  A row belongs to the list of the nearest centroid.
 *
 *	block 0         the metapage
 *	then            constants: first pages of the lists, and centroids; they
 *	                never change until the index is built anew
 *	then            pages of lists, each list a chain from its first page, and
 *	                pages of vectors (rerank = index)
 *
 * Two more lists hold the rows that have no distance: vectors of zeros under
 * cosine, and NULLs.
 *
 * Rules that make chains safe without a lock on a list:
 *	- the first page of a list stays the first;
 *	- rows are added at the end; within a chain they move forward only (vacuum),
 *	  so that a scan may see a row twice but never miss it;
 *	- a page that was emptied keeps its next page, and is used again only when
 *	  nobody can be on the way to it any more;
 *	- locks are taken in the order of the chain.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_ANN_H
#define SP_PG_ANN_H

#include "postgres.h"

#include "access/amapi.h"
#include "access/generic_xlog.h"
#include "access/reloptions.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "core/vector/coarse.h"
#include "core/vector/horizon.h"
#include "core/vector/rabitq.h"
#include "core/vector/rotation.h"
#include "pg/vector/embedding.h"

#define SP_ANN_MAGIC   0x4e4e4153 /* SANN */
#define SP_ANN_VERSION 1
#define SP_ANN_META    ((BlockNumber) 0)

#define SP_ANN_MAX_LISTS 65536
#define SP_ANN_COLUMNS   2 /* the embedding, and a label before or behind it */

/* Which of the operators the index is for; what its support function 1 answers. */
typedef enum SpAnnMetric
{
	SP_ANN_L2 = 1,
	SP_ANN_COSINE,
	SP_ANN_IP
} SpAnnMetric;

/* Where exact distances come from. */
typedef enum SpAnnRerank
{
	SP_ANN_FROM_HEAP,
	SP_ANN_FROM_INDEX /* from copies in half precision */
} SpAnnRerank;

/* WITH (...) */
typedef struct SpAnnOptions
{
	int32 vl_len_;
	int lists; /* 0: by the number of rows */
	int bits;
	SpAnnRerank rerank;
} SpAnnOptions;

/* --- on disk ---------------------------------------------------------------------- */

typedef struct SpAnnMeta
{
	uint32 magic, version;
	uint32 dims;
	uint32 lists;
	uint64 seed; /* of the rotation */
	uint8 metric;
	uint8 bits;
	uint8 rerank;
	uint8 has_label;
	uint8 column;           /* of the embedding, from 0; the label is the other one */
	uint32 constant_blocks; /* of constants, from block 1 */
	double built_rows;      /* rows with a distance when the index was built */
	double built_error;     /* mean of their codes' error */
	double unit;            /* of the numbers of centroids */
	SpHorizon horizon;
} SpAnnMeta;

/* Kinds of pages. */
#define SP_ANN_PAGE_META     1
#define SP_ANN_PAGE_CONSTANT 2
#define SP_ANN_PAGE_LIST     3
#define SP_ANN_PAGE_VECTORS  4
#define SP_ANN_PAGE_DELETED  5 /* was a page of a list or of vectors */

typedef struct SpAnnSpecial
{
	uint32 list;
	BlockNumber next; /* of the chain */
	BlockNumber last; /* in the first page of a list: its last one */
	uint16 kind;
	uint16 count;                 /* of vectors on a page of those */
	FullTransactionId deleted_at; /* nobody who began later is on the way here */
} SpAnnSpecial;

/*
 * What a list has of a row beside its code.  A label follows where the index has
 * one, then the block of the copy where it has those.
 */
typedef struct SpAnnSide
{
	ItemPointerData tid;
	uint16 slot; /* of the copy on its page */
	SpRabitqFactors factors;
} SpAnnSide;

/* Lists without distances end a side here. */
#define SP_ANN_BARE_SIDE offsetof(SpAnnSide, factors)

/* NULL as a label; a row that really has this one is rechecked. */
#define SP_ANN_NO_LABEL PG_INT32_MIN

/* --- an index as a backend knows it ------------------------------------------------ */

typedef struct SpAnnIndex
{
	SpAnnMeta meta;
	uint32 padded, words; /* of a code's planes together */
	uint16 label_at;      /* offsets in a side, 0 for none */
	uint16 block_at;
	uint16 side_size, bare_size;
	BlockNumber *heads; /* [lists + 2] */
	uint16 *centroids;  /* [lists][padded], rotated, halves of meta.unit */
	SpCoarse coarse;    /* the same in bytes, for searches */
} SpAnnIndex;

/* Lists of those that have no distance. */
#define SP_ANN_ZEROS(ann)   ((ann)->meta.lists)
#define SP_ANN_NULLS(ann)   ((ann)->meta.lists + 1)
#define SP_ANN_CHAINS(meta) ((meta)->lists + 2)

/* meta.c: kept in the relation's cache, so until the next call that may take a lock on a relation
 * or evaluate an expression; copy what must last, ask again for heads and centroids. */
extern SpAnnIndex *sp_ann_open(Relation index);
/* One that stays what it is, in the current memory context. */
extern SpAnnIndex *sp_ann_copy(Relation index);
extern void sp_ann_fill(SpAnnIndex *ann, const SpAnnMeta *meta);
extern void sp_ann_write_meta(Relation index, ForkNumber fork, const SpAnnMeta *meta,
                              const BlockNumber *heads, const uint16 *centroids);
extern uint32 sp_ann_constant_blocks(const SpAnnMeta *meta);
/*
 * Centroids are halves: all of them are read for each new row, and their rounding
 * does no harm, because codes are made with what was rounded.  out[padded].
 */
extern void sp_ann_centroid(const SpAnnIndex *ann, uint32 list, float *out);
/* rotated[padded] in the unit of centroids, for sp_ann_centroid_distance. */
extern void sp_ann_to_unit(const SpAnnIndex *ann, const float *rotated, float *out);
/* Squared, between what was given to sp_ann_to_unit and a centroid. */
extern double sp_ann_centroid_distance(const SpAnnIndex *ann, const float *in_unit, uint32 list);
/*
 * The measure of codes, of all lists, nearly, and in less time; INFINITY for what is
 * beyond floats.  The result is by how much a nearer one may seem farther than another.
 */
extern double sp_ann_centroid_distances(const SpAnnIndex *ann, SpVectorMetric metric,
                                        const float *in_unit, float *out);
/* Which lives as long as the backend. */
extern const SpRotation *sp_ann_rotation(uint32 dims, uint64 seed);

static inline SpVectorMetric
sp_ann_code_metric(const SpAnnMeta *meta)
{
	return meta->metric == SP_ANN_IP ? SP_METRIC_NEGATIVE_PRODUCT : SP_METRIC_L2_SQUARED;
}

/* page.c */
extern void sp_ann_page_init(Page page, uint16 kind, uint32 list);
extern bool sp_ann_page_is(Page page, uint16 kind);

static inline SpAnnSpecial *
sp_ann_special(Page page)
{
	return (SpAnnSpecial *) PageGetSpecialPointer(page);
}

/* What rows of a list take on a page. */
typedef struct SpAnnLayout
{
	uint32 code_size, side_size;
} SpAnnLayout;

static inline SpAnnLayout
sp_ann_layout(const SpAnnIndex *ann, uint32 list)
{
	if (list < ann->meta.lists)
		return (SpAnnLayout){ann->words * (uint32) sizeof(uint64), ann->side_size};
	return (SpAnnLayout){0, ann->bare_size};
}

static inline uint32
sp_ann_page_count(Page page, SpAnnLayout layout)
{
	PageHeader header = (PageHeader) page;

	return (header->pd_special - header->pd_upper) / layout.side_size;
}

static inline uint64 *
sp_ann_page_codes(Page page)
{
	return (uint64 *) PageGetContents(page);
}

/* Sides grow from the end of the page. */
static inline char *
sp_ann_page_side(Page page, SpAnnLayout layout, uint32 i)
{
	return (char *) page + ((PageHeader) page)->pd_special - (i + 1) * layout.side_size;
}

static inline ItemPointer
sp_ann_side_tid(char *side)
{
	return &((SpAnnSide *) side)->tid;
}

/* XX002 for a page of a list, locked, that has another number of codes than of rows. */
extern void sp_ann_check_page(Relation index, Buffer buffer, SpAnnLayout layout);
/* The same for a list that leads on and on; steps are pages so far. */
extern void sp_ann_check_steps(Relation index, uint32 list, uint32 steps);
extern bool sp_ann_page_has_room(Page page, SpAnnLayout layout, uint32 rows);
extern void sp_ann_page_add(Page page, SpAnnLayout layout, const void *code, const void *side);
/* The last row of the page comes to its place. */
extern void sp_ann_page_remove(Page page, SpAnnLayout layout, uint32 i);
/* An exclusively locked empty page: a free one or one more. */
extern Buffer sp_ann_new_buffer(Relation index);
extern bool sp_ann_page_can_be_used_again(Page page);

/* row.c: a value as an index keeps it. */
typedef struct SpAnnRow
{
	uint32 list;
	uint64 *code; /* [words]; of lists with distances */
	char *side;   /* [side_size] */
	uint16 *half; /* [dims], where the index has copies */
} SpAnnRow;

/* What turns vectors into rows; lives in a memory context. */
typedef struct SpAnnEncoder
{
	Relation index; /* NULL: ann is the caller's own */
	const SpAnnIndex *ann;
	const SpRotation *rotation;
	float *vector;  /* [dims] */
	float *rotated; /* [padded] */
	float *in_unit; /* [padded], as sp_ann_to_unit makes it */
	float *centroid;
	SpAnnRow row;
} SpAnnEncoder;

extern SpAnnEncoder *sp_ann_encoder_new(Relation index, const SpAnnIndex *ann);
/* The row stays until the next one, except that its label and copy's place are not set. */
extern SpAnnRow *sp_ann_encode(SpAnnEncoder *e, const Datum *values, const bool *isnull,
                               ItemPointer tid);
/* e->rotated, which is vector rotated, becomes a row of this list. */
extern void sp_ann_encode_in_list(SpAnnEncoder *e, const float *vector, uint32 list);
/*
 * out[dims] is what codes are made of: the vector, for cosine its direction.  false
 * for zeros under cosine, which have none.  22000 for other dimensions.
 */
extern bool sp_ann_read_vector(const SpAnnMeta *meta, const SpEmbedding *value, float *out);
extern int32 sp_ann_label(const SpAnnMeta *meta, Relation index, const Datum *values,
                          const bool *isnull);

/* A side is aligned to 4 only. */
static inline void
sp_ann_set_label(const SpAnnIndex *ann, char *side, int32 label)
{
	memcpy(side + ann->label_at, &label, sizeof(label));
}

static inline int32
sp_ann_get_label(const SpAnnIndex *ann, const char *side)
{
	int32 label;

	memcpy(&label, side + ann->label_at, sizeof(label));
	return label;
}

static inline void
sp_ann_set_copy(const SpAnnIndex *ann, char *side, BlockNumber block, uint16 slot)
{
	((SpAnnSide *) side)->slot = slot;
	memcpy(side + ann->block_at, &block, sizeof(block));
}

static inline BlockNumber
sp_ann_get_copy(const SpAnnIndex *ann, const char *side)
{
	BlockNumber block;

	memcpy(&block, side + ann->block_at, sizeof(block));
	return block;
}

/* vectors.c: copies in half precision. */
#define SP_ANN_SLOT_FREE ((Size) 64) /* what the map of free space says of a page with slots */
extern uint32 sp_ann_vectors_per_page(uint32 dims);
extern uint16 *sp_ann_vector_at(Page page, uint32 dims, uint16 slot);
extern int sp_ann_vectors_free_slot(Page page, uint32 dims);
extern void sp_ann_vectors_put(Page page, uint32 dims, uint16 slot, const uint16 *half);
/* A page whose last copy goes is one of those that may be used again. */
extern void sp_ann_vectors_free(Page page, uint16 slot);

/* --- the access method -------------------------------------------------------------- */

extern void sp_ann_init(void);
extern IndexBuildResult *sp_ann_build(Relation heap, Relation index, IndexInfo *info);
extern void sp_ann_build_empty(Relation index);
extern bool sp_ann_insert(Relation index, Datum *values, bool *isnull, ItemPointer tid,
                          Relation heap, IndexUniqueCheck unique, bool unchanged, IndexInfo *info);
extern IndexBulkDeleteResult *sp_ann_bulk_delete(IndexVacuumInfo *info,
                                                 IndexBulkDeleteResult *stats,
                                                 IndexBulkDeleteCallback callback, void *state);
extern IndexBulkDeleteResult *sp_ann_vacuum_cleanup(IndexVacuumInfo *info,
                                                    IndexBulkDeleteResult *stats);
extern void sp_ann_cost(PlannerInfo *root, IndexPath *path, double loops, Cost *startup,
                        Cost *total, Selectivity *selectivity, double *correlation, double *pages);
extern IndexScanDesc sp_ann_begin_scan(Relation index, int nkeys, int norderbys);
extern void sp_ann_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys,
                          int norderbys);
extern bool sp_ann_get_tuple(IndexScanDesc scan, ScanDirection direction);
extern void sp_ann_end_scan(IndexScanDesc scan);

/* Settings. */
extern int sp_ann_probes;
extern double sp_ann_recall;
extern int sp_ann_max_scan;
extern bool sp_ann_filter_early;

/* Of this session. */
typedef struct SpAnnCounters
{
	int64 scans, lists, codes, filtered, fetches, stopped;
} SpAnnCounters;

extern SpAnnCounters sp_ann_counters;

#endif /* SP_PG_ANN_H */
