/*
 * tests/twins/repet_sim.c
 *	  Plain REPET-SIM, straightforward.
 */
#include "twins/repet_sim.h"

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

static double
cosine(const float *a, const float *b, size_t n)
{
	double ab = 0, aa = 0, bb = 0;

	for (size_t i = 0; i < n; i++)
	{
		ab += a[i] * (double) b[i];
		aa += a[i] * (double) a[i];
		bb += b[i] * (double) b[i];
	}
	return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

/* Indices of the frames most like frame t, itself first; answers how many. */
static size_t
find_similar(const float *features, size_t frames, size_t dims, size_t t, size_t similar,
             size_t apart, size_t window, size_t *found)
{
	double *like = twin_alloc(frames, sizeof(double));
	size_t n;

	for (size_t u = 0; u < frames; u++)
		like[u] = u + window < t || u > t + window
		              ? -1
		              : cosine(features + t * dims, features + u * dims, dims);
	like[t] = 2;
	for (n = 0; n < similar; n++)
	{
		size_t best = 0;

		for (size_t u = 1; u < frames; u++)
			if (like[u] > like[best])
				best = u;
		if (like[best] < 0)
			break;
		found[n] = best;
		for (size_t u = 0; u < frames; u++)
			if (u + apart >= best && u <= best + apart)
				like[u] = -1;
	}
	free(like);
	return n;
}

void
twin_repet_background(const float *magnitude, size_t frames, size_t bins, const float *features,
                      size_t dims, size_t similar, size_t apart, size_t window, float *out)
{
	size_t *found = twin_alloc(similar, sizeof(size_t));
	float *values = twin_alloc(similar, sizeof(float));

	for (size_t t = 0; t < frames; t++)
	{
		size_t n = find_similar(features, frames, dims, t, similar, apart, window, found);

		for (size_t f = 0; f < bins; f++)
		{
			for (size_t i = 0; i < n; i++)
				values[i] = magnitude[found[i] * bins + f];
			qsort(values, n, sizeof(float), compare_floats);
			out[t * bins + f] = fminf(values[(n - 1) / 2], magnitude[t * bins + f]);
		}
	}
	free(found);
	free(values);
}

void
twin_repet_vocals(const float *in, size_t count, size_t channels, double rate, float *vocals)
{
	size_t fft_size = sp_stft_size_for(rate, 0.093);
	double frame_s = (double) fft_size / SP_STFT_OVERLAP / rate;
	TwinSpectrogram s[2];
	size_t cells;
	float *mean, *mask;

	for (size_t c = 0; c < channels; c++)
		s[c] = twin_spectrogram(in + c, count, channels, fft_size);
	cells = s[0].frames * s[0].bins;
	mean = twin_alloc(cells, sizeof(float));
	mask = twin_alloc(cells, sizeof(float));
	for (size_t i = 0; i < cells; i++)
		for (size_t c = 0; c < channels; c++)
			mean[i] += s[c].magnitude[i] / (float) channels;
	twin_repet_background(mean, s[0].frames, s[0].bins, mean, s[0].bins, 20,
	                      (size_t) (0.8 / frame_s), s[0].frames, mask);
	for (size_t i = 0; i < cells; i++)
	{
		double hz = (double) (i % s[0].bins) * rate / (double) fft_size;

		mask[i] = hz < 110 ? 0 : 1 - mask[i] / (mean[i] + 1e-9f);
	}
	for (size_t c = 0; c < channels; c++)
	{
		twin_resynthesise(&s[c], mask, vocals + c, count, channels);
		twin_spectrogram_free(&s[c]);
	}
	free(mean);
	free(mask);
}
