/*
 * tests/bench/neural_network.c
 *	  Networks alone: how many times real time, and how much of what the CPU can?
 *
 *	neural_network		all tables
 *	neural_network limited LABEL	rows of Spleeter f32 alone, under ONEDNN_MAX_CPU_ISA
 *
 * Full-size networks with seeded weights run on the core's pool as
 * spotai.separate runs them: a task is one stem of a patch.  Beside them the
 * same U-Net written layer by layer over oneDNN, PyTorch (make_neural.py
 * time), and what arithmetic units give in the same minute.  Times are wall time,
 * the median after a run that warms up; patches are of golden_patch.
 *
 * The bars are those of the issue that asked for them, set for two cores with AMX.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/neural_batch.h"
#include "bench/neural_models.h"
#include "bench/neural_naive.h"
#include "bench/neural_peak.h"
#include "core/nn/nn.h"
#include "core/sp_pool.h"

#define RUNS       9
#define OTHER_RUNS 5 /* of what only stands beside */
#define RATE_HZ    44100.0

/* times real time of 4 stems on two threads */
#define BAR_BF16 200.0
#define BAR_F32  60.0

/* --- networks ---------------------------------------------------------------- */

static SpStatus
estimate_stem(void *arg, int task, int worker, const SpStop *stop)
{
	Loaded *l = arg;

	return l->spec.architecture->estimate(l->net, worker, task, l->mix, l->out[task], stop);
}

static double
patch_seconds(const SpModelSpec *spec)
{
	return spec->frames * spec->hop / RATE_HZ;
}

static double
unet_gflop(void)
{
	double sum = 0;

	for (int i = 0; i < UNET_LAYERS; i++)
		sum += unet_flop(i);
	return sum * 1e-9;
}

static void
network_head(void)
{
	printf("| network alone | numbers | threads | ms a patch | x real time | GFLOP/s | of the "
	       "CPU's most "
	       "| bar |\n|---|---|--:|--:|--:|--:|--:|---|\n");
}

/* One row; peak and bar 0: none. */
static void
network_row(const char *name, SpPrecision precision, int threads, double seconds, double music,
            double gflop, double peak, double bar)
{
	printf("| %s | %s | %d | %.1f | %.1f | %.0f |", name, precision_name(precision), threads,
	       1e3 * seconds, music / seconds, gflop / seconds);
	if (peak > 0)
		printf(" %.0f %% |", 100 * gflop / seconds / peak);
	else
		printf(" |");
	if (bar > 0)
		printf(" at least %.0f%s |\n", bar, music / seconds >= bar ? ": holds" : ": missed");
	else
		printf(" |\n");
	fflush(stdout);
}

static void
loaded_rows(const char *name, Loaded *l, double gflop, Peaks peaks, int runs, bool bars)
{
	SpPrecision precision = sp_nn_precision(l->nn);
	Batch batch = {estimate_stem, l, l->spec.stems};

	for (int threads = 1; threads <= MAX_THREADS; threads++)
	{
		double bar = !bars || threads < 2 ? 0 : precision == SP_PRECISION_BF16 ? BAR_BF16 : BAR_F32;

		network_row(name, precision, threads, median_time(&batch, threads, runs),
		            patch_seconds(&l->spec), gflop * l->spec.stems,
		            peaks == NULL ? 0 : peaks[precision][threads], bar);
	}
}

static void
spleeter_rows(int stems, Peaks peaks)
{
	char name[32];

	snprintf(name, sizeof(name), "Spleeter, %d stems", stems);
	for (int i = 0; i < 2; i++)
	{
		Loaded *l = load_spleeter(stems, precisions[i], MAX_THREADS);

		loaded_rows(name, l, unet_gflop(), peaks, RUNS, stems == 4);
		unload(l);
	}
}

static void
openunmix_rows(Peaks peaks)
{
	for (int i = 0; i < 2; i++)
	{
		Loaded *l = load_openunmix(precisions[i], MAX_THREADS);

		loaded_rows("Open-Unmix, 4 targets", l, 1e-9 * umx_flop(l->spec.frames), peaks, OTHER_RUNS,
		            false);
		unload(l);
	}
}

/* --- others ------------------------------------------------------------------ */

#if NAIVE_AVAILABLE

typedef struct NaiveSong
{
	Naive *stems[4];
	const Loaded *with; /* its input and outputs */
} NaiveSong;

