/*
 * src/pg/vector/aggregate.c
 *	  sum() and avg() of embeddings.
 *
 * The state is an array of doubles, the number of rows and then their sums: a
 * type that parallel workers know how to send.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type_d.h"
#include "utils/array.h"

#include "pg/seam.h"
#include "pg/vector/embedding.h"

SPOTAI_FUNCTION(spotai_embedding_add);
SPOTAI_FUNCTION(spotai_embedding_combine);
SPOTAI_FUNCTION(spotai_embedding_sum);
SPOTAI_FUNCTION(spotai_embedding_avg);

/* Values of a state; n of them. */
static double *
values_of(ArrayType *state, int *n)
{
	if (ARR_NDIM(state) != 1 || ARR_HASNULL(state) || ARR_ELEMTYPE(state) != FLOAT8OID)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("this is no state of an aggregate of embeddings")));
	*n = ARR_DIMS(state)[0];
	return (double *) ARR_DATA_PTR(state);
}

static ArrayType *
new_state(int dims)
{
	Datum *zeros = palloc0(sizeof(Datum) * (dims + 1));

	return construct_array(zeros, dims + 1, FLOAT8OID, sizeof(float8), true, TYPALIGN_DOUBLE);
}

/* The state to add dims sums to: the aggregate's own, or a copy of what was given. */
static ArrayType *
writable_state(FunctionCallInfo fcinfo, int dims)
{
	MemoryContext context;
	bool own = AggCheckCallContext(fcinfo, &context) != 0;
	ArrayType *state = own ? PG_GETARG_ARRAYTYPE_P(0) : PG_GETARG_ARRAYTYPE_P_COPY(0);
	int n;

	values_of(state, &n);
	if (n == 1)
	{
		MemoryContext old = own ? MemoryContextSwitchTo(context) : CurrentMemoryContext;

		state = new_state(dims);
		MemoryContextSwitchTo(old);
	}
	else if (n != dims + 1)
		ereport(ERROR,
		        (errcode(ERRCODE_DATA_EXCEPTION),
		         errmsg("embeddings of %d and %d dimensions do not go together", n - 1, dims)));
	return state;
}

/* _spotai.embedding_add(state double precision[], embedding) */
Datum
spotai_embedding_add(PG_FUNCTION_ARGS)
{
	SpEmbedding *e = SP_GETARG_EMBEDDING(1);
	ArrayType *state = writable_state(fcinfo, e->dims);
	int n;
	double *sums = values_of(state, &n);

	sums[0]++;
	for (int i = 0; i < e->dims; i++)
		sums[i + 1] += e->values[i];
	PG_FREE_IF_COPY(e, 1);
	PG_RETURN_ARRAYTYPE_P(state);
}

/* _spotai.embedding_combine(a double precision[], b double precision[]) */
Datum
spotai_embedding_combine(PG_FUNCTION_ARGS)
{
	ArrayType *state, *other = PG_GETARG_ARRAYTYPE_P(1);
	int n, m;
	double *sums, *more = values_of(other, &m);

	if (m == 1)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	state = writable_state(fcinfo, m - 1);
	sums = values_of(state, &n);
	for (int i = 0; i < n; i++)
		sums[i] += more[i];
	PG_RETURN_ARRAYTYPE_P(state);
}

/* NULL of no rows, as for numbers. */
static Datum
finish(FunctionCallInfo fcinfo, bool mean)
{
	int n;
	double *sums = values_of(PG_GETARG_ARRAYTYPE_P(0), &n);
	SpEmbedding *e;

	if (n == 1)
		PG_RETURN_NULL();
	e = sp_embedding_new(n - 1);
	for (int i = 0; i < e->dims; i++)
	{
		e->values[i] = (float) (mean ? sums[i + 1] / sums[0] : sums[i + 1]);
		if (!isfinite(e->values[i]))
			ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			                errmsg("value out of range: overflow")));
	}
	PG_RETURN_POINTER(e);
}

Datum
spotai_embedding_sum(PG_FUNCTION_ARGS)
{
	return finish(fcinfo, false);
}

Datum
spotai_embedding_avg(PG_FUNCTION_ARGS)
{
	return finish(fcinfo, true);
}
