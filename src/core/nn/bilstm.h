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

typedef struct SpBilstm SpBilstm;

/*
 * [steps][in_size] elements to [steps][2 * hidden] floats: forward, then
 * backward; the state is zero at both ends, and is float in either precision.
 * Weights as sp_lstm_new has them; they are copied.  SP_ERR_BAD_ARG,
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
