/*
 * tests/unit/neural_check.h
 *	  What the tests of neural separation share: small models of seeded weights,
 *	  and whole songs through them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef NEURAL_CHECK_H
#define NEURAL_CHECK_H

#include "check.h"
#include "spleeter_source.h"

#include "core/stems/neural.h"

#define MAX_STEMS SP_MODEL_MAX_STEMS

/* Filters of a network as deep as the released ones that takes no time. */
static const int neural_filters[6] = {2, 3, 4, 5, 6, 7};

typedef struct NeuralShape
{
	int stems;
	int rate_hz;
	int fft_size; /* four hops */
	int frames;   /* of a patch */
	int bins;
	SpPrecision precision;
	int threads;
} NeuralShape;

/* Patches of 8192 samples. */
static const NeuralShape neural_small = {4, 44100, 512, 64, 192, SP_PRECISION_F32, 2};

/* NULL, and a failed check, when it cannot be made in env.  Release with sp_model_free. */
static inline SpModel *
neural_model(const SpEnv *env, const NeuralShape *shape, const int *filters)
{
	SpleeterSource *weights = spleeter_source(shape->stems, filters);
	SpModelSpec spec = {
		.architecture = &sp_arch_spleeter,
		.sample_rate_hz = shape->rate_hz,
		.fft_size = shape->fft_size,
		.hop = shape->fft_size / 4,
		.frames = shape->frames,
		.bins = shape->bins,
	};
	SpFault fault = {{0}, {0}};
	SpModel *model = NULL;
	SpStatus st = sp_arch_spleeter.resolve(&weights->source, &spec, &fault);

	if (st == SP_OK)
		st = sp_model_load(env, &weights->source, &spec, shape->precision, shape->threads, &model,
		                   &fault);
	CHECK(st == SP_OK);
	free(weights);
	return model;
}

/* The cut of the next push: `block` frames, or with 0 anything from 1 to 5000. */
static inline size_t
neural_cut(size_t block, size_t left)
{
	size_t n = block > 0 ? block : 1 + check_random() % 5000;

	return n < left ? n : left;
}

/* What is ready, behind *got of out[stems][frames][channels]. */
static inline void
neural_drain(SpSeparator *s, const SpNeuralConfig *cfg, float *out, size_t frames, size_t *got)
{
	size_t channels = (size_t) cfg->song.channels, n;

	do
	{
		float *to[MAX_STEMS];

		for (int i = 0; i < cfg->song.stems; i++)
			to[i] = out + ((size_t) i * frames + *got) * channels;
		n = sp_separator_pull(s, to, frames - *got);
		*got += n;
	} while (n > 0 && *got < frames);
}

/*
 * The whole song in blocks, out[stems][frames][channels]; *got frames came out.
 */
static inline SpStatus
neural_song(const SpEnv *env, const SpModel *model, const SpNeuralConfig *cfg, const float *in,
            size_t frames, size_t block, float *out, size_t *got)
{
	SpSeparator *s = NULL;
	SpStatus st = sp_neural_new(env, model, cfg, &s);
	size_t count;

	*got = 0;
	for (size_t done = 0; done < frames && st == SP_OK; done += count)
	{
		count = neural_cut(block, frames - done);
		st = sp_separator_push(s, in + done * (size_t) cfg->song.channels, count);
		if (st == SP_OK)
			neural_drain(s, cfg, out, frames, got);
	}
	if (st == SP_OK)
		st = sp_separator_finish(s);
	if (st == SP_OK)
	{
		neural_drain(s, cfg, out, frames, got);
		st = sp_separator_finish(s);
	}
	if (st == SP_OK && *got == frames)
	{
		float *nowhere[MAX_STEMS] = {NULL};

		CHECK(sp_separator_pull(s, nowhere, 1) == 0);
	}
	sp_separator_free(s);
	return st;
}

/* As many frames as went in, or a failed check.  Release with free(). */
static inline float *
neural_stems(const SpModel *model, const SpNeuralConfig *cfg, const float *in, size_t frames,
             size_t block)
{
	size_t samples = (size_t) cfg->song.stems * frames * (size_t) cfg->song.channels, got;
	float *out = calloc(samples + 1, sizeof(float));

	CHECK(neural_song(&check_env, model, cfg, in, frames, block, out, &got) == SP_OK);
	if (got != frames)
		printf("# %zu frames in, %zu out\n", frames, got);
	CHECK(got == frames);
	return out;
}

/* Noise of every frequency and a slow beat. */
static inline float *
neural_noise(size_t frames, size_t channels)
{
	float *x = calloc(frames * channels + 1, sizeof(float));

	for (size_t i = 0; i < frames * channels; i++)
		x[i] = 0.5f * check_noise() * (i / channels % 9000 < 4000 ? 1.0f : 0.1f);
	return x;
}

/* The largest |sum of the stems - mix|. */
static inline double
neural_sum_error(const float *stems, int count, const float *mix, size_t samples)
{
	double worst = 0.0;

	for (size_t i = 0; i < samples; i++)
	{
		double sum = 0.0;

		for (int s = 0; s < count; s++)
			sum += (double) stems[(size_t) s * samples + i];
		sum = fabs(sum - (double) mix[i]);
		worst = sum <= worst ? worst : isnan(sum) ? INFINITY : sum;
	}
	return worst;
}

#endif /* NEURAL_CHECK_H */
