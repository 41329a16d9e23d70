/*
 * tests/unit/test_bss_eval.c
 *	  BSS Eval against cases whose answer is known on paper, its corners and
 *	  its errors.  (Golden figures: test_bss_eval_golden.c, test_bss_eval_mir.c.)
 *
 * Signals that must be orthogonal at all delays occupy disjoint stretches of
 * time with a gap longer than the filters: then energies add exactly.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "check.h"

#include "core/stems/bss_eval.h"

#define MAX_SOURCES 3
#define FRAMES      12000
#define TAPS        64
/* Decibels that only rounding could reach. */
#define PERFECT_DB 100.0

static float ref[MAX_SOURCES][FRAMES * 2], est[MAX_SOURCES][FRAMES * 2];
static SpBssScore scores[MAX_SOURCES];

static void
clear_signals(void)
{
	memset(ref, 0, sizeof(ref));
	memset(est, 0, sizeof(est));
}

/* White noise on frames [first, end) of every channel. */
static void
add_noise(float *x, size_t channels, size_t first, size_t end, float gain)
{
	for (size_t n = first * channels; n < end * channels; n++)
		x[n] += gain * check_noise();
}

/* out += in through fir, frame by frame; n interleaved channels. */
static void
add_filtered(float *out, const float *in, size_t channels, const double *fir, size_t length)
{
	for (size_t n = 0; n < FRAMES * channels; n++)
	{
		double sum = 0.0;

		for (size_t t = 0; t < length && t * channels <= n; t++)
			sum += fir[t] * in[n - t * channels];
		out[n] += (float) sum;
	}
}

static double
energy_of_difference(const float *x, const float *y, size_t channels)
{
	double sum = 0.0;

	for (size_t n = 0; n < FRAMES * channels; n++)
		sum += ((double) x[n] - y[n]) * ((double) x[n] - y[n]);
	return sum;
}

static double
energy(const float *x, size_t channels)
{
	static const float zero[FRAMES * 2];

	return energy_of_difference(x, zero, channels);
}

static double
decibels(double signal, double error)
{
	return 10.0 * log10(signal / error);
}

typedef SpStatus (*Push)(SpBss *, const float *const *, const float *const *, size_t);

static SpStatus
push_frames(SpBss *bss, Push push, size_t sources, size_t channels, size_t frames, size_t block)
{
	const float *refs[MAX_SOURCES], *ests[MAX_SOURCES];
	SpStatus st = SP_OK;

	for (size_t done = 0; done < frames && st == SP_OK; done += block)
	{
		for (size_t j = 0; j < sources; j++)
		{
			refs[j] = ref[j] + done * channels;
			ests[j] = est[j] + done * channels;
		}
		st = push(bss, refs, ests, frames - done < block ? frames - done : block);
	}
	return st;
}

/* Everything from new to free; the first status that is not SP_OK. */
static SpStatus
evaluate(size_t sources, size_t channels, size_t window, SpBssMode mode, size_t taps)
{
	SpBss *bss;
	SpStatus st = sp_bss_new(&check_env, sources, channels, window, taps, mode, &bss);

	if (st == SP_OK)
		st = push_frames(bss, sp_bss_correlate, sources, channels, FRAMES, 4096);
	if (st == SP_OK)
		st = sp_bss_solve(bss);
	if (st == SP_OK)
		st = push_frames(bss, sp_bss_evaluate, sources, channels, FRAMES, 1000);
	if (st == SP_OK)
		st = sp_bss_result(bss, scores);
	sp_bss_free(bss);
	return st;
}

static void
test_perfect_estimate(void)
{
	clear_signals();
	for (size_t j = 0; j < 2; j++)
	{
		add_noise(ref[j], 2, 0, FRAMES, 0.5f);
		memcpy(est[j], ref[j], sizeof(ref[j]));
	}
	CHECK(evaluate(2, 2, 3000, SP_BSS_IMAGES, TAPS) == SP_OK);
	for (size_t j = 0; j < 2; j++)
	{
		CHECK(scores[j].sdr_db == INFINITY);
		CHECK(scores[j].isr_db > PERFECT_DB);
		CHECK(scores[j].sir_db > PERFECT_DB);
		CHECK(scores[j].sar_db > PERFECT_DB);
	}
}

