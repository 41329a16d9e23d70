/*
 * tests/bench/bss_eval.c
 *	  How long BSS Eval takes: four stereo stems at 44.1 kHz, 30 s and 180 s.
 *
 *	 cc -std=gnu11 -O3 -fno-math-errno -fno-trapping-math -Isrc -Itests \
 *	   tests/bench/bss_eval.c src/core/sp_base.c src/core/stems/bss_eval.c \
 *	   src/core/stems/projection*.c -lfftw3 -lm -o /tmp/bss_eval
 *	 /tmp/bss_eval [seconds ...]
 *
 * (the flags that the core gets) prints a line a length: seconds of both runs
 * and of the solution between them, how often real time that is, and the peak
 * resident memory.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "clock.h"
#include "core/stems/bss_eval.h"
#include "host.h"

#define SOURCES  4
#define CHANNELS 2
#define RATE     44100
#define BLOCK    4096

/* Low-passed noise for references; estimates bleed into each other and add noise. */
static void
make_block(uint32_t *seed, float ref[SOURCES][BLOCK * CHANNELS],
           float est[SOURCES][BLOCK * CHANNELS])
{
	for (int j = 0; j < SOURCES; j++)
	{
		float last = 0.0f;

		for (int n = 0; n < BLOCK * CHANNELS; n++)
		{
			*seed = *seed * 1664525u + 1013904223u;
			last = 0.7f * last + (float) (int32_t) *seed * 0x1p-32f;
			ref[j][n] = last;
		}
	}
	for (int j = 0; j < SOURCES; j++)
		for (int n = 0; n < BLOCK * CHANNELS; n++)
		{
			*seed = *seed * 1664525u + 1013904223u;
			est[j][n] = 0.8f * ref[j][n] + 0.2f * ref[(j + 1) % SOURCES][n] +
			            0.05f * (float) (int32_t) *seed * 0x1p-32f;
		}
}

typedef SpStatus (*Push)(SpBss *, const float *const *, const float *const *, size_t);

static double
run(SpBss *bss, Push push, size_t frames, double *generating)
{
	static float ref[SOURCES][BLOCK * CHANNELS], est[SOURCES][BLOCK * CHANNELS];
	const float *refs[SOURCES], *ests[SOURCES];
	uint32_t seed = 1;
	double spent = 0.0;

	for (int j = 0; j < SOURCES; j++)
	{
		refs[j] = ref[j];
		ests[j] = est[j];
	}
	for (size_t done = 0, len; done < frames; done += len)
	{
		double start = now(), made;

		len = frames - done < BLOCK ? frames - done : BLOCK;
		make_block(&seed, ref, est);
		made = now();
		if (push(bss, refs, ests, len) != SP_OK)
			exit(1);
		*generating += made - start;
		spent += now() - made;
	}
	return spent;
}

static void
bench(double seconds)
{
	size_t frames = (size_t) (seconds * RATE);
	double generating = 0.0, first, solve, second;
	SpBss *bss;
	SpBssScore scores[SOURCES];
	struct rusage usage;

	if (sp_bss_new(&env, SOURCES, CHANNELS, RATE, SP_BSS_TAPS, SP_BSS_IMAGES, &bss) != SP_OK)
		exit(1);
	first = run(bss, sp_bss_correlate, frames, &generating);
	solve = now();
	if (sp_bss_solve(bss) != SP_OK)
		exit(1);
	solve = now() - solve;
	second = run(bss, sp_bss_evaluate, frames, &generating);
	if (sp_bss_result(bss, scores) != SP_OK)
		exit(1);
	sp_bss_free(bss);
	getrusage(RUSAGE_SELF, &usage);
	printf("bss_eval %4.0f s: correlate %.2f s, solve %.2f s, evaluate %.2f s, total %.2f s "
	       "(%.1fx real time), peak %ld MB, sdr %.2f dB\n",
	       seconds, first, solve, second, first + solve + second,
	       seconds / (first + solve + second), usage.ru_maxrss / 1024, scores[0].sdr_db);
}

int
main(int argc, char **argv)
{
	if (argc < 2)
	{
		bench(30.0);
		bench(180.0);
	}
	for (int i = 1; i < argc; i++)
		bench(atof(argv[i]));
	return 0;
}
