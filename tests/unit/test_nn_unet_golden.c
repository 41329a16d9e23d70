/*
 * tests/unit/test_nn_unet_golden.c
 *	  Spleeter's U-Net against PyTorch (tests/golden): each layer put together
 *	  of the room's layers, then whole networks through the architecture.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "net_check.h"

#include <time.h>

#include "core/nn/pointwise.h"
#include "core/nn/unet.h"
#include "core/stems/architecture.h"
#include "golden_read.h"
#include "spleeter_source.h"

#define FRAMES 512
#define BINS   1024
#define PIXELS ((size_t) FRAMES * BINS)

/*
 * The bar on masks is 1e-4, and PyTorch's own float32 is within 7e-6 of the
 * stored values; so is a layer, whose values are larger than masks.
 */
#define MASK_TOLERANCE  1e-5
#define LAYER_TOLERANCE 1e-4

static const int tiny[6][SP_UNET_DEPTH] = {
	[2] = {1, 2, 3, 2, 3, 5}, [4] = {1, 1, 2, 1, 2, 3}, [5] = {1, 2, 2, 3, 3, 4}};

/* One network of the golden file, while its layers are compared. */
typedef struct Walk
{
	const GoldenFile *golden;
	const char *prefix; /* "4stems-full/vocals" */
	const SpleeterSource *model;
	const int *filters;
	SpActivation encoder, decoder;
	SpNn *nn;
	float *skips[SP_UNET_DEPTH];
} Walk;

static void
compare(const GoldenFile *g, const char *prefix, const char *layer, const float *got,
        double tolerance)
{
	char name[96];
	const GoldenArray *a;
	double sum = 0, square = 0;

	snprintf(name, sizeof(name), "%s/%s", prefix, layer);
	a = golden_find(g, name);
	CHECK(a != NULL);
	if (a == NULL)
		return;
	for (size_t i = 0; i < a->elements; i++)
	{
		sum += got[i];
		square += (double) got[i] * got[i];
	}
	if (golden_distance(a, got) > tolerance)
		printf("# %s: %g\n", name, golden_distance(a, got));
	CHECK_NEAR(golden_distance(a, got), 0, tolerance);
	/* of all values, not only of those that the file holds */
	CHECK_NEAR(sum / (double) a->elements, a->mean, tolerance);
	CHECK_NEAR(sqrt(square / (double) a->elements), a->rms, tolerance);
}

/* --- layer by layer ------------------------------------------------------------- */

static float *
weights_of(const SpleeterSource *m, const char *layer, int number, const char *part)
{
	char name[64];
	ptrdiff_t at;
	float *out;

	if (number == 0)
		snprintf(name, sizeof(name), "%s/%s", layer, part);
	else
		snprintf(name, sizeof(name), "%s_%d/%s", layer, number, part);
	at = sp_tensor_find(&m->source, name);
	if (at < 0)
		abort();
	out = make_floats((size_t) m->tensors[at].elements);
	CHECK(m->source.read(m->source.self, (size_t) at, out, NULL) == SP_OK);
	return out;
}

/* The operation of a normalisation, with activation; the caller frees op->scale. */
static SpPointwise
norm_of(const Walk *w, int number, int channels, SpActivation act, bool act_first)
{
	float *gamma = weights_of(w->model, "batch_normalization", number, "gamma");
	float *beta = weights_of(w->model, "batch_normalization", number, "beta");
	float *mean = weights_of(w->model, "batch_normalization", number, "moving_mean");
	float *variance = weights_of(w->model, "batch_normalization", number, "moving_variance");
	float *affine = make_floats(2 * (size_t) channels);

	sp_fold_norm(affine, affine + channels, gamma, beta, mean, variance, 1e-3f, (size_t) channels);
	free(gamma);
	free(beta);
	free(mean);
	free(variance);
	return (SpPointwise){act, act_first, affine, affine + channels, SP_PRECISION_F32};
}

static float *
convolve(const Walk *w, int number, const SpConvShape *shape, const float *in)
{
	float *kernel = weights_of(w->model, "conv2d", number, "kernel");
	float *bias = weights_of(w->model, "conv2d", number, "bias");
	float *out = make_floats((size_t) shape->out_height * (size_t) shape->out_width *
	                         (size_t) shape->out_channels);
	SpLayer *layer = NULL;

	CHECK(sp_conv_new(w->nn, shape, kernel, SP_KERNEL_HWIO, bias, &layer) == SP_OK);
	CHECK(layer != NULL && sp_layer_run(layer, 0, in, out) == SP_OK);
	sp_layer_free(layer);
	free(kernel);
	free(bias);
	return out;
}

