/*
 * tests/unit/test_architecture.c
 *	  Hyper-parameters as JSON; the tensors of Spleeter's architecture, with
 *	  each of them missing, misshapen or in the way.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "check.h"

#include "core/stems/architecture.h"
#include "spleeter_source.h"

static const int tiny[6] = {1, 2, 3, 2, 3, 5};

/* --- JSON ---------------------------------------------------------------------------- */

static bool
same_spec(const SpModelSpec *a, const SpModelSpec *b)
{
	for (int i = 0; i < a->stems; i++)
		if (strcmp(a->names[i], b->names[i]) != 0)
			return false;
	return a->stems == b->stems && a->sample_rate_hz == b->sample_rate_hz &&
	       a->fft_size == b->fft_size && a->hop == b->hop && a->frames == b->frames &&
	       a->bins == b->bins && a->encoder == b->encoder && a->decoder == b->decoder &&
	       a->mask == b->mask;
}

/* What is printed is what is read, and what is read is what is printed. */
static void
check_round_trip(void)
{
	static const char *const texts[] = {
		"{\"stems\": [\"vocals\", \"accompaniment\"], \"sample_rate_hz\": 44100, "
		"\"fft_size\": 4096, \"hop\": 1024, \"frames\": 512, \"bins\": 1024, "
		"\"encoder\": \"leaky_relu\", \"decoder\": \"relu\", \"mask\": \"sigmoid\"}",
		"{\"stems\": [\"a\", \"b0\", \"c_1\", \"d\", \"e\", \"f\", \"g\", "
		"\"h234567890123456789012345678901\"], \"sample_rate_hz\": 8000, "
		"\"fft_size\": 64, \"hop\": 16, \"frames\": 16, \"bins\": 16, "
		"\"encoder\": \"elu\", \"decoder\": \"tanh\", \"mask\": \"softmax\"}",
		"{\"stems\": [\"vocals\"], \"sample_rate_hz\": 192000, "
		"\"fft_size\": 65536, \"hop\": 16384, \"frames\": 8192, \"bins\": 32769, "
		"\"encoder\": \"sigmoid\", \"decoder\": \"tanh\", \"mask\": \"relu\"}",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
	{
		SpModelSpec spec, again;
		SpFault fault = {{0}, {0}};
		char printed[SP_MODEL_PARAMS_MAX];

		CHECK(sp_model_spec_parse(texts[i], &spec, &fault) == SP_OK);
		CHECK(fault.detail[0] == '\0');
		CHECK(sp_model_spec_print(&spec, printed) == SP_OK);
		CHECK(strcmp(printed, texts[i]) == 0);
		CHECK(sp_model_spec_parse(printed, &again, NULL) == SP_OK);
		CHECK(same_spec(&spec, &again));
		CHECK(sp_model_spec_check(&spec, NULL) == SP_OK);
	}
}

/* What is left out stays 0. */
static void
check_partial(void)
{
	SpModelSpec spec;

	memset(&spec, 0x5A, sizeof(spec));
	CHECK(sp_model_spec_parse("{}", &spec, NULL) == SP_OK);
	CHECK(spec.stems == 0 && spec.fft_size == 0 && spec.encoder == SP_ACT_NONE &&
	      spec.mask == SP_MASK_NONE && spec.architecture == NULL && spec.names[0][0] == '\0');
	CHECK(sp_model_spec_parse(" { \"hop\" : 16 , \"stems\" : [ \"x\" ] } ", &spec, NULL) == SP_OK);
	CHECK(spec.hop == 16 && spec.stems == 1 && strcmp(spec.names[0], "x") == 0);
}

static void
check_bad_json(void)
{
	/* the text, and what the fault must name */
	static const char *const bad[][2] = {
		{"", "JSON"},
		{"[]", "JSON"},
		{"7", "JSON"},
		{"null", "JSON"},
		{"{", "JSON"},
		{"{\"hop\": 16} x", "JSON"},
		{"{\"hop\": 16, \"hop\": 16}", "JSON"},
		{"{\"stems\": [\"\\u0000\"]}", "JSON"},
		{"{\"colour\": 1}", "\"colour\""},
		{"{\"Stems\": [\"a\"]}", "\"Stems\""},
		{"{\"stems\": []}", "\"stems\""},
		{"{\"stems\": \"vocals\"}", "\"stems\""},
		{"{\"stems\": 2}", "\"stems\""},
		{"{\"stems\": [1]}", "\"stems\""},
		{"{\"stems\": [null]}", "\"stems\""},
		{"{\"stems\": [\"\"]}", "\"stems\""},
		{"{\"stems\": [\"a\", \"a\"]}", "\"stems\""},
		{"{\"stems\": [\"Vocals\"]}", "\"stems\""},
		{"{\"stems\": [\"1st\"]}", "\"stems\""},
		{"{\"stems\": [\"_a\"]}", "\"stems\""},
		{"{\"stems\": [\"lead vocals\"]}", "\"stems\""},
		{"{\"stems\": [\"../a\"]}", "\"stems\""},
		{"{\"stems\": [\"caf\\u00e9\"]}", "\"stems\""},
		{"{\"stems\": [\"h2345678901234567890123456789012\"]}", "\"stems\""},
		{"{\"stems\": [\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\"]}", "\"stems\""},
		{"{\"sample_rate_hz\": 7999}", "\"sample_rate_hz\""},
		{"{\"sample_rate_hz\": 192001}", "\"sample_rate_hz\""},
		{"{\"sample_rate_hz\": 44100.0}", "\"sample_rate_hz\""},
		{"{\"sample_rate_hz\": \"44100\"}", "\"sample_rate_hz\""},
		{"{\"sample_rate_hz\": true}", "\"sample_rate_hz\""},
		{"{\"fft_size\": 63}", "\"fft_size\""},
		{"{\"fft_size\": 65537}", "\"fft_size\""},
		{"{\"fft_size\": -4096}", "\"fft_size\""},
		{"{\"fft_size\": 4294971392}", "\"fft_size\""},
		{"{\"hop\": 15}", "\"hop\""},
		{"{\"hop\": 16385}", "\"hop\""},
		{"{\"hop\": null}", "\"hop\""},
		{"{\"frames\": 15}", "\"frames\""},
		{"{\"frames\": 8193}", "\"frames\""},
		{"{\"frames\": 0}", "\"frames\""},
		{"{\"bins\": 15}", "\"bins\""},
		{"{\"bins\": 32770}", "\"bins\""},
		{"{\"bins\": [1024]}", "\"bins\""},
		{"{\"encoder\": \"gelu\"}", "\"encoder\""},
		{"{\"encoder\": \"\"}", "\"encoder\""},
		{"{\"encoder\": 3}", "\"encoder\""},
		{"{\"decoder\": \"ReLU\"}", "\"decoder\""},
		{"{\"decoder\": null}", "\"decoder\""},
		{"{\"mask\": \"tanh\"}", "\"mask\""},
		{"{\"mask\": {}}", "\"mask\""},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		SpModelSpec spec;
		SpFault fault = {{0}, {0}};
		bool named;

		CHECK(sp_model_spec_parse(bad[i][0], &spec, &fault) == SP_ERR_BAD_DATA);
		named = strstr(fault.detail, bad[i][1]) != NULL;
		if (!named)
			printf("# %s: %s\n", bad[i][0], fault.detail);
		CHECK(named);
		CHECK(sp_model_spec_parse(bad[i][0], &spec, NULL) == SP_ERR_BAD_DATA);
	}
}

/* Texts that are too long, and a key whose end does not fit into the fault. */
static void
check_long_json(void)
{
	char text[SP_MODEL_PARAMS_MAX + 2] = "{\"";
	SpModelSpec spec;
	SpFault fault;
	size_t n;

	for (size_t shift = 0; shift < 4; shift++)
	{
		memset(text + 2, 'x', shift);
		text[2 + shift] = '\0';
		/* U+1D11E, four bytes */
		for (int i = 0; i < 100; i++)
			strcat(text, "\xF0\x9D\x84\x9E");
		strcat(text, "\": 1}");
		CHECK(sp_model_spec_parse(text, &spec, &fault) == SP_ERR_BAD_DATA);
		n = strlen(fault.detail);
		CHECK(n > 180 && (unsigned char) fault.detail[n - 1] == 0x9E);
	}
	memset(text, ' ', sizeof(text));
	text[0] = '{';
	text[SP_MODEL_PARAMS_MAX - 2] = '}';
	text[SP_MODEL_PARAMS_MAX - 1] = '\0';
	CHECK(sp_model_spec_parse(text, &spec, &fault) == SP_OK);
	text[SP_MODEL_PARAMS_MAX - 2] = ' ';
	text[SP_MODEL_PARAMS_MAX - 1] = '}';
	text[SP_MODEL_PARAMS_MAX] = '\0';
	CHECK(sp_model_spec_parse(text, &spec, &fault) == SP_ERR_BAD_DATA);
	CHECK(strstr(fault.detail, "1023") != NULL);
}

/* Numbers that fit each by itself, but not together. */
static void
check_together(void)
{
	SpModelSpec good, spec;

	CHECK(
		sp_model_spec_parse("{\"stems\": [\"a\", \"b\"], \"sample_rate_hz\": 44100, \"fft_size\": "
	                        "4096, \"hop\": 1024, \"frames\": 512, \"bins\": 2049}",
	                        &good, NULL) == SP_OK);
	CHECK(sp_model_spec_check(&good, NULL) == SP_OK);
	spec = good;
	spec.fft_size = 4000;
	spec.hop = 1000;
	CHECK(sp_model_spec_check(&spec, NULL) == SP_ERR_UNSUPPORTED);
	spec = good;
	spec.hop = 512;
	CHECK(sp_model_spec_check(&spec, NULL) == SP_ERR_UNSUPPORTED);
	spec = good;
	spec.bins = 2050;
	CHECK(sp_model_spec_check(&spec, NULL) == SP_ERR_BAD_DATA);
	spec = good;
	spec.stems = 0;
	CHECK(sp_model_spec_check(&spec, NULL) == SP_ERR_BAD_DATA);
	spec = good;
	spec.names[1][0] = '\0';
	CHECK(sp_model_spec_check(&spec, NULL) == SP_ERR_BAD_DATA);
}

/* --- which architecture ------------------------------------------------------------- */

static SpTensorSource
source_of(const SpTensorInfo *tensors, size_t count)
{
	return (SpTensorSource){.count = count, .tensors = tensors};
}

static void
check_recognise(void)
{
	SpleeterSource *s = spleeter_source(2, tiny);
	const SpTensorInfo others[] = {
		{.name = "conv2d/kernel", .rank = 1, .shape = {1}, .elements = 1},
		{.name = "linear/weight", .rank = 1, .shape = {1}, .elements = 1},
	};
	SpTensorSource unknown = source_of(others, 2), none = source_of(others, 0);

	CHECK(sp_architecture_recognise(&s->source) == &sp_arch_spleeter);
	CHECK(sp_architecture_recognise(&unknown) == NULL);
	CHECK(sp_architecture_recognise(&none) == NULL);
	CHECK(sp_architecture_find("spleeter") == &sp_arch_spleeter);
	CHECK(sp_architecture_find("Spleeter") == NULL && sp_architecture_find("") == NULL);
	for (size_t i = 0; sp_architectures[i] != NULL; i++)
		CHECK(sp_architecture_find(sp_architectures[i]->name) == sp_architectures[i]);
	free(s);
}

/* --- Spleeter's tensors --------------------------------------------------------------- */

static void
check_released(int stems, SpActivation encoder, SpActivation decoder, SpMaskKind mask,
               const char *last)
{
	SpleeterSource *s = spleeter_source(stems, tiny);
	SpModelSpec spec = {0};

	CHECK(sp_arch_spleeter.resolve(&s->source, &spec, NULL) == SP_OK);
	CHECK(spec.stems == stems && strcmp(spec.names[stems - 1], last) == 0);
	CHECK(strcmp(spec.names[0], "vocals") == 0);
	CHECK(spec.encoder == encoder && spec.decoder == decoder && spec.mask == mask);
	CHECK(spec.sample_rate_hz == 44100 && spec.fft_size == 4096 && spec.hop == 1024);
	CHECK(spec.frames == 512 && spec.bins == 1024);
	CHECK(sp_model_spec_check(&spec, NULL) == SP_OK);
	free(s);
}

/* What is given stays; what does not go together with the tensors is refused. */
static void
check_given(void)
{
	static const char *const bad[] = {
		"{\"stems\": [\"a\"]}", "{\"stems\": [\"a\", \"b\", \"c\"]}",
		"{\"frames\": 500}",    "{\"bins\": 1025}",
		"{\"bins\": 2112}",     "{\"fft_size\": 1024}",
		"{\"mask\": \"relu\"}",
	};
	SpleeterSource *s = spleeter_source(2, tiny), *three = spleeter_source(3, tiny);
	SpModelSpec spec;
	SpFault fault;

	CHECK(
		sp_model_spec_parse("{\"stems\": [\"dog\", \"cat\"], \"bins\": 1536, \"encoder\": \"elu\", "
	                        "\"mask\": \"softmax\", \"sample_rate_hz\": 48000}",
	                        &spec, NULL) == SP_OK);
	CHECK(sp_arch_spleeter.resolve(&s->source, &spec, NULL) == SP_OK);
	CHECK(strcmp(spec.names[0], "dog") == 0 && spec.bins == 1536 && spec.encoder == SP_ACT_ELU);
	CHECK(spec.decoder == SP_ACT_RELU && spec.mask == SP_MASK_SOFTMAX);
	CHECK(spec.sample_rate_hz == 48000 && spec.frames == 512);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		memset(&fault, 0, sizeof(fault));
		CHECK(sp_model_spec_parse(bad[i], &spec, NULL) == SP_OK);
		CHECK(sp_arch_spleeter.resolve(&s->source, &spec, &fault) == SP_ERR_BAD_DATA);
		CHECK(fault.detail[0] != '\0' && fault.hint[0] != '\0');
	}
	/* three stems were never released: their names must be given */
	memset(&spec, 0, sizeof(spec));
	CHECK(sp_arch_spleeter.resolve(&three->source, &spec, &fault) == SP_ERR_BAD_DATA);
	CHECK(strstr(fault.hint, "stems") != NULL);
	CHECK(sp_model_spec_parse("{\"stems\": [\"a\", \"b\", \"c\"]}", &spec, NULL) == SP_OK);
	CHECK(sp_arch_spleeter.resolve(&three->source, &spec, NULL) == SP_OK);
	free(s);
	free(three);
}

