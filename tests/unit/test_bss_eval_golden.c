/*
 * tests/unit/test_bss_eval_golden.c
 *	  BSS Eval against tests/golden/bss_eval.txt, a dense least-squares
 *	  computation in numpy (make_bss_eval.py beside it).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "check.h"

#include "core/stems/bss_eval.h"

#define TOLERANCE_DB 1e-3
#define MAX_FRAMES   6000
#define MAX_SIGNALS  8

typedef struct Case
{
	char name[64], mode[16];
	unsigned seed;
	size_t sources, channels, frames, window, taps;
	size_t silent_source, silent_first, silent_end;
} Case;

/* [source][frame * channels + channel] */
static double ref[MAX_SIGNALS][MAX_FRAMES * 2];
static float ref32[MAX_SIGNALS][MAX_FRAMES * 2], est32[MAX_SIGNALS][MAX_FRAMES * 2];

static double
noise(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return ((int) (*state >> 16) - 32768) / 32768.0;
}

/* ref of source j, channel c, `by` frames before n. */
static double
delayed(const Case *k, size_t j, size_t c, size_t n, size_t by)
{
	return n >= by ? ref[j][(n - by) * k->channels + c] : 0.0;
}

static void
make_references(const Case *k, uint32_t *state)
{
	for (size_t j = 0; j < k->sources; j++)
		for (size_t c = 0; c < k->channels; c++)
		{
			double last = 0.0;

			for (size_t n = 0; n < k->frames; n++)
			{
				double white = noise(state), x = (white + last) / 2;

				if (c > 0)
					x = (x + ref[j][n * k->channels]) / 2;
				ref[j][n * k->channels + c] = x;
				last = white;
			}
		}
	for (size_t n = k->silent_first; n < k->silent_end; n++)
		for (size_t c = 0; c < k->channels; c++)
			ref[k->silent_source][n * k->channels + c] = 0.0;
}

/* As make_signals in make_bss_eval.py. */
static void
make_signals(const Case *k)
{
	uint32_t state = k->seed;

	make_references(k, &state);
	for (size_t j = 0; j < k->sources; j++)
		for (size_t c = 0; c < k->channels; c++)
			for (size_t n = 0; n < k->frames; n++)
			{
				double x = delayed(k, j, c, n, 0) * 0.75 + delayed(k, j, c, n, 3) / 4 +
				           delayed(k, j, k->channels - 1 - c, n, 1) / 8 +
				           delayed(k, (j + 1) % k->sources, c, n, 0) / 8 +
				           delayed(k, j, c, n, k->taps) / 8 + noise(&state) / 16;

				est32[j][n * k->channels + c] = (float) x;
				ref32[j][n * k->channels + c] = (float) ref[j][n * k->channels + c];
			}
}

typedef SpStatus (*Push)(SpBss *, const float *const *, const float *const *, size_t);

/* The whole track in blocks of pseudo-random sizes. */
static void
push_all(const Case *k, SpBss *bss, Push push)
{
	const float *refs[MAX_SIGNALS], *ests[MAX_SIGNALS];

	for (size_t done = 0, len; done < k->frames; done += len)
	{
		len = check_random() % 1000 + 1;
		if (len > k->frames - done)
			len = k->frames - done;
		for (size_t j = 0; j < k->sources; j++)
		{
			refs[j] = ref32[j] + done * k->channels;
			ests[j] = est32[j] + done * k->channels;
		}
		CHECK(push(bss, refs, ests, len) == SP_OK);
	}
}

static void
check_value(const Case *k, const char *what, double got, double want)
{
	bool same = isnan(want)   ? isnan(got)
	            : isinf(want) ? got == want
	                          : fabs(got - want) <= TOLERANCE_DB;

	if (!same)
		printf("# %s, %s: got %.9f, want %.9f\n", k->name, what, got, want);
	CHECK(same);
}

static void
check_score(const Case *k, FILE *f, SpBssScore got)
{
	double want[4];

	CHECK(fscanf(f, "%lf %lf %lf %lf", &want[0], &want[1], &want[2], &want[3]) == 4);
	check_value(k, "sdr", got.sdr_db, want[0]);
	check_value(k, "isr", got.isr_db, want[1]);
	check_value(k, "sir", got.sir_db, want[2]);
	check_value(k, "sar", got.sar_db, want[3]);
}

static void
run_case(const Case *k, FILE *f)
{
	SpBssMode mode = strcmp(k->mode, "sources") == 0 ? SP_BSS_SOURCES : SP_BSS_IMAGES;
	SpBssScore scores[SP_BSS_MAX_SOURCES];
	SpBss *bss;
	size_t windows = 0;

	make_signals(k);
	CHECK(sp_bss_new(&check_env, k->sources, k->channels, k->window, k->taps, mode, &bss) == SP_OK);
	push_all(k, bss, sp_bss_correlate);
	CHECK(sp_bss_solve(bss) == SP_OK);
	push_all(k, bss, sp_bss_evaluate);
	CHECK(sp_bss_result(bss, scores) == SP_OK);
	CHECK(fscanf(f, " windows %zu", &windows) == 1);
	CHECK(sp_bss_windows(bss) == windows);
	for (size_t w = 0; w < windows && w < sp_bss_windows(bss); w++)
		for (size_t j = 0; j < k->sources; j++)
			check_score(k, f, sp_bss_window(bss, w, j));
	CHECK(fscanf(f, " medians") == 0);
	for (size_t j = 0; j < k->sources; j++)
		check_score(k, f, scores[j]);
	sp_bss_free(bss);
}

int
main(void)
{
	FILE *f = fopen("tests/golden/bss_eval.txt", "r");
	Case k;
	int cases = 0;

	CHECK(f != NULL);
	while (f != NULL && fscanf(f, " case %63s %u %zu %zu %zu %zu %zu %15s %zu %zu %zu", k.name,
	                           &k.seed, &k.sources, &k.channels, &k.frames, &k.window, &k.taps,
	                           k.mode, &k.silent_source, &k.silent_first, &k.silent_end) == 11)
	{
		CHECK(k.frames <= MAX_FRAMES && k.sources <= MAX_SIGNALS && k.channels <= 2);
		run_case(&k, f);
		cases++;
	}
	CHECK(cases == 12);
	if (f != NULL)
		fclose(f);
	return check_report();
}
