/*
 * src/core/stems/spotai_planes.h
 *	  What goes into the network of arch_spotai.c, and what becomes of its logits.
 *
 * A row keeps of a frame, in bands: magnitudes of left, right, middle and side, and the
 * shares that cues give voice, drums, bass and other.  The network refines
 * the shares: it is given them, its logits are added to their logarithm, and the masks are
 * a mean of both, weighted by how far the network is trusted in each band.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_SPOTAI_PLANES_H
#define SP_SPOTAI_PLANES_H

#include "core/nn/nn.h"
#include "core/stems/bands.h"

#define SP_SPOTAI_HEARD    4                                       /* left, right, middle, side */
#define SP_SPOTAI_STEMS    4                                       /* as the sources of cues.h */
#define SP_SPOTAI_ROW      (SP_SPOTAI_HEARD + SP_SPOTAI_STEMS)     /* times bands */
#define SP_SPOTAI_CHANNELS (SP_SPOTAI_HEARD + SP_SPOTAI_STEMS + 1) /* with the place */
#define SP_SPOTAI_LOGITS   (2 * SP_SPOTAI_STEMS)

typedef struct SpPlanesConfig
{
	size_t frames; /* of a patch, even */
	size_t bins;   /* of a spectrum */
	SpBandTable bands;
	SpPrecision precision; /* of the network's elements */
} SpPlanesConfig;

typedef struct SpPlanes SpPlanes;

/* SP_ERR_BAD_ARG where bands and bins do not fit, SP_ERR_NO_MEMORY. */
SpStatus sp_planes_new(const SpEnv *env, const SpPlanesConfig *cfg, SpPlanes **out);
void sp_planes_free(SpPlanes *p);

/*
 * Learned numbers to be filled in: scale and shift [SP_SPOTAI_HEARD][bands], prior [SP_SPOTAI_STEMS],
 * trust [bands].
 */
float *sp_planes_scale(SpPlanes *p);
float *sp_planes_shift(SpPlanes *p);
float *sp_planes_prior(SpPlanes *p);
float *sp_planes_trust(SpPlanes *p);

/* As SpMaskMethods has them; from one thread. */
void sp_planes_observe(SpPlanes *p, const float *const spectra[2], size_t stride, float scale,
                       const float *const *levels, float *row);
void sp_planes_spread(const SpPlanes *p, const float *mask, float *out);

/* Floats that the next two need to work with. */
size_t sp_planes_room(const SpPlanes *p);

/*
 * The network's input, elements [frames][bands][SP_SPOTAI_CHANNELS], of rows[frames],
 * of which the first `count`, at least one, exist: the rest is silence.
 */
void sp_planes_fill(const SpPlanes *p, const float *rows, size_t count, float *room, void *out);

/*
 * masks[stem][2][frames][bands], of the same rows and
 * logits[frames / 2][bands / 2][2][SP_SPOTAI_LOGITS][2], stems before channels.
 */
void sp_planes_masks(const SpPlanes *p, const float *rows, size_t count, const float *logits,
                     float *room, float *const *masks);

#endif /* SP_SPOTAI_PLANES_H */
