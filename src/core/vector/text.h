/*
 * src/core/vector/text.h
 *	  Vectors as people write them: [1, 2.5, -3e4].
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VECTOR_TEXT_H
#define SP_VECTOR_TEXT_H

#include "core/sp_base.h"

/* As pgvector. */
#define SP_VECTOR_MAX_DIMS 16000

typedef enum SpVectorText
{
	SP_VECTOR_TEXT_OK,
	SP_VECTOR_TEXT_MALFORMED,
	SP_VECTOR_TEXT_EMPTY,
	SP_VECTOR_TEXT_TOO_MANY,    /* more than SP_VECTOR_MAX_DIMS */
	SP_VECTOR_TEXT_NOT_FINITE,  /* NaN or Infinity by name */
	SP_VECTOR_TEXT_OUT_OF_RANGE /* a number that no float holds */
} SpVectorText;

/*
 * text, which is ended by a NUL, into values[SP_VECTOR_MAX_DIMS] and *count.
 * White space may stand around everything.  When it is refused, *at is where.
 */
SpVectorText sp_vector_parse(const char *text, float *values, size_t *count, const char **at);

#endif /* SP_VECTOR_TEXT_H */
