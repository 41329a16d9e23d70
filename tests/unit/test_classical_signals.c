/*
 * tests/unit/test_classical_signals.c
 *	  What the separator makes of signals whose parts are known, and its
 *	  background against the naive twin.
 */
#include "check.h"

#include "core/dsp/packed.h"
#include "core/stems/classical.h"
#include "core/stems/pitch.h"
#include "core/stems/repet.h"
#include "twins/hpss.h"
#include "twins/repet_sim.h"

#define RATE    16000
#define SECONDS 8
#define FRAMES  (RATE * SECONDS)

enum
{
	VOCALS,
	DRUMS,
	BASS,
	OTHER
};

typedef struct Song
{
	float mix[2 * FRAMES];
	float stems[4][2 * FRAMES];
} Song;

/* Adds to both channels with these gains. */
static void
add(Song *song, size_t i, double value, double left, double right)
{
	song->mix[2 * i] += (float) (left * value);
	song->mix[2 * i + 1] += (float) (right * value);
}

static void
separate(Song *song)
{
	SpSeparatorConfig cfg = {RATE, 2, 4, true};
	SpSeparator *s = NULL;
	float *out[4];

	for (int i = 0; i < 4; i++)
		out[i] = song->stems[i];
	CHECK(sp_classical_new(&check_env, &cfg, &s) == SP_OK);
	CHECK(sp_separator_push(s, song->mix, FRAMES) == SP_OK);
	CHECK(sp_separator_finish(s) == SP_OK);
	CHECK(sp_separator_pull(s, out, FRAMES) == FRAMES);
	sp_separator_free(s);
}

/* Share of a stem in the energy of all stems, without the first and last half second. */
static double
share(const Song *song, int stem)
{
	double part = 0, all = 0;

	for (int k = 0; k < 4; k++)
		for (size_t i = RATE; i < 2 * FRAMES - RATE; i++)
		{
			double power = song->stems[k][i] * (double) song->stems[k][i];

			part += k == stem ? power : 0;
			all += power;
		}
	return part / all;
}

static void
check_bass(void)
{
	Song *song = calloc(1, sizeof(Song));

	for (size_t i = 0; i < FRAMES; i++)
		add(song, i, 0.5 * sin(2 * M_PI * 70.0 * (double) i / RATE), 1, 1);
	separate(song);
	CHECK(share(song, BASS) > 0.97);
	CHECK(share(song, VOCALS) < 0.001);
	free(song);
}

static void
check_clicks(void)
{
	Song *song = calloc(1, sizeof(Song));

	for (size_t i = 0; i < FRAMES; i++)
		add(song, i, i % (RATE / 2) < 3 ? 0.9 : 0, 1, 1);
	separate(song);
	CHECK(share(song, DRUMS) > 0.9);
	CHECK(share(song, BASS) < 0.05);
	free(song);
}

static void
check_chord(void)
{
	static const double notes[] = {523.3, 659.3, 784.0};
	Song *song = calloc(1, sizeof(Song));

	for (size_t i = 0; i < FRAMES; i++)
		for (int k = 0; k < 3; k++)
			add(song, i, 0.2 * sin(2 * M_PI * notes[k] * (double) i / RATE), 1, 0.6);
	separate(song);
	CHECK(share(song, OTHER) > 0.95);
	free(song);
}

/* A gliding, vibrating voice of ten harmonics over a beat that repeats, voice at this position. */
static double
voice_share(double left, double right)
{
	Song *song = calloc(1, sizeof(Song));
	double phase = 0;
	double result;

	for (size_t i = 0; i < FRAMES; i++)
	{
		double t = (double) i / RATE;
		double hz = 260 * exp2(0.5 * sin(0.9 * t) + 0.04 * sin(2 * M_PI * 5.5 * t));

		phase += 2 * M_PI * hz / RATE;
		for (int h = 1; h <= 10; h++)
			add(song, i, 0.2 / h * sin(h * phase), left, right);
		add(song, i, i % (RATE / 2) < 400 ? 0.2 * check_noise() : 0, 1, 1);
	}
	separate(song);
	result = share(song, VOCALS);
	free(song);
	return result;
}

static void
check_voice(void)
{
	double centre = voice_share(1, 1);
	double side = voice_share(1.4142, 0);

	printf("# share of energy called vocals: voice in the centre %.3f, at the side %.3f\n", centre,
	       side);
	CHECK(centre > 0.5);
	CHECK(side < 0.5 * centre);
}