static SpStatus
naive_stem(void *arg, int task, int worker, const SpStop *stop)
{
	NaiveSong *song = arg;

	(void) worker;
	(void) stop;
	naive_run(song->stems[task], song->with->mix, song->with->out[task]);
	return SP_OK;
}

/* Both must compute the same network; 1e-3 is far above f32's rounding and far below any mistake. */
static void
same_network(NaiveSong *song, Loaded *l)
{
	size_t n = (size_t) 2 * NAIVE_FRAMES * NAIVE_BINS;
	float *naive = malloc(n * sizeof(float));
	double error = 0, energy = 0;

	for (int s = 0; s < 4; s++)
	{
		naive_run(song->stems[s], l->mix, naive);
		must(estimate_stem(l, s, 0, NULL), "a network");
		for (size_t i = 0; i < n; i++)
		{
			double d = (double) naive[i] - (double) l->out[s][i];

			error += d * d;
			energy += (double) l->out[s][i] * (double) l->out[s][i];
		}
	}
	free(naive);
	if (error > 1e-6 * energy)
	{
		fprintf(stderr, "neural_network: the naive network is another one\n");
		exit(1);
	}
}

static void
naive_rows(SpPrecision precision, Peaks peaks)
{
	Loaded *l = load_spleeter(4, precision, 1);
	NaiveSong song = {.with = l};
	Batch batch = {naive_stem, &song, 4};

	for (int s = 0; s < 4; s++)
		song.stems[s] = naive_new(s, precision);
	if (precision == SP_PRECISION_F32)
		same_network(&song, l);
	for (int threads = 1; threads <= MAX_THREADS; threads++)
		network_row("the same 4, layer by layer over oneDNN", precision, threads,
		            median_time(&batch, threads, OTHER_RUNS), patch_seconds(&l->spec),
		            4 * unet_gflop(), peaks[precision][threads], 0);
	for (int s = 0; s < 4; s++)
		naive_free(song.stems[s]);
	unload(l);
}

#else

static void
naive_rows(SpPrecision precision, Peaks peaks)
{
	(void) peaks;
	printf("| layer by layer over oneDNN: not measured, written for oneDNN 2 | %s | | | | | | |\n",
	       precision_name(precision));
}

#endif

/* In a process of its own: the library asks for its limit once. */
static void
limited_rows(const char *self)
{
	char command[512];

	snprintf(command, sizeof(command),
	         "ONEDNN_MAX_CPU_ISA=AVX2 '%s' limited 'Spleeter, 4 stems, oneDNN held to AVX2'", self);
	if (system(command) != 0)
		printf("| Spleeter, 4 stems, oneDNN held to AVX2: failed | | | | | | | |\n");
	fflush(stdout);
}

static void
pytorch_rows(void)
{
	/* the distribution's: that is where python3-torch is */
	FILE *from = popen("/usr/bin/python3 tests/golden/make_neural.py time 2> /dev/null", "r");
	char line[256], version[64];
	int threads, rows = 0;
	double seconds;

	while (from != NULL && fgets(line, sizeof(line), from) != NULL)
		if (sscanf(line, "pytorch %63s f32, 4 stems, network alone, threads %d: %lf s a patch",
		           version, &threads, &seconds) == 3)
		{
			char name[96];

			snprintf(name, sizeof(name), "the same 4, PyTorch %s, best of 9", version);
			network_row(name, SP_PRECISION_F32, threads, seconds, 512 * 1024 / RATE_HZ,
			            4 * unet_gflop(), 0, 0);
			rows++;
		}
	if (from != NULL)
		pclose(from);
	if (rows == 0)
		printf("| PyTorch: not measured, python3-torch is not installed | | | | | | | |\n");
}

/* --- where a patch's time goes ------------------------------------------------ */

/* A network asks after each layer whether to stop: we note when. */
typedef struct Marks
{
	int count;
	double at[UNET_LAYERS];
} Marks;

static bool
note(void *arg)
{
	Marks *marks = arg;

	if (marks->count < UNET_LAYERS)
		marks->at[marks->count++] = now();
	return false;
}