/* Convolution `level`, its normalisation and activation; gives what the next level reads. */
static float *
down(Walk *w, int level, float *in)
{
	const int *filters = w->filters;
	SpConvShape shape = {FRAMES >> level,
	                     BINS >> level,
	                     level == 0 ? 2 : filters[level - 1],
	                     FRAMES >> (level + 1),
	                     BINS >> (level + 1),
	                     filters[level],
	                     5,
	                     5,
	                     2,
	                     1,
	                     1,
	                     1,
	                     false};
	size_t pixels = (size_t) shape.out_height * (size_t) shape.out_width;
	size_t channels = (size_t) filters[level];
	float *out = make_floats(pixels * channels);
	SpPixels to = {SP_PRECISION_F32, out, channels, 0};
	SpPointwise op = norm_of(w, level, filters[level], w->encoder, false);
	char name[16];

	w->skips[level] = convolve(w, level, &shape, in);
	snprintf(name, sizeof(name), "conv%d", level + 1);
	compare(w->golden, w->prefix, name, w->skips[level], LAYER_TOLERANCE);
	sp_pointwise_run(&op, w->skips[level], pixels, channels, &to);
	snprintf(name, sizeof(name), "act%d", level + 1);
	if (level < SP_UNET_DEPTH - 1)
		compare(w->golden, w->prefix, name, out, LAYER_TOLERANCE);
	free((float *) op.scale);
	free(in);
	return out;
}

/* [skip, up] of the input of transposed convolution `level`, or up alone. */
static float *
join_skip(const Walk *w, int level, const float *up, size_t pixels, size_t channels)
{
	float *out = make_floats(2 * pixels * channels);
	SpPointwise copy = {0};
	SpPixels left = {SP_PRECISION_F32, out, 2 * channels, 0};
	SpPixels right = {SP_PRECISION_F32, out, 2 * channels, channels};

	sp_pointwise_run(&copy, w->skips[SP_UNET_DEPTH - 1 - level], pixels, channels, &left);
	sp_pointwise_run(&copy, up, pixels, channels, &right);
	return out;
}

/* Transposed convolution `level` of an image, activated, then normalised. */
static float *
up(const Walk *w, int level, float *in)
{
	const int *filters = w->filters;
	SpDeconvShape shape = {FRAMES >> (SP_UNET_DEPTH - level),
	                       BINS >> (SP_UNET_DEPTH - level),
	                       level == 0 ? filters[5] : 2 * filters[5 - level],
	                       level == 5 ? 1 : filters[4 - level],
	                       5,
	                       1,
	                       false};
	size_t pixels = (size_t) shape.in_height * (size_t) shape.in_width;
	size_t channels = (size_t) shape.out_channels;
	float *planes = make_floats(4 * pixels * channels), *out = make_floats(4 * pixels * channels);
	float *kernel = weights_of(w->model, "conv2d_transpose", level, "kernel");
	float *bias = weights_of(w->model, "conv2d_transpose", level, "bias");
	SpPointwise op = norm_of(w, 6 + level, shape.out_channels, w->decoder, true);
	SpPixels to = {SP_PRECISION_F32, out, channels, 0};
	SpDeconv *deconv = NULL;
	char name[16];

	CHECK(sp_deconv_new(w->nn, &shape, kernel, bias, &deconv) == SP_OK);
	CHECK(deconv != NULL && sp_deconv_run(deconv, 0, in, planes) == SP_OK);
	sp_pointwise_join(&op, planes, (size_t) shape.in_height, (size_t) shape.in_width, channels,
	                  &to);
	snprintf(name, sizeof(name), "up%d", level + 1);
	compare(w->golden, w->prefix, name, out, LAYER_TOLERANCE);
	sp_deconv_free(deconv);
	free((float *) op.scale);
	free(kernel);
	free(bias);
	free(planes);
	free(in);
	return out;
}

