/*
 * tests/unit/test_neural_spotai.c
 *	  Separation by a network that refines the cues: whole songs, which come
 *	  20 s late, and everything that may happen to them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "neural_check.h"
#include "spotai_source.h"

#include "core/dsp/stft.h"
#include "core/stems/cues.h"

/* Float rounding of a sum of 4 stems near 1, and of the transforms there and back. */
#define ROUNDING   5e-7
#define TRANSFORMS 5e-6

#define RATE   8000
#define FFT    512
#define HOP    128
#define FRAMES 16 /* of a patch; exact ones begin every 16, others every 14 */

/* A network of 32 bands; flat: one that gives back what it is given. */
static SpModel *
make_model(const SpEnv *env, SpPrecision precision, int threads, bool flat)
{
	SpotaiSource *s = spotai_source(&spotai_tiny);
	SpModelSpec spec = {
		.architecture = &sp_arch_spotai,
		.sample_rate_hz = RATE,
		.frames = FRAMES,
		.bands = {3, {16, 8, 8}, {1, 2, 28}},
	};
	SpFault fault = {.detail = ""};
	SpModel *model = NULL;
	SpStatus st = sp_arch_spotai.resolve(&s->source, &spec, &fault);

	s->flat = flat;
	if (st == SP_OK)
		st = sp_model_load(env, &s->source, &spec, precision, threads, &model, &fault);
	if (env == &check_env)
		CHECK(st == SP_OK);
	free(s);
	return model;
}

static SpNeuralConfig
config(int rate, int channels)
{
	return (SpNeuralConfig){.song = {rate, channels, 4, false}, .extension = SP_EXTEND_AVERAGE};
}

/* --- the same by hand -------------------------------------------------------- */

/* Frame t begins a whole frame before sample t * HOP. */
static void
read_frame(const float *song, size_t samples, size_t t, size_t channel, float *out)
{
	for (size_t i = 0; i < FFT; i++)
	{
		size_t at = t * HOP + i;

		out[i] = at >= FFT && at - FFT < samples ? song[2 * (at - FFT) + channel] : 0.0f;
	}
}

/* What the flat network makes of four levels at the bins of a band: shares, a little less steep. */
static void
flat_masks(float levels[4][264], float masks[4][264])
{
	static const size_t firsts[33] = {0,  1,  2,  3,  4,  5,   6,   7,   8,   9,   10,
	                                  11, 12, 13, 14, 15, 16,  18,  20,  22,  24,  26,
	                                  28, 30, 32, 60, 88, 116, 144, 172, 200, 228, 257};
	double values[4][32];

	for (size_t b = 0; b < 32; b++)
	{
		double sums[4] = {0}, total = 0;

		for (size_t s = 0; s < 4; s++)
		{
			for (size_t i = firsts[b]; i < firsts[b + 1]; i++)
				sums[s] += pow(levels[s][i], 1.5);
			total += sums[s];
		}
		for (size_t s = 0; s < 4; s++)
			values[s][b] = ((total > 0 ? sums[s] / total : 0.25) + 0.02) / 1.08;
	}
	for (size_t i = 0; i < 257; i++)
	{
		double at = (double) i, low, high, share;
		size_t b = 0;

		while (b < 30 && 0.5 * (double) (firsts[b + 1] + firsts[b + 2] - 1) <= at)
			b++;
		low = 0.5 * (double) (firsts[b] + firsts[b + 1] - 1);
		high = 0.5 * (double) (firsts[b + 1] + firsts[b + 2] - 1);
		share = fmin(1, (at - low) / (high - low));
		for (size_t s = 0; s < 4; s++)
			masks[s][i] = (float) ((1 - share) * values[s][b] + share * values[s][b + 1]);
	}
}

