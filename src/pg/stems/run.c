/*
 * src/pg/stems/run.c
 *	  One separation: open, compute, store.
 *
 * The phases are apart so that a worker can compute without a transaction; the
 * SQL function runs all three in the caller's.  Between them the song and its
 * stems lie in temporary files: memory does not grow with length.
 *
 * Stems are stored as FLAC.  16-bit songs give 16-bit stems whose integers sum
 * to the song's exactly; everything else (lossy, float, 24 bit) gives 24-bit
 * stems, because the rounding to 16 bits is not 80 dB below a quiet song.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "core/stems/classical.h"
#include "core/stems/neural.h"
#include "core/stems/writer.h"
#include "pg/model/model.h"
#include "pg/model/nn.h"
#include "pg/seam.h"
#include "pg/sql.h"
#include "pg/stems/stems.h"
#include "pg/threads.h"

/*
 * Frames handed to the engine at a time.  At 20x real time 8192 frames of
 * 44.1 kHz are 10 ms of work, so that a cancel never waits long.
 */
#define STEP_FRAMES 8192

/* Rates that the engine's windows are made for; telephone to studio. */
#define MIN_RATE_HZ 8000
#define MAX_RATE_HZ 192000

static const struct config_enum_entry bits_options[] = {
	{"auto", 0, false}, {"16", 16, false}, {"24", 24, false}, {NULL, 0, false}};

/* Bits of stored stems; 0 decides by the source. */
static int stems_bits = 0;
/* The model of calls that name none; empty chooses the best. */
static char *stems_model = NULL;
/* Whether the stems of a set must sum to the song. */
static bool stems_sum_to_mix = true;
/* Whether models give what their publishers' programs give, joins and all. */
static bool stems_exact = false;
static bool stems_wiener = false;
/* An SpMaskExtension, or ... */
#define EXTENSION_AUTO (-1)
static int stems_extension = EXTENSION_AUTO;
static const struct config_enum_entry extension_options[] = {{"auto", EXTENSION_AUTO, false},
                                                             {"zeros", SP_EXTEND_ZEROS, false},
                                                             {"average", SP_EXTEND_AVERAGE, false},
                                                             {NULL, 0, false}};

struct SpSeparation
{
	MemoryContext context;
	Datum track_id;
	SpModelRow model;
	int bits;
	int channels; /* of the stems: 1 or 2 */
	bool sum_to_mix;
	SpAudioRow source;
	SpDecoder *decoder;
	SpSeparator *engine;
	float *block; /* decoded, as many channels as the source has */
	SpWriter *writer;
	int64 written; /* frames of each stem so far */
	int n_stems;
	SpSpool *spools[SP_STEMS_MAX]; /* files of stems */
	bool early;                    /* their content goes into the tables as it comes */
	int next[SP_STEMS_MAX];        /* the piece that is stored next; 0 waits for the end */
	SpStemResult results[SP_STEMS_MAX];
};

