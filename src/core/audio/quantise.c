/*
 * src/core/audio/quantise.c
 *	  From float to integers, with a rest that is never lost.
 *
 * x * 2^(bits - 1) is exact in float (a power of two), and both ends of the
 * range are floats, so clamping before rounding is exact as well.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/audio/quantise.h"

#include <math.h>

#include "core/sp_simd.h"

/* Positions that are quantised together: the mix's integers stay in the L1 cache. */
#define BLOCK 1024

SP_CLONES void
sp_quantise(int32_t *out, const float *x, size_t n, int bits)
{
	float scale = (float) (1 << (bits - 1));
	float top = scale - 1;

	for (size_t i = 0; i < n; i++)
	{
		float v = x[i] * scale;

		v = v < -scale ? -scale : v;
		v = v > top ? top : v;
		out[i] = (int32_t) rintf(v);
	}
}

/*
 * The mix in integers, not clamped to full scale: 16 stems of 24 bits sum to
 * at most 2^27.  Doubles, because a sum beyond 2^24 is not exact in float.
 */
SP_CLONES static void
quantise_mix(int32_t *out, const float *x, size_t n, int bits)
{
	double scale = (double) (1 << (bits - 1));
	double limit = scale * SP_QUANTISE_MAX_STEMS;

	for (size_t i = 0; i < n; i++)
	{
		double v = (double) x[i] * scale;

		v = v < -limit ? -limit : v;
		v = v > limit ? limit : v;
		out[i] = (int32_t) rint(v);
	}
}

SP_CLONES static void
add(double *restrict sum, const float *restrict x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum[i] += (double) x[i];
}

SP_CLONES static void
round_sum(int32_t *restrict out, const double *restrict sum, size_t n, int bits)
{
	double scale = (double) (1 << (bits - 1));
	double limit = scale * SP_QUANTISE_MAX_STEMS;

	for (size_t i = 0; i < n; i++)
	{
		double v = sum[i] * scale;

		v = v < -limit ? -limit : v;
		v = v > limit ? limit : v;
		out[i] = (int32_t) rint(v);
	}
}

/* The same for the sum of the stems; n is at most BLOCK. */
static void
sum_stems(int32_t *out, const float *const *stems, size_t n_stems, size_t at, size_t n, int bits)
{
	double sum[BLOCK];

	for (size_t i = 0; i < n; i++)
		sum[i] = 0.0;
	for (size_t s = 0; s < n_stems; s++)
		add(sum, stems[s] + at, n);
	round_sum(out, sum, n, bits);
}

/* rest -= x, and how many of rest are beyond full scale afterwards? */
SP_CLONES static void
subtract(int32_t *restrict rest, const int32_t *restrict x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		rest[i] -= x[i];
}

SP_CLONES static int
count_beyond(const int32_t *rest, size_t n, int32_t low, int32_t high)
{
	int count = 0;

	for (size_t i = 0; i < n; i++)
		count += rest[i] < low || rest[i] > high;
	return count;
}

/*
 * Position i: the last stem was clamped and `excess` is left.  Give it to the
 * stem with the most room in its direction, then to the next.  Rare (only
 * overdriven input), so plain.  False if some is left in the end.
 */
static bool
spread(int32_t *const *out, size_t n_stems, size_t i, int64_t excess, int32_t low, int32_t high)
{
	while (excess != 0)
	{
		size_t best = 0;
		int64_t most = -1;

		for (size_t s = 0; s < n_stems; s++)
		{
			int64_t room = excess > 0 ? (int64_t) high - out[s][i] : (int64_t) out[s][i] - low;

			if (room > most)
			{
				most = room;
				best = s;
			}
		}
		if (most == 0)
			return false;
		if (excess > 0)
		{
			int64_t part = excess < most ? excess : most;

			out[best][i] += (int32_t) part;
			excess -= part;
		}
		else
		{
			int64_t part = -excess < most ? -excess : most;

			out[best][i] -= (int32_t) part;
			excess += part;
		}
	}
	return true;
}

/* rest[n] is what the last stem should be, for positions at.. of out. */
static int64_t
finish_block(int32_t *const *out, size_t n_stems, size_t at, const int32_t *rest, size_t n,
             int bits)
{
	int32_t high = (1 << (bits - 1)) - 1;
	int32_t low = -high - 1;
	int64_t lost = 0;

	for (size_t i = 0; i < n; i++)
		out[n_stems - 1][at + i] = rest[i] < low ? low : rest[i] > high ? high : rest[i];
	if (count_beyond(rest, n, low, high) == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (rest[i] < low || rest[i] > high)
			lost += !spread(out, n_stems, at + i, (int64_t) rest[i] - out[n_stems - 1][at + i], low,
			                high);
	return lost;
}

int64_t
sp_quantise_stems(int32_t *const *out, const float *const *stems, const float *mix, size_t n_stems,
                  size_t n, int bits)
{
	int32_t rest[BLOCK];
	int64_t lost = 0;

	for (size_t at = 0; at < n; at += BLOCK)
	{
		size_t block = n - at < BLOCK ? n - at : BLOCK;

		if (mix != NULL)
			quantise_mix(rest, mix + at, block, bits);
		else
			sum_stems(rest, stems, n_stems, at, block, bits);
		for (size_t s = 0; s + 1 < n_stems; s++)
		{
			sp_quantise(out[s] + at, stems[s] + at, block, bits);
			subtract(rest, out[s] + at, block);
		}
		lost += finish_block(out, n_stems, at, rest, block, bits);
	}
	return lost;
}
