/*
 * src/core/stems/repet.c
 *	  The repeating background of a song, by similarity of frames.
 *
 * The background of a frame is the median of the K frames most like it, the
 * frame itself among them, and never more than the frame.  Where we deviate
 * from the paper, by measurement (docs/separation_classical.md):
 *
 * - Likeness is the cosine of band energies raised to 1/4, near loudness, not
 *   of plain magnitudes: a loud voice then does not choose its own likes, and
 *   the compression makes likeness independent of the level.
 * - Similar frames lie at least 0.2 s apart, not 1 s, because a window of a
 *   few seconds must still offer K of them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/repet.h"

#include <math.h>
#include <string.h>

#include "core/dsp/median.h"
#include "core/dsp/packed.h"
#include "core/sp_simd.h"

/* Similar frames: 15 to 50 measured within 0.4 dB of each other. */
#define SIMILAR 25
/* Least distance of two similar frames, seconds. */
#define APART_S 0.2

/* Bands of likeness: about nine an octave where music has its energy. */
#define BANDS   64
#define BAND_LO 80.0
#define BAND_HI 8000.0

/* Frames of likeness that share one maximum while the best are searched. */
#define BLOCK 32

struct SpRepet
{
	const SpEnv *env;
	SpRepetConfig cfg;
	size_t stride; /* of rows */
	size_t ring;   /* frames kept */
	size_t lane;   /* floats from band to band in features */
	size_t pushed; /* frames so far */
	size_t apart;
	size_t edge[BANDS + 1]; /* first bin of each band */
	uint16_t *rows;         /* [ring][stride] packed magnitudes */
	uint16_t *level;        /* [stride] median of some of them */
	float *features;        /* [BANDS][lane] unit vectors, one column a frame */
	float *likeness;        /* [lane] of the window's frames, oldest first */
	float *best;            /* [lane / BLOCK] greatest likeness of each block */
};

static void lay_bands(SpRepet *r);
static uint16_t *packed_row(const SpRepet *r, size_t frame);
static void fill_features(SpRepet *r, const float *row, size_t slot);
static size_t measure_likeness(SpRepet *r, size_t frame, size_t first, size_t count);
static size_t pick_similar(SpRepet *r, size_t count, size_t *picked);
static size_t find_best(const SpRepet *r, size_t blocks);
static void strike_out(SpRepet *r, size_t count, size_t centre);
static float greatest(const float *x, size_t n);
static void add_bands(float *restrict sum, const float *restrict columns, size_t lane,
                      const float *restrict weights, size_t n);
static void keep_smaller(uint16_t *restrict x, const uint16_t *restrict limit, size_t n);

SpStatus
sp_repet_new(const SpEnv *env, const SpRepetConfig *cfg, SpRepet **out)
{
	SpRepet *r;

	*out = NULL;
	if (cfg->window < 1 || cfg->bins < 2)
		return SP_ERR_BAD_ARG;
	r = sp_calloc(env, 1, sizeof(*r));
	if (r == NULL)
		return SP_ERR_NO_MEMORY;
	r->env = env;
	r->cfg = *cfg;
	r->ring = 2 * cfg->window + 1;
	r->lane = (r->ring + BLOCK - 1) / BLOCK * BLOCK;
	r->apart = (size_t) fmax(1.0, floor(APART_S / cfg->frame_s));
	r->stride = sp_packed_stride(cfg->bins);
	r->rows = sp_calloc(env, r->ring, r->stride * sizeof(*r->rows));
	r->level = sp_calloc(env, r->stride, sizeof(*r->level));
	r->features = sp_calloc(env, BANDS * r->lane, sizeof(float));
	r->likeness = sp_calloc(env, r->lane, sizeof(float));
	r->best = sp_calloc(env, r->lane / BLOCK, sizeof(float));
	if (r->rows == NULL || r->level == NULL || r->features == NULL || r->likeness == NULL ||
	    r->best == NULL)
	{
		sp_repet_free(r);
		return SP_ERR_NO_MEMORY;
	}
	lay_bands(r);
	*out = r;
	return SP_OK;
}

void
sp_repet_free(SpRepet *r)
{
	if (r == NULL)
		return;
	sp_free(r->env, r->rows);
	sp_free(r->env, r->level);
	sp_free(r->env, r->features);
	sp_free(r->env, r->likeness);
	sp_free(r->env, r->best);
	sp_free(r->env, r);
}

void
sp_repet_push(SpRepet *r, const float *magnitude)
{
	sp_packed_store(packed_row(r, r->pushed), magnitude, r->cfg.bins);
	fill_features(r, magnitude, r->pushed % r->ring);
	r->pushed++;
}

void
sp_repet_row(const SpRepet *r, size_t frame, float *out)
{
	sp_packed_load(out, packed_row(r, frame), r->cfg.bins);
}

void
sp_repet_background(SpRepet *r, size_t frame, float *out)
{
	size_t first = frame > r->cfg.window ? frame - r->cfg.window : 0;
	size_t last = frame + r->cfg.window < r->pushed ? frame + r->cfg.window : r->pushed - 1;
	size_t picked[SIMILAR];
	const uint16_t *rows[SIMILAR];
	size_t count;

	count = measure_likeness(r, frame, first, last - first + 1);
	count = pick_similar(r, count, picked);
	for (size_t i = 0; i < count; i++)
		rows[i] = packed_row(r, first + picked[i]);
	sp_median_run(r->level, rows, count, r->cfg.bins);
	keep_smaller(r->level, packed_row(r, frame), r->cfg.bins);
	sp_packed_load(out, r->level, r->cfg.bins);
}

