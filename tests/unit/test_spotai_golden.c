/*
 * tests/unit/test_spotai_golden.c
 *	  The architecture spotai against PyTorch's answers in spotai.golden, on the
 *	  same seeded weights; then what it refuses, and what it does when memory ends.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "net_check.h"

#include "golden_read.h"
#include "spotai_source.h"

#include "core/nn/masknet.h"
#include "core/stems/architecture.h"

/* Transforms that are as short as 32 bands need them. */
static const SpModelSpec tiny_spec = {
	.sample_rate_hz = 8000, .frames = 16, .bands = {3, {16, 8, 8}, {1, 2, 28}}};

/* --- against PyTorch ---------------------------------------------------------- */

/* The golden input as rows, [frames][8][bands]. */
static float *
make_rows(size_t frames, size_t bands)
{
	size_t plane = frames * bands;
	float *planes = make_floats(8 * plane), *rows = make_floats(8 * plane);

	golden_bands(frames, bands, planes);
	golden_shares(frames, bands, planes + 4 * plane);
	for (size_t t = 0; t < frames; t++)
		for (size_t i = 0; i < 8; i++)
			memcpy(rows + (t * 8 + i) * bands, planes + i * plane + t * bands,
			       bands * sizeof(float));
	free(planes);
	return rows;
}

/* masks[4][2][frames][bands] of rows; the caller frees. */
static float *
run(SpPrecision precision, const SpotaiSize *size, SpModelSpec spec, const float *rows,
    size_t count)
{
	SpotaiSource *s = spotai_source(size);
	size_t n = 2 * (size_t) spec.frames * (size_t) size->bands;
	float *out = make_floats(4 * n), *masks[4] = {out, out + n, out + 2 * n, out + 3 * n};
	SpNn *nn = NULL;
	SpNet *net = NULL;

	CHECK(sp_arch_spotai.resolve(&s->source, &spec, NULL) == SP_OK);
	CHECK(sp_nn_new(&check_env, precision, 1, &nn) == SP_OK);
	CHECK(sp_arch_spotai.load(nn, &s->source, &spec, &net, NULL) == SP_OK);
	CHECK(sp_arch_spotai.masks->estimate(net, 0, rows, count, masks, NULL) == SP_OK);
	sp_arch_spotai.unload(net);
	sp_nn_free(nn);
	free(s);
	return out;
}

/* 1e-4 of masks is the bar; PyTorch's own float32 is 1.4e-6 away. */
static void
test_size(const char *label, const SpotaiSize *size, SpModelSpec spec)
{
	size_t frames = (size_t) spec.frames, bands = (size_t) size->bands;
	float *rows = make_rows(frames, bands);
	float *f32 = run(SP_PRECISION_F32, size, spec, rows, frames), *bf16;
	double worst = 0, mean = 0;
	GoldenFile g;
	char name[64];

	snprintf(name, sizeof(name), "%s/mask", label);
	CHECK(golden_open("tests/golden/spotai.golden", &g));
	CHECK(golden_find(&g, name) != NULL);
	CHECK_NEAR(golden_distance(golden_find(&g, name), f32), 0, 1e-5);
	golden_close(&g);
	if (sp_nn_cpu_runs_bf16())
	{
		bf16 = run(SP_PRECISION_BF16, size, spec, rows, frames);
		for (size_t i = 0; i < 8 * frames * bands; i++)
		{
			worst = fmax(worst, fabs((double) bf16[i] - f32[i]));
			mean += fabs((double) bf16[i] - f32[i]) / (double) (8 * frames * bands);
		}
		printf("# %s: bf16 is within %.3f of the masks, %.5f in the mean\n", label, worst, mean);
		/* of weights that were drawn, logits are far larger than of such that were trained */
		CHECK(worst < 0.04 && mean < 0.002);
		free(bf16);
	}
	else
		printf("# SKIP bf16: %s\n", sp_nn_cpu_isa());
	free(f32);
	free(rows);
}

