/*
 * tests/unit/test_decoder_tail.c
 *	  The end of a released decoder, Deezer's own numbers from $SPOTAI_SHARED, layer by
 *	  layer against the twins, in both precisions.  test_golden_tail.c has all of
 *	  it at once against PyTorch.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn_check.h"

#include "core/model/weights.h"
#include "core/nn/head.h"

#define HEIGHT 6
#define WIDTH  10
#define PIXELS (HEIGHT * WIDTH)

static const SpTensorSource *tail;

/* The file's tensor of this layer; the caller frees. */
static float *
tensor(const char *layer, int number, const char *part)
{
	char name[64];
	ptrdiff_t at;
	float *out;

	snprintf(name, sizeof(name), "%s_%d__%s", layer, number, part);
	at = sp_tensor_find(tail, name);
	CHECK(at >= 0);
	if (at < 0)
		exit(check_report());
	out = nn_malloc((size_t) tail->tensors[at].elements, sizeof(float));
	CHECK(tail->read(tail->self, (size_t) at, out, NULL) == SP_OK);
	return out;
}

/* Mean 0 and variance 1, as in all released models; the caller frees scale. */
static SpPointwise
norm(int number, size_t channels)
{
	float *gamma = tensor("batch_normalization", number, "gamma");
	float *beta = tensor("batch_normalization", number, "beta");
	float *mean = nn_malloc(channels, sizeof(float)),
		  *variance = nn_malloc(channels, sizeof(float));
	float *affine = nn_malloc(2 * channels, sizeof(float));

	for (size_t c = 0; c < channels; c++)
	{
		mean[c] = 0;
		variance[c] = 1;
	}
	sp_fold_norm(affine, affine + channels, gamma, beta, mean, variance, 1e-3f, channels);
	for (size_t c = 0; c < channels; c++)
		CHECK_NEAR(affine[c] + affine[channels + c],
		           twin_norm(gamma, beta, mean, variance, 1e-3, c, 1),
		           1e-6 + 1e-6 * fabs(gamma[c]));
	free(gamma);
	free(beta);
	free(mean);
	free(variance);
	return (SpPointwise){SP_ACT_RELU, true, affine, affine + channels, SP_PRECISION_F32};
}

/* Transposed convolution, ReLU, normalisation. */
static void
check_deconv(SpPrecision precision, int number, int in_channels, int out_channels)
{
	SpDeconvShape s = {HEIGHT, WIDTH, in_channels, out_channels, 5, 1, false};
	size_t outs = (size_t) 4 * PIXELS * (size_t) out_channels;
	size_t taps = (size_t) 25 * (size_t) in_channels * (size_t) out_channels;
	float *in = nn_random((size_t) PIXELS * (size_t) in_channels, 2, precision);
	void *elements = nn_elements(precision, in, (size_t) PIXELS * (size_t) in_channels);
	float *kernel = tensor("conv2d_transpose", number, "kernel");
	float *bias = tensor("conv2d_transpose", number, "bias");
	float *planes = nn_malloc(outs, sizeof(float)), *got = nn_malloc(outs, sizeof(float));
	TwinSum *want = nn_malloc(outs, sizeof(TwinSum));
	SpPointwise op = norm(12 + number, (size_t) out_channels);
	SpPixels to = {SP_PRECISION_F32, got, (size_t) out_channels, 0};
	SpDeconv *deconv = NULL;
	SpNn *nn = NULL;
	double worst = 0;

	CHECK(sp_nn_new(&check_env, precision, 1, &nn) == SP_OK);
	CHECK(sp_deconv_new(nn, &s, kernel, bias, &deconv) == SP_OK);
	CHECK(sp_deconv_run(deconv, 0, elements, planes) == SP_OK);
	sp_pointwise_join(&op, planes, HEIGHT, WIDTH, (size_t) out_channels, &to);
	for (size_t i = 0; i < taps && precision == SP_PRECISION_BF16; i++)
		kernel[i] = twin_bf16(kernel[i]);
	twin_deconv(&s, kernel, bias, in, want);
	for (size_t i = 0; i < outs; i++)
	{
		size_t c = i % (size_t) out_channels;
		double size = 1 + fabsf(op.scale[c]) * want[i].size + fabsf(op.shift[c]);

		worst = fmax(worst, fabs(got[i] - twin_point(&op, c, want[i].value)) / size);
	}
	CHECK_NEAR(worst, 0, NN_SUM_TOLERANCE);
	sp_deconv_free(deconv);
	sp_nn_free(nn);
	free(in);
	free(elements);
	free(kernel);
	free(bias);
	free(planes);
	free(got);
	free(want);
	free((float *) op.scale);
}

