/*
 * src/core/nn/across.c
 *	  Two linear maps across the width of an image.
 *
 * A matrix product of a few rows of weights and LANES channels at a time, whose
 * sums stay in registers.  The channels of one row of the image, as floats, stay
 * in the first cache through both products.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/nn/across.h"

#include <string.h>

#include "core/nn/pointwise.h"
#include "core/nn/vmath.h"
#include "core/sp_simd.h"

/* Channels of a tile: four registers of AVX-512; with ROWS of them, 16 sums of 32 registers. */
#define LANES 64
#define ROWS  4

struct SpAcross
{
	SpNn *nn;
	size_t width, narrow;
	SpActivation act;
	float *inwards; /* [narrow up to ROWS][width], then the biases; both in one block */
	float *in_bias;
	float *outwards; /* [width up to ROWS][narrow] */
	float *out_bias;
};

static size_t
whole_rows(size_t rows)
{
	return (rows + ROWS - 1) / ROWS * ROWS;
}

size_t
sp_across_room(int width, int narrow)
{
	return (whole_rows((size_t) width) * 2 + whole_rows((size_t) narrow)) * LANES;
}

/* A copy whose rows end with zeros up to a whole tile, and its bias behind it. */
static SpStatus
copy_map(const SpEnv *env, const float *weights, const float *bias, size_t rows, size_t columns,
         float **to, float **to_bias)
{
	size_t whole = whole_rows(rows);

	*to = sp_calloc(env, whole * (columns + 1), sizeof(float));
	if (*to == NULL)
		return SP_ERR_NO_MEMORY;
	*to_bias = *to + whole * columns;
	memcpy(*to, weights, rows * columns * sizeof(float));
	memcpy(*to_bias, bias, rows * sizeof(float));
	return SP_OK;
}

SpStatus
sp_across_new(SpNn *nn, const SpAcrossShape *shape, const float *inwards, const float *in_bias,
              const float *outwards, const float *out_bias, SpAcross **out)
{
	const SpEnv *env = sp_nn_env(nn);
	SpAcross *a;
	SpStatus st;

	*out = NULL;
	if (shape->width < 1 || shape->width > SP_ACROSS_MAX_WIDTH || shape->narrow < 1 ||
	    shape->narrow > SP_ACROSS_MAX_WIDTH)
		return SP_ERR_BAD_ARG;
	a = sp_calloc(env, 1, sizeof(*a));
	if (a == NULL)
		return SP_ERR_NO_MEMORY;
	a->nn = nn;
	a->width = (size_t) shape->width;
	a->narrow = (size_t) shape->narrow;
	a->act = shape->act;
	st = copy_map(env, inwards, in_bias, a->narrow, a->width, &a->inwards, &a->in_bias);
	if (st == SP_OK)
		st = copy_map(env, outwards, out_bias, a->width, a->narrow, &a->outwards, &a->out_bias);
	if (st != SP_OK)
	{
		sp_across_free(a);
		return st;
	}
	*out = a;
	return SP_OK;
}

void
sp_across_free(SpAcross *across)
{
	if (across == NULL)
		return;
	sp_free(sp_nn_env(across->nn), across->inwards);
	sp_free(sp_nn_env(across->nn), across->outwards);
	sp_free(sp_nn_env(across->nn), across);
}

/* out[rows][LANES] = weights[rows][columns] x[columns][LANES] + bias; rows are whole tiles. */
SP_CLONES static void
multiply(float *restrict out, const float *restrict weights, const float *restrict bias,
         const float *restrict x, size_t rows, size_t columns)
{
	for (size_t row = 0; row < rows; row += ROWS)
	{
		const float *restrict w = weights + row * columns;
		float sums[ROWS][LANES];

		for (size_t r = 0; r < ROWS; r++)
			for (size_t k = 0; k < LANES; k++)
				sums[r][k] = bias[row + r];
		for (size_t i = 0; i < columns; i++)
			for (size_t r = 0; r < ROWS; r++)
				for (size_t k = 0; k < LANES; k++)
					sums[r][k] += w[r * columns + i] * x[i * LANES + k];
		memcpy(out + row * LANES, sums, sizeof(sums));
	}
}

/* `lanes` channels of `width` pixels, the rest of LANES zeros. */
SP_CLONES static void
load_rounded(float *restrict x, const uint16_t *restrict image, size_t width, size_t channels,
             size_t lanes)
{
	for (size_t i = 0; i < width; i++)
		for (size_t k = 0; k < lanes; k++)
			x[i * LANES + k] = sp_of_bf16(image[i * channels + k]);
}

SP_CLONES static void
store_rounded(uint16_t *restrict image, const float *restrict x, const float *restrict add,
              size_t width, size_t channels, size_t lanes)
{
	for (size_t i = 0; i < width; i++)
		for (size_t k = 0; k < lanes; k++)
			image[i * channels + k] = sp_bf16_of(x[i * LANES + k] + add[i * LANES + k]);
}

SP_CLONES static void
load_floats(float *restrict x, const float *restrict image, size_t width, size_t channels,
            size_t lanes)
{
	for (size_t i = 0; i < width; i++)
		for (size_t k = 0; k < lanes; k++)
			x[i * LANES + k] = image[i * channels + k];
}

SP_CLONES static void
store_floats(float *restrict image, const float *restrict x, const float *restrict add,
             size_t width, size_t channels, size_t lanes)
{
	for (size_t i = 0; i < width; i++)
		for (size_t k = 0; k < lanes; k++)
			image[i * channels + k] = x[i * LANES + k] + add[i * LANES + k];
}

void
sp_across_run(const SpAcross *across, float *room, void *image, size_t height, size_t channels)
{
	size_t width = across->width, narrow = across->narrow;
	float *x = room, *y = x + whole_rows(width) * LANES, *middle = y + whole_rows(width) * LANES;
	bool rounded = sp_nn_precision(across->nn) == SP_PRECISION_BF16;

	for (size_t row = 0; row < height; row++)
		for (size_t from = 0; from < channels; from += LANES)
		{
			size_t lanes = channels - from < LANES ? channels - from : LANES;
			size_t at = row * width * channels + from;

			if (lanes < LANES)
				memset(x, 0, width * LANES * sizeof(float));
			if (rounded)
				load_rounded(x, (uint16_t *) image + at, width, channels, lanes);
			else
				load_floats(x, (float *) image + at, width, channels, lanes);
			multiply(middle, across->inwards, across->in_bias, x, whole_rows(narrow), width);
			sp_activate_all(across->act, middle, narrow * LANES);
			multiply(y, across->outwards, across->out_bias, middle, whole_rows(width), narrow);
			if (rounded)
				store_rounded((uint16_t *) image + at, y, x, width, channels, lanes);
			else
				store_floats((float *) image + at, y, x, width, channels, lanes);
		}
}
