/*
 * src/pg/stems/remix.c
 *	  A song put together again, with a gain for each stem.
 *
 * The stems are read as the integers they were stored as, so that a remix with
 * all gains at 0 dB is the song again, bit for bit where it had 16 bits.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/uuid.h"

#include "core/audio/quantise.h"
#include "pg/audio/reader.h"
#include "pg/identity/identity.h"
#include "pg/seam.h"
#include "pg/sql.h"
#include "pg/stems/stems.h"

SPOTAI_FUNCTION(spotai_remix);

/* Frames mixed at a time. */
#define MIX_FRAMES 8192

/* Beyond 40 dB (a factor of 100) any stem is noise or a square wave. */
#define MAX_GAIN_DB 40.0
/* Below -200 dB not even 24-bit silence changes. */
#define MIN_GAIN_DB -200.0

typedef struct MixInput
{
	char *name;
	SpAudioRow row;
	double gain; /* linear */
	SpAudioReader *reader;
} MixInput;

typedef struct Mix
{
	int n;
	MixInput inputs[SP_STEMS_MAX];
	int bits;
	SpMeasure measure;
	SpSpool *spool;
} Mix;

/*
 * The stems of the newest set in which every key of the gains is a stem: name,
 * audio, bits and gain in dB of each, null for a muted one.
 */
static uint64
find_stems(Datum track_id, Jsonb *gains)
{
	static SpQuery find = {
		.text =
			"SELECT a.stem, a.id, a.codec, $2 -> a.stem"
			" FROM spotai.audio a JOIN ("
			"  SELECT s.model, s.stem_count FROM spotai.audio s"
			"  WHERE s.tenant_id = spotai.current_tenant() AND s.track_id = $1 AND s.kind = 'stem'"
			"  GROUP BY s.model, s.stem_count"
			"  HAVING array_agg(s.stem) @> ARRAY(SELECT jsonb_object_keys($2))"
			"  ORDER BY max(s.updated_at) DESC, s.stem_count DESC, s.model LIMIT 1) newest"
			" USING (model, stem_count)"
			" WHERE a.tenant_id = spotai.current_tenant() AND a.track_id = $1 AND a.kind = 'stem'"
			" ORDER BY a.stem",
		.nargs = 2,
		.types = {UUIDOID, JSONBOID},
	};

	return sp_pg_query(&find, (Datum[]){track_id, JsonbPGetDatum(gains)}, NULL, false);
}

/* Which stems the track has, for a hint; NULL when it has none. */
static char *
stem_names(Datum track_id)
{
	static SpQuery names = {
		.text = "SELECT string_agg(DISTINCT stem, ', ' ORDER BY stem) FROM spotai.audio"
				" WHERE tenant_id = spotai.current_tenant() AND track_id = $1 AND kind = 'stem'",
		.nargs = 1,
		.types = {UUIDOID},
	};

	sp_pg_query(&names, &track_id, NULL, false);
	return sp_pg_column_text(0, 1);
}

static void
complain_about_stems(Datum track_id)
{
	char *names = stem_names(track_id);

	if (names == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("the track has no stems yet"),
		                errhint("SELECT * FROM spotai.separate(track_id);")));
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
	                errmsg("gains name a stem that the track does not have"),
	                errdetail("Stems of the track: %s.", names)));
}

/* From a JSON value to a factor: absent 1, null 0, a number of dB. */
static double
linear_gain(const char *stem, Datum value, bool isnull)
{
	JsonbValue scalar;
	double db;

	if (isnull)
		return 1.0;
	if (!JsonbExtractScalar(&DatumGetJsonbP(value)->root, &scalar) ||
	    (scalar.type != jbvNull && scalar.type != jbvNumeric))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("gain of stem \"%s\" must be a number or null", stem)));
	if (scalar.type == jbvNull)
		return 0.0;
	db = DatumGetFloat8(
		DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(scalar.val.numeric)));
	if (!(db >= MIN_GAIN_DB && db <= MAX_GAIN_DB))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
		                errmsg("gain of stem \"%s\" is out of range", stem),
		                errhint("Use %g to %g dB, or null to mute.", MIN_GAIN_DB, MAX_GAIN_DB)));
	return pow(10.0, db / 20.0);
}

static void
collect_inputs(Mix *mix, Datum track_id, Jsonb *gains)
{
	uint64 rows = find_stems(track_id, gains);
	pg_uuid_t *ids = palloc(sizeof(pg_uuid_t) * SP_STEMS_MAX);
	bool isnull;

	if (rows == 0)
		complain_about_stems(track_id);
	mix->bits = 16;
	for (uint64 i = 0; i < rows && i < SP_STEMS_MAX; i++)
	{
		MixInput *input = &mix->inputs[mix->n++];
		Datum gain;

		input->name = TextDatumGetCString(sp_pg_column(i, 1, &isnull));
		ids[i] = *DatumGetUUIDP(sp_pg_column(i, 2, &isnull));
		if (strcmp(TextDatumGetCString(sp_pg_column(i, 3, &isnull)), "pcm_16") != 0)
			mix->bits = 24;
		gain = sp_pg_column(i, 4, &isnull);
		input->gain = linear_gain(input->name, gain, isnull);
	}
	for (int i = 0; i < mix->n; i++)
		mix->inputs[i].row = sp_audio_find(UUIDPGetDatum(&ids[i]));
}

