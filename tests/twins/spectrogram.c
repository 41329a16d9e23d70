/*
 * tests/twins/spectrogram.c
 *	  Whole songs as spectrograms, for the naive twins.
 */
#include "twins/spectrogram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/dsp/stft.h"
#include "host.h"

void *
twin_alloc(size_t n, size_t size)
{
	void *p = calloc(n > 0 ? n : 1, size);

	if (p == NULL)
	{
		fprintf(stderr, "out of memory\n");
		abort();
	}
	return p;
}

static SpStft *
new_stft(size_t fft_size)
{
	SpStft *stft;

	if (sp_stft_new(&env, fft_size, &stft) != SP_OK)
		abort();
	return stft;
}

TwinSpectrogram
twin_spectrogram(const float *in, size_t count, size_t step, size_t fft_size)
{
	size_t hop = fft_size / SP_STFT_OVERLAP;
	size_t pad = fft_size - hop;
	SpStft *stft = new_stft(fft_size);
	size_t stride = sp_stft_stride(stft);
	TwinSpectrogram s = {fft_size, sp_stft_bins(stft), (count + pad) / hop + 1, NULL, NULL};
	float *padded = twin_alloc(s.frames * hop + fft_size, sizeof(float));
	float *spectrum = sp_alloc(&env, 2 * stride, sizeof(float));

	s.at = twin_alloc(s.frames * s.bins, sizeof(*s.at));
	s.magnitude = twin_alloc(s.frames * s.bins, sizeof(*s.magnitude));
	for (size_t i = 0; i < count; i++)
		padded[pad + i] = in[i * step];
	for (size_t t = 0; t < s.frames; t++)
	{
		sp_stft_forward(stft, 1, (const float *[]){padded + t * hop}, &spectrum);
		for (size_t f = 0; f < s.bins; f++)
		{
			s.at[t * s.bins + f] = spectrum[f] + spectrum[stride + f] * I;
			s.magnitude[t * s.bins + f] = cabsf(s.at[t * s.bins + f]);
		}
	}
	free(padded);
	sp_free(&env, spectrum);
	sp_stft_free(stft);
	return s;
}

void
twin_spectrogram_free(TwinSpectrogram *s)
{
	free(s->at);
	free(s->magnitude);
}

void
twin_resynthesise(const TwinSpectrogram *s, const float *mask, float *out, size_t count,
                  size_t step)
{
	size_t hop = s->fft_size / SP_STFT_OVERLAP;
	SpStft *stft = new_stft(s->fft_size);
	size_t stride = sp_stft_stride(stft);
	float *padded = twin_alloc(s->frames * hop + s->fft_size, sizeof(float));
	float *spectrum = sp_alloc(&env, 2 * stride, sizeof(float));

	for (size_t t = 0; t < s->frames; t++)
	{
		memset(spectrum, 0, 2 * stride * sizeof(float));
		for (size_t f = 0; f < s->bins; f++)
		{
			float complex x = s->at[t * s->bins + f] * mask[t * s->bins + f];

			spectrum[f] = crealf(x);
			spectrum[stride + f] = cimagf(x);
		}
		sp_stft_inverse_add(stft, 1, (const float *[]){spectrum}, (float *[]){padded + t * hop});
	}
	for (size_t i = 0; i < count; i++)
		out[i * step] = padded[s->fft_size - hop + i];
	free(padded);
	sp_free(&env, spectrum);
	sp_stft_free(stft);
}