/* Behind the end of a song there is silence, and it does not count for the loudness. */
static void
test_count(void)
{
	size_t bands = 32, plane = 8 * bands;
	float *rows = make_rows(16, bands), *loud = make_floats(16 * plane);
	float *masks, *louder;

	memcpy(loud, rows, 16 * plane * sizeof(float));
	for (size_t i = 5 * plane; i < 16 * plane; i++)
		loud[i] = NAN;
	masks = run(SP_PRECISION_F32, &spotai_tiny, tiny_spec, loud, 5);
	for (size_t i = 0; i < 8 * 16 * bands; i++)
		CHECK(isfinite(masks[i]));
	for (size_t t = 0; t < 16; t++)
		for (size_t i = 0; i < 4 * bands; i++)
			loud[t * plane + i] = 1000 * rows[t * plane + i];
	louder = run(SP_PRECISION_F32, &spotai_tiny, tiny_spec, loud, 5);
	for (size_t i = 0; i < 8 * 16 * bands; i++)
		CHECK_NEAR(masks[i], louder[i], 1e-4);
	free(rows);
	free(loud);
	free(masks);
	free(louder);
}

/* --- a frame ------------------------------------------------------------------ */

#define BINS   257
#define STRIDE 272
#define BANDS  32

/* First bin of a band of tiny_spec, by hand. */
static size_t
first_bin(size_t band)
{
	return band < 16   ? band
	       : band < 24 ? 16 + 2 * (band - 16)
	       : band < 32 ? 32 + 28 * (band - 24)
	                   : 257;
}

static SpNet *
tiny_net(SpNn **nn)
{
	SpotaiSource *s = spotai_source(&spotai_tiny);
	SpModelSpec spec = tiny_spec;
	SpNet *net = NULL;

	CHECK(sp_arch_spotai.resolve(&s->source, &spec, NULL) == SP_OK);
	CHECK(sp_arch_spotai.masks->row(&spec) == 8 * BANDS);
	CHECK(sp_arch_spotai.masks->columns(&spec) == BANDS);
	CHECK(sp_nn_new(&check_env, SP_PRECISION_F32, 1, nn) == SP_OK);
	CHECK(sp_arch_spotai.load(*nn, &s->source, &spec, &net, NULL) == SP_OK);
	free(s);
	return net;
}

/* Power of left, right, middle or side at a bin. */
static double
power(const float *left, const float *right, size_t plane, size_t bin)
{
	double l[2] = {left[bin], left[STRIDE + bin]}, r[2] = {right[bin], right[STRIDE + bin]};
	double a = plane == 0 ? 1 : plane == 1 ? 0 : 0.5;
	double b = plane == 0 ? 0 : plane == 1 ? 1 : plane == 2 ? 0.5 : -0.5;

	return pow(a * l[0] + b * r[0], 2) + pow(a * l[1] + b * r[1], 2);
}

static void
test_observe(void)
{
	static float left[2 * STRIDE], right[2 * STRIDE], levels[4][BINS], row[8 * BANDS];
	const float *spectra[2] = {left, right};
	const float *of_levels[4] = {levels[0], levels[1], levels[2], levels[3]};
	SpNn *nn = NULL;
	SpNet *net = tiny_net(&nn);

	for (size_t i = 0; i < 2 * STRIDE; i++)
	{
		left[i] = check_noise();
		right[i] = check_noise();
	}
	for (size_t i = 0; i < BINS; i++)
		for (size_t s = 0; s < 4; s++)
			levels[s][i] = i < 4 ? 0 : fabsf(check_noise());
	sp_arch_spotai.masks->observe(net, spectra, STRIDE, 3.0f, of_levels, row);
	for (size_t b = 0; b < BANDS; b++)
	{
		double sums[8] = {0}, width = (double) (first_bin(b + 1) - first_bin(b)), total = 0;

		for (size_t bin = first_bin(b); bin < first_bin(b + 1); bin++)
			for (size_t i = 0; i < 4; i++)
			{
				sums[i] += power(left, right, i, bin);
				sums[4 + i] += pow(levels[i][bin], 1.5);
				total += pow(levels[i][bin], 1.5);
			}
		for (size_t i = 0; i < 4; i++)
		{
			CHECK_NEAR(row[i * BANDS + b], 3 * sqrt(sums[i] / width), 1e-5);
			CHECK_NEAR(row[(4 + i) * BANDS + b], total > 0 ? sums[4 + i] / total : 0.25, 1e-6);
		}
	}
	sp_arch_spotai.unload(net);
	sp_nn_free(nn);
}