static void
add_frame(SpStft *stft, const float *song, size_t samples, size_t t, float masks[4][264],
          float *out)
{
	size_t stride = sp_stft_stride(stft), padded = samples + 2 * FFT + HOP;
	float *spectrum = calloc(4 * stride, sizeof(float)), *part = spectrum + 2 * stride;
	float frame[FFT];

	for (size_t c = 0; c < 2; c++)
	{
		read_frame(song, samples, t, c, frame);
		sp_stft_forward(stft, 1, (const float *[]){frame}, &spectrum);
		for (size_t s = 0; s < 4; s++)
		{
			memset(part, 0, 2 * stride * sizeof(float));
			for (size_t i = 0; i < 257; i++)
			{
				part[i] = masks[s][i] * spectrum[i];
				part[stride + i] = masks[s][i] * spectrum[stride + i];
			}
			sp_stft_inverse_add(stft, 1, (const float *[]){part},
			                    (float *[]){out + (2 * s + c) * padded + t * HOP});
		}
	}
	free(spectrum);
}

/* [4][2][samples + 2 FFT + HOP], FFT samples late: all at once, and frame by frame. */
static float *
separate_by_hand(const float *song, size_t samples)
{
	size_t frames = (samples + FFT + HOP - 1) / HOP, heard = 0;
	float *out = calloc(8 * (samples + 2 * FFT + HOP), sizeof(float)), pair[2][FFT];
	float levels[4][264], masks[4][264];
	float *rows[4] = {levels[0], levels[1], levels[2], levels[3]};
	SpStft *stft = NULL;
	SpCues *cues = NULL;
	SpCuesConfig cfg;
	float *spectra;

	CHECK(sp_stft_new(&check_env, FFT, &stft) == SP_OK);
	cfg = (SpCuesConfig){
		2, 4, 257, sp_stft_stride(stft), (double) RATE / FFT, (double) HOP / RATE, 20 * RATE / HOP};
	CHECK(sp_cues_new(&check_env, &cfg, &cues) == SP_OK);
	spectra = calloc(4 * cfg.stride, sizeof(float));
	for (size_t t = 0; t <= frames; t++)
	{
		float *both[2] = {spectra, spectra + 2 * cfg.stride};

		for (size_t c = 0; c < 2 && t < frames; c++)
			read_frame(song, samples, t, c, pair[c]);
		/* as patches.c transforms them: the cues' decisions turn on the last bit */
		if (t < frames)
			sp_stft_forward(stft, 2, (const float *[]){pair[0], pair[1]}, both);
		if (t < frames)
			CHECK(sp_cues_push(cues, (const float *const *) both) == SP_OK);
		else
			sp_cues_finish(cues);
		while (sp_cues_ready(cues) > 0)
		{
			CHECK(sp_cues_take(cues, rows) == SP_OK);
			flat_masks(levels, masks);
			add_frame(stft, song, samples, heard++, masks, out);
		}
	}
	CHECK(heard == frames);
	free(spectra);
	sp_cues_free(cues);
	sp_stft_free(stft);
	return out;
}

/* Longer than the cues look: spectra, levels and masks of a frame must meet. */
static void
test_by_hand(size_t samples, bool exact)
{
	SpModel *model = make_model(&check_env, SP_PRECISION_F32, 2, true);
	SpNeuralConfig cfg = config(RATE, 2);
	float *song = neural_noise(samples, 2), *want = separate_by_hand(song, samples), *got;
	double worst = 0;

	cfg.exact = exact;
	got = neural_stems(model, &cfg, song, samples, 5000);
	for (size_t s = 0; s < 4; s++)
		for (size_t c = 0; c < 2; c++)
			for (size_t i = 0; i < samples; i++)
				worst = fmax(worst, fabs(got[2 * (s * samples + i) + c] -
				                         want[(2 * s + c) * (samples + 2 * FFT + HOP) + FFT + i]));
	CHECK_NEAR(worst, 0, 2e-5);
	free(song);
	free(want);
	free(got);
	sp_model_free(model);
}

/* --- whatever the network says --------------------------------------------------- */

