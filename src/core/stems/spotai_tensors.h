/*
 * src/core/stems/spotai_tensors.h
 *	  What arch_spotai.c asks about the tensors of a file.
 *
 * Names are those of PyTorch's state_dict (train/networks.py): scale, shift,
 * prior, trust; down.LEVEL, stage.LEVEL.NUMBER, up.NUMBER (the deepest first) and head, each with
 * .conv and .norm or with .inwards and .outwards, each of those with .weight and .bias.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_SPOTAI_TENSORS_H
#define SP_SPOTAI_TENSORS_H

#include "core/nn/masknet.h"
#include "core/stems/architecture.h"

#define SP_SPOTAI_MAX_LAYER 32
#define SP_SPOTAI_MAX_NAME  64

/* What the tensors say of the network. */
typedef struct SpSpotaiPlan
{
	SpMaskNetShape shape; /* all but the frames */
	int down_kernel[SP_MASKNET_MAX_LEVELS];
	int up_kernel[SP_MASKNET_MAX_LEVELS - 1]; /* by level */
	int head_kernel;
	int stages[SP_MASKNET_MAX_LEVELS];
	/* of each stage: a convolution's kernel, or 0 and the width of a bottleneck */
	int kernel[SP_MASKNET_MAX_LEVELS][SP_MASKNET_MAX_STAGES];
	int narrow[SP_MASKNET_MAX_LEVELS][SP_MASKNET_MAX_STAGES];
} SpSpotaiPlan;

bool sp_spotai_recognises(const SpTensorSource *tensors);

/* Every tensor is there with its shape and no other is, or the fault names it. */
SpStatus sp_spotai_plan(const SpTensorSource *tensors, SpSpotaiPlan *plan, SpFault *fault);

#endif /* SP_SPOTAI_TENSORS_H */