static void
open_inputs(Mix *mix)
{
	const SpAudioRow *first = &mix->inputs[0].row;

	for (int i = 0; i < mix->n; i++)
		mix->inputs[i].reader =
			sp_audio_reader_open(&mix->inputs[i].row, first->sample_rate_hz, first->channels);
}

/* Sum in double: the integers of up to eight stems add without rounding. */
static size_t
mix_block(Mix *mix, float *block, double *sum, float *out, size_t frames)
{
	int channels = mix->inputs[0].row.channels;
	size_t got = 0;

	memset(sum, 0, sizeof(double) * frames * channels);
	for (int i = 0; i < mix->n; i++)
	{
		double gain = mix->inputs[i].gain;

		got = sp_audio_reader_read(mix->inputs[i].reader, block, frames);
		for (size_t k = 0; k < got * channels; k++)
			sum[k] += gain * block[k];
	}
	for (size_t k = 0; k < got * channels; k++)
		out[k] = (float) Max(-1.0, Min(1.0, sum[k]));
	return got;
}

static void
render(Mix *mix)
{
	const SpAudioRow *shape = &mix->inputs[0].row;
	SpEncoderSpec spec = sp_encoder_default(SP_AUDIO_FLAC, shape->sample_rate_hz, shape->channels);
	size_t samples = (size_t) MIX_FRAMES * shape->channels;
	float *block = palloc(sizeof(float) * samples);
	float *out = palloc(sizeof(float) * samples);
	double *sum = palloc(sizeof(double) * samples);
	SpEncoder *encoder;
	size_t got;

	spec.bits = mix->bits;
	mix->spool = sp_audio_new_spool();
	encoder = sp_audio_encoder(&spec, mix->spool);
	sp_measure_init(&mix->measure, shape->channels);
	while ((got = mix_block(mix, block, sum, out, MIX_FRAMES)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		sp_measure_push(&mix->measure, out, got);
		sp_audio_write(encoder, out, got);
	}
	sp_audio_finish(encoder);
}

static Datum
insert_remix(const Mix *mix, Datum track_id, Jsonb *gains)
{
	static SpQuery insert = {
		.text = "INSERT INTO spotai.audio (tenant_id, kind, track_id, gains, format, codec,"
				" sample_rate_hz, channels, frames, duration_s, bytes, sha256, peak_db, rms_db)"
				" VALUES (spotai.current_tenant(), 'remix', $1, $2, 'flac', $3, $4, $5, $6,"
				" $6::double precision / $4, $7, $8, $9, $10) RETURNING id",
		.nargs = 10,
		.types = {UUIDOID, JSONBOID, TEXTOID, INT4OID, INT2OID, INT8OID, INT8OID, BYTEAOID,
	              FLOAT4OID, FLOAT4OID},
	};
	bytea *digest = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	bool isnull;

	SET_VARSIZE(digest, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	sp_audio_hash(mix->spool, (uint8 *) VARDATA(digest));
	sp_pg_query(&insert,
	            (Datum[]){
					track_id,
					JsonbPGetDatum(gains),
					CStringGetTextDatum(mix->bits == 16 ? "pcm_16" : "pcm_24"),
					Int32GetDatum(mix->inputs[0].row.sample_rate_hz),
					Int16GetDatum(mix->inputs[0].row.channels),
					Int64GetDatum(mix->measure.frames),
					Int64GetDatum(sp_spool_size(mix->spool)),
					PointerGetDatum(digest),
					Float4GetDatum(sp_measure_peak_db(&mix->measure)),
					Float4GetDatum(sp_measure_rms_db(&mix->measure)),
				},
	            NULL, false);
	return sp_pg_column(0, 1, &isnull);
}

/* spotai.remix(track_id uuid, gains jsonb) returns uuid */
Datum
spotai_remix(PG_FUNCTION_ARGS)
{
	Datum track_id = PG_GETARG_DATUM(0);
	Jsonb *gains = PG_GETARG_JSONB_P(1);
	pg_uuid_t *audio_id = palloc(sizeof(pg_uuid_t));
	Mix mix = {0};

	sp_pg_require_tables();
	sp_identity_require_permission("stems:write");
	if (!JB_ROOT_IS_OBJECT(gains))
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("gains must be a JSON object"),
		         errhint("Example: {\"vocals\": null, \"drums\": -3}.")));
	SPI_connect();
	(void) sp_track_audio(track_id);
	collect_inputs(&mix, track_id, gains);
	open_inputs(&mix);
	render(&mix);
	*audio_id = *DatumGetUUIDP(insert_remix(&mix, track_id, gains));
	sp_audio_store_chunks(UUIDPGetDatum(audio_id), mix.spool);
	SPI_finish();
	PG_RETURN_UUID_P(audio_id);
}
