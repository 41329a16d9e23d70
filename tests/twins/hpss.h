/*
 * tests/twins/hpss.h
 *	  Plain harmonic-percussive separation (Fitzgerald, DAFx 2010) in two
 *	  stages (Tachibana's order), a yardstick of the quality benchmark.
 */
#ifndef TWIN_HPSS_H
#define TWIN_HPSS_H

#include <stddef.h>

/*
 * harmonic[frames][bins]: h^2 / (h^2 + p^2), where h is the median over time
 * and p the median over frequency of magnitude, both of width values (odd),
 * the edges repeated.
 */
void twin_hpss_mask(const float *magnitude, size_t frames, size_t bins, size_t width,
                    float *harmonic);

typedef struct TwinStems
{
	float *vocals; /* each [count][channels], given by the caller */
	float *drums;
	float *bass;
	float *other;
} TwinStems;

/*
 * With a long window voices count as percussive, with a short one as
 * harmonic; bass is what is left below 160 Hz, vocals nothing below 110 Hz.
 */
void twin_hpss_stems(const float *in, size_t count, size_t channels, double rate, TwinStems out);

#endif /* TWIN_HPSS_H */