/* Median seconds of each layer of one stem on one thread. */
static void
layer_times(SpPrecision precision, double out[UNET_LAYERS])
{
	Loaded *l = load_spleeter(4, precision, 1);
	double seconds[UNET_LAYERS][RUNS];

	for (int run = -1; run < RUNS; run++)
	{
		Marks marks = {0};
		SpStop stop = {note, &marks};
		double start = now();

		must(estimate_stem(l, (run + 1) % 4, 0, &stop), "a network");
		if (marks.count != UNET_LAYERS - 1)
			must(SP_ERR_BAD_ARG, "counting layers");
		marks.at[UNET_LAYERS - 1] = now();
		for (int i = 0; i < UNET_LAYERS && run >= 0; i++)
			seconds[i][run] = marks.at[i] - (i == 0 ? start : marks.at[i - 1]);
	}
	for (int i = 0; i < UNET_LAYERS; i++)
		out[i] = median(seconds[i], RUNS);
	unload(l);
}

static double
sum_of(const double *values, int n)
{
	double sum = 0;

	for (int i = 0; i < n; i++)
		sum += values[i];
	return sum;
}

static void
layer_table(void)
{
	double seconds[2][UNET_LAYERS];

	printf(
		"\n| layer of a U-Net, one thread | GFLOP | bf16 ms | share | GFLOP/s | f32 ms | share | "
		"GFLOP/s |\n|---|--:|--:|--:|--:|--:|--:|--:|\n");
	for (int p = 0; p < 2; p++)
		layer_times(precisions[p], seconds[p]);
	for (int i = 0; i < UNET_LAYERS; i++)
	{
		printf("| %s | %.2f |", unet_layers[i], 1e-9 * unet_flop(i));
		for (int p = 0; p < 2; p++)
			printf(" %.2f | %.0f %% | %.0f |", 1e3 * seconds[p][i],
			       100 * seconds[p][i] / sum_of(seconds[p], UNET_LAYERS),
			       1e-9 * unet_flop(i) / seconds[p][i]);
		printf("\n");
	}
	printf("| all | %.2f |", unet_gflop());
	for (int p = 0; p < 2; p++)
		printf(" %.2f | | %.0f |", 1e3 * sum_of(seconds[p], UNET_LAYERS),
		       unet_gflop() / sum_of(seconds[p], UNET_LAYERS));
	printf("\n\nA layer is its convolution and the pass over memory behind it: normalisation, "
	       "activation, rounding, skip.\n");
}

static void
cpu_line(void)
{
	printf("Instructions in use: %s. ", sp_nn_cpu_isa());
#if defined(__x86_64__)
	printf("Flags of this CPU that matter:%s%s%s%s. ",
	       __builtin_cpu_supports("avx2") ? " avx2" : "",
	       __builtin_cpu_supports("avx512f") ? " avx512f" : "",
	       __builtin_cpu_supports("avx512bf16") ? " avx512_bf16" : "",
	       system("grep -qw amx_bf16 /proc/cpuinfo") == 0 ? " amx_bf16" : ", no amx_bf16");
#endif
	printf("The bars were set for two cores with AMX.\n\n");
}

/* What a bar asks of this CPU. */
static double
asked(double bar, double most)
{
	return most > 0 ? 100 * bar * 4 * unet_gflop() / (512 * 1024 / RATE_HZ) / most : 0;
}

static void
notes(Peaks peaks)
{
	printf("\nA patch is 11.9 s of music, a stem of it one task of a thread. The CPU's most is the "
	       "best of the table above: the bars ask for %.0f %% of it in bf16, for %.0f %% in f32.\n",
	       asked(BAR_BF16, peaks[SP_PRECISION_BF16][MAX_THREADS]),
	       asked(BAR_F32, peaks[SP_PRECISION_F32][MAX_THREADS]));
}

int
main(int argc, char **argv)
{
	Peaks peaks = {{0}};

	if (argc == 3 && strcmp(argv[1], "limited") == 0)
	{
		Loaded *l = load_spleeter(4, SP_PRECISION_F32, MAX_THREADS);

		loaded_rows(argv[2], l, unet_gflop(), NULL, OTHER_RUNS, false);
		unload(l);
		return 0;
	}
	cpu_line();
	fflush(stdout);
	measure_peaks(peaks);
	network_head();
	spleeter_rows(4, peaks);
	spleeter_rows(2, peaks);
	openunmix_rows(peaks);
	for (int i = 0; i < 2; i++)
		naive_rows(precisions[i], peaks);
	limited_rows(argv[0]);
	pytorch_rows();
	notes(peaks);
	layer_table();
	return 0;
}
