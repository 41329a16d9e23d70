/*
 * tests/unit/test_stft.c
 *	  Perfect reconstruction, the transform's definition, the scale of a sine, refusals.
 */
#include "check.h"

#include "core/dsp/stft.h"

static void
check_reconstruction(size_t size, size_t channels)
{
	size_t hop = size / SP_STFT_OVERLAP;
	size_t n = size * 7;
	SpStft *s = NULL;
	float *in = malloc(2 * n * sizeof(float));
	float *out = calloc(2 * n, sizeof(float));
	float *spectra[2];
	double error = 0, power = 0;

	CHECK(sp_stft_new(&check_env, size, &s) == SP_OK);
	for (size_t c = 0; c < 2; c++)
		spectra[c] = sp_alloc(&check_env, 2 * sp_stft_stride(s), sizeof(float));
	for (size_t i = 0; i < 2 * n; i++)
		in[i] = check_noise();
	for (size_t start = 0; start + size <= n; start += hop)
	{
		const float *frames[2] = {in + start, in + n + start};
		float *sums[2] = {out + start, out + n + start};

		sp_stft_forward(s, channels, frames, spectra);
		sp_stft_inverse_add(s, channels, (const float *const *) spectra, sums);
	}
	for (size_t c = 0; c < channels; c++)
		for (size_t i = c * n + size - hop; i < (c + 1) * n - size; i++)
		{
			error += (out[i] - in[i]) * (double) (out[i] - in[i]);
			power += in[i] * (double) in[i];
		}
	CHECK(10 * log10(error / power) < -120);
	for (size_t i = channels * n; i < 2 * n; i++)
		CHECK(out[i] == 0);
	for (size_t c = 0; c < 2; c++)
		sp_free(&check_env, spectra[c]);
	sp_stft_free(s);
	free(in);
	free(out);
}

/* Against the sum that defines the transform; the second channel is 100 dB below the first. */
static void
check_channels_apart(void)
{
	enum
	{
		SIZE = 256
	};
	SpStft *s = NULL;
	float in[2][SIZE];
	float *spectra[2];
	size_t stride;

	CHECK(sp_stft_new(&check_env, SIZE, &s) == SP_OK);
	stride = sp_stft_stride(s);
	for (size_t c = 0; c < 2; c++)
	{
		spectra[c] = sp_alloc(&check_env, 2 * stride, sizeof(float));
		for (size_t i = 0; i < SIZE; i++)
			in[c][i] = check_noise() * (c == 0 ? 1.0f : 1e-5f);
	}
	sp_stft_forward(s, 2, (const float *[]){in[0], in[1]}, spectra);
	for (size_t c = 0; c < 2; c++)
		for (size_t k = 0; k <= SIZE / 2; k++)
		{
			double re = 0, im = 0;

			for (size_t i = 0; i < SIZE; i++)
			{
				double at = 2 * M_PI * (double) (k * i % SIZE) / SIZE;
				double x = in[c][i] * (0.5 - 0.5 * cos(2 * M_PI * (double) i / SIZE)) * 4 / SIZE;

				re += x * cos(at);
				im -= x * sin(at);
			}
			CHECK_NEAR(spectra[c][k], re, 1e-7);
			CHECK_NEAR(spectra[c][stride + k], im, 1e-7);
		}
	for (size_t c = 0; c < 2; c++)
		sp_free(&check_env, spectra[c]);
	sp_stft_free(s);
}

/* A sine in the middle of bin 32 has that magnitude there, half beside it, nothing far off. */
static void
check_sine(void)
{
	enum
	{
		SIZE = 1024,
		BIN = 32
	};
	SpStft *s = NULL;
	float in[SIZE];
	float *spectrum;
	size_t stride;

	CHECK(sp_stft_new(&check_env, SIZE, &s) == SP_OK);
	CHECK(sp_stft_bins(s) == SIZE / 2 + 1);
	stride = sp_stft_stride(s);
	CHECK(stride >= SIZE / 2 + 1 && stride * sizeof(float) % SP_ALIGN == 0);
	spectrum = sp_alloc(&check_env, 2 * stride, sizeof(float));
	for (size_t i = 0; i < SIZE; i++)
		in[i] = (float) (0.25 * sin(2 * M_PI * BIN * (double) i / SIZE + 0.3));
	sp_stft_forward(s, 1, (const float *[]){in}, &spectrum);
	CHECK_NEAR(hypot(spectrum[BIN], spectrum[stride + BIN]), 0.25, 1e-6);
	CHECK_NEAR(hypot(spectrum[BIN + 1], spectrum[stride + BIN + 1]), 0.125, 1e-6);
	CHECK_NEAR(hypot(spectrum[BIN + 9], spectrum[stride + BIN + 9]), 0, 1e-6);
	for (size_t i = SIZE / 2 + 1; i < stride; i++)
		CHECK(spectrum[i] == 0 && spectrum[stride + i] == 0);
	sp_free(&check_env, spectrum);
	sp_stft_free(s);
}

static void
check_refusals(void)
{
	SpStft *s = NULL;
	SpStatus st;
	long allowed = 0;

	CHECK(sp_stft_new(&check_env, 0, &s) == SP_ERR_BAD_ARG && s == NULL);
	CHECK(sp_stft_new(&check_env, 1000, &s) == SP_ERR_BAD_ARG && s == NULL);
	CHECK(sp_stft_new(&check_env, 2 * SP_STFT_MAX_SIZE, &s) == SP_ERR_BAD_ARG && s == NULL);
	for (st = SP_ERR_NO_MEMORY; st != SP_OK && allowed < 20; allowed++)
	{
		check_allocs_left = allowed;
		st = sp_stft_new(&check_env, 256, &s);
		CHECK(st == SP_OK || (st == SP_ERR_NO_MEMORY && s == NULL));
	}
	check_allocs_left = -1;
	CHECK(allowed > 4 && s != NULL);
	sp_stft_free(s);
	sp_stft_free(NULL);
}

int
main(void)
{
	check_reconstruction(64, 1);
	check_reconstruction(1024, 2);
	check_reconstruction(4096, 1);
	check_reconstruction(4096, 2);
	check_channels_apart();
	check_sine();
	check_refusals();
	CHECK(sp_stft_size_for(44100, 0.093) == 4096);
	CHECK(sp_stft_size_for(48000, 0.093) == 4096);
	CHECK(sp_stft_size_for(16000, 0.093) == 2048);
	CHECK(sp_stft_size_for(8000, 0.093) == 1024);
	CHECK(sp_stft_size_for(192000, 0.093) == 16384);
	CHECK(sp_stft_size_for(1, 0.093) == SP_STFT_MIN_SIZE);
	return check_report();
}
