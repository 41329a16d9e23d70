/*
 * tests/unit/test_neural.c
 *	  Separation by a model, whatever the model says: lengths, blocks, rates,
 *	  channels, sums, threads, impossible samples.
 *
 * tests/unit/test_neural_golden.c has the numbers; here only what must hold of
 * any network: frames in are frames out, masks sum to 1, the cut of the input
 * and the number of threads change no bit.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "neural_check.h"

/* Float rounding of a sum of 4 stems near 1, and of the transforms there and back. */
#define ROUNDING   5e-7
#define TRANSFORMS 5e-6

static SpNeuralConfig
config(int rate, int channels, int stems)
{
	return (SpNeuralConfig){
		.song = {rate, channels, stems, false},
		.extension = SP_EXTEND_AVERAGE,
	};
}

/* Shares of all stems sum to 1 at all frequencies, so stems sum to the mix, joins or not. */
static void
check_song(const SpModel *model, const SpNeuralConfig *cfg, size_t frames, double tolerance)
{
	size_t channels = (size_t) cfg->song.channels;
	float *mix = neural_noise(frames, channels);
	float *stems = neural_stems(model, cfg, mix, frames, 0);

	CHECK_NEAR(neural_sum_error(stems, cfg->song.stems, mix, frames * channels), 0.0, tolerance);
	free(stems);
	free(mix);
}

/* Around the ends of patches: exact ones are 64 frames, others begin every 56. */
static void
test_lengths(const SpModel *model)
{
	static const size_t joins[] = {64, 120, 128, 176};
	SpNeuralConfig cfg = config(44100, 2, 4);

	for (int mode = 0; mode < 4; mode++)
	{
		cfg.exact = mode & 1;
		cfg.song.sum_to_mix = mode & 2;
		for (size_t i = 0; i < 4; i++)
			for (size_t d = 0; d < 3; d++)
			{
				check_song(model, &cfg, joins[i] * 128 - 512 + d - 1, TRANSFORMS);
				check_song(model, &cfg, joins[i] * 128 + d - 1, TRANSFORMS);
			}
		check_song(model, &cfg, 1, TRANSFORMS);
		check_song(model, &cfg, 127, TRANSFORMS);
		check_song(model, &cfg, 128, TRANSFORMS);
		check_song(model, &cfg, 512, TRANSFORMS);
	}
}

/* The released transform with a small network: the lengths that people would try. */
static void
test_released_lengths(void)
{
	static const size_t lengths[] = {1, 1023, 1024, 4096, 44100};
	NeuralShape shape = {2, 44100, 4096, 512, 1024, SP_PRECISION_F32, 2};
	SpModel *model = neural_model(&check_env, &shape, neural_filters);
	SpNeuralConfig cfg = config(44100, 2, 2);

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		check_song(model, &cfg, lengths[i], TRANSFORMS);
	sp_model_free(model);
}

/* Nothing in, nothing out; and finish again, and push after it. */
static void
test_empty(const SpModel *model)
{
	SpNeuralConfig cfg = config(48000, 2, 4);
	float *nowhere[MAX_STEMS] = {NULL}, sample[2] = {0, 0};
	SpSeparator *s = NULL;

	CHECK(sp_neural_new(&check_env, model, &cfg, &s) == SP_OK);
	CHECK(sp_separator_pull(s, nowhere, 100) == 0);
	CHECK(sp_separator_finish(s) == SP_OK);
	CHECK(sp_separator_finish(s) == SP_OK);
	CHECK(sp_separator_pull(s, nowhere, 100) == 0);
	CHECK(sp_separator_push(s, sample, 1) == SP_ERR_BAD_ARG);
	sp_separator_free(s);
	sp_separator_free(NULL);
}

static void
test_bad_arguments(const SpModel *model)
{
	SpNeuralConfig bad[] = {config(999, 2, 4), config(384001, 2, 4), config(44100, 0, 4),
	                        config(44100, 3, 4), config(44100, 2, 5)};
	SpSeparator *s = (SpSeparator *) &bad;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		CHECK(sp_neural_new(&check_env, model, &bad[i], &s) == SP_ERR_BAD_ARG);
		CHECK(s == NULL);
	}
}

/* The cut of the input changes nothing. */
static void
test_blocks(const SpModel *model)
{
	static const size_t blocks[] = {0, 1, 127, 4096, 100000};
	size_t frames = 20011, bytes = 4 * frames * 2 * sizeof(float);
	float *mix = neural_noise(frames, 2);
	SpNeuralConfig cfg = config(44100, 2, 4);

	for (int mode = 0; mode < 4; mode++)
	{
		float *whole;

		cfg.exact = mode & 1;
		cfg.song.sum_to_mix = mode & 2;
		whole = neural_stems(model, &cfg, mix, frames, frames);
		for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		{
			float *stems = neural_stems(model, &cfg, mix, frames, blocks[i]);

			CHECK(memcmp(stems, whole, bytes) == 0);
			free(stems);
		}
		free(whole);
	}
	free(mix);
}