static float *
interleave(const float *mix)
{
	float *out = make_floats(2 * PIXELS);

	for (size_t i = 0; i < PIXELS; i++)
	{
		out[2 * i] = mix[i];
		out[2 * i + 1] = mix[PIXELS + i];
	}
	return out;
}

/* The dilated convolution, whose output [T][F][2] becomes [2][T][F] as the file has it. */
static void
check_logits(const Walk *w, const float *in)
{
	SpConvShape shape = {FRAMES, BINS, 1, FRAMES, BINS, 2, 4, 4, 1, 2, 3, 3, false};
	float *pairs = convolve(w, 6, &shape, in), *planar = make_floats(2 * PIXELS);

	for (size_t i = 0; i < 2 * PIXELS; i++)
		planar[i % 2 * PIXELS + i / 2] = pairs[i];
	compare(w->golden, w->prefix, "logits", planar, LAYER_TOLERANCE);
	free(pairs);
	free(planar);
}

/* Every layer of the first stem of a model. */
static void
check_layers(const GoldenFile *g, const char *prefix, const SpleeterSource *model,
             const int *filters, bool elu, const float *mix)
{
	Walk w = {.golden = g, .prefix = prefix, .model = model, .filters = filters};
	float *x = interleave(mix);

	w.encoder = elu ? SP_ACT_ELU : SP_ACT_LEAKY_RELU;
	w.decoder = elu ? SP_ACT_ELU : SP_ACT_RELU;
	CHECK(sp_nn_new(&check_env, SP_PRECISION_F32, 1, &w.nn) == SP_OK);
	for (int i = 0; i < SP_UNET_DEPTH; i++)
		x = down(&w, i, x);
	free(x);
	x = w.skips[SP_UNET_DEPTH - 1];
	w.skips[SP_UNET_DEPTH - 1] = NULL;
	for (int i = 0; i < SP_UNET_DEPTH; i++)
	{
		if (i > 0)
		{
			float *alone = x;

			x = join_skip(&w, i, x,
			              (size_t) (FRAMES >> (SP_UNET_DEPTH - i)) *
			                  (size_t) (BINS >> (SP_UNET_DEPTH - i)),
			              (size_t) w.filters[5 - i]);
			free(alone);
		}
		x = up(&w, i, x);
	}
	check_logits(&w, x);
	free(x);
	for (int i = 0; i < SP_UNET_DEPTH; i++)
		free(w.skips[i]);
	sp_nn_free(w.nn);
}

/* --- whole networks ------------------------------------------------------------- */

/* Estimates of all stems by the architecture, [stems][2][T][F]. */
static float *
estimate(const SpleeterSource *model, SpPrecision precision, const float *mix, SpModelSpec *spec)
{
	const SpArchitecture *arch = &sp_arch_spleeter;
	float *out;
	SpNn *nn = NULL;
	SpNet *net = NULL;

	memset(spec, 0, sizeof(*spec));
	CHECK(arch->recognises(&model->source));
	CHECK(arch->resolve(&model->source, spec, NULL) == SP_OK);
	CHECK(sp_nn_new(&check_env, precision, 1, &nn) == SP_OK);
	CHECK(arch->load(nn, &model->source, spec, &net, NULL) == SP_OK);
	if (net == NULL)
		exit(check_report());
	out = make_floats((size_t) spec->stems * 2 * PIXELS);
	for (int s = 0; s < spec->stems; s++)
		CHECK(arch->estimate(net, 0, s, mix, out + (size_t) s * 2 * PIXELS, NULL) == SP_OK);
	arch->unload(net);
	sp_nn_free(nn);
	return out;
}

static void
multiply(float *x, const float *mix)
{
	for (size_t i = 0; i < 2 * PIXELS; i++)
		x[i] *= mix[i];
}

static void
divide(float *x, const float *mix)
{
	for (size_t i = 0; i < 2 * PIXELS; i++)
		x[i] = mix[i] > 0 ? x[i] / mix[i] : 0;
}

/* Whether golden_patch is positive wherever a mask is stored, so that masks can be told. */
static void
check_patch(const float *mix)
{
	size_t zeros = 0;

	for (size_t i = 0; i < 2 * PIXELS; i++)
		zeros += !(mix[i] > 0);
	CHECK(zeros == 0);
}

