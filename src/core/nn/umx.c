/*
 * src/core/nn/umx.c
 *	  Open-Unmix's network: dense, recurrent, dense, dense.
 *
 * The two channels of the last layer are two layers here, so that each writes
 * straight into its plane of the answer and the mask is applied in place.  A
 * patch then needs three small buffers.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/nn/umx.h"

#include <string.h>

#include "core/nn/pointwise.h"
#include "core/sp_simd.h"

/* y = scale x + shift, for each column. */
typedef struct Affine
{
	float *scale;
	float *shift; /* in the same block */
} Affine;

struct SpUmx
{
	SpNn *nn;
	SpUmxShape shape;
	SpLayer *encode, *decode;
	SpLayer *mask[2]; /* left, right */
	SpLayer *lstm[SP_UMX_LSTM_LAYERS];
	Affine input;    /* [band] */
	Affine dense[3]; /* by SpUmxDense; [hidden], [hidden], [2][bins] */
};

struct SpUmxRoom
{
	SpNn *nn;
	void *wide;          /* elements [frames][2 band], then [frames][2 hidden] */
	float *here, *there; /* [frames][hidden] */
};

SpStatus
sp_umx_new(SpNn *nn, const SpUmxShape *shape, SpUmx **out)
{
	SpUmx *net;

	*out = NULL;
	if (shape->frames < 1 || shape->band < 1 || shape->band > shape->bins || shape->hidden < 2 ||
	    shape->hidden % 2 != 0)
		return SP_ERR_BAD_ARG;
	net = sp_calloc(sp_nn_env(nn), 1, sizeof(*net));
	if (net == NULL)
		return SP_ERR_NO_MEMORY;
	net->nn = nn;
	net->shape = *shape;
	*out = net;
	return SP_OK;
}

void
sp_umx_free(SpUmx *net)
{
	const SpEnv *env = net == NULL ? NULL : sp_nn_env(net->nn);

	if (net == NULL)
		return;
	sp_layer_free(net->encode);
	sp_layer_free(net->decode);
	for (int i = 0; i < 2; i++)
		sp_layer_free(net->mask[i]);
	for (int i = 0; i < SP_UMX_LSTM_LAYERS; i++)
		sp_layer_free(net->lstm[i]);
	sp_free(env, net->input.scale);
	for (int i = 0; i < 3; i++)
		sp_free(env, net->dense[i].scale);
	sp_free(env, net);
}

static SpStatus
copy_affine(const SpUmx *net, Affine *to, const float *scale, const float *shift, int columns)
{
	size_t n = (size_t) columns;

	if (to->scale != NULL)
		return SP_ERR_BAD_ARG;
	to->scale = sp_alloc(sp_nn_env(net->nn), 2 * n, sizeof(float));
	if (to->scale == NULL)
		return SP_ERR_NO_MEMORY;
	to->shift = to->scale + n;
	memcpy(to->scale, scale, n * sizeof(float));
	memcpy(to->shift, shift, n * sizeof(float));
	return SP_OK;
}

SpStatus
sp_umx_set_input(SpUmx *net, const float *scale, const float *shift)
{
	return copy_affine(net, &net->input, scale, shift, net->shape.band);
}

SpStatus
sp_umx_set_dense(SpUmx *net, SpUmxDense which, const float *weights, const float *scale,
                 const float *shift)
{
	const SpUmxShape *s = &net->shape;
	int rows = which == SP_UMX_MASK ? 2 * s->bins : s->hidden;
	SpStatus st = copy_affine(net, &net->dense[which], scale, shift, rows);

	if (st != SP_OK)
		return st;
	switch (which)
	{
		case SP_UMX_ENCODE:
			return sp_linear_new(net->nn, s->frames, 2 * s->band, s->hidden, weights, NULL,
			                     &net->encode);
		case SP_UMX_DECODE:
			return sp_linear_new(net->nn, s->frames, 2 * s->hidden, s->hidden, weights, NULL,
			                     &net->decode);
		case SP_UMX_MASK:
			break;
	}
	st = sp_linear_new(net->nn, s->frames, s->hidden, s->bins, weights, NULL, &net->mask[0]);
	return st != SP_OK ? st
	                   : sp_linear_new(net->nn, s->frames, s->hidden, s->bins,
	                                   weights + (size_t) s->bins * (size_t) s->hidden, NULL,
	                                   &net->mask[1]);
}

SpStatus
sp_umx_set_lstm(SpUmx *net, int layer, const SpLstmWeights *weights)
{
	const SpUmxShape *s = &net->shape;

	if (layer < 0 || layer >= SP_UMX_LSTM_LAYERS || net->lstm[layer] != NULL)
		return SP_ERR_BAD_ARG;
	return sp_lstm_new(net->nn, s->frames, s->hidden, s->hidden / 2, weights, &net->lstm[layer]);
}

/* --- rooms ------------------------------------------------------------------- */