static void
check_song(const SpModel *model, const SpNeuralConfig *cfg, size_t frames, double tolerance)
{
	size_t channels = (size_t) cfg->song.channels;
	float *mix = neural_noise(frames, channels);
	float *stems = neural_stems(model, cfg, mix, frames, 0);

	CHECK_NEAR(neural_sum_error(stems, 4, mix, frames * channels), 0.0, tolerance);
	free(stems);
	free(mix);
}

/* Around the ends of patches, and shorter than anything. */
static void
test_lengths(const SpModel *model)
{
	static const size_t lengths[] = {1, 127, 128, 512, 5000};
	static const size_t joins[] = {16, 28, 30, 32, 44, 48};
	SpNeuralConfig cfg = config(RATE, 2);

	for (int mode = 0; mode < 4; mode++)
	{
		cfg.exact = mode & 1;
		cfg.song.sum_to_mix = mode & 2;
		for (size_t i = 0; i < sizeof(joins) / sizeof(joins[0]); i++)
			for (size_t d = 0; d < 3; d++)
				check_song(model, &cfg, joins[i] * HOP - FFT + d - 1, TRANSFORMS);
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
			check_song(model, &cfg, lengths[i], TRANSFORMS);
	}
}

/* The cut of the input and the number of threads change no bit. */
static void
test_same(SpPrecision precision)
{
	static const size_t blocks[] = {0, 1, 127, 4096, 100000};
	size_t frames = 20011, bytes = 4 * frames * 2 * sizeof(float);
	float *mix = neural_noise(frames, 2);
	SpNeuralConfig cfg = config(RATE, 2);

	for (int mode = 0; mode < 2; mode++)
	{
		float *first = NULL;

		cfg.wiener = mode & 1;
		for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		{
			SpModel *model = make_model(&check_env, precision, 1 + (int) i % 3, false);
			float *stems = neural_stems(model, &cfg, mix, frames, blocks[i]);

			CHECK(first == NULL || memcmp(stems, first, bytes) == 0);
			if (first == NULL)
				first = stems;
			else
				free(stems);
			sp_model_free(model);
		}
		free(first);
	}
	free(mix);
}

static void
test_rates(const SpModel *model)
{
	static const int rates[] = {8000, 11025, 44100, 48000, 192000};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		for (int channels = 1; channels <= 2; channels++)
		{
			SpNeuralConfig cfg = config(rates[i], channels);

			cfg.song.sum_to_mix = true;
			check_song(model, &cfg, (size_t) rates[i] / 2 + 17, ROUNDING);
			check_song(model, &cfg, 1 + check_random() % 3000, ROUNDING);
		}
}

/* Silence stays silence; what is no number counts as 0. */
static void
test_odd_samples(const SpModel *model)
{
	size_t frames = 20011;
	float *mix = calloc(2 * frames, sizeof(float));
	SpNeuralConfig cfg = config(RATE, 2);

	for (int mode = 0; mode < 4; mode++)
	{
		bool good = true;
		float *stems;

		cfg.wiener = mode & 1;
		for (size_t i = 0; i < 2 * frames && mode & 2; i++)
			mix[i] = i % 5 == 0 ? NAN : i % 7 == 0 ? INFINITY : check_noise();
		stems = neural_stems(model, &cfg, mix, frames, 0);
		for (size_t i = 0; i < 8 * frames; i++)
			good = good && (mode & 2 ? isfinite(stems[i]) : stems[i] == 0.0f);
		CHECK(good);
		free(stems);
	}
	free(mix);
}

/* --- trouble ---------------------------------------------------------------------- */

/* Every allocation of a separation fails once. */
static void
test_no_memory(const SpModel *model)
{
	size_t frames = 9001, got;
	float *mix = neural_noise(frames, 2), *out = calloc(8 * frames, sizeof(float));
	SpNeuralConfig cfg = config(16000, 2);
	SpStatus st;
	long n = 0;

	cfg.song.sum_to_mix = true;
	do
	{
		check_allocs_left = n++;
		st = neural_song(&check_env, model, &cfg, mix, frames, 5000, out, &got);
		CHECK(st == SP_OK || st == SP_ERR_NO_MEMORY);
	} while (st == SP_ERR_NO_MEMORY && n < 1000);
	check_allocs_left = -1;
	CHECK(st == SP_OK && got == frames && n > 50);
	free(out);
	free(mix);
}

