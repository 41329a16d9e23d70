/*
 * tests/unit/test_measure.c
 *	  The vector kernel against a plain loop, and known signals.
 */
#include <float.h>

#include "core/audio/measure.h"

#include "unit/check.h"

/* Random lengths and channels, cut at random places, against one loop in double. */
static void
check_twin(void)
{
	static float x[8 * 5000];

	for (int round = 0; round < 50; round++)
	{
		int channels = 1 + (int) (check_random() % 8);
		size_t frames = check_random() % 5000;
		size_t n = frames * (size_t) channels;
		double energy = 0;
		double peak = 0;
		int64_t clipped = 0;
		SpMeasure m;

		for (size_t i = 0; i < n; i++)
		{
			double a;

			x[i] = 1.1f * check_noise();
			a = fabs((double) x[i]);
			energy += a * a;
			peak = a > peak ? a : peak;
			clipped += a >= 32767.0 / 32768.0;
		}
		sp_measure_init(&m, channels);
		for (size_t at = 0; at < frames;)
		{
			size_t part = 1 + check_random() % 3000;

			part = part < frames - at ? part : frames - at;
			sp_measure_push(&m, x + at * (size_t) channels, part);
			at += part;
		}
		CHECK(m.frames == (int64_t) frames && m.bad == -1);
		CHECK(m.clipped == clipped);
		CHECK_NEAR(m.peak, peak, 0);
		CHECK_NEAR(m.energy, energy, 1e-6 * energy);
	}
}

static void
check_known(void)
{
	static float sine[2 * 48000];
	SpMeasure m;

	sp_measure_init(&m, 2);
	CHECK(isinf(sp_measure_peak_db(&m)) && isinf(sp_measure_rms_db(&m)));
	sp_measure_push(&m, sine, 48000);
	CHECK(isinf(sp_measure_peak_db(&m)) && isinf(sp_measure_rms_db(&m)));
	for (int i = 0; i < 48000; i++)
		sine[2 * i] = sine[2 * i + 1] = (float) sin(2 * M_PI * 1000 * i / 48000.0);
	sp_measure_init(&m, 2);
	sp_measure_push(&m, sine, 48000);
	CHECK_NEAR(sp_measure_peak_db(&m), 0, 1e-6);
	CHECK_NEAR(sp_measure_rms_db(&m), -3.0103, 1e-4);
	/* The crest, both halves, both channels, each period: sin(pi/2) only. */
	CHECK(m.clipped == 2 * 2 * 1000);
}

static void
check_bad(void)
{
	static float x[3 * 4000];
	const float ODD[] = {NAN, INFINITY, -INFINITY};

	for (int k = 0; k < 3; k++)
		for (int round = 0; round < 20; round++)
		{
			size_t at = check_random() % (3 * 4000);
			SpMeasure m;

			x[at] = ODD[k];
			sp_measure_init(&m, 3);
			sp_measure_push(&m, x, 1000);
			sp_measure_push(&m, x + 3000, 3000);
			CHECK(m.bad == (int64_t) at / 3);
			CHECK(sp_measure_first_beyond(x, 3 * 4000, FLT_MAX) == at);
			x[at] = 0;
		}
	CHECK(sp_measure_first_beyond(x, 3 * 4000, 0) == 3 * 4000);
	CHECK(sp_measure_first_beyond(x, 0, 0) == 0);
	x[7] = 2;
	CHECK(sp_measure_first_beyond(x, 3 * 4000, 1) == 7);
	CHECK(sp_measure_first_beyond(x, 3 * 4000, 2) == 3 * 4000);
}

int
main(void)
{
	check_twin();
	check_known();
	check_bad();
	return check_report();
}