/* Half the reference: all distortion is spatial, and 6.02 dB down. */
static void
test_gain(void)
{
	clear_signals();
	for (size_t j = 0; j < 2; j++)
	{
		add_noise(ref[j], 1, 0, FRAMES, 0.5f);
		for (size_t n = 0; n < FRAMES; n++)
			est[j][n] = 0.5f * ref[j][n];
	}
	CHECK(evaluate(2, 1, 3000, SP_BSS_IMAGES, TAPS) == SP_OK);
	CHECK_NEAR(scores[0].sdr_db, 6.020599913279624, 1e-9);
	CHECK_NEAR(scores[0].isr_db, 6.020599913279624, 1e-6);
	CHECK(scores[0].sir_db > PERFECT_DB && scores[0].sar_db > PERFECT_DB);
	/* The sources mode forgives the gain. */
	CHECK(evaluate(2, 1, 3000, SP_BSS_SOURCES, TAPS) == SP_OK);
	CHECK(scores[0].sdr_db > PERFECT_DB && isnan(scores[0].isr_db));
}

/*
 * A filter of at most TAPS taps is spatial distortion and nothing else; one
 * tap more is an artifact.  The last frames are left silent so that the
 * filter rings out within the track.
 */
static void
test_short_filter(void)
{
	double fir[TAPS + 1] = {[0] = 0.8, [3] = -0.3, [17] = 0.2, [TAPS - 1] = 0.1};

	clear_signals();
	for (size_t j = 0; j < 2; j++)
	{
		add_noise(ref[j], 2, 0, FRAMES - 2 * TAPS, 0.5f);
		add_filtered(est[j], ref[j], 2, fir, TAPS);
	}
	CHECK(evaluate(2, 2, 0, SP_BSS_IMAGES, TAPS) == SP_OK);
	for (size_t j = 0; j < 2; j++)
	{
		double want = decibels(energy(ref[j], 2), energy_of_difference(ref[j], est[j], 2));

		CHECK_NEAR(scores[j].sdr_db, want, 1e-6);
		CHECK_NEAR(scores[j].isr_db, want, 1e-6);
		CHECK(scores[j].sir_db > PERFECT_DB && scores[j].sar_db > PERFECT_DB);
	}
	fir[TAPS] = 0.1;
	memset(est, 0, sizeof(est));
	for (size_t j = 0; j < 2; j++)
		add_filtered(est[j], ref[j], 2, fir, TAPS + 1);
	CHECK(evaluate(2, 2, 0, SP_BSS_IMAGES, TAPS) == SP_OK);
	/* White noise: the late tap alone, 0.01 of 0.79 of the energy, give or take chance. */
	CHECK_NEAR(scores[0].sar_db, decibels(0.64 + 0.09 + 0.04 + 0.01, 0.01), 0.3);
	CHECK(scores[0].sir_db > 30.0);
}

/* est_0 = ref_0 + a ref_1, the references orthogonal: SIR = SDR = E0 / (a^2 E1). */
static void
test_interference(void)
{
	clear_signals();
	add_noise(ref[0], 1, 0, 5000, 0.5f);
	add_noise(ref[1], 1, 5200, FRAMES, 0.25f);
	for (size_t n = 0; n < FRAMES; n++)
	{
		est[0][n] = ref[0][n] + 0.25f * ref[1][n];
		est[1][n] = ref[1][n];
	}
	for (int mode = 0; mode < 2; mode++)
	{
		double want = decibels(energy(ref[0], 1), energy(ref[1], 1) / 16.0);

		CHECK(evaluate(2, 1, 0, mode ? SP_BSS_SOURCES : SP_BSS_IMAGES, TAPS) == SP_OK);
		CHECK_NEAR(scores[0].sdr_db, want, 1e-6);
		CHECK_NEAR(scores[0].sir_db, want, 1e-6);
		CHECK(scores[0].sar_db > PERFECT_DB);
	}
}

