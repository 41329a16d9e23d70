/*
 * src/core/nn/deconv.c
 *	  Transposed convolution of stride 2 as four ordinary convolutions.
 *
 * Along one axis, output o = 2 y + parity gathers in[i] * kernel[o - 2 i + crop]:
 * only every second tap, those of crop + parity's own parity.  With i = y + d
 * the tap is parity + crop - 2 d, so each of the two parities is a convolution
 * of stride 1 with half the taps, in reverse (Dumoulin, Visin 2016, section 4).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "core/nn/nn.h"

struct SpDeconv
{
	const SpEnv *env;
	size_t plane;         /* bytes of one parity's output */
	SpLayer *parts[2][2]; /* by parity of row and column */
};

SpPhase
sp_deconv_phase(int kernel, int crop, int parity)
{
	SpPhase phase = {0};
	int centre = parity + crop; /* the tap at d = 0, which may lie beyond the kernel */

	for (int d = centre / 2; centre - 2 * d < kernel; d--)
		phase.first = d;
	for (int tap = centre - 2 * phase.first; tap >= 0; tap -= 2)
		phase.tap[phase.count++] = tap;
	return phase;
}

/* taps[row count][column count][in][out] of weights[kernel][kernel][out][in]: HWIO */
static void
cut(float *taps, const SpDeconvShape *s, const SpPhase *row, const SpPhase *column,
    const float *weights)
{
	size_t in = (size_t) s->in_channels, out = (size_t) s->out_channels;

	for (int i = 0; i < row->count; i++)
		for (int j = 0; j < column->count; j++)
		{
			const float *from =
				weights + (size_t) (row->tap[i] * s->kernel + column->tap[j]) * in * out;
			float *to = taps + (size_t) (i * column->count + j) * in * out;

			for (size_t c = 0; c < in; c++)
				for (size_t o = 0; o < out; o++)
					to[c * out + o] = from[o * in + c];
		}
}

static SpStatus
part_new(SpNn *nn, const SpDeconvShape *s, int py, int px, const float *weights, const float *bias,
         float *taps, SpLayer **out)
{
	SpPhase row = sp_deconv_phase(s->kernel, s->crop, py);
	SpPhase column = sp_deconv_phase(s->kernel, s->crop, px);
	SpConvShape conv = {
		.in_height = s->in_height,
		.in_width = s->in_width,
		.in_channels = s->in_channels,
		.out_height = s->in_height,
		.out_width = s->in_width,
		.out_channels = s->out_channels,
		.kernel_height = row.count,
		.kernel_width = column.count,
		.stride = 1,
		.dilation = 1,
		.pad_top = -row.first,
		.pad_left = -column.first,
		.elements_out = s->elements_out,
	};

	cut(taps, s, &row, &column, weights);
	return sp_conv_new(nn, &conv, taps, SP_KERNEL_HWIO, bias, out);
}

SpStatus
sp_deconv_new(SpNn *nn, const SpDeconvShape *shape, const float *weights, const float *bias,
              SpDeconv **out)
{
	const SpEnv *env = sp_nn_env(nn);
	size_t area = (size_t) (shape->kernel + 1) * (size_t) (shape->kernel + 1) / 4;
	SpDeconv *d;
	float *taps;
	SpStatus st = SP_OK;

	*out = NULL;
	if (shape->in_height < 1 || shape->in_width < 1 || shape->in_channels < 1 ||
	    shape->out_channels < 1 || shape->kernel < 2 || shape->kernel > 16 || shape->crop < 0 ||
	    shape->crop > shape->kernel - 2)
		return SP_ERR_BAD_ARG;
	d = sp_calloc(env, 1, sizeof(*d));
	taps = sp_alloc(env, area * (size_t) shape->in_channels * (size_t) shape->out_channels,
	                sizeof(float));
	if (d == NULL || taps == NULL)
		st = SP_ERR_NO_MEMORY;
	for (int i = 0; i < 4 && st == SP_OK; i++)
		st = part_new(nn, shape, i / 2, i % 2, weights, bias, taps, &d->parts[i / 2][i % 2]);
	sp_free(env, taps);
	if (st != SP_OK)
	{
		if (d != NULL)
			d->env = env;
		sp_deconv_free(d);
		return st;
	}
	d->env = env;
	d->plane = (size_t) shape->in_height * (size_t) shape->in_width * (size_t) shape->out_channels *
	           (shape->elements_out ? sp_nn_element(nn) : sizeof(float));
	*out = d;
	return SP_OK;
}

void
sp_deconv_free(SpDeconv *deconv)
{
	if (deconv == NULL)
		return;
	for (int i = 0; i < 4; i++)
		sp_layer_free(deconv->parts[i / 2][i % 2]);
	sp_free(deconv->env, deconv);
}

SpStatus
sp_deconv_run(const SpDeconv *deconv, int worker, const void *in, void *out)
{
	SpStatus st = SP_OK;

	for (int i = 0; i < 4 && st == SP_OK; i++)
		st = sp_layer_run(deconv->parts[i / 2][i % 2], worker, in,
		                  (char *) out + (size_t) i * deconv->plane);
	return st;
}
