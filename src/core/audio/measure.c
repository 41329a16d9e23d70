/*
 * src/core/audio/measure.c
 *	  Peak, energy, clipped and impossible samples, in one pass.
 *
 * The sums of a block run in LANES independent lanes, which the compiler turns
 * into vector registers without being allowed to reorder anything.  Squares
 * are added in float for one block of BLOCK samples and in double across
 * blocks: 64 additions a lane lose at most 64 * 2^-24 = 4e-6 of the energy
 * (0.00002 dB).
 *
 * A NaN fails every comparison, so "not <= limit" finds NaN, infinity and too
 * much at once; it is counted without a branch.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/audio/measure.h"

#include <float.h>
#include <math.h>

#include "core/sp_simd.h"

#define LANES 16
#define BLOCK 1024

typedef struct Lanes
{
	float peak[LANES];
	float energy[LANES];
	int32_t clipped[LANES];
	int32_t bad[LANES];
} Lanes;

/* Fold n samples, a multiple of LANES, into lanes. */
SP_CLONES static void
fold_block(Lanes *lanes, const float *x, size_t n)
{
	Lanes l = *lanes;

	for (size_t i = 0; i < n; i += LANES)
		for (int k = 0; k < LANES; k++)
		{
			float a = fabsf(x[i + k]);

			l.peak[k] = a > l.peak[k] ? a : l.peak[k];
			l.energy[k] += a * a;
			l.clipped[k] += a >= SP_MEASURE_CLIP;
			l.bad[k] += !(a <= FLT_MAX);
		}
	*lanes = l;
}

void
sp_measure_init(SpMeasure *m, int channels)
{
	*m = (SpMeasure){.channels = channels, .bad = -1};
}

/* Fold n <= BLOCK samples into m; false if one of them is no number. */
static bool
push_block(SpMeasure *m, const float *x, size_t n)
{
	Lanes lanes = {0};
	float rest[LANES] = {0};
	size_t whole = n - n % LANES;
	int32_t bad = 0;

	fold_block(&lanes, x, whole);
	for (size_t i = whole; i < n; i++)
		rest[i - whole] = x[i];
	fold_block(&lanes, rest, LANES);
	for (int k = 0; k < LANES; k++)
	{
		m->peak = lanes.peak[k] > m->peak ? lanes.peak[k] : m->peak;
		m->energy += (double) lanes.energy[k];
		m->clipped += lanes.clipped[k];
		bad += lanes.bad[k];
	}
	return bad == 0;
}

void
sp_measure_push(SpMeasure *m, const float *x, size_t frames)
{
	size_t n = frames * (size_t) m->channels;

	for (size_t at = 0; at < n; at += BLOCK)
	{
		size_t block = n - at < BLOCK ? n - at : BLOCK;

		if (!push_block(m, x + at, block) && m->bad < 0)
			m->bad = m->frames + (int64_t) ((at + sp_measure_first_beyond(x + at, block, FLT_MAX)) /
			                                (size_t) m->channels);
	}
	m->frames += (int64_t) frames;
}

double
sp_measure_peak_db(const SpMeasure *m)
{
	return m->peak > 0 ? 20 * log10((double) m->peak) : -INFINITY;
}

double
sp_measure_rms_db(const SpMeasure *m)
{
	double samples = (double) m->frames * m->channels;

	return m->energy > 0 ? 10 * log10(m->energy / samples) : -INFINITY;
}

/* How many of n samples, a multiple of LANES, are not within limit? */
SP_CLONES static int
count_beyond(const float *x, size_t n, float limit)
{
	int32_t bad[LANES] = {0};
	int sum = 0;

	for (size_t i = 0; i < n; i += LANES)
		for (int k = 0; k < LANES; k++)
			bad[k] += !(fabsf(x[i + k]) <= limit);
	for (int k = 0; k < LANES; k++)
		sum += bad[k];
	return sum;
}

size_t
sp_measure_first_beyond(const float *x, size_t n, float limit)
{
	size_t at = 0;

	/* Whole blocks without a finding, then sample by sample. */
	while (n - at >= BLOCK && count_beyond(x + at, BLOCK, limit) == 0)
		at += BLOCK;
	while (at < n && fabsf(x[at]) <= limit)
		at++;
	return at;
}