/* Noise outside the span of all references is artifact, at its level. */
static void
test_artifacts(void)
{
	double noise;

	clear_signals();
	add_noise(ref[0], 2, 0, 4000, 0.5f);
	add_noise(ref[1], 2, 4100, 8000, 0.5f);
	memcpy(est, ref, sizeof(est));
	add_noise(est[0], 2, 8100, FRAMES, 0.05f);
	noise = energy_of_difference(ref[0], est[0], 2);
	CHECK(evaluate(2, 2, 0, SP_BSS_IMAGES, TAPS) == SP_OK);
	CHECK_NEAR(scores[0].sar_db, decibels(energy(ref[0], 2), noise), 1e-6);
	CHECK_NEAR(scores[0].sdr_db, decibels(energy(ref[0], 2), noise), 1e-6);
	CHECK(scores[0].sir_db > PERFECT_DB && scores[0].isr_db > PERFECT_DB);
	/* Overlapping noise: the filters explain 2 x 64 of 12000 parts of it by chance. */
	memcpy(est, ref, sizeof(est));
	add_noise(est[0], 2, 0, FRAMES, 0.05f);
	noise = energy_of_difference(ref[0], est[0], 2);
	CHECK(evaluate(2, 2, 0, SP_BSS_IMAGES, TAPS) == SP_OK);
	CHECK_NEAR(scores[0].sar_db, decibels(energy(ref[0], 2) + noise, noise), 0.2);
}

/* Three sources that leak and have noise of their own: something to compare. */
static void
make_ordinary(size_t sources, size_t channels)
{
	clear_signals();
	for (size_t j = 0; j < sources; j++)
		add_noise(ref[j], channels, 0, FRAMES, 0.5f);
	for (size_t j = 0; j < sources; j++)
		for (size_t n = 0; n < FRAMES * channels; n++)
			est[j][n] = 0.9f * ref[j][n] + 0.2f * ref[(j + 1) % sources][n] + 0.05f * check_noise();
}

static void
check_same(const SpBssScore *a, const SpBssScore *b, double tolerance)
{
	CHECK_NEAR(a->sdr_db, b->sdr_db, tolerance);
	CHECK_NEAR(a->isr_db, b->isr_db, tolerance);
	CHECK_NEAR(a->sir_db, b->sir_db, tolerance);
	CHECK_NEAR(a->sar_db, b->sar_db, tolerance);
}

/*
 * Gram matrices that are singular: mono material in two channels (copied, or
 * one silent) gives mono's figures; so does a level 120 dB down.
 */
static void
test_singular(void)
{
	SpBssScore mono[2];

	for (int variant = 0; variant < 3; variant++)
	{
		float right = variant == 0 ? 1.0f : variant == 1 ? 0.0f : 0x1p-20f;

		make_ordinary(2, 1);
		CHECK(evaluate(2, 1, 3000, SP_BSS_IMAGES, TAPS) == SP_OK);
		memcpy(mono, scores, sizeof(mono));
		for (size_t j = 0; j < 2; j++)
			for (size_t n = FRAMES; n-- > 0;)
			{
				ref[j][2 * n] = ref[j][n];
				ref[j][2 * n + 1] = right * ref[j][n];
				est[j][2 * n] = est[j][n];
				est[j][2 * n + 1] = right * est[j][n];
			}
		CHECK(evaluate(2, 2, 3000, SP_BSS_IMAGES, TAPS) == SP_OK);
		check_same(&scores[0], &mono[0], 1e-5);
		check_same(&scores[1], &mono[1], 1e-5);
	}
}