/* A falling voice is followed within 30 cents, whatever its level. */
static void
check_pitch(void)
{
	enum
	{
		BINS = 1025,
		LAG = 5,
		STEPS = 60
	};
	const double bin_hz = 7.8125;
	float magnitude[BINS];
	SpPitch *p = NULL;

	CHECK(sp_pitch_new(&check_env, BINS, bin_hz, LAG, &p) == SP_OK);
	for (int t = 0; t < STEPS; t++)
	{
		double hz = 440 * exp2(-t / 60.0);

		memset(magnitude, 0, sizeof(magnitude));
		for (int h = 1; h < 12; h++)
			for (int i = 0; i < BINS; i++)
				magnitude[i] += (float) (1e-3 / h * exp(-0.5 * pow(i - h * hz / bin_hz, 2)));
		sp_pitch_push(p, magnitude);
		if (t >= LAG)
			CHECK_NEAR(
				1200 * log2(sp_pitch_hz(p, (size_t) (t - LAG)) / (440 * exp2((LAG - t) / 60.0))), 0,
				30);
	}
	sp_pitch_comb(p, 400, magnitude);
	CHECK_NEAR(magnitude[(int) round(1200 / bin_hz)], 1, 0.05);
	CHECK(magnitude[(int) (1000 / bin_hz)] == 0 && magnitude[5] == 0);
	sp_pitch_free(p);
}

/* The bands of src/core/stems/repet.c, by its definition. */
static void
loudness(const float *magnitude, size_t bins, double bin_hz, float *out)
{
	for (size_t b = 0; b < 64; b++)
	{
		double top = fmin(8000.0, (double) (bins - 1) * bin_hz);
		size_t from = (size_t) ceil(80.0 * pow(top / 80.0, (double) b / 64) / bin_hz);
		size_t to = (size_t) ceil(80.0 * pow(top / 80.0, (double) (b + 1) / 64) / bin_hz);
		double sum = 0;

		from = from < bins - 1 ? from : bins - 1;
		to = to < bins - 1 ? to : bins - 1;
		if (to <= from)
			to = from + 1;
		for (size_t i = from; i < to; i++)
			sum += magnitude[i];
		out[b] = (float) pow(sum / (double) (to - from), 0.25);
	}
}

/* The ring, the band sums and the network against plain loops, for short and long songs. */
static void
check_background(size_t frames, size_t window)
{
	enum
	{
		BINS = 257
	};
	SpRepetConfig cfg = {BINS, 31.25, 0.02, window};
	float *magnitude = calloc(frames * BINS, sizeof(float));
	float *features = calloc(frames * 64, sizeof(float));
	float *truth = malloc(frames * BINS * sizeof(float));
	float row[BINS];
	size_t traced = 0, wrong = 0;
	SpRepet *r = NULL;

	/* As the ring keeps them, so that backgrounds must be equal to the bit. */
	for (size_t i = 0; i < frames * BINS; i++)
	{
		uint16_t packed;

		magnitude[i] = 1 + check_noise();
		sp_packed_store(&packed, &magnitude[i], 1);
		sp_packed_load(&magnitude[i], &packed, 1);
	}
	for (size_t t = 0; t < frames; t++)
		loudness(magnitude + t * BINS, BINS, cfg.bin_hz, features + t * 64);
	twin_repet_background(magnitude, frames, BINS, features, 64, 25, 10, window, truth);
	CHECK(sp_repet_new(&check_env, &cfg, &r) == SP_OK);
	for (size_t t = 0; t < frames || traced < frames;)
	{
		if (t < frames)
			sp_repet_push(r, magnitude + t++ * BINS);
		if (t < frames && t <= traced + window)
			continue;
		sp_repet_background(r, traced, row);
		wrong += memcmp(row, truth + traced++ * BINS, sizeof(row)) != 0;
	}
	/* Rounding may swap two frames that are equally similar. */
	CHECK(wrong <= frames / 50);
	sp_repet_free(r);
	free(magnitude);
	free(features);
	free(truth);
}

/* The twin itself, on what it must do by definition. */
static void
check_hpss_twin(void)
{
	float magnitude[40 * 40] = {0}, harmonic[40 * 40];

	for (int i = 0; i < 40; i++)
	{
		magnitude[i * 40 + 30] = 1; /* a note */
		magnitude[10 * 40 + i] = 1; /* a click */
	}
	twin_hpss_mask(magnitude, 40, 40, 9, harmonic);
	CHECK_NEAR(harmonic[30 * 40 + 30], 1, 1e-6);
	CHECK_NEAR(harmonic[10 * 40 + 5], 0, 1e-6);
	CHECK_NEAR(harmonic[10 * 40 + 30], 0.5, 1e-6);
}

int
main(void)
{
	check_pitch();
	check_background(1, 50);
	check_background(40, 50);
	check_background(230, 50);
	check_background(150, 33);
	check_hpss_twin();
	check_bass();
	check_clicks();
	check_chord();
	check_voice();
	return check_report();
}