/* Straight lines stay straight between the first band's middle and the last's. */
static void
test_spread(void)
{
	float mask[BANDS], out[BINS];
	SpNn *nn = NULL;
	SpNet *net = tiny_net(&nn);

	for (size_t b = 0; b < BANDS; b++)
		mask[b] = 0.5f * (float) (first_bin(b) + first_bin(b + 1) - 1);
	sp_arch_spotai.masks->spread(net, mask, out);
	for (size_t i = 0; i < BINS; i++)
		CHECK_NEAR(out[i], i < 242 ? (double) i : 242, 1e-4);
	for (size_t b = 0; b < BANDS; b++)
		mask[b] = check_noise();
	sp_arch_spotai.masks->spread(net, mask, out);
	for (size_t i = 0; i < 16; i++)
		CHECK(out[i] == mask[i]);
	CHECK_NEAR(out[256], mask[31], 1e-6);
	sp_arch_spotai.unload(net);
	sp_nn_free(nn);
}

/* --- what is refused ------------------------------------------------------------ */

static void
refuses(SpotaiSource *s, SpModelSpec spec, const char *words)
{
	SpFault fault = {.detail = ""};
	SpStatus st;

	spotai_seal(s);
	st = sp_arch_spotai.resolve(&s->source, &spec, &fault);
	if (st != SP_ERR_BAD_DATA || strstr(fault.detail, words) == NULL)
		printf("# status %d, \"%s\"; not \"%s\"\n", (int) st, fault.detail, words);
	CHECK(st == SP_ERR_BAD_DATA);
	CHECK(strstr(fault.detail, words) != NULL);
	CHECK(fault.hint[0] != '\0');
}

/* Each tensor in turn is missing, of another rank, or larger. */
static void
test_each_tensor(void)
{
	SpotaiSource *whole = spotai_source(&spotai_tiny), *s = spotai_source(&spotai_tiny);

	for (size_t i = 0; i < whole->count; i++)
	{
		SpTensorInfo *t = &s->tensors[i];
		char words[96];

		*s = *whole;
		*t = s->tensors[--s->count];
		snprintf(words, sizeof(words), "The tensor");
		refuses(s, tiny_spec, words);
		*s = *whole;
		t->rank = 3;
		snprintf(words, sizeof(words), "\"%s\" has 3 dimensions", whole->tensors[i].name);
		refuses(s, tiny_spec, words);
		for (int k = 0; k < whole->tensors[i].rank; k++)
		{
			*s = *whole;
			t->shape[k] += 2;
			/* sizes are read off some tensors, and then another seems wrong */
			refuses(s, tiny_spec, "imension");
			t->shape[k] = 0;
			refuses(s, tiny_spec, "imension");
			t->shape[k] = INT64_C(1) << 40;
			refuses(s, tiny_spec, "imension");
		}
	}
	*s = *whole;
	spotai_add(s, "stage.1.9", ".conv.weight", 6, 6, 3, 3);
	refuses(s, tiny_spec, "\"stage.1.9.conv.weight\" has no place");
	free(whole);
	free(s);
}

