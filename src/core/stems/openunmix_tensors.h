/*
 * src/core/stems/openunmix_tensors.h
 *	  What arch_openunmix.c asks about the tensors of a file.
 *
 * A tensor is called "<target>.<name in PyTorch's state_dict>".
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_OPENUNMIX_TENSORS_H
#define SP_OPENUNMIX_TENSORS_H

#include "core/nn/umx.h"
#include "core/stems/architecture.h"

#define SP_OPENUNMIX_MAX_PART 48 /* bytes of the longest name of a part */

/* Index of this part of a target, or -1. */
ptrdiff_t sp_openunmix_find(const SpTensorSource *tensors, const char *target, const char *part);

/* Also one target's tensors without its name in front, so that it can be said what they lack. */
bool sp_openunmix_recognises(const SpTensorSource *tensors);

/* Fills in the targets' names where spec has none, else checks that they are those of the tensors. */
SpStatus sp_openunmix_targets(const SpTensorSource *tensors, SpModelSpec *spec, SpFault *fault);

/*
 * The networks' shape, all but the frames.  Every tensor of every target is
 * there with its shape and no other is, or the fault names it.
 */
SpStatus sp_openunmix_shape(const SpTensorSource *tensors, const SpModelSpec *spec,
                            SpUmxShape *shape, SpFault *fault);

#endif /* SP_OPENUNMIX_TENSORS_H */
