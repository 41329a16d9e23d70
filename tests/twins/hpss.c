/*
 * tests/twins/hpss.c
 *	  Plain two-stage harmonic-percussive separation, straightforward.
 */
#include "twins/hpss.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/dsp/stft.h"
#include "twins/spectrogram.h"

static int
compare_floats(const void *a, const void *b)
{
	float x = *(const float *) a, y = *(const float *) b;

	return (x > y) - (x < y);
}

/* Median of width values of x, step apart, around index i of n. */
static float
median_around(const float *x, size_t i, size_t n, size_t step, size_t width, float *values)
{
	for (size_t k = 0; k < width; k++)
	{
		long j = (long) (i + k) - (long) (width / 2);

		j = j < 0 ? 0 : j >= (long) n ? (long) n - 1 : j;
		values[k] = x[(size_t) j * step];
	}
	qsort(values, width, sizeof(float), compare_floats);
	return values[width / 2];
}

void
twin_hpss_mask(const float *magnitude, size_t frames, size_t bins, size_t width, float *harmonic)
{
	float *values = twin_alloc(width, sizeof(float));

	for (size_t t = 0; t < frames; t++)
		for (size_t f = 0; f < bins; f++)
		{
			float h = median_around(magnitude + f, t, frames, bins, width, values);
			float p = median_around(magnitude + t * bins, f, bins, 1, width, values);

			harmonic[t * bins + f] = h * h / (h * h + p * p + 1e-18f);
		}
	free(values);
}

/* Splits one channel in place: in keeps what is not harmonic, harmonic gets the rest. */
static void
split_harmonic(float *in, float *harmonic, size_t count, size_t step, size_t fft_size)
{
	TwinSpectrogram s = twin_spectrogram(in, count, step, fft_size);
	float *mask = twin_alloc(s.frames * s.bins, sizeof(float));

	twin_hpss_mask(s.magnitude, s.frames, s.bins, 25, mask);
	twin_resynthesise(&s, mask, harmonic, count, step);
	for (size_t i = 0; i < count; i++)
		in[i * step] -= harmonic[i * step];
	free(mask);
	twin_spectrogram_free(&s);
}

/* low gets in below cutoff_hz, slope per octave by order (HUGE_VAL: a wall); in keeps the rest. */
static void
split_low(float *in, float *low, size_t count, size_t step, double rate, double cutoff_hz,
          double order)
{
	TwinSpectrogram s = twin_spectrogram(in, count, step, sp_stft_size_for(rate, 0.093));
	float *mask = twin_alloc(s.frames * s.bins, sizeof(float));

	for (size_t i = 0; i < s.frames * s.bins; i++)
	{
		double hz = (double) (i % s.bins) * rate / (double) s.fft_size;

		mask[i] = (float) (1 / (1 + pow(hz / cutoff_hz, order)));
	}
	twin_resynthesise(&s, mask, low, count, step);
	for (size_t i = 0; i < count; i++)
		in[i * step] -= low[i * step];
	free(mask);
	twin_spectrogram_free(&s);
}

void
twin_hpss_stems(const float *in, size_t count, size_t channels, double rate, TwinStems out)
{
	size_t n = count * channels;
	float *low = twin_alloc(n, sizeof(float));

	memcpy(out.drums, in, n * sizeof(float));
	for (size_t c = 0; c < channels; c++)
	{
		split_harmonic(out.drums + c, out.other + c, count, channels,
		               sp_stft_size_for(rate, 0.186));
		split_harmonic(out.drums + c, out.vocals + c, count, channels,
		               sp_stft_size_for(rate, 0.023));
		split_low(out.vocals + c, low + c, count, channels, rate, 110, HUGE_VAL);
	}
	for (size_t i = 0; i < n; i++)
		out.other[i] += low[i];
	for (size_t c = 0; c < channels; c++)
		split_low(out.other + c, out.bass + c, count, channels, rate, 160, 6);
	free(low);
}
