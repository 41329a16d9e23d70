/*
 * tests/unit/test_packed.c
 *	  Magnitudes in 16 bits: their precision, their order, their ends.
 */
#include "check.h"

#include "core/dsp/packed.h"

static uint16_t
store(float x)
{
	uint16_t packed;

	sp_packed_store(&packed, &x, 1);
	return packed;
}

static float
load(uint16_t packed)
{
	float x;

	sp_packed_load(&x, &packed, 1);
	return x;
}

/* Every number comes back as itself, greater than the one before: 2^-48 up, 1024 steps an octave. */
static void
check_all(void)
{
	size_t wrong = 0;

	CHECK(load(0) == 0);
	for (uint32_t i = 1; i <= UINT16_MAX; i++)
	{
		double value = ldexp(1 + i % 1024 / 1024.0, (int) (i / 1024) - 48);

		wrong += load((uint16_t) i) != value || store((float) value) != i;
		wrong += !(load((uint16_t) i) > load((uint16_t) (i - 1)));
	}
	CHECK(wrong == 0);
}

static void
check_precision(void)
{
	double worst = 0;

	for (int i = 0; i < 100000; i++)
	{
		float x = (float) exp2(63.5 * (0.5 + 0.5 * check_noise()) - 47.9);
		double error = fabs(load(store(x)) - (double) x) / x;

		worst = x < 65000 && error > worst ? error : worst;
	}
	CHECK(worst <= 1.0 / 2048 && worst > 0.9 / 2048);
}

static void
check_ends(void)
{
	CHECK(store(0.0f) == 0 && store(-0.0f) == 0 && store(-1.0f) == 0 && store(NAN) == 0);
	CHECK(store(-INFINITY) == 0 && store(1e-20f) == 0 && store(1e-42f) == 0);
	CHECK(store(INFINITY) == UINT16_MAX && store(3e38f) == UINT16_MAX &&
	      store(65536) == UINT16_MAX);
	CHECK(load(UINT16_MAX) == 65504.0f);
	CHECK(load(store(1.0f)) == 1.0f && load(store(2e4f)) == 2e4f);
}

/* Rows of any length write that many and no more. */
static void
check_rows(void)
{
	float in[70], out[70];
	uint16_t packed[70];

	for (size_t n = 0; n < 69; n++)
	{
		for (size_t i = 0; i < 70; i++)
		{
			in[i] = out[i] = (float) i;
			packed[i] = 7;
		}
		sp_packed_store(packed, in, n);
		CHECK(packed[n] == 7);
		out[n] = -1;
		sp_packed_load(out, packed, n);
		CHECK(out[n] == -1 && memcmp(out, in, n * sizeof(float)) == 0);
		CHECK(sp_packed_stride(n) >= n && sp_packed_stride(n) % 32 == 0);
	}
}

int
main(void)
{
	check_all();
	check_precision();
	check_ends();
	check_rows();
	return check_report();
}