SpStatus
sp_umx_room_new(SpNn *nn, const SpUmxShape *shape, SpUmxRoom **out)
{
	const SpEnv *env = sp_nn_env(nn);
	size_t frames = (size_t) shape->frames, hidden = (size_t) shape->hidden;
	size_t width = 2 * (size_t) (shape->band > shape->hidden ? shape->band : shape->hidden);
	SpUmxRoom *room = sp_calloc(env, 1, sizeof(*room));

	*out = NULL;
	if (room == NULL)
		return SP_ERR_NO_MEMORY;
	room->nn = nn;
	room->wide = sp_alloc(env, frames * width, sp_nn_element(nn));
	room->here = sp_alloc(env, frames * hidden, sizeof(float));
	room->there = sp_alloc(env, frames * hidden, sizeof(float));
	if (room->wide == NULL || room->here == NULL || room->there == NULL)
	{
		sp_umx_room_free(room);
		return SP_ERR_NO_MEMORY;
	}
	*out = room;
	return SP_OK;
}

void
sp_umx_room_free(SpUmxRoom *room)
{
	const SpEnv *env = room == NULL ? NULL : sp_nn_env(room->nn);

	if (room == NULL)
		return;
	sp_free(env, room->wide);
	sp_free(env, room->here);
	sp_free(env, room->there);
	sp_free(env, room);
}

/* --- a patch ----------------------------------------------------------------- */

/* The band of mix [2][frames][bins], scaled, as elements [frames][2 band]. */
static void
gather(const SpUmx *net, const float *mix, void *wide)
{
	size_t band = (size_t) net->shape.band, bins = (size_t) net->shape.bins;
	size_t frames = (size_t) net->shape.frames;
	SpPointwise op = {.scale = net->input.scale, .shift = net->input.shift};

	for (size_t c = 0; c < 2; c++)
		for (size_t t = 0; t < frames; t++)
		{
			SpPixels to = {sp_nn_precision(net->nn), wide, 2 * band, (2 * t + c) * band};

			sp_pointwise_run(&op, mix + (c * frames + t) * bins, 1, band, &to);
		}
}

/* in[frames][hidden] behind a dense layer, scaled and activated, as floats or elements. */
static void
activate(const SpUmx *net, SpUmxDense which, SpActivation act, const float *in,
         SpPrecision precision, void *out)
{
	const Affine *affine = &net->dense[which];
	size_t hidden = (size_t) net->shape.hidden;
	SpPointwise op = {.act = act, .scale = affine->scale, .shift = affine->shift};
	SpPixels to = {precision, out, hidden, 0};

	sp_pointwise_run(&op, in, (size_t) net->shape.frames, hidden, &to);
}

/* in[frames][hidden] into the left (0) or right (1) half of elements [frames][2 hidden]. */
static void
join(const SpUmx *net, const float *in, size_t half, void *wide)
{
	size_t hidden = (size_t) net->shape.hidden;
	SpPointwise op = {.act = SP_ACT_NONE};
	SpPixels to = {sp_nn_precision(net->nn), wide, 2 * hidden, half * hidden};

	sp_pointwise_run(&op, in, (size_t) net->shape.frames, hidden, &to);
}

/* One channel: out[frames][bins] holds what the last layer gave, and becomes the estimate. */
SP_CLONES static void
apply_mask(float *restrict out, const float *restrict mix, const float *restrict scale,
           const float *restrict shift, size_t frames, size_t bins)
{
	for (size_t t = 0; t < frames; t++)
		for (size_t f = 0; f < bins; f++)
		{
			float m = scale[f] * out[t * bins + f] + shift[f];

			out[t * bins + f] = (m > 0.0f ? m : 0.0f) * mix[t * bins + f];
		}
}

static SpStatus
run(const SpLayer *layer, int worker, const void *in, float *out, const SpStop *stop)
{
	SpStatus st = sp_layer_run(layer, worker, in, out);

	return st == SP_OK && sp_stop_asked(stop) ? SP_ERR_CANCELED : st;
}

/* From mix to the LSTM's input and output, side by side in room->wide. */
static SpStatus
encode(const SpUmx *net, SpUmxRoom *room, int worker, const float *mix, const SpStop *stop)
{
	float *in = room->there, *out = room->here;
	SpStatus st;

	gather(net, mix, room->wide);
	st = run(net->encode, worker, room->wide, out, stop);
	if (st != SP_OK)
		return st;
	activate(net, SP_UMX_ENCODE, SP_ACT_TANH, out, SP_PRECISION_F32, in);
	join(net, in, 0, room->wide);
	for (int i = 0; i < SP_UMX_LSTM_LAYERS && st == SP_OK; i++)
	{
		float *swap = in;

		st = run(net->lstm[i], worker, in, out, stop);
		in = out;
		out = swap;
	}
	if (st == SP_OK)
		join(net, in, 1, room->wide);
	return st;
}

SpStatus
sp_umx_run(const SpUmx *net, SpUmxRoom *room, int worker, const float *mix, float *out,
           const SpStop *stop)
{
	const Affine *last = &net->dense[SP_UMX_MASK];
	size_t frames = (size_t) net->shape.frames, bins = (size_t) net->shape.bins;
	SpStatus st = encode(net, room, worker, mix, stop);

	if (st == SP_OK)
		st = run(net->decode, worker, room->wide, room->here, stop);
	if (st == SP_OK)
		activate(net, SP_UMX_DECODE, SP_ACT_RELU, room->here, sp_nn_precision(net->nn),
		         room->there);
	for (size_t c = 0; c < 2 && st == SP_OK; c++)
	{
		size_t plane = c * frames * bins;

		st = run(net->mask[c], worker, room->there, out + plane, stop);
		if (st == SP_OK)
			apply_mask(out + plane, mix + plane, last->scale + c * bins, last->shift + c * bins,
			           frames, bins);
	}
	return st;
}
