/*
 * src/core/nn/head.h
 *	  The last layers of a U-Net, which have one channel and two: transposed
 *	  convolution, activation, normalisation, dilated convolution, mask.
 *
 * A library of convolutions fills its vectors with channels; with one or two of
 * them it wastes most of its work.  Here vectors run along the width, on
 * planar rows, and rows pass through all layers while they are in the
 * cache, so that none of the widest images is ever written to memory.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_HEAD_H
#define SP_HEAD_H

#include "core/nn/pointwise.h"

/*
 * The image that the last transposed convolution reads has height x width
 * pixels of skip_channels + up_channels; the output has twice the height and
 * width, and two channels.  width and height are even; SP_ERR_BAD_ARG otherwise.
 */
typedef struct SpHeadShape
{
	int height, width;
	int skip_channels;
	int up_channels;
	SpPrecision from; /* what skip and planes hold: bf16, or else floats */
} SpHeadShape;

typedef struct SpHeadWeights
{
	SpPointwise up;      /* what follows the convolution that made `planes` */
	const float *deconv; /* [5][5][1][skip + up channels], crop 1, stride 2 */
	float deconv_bias;
	SpPointwise act;   /* what follows it: one channel */
	const float *conv; /* [4][4][1][2], dilation 2, padded by 3 */
	float conv_bias[2];
} SpHeadWeights;

typedef struct SpHead SpHead;
/* Weights are copied, those of the pointwise operations too. */
SpStatus sp_head_new(const SpEnv *env, const SpHeadShape *shape, const SpHeadWeights *weights,
                     SpHead **out);
void sp_head_free(SpHead *head);

/* Where one worker keeps the rows that are on their way; any head of the shape may use it. */
typedef struct SpHeadRoom SpHeadRoom;
SpStatus sp_head_room_new(const SpEnv *env, const SpHeadShape *shape, SpHeadRoom **out);
void sp_head_room_free(SpHeadRoom *room);

/*
 * skip[height][width][skip_channels]; planes as sp_deconv_run leaves them,
 * [2][2][height / 2][width / 2][up_channels].  out[2][2 height][2 width] gets logits,
 * or, when mix (of the same shape) is not NULL, sigmoid(logit) * mix.
 */
void sp_head_run(const SpHead *head, SpHeadRoom *room, const void *skip, const void *planes,
                 const float *mix, float *out);

#endif /* SP_HEAD_H */
