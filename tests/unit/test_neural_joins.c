/*
 * tests/unit/test_neural_joins.c
 *	  No click where patches join: what overlapped patches are for.
 *
 * A network says something else about the same sound near the ends of a patch,
 * where it sees nothing beyond them; patches side by side switch from one
 * saying to the other within a frame.  Two ways to see that, hop by hop:
 *
 *	  - a steady sine through a filter with its zero there: x[n+2] - 2 cos(w) x[n+1] +
 *	    x[n] is 0 for the sine, and the sidebands of a gain that moves pass;
 *	  - the song against itself with its patches elsewhere, 100 frames later:
 *	    the difference of both outputs, and its second difference, which is
 *	    what is heard as a click.
 *
 * At joins this energy must not be above what it is elsewhere, on average and at
 * most, but for chance, as loud hops fall where they fall: a fifth of the mean, a
 * quarter of the largest.  In exact mode it is far above, or the test would see
 * nothing.  The network is as deep as Spleeter's, with patches of as many frames,
 * but with a short transform: more joins in less time.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "neural_check.h"

#include <sndfile.h>

#define RATE    44100
#define FFT     512
#define HOP     128
#define FRAMES  512 /* of a patch */
#define SHIFT   100 /* frames */
#define EDGE    32  /* hops at both ends: beginning and ending are changes of their own */
#define TONE_HZ 1000.0

static const int filters[6] = {4, 6, 8, 10, 12, 14};

/* Energies of hops, at joins and elsewhere. */
typedef struct Tally
{
	double sum[2];
	double largest[2];
	size_t hops[2];
} Tally;

static void
count(Tally *t, bool join, double energy)
{
	t->sum[join] += energy;
	t->largest[join] = fmax(t->largest[join], energy);
	t->hops[join]++;
}

/* How much more there is at joins. */
static double
mean_ratio(const Tally *t)
{
	return t->sum[1] / (double) t->hops[1] / (t->sum[0] / (double) t->hops[0]);
}

/*
 * Whether frames of two patches, or frames that are cross-faded, make up hop
 * `hop` of the output.  It lies in four frames, because the song begins
 * behind a whole frame of zeros.
 */
static bool
at_join(size_t hop, bool exact)
{
	size_t first = hop + 1, last = hop + 4;
	size_t overlap = exact ? 0 : FRAMES / 8, advance = FRAMES - overlap;
	size_t join = last / advance * advance;

	if (join == 0)
		return false;
	return exact ? join > first : first < join + overlap;
}

/* sum of (x[i + 2] - c x[i + 1] + x[i])^2 over a hop of both channels; c = 0 only x[i]^2. */
static double
hop_energy(const float *x, double c)
{
	double sum = 0.0;

	for (size_t i = 0; i < 2 * HOP; i++)
	{
		double d = x[i];

		if (c != 0.0)
			d += (double) x[i + 4] - c * (double) x[i + 2];
		sum += d * d;
	}
	return sum;
}

static void
judge(const char *what, const Tally *t, bool exact)
{
	double mean = mean_ratio(t), largest = t->largest[1] / t->largest[0];

	printf("# %s, %s: %.2f of the mean energy elsewhere, %.2f of the largest (%zu and %zu hops)\n",
	       what, exact ? "exact" : "default", mean, largest, t->hops[1], t->hops[0]);
	if (!exact)
	{
		CHECK(mean <= 1.2);
		CHECK(largest <= 1.25);
	}
}

static float *
separate(const SpModel *model, bool exact, const float *mix, size_t frames)
{
	SpNeuralConfig cfg = {
		.song = {RATE, 2, 2, false},
		.exact = exact,
		.extension = SP_EXTEND_AVERAGE,
	};

	return neural_stems(model, &cfg, mix, frames, 8192);
}