static void
test_parameters(void)
{
	SpotaiSource *s = spotai_source(&spotai_tiny);
	SpModelSpec spec = tiny_spec;

	spec.stems = 3;
	refuses(s, spec, "of 4 stems");
	spec = tiny_spec;
	spec.bands.count[0] = 15;
	refuses(s, spec, "for 32 bands, the hyper-parameters make 31");
	spec = tiny_spec;
	spec.bands.width[0] = 2;
	refuses(s, (SpModelSpec){.bands = spec.bands, .bins = 257}, "of 273 bins");
	spec = tiny_spec;
	spec.frames = 18;
	refuses(s, spec, "multiple of 4");
	spec = tiny_spec;
	spec.mask = SP_MASK_SIGMOID;
	refuses(s, spec, "\"softmax\"");
	spec = tiny_spec;
	spec.decoder = SP_ACT_RELU;
	refuses(s, spec, "activations");
	spec = tiny_spec;
	spec.sample_rate_hz = 44100;
	refuses(s, spec, "too many at 44100 Hz");
	refuses(s, (SpModelSpec){.frames = 16}, "for 32 bands, the hyper-parameters make 512");
	free(s);
}

/* What is left out is filled in, and says the same as JSON. */
static void
test_spec(void)
{
	SpotaiSource *s = spotai_source(&spotai_full);
	SpModelSpec spec = {.stems = 0}, again;
	char json[SP_MODEL_PARAMS_MAX];

	CHECK(sp_architecture_recognise(&s->source) == &sp_arch_spotai);
	CHECK(sp_architecture_find("spotai") == &sp_arch_spotai);
	CHECK(sp_arch_spotai.resolve(&s->source, &spec, NULL) == SP_OK);
	CHECK(sp_model_spec_check(&spec, NULL) == SP_OK);
	CHECK(spec.fft_size == 4096 && spec.hop == 1024 && spec.bins == 2049 && spec.frames == 128);
	CHECK(sp_model_spec_print(&spec, json) == SP_OK);
	CHECK(strstr(json, "\"bands\": [[192, 1], [160, 2], [96, 4], [64, 18]]") != NULL);
	CHECK(strstr(json, "\"stems\": [\"vocals\", \"drums\", \"bass\", \"other\"]") != NULL);
	CHECK(sp_model_spec_parse(json, &again, NULL) == SP_OK);
	CHECK(memcmp(&again.bands, &spec.bands, sizeof(spec.bands)) == 0);
	CHECK(sp_arch_spotai.resolve(&s->source, &again, NULL) == SP_OK);
	s->source.count = 0;
	CHECK(sp_architecture_recognise(&s->source) == NULL);
	free(s);
}

static void
test_bad_bands(void)
{
	static const char *const bad[] = {
		"[]",          "[[1]]",
		"[[1, 2, 3]]", "[1, 2]",
		"[[0, 1]]",    "[[1, 0]]",
		"[[1.5, 1]]",  "[[1, 99999]]",
		"\"all\"",     "[[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],[1,1]]"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		SpFault fault = {.detail = ""};
		SpModelSpec spec;
		char json[128];

		snprintf(json, sizeof(json), "{\"bands\": %s}", bad[i]);
		CHECK(sp_model_spec_parse(json, &spec, &fault) == SP_ERR_BAD_DATA);
		CHECK(strstr(fault.detail, "\"bands\"") != NULL);
	}
}

/* --- the middle of things ---------------------------------------------------- */

static bool
count_down(void *arg)
{
	return --*(int *) arg < 0;
}

/* Asked after each of seven layers, and nothing is allocated. */
static void
test_stop(void)
{
	size_t n = (size_t) 2 * 16 * BANDS;
	float *rows = make_rows(16, BANDS), *out = make_floats(4 * n);
	float *masks[4] = {out, out + n, out + 2 * n, out + 3 * n};
	SpNn *nn = NULL;
	SpNet *net = tiny_net(&nn);

	for (int polls = 0; polls < 10; polls++)
	{
		int left = polls;
		SpStop stop = {count_down, &left};

		check_allocs_left = 0;
		CHECK(sp_arch_spotai.masks->estimate(net, 0, rows, 16, masks, &stop) ==
		      (polls < 7 ? SP_ERR_CANCELED : SP_OK));
		check_allocs_left = -1;
	}
	sp_arch_spotai.unload(net);
	sp_arch_spotai.unload(NULL);
	sp_nn_free(nn);
	free(rows);
	free(out);
}

