/*
 * src/core/stems/spotai_planes.c
 *	  Spectra and levels into the planes of a network, logits into masks.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/spotai_planes.h"

#include <math.h>
#include <string.h>

#include "core/nn/pointwise.h"
#include "core/nn/vmath.h"
#include "core/sp_simd.h"
#include "core/stems/masks.h"

#define HEARD    SP_SPOTAI_HEARD
#define STEMS    SP_SPOTAI_STEMS
#define CHANNELS SP_SPOTAI_CHANNELS

/* What training has (train/networks.py), and weights are only good for: */
#define FLOOR       0.01f /* of magnitudes whose mean over a patch is 1 */
#define SHARE_FLOOR 0.02f /* of a share before its logarithm */
#define SILENCE     1e-6f /* of a patch's mean: against division by nothing */

struct SpPlanes
{
	const SpEnv *env;
	SpPlanesConfig cfg;
	size_t bands;
	SpBands *table;
	float *learned; /* scale, shift, prior, trust */
	float *place;   /* [bands] from -1 to 1 */
	float *silence; /* a row of nothing */
	float *powers;  /* [SP_SPOTAI_ROW][bins]: observe's own */
};

static void
fill_constants(SpPlanes *p)
{
	for (size_t i = 0; i < p->bands; i++)
		p->place[i] = (float) (-1.0 + 2.0 * (double) i / (double) (p->bands - 1));
	for (size_t i = 0; i < STEMS * p->bands; i++)
		p->silence[HEARD * p->bands + i] = 1.0f / STEMS;
}

SpStatus
sp_planes_new(const SpEnv *env, const SpPlanesConfig *cfg, SpPlanes **out)
{
	SpPlanes *p;
	SpStatus st;

	*out = NULL;
	if (cfg->frames < 2 || cfg->frames % 2 != 0 || sp_band_table_bands(&cfg->bands) % 2 != 0 ||
	    sp_band_table_bins(&cfg->bands) != cfg->bins)
		return SP_ERR_BAD_ARG;
	p = sp_calloc(env, 1, sizeof(*p));
	if (p == NULL)
		return SP_ERR_NO_MEMORY;
	p->env = env;
	p->cfg = *cfg;
	p->bands = sp_band_table_bands(&cfg->bands);
	st = sp_bands_new(env, &cfg->bands, &p->table);
	p->learned = sp_calloc(env, (2 * HEARD + 1) * p->bands + STEMS, sizeof(float));
	p->place = sp_alloc(env, p->bands, sizeof(float));
	p->silence = sp_calloc(env, SP_SPOTAI_ROW * p->bands, sizeof(float));
	p->powers = sp_alloc(env, SP_SPOTAI_ROW * cfg->bins, sizeof(float));
	if (p->learned == NULL || p->place == NULL || p->silence == NULL || p->powers == NULL)
		st = st == SP_OK ? SP_ERR_NO_MEMORY : st;
	if (st != SP_OK)
	{
		sp_planes_free(p);
		return st;
	}
	fill_constants(p);
	*out = p;
	return SP_OK;
}

void
sp_planes_free(SpPlanes *p)
{
	if (p == NULL)
		return;
	sp_bands_free(p->table);
	sp_free(p->env, p->learned);
	sp_free(p->env, p->place);
	sp_free(p->env, p->silence);
	sp_free(p->env, p->powers);
	sp_free(p->env, p);
}

float *
sp_planes_scale(SpPlanes *p)
{
	return p->learned;
}

float *
sp_planes_shift(SpPlanes *p)
{
	return p->learned + HEARD * p->bands;
}

float *
sp_planes_prior(SpPlanes *p)
{
	return p->learned + 2 * HEARD * p->bands;
}

float *
sp_planes_trust(SpPlanes *p)
{
	return p->learned + 2 * HEARD * p->bands + STEMS;
}

/* --- a frame ----------------------------------------------------------------- */

/* Powers of left, right, middle and side, [bins] each. */
SP_CLONES static void
add_up_powers(const float *restrict left, const float *restrict right, size_t stride, size_t bins,
              float *restrict out)
{
	for (size_t i = 0; i < bins; i++)
	{
		float lr = left[i], li = left[stride + i], rr = right[i], ri = right[stride + i];
		float mr = 0.5f * (lr + rr), mi = 0.5f * (li + ri);
		float sr = 0.5f * (lr - rr), si = 0.5f * (li - ri);

		out[i] = lr * lr + li * li;
		out[bins + i] = rr * rr + ri * ri;
		out[2 * bins + i] = mr * mr + mi * mi;
		out[3 * bins + i] = sr * sr + si * si;
	}
}

/* classical's exponent between magnitude and power: wiener.c */
SP_CLONES static void
raise(const float *restrict level, float *restrict out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = level[i] * sqrtf(level[i]);
}

SP_CLONES static void
take_roots(float *restrict x, float scale, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = scale * sqrtf(x[i]);
}

/* Four rows of levels become shares; equal ones where there is nothing. */
SP_CLONES static void
share_out(float *restrict x, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		float sum = x[i] + x[n + i] + x[2 * n + i] + x[3 * n + i];
		float factor = sum > 0.0f ? 1.0f / sum : 0.0f, rest = sum > 0.0f ? 0.0f : 1.0f / STEMS;

		for (size_t s = 0; s < STEMS; s++)
			x[s * n + i] = x[s * n + i] * factor + rest;
	}
}