/* A pure tone spans two dimensions of TAPS: the projection must not mind. */
static void
test_tone(void)
{
	clear_signals();
	for (size_t n = 0; n < FRAMES; n++)
	{
		double fade = sin(M_PI * (double) n / FRAMES);

		ref[0][n] = (float) (fade * sin(0.05 * (double) n));
		ref[1][n] = (float) (fade * sin(0.31 * (double) n));
		est[0][n] = (float) (fade * sin(0.05 * (double) n + 1.0));
		est[1][n] = ref[1][n] + 0.1f * ref[0][n];
	}
	CHECK(evaluate(2, 1, 0, SP_BSS_IMAGES, TAPS) == SP_OK);
	/* |1 - e^i| = 2 sin(1/2): a phase is spatial distortion only. */
	CHECK_NEAR(scores[0].isr_db, -20.0 * log10(2.0 * sin(0.5)), 1e-3);
	CHECK(scores[0].sir_db > 50.0 && scores[0].sar_db > 50.0);
	CHECK_NEAR(scores[1].sir_db, 20.0, 0.1);
}

/* Source 1 is silent in the second of four windows, source 0's estimate in the third. */
static void
test_silence(void)
{
	SpBss *bss;

	make_ordinary(2, 2);
	memset(ref[1] + 2 * 3000, 0, 2 * 3000 * sizeof(float));
	memset(est[0] + 2 * 6000, 0, 2 * 3000 * sizeof(float));
	CHECK(sp_bss_new(&check_env, 2, 2, 3000, TAPS, SP_BSS_IMAGES, &bss) == SP_OK);
	CHECK(push_frames(bss, sp_bss_correlate, 2, 2, FRAMES, 777) == SP_OK);
	CHECK(sp_bss_solve(bss) == SP_OK);
	CHECK(push_frames(bss, sp_bss_evaluate, 2, 2, FRAMES, 1) == SP_OK);
	CHECK(sp_bss_result(bss, scores) == SP_OK);
	CHECK(sp_bss_windows(bss) == 4);
	for (size_t w = 0; w < 4; w++)
		for (size_t j = 0; j < 2; j++)
			CHECK(isnan(sp_bss_window(bss, w, j).sdr_db) == (w == 1 || w == 2));
	for (size_t j = 0; j < 2; j++)
		CHECK_NEAR(scores[j].sir_db,
		           0.5 * (sp_bss_window(bss, 0, j).sir_db + sp_bss_window(bss, 3, j).sir_db),
		           1e-12);
	sp_bss_free(bss);
	memset(ref[1], 0, sizeof(ref[1]));
	CHECK(evaluate(2, 2, 3000, SP_BSS_IMAGES, TAPS) == SP_OK);
	CHECK(isnan(scores[0].sdr_db) && isnan(scores[1].sar_db));
}

/* The size of the caller's blocks must not show. */
static void
test_block_sizes(void)
{
	SpBssScore first[MAX_SOURCES];

	for (size_t block = 1; block < 3 * FRAMES; block = block * 7 + 3)
	{
		SpBss *bss;

		check_seed = 1;
		make_ordinary(3, 1);
		CHECK(sp_bss_new(&check_env, 3, 1, 2999, TAPS, SP_BSS_IMAGES, &bss) == SP_OK);
		CHECK(push_frames(bss, sp_bss_correlate, 3, 1, FRAMES, block) == SP_OK);
		CHECK(sp_bss_solve(bss) == SP_OK);
		CHECK(push_frames(bss, sp_bss_evaluate, 3, 1, FRAMES, block) == SP_OK);
		CHECK(sp_bss_result(bss, scores) == SP_OK);
		CHECK(sp_bss_windows(bss) == 4);
		if (block == 1)
			memcpy(first, scores, sizeof(first));
		CHECK(memcmp(first, scores, sizeof(first)) == 0);
		sp_bss_free(bss);
	}
}

