/*
 * src/core/nn/across.h
 *	  Linear maps across the width of an image, the same in every row and channel,
 *	  through a bottleneck and added to what comes in.
 *
 * Where width is frequency, this is how all bands of a frame see each other: a
 * time-distributed layer (Choi, Kim, Chung, Jung, ISMIR 2020).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_ACROSS_H
#define SP_ACROSS_H

#include "core/nn/nn.h"

#define SP_ACROSS_MAX_WIDTH 4096

typedef struct SpAcrossShape
{
	int width;  /* 1 .. SP_ACROSS_MAX_WIDTH, as narrow */
	int narrow; /* of the bottleneck */
	SpActivation act;
} SpAcrossShape;

typedef struct SpAcross SpAcross;

/*
 * x + outwards act(inwards x + in_bias) + out_bias of each column vector x[width];
 * inwards[narrow][width], outwards[width][narrow].  Weights are copied, and
 * stay float in either precision.  SP_ERR_BAD_ARG, SP_ERR_NO_MEMORY.
 */
SpStatus sp_across_new(SpNn *nn, const SpAcrossShape *shape, const float *inwards,
                       const float *in_bias, const float *outwards, const float *out_bias,
                       SpAcross **out);
void sp_across_free(SpAcross *across);

/* Floats that a run needs besides its image. */
size_t sp_across_room(int width, int narrow);

/* image[height][width][channels] of elements, in place. */
void sp_across_run(const SpAcross *across, float *room, void *image, size_t height,
                   size_t channels);

#endif /* SP_ACROSS_H */
