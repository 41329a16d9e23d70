/*
 * src/pg/stems/job.h
 *	  The kind of job that separates a track.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_STEMS_JOB_H
#define SP_PG_STEMS_JOB_H

#include "pg/job/job.h"

/*
 * args: track_id (uuid, required), stems (4), model (null = default).  Result:
 * {"model": name, "stems": {stem: audio_id, ...}}.
 */
extern Jsonb *sp_stems_job(SpJob *job, Jsonb *args);

#endif /* SP_PG_STEMS_JOB_H */
