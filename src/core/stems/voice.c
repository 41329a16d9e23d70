/*
 * src/core/stems/voice.c
 *	  Which share of each bin is voice.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/voice.h"

#include <math.h>

#include "core/dsp/median.h"
#include "core/sp_simd.h"

/*
 * Nothing below is voice: REPET-SIM's own remedy (100 Hz there).  Bass lines
 * repeat badly, so a few low notes cost more than the lowest partial of a low
 * voice: 120 Hz -0.4 dB, 130 Hz -0.1, 150 Hz alike, 180 Hz -0.2.  Sixth order.
 */
#define LOWEST_HZ    145.0
#define LOWEST_ORDER 12.0

/* The level between partials is their median over this width: more than one partial's lobe. */
#define FLOOR_HZ 200.0

/* Between the teeth of the comb this much is kept: consonants and breath have no pitch. */
#define UNPITCHED 0.4f

/* A bin that stands in the centre, in the bytes of sp_voice_place. */
#define CENTRE 255.0f

/* Below -180 dBFS nothing is heard; keeps quotients of silence finite. */
#define TINY 1e-9f

struct SpVoice
{
	const SpEnv *env;
	size_t bins;
	SpMedian *median;
	float *high_pass; /* [bins] */
	float *above;     /* [bins] what exceeds the background */
	float *level;     /* [bins] its median over frequency */
	float *scratch;   /* [bins + rows of median] */
};

static void take_excess(float *restrict above, const float *restrict magnitude,
                        const float *restrict background, size_t n);
static void first_share(float *restrict share, float *restrict voice,
                        const float *restrict magnitude, const float *restrict above,
                        const float *restrict level, const float *restrict high_pass, size_t n);
static void apply_comb(float *restrict share, const float *restrict comb, size_t n);
static void take_centre(uint8_t *restrict centre, const float *restrict left,
                        const float *restrict right, size_t stride, size_t n);
static void apply_centre(float *restrict share, const uint8_t *restrict centre, size_t n);

SpStatus
sp_voice_new(const SpEnv *env, size_t bins, double bin_hz, SpVoice **out)
{
	SpVoice *v;
	SpStatus st;

	*out = NULL;
	v = sp_calloc(env, 1, sizeof(*v));
	if (v == NULL)
		return SP_ERR_NO_MEMORY;
	v->env = env;
	v->bins = bins;
	st = sp_median_new(env, sp_median_odd(FLOOR_HZ / bin_hz), &v->median);
	if (st != SP_OK)
		goto fail;
	st = SP_ERR_NO_MEMORY;
	v->high_pass = sp_alloc(env, bins, sizeof(float));
	v->above = sp_alloc(env, bins, sizeof(float));
	v->level = sp_alloc(env, bins, sizeof(float));
	v->scratch = sp_alloc(env, bins + sp_median_rows(v->median), sizeof(float));
	if (v->high_pass == NULL || v->above == NULL || v->level == NULL || v->scratch == NULL)
		goto fail;
	v->high_pass[0] = 0.0f;
	for (size_t i = 1; i < bins; i++)
		v->high_pass[i] =
			(float) (1.0 / (1.0 + pow(LOWEST_HZ / ((double) i * bin_hz), LOWEST_ORDER)));
	*out = v;
	return SP_OK;
fail:
	sp_voice_free(v);
	return st;
}

void
sp_voice_free(SpVoice *v)
{
	if (v == NULL)
		return;
	sp_median_free(v->median);
	sp_free(v->env, v->high_pass);
	sp_free(v->env, v->above);
	sp_free(v->env, v->level);
	sp_free(v->env, v->scratch);
	sp_free(v->env, v);
}

void
sp_voice_first(SpVoice *v, const float *magnitude, const float *background, float *share,
               float *voice)
{
	take_excess(v->above, magnitude, background, v->bins);
	sp_median_slide(v->median, v->level, v->above, v->bins, v->scratch);
	first_share(share, voice, magnitude, v->above, v->level, v->high_pass, v->bins);
}

void
sp_voice_place(const SpVoice *v, const float *left, const float *right, size_t stride,
               uint8_t *centre)
{
	take_centre(centre, left, right, stride, v->bins);
}

void
sp_voice_final(const SpVoice *v, float *share, const float *comb, const uint8_t *centre)
{
	apply_comb(share, comb, v->bins);
	if (centre != NULL)
		apply_centre(share, centre, v->bins);
}

SP_CLONES static void
take_excess(float *restrict above, const float *restrict magnitude,
            const float *restrict background, size_t n)
{
	for (size_t i = 0; i < n; i++)
		above[i] = magnitude[i] - background[i];
}

/*
 * A voice is made of partials: what does not stand out of the median over
 * frequency is noise or drums that happened to repeat badly.
 */
SP_CLONES static void
first_share(float *restrict share, float *restrict voice, const float *restrict magnitude,
            const float *restrict above, const float *restrict level,
            const float *restrict high_pass, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		float peaky = above[i] / (above[i] + level[i] + TINY);

		voice[i] = above[i] * peaky * high_pass[i];
		share[i] = voice[i] / (magnitude[i] + TINY);
	}
}

/* On a tooth the share rises to its square root, between teeth it falls to UNPITCHED of itself. */
SP_CLONES static void
apply_comb(float *restrict share, const float *restrict comb, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		float raised = share[i] + comb[i] * (sqrtf(share[i]) - share[i]);

		share[i] = raised * (UNPITCHED + (1.0f - UNPITCHED) * comb[i]);
	}
}

/*
 * Lead voices are mixed to the centre.  2 Re(L R*) / (|L|^2 + |R|^2) is 1
 * there, 0 at a side or in quadrature; its root, because reverberation and
 * doubling spread a voice (first power: +0.1 dB on two songs, -0.1 on others).
 * In steps of 1/255: an error of the share of -54 dB.
 */
SP_CLONES static void
take_centre(uint8_t *restrict centre, const float *restrict left, const float *restrict right,
            size_t stride, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		float lr = left[i], li = left[stride + i];
		float rr = right[i], ri = right[stride + i];
		float common = 2.0f * (lr * rr + li * ri);
		float power = lr * lr + li * li + rr * rr + ri * ri;
		float x = common / (power + TINY * TINY);

		x = x > 0.0f ? x : 0.0f;
		x = x < 1.0f ? x : 1.0f;
		centre[i] = (uint8_t) (int32_t) (sqrtf(x) * CENTRE + 0.5f);
	}
}

SP_CLONES static void
apply_centre(float *restrict share, const uint8_t *restrict centre, size_t n)
{
	for (size_t i = 0; i < n; i++)
		share[i] *= (float) (int32_t) centre[i] * (1.0f / CENTRE);
}