static uint16_t *
packed_row(const SpRepet *r, size_t frame)
{
	return r->rows + frame % r->ring * r->stride;
}

/* Bands evenly spaced in octaves, at least one bin each. */
static void
lay_bands(SpRepet *r)
{
	double top = fmin(BAND_HI, (double) (r->cfg.bins - 1) * r->cfg.bin_hz);

	for (size_t b = 0; b <= BANDS; b++)
	{
		double hz = BAND_LO * pow(top / BAND_LO, (double) b / BANDS);

		r->edge[b] = (size_t) ceil(hz / r->cfg.bin_hz);
		if (r->edge[b] > r->cfg.bins - 1)
			r->edge[b] = r->cfg.bins - 1;
	}
}

static void
fill_features(SpRepet *r, const float *row, size_t slot)
{
	float loudness[BANDS];
	double power = 0;

	for (size_t b = 0; b < BANDS; b++)
	{
		size_t end = r->edge[b + 1] > r->edge[b] ? r->edge[b + 1] : r->edge[b] + 1;
		double sum = 0;

		for (size_t i = r->edge[b]; i < end; i++)
			sum += row[i];
		loudness[b] = (float) sqrt(sqrt(sum / (double) (end - r->edge[b])));
		power += loudness[b] * (double) loudness[b];
	}
	/* A silent frame is like nothing: all its products are zero. */
	for (size_t b = 0; b < BANDS; b++)
		r->features[b * r->lane + slot] = power > 0 ? (float) (loudness[b] / sqrt(power)) : 0.0f;
}

/* likeness[i] for frames first .. first + count - 1, which wrap once around the ring. */
static size_t
measure_likeness(SpRepet *r, size_t frame, size_t first, size_t count)
{
	size_t start = first % r->ring;
	size_t before = r->ring - start < count ? r->ring - start : count;
	float weights[BANDS];

	for (size_t b = 0; b < BANDS; b++)
		weights[b] = r->features[b * r->lane + frame % r->ring];
	memset(r->likeness, 0, r->lane * sizeof(float));
	add_bands(r->likeness, r->features + start, r->lane, weights, before);
	add_bands(r->likeness + before, r->features, r->lane, weights, count - before);
	/* The frame itself comes first, whatever rounding says; beyond the window nothing does. */
	r->likeness[frame - first] = 2.0f;
	for (size_t i = count; i < r->lane; i++)
		r->likeness[i] = -1.0f;
	return count;
}

/* Greedy: the best, then the best that is far enough from all before.  At least one. */
static size_t
pick_similar(SpRepet *r, size_t count, size_t *picked)
{
	size_t blocks = (count + BLOCK - 1) / BLOCK;
	size_t n;

	for (size_t b = 0; b < blocks; b++)
		r->best[b] = greatest(r->likeness + b * BLOCK, BLOCK);
	for (n = 0; n < SIMILAR; n++)
	{
		size_t i = find_best(r, blocks);

		if (r->likeness[i] < 0)
			break;
		picked[n] = i;
		strike_out(r, count, i);
	}
	return n;
}

static size_t
find_best(const SpRepet *r, size_t blocks)
{
	size_t block = 0;
	const float *x;
	size_t i = 0;

	for (size_t b = 1; b < blocks; b++)
		if (r->best[b] > r->best[block])
			block = b;
	x = r->likeness + block * BLOCK;
	while (x[i] != r->best[block])
		i++;
	return block * BLOCK + i;
}

static void
strike_out(SpRepet *r, size_t count, size_t centre)
{
	size_t from = centre > r->apart ? centre - r->apart : 0;
	size_t to = centre + r->apart < count ? centre + r->apart : count - 1;

	for (size_t i = from; i <= to; i++)
		r->likeness[i] = -1.0f;
	for (size_t b = from / BLOCK; b <= to / BLOCK; b++)
		r->best[b] = greatest(r->likeness + b * BLOCK, BLOCK);
}

static float
greatest(const float *x, size_t n)
{
	float max = x[0];

	for (size_t i = 1; i < n; i++)
		max = x[i] > max ? x[i] : max;
	return max;
}

/* sum[i] += dot product of weights with column i; four bands at a time to spare sum. */
SP_CLONES static void
add_bands(float *restrict sum, const float *restrict columns, size_t lane,
          const float *restrict weights, size_t n)
{
	for (size_t b = 0; b < BANDS; b += 4)
	{
		const float *restrict c0 = columns + b * lane;
		const float *restrict c1 = c0 + lane;
		const float *restrict c2 = c1 + lane;
		const float *restrict c3 = c2 + lane;
		float w0 = weights[b], w1 = weights[b + 1], w2 = weights[b + 2], w3 = weights[b + 3];

		for (size_t i = 0; i < n; i++)
			sum[i] += w0 * c0[i] + w1 * c1[i] + w2 * c2[i] + w3 * c3[i];
	}
}

SP_CLONES static void
keep_smaller(uint16_t *restrict x, const uint16_t *restrict limit, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = x[i] < limit[i] ? x[i] : limit[i];
}
