/*
 * tests/unit/test_nn_conv.c
 *	  Convolutions, transposed convolutions, linear layers and LSTMs against
 *	  their twins, on random shapes, in both precisions.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn_check.h"

static const char *
precision_name(SpPrecision p)
{
	return p == SP_PRECISION_BF16 ? "bf16" : "f32";
}

/* --- convolution ---------------------------------------------------------------- */

static void
check_conv(SpNn *nn, const SpConvShape *s, SpKernelLayout layout, bool with_bias)
{
	SpPrecision precision = sp_nn_precision(nn);
	SpPrecision out = s->elements_out ? precision : SP_PRECISION_F32;
	size_t ins = (size_t) s->in_height * (size_t) s->in_width * (size_t) s->in_channels;
	size_t outs = (size_t) s->out_height * (size_t) s->out_width * (size_t) s->out_channels;
	size_t taps = (size_t) s->kernel_height * (size_t) s->kernel_width * (size_t) s->in_channels *
	              (size_t) s->out_channels;
	float *in = nn_random(ins, 2, precision), *weights = nn_random(taps, 1, precision);
	float *bias = nn_random((size_t) s->out_channels, 1, SP_PRECISION_F32);
	float *got = nn_malloc(outs, sizeof(float));
	TwinSum *want = nn_malloc(outs, sizeof(TwinSum));
	void *elements = nn_elements(precision, in, ins);
	SpLayer *layer = NULL;
	double distance = INFINITY;

	twin_conv(s, weights, layout, with_bias ? bias : NULL, in, want);
	CHECK(sp_conv_new(nn, s, weights, layout, with_bias ? bias : NULL, &layer) == SP_OK);
	if (layer != NULL)
	{
		CHECK(sp_layer_run(layer, sp_nn_workers(nn) - 1, elements, got) == SP_OK);
		distance = nn_distance(out, got, want, outs);
	}
	CHECK(distance <= NN_SUM_TOLERANCE);
	if (!(distance <= NN_SUM_TOLERANCE))
		printf("# %s conv %dx%dx%d -> %dx%dx%d, kernel %dx%d, stride %d, dilation %d, pad %d %d: "
		       "%g\n",
		       precision_name(precision), s->in_height, s->in_width, s->in_channels, s->out_height,
		       s->out_width, s->out_channels, s->kernel_height, s->kernel_width, s->stride,
		       s->dilation, s->pad_top, s->pad_left, distance);
	sp_layer_free(layer);
	free(in);
	free(weights);
	free(bias);
	free(got);
	free(want);
	free(elements);
}

/* Channel counts that vectors do not divide, and those that they do. */
static int
random_channels(void)
{
	static const int channels[] = {1, 2, 3, 5, 8, 16, 17, 32, 33, 48};

	return channels[check_random() % (sizeof(channels) / sizeof(channels[0]))];
}

/* How far a convolution reaches beyond its input, split at random between both edges. */
static int
random_pad(int in, int out, int kernel, int stride, int dilation)
{
	int reach = (out - 1) * stride + (kernel - 1) * dilation + 1 - in;

	return reach > 0 ? nn_between(0, reach) : 0;
}

static void
check_random_convs(SpNn *nn)
{
	for (int i = 0; i < 60; i++)
	{
		SpConvShape s = {
			.in_height = nn_between(1, 14),
			.in_width = nn_between(1, 20),
			.in_channels = random_channels(),
			.out_channels = random_channels(),
			.kernel_height = nn_between(1, 5),
			.kernel_width = nn_between(1, 5),
			.stride = nn_between(1, 3),
			.dilation = nn_between(1, 3),
			.elements_out = i % 5 < 2,
		};

		/* `same`: the size of the input, divided by the stride and rounded up */
		s.out_height = (s.in_height + s.stride - 1) / s.stride;
		s.out_width = (s.in_width + s.stride - 1) / s.stride;
		s.pad_top = random_pad(s.in_height, s.out_height, s.kernel_height, s.stride, s.dilation);
		s.pad_left = random_pad(s.in_width, s.out_width, s.kernel_width, s.stride, s.dilation);
		check_conv(nn, &s, i % 2 ? SP_KERNEL_OIHW : SP_KERNEL_HWIO, i % 3 != 0);
	}
}

/* The U-Net's own convolutions, small. */
static void
check_spleeter_convs(SpNn *nn)
{
	static const int channels[][2] = {{2, 16}, {16, 32}, {64, 128}, {2, 1}, {1, 3}, {3, 17}};

	for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++)
	{
		SpConvShape s = {16, 24, channels[i][0], 8, 12, channels[i][1], 5, 5, 2, 1, 1, 1, true};

		check_conv(nn, &s, SP_KERNEL_HWIO, true);
		/* the smallest image that halves */
		s.in_height = s.in_width = 2;
		s.out_height = s.out_width = 1;
		check_conv(nn, &s, SP_KERNEL_HWIO, true);
	}
}

