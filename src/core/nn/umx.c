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

#include "core/nn/bilstm.h"
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
	SpBilstm *lstm[SP_UMX_LSTM_LAYERS];
	Affine input;    /* [band] */
	Affine dense[3]; /* by SpUmxDense; [hidden], [hidden], [2][bins] */
};

struct SpUmxRoom
{
	SpNn *nn;
	void *wide;   /* elements [frames][2 band], then [frames][2 hidden] */
	void *narrow; /* elements [frames][hidden] */
	float *sums;  /* [frames][hidden] that a layer gave */
	float *lstm;  /* the LSTM's own */
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
		sp_bilstm_free(net->lstm[i]);
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
	return sp_bilstm_new(net->nn, s->frames, s->hidden, s->hidden / 2, weights, &net->lstm[layer]);
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
	room->narrow = sp_alloc(env, frames * hidden, sp_nn_element(nn));
	room->sums = sp_alloc(env, frames * hidden, sizeof(float));
	room->lstm = sp_alloc(env, sp_bilstm_room(shape->frames, shape->hidden / 2), sizeof(float));
	if (room->wide == NULL || room->narrow == NULL || room->sums == NULL || room->lstm == NULL)
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
	sp_free(env, room->narrow);
	sp_free(env, room->sums);
	sp_free(env, room->lstm);
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

/* room->sums [frames][hidden] as op says, as elements `stride` apart from `offset` on. */
static void
scatter(const SpUmx *net, const SpUmxRoom *room, const SpPointwise *op, void *out, size_t stride,
        size_t offset)
{
	SpPixels to = {sp_nn_precision(net->nn), out, stride, offset};

	sp_pointwise_run(op, room->sums, (size_t) net->shape.frames, (size_t) net->shape.hidden, &to);
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
stopped(SpStatus st, const SpStop *stop)
{
	return st == SP_OK && sp_stop_asked(stop) ? SP_ERR_CANCELED : st;
}

/* From room->narrow through all LSTM layers to room->sums. */
static SpStatus
recur(const SpUmx *net, const SpUmxRoom *room, int worker, const SpStop *stop)
{
	const SpPointwise plain = {.act = SP_ACT_NONE};
	SpStatus st = SP_OK;

	for (int i = 0; i < SP_UMX_LSTM_LAYERS && st == SP_OK; i++)
	{
		if (i > 0)
			scatter(net, room, &plain, room->narrow, (size_t) net->shape.hidden, 0);
		st = sp_bilstm_run(net->lstm[i], worker, room->narrow, room->lstm, room->sums, stop);
		st = stopped(st, stop);
	}
	return st;
}

/* From mix to the LSTM's input and output, side by side in room->wide. */
static SpStatus
encode(const SpUmx *net, const SpUmxRoom *room, int worker, const float *mix, const SpStop *stop)
{
	const Affine *affine = &net->dense[SP_UMX_ENCODE];
	const SpPointwise plain = {.act = SP_ACT_NONE};
	const SpPointwise squash = {.act = SP_ACT_TANH, .scale = affine->scale, .shift = affine->shift};
	size_t hidden = (size_t) net->shape.hidden;
	SpStatus st;

	gather(net, mix, room->wide);
	st = stopped(sp_layer_run(net->encode, worker, room->wide, room->sums), stop);
	if (st != SP_OK)
		return st;
	scatter(net, room, &squash, room->narrow, hidden, 0);
	scatter(net, room, &squash, room->wide, 2 * hidden, 0);
	st = recur(net, room, worker, stop);
	if (st == SP_OK)
		scatter(net, room, &plain, room->wide, 2 * hidden, hidden);
	return st;
}

SpStatus
sp_umx_run(const SpUmx *net, SpUmxRoom *room, int worker, const float *mix, float *out,
           const SpStop *stop)
{
	const Affine *affine = &net->dense[SP_UMX_DECODE], *last = &net->dense[SP_UMX_MASK];
	const SpPointwise rectify = {
		.act = SP_ACT_RELU, .scale = affine->scale, .shift = affine->shift};
	size_t frames = (size_t) net->shape.frames, bins = (size_t) net->shape.bins;
	SpStatus st = encode(net, room, worker, mix, stop);

	if (st == SP_OK)
		st = stopped(sp_layer_run(net->decode, worker, room->wide, room->sums), stop);
	if (st == SP_OK)
		scatter(net, room, &rectify, room->narrow, (size_t) net->shape.hidden, 0);
	for (size_t c = 0; c < 2 && st == SP_OK; c++)
	{
		size_t plane = c * frames * bins;

		st = stopped(sp_layer_run(net->mask[c], worker, room->narrow, out + plane), stop);
		if (st == SP_OK)
			apply_mask(out + plane, mix + plane, last->scale + c * bins, last->shift + c * bins,
			           frames, bins);
	}
	return st;
}
