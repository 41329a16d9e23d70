/*
 * tests/unit/test_resample.c
 *	  A sine stays the same sine at the same instants; lengths are exact
 *	  however the stream is cut.
 */
#include "core/audio/resample.h"

#include "unit/check.h"

/* Resample frames of x, cut at random; returns the frames made. */
static size_t
resample(const float *x, size_t frames, int in_rate, int out_rate, int channels, float *y,
         size_t capacity)
{
	SpResampler *r = NULL;
	size_t total = 0;
	size_t used;
	size_t made = 1;

	CHECK(sp_resampler_new(&check_env, in_rate, out_rate, channels, &r) == SP_OK);
	while (frames > 0)
	{
		size_t n = 1 + check_random() % 5000;
		size_t room = 1 + check_random() % 5000;

		n = n < frames ? n : frames;
		room = room < capacity - total ? room : capacity - total;
		CHECK(sp_resampler_run(r, x, n, &used, y + total * (size_t) channels, room, &made) ==
		      SP_OK);
		CHECK(used <= n && made <= room);
		x += used * (size_t) channels;
		frames -= used;
		total += made;
	}
	for (made = 1; made > 0; total += made)
	{
		size_t room = 1 + check_random() % 500;

		room = room < capacity - total ? room : capacity - total;
		CHECK(sp_resampler_run(r, NULL, 0, &used, y + total * (size_t) channels, room, &made) ==
		      SP_OK);
	}
	sp_resampler_free(r);
	return total;
}

/* An error of -100 dB against the sine: SOXR_HQ promises 20 bits in its pass band. */
static void
check_sine(int in_rate, int out_rate)
{
	enum
	{
		CHANNELS = 2
	};
	size_t frames = (size_t) in_rate / 2 + 17;
	size_t capacity = (size_t) out_rate + 1000;
	float *x = malloc(frames * CHANNELS * sizeof(float));
	float *y = malloc(capacity * CHANNELS * sizeof(float));
	size_t made;
	double worst = 0;

	for (size_t i = 0; i < frames; i++)
		for (int c = 0; c < CHANNELS; c++)
			x[i * CHANNELS + (size_t) c] =
				(float) (0.5 * sin(2 * M_PI * (440 + 100 * c) * (double) i / in_rate));
	made = resample(x, frames, in_rate, out_rate, CHANNELS, y, capacity);
	CHECK((int64_t) made == sp_resampled_frames((int64_t) frames, in_rate, out_rate));
	/* The first and last 20 ms hold the step from and to silence. */
	for (size_t i = (size_t) out_rate / 50; i + (size_t) out_rate / 50 < made; i++)
		for (int c = 0; c < CHANNELS; c++)
		{
			double want = 0.5 * sin(2 * M_PI * (440 + 100 * c) * (double) i / out_rate);
			double error = fabs((double) y[i * CHANNELS + (size_t) c] - want);

			worst = error > worst ? error : worst;
		}
	CHECK_NEAR(worst, 0, 1e-5);
	free(x);
	free(y);
}

static void
check_lengths(void)
{
	static float x[3000];
	static float y[20000];
	static const int RATES[][2] = {{44100, 48000}, {48000, 44100}, {8000, 48000}, {96000, 16000},
	                               {44100, 44100}, {22050, 24000}, {11025, 8000}};

	CHECK(sp_resampled_frames(1, 2, 1) == 1); /* a half goes up */
	CHECK(sp_resampled_frames(1, 3, 1) == 0);
	CHECK(sp_resampled_frames(INT64_MAX / 2, 1, 2) == INT64_MAX - 1);
	for (size_t k = 0; k < sizeof(RATES) / sizeof(RATES[0]); k++)
		for (size_t frames = 0; frames < 3000; frames += frames < 20 ? 1 : 331)
			CHECK((int64_t) resample(x, frames, RATES[k][0], RATES[k][1], 1, y, 20000) ==
			      sp_resampled_frames((int64_t) frames, RATES[k][0], RATES[k][1]));
	for (int i = 0; i < 3000; i++)
		x[i] = check_noise();
	CHECK(resample(x, 3000, 44100, 44100, 1, y, 20000) == 3000);
	CHECK(memcmp(x, y, sizeof(x)) == 0);
}

static void
check_arguments(void)
{
	SpResampler *r;

	CHECK(sp_resampler_new(&check_env, 0, 48000, 2, &r) == SP_ERR_BAD_ARG && r == NULL);
	CHECK(sp_resampler_new(&check_env, 48000, 1 << 25, 2, &r) == SP_ERR_BAD_ARG);
	CHECK(sp_resampler_new(&check_env, 48000, 44100, 65, &r) == SP_ERR_BAD_ARG);
	check_allocs_left = 0;
	CHECK(sp_resampler_new(&check_env, 48000, 44100, 2, &r) == SP_ERR_NO_MEMORY && r == NULL);
	check_allocs_left = -1;
	sp_resampler_free(NULL);
}

int
main(void)
{
	check_sine(44100, 48000);
	check_sine(48000, 44100);
	check_sine(96000, 48000);
	check_sine(22050, 48000);
	check_sine(44100, 16000);
	check_lengths();
	check_arguments();
	return check_report();
}
