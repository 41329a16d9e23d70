/*
 * src/pg/ann/row.c
 *	  A value of a column as an index keeps it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <math.h>

#include "core/vector/distance.h"
#include "core/vector/half.h"
#include "pg/ann/ann.h"
#include "pg/seam.h"

SpAnnEncoder *
sp_ann_encoder_new(Relation index, const SpAnnIndex *ann)
{
	const SpEnv *env = sp_pg_env();
	SpAnnEncoder *e = palloc0(sizeof(*e));

	e->index = index;
	e->ann = ann;
	e->rotation = sp_ann_rotation(ann->meta.dims, ann->meta.seed);
	e->vector = sp_alloc(env, ann->meta.dims, sizeof(float));
	e->rotated = sp_alloc(env, ann->padded, sizeof(float));
	e->in_unit = sp_alloc(env, ann->padded, sizeof(float));
	e->centroid = sp_alloc(env, ann->padded, sizeof(float));
	e->row.code = sp_alloc(env, ann->words, sizeof(uint64));
	if (e->vector == NULL || e->rotated == NULL || e->in_unit == NULL || e->centroid == NULL ||
	    e->row.code == NULL)
		sp_pg_check(SP_ERR_NO_MEMORY, "index", NULL);
	e->row.side = palloc0(ann->side_size);
	if (ann->block_at != 0)
		e->row.half = palloc(sizeof(uint16) * ann->meta.dims);
	return e;
}

static uint32
nearest_list(SpAnnEncoder *e)
{
	const SpAnnIndex *ann = e->ann;
	uint32 nearest = 0;
	double least = INFINITY;

	sp_ann_to_unit(ann, e->rotated, e->in_unit);
	for (uint32 i = 0; i < ann->meta.lists; i++)
	{
		double d = sp_ann_centroid_distance(ann, e->in_unit, i);

		if (d < least)
		{
			least = d;
			nearest = i;
		}
	}
	return nearest;
}

void
sp_ann_encode_in_list(SpAnnEncoder *e, const float *vector, uint32 list)
{
	const SpAnnIndex *ann = e->ann;
	SpAnnSide *side = (SpAnnSide *) e->row.side;

	e->row.list = list;
	sp_ann_centroid(ann, list, e->centroid);
	sp_rabitq_encode(sp_ann_code_metric(&ann->meta), ann->meta.bits, e->rotated, e->centroid,
	                 ann->padded, e->row.code, &side->factors);
	if (ann->block_at != 0)
		sp_half_from_floats(vector, e->row.half, ann->meta.dims);
}

int32
sp_ann_label(const SpAnnMeta *meta, Relation index, const Datum *values, const bool *isnull)
{
	int column = 1 - meta->column;

	if (isnull[column])
		return SP_ANN_NO_LABEL;
	return TupleDescAttr(RelationGetDescr(index), column)->attlen == sizeof(int16)
	           ? DatumGetInt16(values[column])
	           : DatumGetInt32(values[column]);
}

bool
sp_ann_read_vector(const SpAnnMeta *meta, const SpEmbedding *value, float *out)
{
	sp_embedding_check_typmod(value, (int32) meta->dims);
	if (meta->metric != SP_ANN_COSINE)
		memcpy(out, value->values, meta->dims * sizeof(float));
	else if (sp_vector_norm_squared(value->values, meta->dims) > 0)
		sp_vector_normalize(value->values, out, meta->dims);
	else
		return false;
	return true;
}

SpAnnRow *
sp_ann_encode(SpAnnEncoder *e, const Datum *values, const bool *isnull, ItemPointer tid)
{
	SpAnnSide *side = (SpAnnSide *) e->row.side;
	int column = e->ann->meta.column;
	SpEmbedding *value;

	side->tid = *tid;
	side->slot = 0;
	e->row.list = SP_ANN_NULLS(e->ann);
	if (isnull[column])
		return &e->row;
	value = (SpEmbedding *) PG_DETOAST_DATUM(values[column]);
	if (e->index != NULL)
		e->ann = sp_ann_open(e->index);
	e->row.list = SP_ANN_ZEROS(e->ann);
	if (sp_ann_read_vector(&e->ann->meta, value, e->vector))
	{
		sp_rotation_run(e->rotation, e->vector, e->rotated);
		sp_ann_encode_in_list(e, e->vector, nearest_list(e));
	}
	if ((Pointer) value != DatumGetPointer(values[column]))
		pfree(value);
	return &e->row;
}