/* --- transposed convolution --------------------------------------------------- */

/* Where the planes that sp_deconv_run gives have sample (y, x) of channel c. */
static size_t
in_planes(const SpDeconvShape *s, size_t y, size_t x, size_t c)
{
	size_t plane = (y % 2) * 2 + x % 2, height = (size_t) s->in_height;

	return ((plane * height + y / 2) * (size_t) s->in_width + x / 2) * (size_t) s->out_channels + c;
}

/* The twin's image, in the order of planes; the caller frees. */
static TwinSum *
want_planes(const SpDeconvShape *s, const float *weights, const float *bias, const float *in)
{
	size_t height = 2 * (size_t) s->in_height, width = 2 * (size_t) s->in_width;
	size_t channels = (size_t) s->out_channels;
	TwinSum *image = nn_malloc(height * width * channels, sizeof(TwinSum)), *from = image;
	TwinSum *planes = nn_malloc(height * width * channels, sizeof(TwinSum));

	twin_deconv(s, weights, bias, in, image);
	for (size_t y = 0; y < height; y++)
		for (size_t x = 0; x < width; x++)
			for (size_t c = 0; c < channels; c++)
				planes[in_planes(s, y, x, c)] = *from++;
	free(image);
	return planes;
}

static void
check_deconv(SpNn *nn, const SpDeconvShape *s, bool with_bias)
{
	SpPrecision precision = sp_nn_precision(nn);
	SpPrecision out = s->elements_out ? precision : SP_PRECISION_F32;
	size_t pixels = (size_t) s->in_height * (size_t) s->in_width;
	size_t ins = pixels * (size_t) s->in_channels, outs = 4 * pixels * (size_t) s->out_channels;
	size_t taps = (size_t) (s->kernel * s->kernel * s->in_channels * s->out_channels);
	float *in = nn_random(ins, 2, precision), *weights = nn_random(taps, 1, precision);
	float *bias = nn_random((size_t) s->out_channels, 1, SP_PRECISION_F32);
	void *got = nn_malloc(outs, sizeof(float)), *elements = nn_elements(precision, in, ins);
	TwinSum *want = want_planes(s, weights, with_bias ? bias : NULL, in);
	SpDeconv *deconv = NULL;
	double distance = INFINITY;

	CHECK(sp_deconv_new(nn, s, weights, with_bias ? bias : NULL, &deconv) == SP_OK);
	if (deconv != NULL)
	{
		CHECK(sp_deconv_run(deconv, 0, elements, got) == SP_OK);
		distance = nn_distance(out, got, want, outs);
	}
	CHECK(distance <= NN_SUM_TOLERANCE);
	if (!(distance <= NN_SUM_TOLERANCE))
		printf("# %s deconv %dx%dx%d -> %d, kernel %d, crop %d: %g\n", precision_name(precision),
		       s->in_height, s->in_width, s->in_channels, s->out_channels, s->kernel, s->crop,
		       distance);
	sp_deconv_free(deconv);
	free(in);
	free(weights);
	free(bias);
	free(got);
	free(want);
	free(elements);
}

static void
check_deconvs(SpNn *nn)
{
	for (int kernel = 2; kernel <= 8; kernel++)
		for (int crop = 0; crop <= kernel - 2; crop++)
		{
			SpDeconvShape s = {nn_between(1, 7),
			                   nn_between(1, 9),
			                   random_channels(),
			                   random_channels(),
			                   kernel,
			                   crop,
			                   false};

			check_deconv(nn, &s, crop % 2 == 0);
		}
	for (int i = 0; i < 6; i++)
	{
		static const int channels[][2] = {{48, 16}, {64, 33}, {1, 1}, {3, 17}, {17, 3}, {32, 1}};
		SpDeconvShape s = {6, 10, channels[i][0], channels[i][1], 5, 1, true};

		check_deconv(nn, &s, true);
	}
}

/* --- linear, LSTM ------------------------------------------------------------- */

static void
check_linear(SpNn *nn, int rows, int in_size, int out_size, bool with_bias)
{
	SpPrecision precision = sp_nn_precision(nn);
	size_t ins = (size_t) (rows * in_size), outs = (size_t) (rows * out_size);
	float *in = nn_random(ins, 2, precision);
	float *weights = nn_random((size_t) (in_size * out_size), 1, precision);
	float *bias = nn_random((size_t) out_size, 1, SP_PRECISION_F32);
	float *got = nn_malloc(outs, sizeof(float));
	TwinSum *want = nn_malloc(outs, sizeof(TwinSum));
	void *elements = nn_elements(precision, in, ins);
	SpLayer *layer = NULL;

	twin_linear(rows, in_size, out_size, weights, with_bias ? bias : NULL, in, want);
	CHECK(sp_linear_new(nn, rows, in_size, out_size, weights, with_bias ? bias : NULL, &layer) ==
	      SP_OK);
	CHECK(layer != NULL && sp_layer_run(layer, 0, elements, got) == SP_OK);
	CHECK_NEAR(layer == NULL ? INFINITY : nn_distance(SP_PRECISION_F32, got, want, outs), 0,
	           NN_SUM_TOLERANCE);
	sp_layer_free(layer);
	free(in);
	free(weights);
	free(bias);
	free(got);
	free(want);
	free(elements);
}

