/*
 * tests/twins/repet_sim.h
 *	  Plain REPET-SIM (Rafii and Pardo, ISMIR 2012), the naive twin of
 *	  src/core/stems/repet.c and a yardstick of the quality benchmark.
 */
#ifndef TWIN_REPET_SIM_H
#define TWIN_REPET_SIM_H

#include <stddef.h>

/*
 * out[frames][bins]: the median of the (at most) similar frames whose
 * features[frames][dims] have the greatest cosine, at least apart + 1 frames
 * from each other and at most window away; never above magnitude.
 */
void twin_repet_background(const float *magnitude, size_t frames, size_t bins,
                           const float *features, size_t dims, size_t similar, size_t apart,
                           size_t window, float *out);

/* Vocals of interleaved samples: 20 similar frames 0.8 s apart, nothing below 110 Hz. */
void twin_repet_vocals(const float *in, size_t count, size_t channels, double rate, float *vocals);

#endif /* TWIN_REPET_SIM_H */