/* Stopped at one question after another, and thrown away with threads at work. */
static void
test_cancel(const SpModel *model)
{
	size_t frames = 30011, got;
	float *mix = neural_noise(frames, 2), *out = calloc(8 * frames, sizeof(float));
	SpNeuralConfig cfg = config(RATE, 2);
	SpSeparator *s = NULL;
	SpStatus st;
	long n = 0;

	do
	{
		check_polls_left = n;
		st = neural_song(&check_env, model, &cfg, mix, frames, 5000, out, &got);
		CHECK(st == SP_OK || st == SP_ERR_CANCELED);
		n += 37;
	} while (st == SP_ERR_CANCELED && n < 5000);
	check_polls_left = -1;
	CHECK(st == SP_OK && n > 200);
	for (size_t i = 1; i < frames; i += 4999)
	{
		CHECK(sp_neural_new(&check_env, model, &cfg, &s) == SP_OK);
		CHECK(sp_separator_push(s, mix, i) == SP_OK);
		sp_separator_free(s);
	}
	free(out);
	free(mix);
}

/* Bytes that are lent now, and the most that were. */
typedef struct Ledger
{
	size_t now, peak;
} Ledger;

static void *
ledger_alloc(void *host, size_t size)
{
	Ledger *l = host;
	size_t *block = malloc(size + 64);

	*block = size;
	l->now += size;
	l->peak = l->now > l->peak ? l->now : l->peak;
	return (char *) block + 64;
}

static void
ledger_release(void *host, void *p)
{
	Ledger *l = host;

	if (p == NULL)
		return;
	l->now -= *(size_t *) ((char *) p - 64);
	free((char *) p - 64);
}

static size_t
peak_of(size_t seconds)
{
	Ledger ledger = {0, 0};
	SpEnv env = {ledger_alloc, ledger_release, NULL, &ledger};
	SpModel *model = make_model(&env, SP_PRECISION_F32, 2, false);
	SpNeuralConfig cfg = config(RATE, 2);
	float *mix = neural_noise(RATE, 2), *nowhere[MAX_STEMS] = {NULL};
	size_t got = 0, n;
	SpSeparator *s = NULL;

	cfg.song.sum_to_mix = true;
	CHECK(sp_neural_new(&env, model, &cfg, &s) == SP_OK);
	for (size_t i = 0; i <= seconds; i++)
	{
		CHECK((i < seconds ? sp_separator_push(s, mix, RATE) : sp_separator_finish(s)) == SP_OK);
		while ((n = sp_separator_pull(s, nowhere, 4096)) > 0)
			got += n;
	}
	CHECK(got == seconds * RATE);
	sp_separator_free(s);
	sp_model_free(model);
	CHECK(ledger.now == 0);
	free(mix);
	return ledger.peak;
}

static void
test_memory(void)
{
	size_t minute = peak_of(60), longer = peak_of(180);

	printf("# peak of 1 min %zu bytes, of 3 min %zu\n", minute, longer);
	CHECK_NEAR((double) longer / (double) minute, 1.0, 0.02);
}

int
main(void)
{
	SpModel *model = make_model(&check_env, SP_PRECISION_F32, 2, false);

	test_by_hand(30 * RATE + 17, false);
	test_by_hand(3 * RATE, true);
	test_lengths(model);
	test_same(SP_PRECISION_F32);
	if (sp_nn_cpu_runs_bf16())
		test_same(SP_PRECISION_BF16);
	else
		printf("# SKIP bf16: this CPU has no AVX-512\n");
	test_rates(model);
	test_odd_samples(model);
	test_no_memory(model);
	test_cancel(model);
	test_memory();
	sp_model_free(model);
	return check_report();
}
