/*
 * src/pg/ann/inspect.h
 *	  Looking into an index from outside: index_stats and index_check.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_ANN_INSPECT_H
#define SP_PG_ANN_INSPECT_H

#include "storage/lockdefs.h"

#include "pg/ann/ann.h"

/* 42809 when it is none of ours. */
extern Relation sp_ann_open_index(Oid oid, LOCKMODE lock);

#endif /* SP_PG_ANN_INSPECT_H */
