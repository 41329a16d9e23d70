/*
 * tests/bench/neural_peak.h
 *	  What this CPU does at most, in registers and by the library.
 *
 * Accumulators never leave their registers and there are enough of them to
 * hide the latency of the instruction (at most 6 cycles, two a cycle), so nothing but
 * the arithmetic units is measured.  AMX has no loop here: with it the
 * library's own matrix product is what we compare with.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef NEURAL_PEAK_H
#define NEURAL_PEAK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/neural_batch.h"
#include "core/nn/nn.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define PEAK_SUMS 12 /* AVX2 has 16 registers */

/* Keeps the compiler from seeing that a sum is of no use. */
#define PEAK_KEEP(x) __asm__ volatile("" : "+v"(x))

/* Variables, not an array: that would be kept in memory too. */
#define PEAK_EACH(x) x(a) x(b) x(c) x(d) x(e) x(f) x(g) x(h) x(i) x(j) x(k) x(l)

#define PEAK_LOOP(set, step)                          \
	do                                                \
	{                                                 \
		PEAK_KEEP(factor);                            \
		PEAK_EACH(set)                                \
		for (long round = 0; round < rounds; round++) \
		{                                             \
			PEAK_EACH(step)                           \
		}                                             \
	} while (0)

#define PEAK_SET256(s) __m256 s = _mm256_setzero_ps();
#define PEAK_SET512(s) __m512 s = _mm512_setzero_ps();
#define PEAK_FMA256(s)                      \
	s = _mm256_fmadd_ps(factor, factor, s); \
	PEAK_KEEP(s);
#define PEAK_FMA512(s)                      \
	s = _mm512_fmadd_ps(factor, factor, s); \
	PEAK_KEEP(s);
#define PEAK_DOT512(s)                       \
	s = _mm512_dpbf16_ps(s, factor, factor); \
	PEAK_KEEP(s);

__attribute__((target("avx2,fma"))) static void
peak_fma256(long rounds)
{
	__m256 factor = _mm256_set1_ps(0.5f);

	PEAK_LOOP(PEAK_SET256, PEAK_FMA256);
}

__attribute__((target("avx512f"))) static void
peak_fma512(long rounds)
{
	__m512 factor = _mm512_set1_ps(0.5f);

	PEAK_LOOP(PEAK_SET512, PEAK_FMA512);
}

__attribute__((target("avx512f,avx512bf16"))) static void
peak_dot512(long rounds)
{
	__m512 half = _mm512_set1_ps(0.5f);
	__m512bh factor = _mm512_cvtne2ps_pbh(half, half);

	PEAK_LOOP(PEAK_SET512, PEAK_DOT512);
}

/* Runs that many rounds and gives the operations of one; 0 when the CPU has no such instruction. */
static inline double
peak_run(SpPrecision precision, long rounds)
{
	if (precision == SP_PRECISION_BF16)
	{
		if (!__builtin_cpu_supports("avx512bf16"))
			return 0.0;
		peak_dot512(rounds);
		return PEAK_SUMS * 32 * 2;
	}
	if (__builtin_cpu_supports("avx512f"))
	{
		peak_fma512(rounds);
		return PEAK_SUMS * 16 * 2;
	}
	if (!__builtin_cpu_supports("fma"))
		return 0.0;
	peak_fma256(rounds);
	return PEAK_SUMS * 8 * 2;
}

#else

static inline double
peak_run(SpPrecision precision, long rounds)
{
	(void) precision;
	(void) rounds;
	return 0.0;
}

#endif

#define PEAK_ROUNDS 20 /* of which the best counts */

/* GFLOP/s by precision (as SpPrecision counts) and number of threads. */
typedef double Peaks[3][MAX_THREADS + 1];

typedef struct Registers
{
	SpPrecision precision;
	long rounds;
	double flop; /* of a round */
} Registers;

static SpStatus
run_registers(void *arg, int task, int worker, const SpStop *stop)
{
	Registers *r = arg;
	double flop = peak_run(r->precision, r->rounds);

	(void) worker;
	(void) stop;
	if (task == 0)
		r->flop = flop;
	return SP_OK;
}

/* A layer of the library with an input and an output for each worker. */
typedef struct Product
{
	SpNn *nn;
	SpLayer *layer;
	void *in[MAX_THREADS];
	float *out[MAX_THREADS];
} Product;

static SpStatus
run_product(void *arg, int task, int worker, const SpStop *stop)
{
	Product *p = arg;

	(void) task;
	(void) stop;
	return sp_layer_run(p->layer, worker, p->in[worker], p->out[worker]);
}

static void
product_buffers(Product *p, size_t in, size_t out)
{
	for (int w = 0; w < MAX_THREADS; w++)
	{
		p->in[w] = calloc(in, sizeof(float));
		p->out[w] = calloc(out, sizeof(float));
	}
}

