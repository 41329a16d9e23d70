/*
 * src/core/stems/separator.c
 *	  Calls of an engine's methods.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/separator.h"

void
sp_separator_free(SpSeparator *s)
{
	if (s != NULL)
		s->methods->free(s);
}

SpStatus
sp_separator_push(SpSeparator *s, const float *in, size_t frames)
{
	return s->methods->push(s, in, frames);
}

SpStatus
sp_separator_finish(SpSeparator *s)
{
	return s->methods->finish(s);
}

size_t
sp_separator_pull(SpSeparator *s, float *const *out, size_t max_frames)
{
	return s->methods->pull(s, out, max_frames);
}
