/*
 * src/core/nn/masknet.c
 *	  A U-Net of residual stages: its layers, and the way of a patch through them.
 *
 * Every level has one image, which its strided convolution makes, its stages
 * change in place, and the way up adds to.  Between two convolutions lies one pass
 * over memory (norm).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/nn/masknet.h"

#include <string.h>

#include "core/nn/across.h"
#include "core/nn/norm.h"

#define EPSILON 1e-5f /* PyTorch's LayerNorm */

/* A convolution and what follows it. */
typedef struct Block
{
	SpLayer *conv;
	SpNorm norm;
	float *affine; /* gamma and beta */
} Block;

/* Either of the two. */
typedef struct Stage
{
	Block conv;
	SpAcross *across;
} Stage;

struct SpMaskNet
{
	SpNn *nn;
	SpMaskNetShape shape;
	Block down[SP_MASKNET_MAX_LEVELS];
	Block up[SP_MASKNET_MAX_LEVELS - 1];
	Block head;
	Stage stages[SP_MASKNET_MAX_LEVELS][SP_MASKNET_MAX_STAGES];
	int counts[SP_MASKNET_MAX_LEVELS]; /* of stages */
	size_t across_room;                /* floats: of the largest */
};

struct SpMaskNetRoom
{
	const SpEnv *env;
	void *planes;                        /* elements: what comes in */
	void *levels[SP_MASKNET_MAX_LEVELS]; /* elements: a level's image */
	void *raw;                           /* what a convolution gives: elements, the head's floats */
	float *across;
};

static size_t
rows_of(const SpMaskNetShape *s, int level)
{
	return (size_t) (s->frames >> (level + 1));
}

static size_t
columns_of(const SpMaskNetShape *s, int level)
{
	return (size_t) (s->bands >> (level + 1));
}

static size_t
pixels_of(const SpMaskNetShape *s, int level)
{
	return rows_of(s, level) * columns_of(s, level);
}

static bool
possible(const SpMaskNetShape *s)
{
	if (s->levels < 1 || s->levels > SP_MASKNET_MAX_LEVELS || s->in_channels < 1 ||
	    s->out_channels < 1 || s->out_channels > SP_NORM_MAX_CHANNELS || s->frames < 1 ||
	    s->bands < 1 || s->frames % (1 << s->levels) != 0 || s->bands % (1 << s->levels) != 0)
		return false;
	for (int i = 0; i < s->levels; i++)
		if (s->channels[i] < 1 || s->channels[i] > SP_NORM_MAX_CHANNELS)
			return false;
	return true;
}

SpStatus
sp_masknet_new(SpNn *nn, const SpMaskNetShape *shape, SpMaskNet **out)
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

static void
free_block(const SpMaskNet *net, Block *block)
{
	sp_layer_free(block->conv);
	sp_free(sp_nn_env(net->nn), block->affine);
}

void
sp_masknet_free(SpMaskNet *net)
{
	if (net == NULL)
		return;
	for (int i = 0; i < SP_MASKNET_MAX_LEVELS; i++)
	{
		free_block(net, &net->down[i]);
		if (i < SP_MASKNET_MAX_LEVELS - 1)
			free_block(net, &net->up[i]);
		for (int k = 0; k < SP_MASKNET_MAX_STAGES; k++)
		{
			free_block(net, &net->stages[i][k].conv);
			sp_across_free(net->stages[i][k].across);
		}
	}
	free_block(net, &net->head);
	sp_free(sp_nn_env(net->nn), net);
}

/* --- layers ------------------------------------------------------------------ */