/* Masks and estimates of every stem; with softmax what the architecture gives are logits. */
static void
check_stems(const GoldenFile *g, const char *model_name, const SpModelSpec *spec, float *all,
            const float *mix)
{
	float *stems[SP_MODEL_MAX_STEMS];
	char prefix[96];

	for (int s = 0; s < spec->stems; s++)
	{
		stems[s] = all + (size_t) s * 2 * PIXELS;
		snprintf(prefix, sizeof(prefix), "%s/%s", model_name, spec->names[s]);
		if (spec->mask == SP_MASK_SOFTMAX)
			compare(g, prefix, "logits", stems[s], LAYER_TOLERANCE);
	}
	if (spec->mask == SP_MASK_SOFTMAX)
		sp_softmax(stems, (size_t) spec->stems, 2 * PIXELS);
	for (int s = 0; s < spec->stems; s++)
	{
		snprintf(prefix, sizeof(prefix), "%s/%s", model_name, spec->names[s]);
		if (spec->mask == SP_MASK_SIGMOID)
			divide(stems[s], mix);
		compare(g, prefix, "mask", stems[s], MASK_TOLERANCE);
		multiply(stems[s], mix);
		/* the patch reaches 128 */
		compare(g, prefix, "estimate", stems[s], 128 * MASK_TOLERANCE);
	}
}

/* bf16 has 8 bits, so a rounding is 2^-8 at most, about 56 dB; two dozen of them lose some more. */
static void
check_bf16(const char *model_name, const SpleeterSource *model, const float *mix, const float *f32,
           SpModelSpec *spec)
{
	float *bf16 = estimate(model, SP_PRECISION_BF16, mix, spec), *stems[SP_MODEL_MAX_STEMS];

	for (int s = 0; s < spec->stems; s++)
		stems[s] = bf16 + (size_t) s * 2 * PIXELS;
	if (spec->mask == SP_MASK_SOFTMAX)
		sp_softmax(stems, (size_t) spec->stems, 2 * PIXELS);
	for (int s = 0; s < spec->stems; s++)
	{
		double db;

		if (spec->mask == SP_MASK_SOFTMAX)
			multiply(stems[s], mix);
		db = signal_to_error_db(f32 + (size_t) s * 2 * PIXELS, stems[s], 2 * PIXELS);
		printf("# %s/%s: bf16 is %.1f dB from f32\n", model_name, spec->names[s], db);
		CHECK(db >= 35);
	}
	free(bf16);
}

static void
check_model(const GoldenFile *g, int stems, const char *kind, bool moved, const float *mix)
{
	bool full = strncmp(kind, "tiny", 4) != 0;
	const int *filters = full ? spleeter_full : tiny[stems];
	SpleeterSource *model = spleeter_source(stems, filters);
	SpModelSpec spec;
	char name[64], prefix[96];
	clock_t start = clock();
	float *all;

	snprintf(name, sizeof(name), "%dstems-%s", stems, kind);
	model->moved = moved;
	snprintf(prefix, sizeof(prefix), "%s/vocals", name);
	check_layers(g, prefix, model, filters, stems != 2, mix);
	all = estimate(model, SP_PRECISION_F32, mix, &spec);
	check_stems(g, name, &spec, all, mix);
	if (sp_nn_cpu_runs_bf16())
		check_bf16(name, model, mix, all, &spec);
	else
		printf("# SKIP bf16: %s\n", sp_nn_cpu_isa());
	free(all);
	free(model);
	printf("# %s: %.1f s\n", name, (double) (clock() - start) / CLOCKS_PER_SEC);
}

int
main(void)
{
	GoldenFile g;
	float *mix = make_floats(2 * PIXELS);

	CHECK(golden_open("tests/golden/unet.golden", &g));
	golden_patch(FRAMES, BINS, mix);
	check_patch(mix);
	check_model(&g, 2, "full", false, mix);
	check_model(&g, 4, "full", false, mix);
	check_model(&g, 5, "full", false, mix);
	check_model(&g, 2, "tiny", false, mix);
	check_model(&g, 4, "tiny", false, mix);
	check_model(&g, 5, "tiny", false, mix);
	check_model(&g, 2, "moved", true, mix);
	check_model(&g, 4, "tiny-moved", true, mix);
	golden_close(&g);
	free(mix);
	return check_report();
}
