/*
 * src/pg/ann/meta.c
 *	  The metapage and the constants of an index.
 *
 * Constants are one stream of bytes over pages: first the first pages of the
 * lists, then the rotated centroids.  A backend reads them once and keeps them
 * in the relation's cache.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <math.h>

#include "utils/memutils.h"

#include "core/vector/distance.h"
#include "core/vector/half.h"
#include "pg/ann/ann.h"
#include "pg/seam.h"

/* Bytes of constants on a page. */
#define PER_PAGE (BLCKSZ - MAXALIGN(SizeOfPageHeaderData) - MAXALIGN(sizeof(SpAnnSpecial)))

static Size
heads_size(const SpAnnMeta *meta)
{
	return sizeof(BlockNumber) * SP_ANN_CHAINS(meta);
}

static Size
centroids_size(const SpAnnMeta *meta)
{
	return sizeof(uint16) * meta->lists * SP_ROTATION_PADDED(meta->dims);
}

uint32
sp_ann_constant_blocks(const SpAnnMeta *meta)
{
	return (uint32) ((heads_size(meta) + centroids_size(meta) + PER_PAGE - 1) / PER_PAGE);
}

/* --- reading ----------------------------------------------------------------------- */

static bool
is_sound(const SpAnnMeta *m)
{
	return m->dims >= 1 && m->dims <= SP_VECTOR_MAX_DIMS && m->lists >= 1 &&
	       m->lists <= SP_ANN_MAX_LISTS && m->metric >= SP_ANN_L2 && m->metric <= SP_ANN_IP &&
	       (m->bits == 1 || m->bits == 2 || m->bits == 4 || m->bits == 8) &&
	       m->rerank <= SP_ANN_FROM_INDEX && m->has_label <= 1 && m->column <= 1 && m->unit > 0 &&
	       isfinite(m->unit) && m->constant_blocks == sp_ann_constant_blocks(m) &&
	       sp_horizon_is_sound(&m->horizon);
}

static void
read_meta(Relation index, SpAnnMeta *meta)
{
	Buffer buffer = ReadBuffer(index, SP_ANN_META);
	Page page = BufferGetPage(buffer);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (!sp_ann_page_is(page, SP_ANN_PAGE_META))
		ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
		                errmsg("index \"%s\" has no metapage", RelationGetRelationName(index)),
		                errhint("Run REINDEX.")));
	memcpy(meta, PageGetContents(page), sizeof(*meta));
	UnlockReleaseBuffer(buffer);
	if (meta->magic != SP_ANN_MAGIC)
		ereport(ERROR,
		        (errcode(ERRCODE_INDEX_CORRUPTED),
		         errmsg("index \"%s\" is no index of spotai_ann", RelationGetRelationName(index)),
		         errhint("Run REINDEX.")));
	if (meta->version != SP_ANN_VERSION)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("index \"%s\" has version %u, this library reads version %u",
		                       RelationGetRelationName(index), meta->version, SP_ANN_VERSION),
		                errhint("Run REINDEX.")));
	if (!is_sound(meta))
		ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
		                errmsg("block %u of index \"%s\" is damaged", SP_ANN_META,
		                       RelationGetRelationName(index)),
		                errhint("Run REINDEX.")));
}

/* size bytes of constants that begin at offset. */
static void
read_constants(Relation index, Size offset, char *out, Size size)
{
	while (size > 0)
	{
		Size at = offset % PER_PAGE, n = Min(PER_PAGE - at, size);
		Buffer buffer = ReadBuffer(index, (BlockNumber) (1 + offset / PER_PAGE));

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (!sp_ann_page_is(BufferGetPage(buffer), SP_ANN_PAGE_CONSTANT))
			ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
			                errmsg("index \"%s\" lacks a page of constants",
			                       RelationGetRelationName(index)),
			                errhint("Run REINDEX.")));
		memcpy(out, PageGetContents(BufferGetPage(buffer)) + at, n);
		UnlockReleaseBuffer(buffer);
		offset += n;
		out += n;
		size -= n;
	}
}

void
sp_ann_fill(SpAnnIndex *ann, const SpAnnMeta *meta)
{
	uint32 padded = SP_ROTATION_PADDED(meta->dims);

	memset(ann, 0, sizeof(*ann));
	ann->meta = *meta;
	ann->padded = padded;
	ann->words = (uint32) SP_RABITQ_WORDS(padded, meta->bits);
	ann->bare_size = SP_ANN_BARE_SIDE;
	ann->side_size = sizeof(SpAnnSide);
	if (meta->has_label)
	{
		/* behind the TID in both kinds of lists would be simpler, but not aligned */
		ann->label_at = ann->side_size;
		ann->side_size += sizeof(int32);
	}
	if (meta->rerank == SP_ANN_FROM_INDEX)
	{
		ann->block_at = ann->side_size;
		ann->side_size += sizeof(BlockNumber);
	}
}

