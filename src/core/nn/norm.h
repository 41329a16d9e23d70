/*
 * src/core/nn/norm.h
 *	  Normalisation over the channels of each pixel, and what stands around it
 *	  between two convolutions, in one pass over memory.
 *
 * Layer normalisation (Ba, Kiros, Hinton 2016): unlike a batch normalisation it
 * depends on the pixel, so it cannot be folded into scale and shift.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_NORM_H
#define SP_NORM_H

#include "core/nn/nn.h"

#define SP_NORM_MAX_CHANNELS 2048

/* y = act(gamma (x - mean) / sqrt(variance + epsilon) + beta), or act(x) where gamma is NULL. */
typedef struct SpNorm
{
	size_t channels; /* 1 .. SP_NORM_MAX_CHANNELS */
	const float *gamma;
	const float *beta;
	float epsilon;
	SpActivation act;
	SpPrecision precision; /* of what it reads and writes */
} SpNorm;

/*
 * out = y(in), plus add where it is not NULL: [pixels][channels] elements each.
 * in and add may be out.
 */
void sp_norm_run(const SpNorm *norm, const void *in, const void *add, size_t pixels, void *out);

/*
 * out = y(shuffled in + add): in[height][width][2][2][channels] becomes an image of
 * twice the height and width, the four of a pixel its rows and columns; add and out are
 * such images, and may be the same.
 */
void sp_norm_run_shuffled(const SpNorm *norm, const void *in, const void *add, size_t height,
                          size_t width, void *out);

#endif /* SP_NORM_H */
