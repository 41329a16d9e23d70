/*
 * src/core/nn/head_rows.c
 *	  Row kernels of a U-Net's last layers, vectors along the width.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/nn/head_rows.h"

#include <string.h>

#include "core/nn/vmath.h"
#include "core/sp_simd.h"

#define LANES 16
typedef float Vec __attribute__((vector_size(64)));

/* By pointer, because passing vectors by value has no ABI that all CPUs share. */
#define LOAD(v, p)  memcpy(&(v), (p), sizeof(Vec))
#define STORE(p, v) memcpy((p), &(v), sizeof(Vec))

size_t
sp_head_pitch(size_t width)
{
	/* the kernel reads whole blocks of two vectors, and one column further */
	size_t blocks = (width + 2 * LANES - 1) / (2 * LANES);

	/* an odd number of cache lines: channels must not share cache sets */
	return (blocks * 2 + 3) * LANES;
}

/* Tap of 5, crop 1, that reaches input d (-1, 0, 1) from an output of this parity, or -1. */
static int
tap_of(int parity, int d)
{
	int tap = parity + 1 - 2 * d;

	return tap >= 0 && tap < 5 ? tap : -1;
}

void
sp_head_order_taps(float *out, const float *weights, size_t channels)
{
	for (size_t c = 0; c < channels; c++)
		for (int row = -1; row <= 1; row++)
			for (int column = -1; column <= 1; column++)
				for (int phase = 0; phase < 4; phase++)
				{
					int ky = tap_of(phase / 2, row), kx = tap_of(phase % 2, column);

					if (ky >= 0 && kx >= 0)
						*out++ = weights[(size_t) (ky * 5 + kx) * channels + c];
				}
}

/* --- packing ----------------------------------------------------------------- */

/*
 * Transposes LANES x LANES values in place: at distance d = 8, 4, 2, 1 the blocks of d
 * beside the diagonal change places.  LOW_d and HIGH_d are where the lanes of rows
 * i and i + d come from.
 */
