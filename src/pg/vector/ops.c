/*
 * src/pg/vector/ops.c
 *	  Operators and functions of spotai.embedding.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"

#include "core/vector/distance.h"
#include "pg/seam.h"
#include "pg/vector/embedding.h"

SPOTAI_FUNCTION(spotai_l2_distance);
SPOTAI_FUNCTION(spotai_inner_product);
SPOTAI_FUNCTION(spotai_negative_inner_product);
SPOTAI_FUNCTION(spotai_cosine_similarity);
SPOTAI_FUNCTION(spotai_cosine_distance);
SPOTAI_FUNCTION(spotai_embedding_eq);
SPOTAI_FUNCTION(spotai_embedding_ne);
SPOTAI_FUNCTION(spotai_embedding_hash);
SPOTAI_FUNCTION(spotai_dims);
SPOTAI_FUNCTION(spotai_l2_norm);
SPOTAI_FUNCTION(spotai_normalize);
SPOTAI_FUNCTION(spotai_subvector);

/* Two arguments of as many dimensions; frees what was detoasted. */
static double
compare(FunctionCallInfo fcinfo, double (*measure)(const float *a, const float *b, size_t n))
{
	SpEmbedding *a = SP_GETARG_EMBEDDING(0), *b = SP_GETARG_EMBEDDING(1);
	double result;

	sp_embedding_check_same(a, b);
	result = measure(a->values, b->values, (size_t) a->dims);
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

Datum
spotai_l2_distance(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(sqrt(compare(fcinfo, sp_vector_l2_squared)));
}

Datum
spotai_inner_product(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(compare(fcinfo, sp_vector_inner_product));
}

/* The operator's: indexes and ORDER BY want what is near first. */
Datum
spotai_negative_inner_product(PG_FUNCTION_ARGS)
{
	/* 0 and not -0 */
	PG_RETURN_FLOAT8(0.0 - compare(fcinfo, sp_vector_inner_product));
}

Datum
spotai_cosine_similarity(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(compare(fcinfo, sp_vector_cosine));
}

Datum
spotai_cosine_distance(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(1.0 - compare(fcinfo, sp_vector_cosine));
}

/* --- equality ------------------------------------------------------------------ */

/* As floats compare: 0 and -0 are equal.  There is no NaN. */
static bool
is_equal(const SpEmbedding *a, const SpEmbedding *b)
{
	if (a->dims != b->dims)
		return false;
	for (int i = 0; i < a->dims; i++)
		if (a->values[i] != b->values[i])
			return false;
	return true;
}

Datum
spotai_embedding_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(is_equal(SP_GETARG_EMBEDDING(0), SP_GETARG_EMBEDDING(1)));
}

Datum
spotai_embedding_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!is_equal(SP_GETARG_EMBEDDING(0), SP_GETARG_EMBEDDING(1)));
}

Datum
spotai_embedding_hash(PG_FUNCTION_ARGS)
{
	SpEmbedding *e = SP_GETARG_EMBEDDING_COPY(0);

	/* of -0 this makes 0 */
	for (int i = 0; i < e->dims; i++)
		e->values[i] += 0.0f;
	return hash_any((const unsigned char *) e->values, e->dims * (int) sizeof(float));
}

/* --- one embedding --------------------------------------------------------------- */

Datum
spotai_dims(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(SP_GETARG_EMBEDDING(0)->dims);
}

Datum
spotai_l2_norm(PG_FUNCTION_ARGS)
{
	SpEmbedding *e = SP_GETARG_EMBEDDING(0);

	PG_RETURN_FLOAT8(sqrt(sp_vector_norm_squared(e->values, (size_t) e->dims)));
}

Datum
spotai_normalize(PG_FUNCTION_ARGS)
{
	SpEmbedding *e = SP_GETARG_EMBEDDING_COPY(0);

	sp_vector_normalize(e->values, e->values, (size_t) e->dims);
	PG_RETURN_POINTER(e);
}

/* spotai.subvector(embedding, start integer, count integer): from 1, as substr(). */
Datum
spotai_subvector(PG_FUNCTION_ARGS)
{
	SpEmbedding *e = SP_GETARG_EMBEDDING(0), *part;
	int64 start = PG_GETARG_INT32(1), end = start + PG_GETARG_INT32(2);

	if (PG_GETARG_INT32(2) < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("a part of an embedding has at least one dimension")));
	start = Max(start, 1);
	end = Min(end, (int64) e->dims + 1);
	if (start >= end)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("an embedding of %d dimensions has none from %d to %d", e->dims,
		                       PG_GETARG_INT32(1),
		                       (int) Min((int64) PG_GETARG_INT32(1) + PG_GETARG_INT32(2) - 1,
		                                 PG_INT32_MAX))));
	part = sp_embedding_new(end - start);
	memcpy(part->values, e->values + start - 1, (Size) (end - start) * sizeof(float));
	PG_RETURN_POINTER(part);
}
