/*
 * tests/unit/test_quantise.c
 *	  Rounding is right, and stems sum to their mix exactly.
 */
#include "core/audio/quantise.h"

#include "unit/check.h"

#define N 20000

static void
check_rounding(void)
{
	/* Halves go to the even neighbour, the ends are clamped. */
	static const struct
	{
		double steps;
		int32_t want;
	} CASES[] = {
		{0, 0},         {0.5, 0},         {1.5, 2},           {2.5, 2},       {-0.5, 0},
		{-1.5, -2},     {0.49, 0},        {0.51, 1},          {32767, 32767}, {32767.4, 32767},
		{32768, 32767}, {-32768, -32768}, {-32768.6, -32768}, {1e9, 32767},   {-1e9, -32768},
	};
	int32_t out;
	float x;

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
	{
		x = (float) (CASES[i].steps / 32768);
		sp_quantise(&out, &x, 1, 16);
		CHECK(out == CASES[i].want);
	}
	/* Every 24-bit value, and every 16-bit value, survives the way through float. */
	for (int32_t v = -(1 << 23); v < 1 << 23; v += 4099)
	{
		x = (float) v / (1 << 23);
		sp_quantise(&out, &x, 1, 24);
		CHECK(out == v);
	}
	x = 8388607.0f / 8388608.0f;
	sp_quantise(&out, &x, 1, 24);
	CHECK(out == 8388607);
	x = 1;
	sp_quantise(&out, &x, 1, 24);
	CHECK(out == 8388607);
}

/* The stems of a check, their mix, and what became of them. */
typedef struct Stems
{
	size_t n_stems;
	float x[SP_QUANTISE_MAX_STEMS][N];
	int32_t y[SP_QUANTISE_MAX_STEMS][N];
	float mix[N];
	double sum[N]; /* what the integers must sum to, before rounding */
} Stems;

/*
 * drive: level of the stems; above 1 they clip alone.  The mix differs from
 * their sum by up to drift, and is held to what n_stems integers can carry.
 */
static void
fill_stems(Stems *t, double scale, double drive, double drift, bool with_mix)
{
	double top = (double) t->n_stems * (scale - 1) / scale;

	for (size_t i = 0; i < N; i++)
	{
		double sum = 0;

		for (size_t s = 0; s < t->n_stems; s++)
		{
			t->x[s][i] = (float) drive * check_noise();
			sum += (double) t->x[s][i];
		}
		if (with_mix)
		{
			sum += drift * (double) check_noise();
			sum = fmax(-1.0 * (double) t->n_stems, fmin(top, sum));
			t->mix[i] = (float) sum;
			if ((double) t->mix[i] > top)
				t->mix[i] = nextafterf(t->mix[i], 0);
			sum = (double) t->mix[i];
		}
		t->sum[i] = sum * scale;
	}
}

static void
check_sum(size_t n_stems, int bits, double drive, bool with_mix, double drift)
{
	static Stems t;
	const float *stems[SP_QUANTISE_MAX_STEMS];
	int32_t *out[SP_QUANTISE_MAX_STEMS];
	double scale = (double) (1 << (bits - 1));
	int wrong = 0;
	int outside = 0;
	double worst = 0;

	t.n_stems = n_stems;
	for (size_t s = 0; s < n_stems; s++)
	{
		stems[s] = t.x[s];
		out[s] = t.y[s];
	}
	fill_stems(&t, scale, drive, drift, with_mix);
	CHECK(sp_quantise_stems(out, stems, with_mix ? t.mix : NULL, n_stems, N, bits) == 0);
	for (size_t i = 0; i < N; i++)
	{
		int64_t sum = 0;

		for (size_t s = 0; s < n_stems; s++)
		{
			sum += t.y[s][i];
			outside += t.y[s][i] < -scale || t.y[s][i] > scale - 1;
			worst = fmax(worst, fabs(t.y[s][i] - (double) t.x[s][i] * scale));
		}
		wrong += sum != (int64_t) rint(t.sum[i]);
	}
	CHECK(wrong == 0);
	CHECK(outside == 0);
	/* Without clipping or drift no stem is further away than the sum of the roundings. */
	if (drive <= 0.9 && drift == 0)
		CHECK(worst <= 0.5 * (double) n_stems + 1);
}

static void
check_impossible(void)
{
	float a = 0.9f, b = 0.9f, mix = 2.5f;
	int32_t ya, yb;
	const float *stems[] = {&a, &b};
	int32_t *out[] = {&ya, &yb};

	CHECK(sp_quantise_stems(out, stems, &mix, 2, 1, 16) == 1);
	CHECK(ya == 32767 && yb == 32767);
	mix = -1e30f;
	CHECK(sp_quantise_stems(out, stems, &mix, 2, 1, 16) == 1);
	CHECK(ya == -32768 && yb == -32768);
	/* The excess goes where the room is. */
	a = -0.5f;
	b = 1.25f;
	mix = 0.75f;
	CHECK(sp_quantise_stems(out, stems, &mix, 2, 1, 16) == 0);
	CHECK(yb == 32767 && ya == 24576 - 32767);
	CHECK(sp_quantise_stems(out, stems, &mix, 1, 0, 16) == 0);
}

int
main(void)
{
	check_rounding();
	for (int bits = 16; bits <= 24; bits += 8)
		for (size_t n_stems = 1; n_stems <= 5; n_stems++)
		{
			check_sum(n_stems, bits, 0.3, true, 0);
			check_sum(n_stems, bits, 0.3, false, 0);
			check_sum(n_stems, bits, 0.9, true, 0.001);
			check_sum(n_stems, bits, 3.0, true, 0.1);
		}
	check_sum(SP_QUANTISE_MAX_STEMS, 24, 2.0, true, 0.1);
	check_impossible();
	return check_report();
}
