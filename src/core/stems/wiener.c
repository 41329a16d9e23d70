/*
 * src/core/stems/wiener.c
 *	  From magnitudes of sources to their spectra: a multichannel Wiener filter.
 *
 * The local Gaussian model of Duong, Vincent and Gribonval (2010), one EM
 * step: source j at a bin has covariance g_j R_j, with g_j its share of the
 * mix and R_j where it sits between the channels at that frequency.  The
 * estimate of j is g_j R_j (sum_i g_i R_i)^-1 x.  On a stream R_j is an
 * exponential average over the past instead of a mean over the song, and is
 * normalised to trace 2, so that the level of the music drops out.
 *
 * Mono has no position: there the share alone is the filter.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/wiener.h"

#include <math.h>

#include "core/sp_simd.h"

/* Memory of the positions; 3, 6 and 20 s measured alike. */
#define MEMORY_S 6.0

/* Diffuse noise added to the mix's covariance, relative to its trace: -23 dB. */
#define DIFFUSE 0.005f

/* A silent frame (under -180 dBFS) teaches nothing, and would fill the averages with denormals. */
#define SILENCE 1e-18

#define TINY 1e-20f

/* Position of one source: averages over the past, each [bins]. */
typedef struct Position
{
	float *ll;    /* g^2 |L|^2 */
	float *rr;    /* g^2 |R|^2 */
	float *lr_re; /* g^2 L R* */
	float *lr_im;
	float *weight; /* g^2 (|L|^2 + |R|^2) / 2, their normaliser */
} Position;

struct SpWiener
{
	const SpEnv *env;
	SpWienerConfig cfg;
	float keep; /* of the averages, from frame to frame */
	Position at[SP_WIENER_MAX_SOURCES];
	Position mix;  /* the mix's modelled covariance; weight unused */
	float *store;  /* all of the above, one block */
	float *total;  /* [stride] sum of the sources' weights */
	float *solved; /* [4 * stride] covariance^-1 x: L re, L im, R re, R im */
};

static void lay_out(SpWiener *w);
static bool is_silent(const SpWiener *w, const float *const *mix);
static void sharpen(float *restrict x, float *restrict total, size_t n);
static void take_share(float *restrict x, const float *restrict total, size_t n);
static void scale_spectrum(float *restrict out, const float *restrict mix,
                           const float *restrict share, size_t stride, size_t n);
static void learn_position(const Position *p, const float *restrict left,
                           const float *restrict right, const float *restrict share, float keep,
                           size_t stride, size_t n);
static void add_covariance(const Position *sum, const Position *p, const float *restrict share,
                           size_t n);
static void solve(float *restrict solved, const Position *sum, const float *restrict left,
                  const float *restrict right, size_t stride, size_t n);
static void project(float *restrict left, float *restrict right, const Position *p,
                    const float *restrict share, const float *restrict solved, size_t stride,
                    size_t n);

/* Arrays of a Position, and of the block: sources and the mix, total, solved. */
#define FIELDS 5

SpStatus
sp_wiener_new(const SpEnv *env, const SpWienerConfig *cfg, SpWiener **out)
{
	SpWiener *w;

	*out = NULL;
	if (cfg->channels < 1 || cfg->channels > 2 || cfg->sources < 1 ||
	    cfg->sources > SP_WIENER_MAX_SOURCES || cfg->stride < cfg->bins)
		return SP_ERR_BAD_ARG;
	w = sp_calloc(env, 1, sizeof(*w));
	if (w == NULL)
		return SP_ERR_NO_MEMORY;
	w->env = env;
	w->cfg = *cfg;
	w->keep = (float) exp(-cfg->frame_s / MEMORY_S);
	w->store = sp_calloc(env, (cfg->sources + 1) * FIELDS + 5, cfg->stride * sizeof(float));
	if (w->store == NULL)
	{
		sp_wiener_free(w);
		return SP_ERR_NO_MEMORY;
	}
	lay_out(w);
	*out = w;
	return SP_OK;
}

void
sp_wiener_free(SpWiener *w)
{
	if (w == NULL)
		return;
	sp_free(w->env, w->store);
	sp_free(w->env, w);
}

void
sp_wiener_run(SpWiener *w, float *const *magnitudes, const float *const *mix, float *const *out)
{
	const size_t n = w->cfg.bins, stride = w->cfg.stride;
	bool learn;

	for (size_t i = 0; i < n; i++)
		w->total[i] = TINY;
	for (size_t j = 0; j < w->cfg.sources; j++)
		sharpen(magnitudes[j], w->total, n);
	for (size_t j = 0; j < w->cfg.sources; j++)
		take_share(magnitudes[j], w->total, n);
	if (w->cfg.channels == 1)
	{
		for (size_t j = 0; j < w->cfg.sources; j++)
			scale_spectrum(out[j], mix[0], magnitudes[j], stride, n);
		return;
	}
	learn = !is_silent(w, mix);
	for (size_t i = 0; i < n; i++)
		w->mix.ll[i] = w->mix.rr[i] = w->mix.lr_re[i] = w->mix.lr_im[i] = 0.0f;
	for (size_t j = 0; j < w->cfg.sources; j++)
	{
		if (learn)
			learn_position(&w->at[j], mix[0], mix[1], magnitudes[j], w->keep, stride, n);
		add_covariance(&w->mix, &w->at[j], magnitudes[j], n);
	}
	solve(w->solved, &w->mix, mix[0], mix[1], stride, n);
	for (size_t j = 0; j < w->cfg.sources; j++)
		project(out[2 * j], out[2 * j + 1], &w->at[j], magnitudes[j], w->solved, stride, n);
}

