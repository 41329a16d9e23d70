/*
 * tests/unit/test_stft.c
 *	  Perfect reconstruction, the scale of a sine, refusals.
 */
#include "check.h"

#include "core/dsp/stft.h"

static void
check_reconstruction(size_t size)
{
	size_t hop = size / SP_STFT_OVERLAP;
	size_t n = size * 7;
	SpStft *s = NULL;
	float *in = malloc(n * sizeof(float));
	float *out = calloc(n, sizeof(float));
	float *spectrum;
	double error = 0, power = 0;

	CHECK(sp_stft_new(&check_env, size, &s) == SP_OK);
	spectrum = sp_alloc(&check_env, 2 * sp_stft_stride(s), sizeof(float));
	for (size_t i = 0; i < n; i++)
		in[i] = check_noise();
	for (size_t start = 0; start + size <= n; start += hop)
	{
		sp_stft_forward(s, in + start, spectrum);
		sp_stft_inverse_add(s, spectrum, out + start);
	}
	for (size_t i = size - hop; i < n - size; i++)
	{
		error += (out[i] - in[i]) * (double) (out[i] - in[i]);
		power += in[i] * (double) in[i];
	}
	CHECK(10 * log10(error / power) < -120);
	sp_free(&check_env, spectrum);
	sp_stft_free(s);
	free(in);
	free(out);
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
	sp_stft_forward(s, in, spectrum);
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
	check_reconstruction(64);
	check_reconstruction(1024);
	check_reconstruction(4096);
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
