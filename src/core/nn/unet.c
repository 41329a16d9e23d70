/*
 * src/core/nn/unet.c
 *	  A U-Net: its layers, and the way of a patch through them.
 *
 * Between two convolutions lies one pass over memory (pointwise): it
 * normalises, activates, rounds to elements and writes where the next layer
 * reads; the raw output goes straight into its half of the joined image.
 * What is widest, the last two layers, is the head's.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/nn/unet.h"

#include "core/nn/head.h"
#include "core/nn/pointwise.h"
#include "core/nn/vmath.h"
#include "core/sp_simd.h"

#define DEPTH SP_UNET_DEPTH

struct SpUnet
{
	SpNn *nn;
	SpUnetShape shape;
	SpLayer *down[DEPTH];
	SpDeconv *up[DEPTH - 1]; /* the last one is the head's */
	SpHead *head;
	SpPointwise after_down[DEPTH - 1];
	SpPointwise after_up[DEPTH - 1];
	float *affine[2 * DEPTH]; /* what the pointwise operations point to */
};

struct SpUnetRoom
{
	const SpEnv *env;
	void *image;         /* elements: what the next convolution reads */
	void *raw;           /* elements: what a convolution gives */
	void *first;         /* elements: what the outermost gives, kept for the head */
	void *joined[DEPTH]; /* [1 .. DEPTH - 2]: elements of skip and up side by side */
	void *planes;        /* elements: what a transposed convolution gives */
	SpHeadRoom *head;
};

/* Pixels of the output of convolution `level`. */
static size_t
pixels(const SpUnetShape *s, int level)
{
	return (size_t) (s->frames >> (level + 1)) * (size_t) (s->bins >> (level + 1));
}

/* Channels of what transposed convolution `level` reads. */
static int
up_input(const SpUnetShape *s, int level)
{
	return level == 0 ? s->down[DEPTH - 1] : s->down[DEPTH - 1 - level] + s->up[level - 1];
}

static bool
possible(const SpUnetShape *s)
{
	for (int i = 0; i < DEPTH; i++)
		if (s->down[i] < 1 || s->up[i] < 1)
			return false;
	return s->frames > 0 && s->bins > 0 && s->frames % (1 << DEPTH) == 0 &&
	       s->bins % (1 << DEPTH) == 0 && s->up[DEPTH - 1] == 1;
}

SpStatus
sp_unet_new(SpNn *nn, const SpUnetShape *shape, SpUnet **out)
{
	*out = NULL;
	if (!possible(shape))
		return SP_ERR_BAD_ARG;
	*out = sp_calloc(sp_nn_env(nn), 1, sizeof(**out));
	if (*out == NULL)
		return SP_ERR_NO_MEMORY;
	(*out)->nn = nn;
	(*out)->shape = *shape;
	return SP_OK;
}

void
sp_unet_free(SpUnet *net)
{
	if (net == NULL)
		return;
	for (int i = 0; i < DEPTH; i++)
		sp_layer_free(net->down[i]);
	for (int i = 0; i < DEPTH - 1; i++)
		sp_deconv_free(net->up[i]);
	for (int i = 0; i < 2 * DEPTH; i++)
		sp_free(sp_nn_env(net->nn), net->affine[i]);
	sp_head_free(net->head);
	sp_free(sp_nn_env(net->nn), net);
}

/* The operation of a normalisation; *affine keeps its numbers. */
static SpStatus
fold(SpUnet *net, const SpUnetNorm *norm, int channels, SpActivation act, bool act_first,
     float **affine, SpPointwise *out)
{
	size_t n = (size_t) channels;

	*affine = sp_alloc(sp_nn_env(net->nn), 2 * n, sizeof(float));
	if (*affine == NULL)
		return SP_ERR_NO_MEMORY;
	sp_fold_norm(*affine, *affine + n, norm->gamma, norm->beta, norm->mean, norm->variance,
	             norm->epsilon, n);
	*out = (SpPointwise){act, act_first, *affine, *affine + n, sp_nn_precision(net->nn)};
	return SP_OK;
}

