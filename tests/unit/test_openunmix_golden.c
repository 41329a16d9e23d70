/*
 * tests/unit/test_openunmix_golden.c
 *	  The architecture openunmix against PyTorch's answers in umx.golden, on
 *	  the same seeded weights; then what it refuses, and what it does when memory ends.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "net_check.h"

#include "golden_read.h"

#include "core/model/weights.h"
#include "core/stems/neural.h"

#define MAX_TENSORS 512

/* Tensors whose numbers are made when they are read. */
typedef struct Model
{
	SpTensorSource source;
	size_t count;
	SpTensorInfo infos[MAX_TENSORS];
	char names[MAX_TENSORS][96];
	const char *negative; /* the tensor that holds -1 throughout */
	bool flat;            /* masks are 3 and 1, whatever the mix; see read_flat */
} Model;

/* No weights, unit variance: what is left is the output's mean, 3 for vocals and 1 for others. */
static void
read_flat(const SpTensorInfo *t, float *out)
{
	float value = strstr(t->name, "running_var") != NULL       ? 1.0f
	              : strcmp(t->name, "vocals.output_mean") == 0 ? 3.0f
	              : strstr(t->name, "output_mean") != NULL     ? 1.0f
	                                                           : 0.0f;

	for (int64_t i = 0; i < t->elements; i++)
		out[i] = value;
}

static SpStatus
read_seeded(void *self, size_t i, float *out, SpFault *fault)
{
	Model *m = self;
	const SpTensorInfo *t = &m->infos[i];

	(void) fault;
	if (m->flat)
		read_flat(t, out);
	else
		golden_weights(t->name, t->rank, t->shape, out);
	if (m->negative != NULL && strcmp(m->negative, t->name) == 0)
		for (int64_t k = 0; k < t->elements; k++)
			out[k] = -1.0f;
	return SP_OK;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const SpTensorInfo *) a)->name, ((const SpTensorInfo *) b)->name);
}

static void
seal(Model *m)
{
	qsort(m->infos, m->count, sizeof(m->infos[0]), by_name);
	m->source = (SpTensorSource){m->count, m->infos, read_seeded, m};
}

/* cols 0: a vector; rows 0: a scalar */
static void
add(Model *m, const char *target, const char *part, int64_t rows, int64_t cols)
{
	SpTensorInfo *t = &m->infos[m->count];
	char *name = m->names[m->count++];

	snprintf(name, sizeof(m->names[0]), "%s%s%s", target, target[0] != '\0' ? "." : "", part);
	*t = (SpTensorInfo){.name = name, .dtype = SP_DTYPE_F32};
	t->rank = rows == 0 ? 0 : cols == 0 ? 1 : 2;
	t->shape[0] = rows;
	t->shape[1] = cols;
	t->elements = (rows == 0 ? 1 : rows) * (cols == 0 ? 1 : cols);
}

static void
add_norm(Model *m, const char *target, const char *layer, int64_t size)
{
	static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
	char part[64];

	for (int i = 0; i < 4; i++)
	{
		snprintf(part, sizeof(part), "%s.%s", layer, parts[i]);
		add(m, target, part, size, 0);
	}
	snprintf(part, sizeof(part), "%s.num_batches_tracked", layer);
	add(m, target, part, 0, 0);
}

/* A target as PyTorch saves it, with what the releases have besides. */
static void
add_target(Model *m, const char *target, int64_t bins, int64_t band, int64_t hidden)
{
	char part[64];

	add(m, target, "fc1.weight", hidden, 2 * band);
	add(m, target, "fc2.weight", hidden, 2 * hidden);
	add(m, target, "fc3.weight", 2 * bins, hidden);
	add(m, target, "input_mean", band, 0);
	add(m, target, "input_scale", band, 0);
	add(m, target, "output_mean", bins, 0);
	add(m, target, "output_scale", bins, 0);
	add(m, target, "sample_rate", 0, 0);
	add(m, target, "stft.window", 2 * (bins - 1), 0);
	add(m, target, "transform.0.window", 2 * (bins - 1), 0);
	add_norm(m, target, "bn1", hidden);
	add_norm(m, target, "bn2", hidden);
	add_norm(m, target, "bn3", 2 * bins);
	for (int i = 0; i < 6; i++)
	{
		const char *end = i % 2 == 0 ? "" : "_reverse";

		snprintf(part, sizeof(part), "lstm.weight_ih_l%d%s", i / 2, end);
		add(m, target, part, 2 * hidden, hidden);
		snprintf(part, sizeof(part), "lstm.weight_hh_l%d%s", i / 2, end);
		add(m, target, part, 2 * hidden, hidden / 2);
		snprintf(part, sizeof(part), "lstm.bias_ih_l%d%s", i / 2, end);
		add(m, target, part, 2 * hidden, 0);
		snprintf(part, sizeof(part), "lstm.bias_hh_l%d%s", i / 2, end);
		add(m, target, part, 2 * hidden, 0);
	}
}

