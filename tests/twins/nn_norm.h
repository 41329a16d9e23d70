/*
 * tests/twins/nn_norm.h
 *	  Normalisation over channels and maps across the width by their definitions,
 *	  in double.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TWIN_NN_NORM_H
#define TWIN_NN_NORM_H

#include "core/nn/across.h"
#include "core/nn/norm.h"

/* As sp_norm_run and sp_norm_run_shuffled, of floats; add may be NULL in the first. */
void twin_norm_run(const SpNorm *norm, const float *in, const float *add, size_t pixels,
                   double *out);
void twin_norm_run_shuffled(const SpNorm *norm, const float *in, const float *add, size_t height,
                            size_t width, double *out);

/* As sp_across_new and sp_across_run: out[height][width][channels]. */
void twin_across(const SpAcrossShape *s, const float *inwards, const float *in_bias,
                 const float *outwards, const float *out_bias, const float *in, size_t height,
                 size_t channels, double *out);

#endif /* TWIN_NN_NORM_H */