void
sp_stems_init(void)
{
	DefineCustomEnumVariable("spotai.stems_bits", "Bits per sample of stored stems.",
	                         "\"auto\" means 16 for 16-bit songs and 24 for all others.",
	                         &stems_bits, 0, bits_options, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable(
		"spotai.stems_model", "Model of separations that name none.",
		"Empty means the best installed one for the number of stems, and \"classical\" where there "
		"is none; so does a model of another number of stems.",
		&stems_model, "", PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("spotai.stems_sum_to_mix",
	                         "Makes the stems of a track sum to the track.",
	                         "When off, each stem is the engine's own estimate.", &stems_sum_to_mix,
	                         true, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("spotai.stems_exact",
	                         "Makes a model give what its publisher's program gives.",
	                         "Patches stand side by side, stems need not sum to the track, and "
	                         "they end where the model's frequencies do.",
	                         &stems_exact, false, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("spotai.stems_wiener",
	                         "Refines a model's stems by a multichannel Wiener filter.",
	                         "Slower, and usually a little better.", &stems_wiener, false,
	                         PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable(
		"spotai.stems_mask_extension", "What stems have above a model's frequencies.",
		"\"average\" continues the average of what is below, \"zeros\" is silence; \"auto\" means "
		"zeros when spotai.stems_exact is on, else average.",
		&stems_extension, EXTENSION_AUTO, extension_options, PGC_USERSET, 0, NULL, NULL, NULL);
}

SpAudioRow
sp_track_audio(Datum track_id)
{
	static SpQuery find = {
		.text = "SELECT audio_id FROM spotai.track WHERE tenant_id = spotai.current_tenant()"
				" AND id = $1 AND deleted_at IS NULL",
		.nargs = 1,
		.types = {UUIDOID},
	};
	bool isnull;

	if (sp_pg_query(&find, &track_id, NULL, false) == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
		                errmsg("track \"%s\" does not exist",
		                       DatumGetCString(DirectFunctionCall1(uuid_out, track_id)))));
	return sp_audio_find(sp_pg_column(0, 1, &isnull));
}

static void
check_rate(int rate_hz)
{
	if (rate_hz < MIN_RATE_HZ || rate_hz > MAX_RATE_HZ)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("audio of %d Hz cannot be separated", rate_hz),
		                errhint("Resample it to between %d and %d Hz, 44100 for example.",
		                        MIN_RATE_HZ, MAX_RATE_HZ)));
}

static void
release_engine(void *engine)
{
	sp_separator_free(engine);
}

static void
open_neural(SpSeparation *s, const SpSeparatorConfig *song)
{
	SpNeuralConfig config = {
		.song = *song,
		.exact = stems_exact,
		.wiener = stems_wiener,
		.extension = stems_extension != EXTENSION_AUTO ? (SpMaskExtension) stems_extension
	                 : stems_exact                     ? SP_EXTEND_ZEROS
	                                                   : SP_EXTEND_AVERAGE,
	};
	const SpModel *model = sp_nn_model(&s->model);

	sp_pg_check(sp_neural_new(sp_pg_env(), model, &config, &s->engine), "separation", NULL);
	sp_pg_own(s->engine, release_engine);
}

static void
open_engine(SpSeparation *s)
{
	SpSeparatorConfig config = {
		.sample_rate = s->source.sample_rate_hz,
		.channels = s->channels,
		.stems = s->n_stems,
		.sum_to_mix = s->sum_to_mix,
	};

	if (s->model.architecture != NULL)
	{
		open_neural(s, &config);
		return;
	}
	sp_pg_check(sp_classical_new(sp_pg_env(), &config, &s->engine), "separation", NULL);
	sp_pg_own(s->engine, release_engine);
}

/* Of a model that folds, two stems are another pair of names than its own first two. */
static const char *
stem_name(const SpSeparation *s, int i)
{
	return s->n_stems == s->model.n_stems ? s->model.stems[i] : sp_classical_names(s->n_stems)[i];
}

static void
release_writer(void *writer)
{
	sp_writer_free(writer);
}

/*
 * Files of four stems took a third of the processor's time, so what can be left
 * out is: an MD5 of the samples, as the row has a SHA-256 of the file and each
 * frame a CRC, and at level 1 instead of 2 the search in each frame for whether
 * middle and side are smaller, which level 1 asks now and then.
 */
static SpEncoderSpec
stem_file(const SpSeparation *s)
{
	SpEncoderSpec spec = sp_encoder_default(SP_AUDIO_FLAC, s->source.sample_rate_hz, s->channels);

	spec.bits = s->bits;
	spec.frames = s->source.frames;
	spec.level = 1.0 / 8;
	spec.md5 = false;
	return spec;
}

static void
open_writer(SpSeparation *s)
{
	SpWriterConfig config = {
		.encoder = stem_file(s),
		.stems = s->n_stems,
		.sum_to_mix = s->sum_to_mix,
	};
	SpFault fault = {0};

	for (int i = 0; i < s->n_stems; i++)
	{
		s->spools[i] = sp_audio_new_spool();
		s->results[i].name = stem_name(s, i);
	}
	config.pool = sp_pg_pool();
	sp_pg_check(sp_writer_new(sp_pg_env(), &config, s->spools, &s->writer, &fault),
	            "audio for encoding", &fault);
	sp_pg_own(s->writer, release_writer);
}

static void
open_source(SpSeparation *s, Datum track_id)
{
	const SpAudioInfo *info;

	s->track_id = PointerGetDatum(memcpy(palloc(UUID_LEN), DatumGetUUIDP(track_id), UUID_LEN));
	s->source = sp_track_audio(track_id);
	check_rate(s->source.sample_rate_hz);
	s->channels = Min(s->source.channels, 2);
	s->decoder = sp_audio_open(sp_audio_load(&s->source), NULL);
	s->block = palloc(sizeof(float) * STEP_FRAMES * s->source.channels);
	info = sp_decoder_info(s->decoder);
	s->bits = stems_bits != 0 ? stems_bits : info->bits > 0 && info->bits <= 16 ? 16 : 24;
}

SpSeparation *
sp_separation_open(MemoryContext context, Datum track_id, int stems, const char *model)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	SpSeparation *s = palloc0(sizeof(SpSeparation));

	s->context = context;
	sp_model_choose(model, stems_model, stems, &s->model);
	s->n_stems = stems;
	s->sum_to_mix = stems_sum_to_mix && !(stems_exact && s->model.architecture != NULL);
	open_source(s, track_id);
	open_engine(s);
	open_writer(s);
	MemoryContextSwitchTo(caller);
	return s;
}

/*
 * More than two channels become stereo: even ones left, odd ones right, each
 * side their mean.  Surround orders differ by format and the engine wants a
 * left and a right; nothing is lost that a voice in the middle needs.
 */
static void
fold_to_stereo(float *block, size_t frames, int channels)
{
	int n_left = (channels + 1) / 2;
	int n_right = channels / 2;

	for (size_t i = 0; i < frames; i++)
	{
		const float *in = block + i * channels;
		float side[2] = {0, 0};

		for (int c = 0; c < channels; c++)
			side[c % 2] += in[c];
		block[2 * i] = side[0] / n_left;
		block[2 * i + 1] = side[1] / n_right;
	}
}

/* Pieces that are whole by now; the last one may still grow. */
static void
store_whole_pieces(SpSeparation *s)
{
	for (int i = 0; i < s->n_stems; i++)
		s->next[i] = sp_audio_store_range(s->results[i].audio_id, s->spools[i], s->next[i],
		                                  sp_audio_chunks(s->spools[i]) - 1);
}

/* Take what the engine has ready to the stems' files. */
static void
drain(SpSeparation *s)
{
	SpFault fault = {0};
	size_t got;

	while ((got = sp_separator_pull(s->engine, sp_writer_block(s->writer), SP_WRITER_FRAMES)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		sp_pg_check(sp_writer_settle(s->writer, &fault), "encoded audio", &fault);
		if (s->early)
			store_whole_pieces(s);
		sp_pg_check(sp_writer_put(s->writer, got, &fault), "encoded audio", &fault);
		s->written += got;
	}
}

static void
summarise(SpSeparation *s)
{
	double total = 0.0;

	for (int i = 0; i < s->n_stems; i++)
		total += sp_writer_measure(s->writer, i)->energy;
	for (int i = 0; i < s->n_stems; i++)
	{
		const SpMeasure *measure = sp_writer_measure(s->writer, i);
		SpStemResult *result = &s->results[i];

		result->duration_s = (double) s->written / s->source.sample_rate_hz;
		/* what is stored was clamped to full scale */
		result->peak_db = Min(sp_measure_peak_db(measure), 0.0);
		result->rms_db = sp_measure_rms_db(measure);
		result->energy_share = total > 0.0 ? measure->energy / total : 0.0;
	}
}

void
sp_separation_compute(SpSeparation *s, SpAudioTick tick, void *arg)
{
	MemoryContext caller = MemoryContextSwitchTo(s->context);
	SpFault fault = {0};
	size_t got;

	while ((got = sp_audio_read(s->decoder, s->block, STEP_FRAMES)) > 0)
	{
		if (s->source.channels > 2)
			fold_to_stereo(s->block, got, s->source.channels);
		sp_pg_check(sp_separator_push(s->engine, s->block, got), "separation", NULL);
		drain(s);
		if (tick != NULL)
			tick(arg, (double) s->written / s->source.frames);
	}
	sp_pg_check(sp_separator_finish(s->engine), "separation", NULL);
	drain(s);
	/* what went wrong while the last stems were taken */
	sp_pg_check(sp_separator_finish(s->engine), "separation", NULL);
	if (s->written != s->source.frames)
		elog(ERROR, "stems have " INT64_FORMAT " frames instead of " INT64_FORMAT, s->written,
		     s->source.frames);
	sp_pg_check(sp_writer_finish(s->writer, &fault), "encoded audio", &fault);
	summarise(s);
	MemoryContextSwitchTo(caller);
}

/* SHA-256 of the file, or zeros while there is none. */
static Datum
stem_digest(SpSeparation *s, int stem)
{
	bytea *digest = palloc0(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);

	SET_VARSIZE(digest, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	if (s->written > 0)
		sp_audio_hash(s->spools[stem], (uint8 *) VARDATA(digest));
	return PointerGetDatum(digest);
}

/*
 * The row of one stem; the id of an earlier separation by the same model stays.
 * What is not known before phase 2 is written by phase 3.
 */
static void
upsert_stem(SpSeparation *s, int stem)
{
	static SpQuery upsert = {
		.text =
			"INSERT INTO spotai.audio AS a (tenant_id, kind, track_id, stem, model, stem_count, "
			"format,"
			" codec, sample_rate_hz, channels, frames, duration_s, bytes, sha256, peak_db, rms_db,"
			" energy_share)"
			" VALUES (spotai.current_tenant(), 'stem', $1, $2, $3, $4, 'flac', $5, $6, $7, $8, $9, "
			"$10,"
			" $11, $12, $13, $14)"
			" ON CONFLICT (tenant_id, track_id, model, stem_count, stem) WHERE kind = 'stem'"
			" DO UPDATE SET codec = excluded.codec, sample_rate_hz = excluded.sample_rate_hz,"
			" channels = excluded.channels, frames = excluded.frames, duration_s = "
			"excluded.duration_s,"
			" bytes = excluded.bytes, sha256 = excluded.sha256, peak_db = excluded.peak_db,"
			" rms_db = excluded.rms_db, energy_share = excluded.energy_share,"
			" updated_at = now()"
			" RETURNING a.id",
		.nargs = 14,
		.types = {UUIDOID, TEXTOID, TEXTOID, INT2OID, TEXTOID, INT4OID, INT2OID, INT8OID, FLOAT8OID,
	              INT8OID, BYTEAOID, FLOAT4OID, FLOAT4OID, FLOAT4OID},
	};
	SpStemResult *r = &s->results[stem];
	pg_uuid_t *id = MemoryContextAlloc(s->context, sizeof(pg_uuid_t));
	bool isnull;

	sp_pg_query(&upsert,
	            (Datum[]){
					s->track_id,
					CStringGetTextDatum(r->name),
					CStringGetTextDatum(s->model.name),
					Int16GetDatum(s->n_stems),
					CStringGetTextDatum(s->bits == 16 ? "pcm_16" : "pcm_24"),
					Int32GetDatum(s->source.sample_rate_hz),
					Int16GetDatum(s->channels),
					Int64GetDatum(s->source.frames),
					Float8GetDatum(r->duration_s),
					Int64GetDatum(Max(1, sp_spool_size(s->spools[stem]))),
					stem_digest(s, stem),
					Float4GetDatum(r->peak_db),
					Float4GetDatum(r->rms_db),
					Float4GetDatum(r->energy_share),
				},
	            NULL, false);
	*id = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
	r->audio_id = UUIDPGetDatum(id);
}

void
sp_separation_store_early(SpSeparation *s)
{
	s->early = true;
	for (int i = 0; i < s->n_stems; i++)
	{
		upsert_stem(s, i);
		sp_audio_delete_chunks(s->results[i].audio_id);
		s->next[i] = 1;
	}
}

void
sp_separation_store(SpSeparation *s)
{
	for (int i = 0; i < s->n_stems; i++)
	{
		SpSpool *spool = s->spools[i];

		upsert_stem(s, i);
		if (!s->early)
			sp_audio_delete_chunks(s->results[i].audio_id);
		else
			sp_audio_store_range(s->results[i].audio_id, spool, 0, 1);
		sp_audio_store_range(s->results[i].audio_id, spool, s->next[i], sp_audio_chunks(spool));
	}
}

const char *
sp_separation_model(const SpSeparation *s)
{
	return s->model.name;
}

int
sp_separation_count(const SpSeparation *s)
{
	return s->n_stems;
}

const SpStemResult *
sp_separation_stem(const SpSeparation *s, int i)
{
	return &s->results[i];
}
