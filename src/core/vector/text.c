/*
 * src/core/vector/text.c
 *	  Vectors as people write them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static const char *
skip_space(const char *s)
{
	while (*s == ' ' || (*s >= '\t' && *s <= '\r'))
		s++;
	return s;
}

/* One number; too small a one is 0, as for PostgreSQL's own types in an array of them. */
static SpVectorText
parse_number(const char **s, float *value)
{
	char *end;

	errno = 0;
	*value = strtof(*s, &end);
	if (end == *s)
		return SP_VECTOR_TEXT_MALFORMED;
	if (errno == ERANGE && isinf(*value))
		return SP_VECTOR_TEXT_OUT_OF_RANGE;
	if (!isfinite(*value))
		return SP_VECTOR_TEXT_NOT_FINITE;
	*s = end;
	return SP_VECTOR_TEXT_OK;
}

SpVectorText
sp_vector_parse(const char *text, float *values, size_t *count, const char **at)
{
	const char *s = skip_space(text);
	SpVectorText st;

	*count = 0;
	*at = s;
	if (*s++ != '[')
		return SP_VECTOR_TEXT_MALFORMED;
	s = skip_space(s);
	*at = s;
	if (*s == ']')
		return *skip_space(s + 1) == '\0' ? SP_VECTOR_TEXT_EMPTY : SP_VECTOR_TEXT_MALFORMED;
	for (;;)
	{
		*at = s = skip_space(s);
		if (*count == SP_VECTOR_MAX_DIMS)
			return SP_VECTOR_TEXT_TOO_MANY;
		st = parse_number(&s, &values[*count]);
		if (st != SP_VECTOR_TEXT_OK)
			return st;
		++*count;
		*at = s = skip_space(s);
		if (*s != ',')
			break;
		s++;
	}
	if (*s++ != ']')
		return SP_VECTOR_TEXT_MALFORMED;
	*at = s = skip_space(s);
	return *s == '\0' ? SP_VECTOR_TEXT_OK : SP_VECTOR_TEXT_MALFORMED;
}