#define TINY_BINS   37 /* neural/umx.py */
#define TINY_BAND   29
#define TINY_HIDDEN 10
#define TINY_FRAMES 50

/* The tiny model of these targets, to be sealed; the caller frees. */
static Model *
make_tiny(int targets, const char *const *names)
{
	Model *m = calloc(1, sizeof(*m));

	if (m == NULL)
		abort();
	for (int i = 0; i < targets; i++)
		add_target(m, names[i], TINY_BINS, TINY_BAND, TINY_HIDDEN);
	return m;
}

static const char *const four[] = {"bass", "drums", "other", "vocals"};

/* A stem of a model on golden_patch; [2][frames][bins], the caller frees.  NULL is a failure. */
static float *
separate(Model *m, SpModelSpec *spec, SpPrecision precision, int stem)
{
	size_t n;
	float *mix, *out;
	SpNn *nn = NULL;
	SpNet *net = NULL;

	CHECK(sp_arch_openunmix.resolve(&m->source, spec, NULL) == SP_OK);
	n = (size_t) 2 * (size_t) spec->frames * (size_t) spec->bins;
	mix = make_floats(n);
	out = make_floats(n);
	golden_patch((size_t) spec->frames, (size_t) spec->bins, mix);
	CHECK(sp_nn_new(&check_env, precision, 1, &nn) == SP_OK);
	CHECK(sp_arch_openunmix.load(nn, &m->source, spec, &net, NULL) == SP_OK);
	check_allocs_left = 0;
	CHECK(net != NULL && sp_arch_openunmix.estimate(net, 0, stem, mix, out, NULL) == SP_OK);
	check_allocs_left = -1;
	sp_arch_openunmix.unload(net);
	sp_nn_free(nn);
	free(mix);
	return out;
}

/*
 * Stored values within 1e-4 of the mask, which is what they are over the
 * mix; level of the whole array within 1e-5.
 */
static void
compare(const char *name, const float *got)
{
	GoldenFile g;
	const GoldenArray *a;
	double worst = 0.0, power = 0.0;
	float *mix;

	CHECK(golden_open("tests/golden/umx.golden", &g));
	a = golden_find(&g, name);
	CHECK(a != NULL);
	if (a == NULL)
		return;
	mix = make_floats(a->elements);
	golden_patch(a->shape[1], a->shape[2], mix);
	for (size_t i = 0; i < a->stored; i++)
	{
		size_t at = golden_position(a, i);
		double error = fabs((double) got[at] - (double) a->values[i]);

		/* a mix of 0 has no mask */
		worst = fmax(worst, mix[at] > 0.0f ? error / mix[at] : error);
	}
	for (size_t i = 0; i < a->elements; i++)
		power += (double) got[i] * got[i];
	printf("# %s: mask within %.2g\n", name, worst);
	CHECK(worst <= 1e-4);
	CHECK_NEAR(sqrt(power / (double) a->elements), a->rms, 1e-5 * a->rms);
	free(mix);
	golden_close(&g);
}

static void
test_full(void)
{
	SpModelSpec spec = {.frames = 259}, again = spec;
	Model *m = calloc(1, sizeof(*m));
	float *exact, *rough;
	double db;

	if (m == NULL)
		abort();
	add_target(m, "vocals", 2049, 1487, 512);
	seal(m);
	exact = separate(m, &spec, SP_PRECISION_F32, 0);
	compare("full/vocals/estimate", exact);
	if (sp_nn_cpu_runs_bf16())
	{
		rough = separate(m, &again, SP_PRECISION_BF16, 0);
		db = signal_to_error_db(exact, rough, (size_t) 2 * 259 * 2049);
		printf("# bf16 against f32: %.1f dB\n", db);
		CHECK(db >= 35.0);
		free(rough);
	}
	free(exact);
	free(m);
}

