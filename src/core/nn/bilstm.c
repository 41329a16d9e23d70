/*
 * src/core/nn/bilstm.c
 *	  LSTM (Hochreiter, Schmidhuber 1997, with forget gates) in both directions.
 *
 * A step multiplies the last output, a vector, by the recurrent matrix, so it
 * is as fast as the matrix can be read.  Two things make that fast.  The
 * inputs of all steps are multiplied beforehand, by a linear layer: oneDNN's
 * own LSTM of one sequence does that in each step, which reads three times as
 * much.  And the recurrent matrix is packed for reading in order: of 1 MB in
 * Open-Unmix, half of it in bf16, which then fits in the second cache.
 *
 * A packed block is BLOCK gates of all inputs, [hidden][BLOCK].  In bf16 a
 * 32-bit word holds two gates half a block apart, which a shift and a mask make
 * floats.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/nn/bilstm.h"

#include <limits.h>
#include <string.h>

#include "core/nn/vmath.h"
#include "core/sp_simd.h"

/* Sums that registers hold: eight of AVX-512, enough to hide the latency of an addition. */
#define BLOCK 128
#define HALF  (BLOCK / 2)

/* Steps between questions whether to stop: 3 ms of umxl's. */
#define PACE 64

struct SpBilstm
{
	SpNn *nn;
	size_t steps, hidden;
	size_t columns;     /* gates of a direction, 4 hidden rounded up to whole blocks */
	SpLayer *input;     /* [in_size] to [2][columns], with the biases */
	void *recurrent[2]; /* packed blocks, of elements */
};

static size_t
columns_of(int hidden)
{
	return (4 * (size_t) hidden + BLOCK - 1) / BLOCK * BLOCK;
}

size_t
sp_bilstm_room(int steps, int hidden)
{
	/* the gates of all steps, and the state of a cell */
	return (size_t) steps * 2 * columns_of(hidden) + (size_t) hidden;
}

/* --- weights ----------------------------------------------------------------- */

/* Both directions' weights of the input, one below the other, with zeros up to `columns`. */
static SpStatus
make_input(SpBilstm *l, size_t in_size, const SpLstmWeights *weights)
{
	const SpEnv *env = sp_nn_env(l->nn);
	size_t gates = 4 * l->hidden;
	float *matrix = sp_calloc(env, 2 * l->columns * in_size, sizeof(float));
	float *bias = sp_calloc(env, 2 * l->columns, sizeof(float));
	SpStatus st = SP_ERR_NO_MEMORY;

	if (matrix != NULL && bias != NULL)
	{
		for (size_t d = 0; d < 2; d++)
		{
			memcpy(matrix + d * l->columns * in_size, weights->w_in[d],
			       gates * in_size * sizeof(float));
			memcpy(bias + d * l->columns, weights->bias[d], gates * sizeof(float));
		}
		st = sp_linear_new(l->nn, (int) l->steps, (int) in_size, 2 * (int) l->columns, matrix, bias,
		                   &l->input);
	}
	sp_free(env, matrix);
	sp_free(env, bias);
	return st;
}

/* One direction's w_rec[4 * hidden][hidden] into blocks. */
static void
pack(const SpBilstm *l, const float *w_rec, void *out)
{
	bool narrow = sp_nn_precision(l->nn) == SP_PRECISION_BF16;

	for (size_t gate = 0; gate < 4 * l->hidden; gate++)
		for (size_t i = 0; i < l->hidden; i++)
		{
			float w = w_rec[gate * l->hidden + i];
			size_t row = (gate / BLOCK * l->hidden + i) * BLOCK, lane = gate % BLOCK;

			if (narrow && lane < HALF)
				((uint32_t *) out)[row / 2 + lane] |= sp_bf16_of(w);
			else if (narrow)
				((uint32_t *) out)[row / 2 + lane - HALF] |= (uint32_t) sp_bf16_of(w) << 16;
			else
				((float *) out)[row + lane] = w;
		}
}