/* One piece of memory, as a relation's cache wants it. */
static SpAnnIndex *
load(Relation index, MemoryContext context)
{
	SpAnnMeta meta;
	Size size, heads, coarse;
	char *memory;
	SpAnnIndex *ann;

	read_meta(index, &meta);
	heads = heads_size(&meta);
	coarse = SP_ALIGN + sp_coarse_size(meta.lists, SP_ROTATION_PADDED(meta.dims));
	size = sizeof(SpAnnIndex) + heads + SP_ALIGN + centroids_size(&meta) + coarse;
	memory = MemoryContextAllocHuge(context, size);
	ann = (SpAnnIndex *) memory;
	sp_ann_fill(ann, &meta);
	ann->heads = (BlockNumber *) (memory + sizeof(SpAnnIndex));
	ann->centroids = (uint16 *) TYPEALIGN(SP_ALIGN, memory + sizeof(SpAnnIndex) + heads);
	PG_TRY();
	{
		read_constants(index, 0, (char *) ann->heads, heads);
		read_constants(index, heads, (char *) ann->centroids, centroids_size(&meta));
	}
	PG_CATCH();
	{
		pfree(memory);
		PG_RE_THROW();
	}
	PG_END_TRY();
	sp_coarse_fill(&ann->coarse,
	               (char *) TYPEALIGN(SP_ALIGN, (char *) ann->centroids + centroids_size(&meta)),
	               ann->centroids, meta.lists, ann->padded);
	return ann;
}

SpAnnIndex *
sp_ann_open(Relation index)
{
	if (index->rd_amcache == NULL)
		index->rd_amcache = load(index, index->rd_indexcxt);
	return index->rd_amcache;
}

SpAnnIndex *
sp_ann_copy(Relation index)
{
	return load(index, CurrentMemoryContext);
}

/* --- centroids --------------------------------------------------------------------- */

static const uint16 *
halves(const SpAnnIndex *ann, uint32 list)
{
	return ann->centroids + (Size) list * ann->padded;
}

void
sp_ann_centroid(const SpAnnIndex *ann, uint32 list, float *out)
{
	sp_half_to_floats(halves(ann, list), out, ann->padded);
	sp_vector_scale(out, (float) ann->meta.unit, ann->padded);
}

void
sp_ann_to_unit(const SpAnnIndex *ann, const float *rotated, float *out)
{
	memcpy(out, rotated, ann->padded * sizeof(float));
	sp_vector_scale(out, (float) (1 / ann->meta.unit), ann->padded);
}

double
sp_ann_centroid_distance(const SpAnnIndex *ann, const float *in_unit, uint32 list)
{
	double square = ann->meta.unit * ann->meta.unit;

	return square * sp_half_l2_squared(in_unit, halves(ann, list), ann->padded);
}

double
sp_ann_centroid_distances(const SpAnnIndex *ann, SpVectorMetric metric, const float *in_unit,
                          float *out)
{
	return sp_coarse_measure(&ann->coarse, metric, in_unit, ann->meta.unit * ann->meta.unit, out);
}

/* --- writing ----------------------------------------------------------------------- */

/* The page that block becomes, without WAL: whoever builds writes all of it at the end. */
static Buffer
begin_page(Relation index, ForkNumber fork, BlockNumber block, uint16 kind)
{
	Buffer buffer = ReadBufferExtended(index, fork, block, RBM_ZERO_AND_LOCK, NULL);

	sp_ann_page_init(BufferGetPage(buffer), kind, 0);
	return buffer;
}

static void
end_page(Buffer buffer, const void *contents, Size size)
{
	Page page = BufferGetPage(buffer);

	memcpy(PageGetContents(page), contents, size);
	((PageHeader) page)->pd_lower = (LocationIndex) (PageGetContents(page) + size - (char *) page);
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
}

void
sp_ann_write_meta(Relation index, ForkNumber fork, const SpAnnMeta *meta, const BlockNumber *heads,
                  const uint16 *centroids)
{
	Size first = heads_size(meta), size = first + centroids_size(meta);
	char *stream = palloc_extended(size, MCXT_ALLOC_HUGE);

	memcpy(stream, heads, first);
	memcpy(stream + first, centroids, size - first);
	for (Size at = 0; at < size; at += PER_PAGE)
		end_page(begin_page(index, fork, (BlockNumber) (1 + at / PER_PAGE), SP_ANN_PAGE_CONSTANT),
		         stream + at, Min(PER_PAGE, size - at));
	end_page(begin_page(index, fork, SP_ANN_META, SP_ANN_PAGE_META), meta, sizeof(*meta));
	pfree(stream);
}

/* --- rotations --------------------------------------------------------------------- */

typedef struct Kept
{
	struct Kept *next;
	uint32 dims;
	uint64 seed;
	SpRotation *rotation;
} Kept;

/* Making one takes longer than many a query; a few kB each, for as many dimensions as a backend meets. */
const SpRotation *
sp_ann_rotation(uint32 dims, uint64 seed)
{
	static Kept *kept = NULL;
	static const SpEnv *env = NULL;
	Kept *k = kept;

	while (k != NULL && (k->dims != dims || k->seed != seed))
		k = k->next;
	if (k != NULL)
		return k->rotation;
	if (env == NULL)
		env = sp_pg_env_in(CacheMemoryContext);
	k = MemoryContextAlloc(CacheMemoryContext, sizeof(*k));
	k->dims = dims;
	k->seed = seed;
	sp_pg_check(sp_rotation_new(env, dims, seed, &k->rotation), "rotation", NULL);
	k->next = kept;
	kept = k;
	return k->rotation;
}
