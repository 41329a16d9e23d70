/*
 * src/core/stems/neural.h
 *	  Separation by a trained model.
 *
 * Songs of other rates are resampled to the model's and stems back; one channel
 * is given to the model twice and its stems are averaged.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_NEURAL_H
#define SP_NEURAL_H

#include "core/stems/masks.h"
#include "core/stems/model.h"
#include "core/stems/separator.h"

typedef struct SpNeuralConfig
{
	/* stems are the model's, or 2 if it folds; the last takes the rest if sum_to_mix, or folded */
	SpSeparatorConfig song;
	bool exact;  /* patches side by side, as the model was published */
	bool wiener; /* multichannel Wiener filter instead of ratio masks */
	SpMaskExtension extension;
} SpNeuralConfig;

/*
 * model and env must outlive the separator.  Plans Fourier transforms, so not
 * from two threads at once.  SP_ERR_BAD_ARG, SP_ERR_NO_MEMORY.
 */
SpStatus sp_neural_new(const SpEnv *env, const SpModel *model, const SpNeuralConfig *cfg,
                       SpSeparator **out);

#endif /* SP_NEURAL_H */
