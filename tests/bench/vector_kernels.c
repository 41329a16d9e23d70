/*
 * tests/bench/vector_kernels.c
 *	  How close do distances come to the speed of reading the vectors?
 *
 * One query, which stays in the first cache, against 128 vectors of 784 floats one
 * after another: 392 KB, which stay in the second cache (halves: 196 KB).  What they
 * are compared with is reading the same bytes and nothing else, by vectors of the
 * machine.  The cores of a cloud's machine share caches, and what computes, with
 * strangers: shown is what the best tenth of the samples reached, of both.  They take
 * turns, because Intel's clock is slower while there is AVX-512 arithmetic: the first
 * row is what reading takes by itself.  "off a line" has each vector 8 bytes behind
 * the beginning of a line of the cache, as it lies in a table's page.
 *
 * Squared distance and inner product of many vectors must reach 80 % of reading.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "core/sp_simd.h"
#include "core/vector/distance.h"
#include "core/vector/distance_kernels.h"
#include "core/vector/half.h"

#define DIMS    784
#define VECTORS 128
#define VALUES  (DIMS * VECTORS)
#define LINE    64
#define PASSES  4
#define SAMPLES 50000
#define BAR     0.8

typedef uint64_t Words __attribute__((vector_size(LINE)));
typedef uint64_t Loose __attribute__((vector_size(LINE), aligned(4), may_alias));

typedef struct Data
{
	float *query, *vectors;
	uint16_t *halves;
	double out[VECTORS];
	const SpDistanceKernels *kernels;
} Data;

typedef void (*Kernel)(Data *d);

static volatile double sink;

/* 256 bytes at a time: loads are what it waits for. */
SP_CLONES static uint64_t
read_lines(const char *p, size_t bytes)
{
	Words a = {0}, b = {0}, c = {0}, d = {0};

	for (size_t i = 0; i < bytes; i += 4 * LINE)
	{
		a |= *(const Loose *) (p + i);
		b |= *(const Loose *) (p + i + LINE);
		c |= *(const Loose *) (p + i + 2 * LINE);
		d |= *(const Loose *) (p + i + 3 * LINE);
	}
	a |= b | c | d;
	return a[0] | a[1] | a[2] | a[3] | a[4] | a[5] | a[6] | a[7];
}

static void
read_all(Data *d)
{
	sink = (double) read_lines((const char *) d->vectors, VALUES * sizeof(float));
}

static void
read_halves(Data *d)
{
	sink = (double) read_lines((const char *) d->halves, VALUES * sizeof(uint16_t));
}

#define EACH(call)                                       \
	do                                                   \
	{                                                    \
		double sum = 0;                                  \
                                                         \
		for (size_t i = 0; i < VECTORS; i++)             \
		{                                                \
			const float *v = d->vectors + i * DIMS;      \
			const uint16_t *half = d->halves + i * DIMS; \
                                                         \
			(void) v;                                    \
			(void) half;                                 \
			sum += call;                                 \
		}                                                \
		sink = sum;                                      \
	} while (0)

static void
l2_each(Data *d)
{
	EACH(d->kernels->l2_squared(d->query, v, DIMS));
}

static void
product_each(Data *d)
{
	EACH(d->kernels->inner_product(d->query, v, DIMS));
}

static void
cosine_each(Data *d)
{
	EACH(d->kernels->cosine(d->query, v, DIMS));
}

static void
l2_many(Data *d)
{
	d->kernels->l2_squared_many(d->query, d->vectors, DIMS, VECTORS, DIMS, d->out);
}

static void
product_many(Data *d)
{
	d->kernels->inner_product_many(d->query, d->vectors, DIMS, VECTORS, DIMS, d->out);
}

static void
cosine_many(Data *d)
{
	d->kernels->cosine_many(d->query, d->vectors, DIMS, VECTORS, DIMS, d->out);
}

