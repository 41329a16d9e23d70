/*
 * src/core/stems/patches.h
 *	  Stereo at a model's rate into stems, patch by patch, on the model's threads.
 *
 * A *patch* is as many frames of the transform as the network takes at once.
 * In exact mode patches stand side by side, as Spleeter has them; otherwise
 * they overlap, and estimates are cross-faded there, so that nothing
 * changes suddenly at a join.
 *
 * While the networks estimate patch k, the threads also turn patch k - 1 into
 * samples, and the caller prepares patch k + 1: push returns as soon as the
 * last batch of work is done and the next one has begun.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PATCHES_H
#define SP_PATCHES_H

#include "core/stems/masks.h"
#include "core/stems/model.h"

typedef struct SpPatchesConfig
{
	bool exact; /* patches side by side */
	bool wiener;
	SpMaskExtension extension;
	int stems; /* that are wanted, from the first on; at most the model's */
} SpPatchesConfig;

typedef struct SpPatches SpPatches;

/* model and env must outlive it.  Plans Fourier transforms, so not from two threads at once. */
SpStatus sp_patches_new(const SpEnv *env, const SpModel *model, const SpPatchesConfig *cfg,
                        SpPatches **out);
/* Waits for threads that still work. */
void sp_patches_free(SpPatches *p);

/* Interleaved left and right.  SP_ERR_CANCELED, SP_ERR_NO_MEMORY. */
SpStatus sp_patches_push(SpPatches *p, const float *in, size_t frames);
/*
 * The end: afterwards pull gives as many frames as were pushed.  The rest is computed
 * by ready; called again, finish answers how that went.
 */
SpStatus sp_patches_finish(SpPatches *p);
/* Frames that pull has; once the song has ended, computes until these are `wanted` or all. */
size_t sp_patches_ready(SpPatches *p, size_t wanted);
/* Interleaved frames of each stem; out[stem] may be NULL. */
size_t sp_patches_pull(SpPatches *p, float *const *out, size_t max_frames);

#endif /* SP_PATCHES_H */
