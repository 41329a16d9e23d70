/*
 * src/core/dsp/median.c
 *	  The median of k rows, element by element.
 *
 * A sorting network (Batcher's odd-even merge, Knuth TAOCP 3, 5.2.2 M) has
 * no branch that depends on data, so that a vector of bins goes through it
 * at once.  Only its middle wire is wanted: walking the network backwards,
 * comparators that cannot reach that wire are dropped (about a third).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/dsp/median.h"

#include <math.h>
#include <string.h>

#include "core/sp_simd.h"

/* Bins that go through the network together: k rows of them stay in the L1 cache. */
#define LANES 32

typedef struct Comparator
{
	uint8_t low;  /* receives the smaller */
	uint8_t high; /* receives the larger */
} Comparator;

struct SpMedian
{
	const SpEnv *env;
	size_t k;
	size_t count; /* comparators in net */
	Comparator *net;
};

static size_t sort_network(Comparator *net, size_t k);
static size_t keep_middle(Comparator *net, size_t count, size_t middle);
static void run_blocks(const Comparator *net, size_t count, size_t k, float *restrict out,
                       const float *const *rows, size_t n);
static inline void run_network(const Comparator *net, size_t count, float (*v)[LANES]);

SpStatus
sp_median_new(const SpEnv *env, size_t k, SpMedian **out)
{
	SpMedian *m;

	*out = NULL;
	if (k % 2 == 0 || k > SP_MEDIAN_MAX_ROWS)
		return SP_ERR_BAD_ARG;
	m = sp_calloc(env, 1, sizeof(*m));
	if (m == NULL)
		return SP_ERR_NO_MEMORY;
	m->env = env;
	m->k = k;
	m->net = sp_alloc(env, sort_network(NULL, k) + 1, sizeof(Comparator));
	if (m->net == NULL)
	{
		sp_median_free(m);
		return SP_ERR_NO_MEMORY;
	}
	m->count = keep_middle(m->net, sort_network(m->net, k), k / 2);
	*out = m;
	return SP_OK;
}

void
sp_median_free(SpMedian *m)
{
	if (m == NULL)
		return;
	sp_free(m->env, m->net);
	sp_free(m->env, m);
}

size_t
sp_median_rows(const SpMedian *m)
{
	return m->k;
}

void
sp_median_run(const SpMedian *m, float *out, const float *const *rows, size_t n)
{
	size_t whole = n / LANES * LANES;
	float tail[SP_MEDIAN_MAX_ROWS][LANES] __attribute__((aligned(SP_ALIGN)));

	run_blocks(m->net, m->count, m->k, out, rows, whole);
	if (whole == n)
		return;
	memset(tail, 0, m->k * sizeof(*tail));
	for (size_t r = 0; r < m->k; r++)
		memcpy(tail[r], rows[r] + whole, (n - whole) * sizeof(float));
	run_network(m->net, m->count, tail);
	memcpy(out + whole, tail[m->k / 2], (n - whole) * sizeof(float));
}

void
sp_median_slide(const SpMedian *m, float *out, const float *in, size_t n, float *scratch)
{
	const float *rows[SP_MEDIAN_MAX_ROWS];
	size_t half = m->k / 2;

	if (n == 0)
		return;
	for (size_t i = 0; i < half; i++)
	{
		scratch[i] = in[0];
		scratch[half + n + i] = in[n - 1];
	}
	memcpy(scratch + half, in, n * sizeof(float));
	for (size_t r = 0; r < m->k; r++)
		rows[r] = scratch + r;
	sp_median_run(m, out, rows, n);
}

size_t
sp_median_odd(double width)
{
	double half = floor(width / 2.0);

	if (!(half >= 1.0))
		return 3;
	return half >= SP_MEDIAN_MAX_ROWS / 2 ? SP_MEDIAN_MAX_ROWS : 2 * (size_t) half + 1;
}

/* Writes the comparators that sort k wires to net, or only counts them if net is NULL. */
static size_t
sort_network(Comparator *net, size_t k)
{
	size_t count = 0;
	size_t top = 1;

	while (2 * top < k)
		top *= 2;
	for (size_t p = top; p > 0; p /= 2)
	{
		size_t q = top, r = 0, d = p;

		for (;;)
		{
			for (size_t i = 0; i + d < k; i++)
			{
				if ((i & p) != r)
					continue;
				if (net != NULL)
					net[count] = (Comparator){(uint8_t) i, (uint8_t) (i + d)};
				count++;
			}
			if (q == p)
				break;
			d = q - p;
			q /= 2;
			r = p;
		}
	}
	return count;
}

/* Drops, in place, the comparators whose outputs never reach the middle wire. */
static size_t
keep_middle(Comparator *net, size_t count, size_t middle)
{
	uint64_t wanted = (uint64_t) 1 << middle;
	size_t first = count;

	for (size_t c = count; c-- > 0;)
	{
		uint64_t touched = (uint64_t) 1 << net[c].low | (uint64_t) 1 << net[c].high;

		if ((wanted & touched) == 0)
			continue;
		wanted |= touched;
		net[--first] = net[c];
	}
	memmove(net, net + first, (count - first) * sizeof(*net));
	return count - first;
}

/* n is a multiple of LANES. */
SP_CLONES static void
run_blocks(const Comparator *net, size_t count, size_t k, float *restrict out,
           const float *const *rows, size_t n)
{
	float v[SP_MEDIAN_MAX_ROWS][LANES] __attribute__((aligned(SP_ALIGN)));

	for (size_t i = 0; i < n; i += LANES)
	{
		for (size_t r = 0; r < k; r++)
			memcpy(v[r], rows[r] + i, sizeof(v[r]));
		run_network(net, count, v);
		memcpy(out + i, v[k / 2], sizeof(v[0]));
	}
}

static inline __attribute__((always_inline)) void
run_network(const Comparator *net, size_t count, float (*v)[LANES])
{
	for (size_t c = 0; c < count; c++)
	{
		float *low = v[net[c].low];
		float *high = v[net[c].high];

		for (size_t l = 0; l < LANES; l++)
		{
			float a = low[l], b = high[l];

			low[l] = a < b ? a : b;
			high[l] = a < b ? b : a;
		}
	}
}
