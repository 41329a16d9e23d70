/*
 * tests/unit/test_cues.c
 *	  The contract of the levels: order, sums, streaming, odd input, refusals,
 *	  exhaustion.  What they find in music whose parts are known is in
 *	  test_classical_signals.c.
 */
#include "check.h"

#include "core/stems/cues.h"

#define BINS    257
#define STRIDE  272
#define WINDOW  60
#define SOURCES 5

typedef struct Song
{
	size_t frames;
	size_t channels;
	float *spectra; /* [frames][channels][2 * STRIDE] */
} Song;

typedef struct Levels
{
	size_t early;   /* frames that were ready before the end */
	float *of;      /* [frames][SOURCES][BINS] */
	size_t sources; /* of them filled */
} Levels;

static SpCuesConfig
config(size_t channels, size_t sources)
{
	return (SpCuesConfig){channels, sources, BINS, STRIDE, 31.25, 0.016, WINDOW};
}

/* Noise under a slow envelope, with some bins that ring: something for every source. */
static Song
make_song(size_t frames, size_t channels)
{
	Song song = {frames, channels, NULL};

	song.spectra = calloc(frames * channels * 2 * STRIDE + 1, sizeof(float));
	for (size_t row = 0; row < frames * channels; row++)
		for (size_t i = 0; i < BINS; i++)
		{
			double loud = i % 40 == 8 ? 0.5 : 0.02 * (1 + sin((double) row * 0.3 + (double) i));

			song.spectra[row * 2 * STRIDE + i] = (float) loud * check_noise();
			song.spectra[row * 2 * STRIDE + STRIDE + i] = (float) loud * check_noise();
		}
	return song;
}

static const float *
spectrum(const Song *song, size_t frame, size_t channel)
{
	return song->spectra + (frame * song->channels + channel) * 2 * STRIDE;
}

static SpStatus
push(SpCues *c, const Song *song, size_t frame)
{
	const float *spectra[2] = {spectrum(song, frame, 0), spectrum(song, frame, song->channels - 1)};

	return sp_cues_push(c, spectra);
}

static float *
row(const Levels *levels, size_t frame, size_t source)
{
	return levels->of + (frame * SOURCES + source) * BINS;
}

static void
take(SpCues *c, Levels *levels, size_t *taken)
{
	float *rows[SOURCES];

	for (size_t j = 0; j < SOURCES; j++)
		rows[j] = row(levels, *taken, j);
	CHECK(sp_cues_take(c, rows) == SP_OK);
	(*taken)++;
}

/* A whole song; each frame must be ready as early as the delay promises. */
static Levels
listen(const Song *song, size_t sources)
{
	SpCuesConfig cfg = config(song->channels, sources);
	Levels levels = {0, calloc(song->frames * SOURCES * BINS + 1, sizeof(float)), sources};
	size_t taken = 0, late = 0;
	SpCues *c = NULL;

	CHECK(sp_cues_new(&check_env, &cfg, &c) == SP_OK);
	for (size_t t = 0; t < song->frames; t++)
	{
		CHECK(push(c, song, t) == SP_OK);
		late += sp_cues_ready(c) != (t >= sp_cues_delay(c) ? 1 : 0);
		if (sp_cues_ready(c) > 0)
			take(c, &levels, &taken);
	}
	CHECK(late == 0);
	levels.early = taken;
	sp_cues_finish(c);
	CHECK(sp_cues_ready(c) == song->frames - taken);
	while (sp_cues_ready(c) > 0)
		take(c, &levels, &taken);
	CHECK(taken == song->frames);
	sp_cues_free(c);
	return levels;
}

static double
magnitude(const Song *song, size_t frame, size_t bin)
{
	double power = 0;

	for (size_t k = 0; k < song->channels; k++)
	{
		const float *x = spectrum(song, frame, k);

		power += x[bin] * (double) x[bin] + x[STRIDE + bin] * (double) x[STRIDE + bin];
	}
	return sqrt(power / (double) song->channels);
}