SpStatus
sp_unet_set_down(SpUnet *net, int level, const SpUnetBlock *block)
{
	const SpUnetShape *s = &net->shape;
	SpConvShape conv = {
		.in_height = s->frames >> level,
		.in_width = s->bins >> level,
		.in_channels = level == 0 ? 2 : s->down[level - 1],
		.out_height = s->frames >> (level + 1),
		.out_width = s->bins >> (level + 1),
		.out_channels = s->down[level],
		.kernel_height = 5,
		.kernel_width = 5,
		.stride = 2,
		.dilation = 1,
		.pad_top = 1,
		.pad_left = 1,
		.elements_out = true,
	};
	SpStatus st =
		sp_conv_new(net->nn, &conv, block->kernel, SP_KERNEL_HWIO, block->bias, &net->down[level]);

	if (st == SP_OK && level < DEPTH - 1)
		st = fold(net, &block->norm, s->down[level], s->encoder, false, &net->affine[level],
		          &net->after_down[level]);
	return st;
}

SpStatus
sp_unet_set_up(SpUnet *net, int level, const SpUnetBlock *block)
{
	const SpUnetShape *s = &net->shape;
	SpDeconvShape deconv = {
		.in_height = s->frames >> (DEPTH - level),
		.in_width = s->bins >> (DEPTH - level),
		.in_channels = up_input(s, level),
		.out_channels = s->up[level],
		.kernel = 5,
		.crop = 1,
		.elements_out = true,
	};
	SpStatus st = sp_deconv_new(net->nn, &deconv, block->kernel, block->bias, &net->up[level]);

	if (st == SP_OK)
		st = fold(net, &block->norm, s->up[level], s->decoder, true, &net->affine[DEPTH + level],
		          &net->after_up[level]);
	return st;
}

static SpHeadShape
head_shape(const SpNn *nn, const SpUnetShape *s)
{
	return (SpHeadShape){s->frames / 2, s->bins / 2, s->down[0], s->up[DEPTH - 2],
	                     sp_nn_precision(nn)};
}

SpStatus
sp_unet_set_last(SpUnet *net, const SpUnetBlock *up, const SpUnetBlock *mask)
{
	SpHeadShape shape = head_shape(net->nn, &net->shape);
	SpHeadWeights weights = {
		.up = net->after_up[DEPTH - 2],
		.deconv = up->kernel,
		.deconv_bias = up->bias[0],
		.conv = mask->kernel,
		.conv_bias = {mask->bias[0], mask->bias[1]},
	};
	SpStatus st;

	/* the head copies what follows the layer before it */
	if (net->up[DEPTH - 2] == NULL)
		return SP_ERR_BAD_ARG;
	st = fold(net, &up->norm, 1, net->shape.decoder, true, &net->affine[2 * DEPTH - 1],
	          &weights.act);
	return st != SP_OK ? st : sp_head_new(sp_nn_env(net->nn), &shape, &weights, &net->head);
}

/* --- room -------------------------------------------------------------------- */

static size_t
larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

SpStatus
sp_unet_room_new(SpNn *nn, const SpUnetShape *s, SpUnetRoom **out)
{
	const SpEnv *env = sp_nn_env(nn);
	size_t element = sp_nn_element(nn);
	size_t image = (size_t) s->frames * (size_t) s->bins * 2, raw = 0, planes = 0;
	SpUnetRoom *room;
	SpHeadShape head = head_shape(nn, s);
	bool complete;

	*out = NULL;
	if (!possible(s))
		return SP_ERR_BAD_ARG;
	room = sp_calloc(env, 1, sizeof(*room));
	if (room == NULL)
		return SP_ERR_NO_MEMORY;
	room->env = env;
	for (int i = 0; i < DEPTH; i++)
	{
		image = larger(image, pixels(s, i) * (size_t) s->down[i]);
		if (i > 0)
			raw = larger(raw, pixels(s, i) * (size_t) s->down[i]);
		if (i < DEPTH - 1)
			planes = larger(planes, pixels(s, DEPTH - 2 - i) * (size_t) s->up[i]);
	}
	room->image = sp_alloc(env, image, element);
	room->raw = sp_alloc(env, raw, element);
	room->first = sp_alloc(env, pixels(s, 0) * (size_t) s->down[0], element);
	room->planes = sp_alloc(env, planes, element);
	complete = room->image != NULL && room->raw != NULL && room->first != NULL &&
	           room->planes != NULL && sp_head_room_new(env, &head, &room->head) == SP_OK;
	for (int i = 1; i < DEPTH - 1 && complete; i++)
	{
		room->joined[i] =
			sp_alloc(env, pixels(s, i) * (size_t) up_input(s, DEPTH - 1 - i), element);
		complete = room->joined[i] != NULL;
	}
	if (!complete)
	{
		sp_unet_room_free(room);
		return SP_ERR_NO_MEMORY;
	}
	*out = room;
	return SP_OK;
}

