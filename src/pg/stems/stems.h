/*
 * src/pg/stems/stems.h
 *	  The stems room: a separation in three phases, so that no transaction need
 *	  be open while samples are computed.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_STEMS_H
#define SP_PG_STEMS_H

#include "postgres.h"

#include "core/stems/architecture.h"
#include "pg/audio/audio.h"

/* The most stems of any model. */
#define SP_STEMS_MAX SP_MODEL_MAX_STEMS

/* One stem of a set, on its way into the tables; stems are in the model's order. */
typedef struct SpStemResult
{
	const char *name;
	Datum audio_id; /* set by sp_separation_store */
	double duration_s;
	double peak_db;
	double rms_db;
	double energy_share; /* of the energy of all stems; 0 when all are silent */
} SpStemResult;

typedef struct SpSeparation SpSeparation;

/* Define the room's settings; called once from _PG_init. */
extern void sp_stems_init(void);

/*
 * Phase 1, in a transaction, connected to SPI: check the request (42704, 22023),
 * find the track and copy its content into a temporary file.  model NULL means
 * the setting or the best, as sp_model_choose.  Everything lives in context,
 * which the caller deletes.
 */
extern SpSeparation *sp_separation_open(MemoryContext context, Datum track_id, int stems,
                                        const char *model);

/*
 * Where the same transaction, connected to SPI, runs all phases: makes phase 2
 * write the stems while it computes, and leaves the rest to phase 3.
 */
extern void sp_separation_store_early(SpSeparation *separation);

/* Phase 2, no transaction needed: compute all stems into temporary files. */
extern void sp_separation_compute(SpSeparation *separation, SpAudioTick tick, void *arg);

/* Phase 3, in a transaction, connected to SPI: write the stems into the tables. */
extern void sp_separation_store(SpSeparation *separation);

/* The model that is used, and after phase 3 the stems 0 .. count - 1. */
extern const char *sp_separation_model(const SpSeparation *separation);
extern int sp_separation_count(const SpSeparation *separation);
extern const SpStemResult *sp_separation_stem(const SpSeparation *separation, int i);

/*
 * A live track of the current tenant: its original audio.  Raises 42704 when
 * there is none, with the same words for another tenant's id.
 */
extern SpAudioRow sp_track_audio(Datum track_id);

#endif /* SP_PG_STEMS_H */
