/*
 * tests/bench/separation_quality.c
 *	  How well and how fast does `classical` separate, beside simple methods?
 *
 *	separation_quality FOLDER [SECONDS]
 *
 * FOLDER is shared/data/separation (mallory, music_delta_80s_rock, mir1k).
 * Prints a Markdown table of plain global SDR, 10 log10(sum ref^2 / sum
 * (ref - est)^2), for the mixture, half the mixture, the twins (two-stage
 * HPSS, REPET-SIM) and classical; then speed and peak memory of the engine
 * alone on a synthetic stream of SECONDS (default: two hours).  Exits
 * non-zero when a bar below is missed.
 *
 * The clips are read by libsndfile, at their own rates: mir1k is 16 kHz mono.
 * tests/bench/separation.sh builds and runs it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <glob.h>
#include <math.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "core/stems/classical.h"
#include "host.h"
#include "twins/hpss.h"
#include "twins/repet_sim.h"
#include "twins/spectrogram.h"

/* The bars: means over the three sets, drums and bass on music_delta, engine alone. */
#define BAR_VOCALS        4.5
#define BAR_ACCOMPANIMENT 7.0
#define BAR_DRUMS         3.0
#define BAR_BASS          1.0
#define BAR_SPEED         33.0
#define BAR_MEMORY_MIB    120.0

enum
{
	VOCALS,
	ACCOMPANIMENT,
	DRUMS,
	BASS,
	OTHER,
	PARTS
};

static const char *const part_names[PARTS] = {"vocals", "accompaniment", "drums", "bass", "other"};
static const char *const stem_files[PARTS] = {"vocals.flac", NULL, "drums.flac", "bass.flac",
                                              "other.flac"};

enum
{
	MALLORY,
	MUSIC_DELTA,
	MIR1K,
	SETS
};

typedef struct Clip
{
	size_t count;
	size_t channels;
	int rate;
	float *mix;          /* [count][channels] */
	float *truth[PARTS]; /* NULL: not known */
} Clip;

/* SDR in dB, summed over the clips of a set. */
typedef struct Score
{
	double sum[SETS][PARTS];
	int clips[SETS];
} Score;

/* Fills estimates, each [count][channels]; a part that it leaves alone stays silent. */
typedef void (*Method)(const Clip *clip, float **estimates);

static double
cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static double
peak_mib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double) usage.ru_maxrss / 1024;
}

static void
check(SpStatus st)
{
	if (st == SP_OK)
		return;
	fprintf(stderr, "status %d\n", (int) st);
	exit(2);
}

/* --- clips ----------------------------------------------------------------- */

static float *
read_file(const char *folder, const char *name, Clip *shape)
{
	char path[4096];
	SF_INFO info = {0};
	SNDFILE *file;
	float *x;

	snprintf(path, sizeof(path), "%s%s%s", folder, *folder ? "/" : "", name);
	file = sf_open(path, SFM_READ, &info);
	if (file == NULL)
	{
		fprintf(stderr, "%s: %s\n", path, sf_strerror(NULL));
		exit(2);
	}
	x = twin_alloc((size_t) info.frames * (size_t) info.channels, sizeof(float));
	info.frames = sf_readf_float(file, x, info.frames);
	sf_close(file);
	if (shape->count == 0 || (size_t) info.frames < shape->count)
		shape->count = (size_t) info.frames;
	shape->channels = (size_t) info.channels;
	shape->rate = info.samplerate;
	return x;
}

static Clip
load_mallory(const char *folder)
{
	Clip c = {0};

	c.mix = read_file(folder, "mallory/mix.mp3", &c);
	c.truth[VOCALS] = read_file(folder, "mallory/vocals_true.mp3", &c);
	c.truth[ACCOMPANIMENT] = read_file(folder, "mallory/accompaniment_true.mp3", &c);
	return c;
}

static Clip
load_music_delta(const char *folder)
{
	char name[256];
	Clip c = {0};

	c.mix = read_file(folder, "music_delta_80s_rock/mixture.flac", &c);
	for (int p = 0; p < PARTS; p++)
		if (stem_files[p] != NULL)
		{
			snprintf(name, sizeof(name), "music_delta_80s_rock/%s", stem_files[p]);
			c.truth[p] = read_file(folder, name, &c);
		}
	c.truth[ACCOMPANIMENT] = twin_alloc(c.count * c.channels, sizeof(float));
	for (int p = DRUMS; p < PARTS; p++)
		for (size_t i = 0; i < c.count * c.channels; i++)
			c.truth[ACCOMPANIMENT][i] += c.truth[p][i];
	return c;
}

/* Left is the accompaniment, right the voice; their sum is the song. */
static Clip
load_mir1k(const char *path)
{
	Clip c = {0};
	float *x = read_file("", path, &c);

	c.channels = 1;
	c.mix = twin_alloc(c.count, sizeof(float));
	c.truth[VOCALS] = twin_alloc(c.count, sizeof(float));
	c.truth[ACCOMPANIMENT] = twin_alloc(c.count, sizeof(float));
	for (size_t i = 0; i < c.count; i++)
	{
		c.truth[ACCOMPANIMENT][i] = x[2 * i];
		c.truth[VOCALS][i] = x[2 * i + 1];
		c.mix[i] = x[2 * i] + x[2 * i + 1];
	}
	free(x);
	return c;
}

