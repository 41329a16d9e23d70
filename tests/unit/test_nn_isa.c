/*
 * tests/unit/test_nn_isa.c
 *	  Older CPUs: a network against PyTorch with oneDNN kept to one instruction
 *	  set after another, which it reads once, so each has a process of its own.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

#include "core/nn/unet.h"
#include "core/stems/model.h"
#include "golden_read.h"
#include "spleeter_source.h"
#include "spotai_source.h"

#define FRAMES 512
#define BINS   1024
#define VALUES ((size_t) 2 * FRAMES * BINS)

/* Of a patch of spotai's own network: values of a plane, and of a stem's mask. */
#define PLANE ((size_t) 128 * 512)
#define MASK  (2 * PLANE)

/* tests/golden/neural/unet.py: the filters of 2stems-tiny */
static const int tiny[6] = {1, 2, 3, 2, 3, 5};

/* What ONEDNN_MAX_CPU_ISA may say; more than the CPU has is what it has. */
static const char *const limits[] = {"SSE41", "AVX2", "AVX512_CORE", "AVX512_CORE_BF16", "ALL"};

/* The first stem's estimate, in out[VALUES]. */
static SpStatus
estimate(SpPrecision precision, const float *mix, float *out, SpFault *fault)
{
	SpleeterSource *source = spleeter_source(2, tiny);
	SpModelSpec spec = {.architecture = &sp_arch_spleeter};
	SpModel *model = NULL;
	SpStatus st = sp_arch_spleeter.resolve(&source->source, &spec, fault);

	if (st == SP_OK)
		st = sp_model_load(&check_env, &source->source, &spec, precision, 1, &model, fault);
	if (st == SP_OK)
		st = sp_model_estimate(model, 0, 0, mix, out, NULL);
	sp_model_free(model);
	free(source);
	return st;
}

static double
sdr(const float *want, const float *got)
{
	double energy = 0, error = 0;

	for (size_t i = 0; i < VALUES; i++)
	{
		energy += (double) want[i] * want[i];
		error += ((double) got[i] - want[i]) * ((double) got[i] - want[i]);
	}
	return 10 * log10(energy / error);
}

/* spotai's own network: masks[4][2][128][512] of the golden input. */
static SpStatus
estimate_masks(SpPrecision precision, const float *rows, float *out)
{
	SpotaiSource *source = spotai_source(&spotai_full);
	SpModelSpec spec = {.architecture = &sp_arch_spotai};
	float *masks[4] = {out, out + MASK, out + 2 * MASK, out + 3 * MASK};
	SpModel *model = NULL;
	SpStatus st = sp_arch_spotai.resolve(&source->source, &spec, NULL);

	if (st == SP_OK)
		st = sp_model_load(&check_env, &source->source, &spec, precision, 1, &model, NULL);
	if (st == SP_OK)
		st = sp_model_estimate_masks(model, 0, rows, 128, masks, NULL);
	sp_model_free(model);
	free(source);
	return st;
}

static void
check_masks(void)
{
	float *planes = malloc(8 * PLANE * sizeof(float)), *rows = malloc(8 * PLANE * sizeof(float));
	float *f32 = malloc(4 * MASK * sizeof(float)), *bf16 = malloc(4 * MASK * sizeof(float));
	double worst = 0;
	GoldenFile g;

	golden_bands(128, 512, planes);
	golden_shares(128, 512, planes + 4 * PLANE);
	for (size_t t = 0; t < 128; t++)
		for (size_t i = 0; i < 8; i++)
			memcpy(rows + (t * 8 + i) * 512, planes + i * PLANE + t * 512, 512 * sizeof(float));
	CHECK(golden_open("tests/golden/spotai.golden", &g));
	CHECK(golden_find(&g, "full/mask") != NULL);
	CHECK(estimate_masks(SP_PRECISION_F32, rows, f32) == SP_OK);
	CHECK_NEAR(golden_distance(golden_find(&g, "full/mask"), f32), 0, 1e-5);
	if (sp_nn_cpu_runs_bf16())
	{
		CHECK(estimate_masks(SP_PRECISION_BF16, rows, bf16) == SP_OK);
		for (size_t i = 0; i < 4 * MASK; i++)
			worst = fmax(worst, fabs((double) bf16[i] - f32[i]));
		CHECK(worst < 0.04);
	}
	golden_close(&g);
	free(planes);
	free(rows);
	free(f32);
	free(bf16);
}

/* In the process of one instruction set. */
static int
run_limited(size_t set)
{
	float *mix = malloc(VALUES * sizeof(float)), *f32 = malloc(VALUES * sizeof(float));
	float *bf16 = malloc(VALUES * sizeof(float));
	SpFault fault = {{0}, {0}};
	GoldenFile g;
	const GoldenArray *want;
	SpStatus st;

	CHECK(golden_open("tests/golden/unet.golden", &g));
	want = golden_find(&g, "2stems-tiny/vocals/estimate");
	CHECK(want != NULL);
	golden_patch(FRAMES, BINS, mix);
	CHECK(estimate(SP_PRECISION_F32, mix, f32, &fault) == SP_OK);
	/* masks to 1e-5, and the patch reaches 128 */
	CHECK_NEAR(golden_distance(want, f32), 0, 128e-5);
	st = estimate(SP_PRECISION_BF16, mix, bf16, &fault);
	if (sp_nn_cpu_runs_bf16())
	{
		CHECK(st == SP_OK);
		CHECK(sdr(f32, bf16) >= 35);
	}
	else
	{
		CHECK(st == SP_ERR_UNSUPPORTED);
		CHECK(strstr(fault.detail, sp_nn_cpu_isa()) != NULL && fault.hint[0] != '\0');
		CHECK(!sp_nn_cpu_has_bf16());
	}
	if (set == 0)
		CHECK(strcmp(sp_nn_cpu_isa(), "SSE4.1") == 0 && !sp_nn_cpu_runs_bf16());
	check_masks();
	printf("# %s: %s, bf16 %s\n", limits[set], sp_nn_cpu_isa(),
	       st == SP_OK ? "runs" : "is refused");
	golden_close(&g);
	free(mix);
	free(f32);
	free(bf16);
	return check_report();
}

/* The status of this program with this instruction set. */
static int
run_child(const char *self, size_t set)
{
	char number[4];
	int status = -1;
	pid_t pid;

	snprintf(number, sizeof(number), "%zu", set);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
	{
		setenv("ONEDNN_MAX_CPU_ISA", limits[set], 1);
		execl(self, self, number, (char *) NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

int
main(int argc, char **argv)
{
	size_t count = sizeof(limits) / sizeof(limits[0]);

	if (argc > 1)
		return run_limited((size_t) atoi(argv[1]) % count);
#ifdef __x86_64__
	for (size_t i = 0; i < count; i++)
		CHECK(run_child(argv[0], i) == 0);
#else
	(void) run_child;
	printf("# SKIP instruction sets: not an x86-64\n");
#endif
	return check_report();
}
