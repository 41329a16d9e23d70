/*
 * src/core/nn/norm.c
 *	  Normalisation over channels, with sum, activation, rounding and shuffle.
 *
 * A block of pixels is widened to floats that stay in the first cache, and all
 * steps pass over it before it is rounded and written.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/nn/norm.h"

#include <math.h>
#include <string.h>

#include "core/nn/pointwise.h"
#include "core/nn/vmath.h"
#include "core/sp_simd.h"

/* Floats of a block: half of a first cache of 32 kB. */
#define BLOCK 4096

/* Pixels of a block of few channels. */
#define MAX_PIXELS 256

/* Sums of a pixel side by side, so that they vectorise. */
#define LANES 16

SP_CLONES static void
widen(float *restrict x, const uint16_t *restrict in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = sp_of_bf16(in[i]);
}

SP_CLONES static void
add_rounded(float *restrict x, const uint16_t *restrict in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] += sp_of_bf16(in[i]);
}

SP_CLONES static void
add_floats(float *restrict x, const float *restrict in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] += in[i];
}

SP_CLONES static void
round_off(uint16_t *restrict out, const float *restrict x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = sp_bf16_of(x[i]);
}

/* runs of `run` values, `step` apart in `in`, one behind the other */
SP_CLONES static void
widen_runs(float *restrict x, const uint16_t *restrict in, size_t runs, size_t run, size_t step)
{
	for (size_t r = 0; r < runs; r++)
		for (size_t i = 0; i < run; i++)
			x[r * run + i] = sp_of_bf16(in[r * step + i]);
}

/* Half the lanes on the other half, until there is one. */
SP_INLINE float
total(float *restrict lanes)
{
	for (size_t half = LANES / 2; half > 0; half /= 2)
		for (size_t k = 0; k < half; k++)
			lanes[k] += lanes[half + k];
	return lanes[0];
}

/* x -= its mean over channels, and the root of what is then its mean square. */
SP_CLONES static void
centre(float *restrict x, size_t pixels, size_t channels, float epsilon, float *restrict factors)
{
	size_t whole = channels / LANES * LANES;

	for (size_t p = 0; p < pixels; p++, x += channels)
	{
		float sums[LANES] = {0}, squares[LANES] = {0}, mean;

		for (size_t c = 0; c < whole; c += LANES)
			for (size_t k = 0; k < LANES; k++)
				sums[k] += x[c + k];
		for (size_t c = whole; c < channels; c++)
			sums[c - whole] += x[c];
		mean = total(sums) / (float) channels;
		for (size_t c = 0; c < whole; c += LANES)
			for (size_t k = 0; k < LANES; k++)
			{
				x[c + k] -= mean;
				squares[k] += x[c + k] * x[c + k];
			}
		for (size_t c = whole; c < channels; c++)
		{
			x[c] -= mean;
			squares[c - whole] += x[c] * x[c];
		}
		factors[p] = total(squares);
	}
	for (size_t p = 0; p < pixels; p++)
		factors[p] = 1.0f / sqrtf(factors[p] / (float) channels + epsilon);
}

SP_CLONES static void
scale(float *restrict x, size_t pixels, size_t channels, const float *restrict factors,
      const float *restrict gamma, const float *restrict beta)
{
	for (size_t p = 0; p < pixels; p++)
		for (size_t c = 0; c < channels; c++)
			x[p * channels + c] = x[p * channels + c] * factors[p] * gamma[c] + beta[c];
}

static void
normalise(const SpNorm *norm, float *x, size_t pixels)
{
	float factors[MAX_PIXELS];

	if (norm->gamma != NULL)
	{
		centre(x, pixels, norm->channels, norm->epsilon, factors);
		scale(x, pixels, norm->channels, factors, norm->gamma, norm->beta);
	}
	if (norm->act != SP_ACT_NONE)
		sp_activate_all(norm->act, x, pixels * norm->channels);
}

static void
add_elements(const SpNorm *norm, float *x, const void *add, size_t at, size_t n)
{
	if (norm->precision == SP_PRECISION_BF16)
		add_rounded(x, (const uint16_t *) add + at, n);
	else
		add_floats(x, (const float *) add + at, n);
}

static void
store(const SpNorm *norm, void *out, size_t at, const float *x, size_t n)
{
	if (norm->precision == SP_PRECISION_BF16)
		round_off((uint16_t *) out + at, x, n);
	else
		memcpy((float *) out + at, x, n * sizeof(float));
}

static size_t
block_pixels(const SpNorm *norm)
{
	size_t pixels = BLOCK / norm->channels;

	return pixels < MAX_PIXELS ? pixels : MAX_PIXELS;
}

void
sp_norm_run(const SpNorm *norm, const void *in, const void *add, size_t pixels, void *out)
{
	float x[BLOCK];
	size_t most = block_pixels(norm);

	for (size_t done = 0; done < pixels; done += most)
	{
		size_t count = pixels - done < most ? pixels - done : most;
		size_t at = done * norm->channels, n = count * norm->channels;

		if (norm->precision == SP_PRECISION_BF16)
			widen(x, (const uint16_t *) in + at, n);
		else
			memcpy(x, (const float *) in + at, n * sizeof(float));
		normalise(norm, x, count);
		if (add != NULL)
			add_elements(norm, x, add, at, n);
		store(norm, out, at, x, n);
	}
}

/* `pairs` runs of two pixels' channels from the element `at` on, four pixels' channels apart. */
static void
load_pairs(const SpNorm *norm, float *x, const void *in, size_t at, size_t pairs)
{
	size_t run = 2 * norm->channels;

	if (norm->precision == SP_PRECISION_BF16)
		widen_runs(x, (const uint16_t *) in + at, pairs, run, 2 * run);
	else
		for (size_t i = 0; i < pairs; i++)
			memcpy(x + i * run, (const float *) in + at + 2 * i * run, run * sizeof(float));
}

void
sp_norm_run_shuffled(const SpNorm *norm, const void *in, const void *add, size_t height,
                     size_t width, void *out)
{
	float x[BLOCK];
	size_t channels = norm->channels, most = block_pixels(norm) / 2;

	for (size_t row = 0; row < 2 * height; row++)
		for (size_t done = 0; done < width; done += most)
		{
			size_t count = width - done < most ? width - done : most;
			size_t from = (row / 2 * width + done) * 4 * channels + row % 2 * 2 * channels;
			size_t at = (row * width + done) * 2 * channels, n = 2 * count * channels;

			load_pairs(norm, x, in, from, count);
			add_elements(norm, x, add, at, n);
			normalise(norm, x, 2 * count);
			store(norm, out, at, x, n);
		}
}