/* Of four targets, drums are the second stem, whatever the order in the file. */
static void
test_tiny(void)
{
	SpModelSpec spec = {.frames = TINY_FRAMES};
	Model *m = make_tiny(4, four);
	float *out;

	seal(m);
	out = separate(m, &spec, SP_PRECISION_F32, 1);
	compare("tiny/drums/estimate", out);
	free(out);
	spec = (SpModelSpec){
		.frames = TINY_FRAMES, .stems = 4, .names = {"other", "vocals", "bass", "drums"}};
	out = separate(m, &spec, SP_PRECISION_F32, 3);
	compare("tiny/drums/estimate", out);
	free(out);
	free(m);
}

static void
test_spec(void)
{
	SpModelSpec spec = {.stems = 0};
	char json[SP_MODEL_PARAMS_MAX];
	Model *m = calloc(1, sizeof(*m));

	if (m == NULL)
		abort();
	for (int i = 0; i < 4; i++)
		add_target(m, four[i], 2049, 1487, 16);
	seal(m);
	CHECK(sp_arch_openunmix.resolve(&m->source, &spec, NULL) == SP_OK);
	CHECK(sp_model_spec_check(&spec, NULL) == SP_OK);
	CHECK(sp_model_spec_print(&spec, json) == SP_OK);
	CHECK(strcmp(json, "{\"stems\": [\"vocals\", \"drums\", \"bass\", \"other\"], "
	                   "\"sample_rate_hz\": 44100, \"fft_size\": 4096, \"hop\": 1024, "
	                   "\"frames\": 512, \"bins\": 2049, \"mask\": \"relu\"}") == 0);
	free(m);
}

static void
test_names(void)
{
	static const char *const others[] = {"vocals", "piano", "a_b", "a"};
	SpModelSpec spec = {.stems = 0};
	Model *m = make_tiny(4, others);

	seal(m);
	CHECK(sp_arch_openunmix.resolve(&m->source, &spec, NULL) == SP_OK);
	CHECK(spec.stems == 4);
	CHECK(strcmp(spec.names[0], "a") == 0 && strcmp(spec.names[1], "a_b") == 0);
	CHECK(strcmp(spec.names[2], "piano") == 0 && strcmp(spec.names[3], "vocals") == 0);
	free(m);
	m = make_tiny(2, (const char *const[]){"other", "vocals"});
	seal(m);
	spec.stems = 0;
	CHECK(sp_arch_openunmix.resolve(&m->source, &spec, NULL) == SP_OK);
	CHECK(spec.stems == 2 && strcmp(spec.names[0], "vocals") == 0);
	free(m);
}

/* --- what is refused --------------------------------------------------------- */

/* resolve fails with this status, and its detail has these words. */
static void
refuses(Model *m, SpModelSpec spec, SpStatus wanted, const char *words)
{
	SpFault fault = {.detail = ""};
	SpStatus st;

	seal(m);
	st = sp_arch_openunmix.resolve(&m->source, &spec, &fault);
	if (st != wanted || strstr(fault.detail, words) == NULL)
		printf("# status %d, \"%s\"; not \"%s\"\n", (int) st, fault.detail, words);
	CHECK(st == wanted);
	CHECK(strstr(fault.detail, words) != NULL);
	CHECK(fault.hint[0] != '\0');
}

static bool
may_be_missing(const char *name)
{
	return strstr(name, "num_batches") != NULL || strstr(name, "window") != NULL ||
	       strstr(name, "sample_rate") != NULL;
}