/* Levels are at least 0 and add up to the magnitude within the precision of packed.h. */
static void
check_sums(const Song *song, size_t sources)
{
	Levels levels = listen(song, sources);
	size_t wrong = 0;

	for (size_t t = 0; t < song->frames; t++)
		for (size_t i = 0; i < BINS; i++)
		{
			double truth = magnitude(song, t, i), sum = 0;

			for (size_t j = 0; j < SOURCES; j++)
			{
				wrong += !(row(&levels, t, j)[i] >= 0);
				sum += row(&levels, t, j)[i];
			}
			wrong += !(fabs(sum - truth) <= truth / 2047 + 1e-12);
		}
	CHECK(wrong == 0);
	for (size_t t = 0; sources < SOURCES && t < song->frames; t++)
		CHECK(row(&levels, t, SP_PIANO)[100] == 0);
	free(levels.of);
}

static void
check_lengths(void)
{
	static const size_t lengths[] = {0, 1, 2, 3, 18, 40, 59, 60, 61, 62, 100, 104, 105, 400};

	for (size_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++)
		for (size_t channels = 1; channels <= 2; channels++)
		{
			Song song = make_song(lengths[k], channels);

			check_sums(&song, SP_SOURCES - 1);
			check_sums(&song, SP_SOURCES);
			free(song.spectra);
		}
}

/* What was ready before the end does not depend on what came after: the same bits. */
static void
check_streaming(void)
{
	Song song = make_song(300, 2);
	Levels whole = listen(&song, SP_SOURCES);

	for (size_t frames = 90; frames <= 270; frames += 60)
	{
		Song part = {frames, 2, song.spectra};
		Levels levels = listen(&part, SP_SOURCES);

		CHECK(memcmp(levels.of, whole.of, levels.early * SOURCES * BINS * sizeof(float)) == 0);
		free(levels.of);
	}
	CHECK(whole.early > 150);
	free(whole.of);
	free(song.spectra);
}

/* The same channel twice is mono; a channel against itself has no voice in the centre. */
static void
check_positions(void)
{
	Song mono = make_song(150, 1), dual = make_song(150, 2);
	Levels one, same, against;
	double voice = 0, error = 0;

	for (size_t t = 0; t < 150; t++)
		for (size_t k = 0; k < 2; k++)
			memcpy(dual.spectra + (2 * t + k) * 2 * STRIDE, spectrum(&mono, t, 0),
			       2 * STRIDE * sizeof(float));
	one = listen(&mono, SP_SOURCES);
	same = listen(&dual, SP_SOURCES);
	for (size_t i = 0; i < 150 * SOURCES * BINS; i++)
		error = fmax(error, fabs(one.of[i] - (double) same.of[i]));
	CHECK(error < 1e-6);
	for (size_t t = 0; t < 150; t++)
		for (size_t i = 0; i < 2 * STRIDE; i++)
			dual.spectra[(2 * t + 1) * 2 * STRIDE + i] *= -1;
	against = listen(&dual, SP_SOURCES);
	for (size_t t = 0; t < 150; t++)
		for (size_t i = 0; i < BINS; i++)
		{
			voice += row(&same, t, SP_VOICE)[i];
			CHECK(row(&against, t, SP_VOICE)[i] == 0);
		}
	CHECK(voice > 0);
	free(one.of);
	free(same.of);
	free(against.of);
	free(mono.spectra);
	free(dual.spectra);
}

static void
check_extremes(void)
{
	static const float scales[] = {0.0f, 1e-30f, 1e-12f, 3e4f};

	for (size_t k = 0; k < sizeof(scales) / sizeof(scales[0]); k++)
	{
		Song song = make_song(130, 2);
		Levels levels;
		double sum = 0;

		for (size_t i = 0; i < song.frames * 2 * 2 * STRIDE; i++)
			song.spectra[i] *= scales[k];
		check_sums(&song, SP_SOURCES);
		levels = listen(&song, SP_SOURCES);
		for (size_t i = 0; i < song.frames * SOURCES * BINS; i++)
			sum += levels.of[i];
		CHECK(isfinite(sum) && (k > 1 ? sum > 0 : sum == 0));
		free(levels.of);
		free(song.spectra);
	}
}

