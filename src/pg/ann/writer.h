/*
 * src/pg/ann/writer.h
 *	  Writes a whole index, list after list, without WAL.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_ANN_WRITER_H
#define SP_PG_ANN_WRITER_H

#include "pg/ann/ann.h"

typedef struct SpAnnWriter SpAnnWriter;

/* What the options and columns of the index say; the rest is zeros.  Raises for what cannot be indexed. */
extern void sp_ann_meta_begin(Relation index, SpAnnMeta *meta);

/* Makes room for the metapage and constants.  ann->heads is filled while lists are written. */
extern SpAnnWriter *sp_ann_writer_new(Relation index, ForkNumber fork, SpAnnIndex *ann);
extern void sp_ann_writer_begin_list(SpAnnWriter *w, uint32 list);
/* half[dims], of any alignment, is NULL where there is no copy; then side is told where it is. */
extern void sp_ann_writer_add(SpAnnWriter *w, const void *code, char *side, const void *half);
extern void sp_ann_writer_end_list(SpAnnWriter *w);
/* Writes the constants and, last, the metapage; frees w. */
extern void sp_ann_writer_end(SpAnnWriter *w);

#endif /* SP_PG_ANN_WRITER_H */