/* The last transposed convolution and the dilated one, which compute in float always. */
static void
check_head(void)
{
	SpHeadShape s = {HEIGHT, WIDTH, 16, 16, SP_PRECISION_F32};
	float *deconv = tensor("conv2d_transpose", 11, "kernel");
	float *deconv_bias = tensor("conv2d_transpose", 11, "bias");
	float *conv = tensor("conv2d", 13, "kernel"), *conv_bias = tensor("conv2d", 13, "bias");
	float *skip = nn_random((size_t) PIXELS * 16, 2, SP_PRECISION_F32);
	float *planes = nn_random((size_t) PIXELS * 16, 2, SP_PRECISION_F32);
	float got[8 * PIXELS];
	double want[8 * PIXELS], worst = 0, largest = 0;
	SpHeadWeights w = {.up = norm(22, 16),
	                   .deconv = deconv,
	                   .deconv_bias = deconv_bias[0],
	                   .act = norm(23, 1),
	                   .conv = conv,
	                   .conv_bias = {conv_bias[0], conv_bias[1]}};
	SpHead *head = NULL;
	SpHeadRoom *room = NULL;

	CHECK(sp_head_new(&check_env, &s, &w, &head) == SP_OK);
	CHECK(sp_head_room_new(&check_env, &s, &room) == SP_OK);
	sp_head_run(head, room, skip, planes, NULL, got);
	twin_head(&s, &w, skip, planes, NULL, want);
	for (size_t i = 0; i < 8 * PIXELS; i++)
	{
		worst = fmax(worst, isnan(got[i]) ? INFINITY : fabs(got[i] - want[i]));
		largest = fmax(largest, fabs(want[i]));
	}
	CHECK(largest > 0);
	CHECK_NEAR(worst, 0, 1e-5 * largest);
	sp_head_free(head);
	sp_head_room_free(room);
	free((float *) w.up.scale);
	free((float *) w.act.scale);
	free(deconv);
	free(deconv_bias);
	free(conv);
	free(conv_bias);
	free(skip);
	free(planes);
}

static void
check_tail(void)
{
	for (int i = 0; i < 2; i++)
	{
		SpPrecision precision = i == 0 ? SP_PRECISION_F32 : SP_PRECISION_BF16;

		if (i == 1 && !sp_nn_cpu_runs_bf16())
		{
			printf("# SKIP bf16: %s\n", sp_nn_cpu_isa());
			break;
		}
		check_deconv(precision, 8, 256, 64);
		check_deconv(precision, 9, 128, 32);
		check_deconv(precision, 10, 64, 16);
	}
	check_head();
}

int
main(void)
{
	const char *shared = getenv("SPOTAI_SHARED");
	SpWeightsLimits limits = {.max_tensors = 1000, .temp_dir = "/tmp"};
	SpWeights *weights = NULL;
	SpFault fault;
	char path[512];
	SpStatus st;

	snprintf(path, sizeof(path), "%s/data/weights/%s", shared != NULL ? shared : "../shared",
	         "spleeter_2stems_tfjs/accompaniment_decoder_tail.npz");
	st = sp_weights_open_path(&check_env, path, &limits, &weights, &fault);
	if (st == SP_ERR_IO)
		printf("# SKIP no %s\n", path);
	else
		CHECK(st == SP_OK);
	if (st == SP_OK)
	{
		tail = sp_weights_tensors(weights);
		check_tail();
	}
	sp_weights_free(weights);
	return check_report();
}