static void
free_clip(Clip *c)
{
	free(c->mix);
	for (int p = 0; p < PARTS; p++)
		free(c->truth[p]);
}

/* --- methods --------------------------------------------------------------- */

static void
scale_mix(const Clip *c, float **estimates, float gain)
{
	for (int p = 0; p < PARTS; p++)
		for (size_t i = 0; i < c->count * c->channels; i++)
			estimates[p][i] = gain * c->mix[i];
}

static void
method_mixture(const Clip *c, float **estimates)
{
	scale_mix(c, estimates, 1.0f);
}

static void
method_half(const Clip *c, float **estimates)
{
	scale_mix(c, estimates, 0.5f);
}

static void
take_rest(const Clip *c, float **estimates)
{
	for (size_t i = 0; i < c->count * c->channels; i++)
		estimates[ACCOMPANIMENT][i] = c->mix[i] - estimates[VOCALS][i];
}

static void
method_hpss(const Clip *c, float **estimates)
{
	TwinStems out = {estimates[VOCALS], estimates[DRUMS], estimates[BASS], estimates[OTHER]};

	twin_hpss_stems(c->mix, c->count, c->channels, c->rate, out);
	take_rest(c, estimates);
}

static void
method_repet(const Clip *c, float **estimates)
{
	twin_repet_vocals(c->mix, c->count, c->channels, c->rate, estimates[VOCALS]);
	take_rest(c, estimates);
}

static void
method_classical(const Clip *c, float **estimates)
{
	SpSeparatorConfig cfg = {c->rate, (int) c->channels, 4, true};
	float *out[4] = {estimates[VOCALS], estimates[DRUMS], estimates[BASS], estimates[OTHER]};
	SpSeparator *s;

	check(sp_classical_new(&env, &cfg, &s));
	check(sp_separator_push(s, c->mix, c->count));
	check(sp_separator_finish(s));
	if (sp_separator_pull(s, out, c->count) != c->count)
		check(SP_ERR_BAD_DATA);
	sp_separator_free(s);
	take_rest(c, estimates);
}

static const struct
{
	const char *name;
	Method run;
} methods[] = {
	{"mixture", method_mixture},
	{"half the mixture", method_half},
	{"two-stage HPSS (twin)", method_hpss},
	{"REPET-SIM (twin)", method_repet},
	{"classical", method_classical},
};

#define METHODS (sizeof(methods) / sizeof(methods[0]))

/* --- the table --------------------------------------------------------------- */

static double
sdr(const float *truth, const float *estimate, size_t n)
{
	double power = 1e-9, error = 1e-9;

	for (size_t i = 0; i < n; i++)
	{
		double d = truth[i] - (double) estimate[i];

		power += truth[i] * (double) truth[i];
		error += d * d;
	}
	return 10 * log10(power / error);
}

static void
score_clip(Score *scores, int set, const Clip *c)
{
	float *estimates[PARTS];

	for (size_t m = 0; m < METHODS; m++)
	{
		for (int p = 0; p < PARTS; p++)
			estimates[p] = twin_alloc(c->count * c->channels, sizeof(float));
		methods[m].run(c, estimates);
		scores[m].clips[set]++;
		for (int p = 0; p < PARTS; p++)
		{
			if (c->truth[p] != NULL)
				scores[m].sum[set][p] += sdr(c->truth[p], estimates[p], c->count * c->channels);
			free(estimates[p]);
		}
	}
}

static double
mean(const Score *s, int set, int part)
{
	return s->sum[set][part] / s->clips[set];
}

static double
mean_of_sets(const Score *s, int part)
{
	return (mean(s, MALLORY, part) + mean(s, MUSIC_DELTA, part) + mean(s, MIR1K, part)) / SETS;
}

static void
print_table(const Score *scores)
{
	printf(
		"| method, SDR in dB | mallory v/a | music_delta v/a | drums | bass | other | mir1k v/a |"
		" mean v/a |\n|---|---|---|---|---|---|---|---|\n");
	for (size_t m = 0; m < METHODS; m++)
	{
		const Score *s = &scores[m];

		printf("| %s | %.2f / %.2f | %.2f / %.2f |", methods[m].name, mean(s, MALLORY, VOCALS),
		       mean(s, MALLORY, ACCOMPANIMENT), mean(s, MUSIC_DELTA, VOCALS),
		       mean(s, MUSIC_DELTA, ACCOMPANIMENT));
		for (int p = DRUMS; p < PARTS; p++)
			if (methods[m].run == method_repet)
				printf(" - |");
			else
				printf(" %.2f |", mean(s, MUSIC_DELTA, p));
		printf(" %.2f / %.2f | %.2f / %.2f |\n", mean(s, MIR1K, VOCALS),
		       mean(s, MIR1K, ACCOMPANIMENT), mean_of_sets(s, VOCALS),
		       mean_of_sets(s, ACCOMPANIMENT));
	}
}

