/*
 * src/core/stems/model.h
 *	  A trained model in memory: network, threads, precision.
 *
 * Loading takes up to a second and 10 to 200 MB, so whoever separates more than one song
 * keeps it.  One separator uses it at a time.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_MODEL_H
#define SP_MODEL_H

#include "core/stems/architecture.h"

typedef struct SpModel SpModel;

/*
 * Reads the tensors that were resolved into spec, and starts `threads` threads.
 * env must outlive the model.  SP_ERR_BAD_DATA and SP_ERR_UNSUPPORTED (the
 * precision) with a fault, SP_ERR_NO_MEMORY, SP_ERR_CANCELED.
 */
SpStatus sp_model_load(const SpEnv *env, const SpTensorSource *tensors, const SpModelSpec *spec,
                       SpPrecision precision, int threads, SpModel **out, SpFault *fault);
void sp_model_free(SpModel *model);

const SpModelSpec *sp_model_spec(const SpModel *model);
SpPrecision sp_model_precision(const SpModel *model);
SpPool *sp_model_pool(const SpModel *model);

/* As SpArchitecture's estimate. */
SpStatus sp_model_estimate(const SpModel *model, int worker, int stem, const float *mix, float *out,
                           const SpStop *stop);

/* As SpMaskMethods' observe, estimate and spread, of an architecture that has them. */
void sp_model_observe(const SpModel *model, const float *const spectra[2], size_t stride,
                      float scale, const float *const *levels, float *row);
SpStatus sp_model_estimate_masks(const SpModel *model, int worker, const float *rows, size_t count,
                                 float *const *masks, const SpStop *stop);
void sp_model_spread(const SpModel *model, const float *mask, float *out);

#endif /* SP_MODEL_H */