static void
l2_halves(Data *d)
{
	EACH(sp_half_l2_squared(d->query, half, DIMS));
}

static void
product_halves(Data *d)
{
	EACH(sp_half_inner_product(d->query, half, DIMS));
}

/* Nanoseconds a vector. */
static double
sample(Kernel run, Data *d)
{
	double start = now();

	for (int i = 0; i < PASSES; i++)
		run(d);
	return (now() - start) * 1e9 / (PASSES * VECTORS);
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return (x > y) - (x < y);
}

/* What the best tenth of the samples reached. */
static double
undisturbed(double *x)
{
	qsort(x, SAMPLES, sizeof(double), compare);
	return x[SAMPLES / 10];
}

/* In turns; what reading took meanwhile in *reading. */
static double
measure(Kernel run, Kernel read, Data *d, double *reading)
{
	static double runs[SAMPLES], reads[SAMPLES];

	for (size_t i = 0; i < SAMPLES; i++)
	{
		reads[i] = sample(read, d);
		runs[i] = sample(run, d);
	}
	*reading = undisturbed(reads);
	return undisturbed(runs);
}

/* Its share of the speed of reading. */
static double
row(const char *what, Kernel run, Kernel read, Data *d)
{
	double bytes = DIMS * (read == read_halves ? sizeof(uint16_t) : sizeof(float));
	double reading, ns = measure(run, read, d, &reading);

	printf("| %s | %.1f | %.0f | %.1f | %.0f %% |\n", what, ns, bytes / ns, reading,
	       100 * reading / ns);
	fflush(stdout);
	return reading / ns;
}

static void
fill(Data *d)
{
	uint32_t state = 2463534242u;

	for (size_t i = 0; i < VALUES + DIMS; i++)
	{
		float x;

		state = state * 1664525u + 1013904223u;
		x = (float) state / 2147483648.0f - 1;
		if (i < VALUES)
			d->vectors[i] = x;
		else
			d->query[i - VALUES] = x;
	}
	sp_half_from_floats(d->vectors, d->halves, VALUES);
}

int
main(void)
{
	Data d = {.kernels = sp_distance_fastest()};
	float *floats = aligned_alloc(LINE, (VALUES + LINE) * sizeof(float)), *off = floats + 2;
	double l2, product;

	d.vectors = floats;
	d.halves = aligned_alloc(LINE, VALUES * sizeof(uint16_t));
	d.query = aligned_alloc(LINE, (DIMS + LINE) * sizeof(float) / LINE * LINE);
	fill(&d);
	printf("| 784 dimensions | ns a vector | GB/s | ns to read it | share of reading |\n");
	printf("|---|---|---|---|---|\n");
	row("reading alone", read_all, read_all, &d);
	l2 = row("squared distance, many vectors", l2_many, read_all, &d);
	product = row("inner product, many vectors", product_many, read_all, &d);
	row("cosine, many vectors", cosine_many, read_all, &d);
	row("squared distance, a pair at a time", l2_each, read_all, &d);
	row("inner product, a pair at a time", product_each, read_all, &d);
	row("cosine, a pair at a time", cosine_each, read_all, &d);
	row("squared distance from halves", l2_halves, read_halves, &d);
	row("inner product with halves", product_halves, read_halves, &d);
	if (d.kernels != &sp_distance_plain)
	{
		d.kernels = &sp_distance_plain;
		row("squared distance, a pair, by the compiler's vectors", l2_each, read_all, &d);
		row("inner product, a pair, by the compiler's vectors", product_each, read_all, &d);
		d.kernels = sp_distance_fastest();
	}
	for (size_t i = VALUES; i-- > 0;)
		off[i] = floats[i];
	d.vectors = off;
	row("squared distance, many vectors off a line", l2_many, read_all, &d);
	row("squared distance, a pair off a line", l2_each, read_all, &d);
	free(d.halves);
	free(d.query);
	free(floats);
	return l2 < BAR || product < BAR ? 3 : 0;
}