static void
test_contract(void)
{
	SpBss *bss;

	CHECK(sp_bss_new(&check_env, 0, 1, 0, 1, SP_BSS_IMAGES, &bss) == SP_ERR_BAD_ARG && bss == NULL);
	CHECK(sp_bss_new(&check_env, 9, 1, 0, 1, SP_BSS_IMAGES, &bss) == SP_ERR_BAD_ARG);
	CHECK(sp_bss_new(&check_env, 2, 0, 0, 1, SP_BSS_IMAGES, &bss) == SP_ERR_BAD_ARG);
	CHECK(sp_bss_new(&check_env, 2, 5, 0, 1, SP_BSS_IMAGES, &bss) == SP_ERR_TOO_LARGE);
	CHECK(sp_bss_new(&check_env, 2, 1, 0, 0, SP_BSS_IMAGES, &bss) == SP_ERR_BAD_ARG);
	CHECK(sp_bss_new(&check_env, 8, 4, 0, 512, SP_BSS_IMAGES, &bss) == SP_ERR_TOO_LARGE);
	sp_bss_free(NULL);

	make_ordinary(2, 1);
	CHECK(sp_bss_new(&check_env, 2, 1, 0, TAPS, SP_BSS_IMAGES, &bss) == SP_OK);
	CHECK(sp_bss_solve(bss) == SP_ERR_BAD_ARG);
	CHECK(sp_bss_result(bss, scores) == SP_ERR_BAD_ARG);
	CHECK(push_frames(bss, sp_bss_evaluate, 2, 1, 10, 10) == SP_ERR_BAD_ARG);
	CHECK(push_frames(bss, sp_bss_correlate, 2, 1, 3000, 512) == SP_OK);
	CHECK(sp_bss_solve(bss) == SP_OK);
	CHECK(sp_bss_solve(bss) == SP_ERR_BAD_ARG);
	CHECK(push_frames(bss, sp_bss_correlate, 2, 1, 10, 10) == SP_ERR_BAD_ARG);
	CHECK(push_frames(bss, sp_bss_evaluate, 2, 1, 2999, 512) == SP_OK);
	CHECK(sp_bss_result(bss, scores) == SP_ERR_BAD_ARG);
	CHECK(push_frames(bss, sp_bss_evaluate, 2, 1, 1, 1) == SP_OK);
	CHECK(sp_bss_result(bss, scores) == SP_OK);
	CHECK(push_frames(bss, sp_bss_evaluate, 2, 1, 1, 1) == SP_ERR_BAD_ARG);
	sp_bss_free(bss);
}

static void
test_damage(void)
{
	static const float bad[] = {NAN, INFINITY};

	for (int k = 0; k < 4; k++)
	{
		make_ordinary(2, 1);
		(k / 2 ? ref : est)[1][FRAMES - 1] = bad[k % 2];
		CHECK(evaluate(2, 1, 3000, SP_BSS_IMAGES, TAPS) == SP_ERR_BAD_DATA);
	}
}

/* Every allocation fails once, and every poll cancels once; ASan sees what is left behind. */
static void
test_memory_and_cancel(void)
{
	SpStatus st = SP_ERR_NO_MEMORY;
	long n;

	make_ordinary(2, 1);
	for (n = 0; st == SP_ERR_NO_MEMORY; n++)
	{
		check_allocs_left = n;
		st = evaluate(2, 1, 30, SP_BSS_IMAGES, 16);
	}
	check_allocs_left = -1;
	CHECK(st == SP_OK && n > 20);
	st = SP_ERR_CANCELED;
	for (n = 0; st == SP_ERR_CANCELED; n += 7)
	{
		check_polls_left = n;
		st = evaluate(2, 1, 3000, SP_BSS_IMAGES, 16);
	}
	check_polls_left = -1;
	CHECK(st == SP_OK && n > 50);
}

int
main(void)
{
	test_perfect_estimate();
	test_gain();
	test_short_filter();
	test_interference();
	test_artifacts();
	test_singular();
	test_tone();
	test_silence();
	test_block_sizes();
	test_contract();
	test_damage();
	test_memory_and_cancel();
	return check_report();
}
