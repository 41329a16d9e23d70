/*
 * src/core/dsp/stft.c
 *	  One frame of a short-time Fourier transform, and back.
 *
 * FFTW's split-array interface does the work.  Plans are made with
 * FFTW_ESTIMATE, so that results never depend on planner timing.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/dsp/stft.h"

#include <fftw3.h>
#include <math.h>
#include <string.h>

#include "core/sp_simd.h"

struct SpStft
{
	const SpEnv *env;
	size_t size;      /* samples in a frame */
	size_t bins;      /* size / 2 + 1 */
	size_t stride;    /* bins rounded up to whole vectors */
	float *analysis;  /* [size] window, with the scale of a spectrum */
	float *synthesis; /* [size] window, with the scale of overlap-add */
	float *frame;     /* [size] the plans' time side */
	fftwf_plan forward;
	fftwf_plan inverse;
};

static SpStatus make_plans(SpStft *s);
static void make_windows(SpStft *s);
static void window_into(float *out, const float *in, const float *window, size_t n);
static void window_add(float *out, const float *in, const float *window, size_t n);

SpStatus
sp_stft_new(const SpEnv *env, size_t fft_size, SpStft **out)
{
	const size_t lanes = SP_ALIGN / sizeof(float);
	SpStft *s;
	SpStatus st = SP_ERR_NO_MEMORY;

	*out = NULL;
	if (fft_size < SP_STFT_MIN_SIZE || fft_size > SP_STFT_MAX_SIZE ||
	    (fft_size & (fft_size - 1)) != 0)
		return SP_ERR_BAD_ARG;
	s = sp_calloc(env, 1, sizeof(*s));
	if (s == NULL)
		return SP_ERR_NO_MEMORY;
	s->env = env;
	s->size = fft_size;
	s->bins = fft_size / 2 + 1;
	s->stride = (s->bins + lanes - 1) / lanes * lanes;
	s->analysis = sp_alloc(env, fft_size, sizeof(float));
	s->synthesis = sp_alloc(env, fft_size, sizeof(float));
	s->frame = sp_calloc(env, fft_size, sizeof(float));
	if (s->analysis == NULL || s->synthesis == NULL || s->frame == NULL)
		goto fail;
	make_windows(s);
	st = make_plans(s);
	if (st != SP_OK)
		goto fail;
	*out = s;
	return SP_OK;
fail:
	sp_stft_free(s);
	return st;
}

void
sp_stft_free(SpStft *s)
{
	if (s == NULL)
		return;
	if (s->forward != NULL)
		fftwf_destroy_plan(s->forward);
	if (s->inverse != NULL)
		fftwf_destroy_plan(s->inverse);
	sp_free(s->env, s->analysis);
	sp_free(s->env, s->synthesis);
	sp_free(s->env, s->frame);
	sp_free(s->env, s);
}

size_t
sp_stft_bins(const SpStft *s)
{
	return s->bins;
}

size_t
sp_stft_stride(const SpStft *s)
{
	return s->stride;
}

void
sp_stft_forward(SpStft *s, const float *in, float *spectrum)
{
	size_t pad = (s->stride - s->bins) * sizeof(float);

	window_into(s->frame, in, s->analysis, s->size);
	fftwf_execute_split_dft_r2c(s->forward, s->frame, spectrum, spectrum + s->stride);
	memset(spectrum + s->bins, 0, pad);
	memset(spectrum + s->stride + s->bins, 0, pad);
}

void
sp_stft_inverse_add(SpStft *s, float *spectrum, float *out)
{
	fftwf_execute_split_dft_c2r(s->inverse, spectrum, spectrum + s->stride, s->frame);
	window_add(out, s->frame, s->synthesis, s->size);
}

size_t
sp_stft_size_for(double sample_rate, double seconds)
{
	long exponent = lround(log2(fmax(1.0, sample_rate * seconds)));
	size_t size = exponent < 30 ? (size_t) 1 << exponent : SP_STFT_MAX_SIZE;

	if (size < SP_STFT_MIN_SIZE)
		return SP_STFT_MIN_SIZE;
	return size > SP_STFT_MAX_SIZE ? SP_STFT_MAX_SIZE : size;
}

/*
 * The plans are made on a spectrum of our own layout, because a split plan
 * may only be executed on arrays of the same alignment and distance.
 */
static SpStatus
make_plans(SpStft *s)
{
	fftwf_iodim dim = {(int) s->size, 1, 1};
	float *spectrum = sp_calloc(s->env, 2 * s->stride, sizeof(float));

	if (spectrum == NULL || !sp_can_enter_library())
	{
		sp_free(s->env, spectrum);
		return SP_ERR_NO_MEMORY;
	}
	s->forward = fftwf_plan_guru_split_dft_r2c(1, &dim, 0, NULL, s->frame, spectrum,
	                                           spectrum + s->stride, FFTW_ESTIMATE);
	s->inverse = fftwf_plan_guru_split_dft_c2r(1, &dim, 0, NULL, spectrum, spectrum + s->stride,
	                                           s->frame, FFTW_ESTIMATE);
	sp_free(s->env, spectrum);
	return s->forward != NULL && s->inverse != NULL ? SP_OK : SP_ERR_NO_MEMORY;
}

/*
 * Hann's mean is 1/2 and a real sine splits over two bins: 4 / n scales a
 * sine to its amplitude.  Back: FFTW's pair multiplies by n, the overlapping
 * squares by 3/2, so the synthesis window carries 1 / (4 * 3/2).
 */
static void
make_windows(SpStft *s)
{
	for (size_t i = 0; i < s->size; i++)
	{
		double hann = 0.5 - 0.5 * cos(2.0 * M_PI * (double) i / (double) s->size);

		s->analysis[i] = (float) (hann * 4.0 / (double) s->size);
		s->synthesis[i] = (float) (hann / 6.0);
	}
}

SP_CLONES static void
window_into(float *restrict out, const float *restrict in, const float *restrict window, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = in[i] * window[i];
}

SP_CLONES static void
window_add(float *restrict out, const float *restrict in, const float *restrict window, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] += in[i] * window[i];
}
