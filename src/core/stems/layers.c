/*
 * src/core/stems/layers.c
 *	  What is not voice, split into drums, bass, piano and other.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/layers.h"

#include <math.h>

#include "core/dsp/median.h"
#include "core/dsp/packed.h"
#include "core/sp_simd.h"

/*
 * Window of the median over time, seconds.  A drum must be shorter than half
 * of it: 0.2 s let kick drums through into the bass (drums 3.3 dB, bass 1.0),
 * 0.5 to 0.8 s measured alike (8.0 / 5.2).
 */
#define STEADY_S 0.6

/* Window of the medians over frequency: wider than one partial's lobe. */
#define BROAD_HZ 180.0

/* Below, drums are as narrow as notes, so that only time tells them apart. */
#define KICK_HZ 200.0

/* The bass's upper end, second order; 260 to 450 Hz measured within 0.2 dB. */
#define BASS_HZ 350.0

/* Highest partials of a piano that stand out of a mix. */
#define PIANO_HZ 5000.0

/* As in voice.c: -180 dBFS. */
#define TINY 1e-9f

struct SpLayers
{
	const SpEnv *env;
	size_t bins;
	size_t stride; /* of packed rows */
	size_t half;   /* frames of the time window on each side */
	size_t width;  /* bins of the medians over frequency */
	size_t pushed;
	uint16_t *rows;    /* [2 * half + 1][stride] packed */
	uint16_t *packed;  /* [2][stride] what a median takes and gives */
	float *steady;     /* [bins] median over time */
	float *onset;      /* [bins] what exceeds it */
	float *broad;      /* [bins] a median over frequency */
	float *kick;       /* [bins] 1 where only time tells drums */
	float *low;        /* [bins] 1 where notes are bass */
	float *keys;       /* [bins] 1 where a piano has partials */
	uint16_t *scratch; /* [bins + width] */
};

static void take_steady(SpLayers *l, size_t frame);
static void take_broad(SpLayers *l, const float *x);
static uint16_t *row(const SpLayers *l, size_t frame);
static void fill_low_pass(float *gain, size_t bins, double bin_hz, double cutoff_hz);
static void take_onset(float *restrict onset, const float *restrict x, const float *restrict steady,
                       size_t n);
static void split_notes(const SpLayers *l, const float *restrict x, float *restrict drums,
                        float *restrict bass, float *restrict other);
static void split_piano(const SpLayers *l, float *restrict other, float *restrict piano);

SpStatus
sp_layers_new(const SpEnv *env, size_t bins, double bin_hz, double frame_s, SpLayers **out)
{
	SpLayers *l;
	size_t rows = sp_median_odd(STEADY_S / frame_s);

	*out = NULL;
	l = sp_calloc(env, 1, sizeof(*l));
	if (l == NULL)
		return SP_ERR_NO_MEMORY;
	l->env = env;
	l->bins = bins;
	l->stride = sp_packed_stride(bins);
	l->half = rows / 2;
	l->width = sp_median_odd(BROAD_HZ / bin_hz);
	l->rows = sp_calloc(env, rows, l->stride * sizeof(*l->rows));
	l->packed = sp_calloc(env, 2, l->stride * sizeof(*l->packed));
	l->steady = sp_alloc(env, bins, sizeof(float));
	l->onset = sp_alloc(env, bins, sizeof(float));
	l->broad = sp_alloc(env, bins, sizeof(float));
	l->kick = sp_alloc(env, bins, sizeof(float));
	l->low = sp_alloc(env, bins, sizeof(float));
	l->keys = sp_alloc(env, bins, sizeof(float));
	l->scratch = sp_alloc(env, bins + l->width, sizeof(*l->scratch));
	if (l->rows == NULL || l->packed == NULL || l->steady == NULL || l->onset == NULL ||
	    l->broad == NULL || l->kick == NULL || l->low == NULL || l->keys == NULL ||
	    l->scratch == NULL)
	{
		sp_layers_free(l);
		return SP_ERR_NO_MEMORY;
	}
	fill_low_pass(l->kick, bins, bin_hz, KICK_HZ);
	fill_low_pass(l->low, bins, bin_hz, BASS_HZ);
	fill_low_pass(l->keys, bins, bin_hz, PIANO_HZ);
	*out = l;
	return SP_OK;
}