void
sp_unet_room_free(SpUnetRoom *room)
{
	if (room == NULL)
		return;
	for (int i = 0; i < DEPTH; i++)
		sp_free(room->env, room->joined[i]);
	sp_free(room->env, room->image);
	sp_free(room->env, room->raw);
	sp_free(room->env, room->first);
	sp_free(room->env, room->planes);
	sp_head_room_free(room->head);
	sp_free(room->env, room);
}

/* --- the way of a patch ------------------------------------------------------ */

SP_CLONES static void
interleave_f32(const float *left, const float *right, size_t n, float *restrict out)
{
	for (size_t i = 0; i < n; i++)
	{
		out[2 * i] = left[i];
		out[2 * i + 1] = right[i];
	}
}

SP_CLONES static void
interleave_bf16(const float *left, const float *right, size_t n, uint16_t *restrict out)
{
	for (size_t i = 0; i < n; i++)
	{
		out[2 * i] = sp_bf16_of(left[i]);
		out[2 * i + 1] = sp_bf16_of(right[i]);
	}
}

/* Both things that become of a raw output: the skip, and the next convolution's input. */
static void
spread(const SpUnet *net, SpUnetRoom *room, int level, const void *raw)
{
	const SpUnetShape *s = &net->shape;
	size_t channels = (size_t) s->down[level];
	SpPixels next = {sp_nn_precision(net->nn), room->image, channels, 0};
	SpPointwise copy = {.from = sp_nn_precision(net->nn)};

	if (level == DEPTH - 1)
		sp_pointwise_run(&copy, raw, pixels(s, level), channels, &next);
	else
		sp_pointwise_run(&net->after_down[level], raw, pixels(s, level), channels, &next);
	if (level > 0 && level < DEPTH - 1)
	{
		SpPixels skip = {sp_nn_precision(net->nn), room->joined[level],
		                 (size_t) up_input(s, DEPTH - 1 - level), 0};

		sp_pointwise_run(&copy, raw, pixels(s, level), channels, &skip);
	}
}

static SpStatus
go_down(const SpUnet *net, SpUnetRoom *room, int worker, const SpStop *stop)
{
	for (int i = 0; i < DEPTH; i++)
	{
		void *raw = i == 0 ? room->first : room->raw;
		SpStatus st = sp_layer_run(net->down[i], worker, room->image, raw);

		if (st != SP_OK)
			return st;
		spread(net, room, i, raw);
		if (sp_stop_asked(stop))
			return SP_ERR_CANCELED;
	}
	return SP_OK;
}

static SpStatus
come_up(const SpUnet *net, SpUnetRoom *room, int worker, const SpStop *stop)
{
	const SpUnetShape *s = &net->shape;

	for (int i = 0; i < DEPTH - 1; i++)
	{
		int level = DEPTH - 1 - i; /* of the input: its size is that of convolution `level` */
		const void *in = i == 0 ? room->image : room->joined[level];
		SpStatus st = sp_deconv_run(net->up[i], worker, in, room->planes);

		if (st != SP_OK)
			return st;
		if (i < DEPTH - 2)
		{
			SpPixels to = {sp_nn_precision(net->nn), room->joined[level - 1],
			               (size_t) up_input(s, i + 1), (size_t) s->down[level - 1]};

			sp_pointwise_join(&net->after_up[i], room->planes, (size_t) (s->frames >> (level + 1)),
			                  (size_t) (s->bins >> (level + 1)), (size_t) s->up[i], &to);
		}
		if (sp_stop_asked(stop))
			return SP_ERR_CANCELED;
	}
	return SP_OK;
}

SpStatus
sp_unet_run(const SpUnet *net, SpUnetRoom *room, int worker, const float *mix, bool logits,
            float *out, const SpStop *stop)
{
	size_t n = (size_t) net->shape.frames * (size_t) net->shape.bins;
	SpStatus st;

	if (sp_nn_precision(net->nn) == SP_PRECISION_BF16)
		interleave_bf16(mix, mix + n, n, room->image);
	else
		interleave_f32(mix, mix + n, n, room->image);
	st = go_down(net, room, worker, stop);
	if (st == SP_OK)
		st = come_up(net, room, worker, stop);
	if (st == SP_OK)
		sp_head_run(net->head, room->head, room->first, room->planes, logits ? NULL : mix, out);
	return st;
}
