/*
 * src/pg/vector/similar.h
 *	  Embeddings of tracks: which are stored, and which are near.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_SIMILAR_H
#define SP_PG_SIMILAR_H

#include "postgres.h"

/* Define the room's settings; called once from _PG_init. */
extern void sp_similar_init(void);

/* Provenances that machine learning leaves out, separated by commas, blanks and tabs. */
extern const char *sp_excluded_provenance(void);

/*
 * Raise 42704 unless the track is one of the session's tenant and not deleted,
 * 55000 when its provenance is excluded.  Connected to SPI; read_only as for
 * sp_pg_query().
 */
extern void sp_similar_check_track(Datum track_id, bool read_only);

#endif /* SP_PG_SIMILAR_H */
