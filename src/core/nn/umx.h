/*
 * src/core/nn/umx.h
 *	  A recurrent network from magnitudes to magnitudes, as Open-Unmix has it
 *	  (Stöter, Uhlich, Liutkus, Mitsufuji, JOSS 4 (41), 2019).
 *
 * The lower bins of a frame go through a dense layer and tanh, then through three
 * bidirectional LSTM layers.  What went in and what came out, side by side,
 * go through a dense layer and ReLU, and a dense layer gives a mask for all bins,
 * ReLU again.  Each dense layer is followed by a scale and a shift of its
 * columns, which is what a batch normalisation comes to.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_UMX_H
#define SP_UMX_H

#include "core/nn/bilstm.h"
#include "core/sp_pool.h"

#define SP_UMX_LSTM_LAYERS 3

typedef struct SpUmxShape
{
	int frames; /* of a patch; the recurrence begins and ends with it */
	int bins;
	int band;   /* bins that the network sees, from 0 Hz on */
	int hidden; /* even: each direction of an LSTM has half of it */
} SpUmxShape;

typedef enum SpUmxDense
{
	SP_UMX_ENCODE = 0, /* [hidden][2 band]; columns are the left band, then the right */
	SP_UMX_DECODE,     /* [hidden][2 hidden]; columns are the LSTM's input, then its output */
	SP_UMX_MASK        /* [2 bins][hidden]; rows are left, then right */
} SpUmxDense;

typedef struct SpUmx SpUmx;

/*
 * An empty network; it runs when all is set, each once.  Weights are copied.
 * The input is scale x + shift, [band] each, in both channels; a dense layer gives
 * scale (weights x) + shift, with one of each for each row of weights.
 */
SpStatus sp_umx_new(SpNn *nn, const SpUmxShape *shape, SpUmx **out);
SpStatus sp_umx_set_input(SpUmx *net, const float *scale, const float *shift);
SpStatus sp_umx_set_dense(SpUmx *net, SpUmxDense which, const float *weights, const float *scale,
                          const float *shift);
SpStatus sp_umx_set_lstm(SpUmx *net, int layer, const SpLstmWeights *weights);
void sp_umx_free(SpUmx *net);

/* Room for one patch; each worker has its own, and any network of the shape may use it. */
typedef struct SpUmxRoom SpUmxRoom;
SpStatus sp_umx_room_new(SpNn *nn, const SpUmxShape *shape, SpUmxRoom **out);
void sp_umx_room_free(SpUmxRoom *room);

/*
 * mix and out are planar, [2][frames][bins], and do not overlap; out is
 * mask * mix.  stop, which may be NULL, is asked after each layer: SP_ERR_CANCELED.
 */
SpStatus sp_umx_run(const SpUmx *net, SpUmxRoom *room, int worker, const float *mix, float *out,
                    const SpStop *stop);

#endif /* SP_UMX_H */