/* resolve refuses, and its fault has this name in quotes. */
static void
check_fault(const SpTensorSource *source, const char *name)
{
	SpModelSpec spec = {0};
	SpFault fault = {{0}, {0}};
	char quoted[300];
	bool named;

	snprintf(quoted, sizeof(quoted), "\"%s\"", name);
	CHECK(sp_arch_spleeter.resolve(source, &spec, &fault) == SP_ERR_BAD_DATA);
	named = strstr(fault.detail, quoted) != NULL;
	if (!named)
		printf("# %s: %s\n", name, fault.detail);
	CHECK(named);
	CHECK(fault.hint[0] != '\0');
	memset(&spec, 0, sizeof(spec));
	CHECK(sp_arch_spleeter.resolve(source, &spec, NULL) == SP_ERR_BAD_DATA);
}

static void
check_missing(int stems)
{
	SpleeterSource *s = spleeter_source(stems, tiny);
	SpTensorInfo kept[SPLEETER_MAX_TENSORS];

	for (size_t i = 0; i < s->source.count; i++)
	{
		SpTensorSource without = source_of(kept, s->source.count - 1);

		memcpy(kept, s->tensors, i * sizeof(kept[0]));
		memcpy(kept + i, s->tensors + i + 1, (s->source.count - i - 1) * sizeof(kept[0]));
		check_fault(&without, s->tensors[i].name);
	}
	free(s);
}