/* Shapes that no network has, and levels that this one has not. */
static void
test_shapes(void)
{
	static const float zeros[4 * 9 * 9] = {0};
	const SpMaskNetShape good = {4, 4, 1, 1, 2, {1, 1}};
	SpMaskNetConv conv = {3, zeros, zeros, NULL, NULL}, even = {2, zeros, zeros, NULL, NULL};
	SpMaskNetAcross across = {1, zeros, zeros, zeros, zeros};
	SpMaskNetShape bad[8];
	SpMaskNet *net = NULL;
	SpNn *nn = NULL;

	for (size_t i = 0; i < 8; i++)
		bad[i] = good;
	bad[0].frames = 6;
	bad[1].bands = 0;
	bad[2].in_channels = 0;
	bad[3].out_channels = -1;
	bad[4].levels = 0;
	bad[5].levels = SP_MASKNET_MAX_LEVELS + 1;
	bad[6].channels[1] = 0;
	bad[7].channels[0] = 1 << 20;
	CHECK(sp_nn_new(&check_env, SP_PRECISION_F32, 1, &nn) == SP_OK);
	for (size_t i = 0; i < 8; i++)
		CHECK(sp_masknet_new(nn, &bad[i], &net) == SP_ERR_BAD_ARG && net == NULL);
	CHECK(sp_masknet_new(nn, &good, &net) == SP_OK);
	for (int level = -1; level <= 2; level += 3)
	{
		CHECK(sp_masknet_set_down(net, level, &conv) == SP_ERR_BAD_ARG);
		CHECK(sp_masknet_add_conv(net, level, &conv) == SP_ERR_BAD_ARG);
		CHECK(sp_masknet_add_across(net, level, &across) == SP_ERR_BAD_ARG);
		CHECK(sp_masknet_set_up(net, level, &conv) == SP_ERR_BAD_ARG);
	}
	CHECK(sp_masknet_set_up(net, 1, &conv) == SP_ERR_BAD_ARG);
	CHECK(sp_masknet_set_down(net, 0, &even) == SP_ERR_BAD_ARG);
	CHECK(sp_masknet_set_down(net, 0, &conv) == SP_OK);
	CHECK(sp_masknet_set_down(net, 0, &conv) == SP_ERR_BAD_ARG);
	for (int i = 0; i < SP_MASKNET_MAX_STAGES; i++)
		CHECK(sp_masknet_add_conv(net, 0, &conv) == SP_OK);
	CHECK(sp_masknet_add_conv(net, 0, &conv) == SP_ERR_BAD_ARG);
	CHECK(sp_masknet_add_across(net, 0, &across) == SP_ERR_BAD_ARG);
	sp_masknet_free(net);
	sp_masknet_free(NULL);
	sp_masknet_room_free(NULL);
	sp_nn_free(nn);
}

/* Memory ends at each allocation in turn; the sanitizer sees what leaks. */
static void
test_no_memory(SpPrecision precision)
{
	SpotaiSource *s = spotai_source(&spotai_tiny);
	SpModelSpec spec = tiny_spec;

	CHECK(sp_arch_spotai.resolve(&s->source, &spec, NULL) == SP_OK);
	check_no_memory(&sp_arch_spotai, &s->source, &spec, precision);
	check_polls_left = 0;
	{
		SpNn *nn = NULL;
		SpNet *net = NULL;

		CHECK(sp_nn_new(&check_env, precision, 1, &nn) == SP_OK);
		CHECK(sp_arch_spotai.load(nn, &s->source, &spec, &net, NULL) == SP_ERR_CANCELED);
		CHECK(net == NULL);
		sp_nn_free(nn);
	}
	check_polls_left = -1;
	free(s);
}

int
main(void)
{
	test_size("full", &spotai_full, (SpModelSpec){.frames = 128});
	test_size("tiny", &spotai_tiny, tiny_spec);
	test_count();
	test_observe();
	test_spread();
	test_each_tensor();
	test_parameters();
	test_spec();
	test_bad_bands();
	test_stop();
	test_shapes();
	test_no_memory(SP_PRECISION_F32);
	if (sp_nn_cpu_runs_bf16())
		test_no_memory(SP_PRECISION_BF16);
	return check_report();
}