SpStatus
sp_bilstm_new(SpNn *nn, int steps, int in_size, int hidden, const SpLstmWeights *weights,
              SpBilstm **out)
{
	const SpEnv *env = sp_nn_env(nn);
	SpBilstm *l;
	SpStatus st;

	*out = NULL;
	if (steps < 1 || in_size < 1 || hidden < 1 || hidden > INT_MAX / 16)
		return SP_ERR_BAD_ARG;
	l = sp_calloc(env, 1, sizeof(*l));
	if (l == NULL)
		return SP_ERR_NO_MEMORY;
	l->nn = nn;
	l->steps = (size_t) steps;
	l->hidden = (size_t) hidden;
	l->columns = columns_of(hidden);
	st = make_input(l, (size_t) in_size, weights);
	for (int d = 0; d < 2 && st == SP_OK; d++)
	{
		l->recurrent[d] = sp_calloc(env, l->columns * l->hidden, sp_nn_element(nn));
		if (l->recurrent[d] == NULL)
			st = SP_ERR_NO_MEMORY;
		else
			pack(l, weights->w_rec[d], l->recurrent[d]);
	}
	if (st != SP_OK)
	{
		sp_bilstm_free(l);
		return st;
	}
	*out = l;
	return SP_OK;
}

void
sp_bilstm_free(SpBilstm *lstm)
{
	if (lstm == NULL)
		return;
	sp_layer_free(lstm->input);
	for (int d = 0; d < 2; d++)
		sp_free(sp_nn_env(lstm->nn), lstm->recurrent[d]);
	sp_free(sp_nn_env(lstm->nn), lstm);
}

/* --- a step ------------------------------------------------------------------ */

/* gates[columns] += h[hidden] times packed weights */
SP_CLONES static void
recur_f32(float *restrict gates, const float *restrict weights, const float *restrict h,
          size_t hidden, size_t columns)
{
	for (size_t b = 0; b < columns; b += BLOCK, weights += BLOCK * hidden)
	{
		float sum[BLOCK];

		memcpy(sum, gates + b, sizeof(sum));
		for (size_t i = 0; i < hidden; i++)
			for (size_t k = 0; k < BLOCK; k++)
				sum[k] += h[i] * weights[i * BLOCK + k];
		memcpy(gates + b, sum, sizeof(sum));
	}
}

SP_CLONES static void
recur_bf16(float *restrict gates, const uint32_t *restrict weights, const float *restrict h,
           size_t hidden, size_t columns)
{
	for (size_t b = 0; b < columns; b += BLOCK, weights += HALF * hidden)
	{
		float low[HALF], high[HALF];

		memcpy(low, gates + b, sizeof(low));
		memcpy(high, gates + b + HALF, sizeof(high));
		for (size_t i = 0; i < hidden; i++)
			for (size_t k = 0; k < HALF; k++)
			{
				uint32_t pair = weights[i * HALF + k];

				low[k] += h[i] * sp_float_of(pair << 16);
				high[k] += h[i] * sp_float_of(pair & 0xffff0000u);
			}
		memcpy(gates + b, low, sizeof(low));
		memcpy(gates + b + HALF, high, sizeof(high));
	}
}

/* The gates input, forget, cell and output, [hidden] each, move the cell on and make an output. */
SP_CLONES static void
advance(const float *restrict gates, float *restrict cell, float *restrict h, size_t hidden)
{
	for (size_t k = 0; k < hidden; k++)
	{
		float in = sp_sigmoid(gates[k]);
		float forget = sp_sigmoid(gates[hidden + k]);
		float news = sp_activate(SP_ACT_TANH, gates[2 * hidden + k]);
		float out = sp_sigmoid(gates[3 * hidden + k]);

		cell[k] = forget * cell[k] + in * news;
		h[k] = out * sp_activate(SP_ACT_TANH, cell[k]);
	}
}

SpStatus
sp_bilstm_run(const SpBilstm *lstm, int worker, const void *in, float *room, float *out,
              const SpStop *stop)
{
	size_t hidden = lstm->hidden, columns = lstm->columns, steps = lstm->steps;
	bool narrow = sp_nn_precision(lstm->nn) == SP_PRECISION_BF16;
	float *cell = room + steps * 2 * columns;
	SpStatus st = sp_layer_run(lstm->input, worker, in, room);

	for (size_t d = 0; d < 2 && st == SP_OK; d++)
	{
		const float *last = NULL;

		memset(cell, 0, hidden * sizeof(float));
		for (size_t i = 0; i < steps; i++)
		{
			size_t t = d == 0 ? i : steps - 1 - i;
			float *gates = room + (2 * t + d) * columns;
			float *h = out + (2 * t + d) * hidden;

			if (last != NULL && narrow)
				recur_bf16(gates, lstm->recurrent[d], last, hidden, columns);
			else if (last != NULL)
				recur_f32(gates, lstm->recurrent[d], last, hidden, columns);
			advance(gates, cell, h, hidden);
			last = h;
			if (i % PACE == PACE - 1 && sp_stop_asked(stop))
				return SP_ERR_CANCELED;
		}
	}
	return st;
}