/* Each dimension of each tensor one larger, one dimension more, one less. */
static void
check_shapes(void)
{
	SpleeterSource *s = spleeter_source(2, tiny);

	for (size_t i = 0; i < s->source.count; i++)
	{
		SpTensorInfo before = s->tensors[i];
		SpModelSpec spec = {0};
		/* whoever reads off the filters believes the first, and finds the next one wrong */
		bool believed = before.rank == 4 && strncmp(before.name, "conv2d", 6) == 0 &&
		                strchr(before.name, '/')[1] == 'k';

		for (int d = 0; d < before.rank; d++)
			for (int value = 0; value < 3; value++)
			{
				static const int64_t wrong[] = {0, -1, INT64_C(1) << 32};

				s->tensors[i].shape[d] = value == 0 ? before.shape[d] + 1 : wrong[value];
				if (value > 0 || !believed)
					check_fault(&s->source, before.name);
				else
					CHECK(sp_arch_spleeter.resolve(&s->source, &spec, NULL) == SP_ERR_BAD_DATA);
				s->tensors[i] = before;
			}
		s->tensors[i].rank++;
		s->tensors[i].shape[before.rank] = 1;
		check_fault(&s->source, before.name);
		s->tensors[i] = before;
		s->tensors[i].rank--;
		check_fault(&s->source, before.name);
		s->tensors[i] = before;
	}
	free(s);
}