#define LOW_8  0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HIGH_8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define LOW_4  0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define HIGH_4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define LOW_2  0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define HIGH_2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define LOW_1  0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define HIGH_1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
/* Sixteen rows in eight pairs; the loop must vanish, or rows live in memory. */
#define SWAP_BLOCKS(d)                                                       \
	SP_INLINE void swap_blocks_##d(Vec rows[LANES])                          \
	{                                                                        \
		_Pragma("GCC unroll 16") for (int i = 0; i < LANES; i++)             \
		{                                                                    \
			Vec a = rows[i];                                                 \
                                                                             \
			if ((i & d) != 0)                                                \
				continue;                                                    \
			rows[i] = __builtin_shufflevector(a, rows[i + d], LOW_##d);      \
			rows[i + d] = __builtin_shufflevector(a, rows[i + d], HIGH_##d); \
		}                                                                    \
	}

SWAP_BLOCKS(8)
SWAP_BLOCKS(4)
SWAP_BLOCKS(2)
SWAP_BLOCKS(1)

SP_INLINE void
transpose(Vec rows[LANES])
{
	swap_blocks_8(rows);
	swap_blocks_4(rows);
	swap_blocks_2(rows);
	swap_blocks_1(rows);
}

SP_INLINE float
load(SpPrecision from, const void *in, size_t i)
{
	return from == SP_PRECISION_BF16 ? sp_of_bf16(((const uint16_t *) in)[i])
	                                 : ((const float *) in)[i];
}

/* Channels of an image, LANES of them from `first` on. */
typedef struct Slice
{
	size_t channels; /* of a pixel */
	size_t first;
	size_t count; /* LANES, or fewer at the end */
} Slice;

static Slice
slice_of(size_t channels, size_t first)
{
	return (Slice){channels, first, channels - first < LANES ? channels - first : LANES};
}

SP_INLINE void
activate(SpActivation act, bool act_first, const float *scale, const float *shift,
         float block[LANES][LANES])
{
	for (size_t k = 0; k < LANES; k++)
		for (size_t c = 0; c < LANES; c++)
			block[k][c] = sp_point(act, act_first, block[k][c], scale[c], shift[c]);
}

/*
 * op of [pixel][channel of the slice].  A function of its own, so that what is around
 * it is built once for each instruction set, and not once more for each activation.
 */
SP_CLONES static void
activate_block(const SpPointwise *op, const Slice *s, float block[LANES][LANES])
{
	float scale[LANES], shift[LANES];

	for (size_t c = 0; c < LANES; c++)
	{
		scale[c] = op->scale != NULL && c < s->count ? op->scale[s->first + c] : 1.0f;
		shift[c] = op->scale != NULL && c < s->count ? op->shift[s->first + c] : 0.0f;
	}
	SP_POINT_SWITCH(op->act, op->act_first, activate, scale, shift, block);
}

/*
 * The operation (NULL: none) on LANES pixels from `pixel` on, as rows of one
 * channel.  Of the last pixels only n exist; the others give what comes.
 */
SP_INLINE void
load_block(const SpPointwise *op, SpPrecision from, const Slice *s, const void *in, size_t pixel,
           size_t n, Vec rows[LANES])
{
	float block[LANES][LANES];

	if (n >= LANES && s->count == LANES)
		for (size_t k = 0; k < LANES; k++)
			for (size_t c = 0; c < LANES; c++)
				block[k][c] = load(from, in, (pixel + k) * s->channels + s->first + c);
	else
	{
		memset(block, 0, sizeof(block));
		for (size_t k = 0; k < LANES && k < n; k++)
			for (size_t c = 0; c < s->count; c++)
				block[k][c] = load(from, in, (pixel + k) * s->channels + s->first + c);
	}
	if (op != NULL)
		activate_block(op, s, block);
	memcpy(rows, block, sizeof(block));
	transpose(rows);
}

SP_INLINE void
pack(SpPrecision from, const void *in, size_t pixels, size_t channels, float *row, size_t pitch)
{
	for (size_t first = 0; first < channels; first += LANES)
	{
		Slice s = slice_of(channels, first);

		for (size_t i = 0; i < pixels; i += LANES)
		{
			size_t n = pixels - i < LANES ? pixels - i : LANES;
			Vec rows[LANES];

			load_block(NULL, from, &s, in, i, n, rows);
			for (size_t c = 0; c < s.count; c++)
				memcpy(row + (first + c) * pitch + SP_HEAD_MARGIN + i, &rows[c], n * sizeof(float));
		}
	}
}

SP_CLONES void
sp_head_pack(SpPrecision from, const void *in, size_t pixels, size_t channels, float *row,
             size_t pitch)
{
	if (from == SP_PRECISION_BF16)
		pack(SP_PRECISION_BF16, in, pixels, channels, row, pitch);
	else
		pack(SP_PRECISION_F32, in, pixels, channels, row, pitch);
}

#define LOW_MIX  0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH_MIX 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31

SP_INLINE void
pack_pair(SpPrecision from, const SpPointwise *op, const void *even, const void *odd, size_t pixels,
          size_t channels, float *row, size_t pitch)
{
	for (size_t first = 0; first < channels; first += LANES)
	{
		Slice s = slice_of(channels, first);

		for (size_t i = 0; i < pixels; i += LANES)
		{
			size_t n = pixels - i < LANES ? pixels - i : LANES;
			Vec rows[2][LANES];

			load_block(op, from, &s, even, i, n, rows[0]);
			load_block(op, from, &s, odd, i, n, rows[1]);
			for (size_t c = 0; c < s.count; c++)
			{
				Vec mixed[2] = {__builtin_shufflevector(rows[0][c], rows[1][c], LOW_MIX),
				                __builtin_shufflevector(rows[0][c], rows[1][c], HIGH_MIX)};

				memcpy(row + (first + c) * pitch + SP_HEAD_MARGIN + 2 * i, mixed,
				       2 * n * sizeof(float));
			}
		}
	}
}

SP_CLONES void
sp_head_pack_pair(const SpPointwise *op, const void *even, const void *odd, size_t pixels,
                  size_t channels, float *row, size_t pitch)
{
	if (op->from == SP_PRECISION_BF16)
		pack_pair(SP_PRECISION_BF16, op, even, odd, pixels, channels, row, pitch);
	else
		pack_pair(SP_PRECISION_F32, op, even, odd, pixels, channels, row, pitch);
}

/* --- transposed convolution -------------------------------------------------- */

/* 2 * LANES columns of all four parities: acc[parity of row and column][half]. */
SP_INLINE void
gather(const SpHeadDeconv *in, size_t x, Vec acc[4][2])
{
	const float *tap = in->taps;

	for (size_t c = 0; c < in->channels; c++)
	{
#pragma GCC unroll 3
		for (int row = 0; row < 3; row++)
#pragma GCC unroll 3
			for (int column = 0; column < 3; column++)
			{
				const float *at =
					in->rows[row] + c * in->pitch + SP_HEAD_MARGIN + x + (size_t) column - 1;
				Vec low, high;

				LOAD(low, at);
				LOAD(high, at + LANES);
#pragma GCC unroll 4
				for (int phase = 0; phase < 4; phase++)
					/* even outputs do not reach what lies below or right */
					if ((row < 2 || phase / 2 == 1) && (column < 2 || phase % 2 == 1))
					{
						acc[phase][0] += *tap * low;
						acc[phase][1] += *tap++ * high;
					}
			}
	}
}

SP_INLINE void
finish(SpActivation act, bool act_first, const SpPointwise *op, const float columns[4][2 * LANES],
       size_t n, float *even, float *odd)
{
	float scale = op->scale != NULL ? op->scale[0] : 1.0f;
	float shift = op->scale != NULL ? op->shift[0] : 0.0f;

	for (size_t column = 0; column < 2; column++)
		for (size_t i = 0; i < n; i++)
			even[2 * i + column] = sp_point(act, act_first, columns[column][i], scale, shift);
	for (size_t column = 0; column < 2; column++)
		for (size_t i = 0; i < n; i++)
			odd[2 * i + column] = sp_point(act, act_first, columns[2 + column][i], scale, shift);
}

/* columns[parity of row and column], n of each, after op into both rows of the output. */
SP_CLONES static void
finish_rows(const SpPointwise *op, const float columns[4][2 * LANES], size_t n, float *even,
            float *odd)
{
	SP_POINT_SWITCH(op->act, op->act_first, finish, op, columns, n, even, odd);
}

SP_CLONES void
sp_head_deconv(const SpHeadDeconv *in, const SpPointwise *act, float *even, float *odd)
{
	float columns[4][2 * LANES];

	for (size_t x = 0; x < in->width; x += 2 * LANES)
	{
		size_t n = in->width - x < 2 * LANES ? in->width - x : 2 * LANES;
		Vec acc[4][2];

		for (int phase = 0; phase < 4; phase++)
			acc[phase][0] = acc[phase][1] = (Vec){0} + in->bias;
		gather(in, x, acc);
		memcpy(columns, acc, sizeof(columns));
		finish_rows(act, columns, n, even + 2 * x, odd + 2 * x);
	}
}

/* --- the last convolution ---------------------------------------------------- */

SP_CLONES void
sp_head_conv(const float *in, size_t pitch, size_t width, const float taps[16], float bias,
             const float *mix, float *out)
{
	for (size_t x = 0; x < width; x++)
	{
		float sum = bias;

		for (size_t i = 0; i < 4; i++)
		{
			const float *at = in + 2 * i * pitch + x - 3;

			sum += taps[4 * i] * at[0] + taps[4 * i + 1] * at[2] + taps[4 * i + 2] * at[4] +
			       taps[4 * i + 3] * at[6];
		}
		out[x] = sum;
	}
	if (mix != NULL)
		for (size_t x = 0; x < width; x++)
			out[x] = sp_sigmoid(out[x]) * mix[x];
}
