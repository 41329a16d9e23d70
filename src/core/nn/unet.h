/*
 * src/core/nn/unet.h
 *	  A U-Net from magnitudes to magnitudes (Jansson et al., ISMIR 2017), with
 *	  the padding and order of layers of Spleeter's.
 *
 * Six convolutions of 5x5 and stride 2 go down, `same` as TensorFlow pads:
 * one before, two behind.  Each gives its raw output to the way up and its
 * normalised, activated one to the next.  Six transposed convolutions come up,
 * each activated, then normalised, and joined behind the raw output of the
 * convolution of its size.  The deepest raw output goes up as it is.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_UNET_H
#define SP_UNET_H

#include "core/nn/nn.h"
#include "core/sp_pool.h"

#define SP_UNET_DEPTH 6

typedef struct SpUnetShape
{
	int frames, bins;        /* multiples of 2^SP_UNET_DEPTH */
	int down[SP_UNET_DEPTH]; /* channels of convolutions, from the outside in */
	int up[SP_UNET_DEPTH];   /* of transposed ones, from the inside out; the last is 1 */
	SpActivation encoder, decoder;
} SpUnetShape;

/* What a batch normalisation has learnt, [channels] each. */
typedef struct SpUnetNorm
{
	const float *gamma, *beta, *mean, *variance;
	float epsilon;
} SpUnetNorm;

/* One kernel with its bias and the normalisation that follows it. */
typedef struct SpUnetBlock
{
	const float *kernel; /* as TensorFlow has it: HWIO, transposed ones HWOI */
	const float *bias;
	SpUnetNorm norm; /* not read for the deepest convolution and for the last */
} SpUnetBlock;

typedef struct SpUnet SpUnet;

/*
 * An empty network; it runs when all blocks are set, each once, the last after
 * the others.  Weights are copied.  SP_ERR_BAD_ARG, SP_ERR_NO_MEMORY.
 */
SpStatus sp_unet_new(SpNn *nn, const SpUnetShape *shape, SpUnet **out);
SpStatus sp_unet_set_down(SpUnet *net, int level, const SpUnetBlock *block);
SpStatus sp_unet_set_up(SpUnet *net, int level, const SpUnetBlock *block);
/* The last transposed convolution (one channel) and the dilated convolution [4][4][1][2]. */
SpStatus sp_unet_set_last(SpUnet *net, const SpUnetBlock *up, const SpUnetBlock *mask);
void sp_unet_free(SpUnet *net);

/* Room for one patch; each worker has its own, and any network of the shape may use it. */
typedef struct SpUnetRoom SpUnetRoom;
SpStatus sp_unet_room_new(SpNn *nn, const SpUnetShape *shape, SpUnetRoom **out);
void sp_unet_room_free(SpUnetRoom *room);

/*
 * mix and out are planar, [2][frames][bins]; out is sigmoid(mask) * mix, or
 * with `logits` the mask before any sigmoid.  stop, which may be NULL, is
 * asked after each layer: SP_ERR_CANCELED.
 */
SpStatus sp_unet_run(const SpUnet *net, SpUnetRoom *room, int worker, const float *mix, bool logits,
                     float *out, const SpStop *stop);

#endif /* SP_UNET_H */