static SpStatus
set_norm(const SpMaskNet *net, const SpMaskNetConv *conv, int channels, Block *block)
{
	size_t n = (size_t) channels;

	block->norm = (SpNorm){
		.channels = n,
		.epsilon = EPSILON,
		.act = SP_ACT_LEAKY_RELU,
		.precision = sp_nn_precision(net->nn),
	};
	if (conv->gamma == NULL)
		return SP_OK;
	block->affine = sp_alloc(sp_nn_env(net->nn), 2 * n, sizeof(float));
	if (block->affine == NULL)
		return SP_ERR_NO_MEMORY;
	memcpy(block->affine, conv->gamma, n * sizeof(float));
	memcpy(block->affine + n, conv->beta, n * sizeof(float));
	block->norm.gamma = block->affine;
	block->norm.beta = block->affine + n;
	return SP_OK;
}

/* A convolution that keeps the level's size, or gives it from the size above with stride 2. */
static SpConvShape
conv_shape(const SpMaskNet *net, int level, int kernel, int stride, int in_channels,
           int out_channels)
{
	int rows = net->shape.frames >> (level + 1), columns = net->shape.bands >> (level + 1);

	return (SpConvShape){
		.in_height = rows * stride,
		.in_width = columns * stride,
		.in_channels = in_channels,
		.out_height = rows,
		.out_width = columns,
		.out_channels = out_channels,
		.kernel_height = kernel,
		.kernel_width = kernel,
		.stride = stride,
		.dilation = 1,
		.pad_top = kernel / 2,
		.pad_left = kernel / 2,
		.elements_out = true,
	};
}

static bool
level_exists(const SpMaskNet *net, int level)
{
	return level >= 0 && level < net->shape.levels;
}

SpStatus
sp_masknet_set_down(SpMaskNet *net, int level, const SpMaskNetConv *conv)
{
	const SpMaskNetShape *s = &net->shape;
	Block *block;
	SpConvShape shape;
	SpStatus st;

	if (!level_exists(net, level) || net->down[level].conv != NULL || conv->kernel % 2 == 0)
		return SP_ERR_BAD_ARG;
	block = &net->down[level];
	shape = conv_shape(net, level, conv->kernel, 2,
	                   level == 0 ? s->in_channels : s->channels[level - 1], s->channels[level]);
	st = sp_conv_new(net->nn, &shape, conv->weights, SP_KERNEL_OIHW, conv->bias, &block->conv);
	return st != SP_OK ? st : set_norm(net, conv, s->channels[level], block);
}

SpStatus
sp_masknet_add_conv(SpMaskNet *net, int level, const SpMaskNetConv *conv)
{
	int channels;
	Block *block;
	SpConvShape shape;
	SpStatus st;

	if (!level_exists(net, level) || net->counts[level] == SP_MASKNET_MAX_STAGES ||
	    conv->kernel % 2 == 0)
		return SP_ERR_BAD_ARG;
	block = &net->stages[level][net->counts[level]++].conv;
	channels = net->shape.channels[level];
	shape = conv_shape(net, level, conv->kernel, 1, channels, channels);
	st = sp_conv_new(net->nn, &shape, conv->weights, SP_KERNEL_OIHW, conv->bias, &block->conv);
	return st != SP_OK ? st : set_norm(net, conv, channels, block);
}

SpStatus
sp_masknet_add_across(SpMaskNet *net, int level, const SpMaskNetAcross *a)
{
	SpAcrossShape shape;
	size_t room;

	if (!level_exists(net, level) || net->counts[level] == SP_MASKNET_MAX_STAGES)
		return SP_ERR_BAD_ARG;
	shape = (SpAcrossShape){(int) columns_of(&net->shape, level), a->narrow, SP_ACT_LEAKY_RELU};
	room = sp_across_room(shape.width, shape.narrow);
	if (room > net->across_room)
		net->across_room = room;
	return sp_across_new(net->nn, &shape, a->inwards, a->in_bias, a->outwards, a->out_bias,
	                     &net->stages[level][net->counts[level]++].across);
}

/*
 * PyTorch's pixel shuffle takes pixel (i, j) of channel c from output 4 c + 2 i + j.
 * Here the two rows i lie side by side; in each of them either the channels of a pixel
 * do, which is how images lie, or the pixels of a channel, for who wants planes.
 */
