/*
 * src/core/dsp/stft.h
 *	  One frame of a short-time Fourier transform, and back.
 *
 * Words: a *frame* is fft_size samples, frames start every *hop* =
 * fft_size / 4 samples, a *bin* is one of the fft_size / 2 + 1 frequencies.
 * A *spectrum* is a block of 2 * stride floats aligned to SP_ALIGN: the real
 * parts of all bins at 0, the imaginary parts at stride.  Split rather than
 * interleaved, so that loops over bins vectorise without shuffles.
 *
 * The window is the periodic Hann, on both sides.  Four overlapping squares
 * of it sum to 3/2 everywhere, so overlap-add of unchanged spectra gives the
 * input back exactly.  Spectra are scaled so that a sine of amplitude a has a
 * bin of magnitude a.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_STFT_H
#define SP_STFT_H

#include "core/sp_base.h"

#define SP_STFT_MIN_SIZE 64
#define SP_STFT_MAX_SIZE 65536
#define SP_STFT_OVERLAP  4

typedef struct SpStft SpStft;

/*
 * fft_size must be a power of two in the range above.  Not thread-safe: it
 * calls FFTW's planner.  SP_ERR_BAD_ARG, SP_ERR_NO_MEMORY.
 */
SpStatus sp_stft_new(const SpEnv *env, size_t fft_size, SpStft **out);
void sp_stft_free(SpStft *s);

size_t sp_stft_bins(const SpStft *s);
size_t sp_stft_stride(const SpStft *s);

/*
 * A frame of 1 or 2 channels: in[channels][fft_size], any alignment, into
 * spectra[channels], whose padding is zeroed.  Two channels go through one
 * complex transform, so either leaves a trace of rounding (-140 dB) in the other.
 */
void sp_stft_forward(SpStft *s, size_t channels, const float *const *in, float *const *spectra);

/* Adds the windowed frame to out[channels][fft_size], any alignment. */
void sp_stft_inverse_add(SpStft *s, size_t channels, const float *const *spectra,
                         float *const *out);

/* The power of two nearest (in octaves) to seconds at this rate, within the limits above. */
size_t sp_stft_size_for(double sample_rate, double seconds);

#endif /* SP_STFT_H */