void
sp_layers_free(SpLayers *l)
{
	if (l == NULL)
		return;
	sp_free(l->env, l->rows);
	sp_free(l->env, l->packed);
	sp_free(l->env, l->steady);
	sp_free(l->env, l->onset);
	sp_free(l->env, l->broad);
	sp_free(l->env, l->kick);
	sp_free(l->env, l->low);
	sp_free(l->env, l->keys);
	sp_free(l->env, l->scratch);
	sp_free(l->env, l);
}

size_t
sp_layers_half(const SpLayers *l)
{
	return l->half;
}

void
sp_layers_push(SpLayers *l, const float *rest)
{
	sp_packed_store(row(l, l->pushed++), rest, l->bins);
}

void
sp_layers_split(SpLayers *l, size_t frame, const float *rest, const SpLayersOut *out)
{
	take_steady(l, frame);
	take_onset(l->onset, rest, l->steady, l->bins);
	take_broad(l, l->onset);
	split_notes(l, rest, out->drums, out->bass, out->other);
	if (out->piano == NULL)
		return;
	take_broad(l, l->steady);
	split_piano(l, out->other, out->piano);
}

/* Median over time; before the first and after the last frame, those repeat. */
static void
take_steady(SpLayers *l, size_t frame)
{
	const uint16_t *rows[SP_MEDIAN_MAX_ROWS];

	for (size_t i = 0; i <= 2 * l->half; i++)
	{
		size_t t = frame + i > l->half ? frame + i - l->half : 0;

		rows[i] = row(l, t < l->pushed ? t : l->pushed - 1);
	}
	sp_median_run(l->packed, rows, 2 * l->half + 1, l->bins);
	sp_packed_load(l->steady, l->packed, l->bins);
}

static void
take_broad(SpLayers *l, const float *x)
{
	uint16_t *median = l->packed + l->stride;

	sp_packed_store(l->packed, x, l->bins);
	sp_median_slide(median, l->packed, l->width, l->bins, l->scratch);
	sp_packed_load(l->broad, median, l->bins);
}

static uint16_t *
row(const SpLayers *l, size_t frame)
{
	return l->rows + frame % (2 * l->half + 1) * l->stride;
}

static void
fill_low_pass(float *gain, size_t bins, double bin_hz, double cutoff_hz)
{
	for (size_t i = 0; i < bins; i++)
		gain[i] = (float) (1.0 / (1.0 + pow((double) i * bin_hz / cutoff_hz, 4.0)));
}

SP_CLONES static void
take_onset(float *restrict onset, const float *restrict x, const float *restrict steady, size_t n)
{
	for (size_t i = 0; i < n; i++)
		onset[i] = x[i] > steady[i] ? x[i] - steady[i] : 0.0f;
}

/* Drums are the broad part of an onset, or all of it where the kick drum is. */
SP_CLONES static void
split_notes(const SpLayers *l, const float *restrict x, float *restrict drums, float *restrict bass,
            float *restrict other)
{
	const float *restrict onset = l->onset, *restrict broad = l->broad;
	const float *restrict kick = l->kick, *restrict low = l->low;
	const size_t n = l->bins;

	for (size_t i = 0; i < n; i++)
	{
		float wide = onset[i] < broad[i] ? onset[i] : broad[i];
		float drum = wide + kick[i] * (onset[i] - wide);
		float notes = x[i] - drum;

		drums[i] = drum;
		bass[i] = low[i] * notes;
		other[i] = notes - bass[i];
	}
}

/* A piano cannot bend its notes: its partials are narrow in the steady part. */
SP_CLONES static void
split_piano(const SpLayers *l, float *restrict other, float *restrict piano)
{
	const float *restrict steady = l->steady, *restrict broad = l->broad;
	const float *restrict keys = l->keys;
	const size_t n = l->bins;

	for (size_t i = 0; i < n; i++)
	{
		float narrow = steady[i] > broad[i] ? steady[i] - broad[i] : 0.0f;

		piano[i] = other[i] * keys[i] * narrow / (steady[i] + TINY);
		other[i] -= piano[i];
	}
}