void
sp_planes_observe(SpPlanes *p, const float *const spectra[2], size_t stride, float scale,
                  const float *const *levels, float *row)
{
	size_t bins = p->cfg.bins, bands = p->bands;

	add_up_powers(spectra[0], spectra[1], stride, bins, p->powers);
	for (size_t s = 0; s < STEMS; s++)
		raise(levels[s], p->powers + (HEARD + s) * bins, bins);
	for (size_t i = 0; i < SP_SPOTAI_ROW; i++)
		sp_bands_mean(p->table, p->powers + i * bins, row + i * bands);
	take_roots(row, scale, HEARD * bands);
	share_out(row + HEARD * bands, bands);
}

void
sp_planes_spread(const SpPlanes *p, const float *mask, float *out)
{
	sp_bands_spread(p->table, mask, out);
}

/* --- a patch ----------------------------------------------------------------- */

size_t
sp_planes_room(const SpPlanes *p)
{
	return CHANNELS * p->bands;
}

static const float *
row_of(const SpPlanes *p, const float *rows, size_t count, size_t frame)
{
	return frame < count ? rows + frame * SP_SPOTAI_ROW * p->bands : p->silence;
}

/* What brings the mean of left and right to 1. */
static float
loudness_scale(const SpPlanes *p, const float *rows, size_t count)
{
	double sum = 0.0;

	for (size_t t = 0; t < count; t++)
		sum += sp_mask_sum(row_of(p, rows, count, t), 2 * p->bands);
	return (float) (1.0 / (sum / (double) (2 * count * p->bands) + SILENCE));
}

SP_CLONES static void
hear(const float *restrict band, float loudness, const float *restrict scale,
     const float *restrict shift, float *restrict out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = 0.5f * (sp_log(band[i] * loudness + FLOOR) + 2.0f) * scale[i] + shift[i];
}

SP_CLONES static void
compare(const float *restrict share, float *restrict out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = 4.0f * (share[i] - 1.0f / STEMS);
}

/* planes[CHANNELS][bands], the channels of a band side by side. */
SP_CLONES static void
interleave_floats(const float *restrict planes, size_t bands, float *restrict out)
{
	for (size_t i = 0; i < bands; i++)
		for (size_t c = 0; c < CHANNELS; c++)
			out[i * CHANNELS + c] = planes[c * bands + i];
}

SP_CLONES static void
interleave_rounded(const float *restrict planes, size_t bands, uint16_t *restrict out)
{
	for (size_t i = 0; i < bands; i++)
		for (size_t c = 0; c < CHANNELS; c++)
			out[i * CHANNELS + c] = sp_bf16_of(planes[c * bands + i]);
}

void
sp_planes_fill(const SpPlanes *p, const float *rows, size_t count, float *room, void *out)
{
	size_t bands = p->bands, width = bands * CHANNELS;
	const float *scale = p->learned, *shift = p->learned + HEARD * bands;
	float loudness = loudness_scale(p, rows, count);

	memcpy(room + (CHANNELS - 1) * bands, p->place, bands * sizeof(float));
	for (size_t t = 0; t < p->cfg.frames; t++)
	{
		const float *row = row_of(p, rows, count, t);

		hear(row, loudness, scale, shift, room, HEARD * bands);
		compare(row + HEARD * bands, room + HEARD * bands, STEMS * bands);
		if (p->cfg.precision == SP_PRECISION_BF16)
			interleave_rounded(room, bands, (uint16_t *) out + t * width);
		else
			interleave_floats(room, bands, (float *) out + t * width);
	}
}

SP_CLONES static void
weigh(const float *restrict share, float prior, float *restrict out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = prior * sp_log(share[i] + SHARE_FLOOR);
}

/*
 * The logits of one frame of a pair, in[bands / 2][2][SP_SPOTAI_LOGITS][2] with only the
 * first of the two, into planes.  Moved by pairs, which is twice as fast as one by one.
 */
SP_CLONES static void
pick(const float *restrict in, float *const *out, size_t bands)
{
	for (size_t x = 0; x < bands; x += 2)
		for (size_t k = 0; k < SP_SPOTAI_LOGITS; k++)
			memcpy(out[k] + x, in + 2 * (x * SP_SPOTAI_LOGITS + k), 2 * sizeof(float));
}

SP_CLONES static void
add(float *restrict out, const float *restrict prior, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] += prior[i];
}

/* From the shares towards what the network makes of them. */
SP_CLONES static void
lean(float *restrict mask, const float *restrict share, const float *restrict trust, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mask[i] = share[i] + trust[i] * (mask[i] - share[i]);
}

void
sp_planes_masks(const SpPlanes *p, const float *rows, size_t count, const float *logits,
                float *room, float *const *masks)
{
	size_t bands = p->bands;
	const float *prior = p->learned + 2 * HEARD * bands, *trust = prior + STEMS;

	for (size_t t = 0; t < p->cfg.frames; t++)
	{
		const float *shares = row_of(p, rows, count, t) + HEARD * bands;
		float *planes[SP_SPOTAI_LOGITS];

		for (size_t k = 0; k < SP_SPOTAI_LOGITS; k++)
			planes[k] = masks[k / 2] + (k % 2 * p->cfg.frames + t) * bands;
		pick(logits + (t / 2 * bands + t % 2) * 2 * SP_SPOTAI_LOGITS, planes, bands);
		for (size_t s = 0; s < STEMS; s++)
		{
			weigh(shares + s * bands, prior[s], room, bands);
			add(planes[2 * s], room, bands);
			add(planes[2 * s + 1], room, bands);
		}
		for (size_t c = 0; c < 2; c++)
		{
			float *stems[STEMS];

			for (size_t s = 0; s < STEMS; s++)
				stems[s] = planes[2 * s + c];
			sp_softmax(stems, STEMS, bands);
			for (size_t s = 0; s < STEMS; s++)
				lean(stems[s], shares + s * bands, trust, bands);
		}
	}
}