/* Nor does the number of threads. */
static void
test_threads(SpPrecision precision)
{
	size_t frames = 20011, bytes = 4 * frames * 2 * sizeof(float);
	float *mix = neural_noise(frames, 2), *first = NULL;
	SpNeuralConfig cfg = config(44100, 2, 4);
	NeuralShape shape = neural_small;

	cfg.wiener = true;
	shape.precision = precision;
	for (shape.threads = 1; shape.threads <= 4; shape.threads *= 2)
	{
		SpModel *model = neural_model(&check_env, &shape, neural_filters);
		float *stems = neural_stems(model, &cfg, mix, frames, 0);

		CHECK(first == NULL || memcmp(stems, first, bytes) == 0);
		if (first == NULL)
			first = stems;
		else
			free(stems);
		sp_model_free(model);
	}
	free(first);
	free(mix);
}

/* With sum_to_mix the last stem is the rest, to the last bits; also of 2 and 5 stems and softmax. */
static void
test_sum(void)
{
	static const int counts[] = {2, 4, 5};
	size_t frames = 20011;
	float *mix = neural_noise(frames, 2);

	for (size_t i = 0; i < 3; i++)
	{
		NeuralShape shape = neural_small;
		SpNeuralConfig cfg = config(44100, 2, counts[i]);
		SpModel *model;

		shape.stems = counts[i];
		model = neural_model(&check_env, &shape, neural_filters);
		for (int mode = 0; mode < 8; mode++)
		{
			float *stems;

			cfg.exact = mode & 1;
			cfg.wiener = mode & 2;
			cfg.extension = mode & 4 ? SP_EXTEND_ZEROS : SP_EXTEND_AVERAGE;
			cfg.song.sum_to_mix = true;
			stems = neural_stems(model, &cfg, mix, frames, 0);
			CHECK_NEAR(neural_sum_error(stems, counts[i], mix, 2 * frames), 0.0, ROUNDING);
			free(stems);
		}
		sp_model_free(model);
	}
	free(mix);
}

/* One channel is the same channel twice. */
static void
test_mono(const SpModel *model)
{
	size_t frames = 20011;
	float *mono = neural_noise(frames, 1), *twice = calloc(2 * frames, sizeof(float));
	SpNeuralConfig cfg = config(44100, 1, 4);

	for (size_t i = 0; i < 2 * frames; i++)
		twice[i] = mono[i / 2];
	for (int mode = 0; mode < 4; mode++)
	{
		float *stems, *pairs;
		double worst = 0.0;

		cfg.wiener = mode & 1;
		cfg.song.sum_to_mix = mode & 2;
		cfg.song.channels = 1;
		stems = neural_stems(model, &cfg, mono, frames, 0);
		cfg.song.channels = 2;
		pairs = neural_stems(model, &cfg, twice, frames, 0);
		for (size_t i = 0; i < 4 * frames; i++)
			worst = fmax(worst, fabs(stems[i] - 0.5 * ((double) pairs[2 * i] + pairs[2 * i + 1])));
		CHECK_NEAR(worst, 0.0, ROUNDING);
		CHECK_NEAR(neural_sum_error(stems, 4, mono, frames), 0.0,
		           cfg.song.sum_to_mix ? ROUNDING
		           : cfg.wiener        ? 1e-2
		                               : TRANSFORMS);
		free(stems);
		free(pairs);
	}
	free(twice);
	free(mono);
}

/* The largest difference from the mix in the middle, where resampling filters are not at an end. */
static double
middle_error(const float *stems, int count, const float *mix, size_t frames)
{
	size_t edge = frames / 10, samples = 2 * (frames - 2 * edge);
	float *middle = calloc((size_t) count * samples, sizeof(float));
	double error;

	for (int s = 0; s < count; s++)
		memcpy(middle + (size_t) s * samples, stems + 2 * ((size_t) s * frames + edge),
		       samples * sizeof(float));
	error = neural_sum_error(middle, count, mix + 2 * edge, samples);
	free(middle);
	return error;
}

/* Songs of other rates than the model's: a tone comes back where it was. */
static void
test_rates(const SpModel *model)
{
	static const int rates[] = {8000, 11025, 22050, 32000, 44100, 48000, 96000, 192000};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		for (int mode = 0; mode < 4; mode++)
		{
			size_t frames = (size_t) rates[i] / 2 + 17;
			float *mix = calloc(2 * frames, sizeof(float)), *stems;
			SpNeuralConfig cfg = config(rates[i], 2, 4);

			cfg.exact = mode & 1;
			cfg.song.sum_to_mix = mode & 2;
			for (size_t n = 0; n < 2 * frames; n++)
				mix[n] = 0.5f * (float) sin(2.0 * M_PI * 440.0 * (double) (n / 2) / rates[i]);
			stems = neural_stems(model, &cfg, mix, frames, 0);
			if (cfg.song.sum_to_mix)
				CHECK_NEAR(neural_sum_error(stems, 4, mix, 2 * frames), 0.0, ROUNDING);
			else
				CHECK_NEAR(middle_error(stems, 4, mix, frames), 0.0, 1e-4);
			free(stems);
			free(mix);
		}
}