static void
lay_out(SpWiener *w)
{
	float *p = w->store;

	for (size_t j = 0; j <= w->cfg.sources; j++)
	{
		Position *at = j < w->cfg.sources ? &w->at[j] : &w->mix;

		at->ll = p;
		at->rr = p + w->cfg.stride;
		at->lr_re = p + 2 * w->cfg.stride;
		at->lr_im = p + 3 * w->cfg.stride;
		at->weight = p + 4 * w->cfg.stride;
		p += FIELDS * w->cfg.stride;
	}
	w->total = p;
	w->solved = p + w->cfg.stride;
}

static bool
is_silent(const SpWiener *w, const float *const *mix)
{
	double power = 0;

	for (size_t c = 0; c < w->cfg.channels; c++)
		for (size_t i = 0; i < w->cfg.bins; i++)
		{
			float re = mix[c][i], im = mix[c][w->cfg.stride + i];

			power += re * re + im * im;
		}
	return power < SILENCE;
}

/*
 * To the power 3/2: between magnitudes, which give too much of everything to
 * everyone, and powers, which switch (1: -0.2 dB, 2: -0.1 dB).
 */
SP_CLONES static void
sharpen(float *restrict x, float *restrict total, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		float m = x[i] > 0.0f ? x[i] : 0.0f;

		x[i] = m * sqrtf(m);
		total[i] += x[i];
	}
}

SP_CLONES static void
take_share(float *restrict x, const float *restrict total, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] /= total[i];
}

SP_CLONES static void
scale_spectrum(float *restrict out, const float *restrict mix, const float *restrict share,
               size_t stride, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		out[i] = share[i] * mix[i];
		out[stride + i] = share[i] * mix[stride + i];
	}
}

SP_CLONES static void
learn_position(const Position *p, const float *restrict left, const float *restrict right,
               const float *restrict share, float keep, size_t stride, size_t n)
{
	float *restrict ll = p->ll, *restrict rr = p->rr, *restrict weight = p->weight;
	float *restrict lr_re = p->lr_re, *restrict lr_im = p->lr_im;

	for (size_t i = 0; i < n; i++)
	{
		float g = share[i] * share[i];
		float a = left[i], b = left[stride + i], c = right[i], d = right[stride + i];
		float l = a * a + b * b, r = c * c + d * d;

		ll[i] = keep * ll[i] + g * l;
		rr[i] = keep * rr[i] + g * r;
		lr_re[i] = keep * lr_re[i] + g * (a * c + b * d);
		lr_im[i] = keep * lr_im[i] + g * (b * c - a * d);
		weight[i] = keep * weight[i] + g * 0.5f * (l + r);
	}
}

SP_CLONES static void
add_covariance(const Position *sum, const Position *p, const float *restrict share, size_t n)
{
	const float *restrict ll = p->ll, *restrict rr = p->rr, *restrict weight = p->weight;
	const float *restrict lr_re = p->lr_re, *restrict lr_im = p->lr_im;
	float *restrict s_ll = sum->ll, *restrict s_rr = sum->rr;
	float *restrict s_re = sum->lr_re, *restrict s_im = sum->lr_im;

	for (size_t i = 0; i < n; i++)
	{
		float g = share[i] / (weight[i] + TINY);

		s_ll[i] += g * ll[i];
		s_rr[i] += g * rr[i];
		s_re[i] += g * lr_re[i];
		s_im[i] += g * lr_im[i];
	}
}

/* The 2 x 2 system by Cramer's rule; DIFFUSE bounds its condition to 1 / DIFFUSE. */
SP_CLONES static void
solve(float *restrict solved, const Position *sum, const float *restrict left,
      const float *restrict right, size_t stride, size_t n)
{
	const float *restrict s_ll = sum->ll, *restrict s_rr = sum->rr;
	const float *restrict s_re = sum->lr_re, *restrict s_im = sum->lr_im;

	for (size_t i = 0; i < n; i++)
	{
		float noise = DIFFUSE * (s_ll[i] + s_rr[i]) + 1e-9f;
		float l = s_ll[i] + noise, r = s_rr[i] + noise, re = s_re[i], im = s_im[i];
		float inverse = 1.0f / (l * r - re * re - im * im);
		float a = left[i], b = left[stride + i], c = right[i], d = right[stride + i];

		solved[i] = inverse * (r * a - re * c + im * d);
		solved[stride + i] = inverse * (r * b - re * d - im * c);
		solved[2 * stride + i] = inverse * (l * c - re * a - im * b);
		solved[3 * stride + i] = inverse * (l * d - re * b + im * a);
	}
}

SP_CLONES static void
project(float *restrict left, float *restrict right, const Position *p, const float *restrict share,
        const float *restrict solved, size_t stride, size_t n)
{
	const float *restrict ll = p->ll, *restrict rr = p->rr, *restrict weight = p->weight;
	const float *restrict lr_re = p->lr_re, *restrict lr_im = p->lr_im;

	for (size_t i = 0; i < n; i++)
	{
		float g = share[i] / (weight[i] + TINY);
		float a = solved[i], b = solved[stride + i];
		float c = solved[2 * stride + i], d = solved[3 * stride + i];

		left[i] = g * (ll[i] * a + lr_re[i] * c - lr_im[i] * d);
		left[stride + i] = g * (ll[i] * b + lr_re[i] * d + lr_im[i] * c);
		right[i] = g * (rr[i] * c + lr_re[i] * a + lr_im[i] * b);
		right[stride + i] = g * (rr[i] * d + lr_re[i] * b - lr_im[i] * a);
	}
}
