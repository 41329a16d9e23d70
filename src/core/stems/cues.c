/*
 * src/core/stems/cues.c
 *	  How much of each bin is voice, drums, bass, other: what can be known
 *	  without training.
 *
 * Four stages follow each other through the song, each as far behind the one
 * before as it must see ahead:
 *
 *	 listen  t			 magnitudes and features into the ring        (repet)
 *	 trace	 t - window	 background, first voice, pitch              (repet, voice, pitch)
 *	 voice	 - lag		 comb of the pitch, stereo: the voice's share (pitch, voice)
 *	 part	 - half		 the rest into layers                         (layers)
 *
 * The stages meet in small rings of rows: a row of a stage's output lives
 * until the next stage has used it.  Where a bin stands between the channels
 * is known when listening but wanted when voicing, so that it is kept: one
 * byte a bin instead of spectra.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/cues.h"

#include <math.h>
#include <string.h>

#include "core/sp_simd.h"
#include "core/stems/layers.h"
#include "core/stems/pitch.h"
#include "core/stems/repet.h"
#include "core/stems/voice.h"

/* Decision delay of the pitch; 0.25, 0.5 and 1 s measured alike. */
#define PITCH_LAG_S 0.4

struct SpCues
{
	const SpEnv *env;
	SpCuesConfig cfg;
	size_t lag;  /* frames from tracing to voicing */
	size_t half; /* ... to parting */
	bool finished;

	size_t listened; /* frames that each stage has done */
	size_t traced;
	size_t voiced;
	size_t parted;

	SpRepet *repet;
	SpVoice *voice;
	SpPitch *pitch;
	SpLayers *layers;

	float *tracked;   /* [stride] first voice */
	float *comb;      /* [stride] and background before it */
	float *shares;    /* [lag + half + 1][stride] of the voice, first or final */
	uint8_t *centres; /* [window + lag + 1][stride] of bins, see voice.h; NULL for mono */
};

static SpStatus make_stages(SpCues *c);
static SpStatus make_buffers(SpCues *c);
static void listen(SpCues *c, const float *const *spectra);
static void trace(SpCues *c);
static void give_voice(SpCues *c);
static bool can_trace(const SpCues *c);
static bool can_give_voice(const SpCues *c);
static float *share_row(const SpCues *c, size_t frame);
static uint8_t *centre_row(const SpCues *c, size_t frame);
static void add_power(float *restrict sum, const float *restrict spectrum, float weight,
                      size_t stride, size_t n);
static void take_root(float *restrict row, size_t n);
static void without_voice(float *restrict rest, const float *restrict magnitude,
                          const float *restrict share, size_t n);
static void multiply(float *restrict out, const float *restrict a, const float *restrict b,
                     size_t n);

SpStatus
sp_cues_new(const SpEnv *env, const SpCuesConfig *cfg, SpCues **out)
{
	SpCues *c;
	SpStatus st;

	*out = NULL;
	if (cfg->channels < 1 || cfg->channels > 2 || cfg->sources < SP_SOURCES - 1 ||
	    cfg->sources > SP_SOURCES || cfg->bins < 2 || cfg->stride < cfg->bins ||
	    !(cfg->frame_s > 0) || !(cfg->bin_hz > 0))
		return SP_ERR_BAD_ARG;
	c = sp_calloc(env, 1, sizeof(*c));
	if (c == NULL)
		return SP_ERR_NO_MEMORY;
	c->env = env;
	c->cfg = *cfg;
	c->lag = (size_t) (PITCH_LAG_S / cfg->frame_s);
	st = make_stages(c);
	if (st == SP_OK)
		st = make_buffers(c);
	if (st != SP_OK)
	{
		sp_cues_free(c);
		return st;
	}
	*out = c;
	return SP_OK;
}

void
sp_cues_free(SpCues *c)
{
	if (c == NULL)
		return;
	sp_repet_free(c->repet);
	sp_voice_free(c->voice);
	sp_pitch_free(c->pitch);
	sp_layers_free(c->layers);
	sp_free(c->env, c->tracked);
	sp_free(c->env, c->comb);
	sp_free(c->env, c->shares);
	sp_free(c->env, c->centres);
	sp_free(c->env, c);
}

size_t
sp_cues_delay(const SpCues *c)
{
	return c->cfg.window + c->lag + c->half;
}

/* Two rows of the ring of magnitudes and one of centres. */
size_t
sp_cues_frame_bytes(size_t channels, size_t stride)
{
	return 2 * stride * sizeof(float) + (channels == 2 ? stride : 0);
}

/* One frame in, one step of each stage that has what it waits for. */
SpStatus
sp_cues_push(SpCues *c, const float *const *spectra)
{
	if (c->finished || sp_cues_ready(c) > 0)
		return SP_ERR_BAD_ARG;
	listen(c, spectra);
	if (can_trace(c))
		trace(c);
	if (can_give_voice(c))
		give_voice(c);
	return SP_OK;
}

void
sp_cues_finish(SpCues *c)
{
	c->finished = true;
}

size_t
sp_cues_ready(const SpCues *c)
{
	if (c->finished)
		return c->listened - c->parted;
	return c->parted + c->half < c->voiced ? 1 : 0;
}

