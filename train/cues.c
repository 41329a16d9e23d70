/*
 * train/cues.c
 *	  The levels of core/stems/cues.h for whole songs in memory.
 *
 * The extension and the training thus share one implementation; native.py
 * builds and loads it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdlib.h>

#include "core/dsp/stft.h"
#include "core/stems/cues.h"

/* The transform of the network: 4096 points and a hop of 1024 at 44.1 kHz. */
#define RATE     44100.0
#define FFT_SIZE 4096
#define HOP      (FFT_SIZE / SP_STFT_OVERLAP)
#define SOURCES  (SP_SOURCES - 1)

typedef struct Work
{
	SpStft *stft;
	SpCues *cues;
	float *frame;      /* [2][FFT_SIZE] samples */
	float *spectra[2]; /* [2 * stride] */
	size_t taken;      /* frames of levels so far */
	size_t count;      /* ... in the end */
	float *levels;     /* [SOURCES][count][bins] */
} Work;

int train_cues(const float *stereo, long frames, float *levels);

static void *
take_memory(void *host, size_t size)
{
	(void) host;
	return malloc(size);
}

static void
give_memory(void *host, void *ptr)
{
	(void) host;
	free(ptr);
}

static const SpEnv env = {take_memory, give_memory, NULL, NULL};

static SpStatus
prepare(Work *w)
{
	SpCuesConfig cfg = {.channels = 2,
	                    .sources = SOURCES,
	                    .bin_hz = RATE / FFT_SIZE,
	                    .frame_s = HOP / RATE,
	                    .window = (size_t) (SP_CUES_WINDOW_S * RATE / HOP)};
	SpStatus st = sp_stft_new(&env, FFT_SIZE, &w->stft);

	if (st != SP_OK)
		return st;
	cfg.bins = sp_stft_bins(w->stft);
	cfg.stride = sp_stft_stride(w->stft);
	w->frame = sp_alloc(&env, 2 * FFT_SIZE, sizeof(float));
	for (int c = 0; c < 2; c++)
		w->spectra[c] = sp_alloc(&env, 2 * cfg.stride, sizeof(float));
	if (w->frame == NULL || w->spectra[0] == NULL || w->spectra[1] == NULL)
		return SP_ERR_NO_MEMORY;
	return sp_cues_new(&env, &cfg, &w->cues);
}

static void
clean_up(Work *w)
{
	sp_stft_free(w->stft);
	sp_cues_free(w->cues);
	sp_free(&env, w->frame);
	sp_free(&env, w->spectra[0]);
	sp_free(&env, w->spectra[1]);
}

static SpStatus
push(Work *w, const float *stereo)
{
	const float *in[2] = {w->frame, w->frame + FFT_SIZE};

	for (size_t i = 0; i < 2 * FFT_SIZE; i++)
		w->frame[i % 2 * FFT_SIZE + i / 2] = stereo[i];
	sp_stft_forward(w->stft, 2, in, w->spectra);
	return sp_cues_push(w->cues, (const float *const *) w->spectra);
}

static SpStatus
take(Work *w)
{
	const size_t bins = sp_stft_bins(w->stft);
	SpStatus st = SP_OK;

	while (st == SP_OK && sp_cues_ready(w->cues) > 0)
	{
		float *rows[SOURCES];

		for (size_t j = 0; j < SOURCES; j++)
			rows[j] = w->levels + (j * w->count + w->taken) * bins;
		st = sp_cues_take(w->cues, rows);
		w->taken++;
	}
	return st;
}

/*
 * 44.1 kHz interleaved stereo -> levels[voice, drums, bass, other][T][2049],
 * where frame t covers the samples from 1024 t on and T = (frames - 4096) /
 * 1024 + 1.  A sine of amplitude a has the level a (plain sums would have
 * 1024 a).  Answers an SpStatus.  Plans a Fourier transform, so not from two
 * threads at once.
 */
int
train_cues(const float *stereo, long frames, float *levels)
{
	Work w = {.levels = levels};
	SpStatus st;

	if (frames < FFT_SIZE)
		return SP_ERR_BAD_ARG;
	w.count = (size_t) (frames - FFT_SIZE) / HOP + 1;
	st = prepare(&w);
	for (size_t t = 0; st == SP_OK && t < w.count; t++)
	{
		st = push(&w, stereo + t * HOP * 2);
		if (st == SP_OK)
			st = take(&w);
	}
	if (st == SP_OK)
	{
		sp_cues_finish(w.cues);
		st = take(&w);
	}
	clean_up(&w);
	return (int) st;
}