/* Each tensor in turn is missing, of another rank, or a little larger. */
static void
test_each_tensor(void)
{
	Model *whole = make_tiny(2, four + 2), *m = make_tiny(0, NULL);

	seal(whole);
	for (size_t i = 0; i < whole->count; i++)
	{
		SpModelSpec spec = {.stems = 0};
		SpTensorInfo *t = &m->infos[i];
		char words[128];

		if (may_be_missing(whole->infos[i].name))
			continue;
		*m = *whole;
		*t = m->infos[--m->count];
		snprintf(words, sizeof(words), "\"%s\" is missing", whole->infos[i].name);
		refuses(m, spec, SP_ERR_BAD_DATA, words);
		snprintf(words, sizeof(words), "\"%s\" has 3 dimensions", whole->infos[i].name);
		*m = *whole;
		t->rank = 3;
		refuses(m, spec, SP_ERR_BAD_DATA, words);
		*m = *whole;
		t->shape[t->rank - 1] += 2;
		/* sizes are read off three tensors, and then another seems wrong */
		refuses(m, spec, SP_ERR_BAD_DATA, "imension");
	}
	free(whole);
	free(m);
}

static void
test_sizes(void)
{
	SpModelSpec spec = {.stems = 0};
	Model *m = make_tiny(0, NULL);

	refuses(m, spec, SP_ERR_BAD_DATA, "no tensors");
	add_target(m, "vocals", TINY_BINS, TINY_BAND, 11);
	refuses(m, spec, SP_ERR_BAD_DATA, "\"vocals.fc1.weight\" is 11, which is not even");
	m->count = 0;
	add_target(m, "vocals", TINY_BINS, TINY_BINS + 1, 10);
	refuses(m, spec, SP_ERR_BAD_DATA, "\"vocals.input_mean\" is 38, which does not fit");
	m->count = 0;
	add_target(m, "vocals", 1, 1, 10);
	refuses(m, spec, SP_ERR_BAD_DATA, "\"vocals.output_mean\" is 1, which does not fit");
	m->count = 0;
	add_target(m, "vocals", 1 << 20, 16, 10);
	refuses(m, spec, SP_ERR_BAD_DATA, "\"vocals.output_mean\" is 1048576, which does not fit");
	m->count = 0;
	add_target(m, "vocals", TINY_BINS, TINY_BAND, 1 << 20);
	refuses(m, spec, SP_ERR_BAD_DATA, "\"vocals.fc1.weight\" is 1048576, which does not fit");
	m->count = 0;
	add_target(m, "speech", TINY_BINS, TINY_BAND, 10);
	m->infos[0].shape[1] = TINY_BAND;
	refuses(m, spec, SP_ERR_UNSUPPORTED, "of one channel");
	m->count = 0;
	add_target(m, "drums", TINY_BINS, TINY_BAND, 10);
	add_target(m, "vocals", TINY_BINS, TINY_BAND, 12);
	refuses(m, spec, SP_ERR_BAD_DATA, "of the tensor \"drums.fc1.weight\" is 10 instead of 12");
	free(m);
}

