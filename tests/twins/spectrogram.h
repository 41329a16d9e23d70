/*
 * tests/twins/spectrogram.h
 *	  Whole songs as spectrograms, for the naive twins.
 *
 * Everything is in memory at once and every loop is the obvious one.  All
 * functions abort when memory runs out: they serve tests and benchmarks.
 */
#ifndef TWIN_SPECTROGRAM_H
#define TWIN_SPECTROGRAM_H

#include <complex.h>
#include <stddef.h>

typedef struct TwinSpectrogram
{
	size_t fft_size;
	size_t bins;
	size_t frames;
	float complex *at; /* [frames][bins] */
	float *magnitude;  /* [frames][bins] */
} TwinSpectrogram;

/* Of one channel: sample i is in[i * step]. */
TwinSpectrogram twin_spectrogram(const float *in, size_t count, size_t step, size_t fft_size);
void twin_spectrogram_free(TwinSpectrogram *s);

/* out[i * step] = the samples of s weighted by mask[frames][bins], i < count. */
void twin_resynthesise(const TwinSpectrogram *s, const float *mask, float *out, size_t count,
                       size_t step);

/* malloc that aborts rather than fail. */
void *twin_alloc(size_t n, size_t size);

#endif /* TWIN_SPECTROGRAM_H */