static void
add(SpleeterSource *s, const char *name)
{
	s->tensors[s->source.count] = (SpTensorInfo){.name = name, .elements = 1};
	s->source.count++;
	qsort(s->tensors, s->source.count, sizeof(SpTensorInfo), spleeter_by_name);
}

static void
check_extra(void)
{
	static const char *const extra[] = {
		"Zebra",
		"conv2d",
		"conv2d/kernel/Adam",
		"conv2d_14/kernel",
		"conv2d_00/kernel",
		"conv2d_1/gamma",
		"conv2d_0/kernel",
		"conv2d_-1/kernel",
		"conv2d_99999999999999999999/kernel",
		"conv2d_transpose_12/bias",
		"batch_normalization_24/gamma",
		"batch_normalization_95/beta",
		"batch_normalization_1/kernel",
		"global_step/x",
		"save_counter",
	};

	for (size_t i = 0; i < sizeof(extra) / sizeof(extra[0]); i++)
	{
		SpleeterSource *s = spleeter_source(2, tiny);

		add(s, extra[i]);
		check_fault(&s->source, extra[i]);
		free(s);
	}
	/* the one that released checkpoints have besides */
	{
		SpleeterSource *s = spleeter_source(2, tiny);
		SpModelSpec spec = {0};

		add(s, "global_step");
		CHECK(sp_arch_spleeter.resolve(&s->source, &spec, NULL) == SP_OK && spec.stems == 2);
		free(s);
	}
}