/* Every length at rates that make a frame of the song less, or more, than one of the model. */
static void
test_rates_and_lengths(const SpModel *model)
{
	static const int rates[] = {8000, 16000, 48000, 192000};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		for (size_t k = 0; k < 12; k++)
		{
			SpNeuralConfig cfg = config(rates[i], 1, 4);
			size_t frames = k < 6 ? (size_t) 1 << k : 1 + check_random() % 30000;

			cfg.song.sum_to_mix = true;
			check_song(model, &cfg, frames, ROUNDING);
		}
}

static void
test_silence(const SpModel *model)
{
	size_t frames = 20011;
	float *mix = calloc(2 * frames, sizeof(float));
	SpNeuralConfig cfg = config(44100, 2, 4);

	for (int mode = 0; mode < 4; mode++)
	{
		bool silent = true;
		float *stems;

		cfg.exact = mode & 1;
		cfg.wiener = mode & 2;
		stems = neural_stems(model, &cfg, mix, frames, 0);
		for (size_t i = 0; i < 8 * frames; i++)
			silent = silent && stems[i] == 0.0f;
		CHECK(silent);
		free(stems);
	}
	free(mix);
}

/* What is no number counts as 0, what is too large as the limit: nothing spreads. */
static void
test_impossible_samples(const SpModel *model)
{
	static const float values[] = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 1e-40f};
	static const float means[] = {0, 0, 0, 1e4f, -1e4f, 1e-40f};
	size_t frames = 20011, bytes = 4 * frames * 2 * sizeof(float);
	float *mix = neural_noise(frames, 2), *clean = calloc(2 * frames, sizeof(float));

	memcpy(clean, mix, 2 * frames * sizeof(float));
	for (size_t i = 0; i < 60; i++)
	{
		size_t at = check_random() % (2 * frames);

		mix[at] = values[i % 6];
		clean[at] = means[i % 6];
	}
	for (int mode = 0; mode < 8; mode++)
	{
		SpNeuralConfig cfg = config(mode & 4 ? 48000 : 44100, 2, 4);
		float *stems, *wanted;
		bool finite = true;

		cfg.wiener = mode & 1;
		cfg.song.sum_to_mix = mode & 2;
		stems = neural_stems(model, &cfg, mix, frames, 1000);
		wanted = neural_stems(model, &cfg, clean, frames, 1000);
		for (size_t i = 0; i < 8 * frames; i++)
			finite = finite && isfinite(stems[i]);
		CHECK(finite);
		CHECK(memcmp(stems, wanted, bytes) == 0);
		free(stems);
		free(wanted);
	}
	free(clean);
	free(mix);
}

/* A stem that nobody wants is dropped, and the others stay as they are. */
static void
test_dropped_stems(const SpModel *model)
{
	size_t frames = 20011, got = 0, n = 1;
	float *mix = neural_noise(frames, 2), *one = calloc(2 * frames, sizeof(float)), *all;
	SpNeuralConfig cfg = config(44100, 2, 4);
	SpSeparator *s = NULL;

	cfg.song.sum_to_mix = true;
	all = neural_stems(model, &cfg, mix, frames, 0);
	for (int wanted = 0; wanted < 4; wanted += 3)
	{
		got = 0;
		CHECK(sp_neural_new(&check_env, model, &cfg, &s) == SP_OK);
		CHECK(sp_separator_push(s, mix, frames) == SP_OK);
		CHECK(sp_separator_finish(s) == SP_OK);
		for (n = 1; n > 0; got += n)
		{
			float *to[MAX_STEMS] = {NULL};

			to[wanted] = one + 2 * got;
			n = sp_separator_pull(s, to, 777);
		}
		CHECK(got == frames);
		CHECK(memcmp(one, all + (size_t) wanted * 2 * frames, 2 * frames * sizeof(float)) == 0);
		sp_separator_free(s);
	}
	free(all);
	free(one);
	free(mix);
}

int
main(void)
{
	SpModel *model = neural_model(&check_env, &neural_small, neural_filters);

	test_bad_arguments(model);
	test_empty(model);
	test_lengths(model);
	test_released_lengths();
	test_blocks(model);
	test_threads(SP_PRECISION_F32);
	if (sp_nn_cpu_runs_bf16())
		test_threads(SP_PRECISION_BF16);
	else
		printf("# SKIP bf16: this CPU has no AVX-512\n");
	test_sum();
	test_mono(model);
	test_rates(model);
	test_rates_and_lengths(model);
	test_silence(model);
	test_impossible_samples(model);
	test_dropped_stems(model);
	sp_model_free(model);
	return check_report();
}
