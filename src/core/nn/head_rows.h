/*
 * src/core/nn/head_rows.h
 *	  The row kernels of head.c; internal to it.
 *
 * A *packed* row holds its channels one after the other, `pitch` floats apart,
 * each with SP_HEAD_MARGIN zeros before and at least as many behind.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_HEAD_ROWS_H
#define SP_HEAD_ROWS_H

#include "core/nn/pointwise.h"

#define SP_HEAD_TAPS   25
#define SP_HEAD_MARGIN 16

/* Floats from channel to channel of a packed row. */
size_t sp_head_pitch(size_t width);

/* out[channels][SP_HEAD_TAPS] in the order of the kernel, of weights[5][5][channels]. */
void sp_head_order_taps(float *out, const float *weights, size_t channels);

/* in[pixels][channels], turned into a packed row, whose channel 0 begins with its margin at row. */
void sp_head_pack(SpPrecision from, const void *in, size_t pixels, size_t channels, float *row,
                  size_t pitch);

/* op of both, [pixels][channels], turned into one packed row of 2 * pixels columns in turn. */
void sp_head_pack_pair(const SpPointwise *op, const void *even, const void *odd, size_t pixels,
                       size_t channels, float *row, size_t pitch);

typedef struct SpHeadDeconv
{
	const float *rows[3]; /* packed: above, here, below */
	size_t channels;
	size_t pitch;
	size_t width;
	const float *taps;
	float bias;
} SpHeadDeconv;

/* Two rows of 2 * width outputs, after act (one channel); nothing but them is written. */
void sp_head_deconv(const SpHeadDeconv *in, const SpPointwise *act, float *even, float *odd);

/*
 * One row of a 4x4 convolution of dilation 2 of one channel, whose first tap lies
 * three columns left of in and in its row: out = bias + sum, or its sigmoid times mix.
 */
void sp_head_conv(const float *in, size_t pitch, size_t width, const float taps[16], float bias,
                  const float *mix, float *out);

#endif /* SP_HEAD_ROWS_H */
