/*
 * tests/unit/test_nn_norm.c
 *	  Normalisation over channels, alone, with sums and shuffled, and maps
 *	  across the width against their twins, on random shapes, in both precisions.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn_check.h"

#include "twins/nn_norm.h"

/*
 * Beside the rounding of elements, sums of floats: of some thousand terms near 1 in the
 * worst case, divided by a deviation that is at least 0.1 in what is checked here.
 */
#define TOLERANCE 2e-5

static double
distance(SpPrecision precision, const void *got, const double *want, size_t n)
{
	float *values = nn_floats(precision, got, n);
	double worst = 0;

	for (size_t i = 0; i < n; i++)
	{
		double rounding = precision == SP_PRECISION_BF16 ? 0x1.01p-8 * fabs(want[i]) : 0;
		double d = (fabs(values[i] - want[i]) - rounding) / (1 + fabs(want[i]));

		worst = d <= worst ? worst : isnan(d) ? INFINITY : d;
	}
	free(values);
	return worst;
}

/* --- norm ------------------------------------------------------------------------ */

static void
check_norm(SpNorm norm, bool affine, size_t pixels, bool add, bool in_place)
{
	size_t n = pixels * norm.channels;
	float *in = nn_random(n, 2, norm.precision), *other = nn_random(n, 2, norm.precision);
	float *gamma = nn_random(norm.channels, 1, SP_PRECISION_F32);
	float *beta = nn_random(norm.channels, 1, SP_PRECISION_F32);
	void *elements = nn_elements(norm.precision, in, n);
	void *more = nn_elements(norm.precision, other, n);
	void *got = in_place && add ? more : in_place ? elements : nn_malloc(n, sizeof(float));
	double *want = nn_malloc(n, sizeof(double));

	norm.gamma = affine ? gamma : NULL;
	norm.beta = affine ? beta : NULL;
	twin_norm_run(&norm, in, add ? other : NULL, pixels, want);
	sp_norm_run(&norm, elements, add ? more : NULL, pixels, got);
	CHECK_NEAR(distance(norm.precision, got, want, n), 0, TOLERANCE);
	if (got != more && got != elements)
		free(got);
	free(in);
	free(other);
	free(gamma);
	free(beta);
	free(elements);
	free(more);
	free(want);
}

static void
check_shuffled(SpNorm norm, bool affine, size_t height, size_t width, bool in_place)
{
	size_t n = 4 * height * width * norm.channels;
	float *in = nn_random(n, 2, norm.precision), *add = nn_random(n, 2, norm.precision);
	float *gamma = nn_random(norm.channels, 1, SP_PRECISION_F32);
	float *beta = nn_random(norm.channels, 1, SP_PRECISION_F32);
	void *elements = nn_elements(norm.precision, in, n);
	void *skip = nn_elements(norm.precision, add, n);
	void *got = in_place ? skip : nn_malloc(n, sizeof(float));
	double *want = nn_malloc(n, sizeof(double));

	norm.gamma = affine ? gamma : NULL;
	norm.beta = affine ? beta : NULL;
	twin_norm_run_shuffled(&norm, in, add, height, width, want);
	sp_norm_run_shuffled(&norm, elements, skip, height, width, got);
	CHECK_NEAR(distance(norm.precision, got, want, n), 0, TOLERANCE);
	if (got != skip)
		free(got);
	free(in);
	free(add);
	free(gamma);
	free(beta);
	free(elements);
	free(skip);
	free(want);
}

static void
check_norms(SpPrecision precision)
{
	static const size_t channels[] = {2, 3, 15, 16, 17, 32, 64, 100, 192, 1024, 2047, 2048};

	for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++)
		for (int act = SP_ACT_NONE; act <= SP_ACT_TANH; act++)
		{
			SpNorm norm = {channels[i], NULL, NULL, 1e-5f, (SpActivation) act, precision};
			size_t pixels = 1 + check_random() % (channels[i] < 100 ? 700 : 9);
			size_t width = 1 + check_random() % (channels[i] < 100 ? 300 : 3);

			check_norm(norm, true, pixels, act % 2, act % 3 == 0);
			check_norm(norm, false, pixels, act % 3 == 0, act % 2);
			check_shuffled(norm, true, 1 + check_random() % 3, width, act % 2);
			check_shuffled(norm, act % 2, 1, 1, false);
		}
}

