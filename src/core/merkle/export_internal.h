/*
 * src/core/merkle/export_internal.h
 *	  A line that is printed, or held against one that is there.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_MERKLE_EXPORT_INTERNAL_H
#define SP_MERKLE_EXPORT_INTERNAL_H

#include "core/merkle/export.h"

/*
 * Where the characters of a line go: to out, or, when that is NULL, nowhere;
 * then they are compared with the n_expected characters of expected.
 */
typedef struct SpLineSink
{
	char *out;
	const char *expected;
	size_t n_expected;
	size_t n;
	bool differs;
} SpLineSink;

void sp_line_header(SpLineSink *sink, const SpExportHeader *header);
void sp_line_entry(SpLineSink *sink, const SpExportEntry *entry);
void sp_line_checkpoint(SpLineSink *sink, const SpExportCheckpoint *checkpoint);

#endif /* SP_MERKLE_EXPORT_INTERNAL_H */
