/*
 * src/core/nn/pointwise.h
 *	  What happens between convolutions: activation, folded batch
 *	  normalisation, rounding to elements and the move to where the next layer
 *	  reads, in one pass over memory.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_POINTWISE_H
#define SP_POINTWISE_H

#include "core/nn/nn.h"

/*
 * y = act(scale x + shift), or scale act(x) + shift when act_first; scale and
 * shift are [channels] and both NULL or both not.
 */
typedef struct SpPointwise
{
	SpActivation act;
	bool act_first;
	const float *scale;
	const float *shift;
	SpPrecision from; /* what it reads: bf16, or else floats */
} SpPointwise;

/* Where a pass writes: elements of pixels `stride` apart, from element `offset` of each on. */
typedef struct SpPixels
{
	SpPrecision precision;
	void *data;
	size_t stride;
	size_t offset;
} SpPixels;

/* in[pixels][channels] */
void sp_pointwise_run(const SpPointwise *op, const void *in, size_t pixels, size_t channels,
                      const SpPixels *out);

/* x[n] = act(x[n]) */
void sp_activate_all(SpActivation act, float *x, size_t n);

/*
 * The four planes of sp_deconv_run, [2][2][height][width][channels], become
 * one image of twice the height and width.
 */
void sp_pointwise_join(const SpPointwise *op, const void *planes, size_t height, size_t width,
                       size_t channels, const SpPixels *out);

/*
 * Batch normalisation, y = gamma (x - mean) / sqrt(variance + epsilon) + beta, as
 * scale and shift (Ioffe, Szegedy 2015).  Each is [channels]; gamma NULL is 1.
 */
void sp_fold_norm(float *scale, float *shift, const float *gamma, const float *beta,
                  const float *mean, const float *variance, float epsilon, size_t channels);

/* n logits of each of `count` stems in place: their softmax (over the stems, at each place). */
void sp_softmax(float *const *stems, size_t count, size_t n);

#endif /* SP_POINTWISE_H */