/* --- loading ------------------------------------------------------------------------- */

/* A source whose read number `fails_at` fails. */
typedef struct Failing
{
	const SpTensorSource *source;
	long fails_at, reads;
} Failing;

static SpStatus
failing_read(void *self, size_t i, float *out, SpFault *fault)
{
	Failing *f = self;

	if (f->reads++ == f->fails_at)
		return sp_fault(fault, SP_ERR_BAD_DATA, NULL, "The tensor \"%s\" is damaged.",
		                f->source->tensors[i].name);
	return f->source->read(f->source->self, i, out, fault);
}

static void
check_failing_reads(void)
{
	SpleeterSource *s = spleeter_source(2, tiny);
	Failing failing = {.source = &s->source};
	SpTensorSource source = s->source;
	SpModelSpec spec;
	SpNn *nn = NULL;
	SpNet *net = NULL;
	SpFault fault;
	long reads;

	CHECK(sp_model_spec_parse("{\"frames\": 64, \"bins\": 64}", &spec, NULL) == SP_OK);
	CHECK(sp_arch_spleeter.resolve(&s->source, &spec, NULL) == SP_OK);
	CHECK(sp_nn_new(&check_env, SP_PRECISION_F32, 1, &nn) == SP_OK);
	source.read = failing_read;
	source.self = &failing;
	failing.fails_at = -1;
	CHECK(sp_arch_spleeter.load(nn, &source, &spec, &net, &fault) == SP_OK);
	sp_arch_spleeter.unload(net);
	reads = failing.reads;
	CHECK(reads > 100);
	for (failing.fails_at = 0; failing.fails_at < reads; failing.fails_at++)
	{
		failing.reads = 0;
		fault.detail[0] = '\0';
		CHECK(sp_arch_spleeter.load(nn, &source, &spec, &net, &fault) == SP_ERR_BAD_DATA);
		CHECK(net == NULL && strstr(fault.detail, "is damaged") != NULL);
	}
	/* the host may stop a load */
	failing.fails_at = -1;
	check_polls_left = 0;
	CHECK(sp_arch_spleeter.load(nn, &source, &spec, &net, &fault) == SP_ERR_CANCELED);
	CHECK(net == NULL);
	check_polls_left = -1;
	sp_arch_spleeter.unload(NULL);
	sp_nn_free(nn);
	free(s);
}

int
main(void)
{
	check_round_trip();
	check_partial();
	check_bad_json();
	check_long_json();
	check_together();
	check_recognise();
	check_released(2, SP_ACT_LEAKY_RELU, SP_ACT_RELU, SP_MASK_SIGMOID, "accompaniment");
	check_released(4, SP_ACT_ELU, SP_ACT_ELU, SP_MASK_SIGMOID, "other");
	check_released(5, SP_ACT_ELU, SP_ACT_ELU, SP_MASK_SOFTMAX, "other");
	check_given();
	check_missing(2);
	check_missing(4);
	check_shapes();
	check_extra();
	check_failing_reads();
	return check_report();
}
