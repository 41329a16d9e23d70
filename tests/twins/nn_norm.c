/*
 * tests/twins/nn_norm.c
 *	  Naive normalisation over channels, pixel shuffle, maps across the width.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "twins/nn_norm.h"

#include <math.h>

#include "twins/nn_point.h"

/* act(norm(x + before)) of one pixel; before may be NULL */
static void
pixel(const SpNorm *norm, const float *x, const float *before, double *out)
{
	double mean = 0, variance = 0, n = (double) norm->channels;

	for (size_t c = 0; c < norm->channels; c++)
	{
		out[c] = (double) x[c] + (before != NULL ? before[c] : 0);
		mean += out[c] / n;
	}
	for (size_t c = 0; c < norm->channels; c++)
		variance += (out[c] - mean) * (out[c] - mean) / n;
	for (size_t c = 0; c < norm->channels; c++)
	{
		if (norm->gamma != NULL)
			out[c] = (out[c] - mean) / sqrt(variance + (double) norm->epsilon) * norm->gamma[c] +
			         norm->beta[c];
		out[c] = twin_activate(norm->act, out[c]);
	}
}

void
twin_norm_run(const SpNorm *norm, const float *in, const float *add, size_t pixels, double *out)
{
	for (size_t i = 0; i < pixels; i++)
	{
		pixel(norm, in + i * norm->channels, NULL, out + i * norm->channels);
		for (size_t c = 0; c < norm->channels && add != NULL; c++)
			out[i * norm->channels + c] += add[i * norm->channels + c];
	}
}

void
twin_norm_run_shuffled(const SpNorm *norm, const float *in, const float *add, size_t height,
                       size_t width, double *out)
{
	for (size_t y = 0; y < 2 * height; y++)
		for (size_t x = 0; x < 2 * width; x++)
		{
			size_t to = (y * 2 * width + x) * norm->channels;
			size_t from = ((y / 2 * width + x / 2) * 4 + y % 2 * 2 + x % 2) * norm->channels;

			pixel(norm, in + from, add + to, out + to);
		}
}

/* outwards act(inwards x + in_bias) + out_bias at place v of a column vector */
static double
through(const SpAcrossShape *s, const float *inwards, const float *in_bias, const float *outwards,
        const float *out_bias, const float *x, size_t step, int v)
{
	double y = out_bias[v];

	for (int n = 0; n < s->narrow; n++)
	{
		double sum = in_bias[n];

		for (int u = 0; u < s->width; u++)
			sum += (double) inwards[n * s->width + u] * x[(size_t) u * step];
		y += outwards[v * s->narrow + n] * twin_activate(s->act, sum);
	}
	return y;
}

void
twin_across(const SpAcrossShape *s, const float *inwards, const float *in_bias,
            const float *outwards, const float *out_bias, const float *in, size_t height,
            size_t channels, double *out)
{
	size_t width = (size_t) s->width;

	for (size_t y = 0; y < height; y++)
		for (size_t v = 0; v < width; v++)
			for (size_t c = 0; c < channels; c++)
				out[(y * width + v) * channels + c] =
					in[(y * width + v) * channels + c] +
					through(s, inwards, in_bias, outwards, out_bias, in + y * width * channels + c,
				            channels, (int) v);
}
