/*
 * tests/unit/test_neural_golden.c
 *	  Spleeter's whole pipeline, from samples to stems, against PyTorch.
 *
 * tests/golden/pipeline.golden has stretches of the stems that an independent
 * reference in float64 makes of the same seeded weights and song.
 */
#include "check.h"
#include "golden_read.h"
#include "spleeter_source.h"

#include "core/stems/neural.h"

#define MAX_STEMS SP_MODEL_MAX_STEMS

static GoldenFile golden;

typedef struct Setup
{
	const char *label; /* of the golden arrays */
	int stems;
	const int *filters;
	SpMaskExtension extension;
	bool wiener;
	SpPrecision precision;
} Setup;

/* stems[i] of in[frames][2], released with free(); the names are the model's. */
static SpStatus
separate(const Setup *setup, const float *in, size_t frames, float *stems[MAX_STEMS],
         SpModelSpec *spec)
{
	SpleeterSource *weights = spleeter_source(setup->stems, setup->filters);
	SpNeuralConfig cfg = {
		.song = {44100, 2, setup->stems, false},
		.exact = true,
		.wiener = setup->wiener,
		.extension = setup->extension,
	};
	SpModel *model = NULL;
	SpSeparator *s = NULL;
	SpFault fault = {{0}, {0}};
	size_t got = 0, n = 1;
	SpStatus st;

	memset(spec, 0, sizeof(*spec));
	spec->architecture = &sp_arch_spleeter;
	st = sp_arch_spleeter.resolve(&weights->source, spec, &fault);
	if (st == SP_OK)
		st = sp_model_load(&check_env, &weights->source, spec, setup->precision, 2, &model, &fault);
	if (st == SP_OK)
		st = sp_neural_new(&check_env, model, &cfg, &s);
	for (size_t done = 0; done < frames && st == SP_OK; done += 30000)
		st = sp_separator_push(s, in + 2 * done, frames - done < 30000 ? frames - done : 30000);
	if (st == SP_OK)
		st = sp_separator_finish(s);
	for (int i = 0; i < setup->stems; i++)
		stems[i] = calloc(2 * frames, sizeof(float));
	while (st == SP_OK && n > 0)
	{
		float *to[MAX_STEMS];

		for (int i = 0; i < setup->stems; i++)
			to[i] = stems[i] + 2 * got;
		n = sp_separator_pull(s, to, frames - got);
		got += n;
	}
	CHECK(st != SP_OK || got == frames);
	sp_separator_free(s);
	sp_model_free(model);
	free(weights);
	return st;
}

/* SDR in dB of what is stored of an array of samples; the worst difference goes to *worst. */
static double
stretch_sdr(const GoldenArray *a, const float *got, double *worst)
{
	double signal = 1e-20, error = 1e-20;

	for (size_t i = 0; i < a->stored; i++)
	{
		double d = (double) got[golden_position(a, i)] - (double) a->values[i];

		signal += (double) a->values[i] * (double) a->values[i];
		error += d * d;
		*worst = fabs(d) > *worst ? fabs(d) : *worst;
	}
	return 10.0 * log10(signal / error);
}

static void
check_pipeline(const Setup *setup, const float *in, size_t frames, double least_db)
{
	static const char *const stretches[] = {"start", "middle", "border", "end"};
	float *stems[MAX_STEMS] = {NULL};
	SpModelSpec spec;
	double lowest = HUGE_VAL, worst = 0.0;

	CHECK(separate(setup, in, frames, stems, &spec) == SP_OK);
	for (int s = 0; s < setup->stems; s++)
		for (size_t k = 0; k < 4; k++)
		{
			char name[96];
			const GoldenArray *a;

			snprintf(name, sizeof(name), "%s/%s/%s", setup->label, spec.names[s], stretches[k]);
			a = golden_find(&golden, name);
			CHECK(a != NULL);
			if (a != NULL)
			{
				double sdr = stretch_sdr(a, stems[s], &worst);

				/* the last stretch may be near silence, where dB mean nothing */
				if (a->rms > 1e-3)
					lowest = sdr < lowest ? sdr : lowest;
				CHECK(sdr >= least_db);
			}
		}
	printf("# %s: lowest SDR of a stretch %.1f dB, largest error %.2g\n", setup->label, lowest,
	       worst);
	for (int s = 0; s < setup->stems; s++)
		free(stems[s]);
}

/* bf16 against f32 on the whole song. */
static void
check_bf16(const float *in, size_t frames)
{
	Setup setup = {"4stems-full", 4, spleeter_full, SP_EXTEND_ZEROS, false, SP_PRECISION_F32};
	float *exact[MAX_STEMS] = {NULL}, *rounded[MAX_STEMS] = {NULL};
	SpModelSpec spec;

	CHECK(separate(&setup, in, frames, exact, &spec) == SP_OK);
	setup.precision = SP_PRECISION_BF16;
	CHECK(separate(&setup, in, frames, rounded, &spec) == SP_OK);
	for (int s = 0; s < 4; s++)
	{
		double signal = 0, error = 1e-20, sdr;

		for (size_t i = 0; i < 2 * frames; i++)
		{
			double d = (double) rounded[s][i] - (double) exact[s][i];

			signal += (double) exact[s][i] * (double) exact[s][i];
			error += d * d;
		}
		sdr = 10.0 * log10(signal / error);
		printf("# bf16 against f32, %s: %.1f dB\n", spec.names[s], sdr);
		CHECK(sdr >= 35.0);
		free(exact[s]);
		free(rounded[s]);
	}
}

int
main(void)
{
	static const int tiny_two[6] = {1, 2, 3, 2, 3, 5};
	const Setup setups[] = {
		{"2stems-tiny", 2, tiny_two, SP_EXTEND_ZEROS, false, SP_PRECISION_F32},
		{"2stems-full", 2, spleeter_full, SP_EXTEND_ZEROS, false, SP_PRECISION_F32},
		{"2stems-average", 2, spleeter_full, SP_EXTEND_AVERAGE, false, SP_PRECISION_F32},
		{"4stems-full", 4, spleeter_full, SP_EXTEND_ZEROS, false, SP_PRECISION_F32},
		{"4stems-wiener-patch", 4, spleeter_full, SP_EXTEND_ZEROS, true, SP_PRECISION_F32},
		{"5stems-full", 5, spleeter_full, SP_EXTEND_ZEROS, false, SP_PRECISION_F32},
	};
	size_t frames = GOLDEN_FRAMES;
	float *song = malloc(2 * frames * sizeof(float));

	golden_signal(frames, song);
	CHECK(golden_open("tests/golden/pipeline.golden", &golden));
	for (size_t i = 0; i < sizeof(setups) / sizeof(setups[0]); i++)
		check_pipeline(&setups[i], song, frames, 80.0);
	if (sp_nn_cpu_runs_bf16())
		check_bf16(song, frames);
	else
		printf("# SKIP bf16: this CPU has no AVX-512\n");
	golden_close(&golden);
	free(song);
	return check_report();
}