static SpStatus
shuffled_conv(SpMaskNet *net, const SpConvShape *shape, const SpMaskNetConv *conv, bool planes,
              SpLayer **out)
{
	const SpEnv *env = sp_nn_env(net->nn);
	size_t outs = (size_t) shape->out_channels, channels = outs / 4;
	size_t taps = (size_t) conv->kernel * (size_t) conv->kernel * (size_t) shape->in_channels;
	float *weights = sp_alloc(env, outs * taps, sizeof(float));
	float *bias = sp_alloc(env, outs, sizeof(float));
	SpStatus st = weights == NULL || bias == NULL ? SP_ERR_NO_MEMORY : SP_OK;

	for (size_t o = 0; o < outs && st == SP_OK; o++)
	{
		size_t c = o / 4, i = o / 2 % 2, j = o % 2;
		size_t to = 2 * i * channels + (planes ? 2 * c + j : j * channels + c);

		memcpy(weights + to * taps, conv->weights + o * taps, taps * sizeof(float));
		bias[to] = conv->bias[o];
	}
	if (st == SP_OK)
		st = sp_conv_new(net->nn, shape, weights, SP_KERNEL_OIHW, bias, out);
	sp_free(env, weights);
	sp_free(env, bias);
	return st;
}

SpStatus
sp_masknet_set_up(SpMaskNet *net, int level, const SpMaskNetConv *conv)
{
	const int *channels = net->shape.channels;
	SpConvShape shape;
	SpStatus st;

	if (!level_exists(net, level + 1) || level < 0 || net->up[level].conv != NULL ||
	    conv->kernel % 2 == 0)
		return SP_ERR_BAD_ARG;
	shape = conv_shape(net, level + 1, conv->kernel, 1, channels[level + 1], 4 * channels[level]);
	st = shuffled_conv(net, &shape, conv, false, &net->up[level].conv);
	return st != SP_OK ? st : set_norm(net, conv, channels[level], &net->up[level]);
}

SpStatus
sp_masknet_set_head(SpMaskNet *net, const SpMaskNetConv *conv)
{
	SpConvShape shape =
		conv_shape(net, 0, conv->kernel, 1, net->shape.channels[0], 4 * net->shape.out_channels);

	if (net->head.conv != NULL || conv->kernel % 2 == 0)
		return SP_ERR_BAD_ARG;
	shape.elements_out = false;
	return shuffled_conv(net, &shape, conv, true, &net->head.conv);
}

/* --- rooms ------------------------------------------------------------------- */

/* Bytes of the largest thing that a convolution gives. */
static size_t
raw_size(const SpMaskNet *net)
{
	const SpMaskNetShape *s = &net->shape;
	size_t element = sp_nn_element(net->nn);
	size_t most = pixels_of(s, 0) * 4 * (size_t) s->out_channels * sizeof(float);

	for (int i = 0; i < s->levels; i++)
	{
		size_t same = pixels_of(s, i) * (size_t) s->channels[i] * element;
		size_t up = i == 0 ? 0 : pixels_of(s, i) * 4 * (size_t) s->channels[i - 1] * element;

		most = same > most ? same : most;
		most = up > most ? up : most;
	}
	return most;
}

SpStatus
sp_masknet_room_new(const SpMaskNet *net, SpMaskNetRoom **out)
{
	const SpMaskNetShape *s = &net->shape;
	const SpEnv *env = sp_nn_env(net->nn);
	size_t element = sp_nn_element(net->nn);
	SpMaskNetRoom *room = sp_calloc(env, 1, sizeof(*room));
	bool whole;

	*out = NULL;
	if (room == NULL)
		return SP_ERR_NO_MEMORY;
	room->env = env;
	room->planes =
		sp_alloc(env, (size_t) s->frames * (size_t) s->bands * (size_t) s->in_channels, element);
	room->raw = sp_alloc(env, raw_size(net), 1);
	/* at least one: an allocation of nothing may be NULL */
	room->across = sp_alloc(env, net->across_room + 1, sizeof(float));
	whole = room->planes != NULL && room->raw != NULL && room->across != NULL;
	for (int i = 0; i < s->levels; i++)
	{
		room->levels[i] = sp_alloc(env, pixels_of(s, i) * (size_t) s->channels[i], element);
		whole = whole && room->levels[i] != NULL;
	}
	if (!whole)
	{
		sp_masknet_room_free(room);
		return SP_ERR_NO_MEMORY;
	}
	*out = room;
	return SP_OK;
}