static void
product_free(Product *p)
{
	sp_layer_free(p->layer);
	for (int w = 0; w < MAX_THREADS; w++)
	{
		free(p->in[w]);
		free(p->out[w]);
	}
}

#define SIDE 1024 /* of square matrices */

/* Best GFLOP/s of PEAK_ROUNDS batches. */
static double
best_rate(const Batch *batch, int threads, double flop)
{
	double seconds[PEAK_ROUNDS];

	time_batch(batch, threads, PEAK_ROUNDS, seconds);
	median(seconds, PEAK_ROUNDS);
	return flop * batch->tasks / seconds[0] * 1e-9;
}

static double
registers_rate(SpPrecision precision, int threads)
{
	/* some 2 ms, so that others who want the core are seldom inside */
	Registers registers = {precision, 1000000, 0};
	Batch batch = {run_registers, &registers, threads};
	double rate = best_rate(&batch, threads, (double) registers.rounds);

	return rate * registers.flop;
}

/* Rates of products of square matrices; their weights do not matter. */
static void
product_rates(SpPrecision precision, double rates[MAX_THREADS + 1])
{
	Product p = {0};
	float *weights = calloc((size_t) SIDE * SIDE, sizeof(float));

	must(sp_nn_new(&env, precision, MAX_THREADS, &p.nn), "starting oneDNN");
	must(sp_linear_new(p.nn, SIDE, SIDE, SIDE, weights, NULL, &p.layer), "a product");
	product_buffers(&p, (size_t) SIDE * SIDE, (size_t) SIDE * SIDE);
	for (int threads = 1; threads <= MAX_THREADS; threads++)
	{
		Batch batch = {run_product, &p, threads};

		rates[threads] = best_rate(&batch, threads, 2.0 * SIDE * SIDE * SIDE);
	}
	product_free(&p);
	sp_nn_free(p.nn);
	free(weights);
}

/* The convolution that suits the library best: dense, of stride 1, with full registers of channels. */
static void
conv_rates(SpPrecision precision, double rates[MAX_THREADS + 1])
{
	SpConvShape shape = {
		.in_height = 64,
		.in_width = 64,
		.in_channels = 256,
		.out_height = 64,
		.out_width = 64,
		.out_channels = 256,
		.kernel_height = 3,
		.kernel_width = 3,
		.stride = 1,
		.dilation = 1,
		.pad_top = 1,
		.pad_left = 1,
	};
	size_t image = (size_t) 64 * 64 * 256;
	Product p = {0};
	float *weights = calloc((size_t) 9 * 256 * 256, sizeof(float));

	must(sp_nn_new(&env, precision, MAX_THREADS, &p.nn), "starting oneDNN");
	must(sp_conv_new(p.nn, &shape, weights, SP_KERNEL_HWIO, NULL, &p.layer), "a convolution");
	product_buffers(&p, image, image);
	for (int threads = 1; threads <= MAX_THREADS; threads++)
	{
		Batch batch = {run_product, &p, threads};

		rates[threads] = best_rate(&batch, threads, 2.0 * 9 * 256 * (double) image);
	}
	product_free(&p);
	sp_nn_free(p.nn);
	free(weights);
}

static void
peak_row(const char *name, Peaks rates, Peaks peaks)
{
	printf("| %s |", name);
	for (int i = 0; i < 2; i++)
		for (int threads = 1; threads <= MAX_THREADS; threads++)
		{
			double rate = rates[precisions[i]][threads];

			if (rate > 0)
				printf(" %.0f |", rate);
			else
				printf(" - |");
			peaks[precisions[i]][threads] = fmax(peaks[precisions[i]][threads], rate);
		}
	printf("\n");
}

static void
measure_peaks(Peaks peaks)
{
	Peaks rates = {{0}};

	printf("| GFLOP/s in this run | bf16, 1 thread | bf16, 2 | f32, 1 | f32, 2 |\n");
	printf("|---|--:|--:|--:|--:|\n");
	for (int i = 0; i < 2; i++)
		for (int threads = 1; threads <= MAX_THREADS; threads++)
			rates[precisions[i]][threads] = registers_rate(precisions[i], threads);
	peak_row("multiplying and adding in registers, AVX-512 or AVX2", rates, peaks);
	for (int i = 0; i < 2; i++)
		product_rates(precisions[i], rates[precisions[i]]);
	peak_row("oneDNN, matrices of 1024 x 1024", rates, peaks);
	for (int i = 0; i < 2; i++)
		conv_rates(precisions[i], rates[precisions[i]]);
	peak_row("oneDNN, convolution 3x3 of 256 to 256 channels", rates, peaks);
	printf("\n");
	fflush(stdout);
}

#endif /* NEURAL_PEAK_H */
