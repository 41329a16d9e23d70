/*
 * src/core/dsp/stft.c
 *	  One frame of a short-time Fourier transform, and back.
 *
 * Two real channels are the parts of one complex signal, and one transform:
 * FFTW's complex kernels take 3.7 us for both at 4096 samples, its real ones
 * on split arrays took 13 (AVX-512, 2026).  Mono has zeros beside it.  Plans are
 * made with FFTW_ESTIMATE, so that results never depend on planner timing.
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
	float *samples;   /* [size][2] both channels, and ... */
	float *turned;    /* [size][2] ... their transform: the plans' two sides */
	float *split;     /* [2][size] its real and its imaginary parts */
	float *spare;     /* [2 * stride] the second channel of mono */
	fftwf_plan forward;
	fftwf_plan inverse;
};

static SpStatus make_plans(SpStft *s);
static void make_windows(SpStft *s);
static void window_pair(float *out, const float *a, const float *b, const float *window, size_t n);
static void add_pair(float *a, float *b, const float *in, const float *window, size_t n);
static void split_parts(float *re, float *im, const float *in, size_t n);
static void join_parts(float *out, const float *re, const float *im, size_t n);
static void part_channels(const SpStft *s, float *a, float *b);
static void meet_channels(const SpStft *s, const float *a, const float *b);

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
	s->samples = sp_calloc(env, 2 * fft_size, sizeof(float));
	s->turned = sp_calloc(env, 2 * fft_size, sizeof(float));
	s->split = sp_calloc(env, 2 * fft_size, sizeof(float));
	s->spare = sp_calloc(env, 2 * s->stride, sizeof(float));
	if (s->analysis == NULL || s->synthesis == NULL || s->samples == NULL || s->turned == NULL ||
	    s->split == NULL || s->spare == NULL)
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
	sp_free(s->env, s->samples);
	sp_free(s->env, s->turned);
	sp_free(s->env, s->split);
	sp_free(s->env, s->spare);
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
sp_stft_forward(SpStft *s, size_t channels, const float *const *in, float *const *spectra)
{
	size_t pad = s->stride - s->bins;

	if (channels == 1)
		memset(s->spare, 0, s->size * sizeof(float));
	window_pair(s->samples, in[0], channels == 1 ? s->spare : in[1], s->analysis, s->size);
	fftwf_execute(s->forward);
	split_parts(s->split, s->split + s->size, s->turned, s->size);
	part_channels(s, spectra[0], channels == 1 ? s->spare : spectra[1]);
	for (size_t c = 0; c < channels; c++)
	{
		memset(spectra[c] + s->bins, 0, pad * sizeof(float));
		memset(spectra[c] + s->stride + s->bins, 0, pad * sizeof(float));
	}
}

void
sp_stft_inverse_add(SpStft *s, size_t channels, const float *const *spectra, float *const *out)
{
	if (channels == 1)
		memset(s->spare, 0, 2 * s->stride * sizeof(float));
	meet_channels(s, spectra[0], channels == 1 ? s->spare : spectra[1]);
	join_parts(s->turned, s->split, s->split + s->size, s->size);
	fftwf_execute(s->inverse);
	add_pair(out[0], channels == 1 ? s->spare : out[1], s->samples, s->synthesis, s->size);
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

static SpStatus
make_plans(SpStft *s)
{
	fftwf_complex *samples = (fftwf_complex *) s->samples, *turned = (fftwf_complex *) s->turned;
	int n = (int) s->size;

	if (!sp_can_enter_library())
		return SP_ERR_NO_MEMORY;
	s->forward = fftwf_plan_dft_1d(n, samples, turned, FFTW_FORWARD, FFTW_ESTIMATE);
	s->inverse = fftwf_plan_dft_1d(n, turned, samples, FFTW_BACKWARD, FFTW_ESTIMATE);
	return s->forward != NULL && s->inverse != NULL ? SP_OK : SP_ERR_NO_MEMORY;
}

/*
 * Hann's mean is 1/2 and a real sine splits over two bins: 4 / n scales a
 * sine to its amplitude; half of it, as channels are sums of two bins.  Back: FFTW's pair multiplies by n, the overlapping
 * squares by 3/2, so the synthesis window carries 1 / (4 * 3/2).
 */
static void
make_windows(SpStft *s)
{
	for (size_t i = 0; i < s->size; i++)
	{
		double hann = 0.5 - 0.5 * cos(2.0 * M_PI * (double) i / (double) s->size);

		s->analysis[i] = (float) (hann * 2.0 / (double) s->size);
		s->synthesis[i] = (float) (hann / 6.0);
	}
}

SP_CLONES static void
window_pair(float *restrict out, const float *restrict a, const float *restrict b,
            const float *restrict window, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		out[2 * i] = a[i] * window[i];
		out[2 * i + 1] = b[i] * window[i];
	}
}

SP_CLONES static void
add_pair(float *restrict a, float *restrict b, const float *restrict in,
         const float *restrict window, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		a[i] += in[2 * i] * window[i];
		b[i] += in[2 * i + 1] * window[i];
	}
}

SP_CLONES static void
split_parts(float *restrict re, float *restrict im, const float *restrict in, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		re[i] = in[2 * i];
		im[i] = in[2 * i + 1];
	}
}

SP_CLONES static void
join_parts(float *restrict out, const float *restrict re, const float *restrict im, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		out[2 * i] = re[i];
		out[2 * i + 1] = im[i];
	}
}

/* The transform of a + ib is A + iB, and A of a real signal is even, as its conjugate. */
SP_CLONES static void
part_bins(float *restrict a_re, float *restrict a_im, float *restrict b_re, float *restrict b_im,
          const float *restrict re, const float *restrict im, size_t n)
{
	for (size_t k = 1; k < n / 2; k++)
	{
		float re2 = re[n - k], im2 = im[n - k];

		a_re[k] = re[k] + re2;
		a_im[k] = im[k] - im2;
		b_re[k] = im[k] + im2;
		b_im[k] = re2 - re[k];
	}
}

SP_CLONES static void
meet_bins(float *restrict re, float *restrict im, const float *restrict a_re,
          const float *restrict a_im, const float *restrict b_re, const float *restrict b_im,
          size_t n)
{
	for (size_t k = 1; k < n / 2; k++)
	{
		re[k] = a_re[k] - b_im[k];
		im[k] = a_im[k] + b_re[k];
		re[n - k] = a_re[k] + b_im[k];
		im[n - k] = b_re[k] - a_im[k];
	}
}

static void
part_channels(const SpStft *s, float *a, float *b)
{
	const float *re = s->split, *im = s->split + s->size;

	part_bins(a, a + s->stride, b, b + s->stride, re, im, s->size);
	for (size_t k = 0; k <= s->size / 2; k += s->size / 2)
	{
		a[k] = 2.0f * re[k];
		b[k] = 2.0f * im[k];
		a[s->stride + k] = b[s->stride + k] = 0.0f;
	}
}

/* Bins 0 and size / 2 of a real signal are real, whatever a mask made of them. */
static void
meet_channels(const SpStft *s, const float *a, const float *b)
{
	float *re = s->split, *im = s->split + s->size;

	meet_bins(re, im, a, a + s->stride, b, b + s->stride, s->size);
	for (size_t k = 0; k <= s->size / 2; k += s->size / 2)
	{
		re[k] = a[k];
		im[k] = b[k];
	}
}
