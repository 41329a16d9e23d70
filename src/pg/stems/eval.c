/*
 * src/pg/stems/eval.c
 *	  How good a separation is: spotai.sdr and spotai.bss_eval.
 *
 * Signals are compared at the rate of the first reference, to which others are
 * resampled, and with the most channels that any of them has: mono is copied.
 * A common length is needed; where audios differ, the shortest decides and a
 * notice says so, because lossy files of the same song rarely agree to a frame.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "core/stems/bss_eval.h"
#include "core/stems/sdr.h"
#include "pg/audio/reader.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_sdr);
SPOTAI_FUNCTION(spotai_bss_eval);

/* Frames compared at a time. */
#define EVAL_FRAMES 8192

/* The signals of one comparison: n references, then n estimates. */
typedef struct Comparison
{
	int n;
	int rate_hz;
	int channels;
	int64 frames; /* of the shortest */
	SpAudioReader **readers;
	float **blocks;
} Comparison;

/* Mono references of a stereo estimate are widened, not the other way round. */
static void
choose_shape(Comparison *c, const SpAudioRow *rows)
{
	c->rate_hz = rows[0].sample_rate_hz;
	c->channels = 1;
	for (int i = 0; i < 2 * c->n; i++)
		c->channels = Max(c->channels, rows[i].channels);
}

static void
choose_length(Comparison *c)
{
	int64 longest = 0;

	c->frames = PG_INT64_MAX;
	for (int i = 0; i < 2 * c->n; i++)
	{
		int64 frames = sp_audio_reader_frames(c->readers[i]);

		c->frames = Min(c->frames, frames);
		longest = Max(longest, frames);
	}
	if (longest != c->frames)
		ereport(NOTICE, (errmsg("audios differ in length; comparing the first %.3f of %.3f seconds",
		                        (double) c->frames / c->rate_hz, (double) longest / c->rate_hz)));
}

static Comparison *
open_comparison(const Datum *references, const Datum *estimates, int n)
{
	Comparison *c = palloc0(sizeof(Comparison));
	SpAudioRow *rows = palloc(sizeof(SpAudioRow) * 2 * n);

	c->n = n;
	c->readers = palloc(sizeof(SpAudioReader *) * 2 * n);
	c->blocks = palloc(sizeof(float *) * 2 * n);
	for (int i = 0; i < 2 * n; i++)
		rows[i] = sp_audio_find(i < n ? references[i] : estimates[i - n]);
	choose_shape(c, rows);
	for (int i = 0; i < 2 * n; i++)
	{
		c->readers[i] = sp_audio_reader_open(&rows[i], c->rate_hz, c->channels);
		c->blocks[i] = palloc(sizeof(float) * EVAL_FRAMES * c->channels);
	}
	choose_length(c);
	return c;
}

/* Fill all blocks with the frames from `at` on; how many that are. */
static size_t
read_blocks(Comparison *c, int64 at)
{
	size_t frames = Min(EVAL_FRAMES, c->frames - at);

	for (int i = 0; i < 2 * c->n; i++)
		if (sp_audio_reader_read(c->readers[i], c->blocks[i], frames) != frames)
			elog(ERROR, "audio ended before its length");
	return frames;
}

/* spotai.sdr(reference uuid, estimate uuid) returns double precision */
Datum
spotai_sdr(PG_FUNCTION_ARGS)
{
	SpSdr sums = {0};
	Comparison *c;
	double sdr_db;

	sp_pg_require_tables();
	SPI_connect();
	c = open_comparison((Datum[]){PG_GETARG_DATUM(0)}, (Datum[]){PG_GETARG_DATUM(1)}, 1);
	for (int64 at = 0; at < c->frames;)
	{
		size_t frames = read_blocks(c, at);

		CHECK_FOR_INTERRUPTS();
		sp_pg_check(
			sp_sdr_push(sp_pg_env(), &sums, c->blocks[0], c->blocks[1], frames * c->channels),
			"signal-to-distortion ratio", NULL);
		at += frames;
	}
	sp_pg_check(sp_sdr_result(&sums, &sdr_db), "signal-to-distortion ratio", NULL);
	SPI_finish();
	PG_RETURN_FLOAT8(sdr_db);
}

static Datum *
uuid_array(ArrayType *array, const char *name, int *n)
{
	Datum *ids;
	bool *nulls;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
		                errmsg("%s must be a one-dimensional array", name)));
	if (array_contains_nulls(array))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		                errmsg("%s must not contain null values", name)));
	deconstruct_array(array, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, &ids, &nulls, n);
	if (*n < 1 || *n > SP_BSS_MAX_SOURCES)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("%s must name 1 to %d audios", name, SP_BSS_MAX_SOURCES)));
	return ids;
}

typedef SpStatus (*BssPass)(SpBss *bss, const float *const *refs, const float *const *ests,
                            size_t frames);

static void
run_pass(Comparison *c, SpBss *bss, BssPass pass)
{
	for (int i = 0; i < 2 * c->n; i++)
		sp_audio_reader_rewind(c->readers[i]);
	for (int64 at = 0; at < c->frames;)
	{
		size_t frames = read_blocks(c, at);

		CHECK_FOR_INTERRUPTS();
		sp_pg_check(pass(bss, (const float *const *) c->blocks,
		                 (const float *const *) c->blocks + c->n, frames),
		            "evaluation", NULL);
		at += frames;
	}
}

static void
release_bss(void *bss)
{
	sp_bss_free(bss);
}

static SpBss *
evaluate(Comparison *c)
{
	SpFault too_large = {.hint = "Compare fewer sources at a time, or in mono."};
	SpBss *bss;

	sp_pg_check(
		sp_bss_new(sp_pg_env(), c->n, c->channels, c->rate_hz, SP_BSS_TAPS, SP_BSS_IMAGES, &bss),
		"evaluation", &too_large);
	sp_pg_own(bss, release_bss);
	run_pass(c, bss, sp_bss_correlate);
	sp_pg_check(sp_bss_solve(bss), "evaluation", NULL);
	run_pass(c, bss, sp_bss_evaluate);
	return bss;
}

/* One value of a score; NaN (no window had all sources) is null in SQL. */
static void
put_score(double value, Datum *out, bool *isnull)
{
	*out = Float8GetDatum(value);
	*isnull = isnan(value);
}

/* spotai.bss_eval(reference_ids uuid[], estimate_ids uuid[]) returns table */
Datum
spotai_bss_eval(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SpBssScore scores[SP_BSS_MAX_SOURCES];
	Datum *references;
	Datum *estimates;
	int n;
	int n_estimates;

	references = uuid_array(PG_GETARG_ARRAYTYPE_P(0), "reference_ids", &n);
	estimates = uuid_array(PG_GETARG_ARRAYTYPE_P(1), "estimate_ids", &n_estimates);
	if (n != n_estimates)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		         errmsg("%d references cannot be compared with %d estimates", n, n_estimates),
		         errhint("Name one estimate for each reference, in the same order.")));
	sp_pg_require_tables();
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	sp_pg_check(sp_bss_result(evaluate(open_comparison(references, estimates, n)), scores),
	            "evaluation", NULL);
	for (int i = 0; i < n; i++)
	{
		Datum values[5] = {Int32GetDatum(i + 1)};
		bool nulls[5] = {false};

		put_score(scores[i].sdr_db, &values[1], &nulls[1]);
		put_score(scores[i].isr_db, &values[2], &nulls[2]);
		put_score(scores[i].sir_db, &values[3], &nulls[3]);
		put_score(scores[i].sar_db, &values[4], &nulls[4]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	SPI_finish();
	return (Datum) 0;
}
