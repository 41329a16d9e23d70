/*
 * src/pg/vector/cast.c
 *	  Arrays of numbers into embeddings and back.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

#include "pg/seam.h"
#include "pg/vector/embedding.h"

SPOTAI_FUNCTION(spotai_array_to_embedding);
SPOTAI_FUNCTION(spotai_embedding_to_array);

/* As PostgreSQL's own casts to real; 22003 when it does not fit. */
static float
to_real(Oid type, Datum x)
{
	switch (type)
	{
		case FLOAT4OID:
			return DatumGetFloat4(x);
		case FLOAT8OID:
			return DatumGetFloat4(DirectFunctionCall1(dtof, x));
		case INT4OID:
			return (float) DatumGetInt32(x);
		default:
			return DatumGetFloat4(DirectFunctionCall1(numeric_float4, x));
	}
}

/* Without nulls they lie there as they will here: what an index on such a cast does most. */
static Datum
take_reals(ArrayType *array, int32 typmod)
{
	SpEmbedding *e = sp_embedding_new(ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)));

	memcpy(e->values, ARR_DATA_PTR(array), sizeof(float) * e->dims);
	sp_embedding_check_finite(e);
	sp_embedding_check_typmod(e, typmod);
	return PointerGetDatum(e);
}

/* Of real, double precision, integer and numeric; for arrays of any bounds, but of one dimension. */
Datum
spotai_array_to_embedding(PG_FUNCTION_ARGS)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	Oid type = ARR_ELEMTYPE(array);
	int16 length;
	bool by_value;
	char align;
	Datum *elements;
	int n;
	SpEmbedding *e;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
		                errmsg("an embedding is made of an array of one dimension")));
	if (array_contains_nulls(array))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		                errmsg("an embedding cannot hold nulls")));
	if (type == FLOAT4OID)
		return take_reals(array, PG_GETARG_INT32(1));
	get_typlenbyvalalign(type, &length, &by_value, &align);
	deconstruct_array(array, type, length, by_value, align, &elements, NULL, &n);
	e = sp_embedding_new(n);
	for (int i = 0; i < n; i++)
		e->values[i] = to_real(type, elements[i]);
	sp_embedding_check_finite(e);
	sp_embedding_check_typmod(e, PG_GETARG_INT32(1));
	PG_RETURN_POINTER(e);
}

ArrayType *
sp_embedding_to_array(const SpEmbedding *e)
{
	Datum *elements = palloc(sizeof(Datum) * e->dims);

	for (int i = 0; i < e->dims; i++)
		elements[i] = Float4GetDatum(e->values[i]);
	return construct_array(elements, e->dims, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT);
}

Datum
spotai_embedding_to_array(PG_FUNCTION_ARGS)
{
	PG_RETURN_ARRAYTYPE_P(sp_embedding_to_array(SP_GETARG_EMBEDDING(0)));
}
