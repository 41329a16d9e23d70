/*
 * src/pg/stems/job.c
 *	  The kind of job that separates a track: the same three phases as
 *	  spotai.separate, without a transaction around the middle one.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "pg/job/job.h"
#include "pg/stems/job.h"
#include "pg/stems/stems.h"

static void
tick(void *job, double fraction)
{
	sp_job_tick(job, fraction, NULL);
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken token, const char *text)
{
	JsonbValue value = {
		.type = jbvString,
		.val.string = {.val = unconstify(char *, text), .len = strlen(text)},
	};

	pushJsonbValue(state, token, &value);
}

/* {"model": ..., "stems": {name: id, ...}} */
static Jsonb *
describe(const SpSeparation *separation)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_string(&state, WJB_KEY, "model");
	push_string(&state, WJB_VALUE, sp_separation_model(separation));
	push_string(&state, WJB_KEY, "stems");
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < sp_separation_count(separation); i++)
	{
		const SpStemResult *stem = sp_separation_stem(separation, i);

		push_string(&state, WJB_KEY, stem->name);
		push_string(&state, WJB_VALUE,
		            DatumGetCString(DirectFunctionCall1(uuid_out, stem->audio_id)));
	}
	pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

Jsonb *
sp_stems_job(SpJob *job, Jsonb *args)
{
	Datum track_id = sp_job_arg_uuid(args, "track_id");
	int stems = sp_job_arg_integer(args, "stems", 4);
	char *model = sp_job_arg_text(args, "model", NULL);
	SpSeparation *separation;

	sp_job_tx_begin(job);
	separation = sp_separation_open(sp_job_context(job), track_id, stems, model);
	sp_job_tx_commit(job);

	sp_job_tick(job, 0.0, "separating");
	sp_separation_compute(separation, tick, job);
	sp_job_tick(job, 1.0, "storing stems");

	sp_job_tx_begin(job);
	sp_separation_store(separation);
	return describe(separation);
}
