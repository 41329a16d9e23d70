/*
 * src/pg/vector/embedding.h
 *	  The type spotai.embedding as a value of the server.
 *
 * On disk, on the wire and in text it is pgvector's `vector`, byte by byte, so
 * that drivers, dumps and casts need no translation.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_EMBEDDING_H
#define SP_PG_EMBEDDING_H

#include "postgres.h"

#include "fmgr.h"

#include "utils/array.h"

#include "core/vector/text.h"

typedef struct SpEmbedding
{
	int32 vl_len_; /* varlena header */
	int16 dims;    /* 1 .. SP_VECTOR_MAX_DIMS */
	int16 unused;  /* 0 */
	float values[FLEXIBLE_ARRAY_MEMBER];
} SpEmbedding;

#define SP_EMBEDDING_SIZE(dims)     (offsetof(SpEmbedding, values) + (Size) (dims) * sizeof(float))
#define SP_GETARG_EMBEDDING(n)      ((SpEmbedding *) PG_DETOAST_DATUM(PG_GETARG_DATUM(n)))
#define SP_GETARG_EMBEDDING_COPY(n) ((SpEmbedding *) PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(n)))

/* Of zeros.  22000 or 54000 when there can be none of so many dimensions. */
extern SpEmbedding *sp_embedding_new(int64 dims);

/* 22000 unless they have as many dimensions. */
extern void sp_embedding_check_same(const SpEmbedding *a, const SpEmbedding *b);

/* 22000 unless it has so many dimensions; typmod -1 is any. */
extern void sp_embedding_check_typmod(const SpEmbedding *e, int32 typmod);

/* 22000 when a value is NaN or infinite; what a computation may give. */
extern void sp_embedding_check_finite(const SpEmbedding *e);

/* Its numbers as a real[], palloc'd. */
extern ArrayType *sp_embedding_to_array(const SpEmbedding *e);

#endif /* SP_PG_EMBEDDING_H */
