/*
 * src/pg/audio/job.h
 *	  The kind of job that exports an audio to a file on the server.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_AUDIO_JOB_H
#define SP_PG_AUDIO_JOB_H

#include "pg/job/job.h"

/* args: audio_id (uuid) and path, both required; overwrite (false).  No result. */
extern Jsonb *sp_audio_export_job(SpJob *job, Jsonb *args);

#endif /* SP_PG_AUDIO_JOB_H */
