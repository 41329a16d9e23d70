/*
 * src/core/nn/masknet.h
 *	  A U-Net from the planes of a patch to logits, in one pass for all stems.
 *
 * Each level halves rows (time) and columns (frequency) by a strided convolution
 * and has *stages* that keep the size: convolutions that are added to what comes in,
 * and maps across frequency.  On the way up a convolution gives four pixels
 * for one (pixel shuffle; Shi et al., CVPR 2016), to which the level's own output is
 * added.  The last convolution gives logits the same way.  LeakyReLU throughout.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_MASKNET_H
#define SP_MASKNET_H

#include "core/nn/nn.h"
#include "core/sp_pool.h"

#define SP_MASKNET_MAX_LEVELS 6
#define SP_MASKNET_MAX_STAGES 8 /* of a level */

typedef struct SpMaskNetShape
{
	int frames, bands; /* multiples of 2^levels */
	int in_channels;
	int out_channels;
	int levels;
	int channels[SP_MASKNET_MAX_LEVELS]; /* of each level, the largest image first */
} SpMaskNetShape;

/* A convolution as PyTorch has it, [out][in][rows][columns], and the norm behind it. */
typedef struct SpMaskNetConv
{
	int kernel; /* both ways, odd */
	const float *weights;
	const float *bias;
	const float *gamma; /* NULL: no norm */
	const float *beta;
} SpMaskNetConv;

/* Two linear maps across frequency, [out][in] each. */
typedef struct SpMaskNetAcross
{
	int narrow;
	const float *inwards, *in_bias;
	const float *outwards, *out_bias;
} SpMaskNetAcross;

typedef struct SpMaskNet SpMaskNet;

/*
 * An empty network; it runs when every level's down, every up and the head are set.
 * Stages are run in the order in which they are added.  Weights are copied.
 * SP_ERR_BAD_ARG for shapes that cannot be, SP_ERR_NO_MEMORY.
 */
SpStatus sp_masknet_new(SpNn *nn, const SpMaskNetShape *shape, SpMaskNet **out);
void sp_masknet_free(SpMaskNet *net);

/* Level 0 .. levels - 1: from the level above (or the planes) to this one's channels. */
SpStatus sp_masknet_set_down(SpMaskNet *net, int level, const SpMaskNetConv *conv);
SpStatus sp_masknet_add_conv(SpMaskNet *net, int level, const SpMaskNetConv *conv);
SpStatus sp_masknet_add_across(SpMaskNet *net, int level, const SpMaskNetAcross *across);
/* To level 0 .. levels - 2 from the one below it; the convolution has 4 * channels[level] outputs. */
SpStatus sp_masknet_set_up(SpMaskNet *net, int level, const SpMaskNetConv *conv);
/* The last convolution, of 4 * out_channels outputs and no norm. */
SpStatus sp_masknet_set_head(SpMaskNet *net, const SpMaskNetConv *conv);

/* Room for one patch; runs at the same time need one each. */
typedef struct SpMaskNetRoom SpMaskNetRoom;
SpStatus sp_masknet_room_new(const SpMaskNet *net, SpMaskNetRoom **out);
void sp_masknet_room_free(SpMaskNetRoom *room);

/* Where the planes go: elements [frames][bands][in_channels]; a run leaves them as they are. */
void *sp_masknet_input(SpMaskNetRoom *room);

/*
 * The logits of what is in the room, which stay there until it runs again, of
 * each pair of frames and pair of bands, frames first: [frames / 2][bands / 2][2][out_channels][2].
 * stop, which may be NULL, is asked after each layer: SP_ERR_CANCELED.
 */
SpStatus sp_masknet_run(const SpMaskNet *net, SpMaskNetRoom *room, int worker, const float **logits,
                        const SpStop *stop);

#endif /* SP_MASKNET_H */