static void
check_linears(SpNn *nn)
{
	check_linear(nn, 1, 1, 1, true);
	check_linear(nn, 3, 17, 5, true);
	check_linear(nn, 1, 33, 64, false);
	check_linear(nn, 50, 100, 31, true);
}

/* --- contracts ------------------------------------------------------------------ */

/* Sizes that no layer has. */
static void
check_refusals(SpNn *nn)
{
	static const float weights[64] = {0};
	SpConvShape good = {4, 4, 1, 2, 2, 1, 2, 2, 2, 1, 0, 0, false};
	SpDeconvShape deconv = {2, 2, 1, 1, 2, 0, false};
	SpLayer *layer = NULL;
	SpDeconv *d = NULL;

	for (size_t i = 0; i < offsetof(SpConvShape, elements_out) / sizeof(int); i++)
		for (int value = -1; value <= 0; value++)
		{
			SpConvShape bad = good;

			((int *) &bad)[i] = value;
			if (i >= 10 && value == 0)
				continue; /* a padding of 0 is what it has */
			CHECK(sp_conv_new(nn, &bad, weights, SP_KERNEL_HWIO, NULL, &layer) == SP_ERR_BAD_ARG);
			CHECK(layer == NULL);
		}
	for (int i = 0; i < 5; i++)
		for (int value = -1; value <= 0; value++)
		{
			SpDeconvShape bad = deconv;

			((int *) &bad)[i] = value; /* crop 0, the sixth, is right */
			CHECK(sp_deconv_new(nn, &bad, weights, NULL, &d) == SP_ERR_BAD_ARG);
			CHECK(d == NULL);
		}
	deconv.crop = 1;
	CHECK(sp_deconv_new(nn, &deconv, weights, NULL, &d) == SP_ERR_BAD_ARG);
	for (int i = 0; i < 3; i++)
	{
		int size[3] = {2, 2, 2};

		for (size[i] = -1; size[i] <= 0; size[i]++)
			CHECK(sp_linear_new(nn, size[0], size[1], size[2], weights, NULL, &layer) ==
			      SP_ERR_BAD_ARG);
	}
	sp_layer_free(NULL);
	sp_deconv_free(NULL);
}

/* Layers of one shape share a primitive, whatever lies behind the shape's last field. */
static void
check_sharing(SpNn *nn)
{
	static const float weights[16] = {0};
	long first = 0;

	for (int i = 0; i < 2; i++)
	{
		SpLayer *layer = NULL;
		SpConvShape s;

		memset(&s, i == 0 ? 0x5A : 0xA5, sizeof(s));
		s.in_height = s.in_width = s.out_height = s.out_width = 97;
		s.in_channels = s.out_channels = s.kernel_height = s.kernel_width = 1;
		s.stride = s.dilation = 1;
		s.pad_top = s.pad_left = 0;
		s.elements_out = true;
		check_allocs_left = 1000;
		CHECK(sp_conv_new(nn, &s, weights, SP_KERNEL_HWIO, NULL, &layer) == SP_OK);
		if (i == 0)
			first = check_allocs_left;
		else
			CHECK(check_allocs_left > first);
		sp_layer_free(layer);
	}
	check_allocs_left = -1;
}

static void
check_precision(SpPrecision precision)
{
	SpNn *nn = NULL;

	CHECK(sp_nn_new(&check_env, precision, 2, &nn) == SP_OK);
	if (nn == NULL)
		return;
	CHECK(sp_nn_precision(nn) == precision);
	CHECK(sp_nn_workers(nn) == 2 && sp_nn_env(nn) == &check_env);
	CHECK(sp_nn_element(nn) == (precision == SP_PRECISION_BF16 ? 2 : 4));
	check_random_convs(nn);
	check_spleeter_convs(nn);
	check_deconvs(nn);
	check_linears(nn);
	check_sharing(nn);
	check_refusals(nn);
	sp_nn_free(nn);
}

int
main(void)
{
	SpNn *nn = NULL;

	check_precision(SP_PRECISION_F32);
	if (sp_nn_cpu_runs_bf16())
		check_precision(SP_PRECISION_BF16);
	else
		printf("# SKIP bf16: %s\n", sp_nn_cpu_isa());
	CHECK(sp_nn_new(&check_env, SP_PRECISION_F32, 0, &nn) == SP_ERR_BAD_ARG);
	CHECK(sp_nn_new(&check_env, SP_PRECISION_F32, SP_NN_MAX_WORKERS + 1, &nn) == SP_ERR_BAD_ARG);
	CHECK(nn == NULL);
	sp_nn_free(NULL);
	return check_report();
}
