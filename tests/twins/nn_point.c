/*
 * tests/twins/nn_point.c
 *	  Naive activations, normalisation, softmax, bf16; a head of naive layers.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "twins/nn_point.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "twins/nn_conv.h"

double
twin_activate(SpActivation act, double x)
{
	switch (act)
	{
		case SP_ACT_NONE:
			return x;
		case SP_ACT_RELU:
			return x > 0 ? x : 0;
		case SP_ACT_LEAKY_RELU:
			return x > 0 ? x : 0.2 * x;
		case SP_ACT_ELU:
			return x > 0 ? x : expm1(x);
		case SP_ACT_SIGMOID:
			return 1 / (1 + exp(-x));
		case SP_ACT_TANH:
			return tanh(x);
	}
	abort();
}

double
twin_point(const SpPointwise *op, size_t c, double x)
{
	double scale = op->scale != NULL ? op->scale[c] : 1;
	double shift = op->scale != NULL ? op->shift[c] : 0;

	if (op->act_first)
		return scale * twin_activate(op->act, x) + shift;
	return twin_activate(op->act, scale * x + shift);
}

double
twin_norm(const float *gamma, const float *beta, const float *mean, const float *variance,
          double epsilon, size_t c, double x)
{
	double g = gamma != NULL ? gamma[c] : 1;

	return g * (x - mean[c]) / sqrt(variance[c] + epsilon) + beta[c];
}

void
twin_softmax(const float *const *logits, size_t stems, size_t n, double *out)
{
	for (size_t i = 0; i < n; i++)
	{
		double sum = 0;

		/* of differences to the first stem, so that large logits do not overflow */
		for (size_t s = 0; s < stems; s++)
			sum += exp((double) logits[s][i] - logits[0][i]);
		for (size_t s = 0; s < stems; s++)
			out[s * n + i] = exp((double) logits[s][i] - logits[0][i]) / sum;
	}
}

float
twin_bf16(float x)
{
	uint32_t bits, low;
	float below, above;
	double down, up;

	memcpy(&bits, &x, sizeof(bits));
	low = bits & 0xFFFF0000u;
	memcpy(&below, &low, sizeof(below)); /* towards zero */
	bits = low + 0x10000u;
	memcpy(&above, &bits, sizeof(above));
	down = fabs((double) x - below);
	/* the neighbour of the largest is where the next one would be */
	up = isinf(above) ? fabs(copysign(0x1p128, x) - x) : fabs((double) above - x);
	if (down != up)
		return down < up ? below : above;
	return (low >> 16 & 1) == 0 ? below : above;
}

/* Value of channel c of the image that the head's transposed convolution reads. */
static double
joined(const SpHeadShape *s, const SpHeadWeights *w, const float *skip, const float *planes,
       size_t y, size_t x, size_t c)
{
	size_t width = (size_t) s->width, skips = (size_t) s->skip_channels;
	size_t ups = (size_t) s->up_channels;
	size_t plane = (y % 2) * 2 + x % 2, pixel = y / 2 * (width / 2) + x / 2;

	if (c < skips)
		return skip[(y * width + x) * skips + c];
	return twin_point(
		&w->up, c - skips,
		planes[(plane * ((size_t) s->height / 2) * (width / 2) + pixel) * ups + c - skips]);
}

/* act(deconv(image)) at pixel (y, x) of an image of twice the size. */
static double
upper(const SpHeadShape *s, const SpHeadWeights *w, const float *skip, const float *planes, int y,
      int x)
{
	int channels = s->skip_channels + s->up_channels;
	double sum = w->deconv_bias;

	for (int iy = 0; iy < s->height; iy++)
		for (int ix = 0; ix < s->width; ix++)
		{
			int ky = y - 2 * iy + 1, kx = x - 2 * ix + 1;

			for (int c = 0; c < channels && ky >= 0 && ky < 5 && kx >= 0 && kx < 5; c++)
				sum += joined(s, w, skip, planes, (size_t) iy, (size_t) ix, (size_t) c) *
				       w->deconv[(ky * 5 + kx) * channels + c];
		}
	return twin_point(&w->act, 0, sum);
}

void
twin_head(const SpHeadShape *s, const SpHeadWeights *w, const float *skip, const float *planes,
          const float *mix, double *out)
{
	int height = 2 * s->height, width = 2 * s->width;
	double *plane = malloc((size_t) height * (size_t) width * sizeof(double));

	if (plane == NULL)
		abort();
	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++)
			plane[y * width + x] = upper(s, w, skip, planes, y, x);
	for (int c = 0; c < 2; c++)
		for (int y = 0; y < height; y++)
			for (int x = 0; x < width; x++)
			{
				size_t at =
					((size_t) c * (size_t) height + (size_t) y) * (size_t) width + (size_t) x;
				double sum = w->conv_bias[c];

				for (int i = 0; i < 16; i++)
				{
					int py = y + 2 * (i / 4) - 3, px = x + 2 * (i % 4) - 3;

					if (py >= 0 && py < height && px >= 0 && px < width)
						sum += plane[py * width + px] * w->conv[2 * i + c];
				}
				out[at] = mix == NULL ? sum : twin_activate(SP_ACT_SIGMOID, sum) * mix[at];
			}
	free(plane);
}
