/*
 * tests/twins/nn_conv.c
 *	  Naive convolutions, linear layers and LSTMs.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "twins/nn_conv.h"

#include <math.h>
#include <stdlib.h>

static void
add(TwinSum *sum, double term)
{
	sum->value += term;
	sum->size += fabs(term);
}

/* Where a kernel keeps the weight of this tap and pair of channels. */
static size_t
weight_at(const SpConvShape *s, SpKernelLayout layout, int ky, int kx, int in, int out)
{
	if (layout == SP_KERNEL_HWIO)
		return (((size_t) ky * (size_t) s->kernel_width + (size_t) kx) * (size_t) s->in_channels +
		        (size_t) in) *
		           (size_t) s->out_channels +
		       (size_t) out;
	return (((size_t) out * (size_t) s->in_channels + (size_t) in) * (size_t) s->kernel_height +
	        (size_t) ky) *
	           (size_t) s->kernel_width +
	       (size_t) kx;
}

static void
conv_pixel(const SpConvShape *s, const float *weights, SpKernelLayout layout, const float *in,
           int y, int x, int o, TwinSum *sum)
{
	for (int ky = 0; ky < s->kernel_height; ky++)
		for (int kx = 0; kx < s->kernel_width; kx++)
		{
			int iy = y * s->stride + ky * s->dilation - s->pad_top;
			int ix = x * s->stride + kx * s->dilation - s->pad_left;

			if (iy < 0 || iy >= s->in_height || ix < 0 || ix >= s->in_width)
				continue;
			for (int c = 0; c < s->in_channels; c++)
				add(sum, (double) in[((size_t) iy * (size_t) s->in_width + (size_t) ix) *
				                         (size_t) s->in_channels +
				                     (size_t) c] *
				             weights[weight_at(s, layout, ky, kx, c, o)]);
		}
}

void
twin_conv(const SpConvShape *s, const float *weights, SpKernelLayout layout, const float *bias,
          const float *in, TwinSum *out)
{
	for (int y = 0; y < s->out_height; y++)
		for (int x = 0; x < s->out_width; x++)
			for (int o = 0; o < s->out_channels; o++)
			{
				TwinSum sum = {0, 0};

				if (bias != NULL)
					add(&sum, bias[o]);
				conv_pixel(s, weights, layout, in, y, x, o, &sum);
				*out++ = sum;
			}
}

/* Adds what input pixel (y, x) gives to the pixels of the output that its kernel reaches. */
static void
scatter(const SpDeconvShape *s, const float *weights, const float *in, int y, int x, TwinSum *out)
{
	for (int ky = 0; ky < s->kernel; ky++)
		for (int kx = 0; kx < s->kernel; kx++)
		{
			int oy = 2 * y + ky - s->crop, ox = 2 * x + kx - s->crop;

			if (oy < 0 || oy >= 2 * s->in_height || ox < 0 || ox >= 2 * s->in_width)
				continue;
			for (int o = 0; o < s->out_channels; o++)
				for (int c = 0; c < s->in_channels; c++)
					add(&out[((size_t) oy * 2 * (size_t) s->in_width + (size_t) ox) *
					             (size_t) s->out_channels +
					         (size_t) o],
					    (double) in[c] *
					        weights[((size_t) (ky * s->kernel + kx) * (size_t) s->out_channels +
					                 (size_t) o) *
					                    (size_t) s->in_channels +
					                (size_t) c]);
		}
}

void
twin_deconv(const SpDeconvShape *s, const float *weights, const float *bias, const float *in,
            TwinSum *out)
{
	size_t pixels = 4 * (size_t) s->in_height * (size_t) s->in_width;

	for (size_t i = 0; i < pixels * (size_t) s->out_channels; i++)
	{
		out[i] = (TwinSum){0, 0};
		if (bias != NULL)
			add(&out[i], bias[i % (size_t) s->out_channels]);
	}
	for (int y = 0; y < s->in_height; y++)
		for (int x = 0; x < s->in_width; x++)
			scatter(s, weights,
			        in + ((size_t) y * (size_t) s->in_width + (size_t) x) * (size_t) s->in_channels,
			        y, x, out);
}

void
twin_linear(int rows, int in_size, int out_size, const float *weights, const float *bias,
            const float *in, TwinSum *out)
{
	for (int r = 0; r < rows; r++)
		for (int o = 0; o < out_size; o++)
		{
			TwinSum sum = {0, 0};

			if (bias != NULL)
				add(&sum, bias[o]);
			for (int i = 0; i < in_size; i++)
				add(&sum, (double) in[(size_t) r * (size_t) in_size + (size_t) i] *
				              weights[(size_t) o * (size_t) in_size + (size_t) i]);
			*out++ = sum;
		}
}

static double
sigmoid(double x)
{
	return 1.0 / (1.0 + exp(-x));
}

/* One gate's sum at one unit; row is gate * hidden + unit. */
static double
gate(const SpLstmWeights *w, int direction, size_t row, const float *x, size_t in_size,
     const double *h, size_t hidden)
{
	double sum = w->bias[direction][row];

	for (size_t i = 0; i < in_size; i++)
		sum += (double) w->w_in[direction][row * in_size + i] * x[i];
	for (size_t i = 0; i < hidden; i++)
		sum += (double) w->w_rec[direction][row * hidden + i] * h[i];
	return sum;
}

void
twin_lstm(int steps, int in_size, int hidden, const SpLstmWeights *w, const float *in, double *out)
{
	size_t n = (size_t) hidden, width = (size_t) in_size;
	double *h = calloc(3 * n, sizeof(double));
	double *next = h + n, *c = h + 2 * n;

	if (h == NULL)
		abort();
	for (int d = 0; d < 2; d++)
	{
		for (size_t u = 0; u < 3 * n; u++)
			h[u] = 0;
		for (int k = 0; k < steps; k++)
		{
			size_t t = (size_t) (d == 0 ? k : steps - 1 - k);
			const float *x = in + t * width;

			for (size_t u = 0; u < n; u++)
			{
				double i = sigmoid(gate(w, d, u, x, width, h, n));
				double f = sigmoid(gate(w, d, n + u, x, width, h, n));
				double g = tanh(gate(w, d, 2 * n + u, x, width, h, n));
				double o = sigmoid(gate(w, d, 3 * n + u, x, width, h, n));

				c[u] = f * c[u] + i * g;
				next[u] = o * tanh(c[u]);
			}
			for (size_t u = 0; u < n; u++)
				out[t * 2 * n + (size_t) d * n + u] = h[u] = next[u];
		}
	}
	free(h);
}