static void
test_strangers(void)
{
	static const char *const nine[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
	SpModelSpec spec = {.stems = 0};
	Model *m = make_tiny(1, four);

	add(m, "bass", "fc4.weight", 4, 4);
	refuses(m, spec, SP_ERR_BAD_DATA, "\"bass.fc4.weight\" has no place");
	m->count = 0;
	add_target(m, "bass", TINY_BINS, TINY_BAND, TINY_HIDDEN);
	add(m, "bass", "lstm.weight_ih_l3", 20, 10);
	refuses(m, spec, SP_ERR_BAD_DATA, "\"bass.lstm.weight_ih_l3\" has no place");
	m->count = 0;
	add_target(m, "bass", TINY_BINS, TINY_BAND, TINY_HIDDEN);
	add(m, "drums", "sample_rate", 0, 0);
	refuses(m, spec, SP_ERR_BAD_DATA, "\"drums.fc1.weight\" is missing");
	m->count = 0;
	add_target(m, "Bass", TINY_BINS, TINY_BAND, TINY_HIDDEN);
	refuses(m, spec, SP_ERR_BAD_DATA, "\"Bass.bn1.bias\" does not begin with a target");
	m->count = 0;
	add_target(m, "a_name_of_thirty_two_characters_", TINY_BINS, TINY_BAND, TINY_HIDDEN);
	refuses(m, spec, SP_ERR_BAD_DATA, "does not begin with a target");
	m->count = 0;
	add_target(m, "", TINY_BINS, TINY_BAND, TINY_HIDDEN);
	refuses(m, spec, SP_ERR_BAD_DATA, "does not begin with a target");
	CHECK(sp_arch_openunmix.recognises(&m->source));
	free(m);
	m = make_tiny(9, nine);
	refuses(m, spec, SP_ERR_UNSUPPORTED, "more than 8 targets");
	free(m);
}

static void
test_parameters(void)
{
	Model *m = make_tiny(2, four);

	refuses(m, (SpModelSpec){.bins = 29}, SP_ERR_BAD_DATA, "all 37 bins");
	refuses(m, (SpModelSpec){.fft_size = 4096}, SP_ERR_BAD_DATA, "frames of 72 samples");
	refuses(m, (SpModelSpec){.mask = SP_MASK_SIGMOID}, SP_ERR_BAD_DATA, "\"relu\"");
	refuses(m, (SpModelSpec){.encoder = SP_ACT_ELU}, SP_ERR_BAD_DATA, "activations");
	refuses(m, (SpModelSpec){.stems = 2, .names = {"bass", "vocals"}}, SP_ERR_BAD_DATA,
	        "stem \"vocals\"");
	refuses(m, (SpModelSpec){.stems = 1, .names = {"bass"}}, SP_ERR_BAD_DATA, "of 2 stems");
	free(m);
}

/* Neither architecture takes the other's models for its own. */
static void
test_recognition(void)
{
	SpWeightsLimits limits = {.max_tensors = 4096, .temp_dir = "/tmp"};
	Model *m = make_tiny(2, four);
	SpWeights *w = NULL;

	seal(m);
	CHECK(sp_architecture_recognise(&m->source) == &sp_arch_openunmix);
	CHECK(sp_architecture_find("openunmix") == &sp_arch_openunmix);
	CHECK(!sp_arch_spleeter.recognises(&m->source));
	m->source.count = 0;
	CHECK(sp_architecture_recognise(&m->source) == NULL);
	free(m);
	CHECK(sp_weights_open_path(&check_env, "tests/fixtures/models/tiny-4stems.safetensors", &limits,
	                           &w, NULL) == SP_OK);
	if (w != NULL)
	{
		CHECK(!sp_arch_openunmix.recognises(sp_weights_tensors(w)));
		CHECK(sp_architecture_recognise(sp_weights_tensors(w)) == &sp_arch_spleeter);
	}
	sp_weights_free(w);
}

/* --- the middle of things ---------------------------------------------------- */

static bool
count_down(void *arg)
{
	return --*(int *) arg < 0;
}

/* Asked after each of seven layers; workers and repetitions agree to the bit. */
static void
test_stop(void)
{
	SpModelSpec spec = {.frames = TINY_FRAMES};
	size_t n = (size_t) 2 * TINY_FRAMES * TINY_BINS;
	float *mix = make_floats(n), *first = make_floats(n), *second = make_floats(n);
	Model *m = make_tiny(2, four);
	SpNn *nn = NULL;
	SpNet *net = NULL;

	seal(m);
	golden_patch(TINY_FRAMES, TINY_BINS, mix);
	CHECK(sp_arch_openunmix.resolve(&m->source, &spec, NULL) == SP_OK);
	CHECK(sp_nn_new(&check_env, SP_PRECISION_F32, 2, &nn) == SP_OK);
	CHECK(sp_arch_openunmix.load(nn, &m->source, &spec, &net, NULL) == SP_OK);
	CHECK(sp_arch_openunmix.estimate(net, 0, 1, mix, first, NULL) == SP_OK);
	for (int polls = 0; polls < 10; polls++)
	{
		int left = polls;
		SpStop stop = {count_down, &left};

		CHECK(sp_arch_openunmix.estimate(net, 1, 1, mix, second, &stop) ==
		      (polls < 7 ? SP_ERR_CANCELED : SP_OK));
	}
	CHECK(memcmp(first, second, n * sizeof(float)) == 0);
	CHECK(sp_arch_openunmix.estimate(net, 0, 0, mix, second, NULL) == SP_OK);
	CHECK(memcmp(first, second, n * sizeof(float)) != 0);
	sp_arch_openunmix.unload(net);
	sp_arch_openunmix.unload(NULL);
	sp_nn_free(nn);
	free(mix);
	free(first);
	free(second);
	free(m);
}

static void
test_no_memory(SpPrecision precision)
{
	SpModelSpec spec = {.frames = 16};
	Model *m = make_tiny(2, four);

	seal(m);
	CHECK(sp_arch_openunmix.resolve(&m->source, &spec, NULL) == SP_OK);
	check_no_memory(&sp_arch_openunmix, &m->source, &spec, precision);
	free(m);
}

/*
 * Through the engine: with masks of 3 and 1 the ratio masks are 9/10 and 1/10 in all
 * bins and frames, up to half the sampling rate and across joins, and so are stems.
 */
static void
test_engine(bool exact)
{
	enum
	{
		FRAMES = 20000
	};
	static const char *const two[] = {"drums", "vocals"};
	SpModelSpec spec = {.architecture = &sp_arch_openunmix, .frames = 32};
	SpNeuralConfig cfg = {.song = {44100, 2, 2, false}, .exact = exact};
	Model *m = calloc(1, sizeof(*m));
	float *mix = make_floats(2 * FRAMES),
		  *got[2] = {make_floats(2 * FRAMES), make_floats(2 * FRAMES)};
	SpModel *model = NULL;
	SpSeparator *s = NULL;
	double worst = 0.0;

	if (m == NULL)
		abort();
	for (int i = 0; i < 2; i++)
		add_target(m, two[i], 257, 186, 8);
	seal(m);
	m->flat = true;
	for (size_t i = 0; i < (size_t) 2 * FRAMES; i++)
		mix[i] = 0.5f * check_noise();
	CHECK(sp_arch_openunmix.resolve(&m->source, &spec, NULL) == SP_OK);
	CHECK(sp_model_load(&check_env, &m->source, &spec, SP_PRECISION_F32, 2, &model, NULL) == SP_OK);
	CHECK(sp_neural_new(&check_env, model, &cfg, &s) == SP_OK);
	CHECK(sp_separator_push(s, mix, FRAMES) == SP_OK);
	CHECK(sp_separator_finish(s) == SP_OK);
	CHECK(sp_separator_pull(s, got, FRAMES) == FRAMES);
	for (size_t i = 0; i < (size_t) 2 * FRAMES; i++)
	{
		worst = fmax(worst, fabs(got[0][i] - 0.9 * mix[i]));
		worst = fmax(worst, fabs(got[1][i] - 0.1 * mix[i]));
	}
	CHECK(worst < 1e-6);
	sp_separator_free(s);
	sp_model_free(model);
	free(mix);
	free(got[0]);
	free(got[1]);
	free(m);
}

static void
test_load_fails(void)
{
	SpModelSpec spec = {.frames = 16};
	Model *m = make_tiny(2, four);
	SpFault fault = {.detail = ""};
	SpNn *nn = NULL;
	SpNet *net = NULL;

	seal(m);
	CHECK(sp_arch_openunmix.resolve(&m->source, &spec, NULL) == SP_OK);
	CHECK(sp_nn_new(&check_env, SP_PRECISION_F32, 1, &nn) == SP_OK);
	m->negative = "drums.bn2.running_var";
	CHECK(sp_arch_openunmix.load(nn, &m->source, &spec, &net, &fault) == SP_ERR_BAD_DATA);
	CHECK(strstr(fault.detail, "\"drums.bn2.running_var\"") != NULL && net == NULL);
	m->negative = NULL;
	check_polls_left = 0;
	CHECK(sp_arch_openunmix.load(nn, &m->source, &spec, &net, NULL) == SP_ERR_CANCELED);
	check_polls_left = -1;
	CHECK(net == NULL);
	sp_nn_free(nn);
	free(m);
}

int
main(void)
{
	test_full();
	test_tiny();
	test_spec();
	test_names();
	test_each_tensor();
	test_sizes();
	test_strangers();
	test_parameters();
	test_recognition();
	test_stop();
	test_engine(true);
	test_engine(false);
	test_no_memory(SP_PRECISION_F32);
	if (sp_nn_cpu_runs_bf16())
		test_no_memory(SP_PRECISION_BF16);
	else
		printf("# SKIP bf16: not on this CPU\n");
	test_load_fails();
	return check_report();
}