static void
check_contract(void)
{
	SpCuesConfig cfg = config(1, SP_SOURCES);
	Song song = make_song(150, 1);
	float store[SOURCES][BINS];
	float *rows[SOURCES] = {store[0], store[1], store[2], store[3], store[4]};
	size_t t = 0;
	SpCues *c = NULL;

	CHECK(sp_cues_new(&check_env, &cfg, &c) == SP_OK);
	CHECK(sp_cues_take(c, rows) == SP_ERR_BAD_ARG);
	while (sp_cues_ready(c) == 0)
		CHECK(push(c, &song, t++) == SP_OK);
	CHECK(t == sp_cues_delay(c) + 1);
	CHECK(push(c, &song, t) == SP_ERR_BAD_ARG);
	CHECK(sp_cues_take(c, rows) == SP_OK);
	CHECK(push(c, &song, t++) == SP_OK);
	sp_cues_finish(c);
	CHECK(push(c, &song, t) == SP_ERR_BAD_ARG);
	CHECK(sp_cues_ready(c) == t - 1);
	sp_cues_free(c);
	sp_cues_free(NULL);
	free(song.spectra);
}

/* A window that is too short for the later stages is made long enough. */
static void
check_least_window(void)
{
	SpCuesConfig cfg = config(2, SP_SOURCES - 1);
	SpCues *c = NULL;

	cfg.window = 0;
	CHECK(sp_cues_new(&check_env, &cfg, &c) == SP_OK);
	CHECK(sp_cues_delay(c) == 2 * (25 + 18)); /* 0.4 s and half of 37 frames */
	sp_cues_free(c);
}

static void
check_refusals(void)
{
	SpCuesConfig bad[9];
	SpCues *c = NULL;

	for (size_t k = 0; k < 9; k++)
		bad[k] = config(2, SP_SOURCES);
	bad[0].channels = 0;
	bad[1].channels = 3;
	bad[2].sources = SP_SOURCES - 2;
	bad[3].sources = SP_SOURCES + 1;
	bad[4].bins = 1;
	bad[5].stride = BINS - 1;
	bad[6].frame_s = 0;
	bad[7].frame_s = NAN;
	bad[8].bin_hz = -1;
	for (size_t k = 0; k < 9; k++)
		CHECK(sp_cues_new(&check_env, &bad[k], &c) == SP_ERR_BAD_ARG && c == NULL);
}

/* Each allocation fails in turn; once made, nothing more is allocated. */
static void
check_exhaustion(void)
{
	SpCuesConfig cfg = config(2, SP_SOURCES);
	Song song = make_song(200, 2);
	float store[SOURCES][BINS];
	float *rows[SOURCES] = {store[0], store[1], store[2], store[3], store[4]};
	SpStatus st = SP_ERR_NO_MEMORY;
	long allowed = 0;
	SpCues *c = NULL;

	for (; st == SP_ERR_NO_MEMORY && allowed < 100; allowed++)
	{
		check_allocs_left = allowed;
		st = sp_cues_new(&check_env, &cfg, &c);
		CHECK((c != NULL) == (st == SP_OK));
	}
	CHECK(st == SP_OK && allowed > 20);
	check_allocs_left = 0;
	for (size_t t = 0; t < song.frames; t++)
	{
		CHECK(push(c, &song, t) == SP_OK);
		if (sp_cues_ready(c) > 0)
			CHECK(sp_cues_take(c, rows) == SP_OK);
	}
	check_allocs_left = -1;
	sp_cues_free(c);
	free(song.spectra);
}

int
main(void)
{
	check_lengths();
	check_streaming();
	check_positions();
	check_extremes();
	check_contract();
	check_least_window();
	check_refusals();
	check_exhaustion();
	return check_report();
}