/* The first hops are left out: a song that begins is a change of its own. */
static void
test_sine(const SpModel *model)
{
	size_t frames = 20 * FRAMES * HOP;
	float *mix = calloc(2 * frames, sizeof(float));
	double w = 2.0 * M_PI * TONE_HZ / RATE, ratio[2];

	for (size_t i = 0; i < 2 * frames; i++)
		mix[i] = 0.5f * (float) sin(w * (double) (i / 2));
	for (int exact = 0; exact < 2; exact++)
	{
		float *stems = separate(model, exact, mix, frames);
		Tally tally = {{0}, {0}, {0}};

		for (size_t hop = EDGE; hop < frames / HOP - EDGE; hop++)
			count(&tally, at_join(hop, exact), hop_energy(stems + 2 * hop * HOP, 2.0 * cos(w)));
		judge("steady sine, sidebands", &tally, exact);
		ratio[exact] = mean_ratio(&tally);
		free(stems);
	}
	CHECK(ratio[1] > 1.5 * ratio[0]);
	free(mix);
}

/* What both runs disagree about; behind `lead` hops, where both have begun. */
static void
compare(const float *a, const float *b, size_t frames, bool exact, Tally *plain, Tally *second)
{
	size_t lead = SHIFT + EDGE;
	float *d = calloc(2 * frames, sizeof(float));

	for (size_t i = 0; i < 2 * frames; i++)
		d[i] = a[i] - b[i + 2 * SHIFT * HOP];
	for (size_t hop = lead; hop < frames / HOP - EDGE; hop++)
	{
		bool join = at_join(hop, exact) || at_join(hop + SHIFT, exact);

		count(plain, join, hop_energy(d + 2 * hop * HOP, 0.0));
		count(second, join, hop_energy(d + 2 * hop * HOP, 2.0));
	}
	free(d);
}

static void
test_shifted(const SpModel *model, const char *name, const float *mix, size_t frames)
{
	size_t shift = SHIFT * HOP;
	float *later = calloc(2 * (frames + shift), sizeof(float));
	double ratio[2];
	char what[96];

	memcpy(later + 2 * shift, mix, 2 * frames * sizeof(float));
	for (int exact = 0; exact < 2; exact++)
	{
		float *a = separate(model, exact, mix, frames);
		float *b = separate(model, exact, later, frames + shift);
		Tally plain = {{0}, {0}, {0}}, second = {{0}, {0}, {0}};

		compare(a, b, frames, exact, &plain, &second);
		snprintf(what, sizeof(what), "%s, shifted", name);
		judge(what, &plain, exact);
		snprintf(what, sizeof(what), "%s, shifted, second difference", name);
		judge(what, &second, exact);
		ratio[exact] = mean_ratio(&plain);
		free(a);
		free(b);
	}
	CHECK(ratio[1] > 1.5 * ratio[0]);
	free(later);
}

static void
test_synthetic(const SpModel *model)
{
	size_t frames = 20 * FRAMES * HOP;
	float *mix = calloc(2 * frames, sizeof(float));

	for (size_t i = 0; i < 2 * frames; i++)
		mix[i] = 0.5f * (float) sin(2.0 * M_PI * TONE_HZ * (double) (i / 2) / RATE);
	test_shifted(model, "steady sine", mix, frames);
	golden_signal(frames, mix);
	test_shifted(model, "synthetic music", mix, frames);
	free(mix);
}

static void
test_music(const SpModel *model)
{
	const char *shared = getenv("SPOTAI_SHARED");
	char path[512];
	SF_INFO info = {0};
	SNDFILE *file;

	snprintf(path, sizeof(path), "%s/data/separation/mallory/mix.mp3",
	         shared ? shared : "../shared");
	file = sf_open(path, SFM_READ, &info);
	if (file == NULL || info.channels != 2)
		printf("# SKIP joins in recorded music: no %s\n", path);
	else
	{
		size_t frames = (size_t) info.frames < 30 * RATE ? (size_t) info.frames : 30 * RATE;
		float *mix = calloc(2 * frames, sizeof(float));

		CHECK((size_t) sf_readf_float(file, mix, (sf_count_t) frames) == frames);
		test_shifted(model, "recorded music", mix, frames);
		free(mix);
	}
	if (file != NULL)
		sf_close(file);
}

int
main(void)
{
	NeuralShape shape = {2, RATE, FFT, FRAMES, 192, SP_PRECISION_F32, 2};
	SpModel *model = neural_model(&check_env, &shape, filters);

	test_sine(model);
	test_synthetic(model);
	test_music(model);
	sp_model_free(model);
	return check_report();
}