void
sp_masknet_room_free(SpMaskNetRoom *room)
{
	if (room == NULL)
		return;
	sp_free(room->env, room->planes);
	sp_free(room->env, room->raw);
	sp_free(room->env, room->across);
	for (int i = 0; i < SP_MASKNET_MAX_LEVELS; i++)
		sp_free(room->env, room->levels[i]);
	sp_free(room->env, room);
}

void *
sp_masknet_input(SpMaskNetRoom *room)
{
	return room->planes;
}

/* --- a patch ----------------------------------------------------------------- */

static SpStatus
stopped(SpStatus st, const SpStop *stop)
{
	return st == SP_OK && sp_stop_asked(stop) ? SP_ERR_CANCELED : st;
}

static SpStatus
run_stage(const SpMaskNet *net, const SpMaskNetRoom *room, int worker, int level,
          const Stage *stage)
{
	const SpMaskNetShape *s = &net->shape;
	void *image = room->levels[level];
	SpStatus st = SP_OK;

	if (stage->across != NULL)
		sp_across_run(stage->across, room->across, image, rows_of(s, level),
		              (size_t) s->channels[level]);
	else
	{
		st = sp_layer_run(stage->conv.conv, worker, image, room->raw);
		if (st == SP_OK)
			sp_norm_run(&stage->conv.norm, room->raw, image, pixels_of(s, level), image);
	}
	return st;
}

static SpStatus
go_down(const SpMaskNet *net, const SpMaskNetRoom *room, int worker, int level, const SpStop *stop)
{
	const Block *block = &net->down[level];
	const void *in = level == 0 ? room->planes : room->levels[level - 1];
	SpStatus st = sp_layer_run(block->conv, worker, in, room->raw);

	if (st == SP_OK)
		sp_norm_run(&block->norm, room->raw, NULL, pixels_of(&net->shape, level),
		            room->levels[level]);
	st = stopped(st, stop);
	for (int i = 0; i < net->counts[level] && st == SP_OK; i++)
		st = stopped(run_stage(net, room, worker, level, &net->stages[level][i]), stop);
	return st;
}

static SpStatus
come_up(const SpMaskNet *net, const SpMaskNetRoom *room, int worker, int level)
{
	const Block *block = &net->up[level];
	SpStatus st = sp_layer_run(block->conv, worker, room->levels[level + 1], room->raw);

	if (st == SP_OK)
		sp_norm_run_shuffled(&block->norm, room->raw, room->levels[level],
		                     rows_of(&net->shape, level + 1), columns_of(&net->shape, level + 1),
		                     room->levels[level]);
	return st;
}

SpStatus
sp_masknet_run(const SpMaskNet *net, SpMaskNetRoom *room, int worker, const float **logits,
               const SpStop *stop)
{
	SpStatus st = SP_OK;

	for (int i = 0; i < net->shape.levels && st == SP_OK; i++)
		st = go_down(net, room, worker, i, stop);
	for (int i = net->shape.levels - 2; i >= 0 && st == SP_OK; i--)
		st = stopped(come_up(net, room, worker, i), stop);
	if (st == SP_OK)
		st = stopped(sp_layer_run(net->head.conv, worker, room->levels[0], room->raw), stop);
	*logits = room->raw;
	return st;
}
