/*
 * src/pg/vector/embedding.c
 *	  spotai.embedding: text, wire, type modifier.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "pg/seam.h"
#include "pg/vector/embedding.h"

SPOTAI_FUNCTION(spotai_embedding_in);
SPOTAI_FUNCTION(spotai_embedding_out);
SPOTAI_FUNCTION(spotai_embedding_recv);
SPOTAI_FUNCTION(spotai_embedding_send);
SPOTAI_FUNCTION(spotai_embedding_typmod_in);
SPOTAI_FUNCTION(spotai_embedding_resize);

static void
check_dims(int64 dims)
{
	if (dims < 1)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
		                errmsg("an embedding has at least one dimension")));
	if (dims > SP_VECTOR_MAX_DIMS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("an embedding has at most %d dimensions", SP_VECTOR_MAX_DIMS)));
}

SpEmbedding *
sp_embedding_new(int64 dims)
{
	SpEmbedding *e;

	check_dims(dims);
	e = palloc0(SP_EMBEDDING_SIZE(dims));
	SET_VARSIZE(e, SP_EMBEDDING_SIZE(dims));
	e->dims = (int16) dims;
	return e;
}

void
sp_embedding_check_same(const SpEmbedding *a, const SpEmbedding *b)
{
	if (a->dims != b->dims)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
		                errmsg("embeddings of %d and %d dimensions do not go together", a->dims,
		                       b->dims)));
}

void
sp_embedding_check_finite(const SpEmbedding *e)
{
	for (int i = 0; i < e->dims; i++)
		if (!isfinite(e->values[i]))
			ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
			                errmsg("an embedding cannot hold %s",
			                       isnan(e->values[i]) ? "NaN" : "Infinity")));
}

void
sp_embedding_check_typmod(const SpEmbedding *e, int32 typmod)
{
	if (typmod != -1 && e->dims != typmod)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
		                errmsg("expected %d dimensions, not %d", typmod, e->dims)));
}

/* --- text -------------------------------------------------------------------- */

SP_NORETURN static void
refuse_text(SpVectorText why, const char *text, const char *at)
{
	const char *end = at + strcspn(at, ",]");

	switch (why)
	{
		case SP_VECTOR_TEXT_EMPTY:
			check_dims(0);
			break;
		case SP_VECTOR_TEXT_TOO_MANY:
			check_dims(SP_VECTOR_MAX_DIMS + 1);
			break;
		case SP_VECTOR_TEXT_NOT_FINITE:
			ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
			                errmsg("an embedding cannot hold NaN or Infinity")));
			break;
		case SP_VECTOR_TEXT_OUT_OF_RANGE:
			ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			                errmsg("\"%.*s\" is out of range for type real",
			                       pg_mbcliplen(at, (int) (end - at), 40), at)));
			break;
		default:
			break;
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
	                errmsg("invalid input syntax for type embedding: \"%.*s\"",
	                       pg_mbcliplen(text, (int) strlen(text), 80), text),
	                errhint("Numbers in brackets, as in [0.1, -2, 3e-4].")));
}

/* spotai.embedding_in(cstring, oid, typmod integer) */
Datum
spotai_embedding_in(PG_FUNCTION_ARGS)
{
	char *text = PG_GETARG_CSTRING(0);
	float *values = palloc(sizeof(float) * SP_VECTOR_MAX_DIMS);
	size_t dims;
	const char *at;
	SpVectorText st = sp_vector_parse(text, values, &dims, &at);
	SpEmbedding *e;

	if (st != SP_VECTOR_TEXT_OK)
		refuse_text(st, text, at);
	e = sp_embedding_new((int64) dims);
	memcpy(e->values, values, dims * sizeof(float));
	pfree(values);
	sp_embedding_check_typmod(e, PG_GETARG_INT32(2));
	PG_RETURN_POINTER(e);
}

/* The shortest decimals that are read back as the same floats. */
Datum
spotai_embedding_out(PG_FUNCTION_ARGS)
{
	SpEmbedding *e = SP_GETARG_EMBEDDING(0);
	char *text = palloc((Size) e->dims * FLOAT_SHORTEST_DECIMAL_LEN + 3);
	char *to = text;

	*to++ = '[';
	for (int i = 0; i < e->dims; i++)
	{
		if (i > 0)
			*to++ = ',';
		to += float_to_shortest_decimal_bufn(e->values[i], to);
	}
	*to++ = ']';
	*to = '\0';
	PG_FREE_IF_COPY(e, 0);
	PG_RETURN_CSTRING(text);
}

/* --- wire -------------------------------------------------------------------- */

static inline float4
from_network(float4 x)
{
	uint32 bits;

	memcpy(&bits, &x, sizeof(bits));
	bits = pg_ntoh32(bits);
	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* int16 dimensions, int16 0, then the floats. */
Datum
spotai_embedding_recv(PG_FUNCTION_ARGS)
{
	StringInfo buf = (StringInfo) PG_GETARG_POINTER(0);
	int dims = (int16) pq_getmsgint(buf, sizeof(int16));
	int unused = pq_getmsgint(buf, sizeof(int16));
	SpEmbedding *e = sp_embedding_new(dims);

	if (unused != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
		                errmsg("bytes 2 and 3 of an embedding are zeros, not %d", unused)));
	pq_copymsgbytes(buf, (char *) e->values, dims * (int) sizeof(float4));
	for (int i = 0; i < dims; i++)
		e->values[i] = from_network(e->values[i]);
	sp_embedding_check_finite(e);
	sp_embedding_check_typmod(e, PG_GETARG_INT32(2));
	PG_RETURN_POINTER(e);
}

Datum
spotai_embedding_send(PG_FUNCTION_ARGS)
{
	SpEmbedding *e = SP_GETARG_EMBEDDING(0);
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendint16(&buf, e->dims);
	pq_sendint16(&buf, 0);
	for (int i = 0; i < e->dims; i++)
		pq_sendfloat4(&buf, e->values[i]);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* --- type modifier ------------------------------------------------------------ */

/* spotai.embedding_typmod_in(cstring[]): embedding(n) */
Datum
spotai_embedding_typmod_in(PG_FUNCTION_ARGS)
{
	int n;
	int32 *modifiers = ArrayGetIntegerTypmods(PG_GETARG_ARRAYTYPE_P(0), &n);

	if (n != 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("type embedding takes one modifier, its dimensions")));
	if (modifiers[0] < 1 || modifiers[0] > SP_VECTOR_MAX_DIMS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("dimensions of type embedding are 1 to %d, not %d",
		                       SP_VECTOR_MAX_DIMS, modifiers[0])));
	PG_RETURN_INT32(modifiers[0]);
}

/* spotai.embedding(embedding, typmod integer, explicit boolean): nothing is cut or filled up. */
Datum
spotai_embedding_resize(PG_FUNCTION_ARGS)
{
	SpEmbedding *e = SP_GETARG_EMBEDDING(0);

	sp_embedding_check_typmod(e, PG_GETARG_INT32(1));
	PG_RETURN_POINTER(e);
}
