/*
 * src/core/stems/wiener.h
 *	  From magnitudes of sources to their spectra: a multichannel Wiener filter.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_WIENER_H
#define SP_WIENER_H

#include "core/sp_base.h"

#define SP_WIENER_MAX_SOURCES 5

typedef struct SpWiener SpWiener;

typedef struct SpWienerConfig
{
	size_t channels; /* 1 or 2 */
	size_t sources;  /* 1..SP_WIENER_MAX_SOURCES */
	size_t bins;
	size_t stride;  /* of spectra, see stft.h */
	double frame_s; /* distance of two frames */
} SpWienerConfig;

SpStatus sp_wiener_new(const SpEnv *env, const SpWienerConfig *cfg, SpWiener **out);
void sp_wiener_free(SpWiener *w);

/*
 * The next frame.  magnitudes[sources] are [bins] each, >= 0, and are
 * overwritten; mix[channels] and out[source * channels + channel] are
 * spectra.  The sources' spectra add up to the mix's within -40 dB (mono:
 * exactly).
 */
void sp_wiener_run(SpWiener *w, float *const *magnitudes, const float *const *mix,
                   float *const *out);

#endif /* SP_WIENER_H */