/* A pixel of equal channels has no deviation: what is left is beta. */
static void
check_flat(void)
{
	float in[64], gamma[32], beta[32], out[64];
	SpNorm norm = {32, gamma, beta, 1e-5f, SP_ACT_NONE, SP_PRECISION_F32};

	for (size_t i = 0; i < 64; i++)
		in[i] = i < 32 ? 0.0f : 1e4f;
	for (size_t c = 0; c < 32; c++)
	{
		gamma[c] = 1.0f;
		beta[c] = (float) c;
	}
	sp_norm_run(&norm, in, NULL, 2, out);
	for (size_t i = 0; i < 64; i++)
		CHECK_NEAR(out[i], (double) (i % 32), 1e-6);
}

/* --- across ------------------------------------------------------------------------ */

static void
check_across(SpNn *nn, const SpAcrossShape *s, size_t height, size_t channels)
{
	SpPrecision precision = sp_nn_precision(nn);
	size_t width = (size_t) s->width, narrow = (size_t) s->narrow, n = height * width * channels;
	float *in = nn_random(n, 2, precision);
	float *inwards = nn_random(width * narrow, 1.7f / sqrtf((float) width), SP_PRECISION_F32);
	float *outwards = nn_random(width * narrow, 1.7f / sqrtf((float) narrow), SP_PRECISION_F32);
	float *biases = nn_random(width + narrow, 1, SP_PRECISION_F32);
	float *room = nn_malloc(sp_across_room(s->width, s->narrow), sizeof(float));
	void *image = nn_elements(precision, in, n);
	double *want = nn_malloc(n, sizeof(double));
	SpAcross *across = NULL;

	twin_across(s, inwards, biases, outwards, biases + narrow, in, height, channels, want);
	CHECK(sp_across_new(nn, s, inwards, biases, outwards, biases + narrow, &across) == SP_OK);
	if (across != NULL)
		sp_across_run(across, room, image, height, channels);
	CHECK_NEAR(distance(precision, image, want, n), 0, TOLERANCE);
	sp_across_free(across);
	free(in);
	free(inwards);
	free(outwards);
	free(biases);
	free(room);
	free(image);
	free(want);
}

static void
check_maps(SpPrecision precision)
{
	SpNn *nn = NULL;
	SpAcross *across = NULL;

	CHECK(sp_nn_new(&check_env, precision, 1, &nn) == SP_OK);
	for (int i = 0; i < 40; i++)
	{
		SpAcrossShape s = {nn_between(1, 40), nn_between(1, 40),
		                   (SpActivation) nn_between(SP_ACT_NONE, SP_ACT_TANH)};

		check_across(nn, &s, (size_t) nn_between(1, 4), (size_t) nn_between(1, 150));
	}
	check_across(nn, &(SpAcrossShape){128, 64, SP_ACT_LEAKY_RELU}, 2, 64);
	for (int i = 0; i < 2; i++)
		for (int value = -1; value <= SP_ACROSS_MAX_WIDTH + 1; value += SP_ACROSS_MAX_WIDTH + 2)
		{
			static const float zeros[1] = {0};
			SpAcrossShape s = {i == 0 ? value : 1, i == 0 ? 1 : value, SP_ACT_NONE};

			CHECK(sp_across_new(nn, &s, zeros, zeros, zeros, zeros, &across) == SP_ERR_BAD_ARG);
			CHECK(across == NULL);
		}
	sp_across_free(NULL);
	sp_nn_free(nn);
}

int
main(void)
{
	check_norms(SP_PRECISION_F32);
	check_norms(SP_PRECISION_BF16);
	check_flat();
	check_maps(SP_PRECISION_F32);
	if (sp_nn_cpu_runs_bf16())
		check_maps(SP_PRECISION_BF16);
	else
		printf("# SKIP maps in bf16: %s\n", sp_nn_cpu_isa());
	return check_report();
}
