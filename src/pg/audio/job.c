/*
 * src/pg/audio/job.c
 *	  The kind of job that exports an audio to a file on the server.
 *
 * The file is written before the job is marked as done.  A worker killed in
 * between leaves a finished file and a job that is tried again, and then says
 * that the file exists already, unless it may overwrite.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <math.h>

#include "pg/audio/audio.h"
#include "pg/audio/job.h"

static void
tick(void *job, double fraction)
{
	sp_job_tick(job, isnan(fraction) ? 0.0 : fraction, NULL);
}

Jsonb *
sp_audio_export_job(SpJob *job, Jsonb *args)
{
	Datum audio_id = sp_job_arg_uuid(args, "audio_id");
	char *path = sp_job_arg_text(args, "path", NULL);
	bool overwrite = sp_job_arg_bool(args, "overwrite", false);
	SpExport *export;

	if (path == NULL)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("an export job needs a path"),
		         errhint("Add \"path\" to its args, for example \"/exports/song.flac\".")));
	sp_job_tx_begin(job);
	export = sp_export_open(sp_job_context(job), audio_id, path, overwrite);
	sp_job_tx_commit(job);

	sp_job_tick(job, 0.0, "writing");
	sp_export_run(export, tick, job);

	sp_job_tx_begin(job);
	return NULL;
}
