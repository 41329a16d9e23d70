/*
 * tests/twins/nn_conv.h
 *	  Convolutions, transposed ones, linear layers and LSTMs by their
 *	  definitions: one loop for each index, sums in double.
 *
 * Each also gives, where asked, the sum of the terms' magnitudes: rounding in
 * another order moves a result by a small multiple of that, however much of
 * it cancels.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TWIN_NN_CONV_H
#define TWIN_NN_CONV_H

#include "core/nn/bilstm.h"
#include "core/nn/nn.h"

/* A sum, and the sum of the magnitudes of its terms. */
typedef struct TwinSum
{
	double value;
	double size;
} TwinSum;

/* As sp_conv_new and sp_layer_run; in and weights are floats; bias may be NULL. */
void twin_conv(const SpConvShape *s, const float *weights, SpKernelLayout layout, const float *bias,
               const float *in, TwinSum *out);

/*
 * The transposed convolution of SpDeconvShape, scattered as its name says: each
 * input sample adds its kernel, weights[kernel][kernel][out][in], to an image
 * that is cropped afterwards.  out[2 height][2 width][out_channels].
 */
void twin_deconv(const SpDeconvShape *s, const float *weights, const float *bias, const float *in,
                 TwinSum *out);

/* in[rows][in_size], weights[out_size][in_size]; bias may be NULL. */
void twin_linear(int rows, int in_size, int out_size, const float *weights, const float *bias,
                 const float *in, TwinSum *out);

/* As sp_bilstm_new (Hochreiter, Schmidhuber 1997 with forget gates); out[steps][2 * hidden]. */
void twin_lstm(int steps, int in_size, int hidden, const SpLstmWeights *w, const float *in,
               double *out);

#endif /* TWIN_NN_CONV_H */
