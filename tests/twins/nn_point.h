/*
 * tests/twins/nn_point.h
 *	  Activations, normalisation, softmax, bf16 and a U-Net's head by their definitions.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TWIN_NN_POINT_H
#define TWIN_NN_POINT_H

#include "core/nn/head.h"

double twin_activate(SpActivation act, double x);

/* One value of channel c. */
double twin_point(const SpPointwise *op, size_t c, double x);

/* gamma (x - mean) / sqrt(variance + epsilon) + beta; gamma NULL is 1. */
double twin_norm(const float *gamma, const float *beta, const float *mean, const float *variance,
                 double epsilon, size_t c, double x);

/* Softmax over the stems of logits[stems][n] into out[stems][n]. */
void twin_softmax(const float *const *logits, size_t stems, size_t n, double *out);

/* The nearest bf16, ties to the even one, found among its neighbours; as a float. */
float twin_bf16(float x);

/*
 * sp_head_run: image = skip beside up(joined planes); act(deconv(image)); the dilated
 * convolution; with mix sigmoid(logit) * mix.  out[2][2 height][2 width].
 */
void twin_head(const SpHeadShape *s, const SpHeadWeights *w, const float *skip, const float *planes,
               const float *mix, double *out);

#endif /* TWIN_NN_POINT_H */
