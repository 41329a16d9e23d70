/*
 * src/pg/job/kinds.c
 *	  The kinds of jobs: the one place where they are registered.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "pg/audio/job.h"
#include "pg/job/kinds.h"
#include "pg/privacy/job.h"
#include "pg/stems/job.h"

/* Between two ticks of a noop that takes its time. */
#define NOOP_STEP_US 10000L

/* Pretend to work for args.seconds. */
static void
take_time(SpJob *job, double seconds)
{
	TimestampTz start = GetCurrentTimestamp();
	double elapsed = 0;

	while (elapsed < seconds)
	{
		sp_job_tick(job, elapsed / seconds, "doing nothing");
		pg_usleep(NOOP_STEP_US);
		elapsed = (double) (GetCurrentTimestamp() - start) / USECS_PER_SEC;
	}
}

static int
sqlstate_from_text(const char *code)
{
	if (strlen(code) != 5 || strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 5)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("\"%s\" is not an SQLSTATE", code),
		                errhint("It has five digits or upper-case letters.")));
	return MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4]);
}

static Jsonb *
noop(SpJob *job, Jsonb *args)
{
	char *error = sp_job_arg_text(args, "error", NULL);

	take_time(job, sp_job_arg_number(args, "seconds", 0));
	if (error && sp_job_attempt(job) <= sp_job_arg_number(args, "times", PG_INT32_MAX))
		ereport(ERROR, (errcode(sqlstate_from_text(error)), errmsg("failed on request")));
	sp_job_tx_begin(job);
	return NULL;
}

static const SpJobKind kinds[] = {
	/* reads; that files are written is for pg_write_server_files to say */
	{"export", sp_audio_export_job, false, NULL,
     "writes an audio to a file on the server; args: audio_id, path, overwrite (false)"},
	{"noop", noop, true, NULL,
     "does nothing, for measurements and tests; args: seconds to take, error (an SQLSTATE) to end "
     "with in the first `times` attempts"},
	{"retention", sp_privacy_retention_job, false, "privacy:write",
     "removes what the tenant's retention policies say; args: batch (10000), rows a transaction; "
     "result: rows"},
	{"separate", sp_stems_job, false, "stems:write",
     "separates a track into stems; args: track_id, stems (4), model; result: the model and the "
     "audio id of each stem"},
};

const SpJobKind *
sp_job_kinds(int *count)
{
	*count = lengthof(kinds);
	return kinds;
}

const SpJobKind *
sp_job_kind(const char *name)
{
	for (int i = 0; i < lengthof(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

char *
sp_job_kind_names(void)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < lengthof(kinds); i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", kinds[i].name);
	return names.data;
}

Datum
sp_job_light_kinds(void)
{
	Datum names[lengthof(kinds)];
	int count = 0;

	for (int i = 0; i < lengthof(kinds); i++)
		if (kinds[i].light)
			names[count++] = CStringGetTextDatum(kinds[i].name);
	return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}