static int
judge(const char *what, double value, double bar, bool at_least)
{
	bool held = at_least ? value >= bar : value <= bar;

	printf("%s: %s %.2f (bar: %s %.2f)\n", held ? "ok" : "MISSED", what, value,
	       at_least ? "at least" : "at most", bar);
	return !held;
}

static int
measure_quality(const char *folder)
{
	static Score scores[METHODS];
	const Score *s = &scores[METHODS - 1];
	char pattern[4096];
	glob_t found;
	Clip c;
	int missed;

	c = load_mallory(folder);
	score_clip(scores, MALLORY, &c);
	free_clip(&c);
	c = load_music_delta(folder);
	score_clip(scores, MUSIC_DELTA, &c);
	free_clip(&c);
	snprintf(pattern, sizeof(pattern), "%s/mir1k/*.flac", folder);
	if (glob(pattern, 0, NULL, &found) != 0)
		exit(2);
	for (size_t i = 0; i < found.gl_pathc; i++)
	{
		c = load_mir1k(found.gl_pathv[i]);
		score_clip(scores, MIR1K, &c);
		free_clip(&c);
	}
	globfree(&found);
	print_table(scores);
	missed = judge("mean vocals", mean_of_sets(s, VOCALS), BAR_VOCALS, true);
	missed += judge("mean accompaniment", mean_of_sets(s, ACCOMPANIMENT), BAR_ACCOMPANIMENT, true);
	for (int p = DRUMS; p <= BASS; p++)
		missed +=
			judge(part_names[p], mean(s, MUSIC_DELTA, p), p == DRUMS ? BAR_DRUMS : BAR_BASS, true);
	return missed;
}

/* --- speed and memory -------------------------------------------------------- */

/* Chords that change every two seconds, a beat of noise, a vibrating voice, panned apart. */
static void
fill_synthetic(float *x, size_t first, size_t count, double rate)
{
	static uint32_t seed = 2463534242u;

	for (size_t i = 0; i < count; i++)
	{
		double t = (double) (first + i) / rate;
		double root = 110 * exp2(fmod(floor(t / 2) * 5, 12) / 12);
		double chord = sin(6.2832 * root * t) + sin(6.2832 * root * 1.5 * t);
		double voice = sin(6.2832 * 330 * t + 4 * sin(6.2832 * 5.5 * t));
		double beat;

		seed ^= seed << 13;
		seed ^= seed >> 17;
		seed ^= seed << 5;
		beat = exp(-30 * fmod(t, 0.5)) * (seed / 2147483648.0 - 1);
		x[2 * i] = (float) (0.15 * chord + 0.2 * voice + 0.3 * beat);
		x[2 * i + 1] = (float) (0.05 * chord + 0.2 * voice + 0.3 * beat);
	}
}

static int
measure_speed(double seconds)
{
	enum
	{
		BLOCK = 16384
	};
	const double rate = 44100;
	SpSeparatorConfig cfg = {44100, 2, 4, true};
	size_t total = (size_t) (seconds * rate);
	size_t period = (size_t) (60 * rate), pulled = 0;
	float *song = twin_alloc(2 * (period + BLOCK), sizeof(float));
	float *block = twin_alloc(4 * 2 * BLOCK, sizeof(float));
	float *out[4];
	double start, spent, before;
	SpSeparator *s;

	for (int k = 0; k < 4; k++)
		out[k] = block + k * 2 * BLOCK;
	fill_synthetic(song, 0, period + BLOCK, rate);
	before = peak_mib();
	start = cpu_seconds();
	check(sp_classical_new(&env, &cfg, &s));
	for (size_t done = 0; done <= total; done += BLOCK)
	{
		size_t count = total - done < BLOCK ? total - done : BLOCK;
		size_t n;

		check(sp_separator_push(s, song + 2 * (done % period), count));
		if (count < BLOCK)
			check(sp_separator_finish(s));
		while ((n = sp_separator_pull(s, out, BLOCK)) > 0)
			pulled += n;
	}
	sp_separator_free(s);
	spent = cpu_seconds() - start;
	printf("\n%.0f s of 44.1 kHz stereo in 4 stems: %.1f s of processor time, %zu of %zu frames\n",
	       seconds, spent, pulled, total);
	free(song);
	free(block);
	return (pulled != total) + judge("times real time", seconds / spent, BAR_SPEED, true) +
	       judge("MiB of the engine", peak_mib() - before, BAR_MEMORY_MIB, false);
}

/* Speed first: peak memory never falls. */
int
main(int argc, char **argv)
{
	int missed;

	if (argc < 2)
	{
		fprintf(stderr, "usage: separation_quality FOLDER [SECONDS]\n");
		return 2;
	}
	missed = measure_speed(argc > 2 ? atof(argv[2]) : 7200);
	fflush(stdout);
	printf("\n");
	missed += measure_quality(argv[1]);
	return missed != 0;
}