/* After finish the stages go no further than this frame needs: their rings are small. */
SpStatus
sp_cues_take(SpCues *c, float *const *levels)
{
	SpLayersOut out = {levels[SP_DRUMS], levels[SP_BASS], levels[SP_OTHER],
	                   c->cfg.sources > SP_PIANO ? levels[SP_PIANO] : NULL};
	size_t t = c->parted;

	if (sp_cues_ready(c) == 0)
		return SP_ERR_BAD_ARG;
	while (t + c->half >= c->voiced && c->voiced < c->listened)
		if (can_give_voice(c))
			give_voice(c);
		else
			trace(c);
	multiply(levels[SP_VOICE], sp_repet_row(c->repet, t), share_row(c, t), c->cfg.bins);
	sp_layers_split(c->layers, t, &out);
	c->parted++;
	return SP_OK;
}

static SpStatus
make_stages(SpCues *c)
{
	const SpCuesConfig *cfg = &c->cfg;
	SpRepetConfig repet = {cfg->bins, cfg->stride, cfg->bin_hz, cfg->frame_s, 0};
	SpStatus st;

	st = sp_layers_new(c->env, cfg->bins, cfg->stride, cfg->bin_hz, cfg->frame_s, &c->layers);
	if (st != SP_OK)
		return st;
	c->half = sp_layers_half(c->layers);
	/* The ring holds two windows, and a row of it must live until the last stage has used it. */
	if (c->cfg.window < c->lag + c->half)
		c->cfg.window = c->lag + c->half;
	repet.window = c->cfg.window;
	st = sp_repet_new(c->env, &repet, &c->repet);
	if (st == SP_OK)
		st = sp_voice_new(c->env, cfg->bins, cfg->bin_hz, &c->voice);
	if (st == SP_OK)
		st = sp_pitch_new(c->env, cfg->bins, cfg->bin_hz, c->lag, &c->pitch);
	return st;
}

static SpStatus
make_buffers(SpCues *c)
{
	size_t stride = c->cfg.stride;

	c->tracked = sp_calloc(c->env, stride, sizeof(float));
	c->comb = sp_calloc(c->env, stride, sizeof(float));
	c->shares = sp_calloc(c->env, c->lag + c->half + 1, stride * sizeof(float));
	if (c->tracked == NULL || c->comb == NULL || c->shares == NULL)
		return SP_ERR_NO_MEMORY;
	if (c->cfg.channels == 1)
		return SP_OK;
	c->centres = sp_calloc(c->env, c->cfg.window + c->lag + 1, stride);
	return c->centres != NULL ? SP_OK : SP_ERR_NO_MEMORY;
}

static void
listen(SpCues *c, const float *const *spectra)
{
	size_t n = c->cfg.bins, stride = c->cfg.stride;
	float *row = sp_repet_slot(c->repet);

	memset(row, 0, n * sizeof(float));
	for (size_t i = 0; i < c->cfg.channels; i++)
		add_power(row, spectra[i], 1.0f / (float) c->cfg.channels, stride, n);
	take_root(row, n);
	sp_repet_push(c->repet);
	if (c->centres != NULL)
		sp_voice_place(c->voice, spectra[0], spectra[1], stride, centre_row(c, c->listened));
	c->listened++;
}

static void
trace(SpCues *c)
{
	float *background = c->comb;

	sp_repet_background(c->repet, c->traced, background);
	sp_voice_first(c->voice, sp_repet_row(c->repet, c->traced), background, share_row(c, c->traced),
	               c->tracked);
	sp_pitch_push(c->pitch, c->tracked);
	c->traced++;
}

static void
give_voice(SpCues *c)
{
	size_t t = c->voiced++;

	sp_pitch_comb(c->pitch, sp_pitch_hz(c->pitch, t), c->comb);
	sp_voice_final(c->voice, share_row(c, t), c->comb,
	               c->centres != NULL ? centre_row(c, t) : NULL);
	without_voice(sp_layers_slot(c->layers), sp_repet_row(c->repet, t), share_row(c, t),
	              c->cfg.bins);
	sp_layers_push(c->layers);
}

static bool
can_trace(const SpCues *c)
{
	return c->traced < c->listened && (c->finished || c->traced + c->cfg.window < c->listened);
}

static bool
can_give_voice(const SpCues *c)
{
	bool traced = c->finished && c->traced == c->listened;

	return c->voiced < c->traced && (traced || c->voiced + c->lag < c->traced);
}

static float *
share_row(const SpCues *c, size_t frame)
{
	return c->shares + frame % (c->lag + c->half + 1) * c->cfg.stride;
}

static uint8_t *
centre_row(const SpCues *c, size_t frame)
{
	return c->centres + frame % (c->cfg.window + c->lag + 1) * c->cfg.stride;
}

SP_CLONES static void
add_power(float *restrict sum, const float *restrict spectrum, float weight, size_t stride,
          size_t n)
{
	const float *restrict re = spectrum, *restrict im = spectrum + stride;

	for (size_t i = 0; i < n; i++)
		sum[i] += weight * (re[i] * re[i] + im[i] * im[i]);
}

SP_CLONES static void
take_root(float *restrict row, size_t n)
{
	for (size_t i = 0; i < n; i++)
		row[i] = sqrtf(row[i]);
}

SP_CLONES static void
without_voice(float *restrict rest, const float *restrict magnitude, const float *restrict share,
              size_t n)
{
	for (size_t i = 0; i < n; i++)
		rest[i] = magnitude[i] * (1.0f - share[i]);
}

SP_CLONES static void
multiply(float *restrict out, const float *restrict a, const float *restrict b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = a[i] * b[i];
}
