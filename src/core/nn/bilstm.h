/*
 * src/core/nn/bilstm.h
 *	  A bidirectional LSTM layer, made for long sequences of one song: what
 *	  frames bring is one large product, and only the recurrence goes step by step.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_BILSTM_H
#define SP_BILSTM_H

#include "core/nn/nn.h"
#include "core/sp_pool.h"

/*
 * As PyTorch has them, gates in the order input, forget, cell, output; of each
 * direction w_in[4 * hidden][in_size], w_rec[4 * hidden][hidden], and
 * bias[4 * hidden], the sum of PyTorch's two.
 */
typedef struct SpLstmWeights
{
	const float *w_in[2];
	const float *w_rec[2];
	const float *bias[2];
} SpLstmWeights;

typedef struct SpBilstm SpBilstm;

/*
 * [steps][in_size] elements to [steps][2 * hidden] floats: forward, then
 * backward; the state is zero at both ends, and is float in either precision.
 * Weights are copied.  SP_ERR_BAD_ARG,
 * SP_ERR_NO_MEMORY.
 */
SpStatus sp_bilstm_new(SpNn *nn, int steps, int in_size, int hidden, const SpLstmWeights *weights,
                       SpBilstm **out);
void sp_bilstm_free(SpBilstm *lstm);

/* Floats that a run needs besides its input and output. */
size_t sp_bilstm_room(int steps, int hidden);

/* stop, which may be NULL, is asked now and then: SP_ERR_CANCELED. */
SpStatus sp_bilstm_run(const SpBilstm *lstm, int worker, const void *in, float *room, float *out,
                       const SpStop *stop);

#endif /* SP_BILSTM_H */
