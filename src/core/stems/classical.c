/*
 * src/core/stems/classical.c
 *	  The model `classical`: its sizes, its memory, its queues.
 *
 * classical_stages.c has the computation.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/classical.h"

#include "core/dsp/median.h"
#include "core/stems/classical_internal.h"

/* Frame length: the power of two nearest to it is 4096 at 44.1 and 48 kHz. */
#define FRAME_S 0.093

/* How far similar frames are sought on each side; 8 s: -0.1 dB in the mean, -0.3 on one song. */
#define WINDOW_S 20.0
/* ... and how far at high sample rates, where a second costs more memory. */
#define WINDOW_BYTES (80u << 20)

/* Decision delay of the pitch; 0.25, 0.5 and 1 s measured alike. */
#define PITCH_LAG_S 0.4

static const SpStemPlan two_stems = {{"vocals", "accompaniment", NULL},
                                     {SP_SOURCE_BIT(SP_VOICE), SP_SOURCE_BIT(SP_DRUMS) |
                                                                   SP_SOURCE_BIT(SP_BASS) |
                                                                   SP_SOURCE_BIT(SP_OTHER)}};
static const SpStemPlan four_stems = {{"vocals", "drums", "bass", "other", NULL},
                                      {SP_SOURCE_BIT(SP_VOICE), SP_SOURCE_BIT(SP_DRUMS),
                                       SP_SOURCE_BIT(SP_BASS), SP_SOURCE_BIT(SP_OTHER)}};
static const SpStemPlan five_stems = {{"vocals", "piano", "drums", "bass", "other", NULL},
                                      {SP_SOURCE_BIT(SP_VOICE), SP_SOURCE_BIT(SP_PIANO),
                                       SP_SOURCE_BIT(SP_DRUMS), SP_SOURCE_BIT(SP_BASS),
                                       SP_SOURCE_BIT(SP_OTHER)}};

static SpStatus push(SpSeparator *base, const float *in, size_t frames);
static SpStatus finish(SpSeparator *base);
static size_t pull(SpSeparator *base, float *const *out, size_t max_frames);
static void free_all(SpSeparator *base);
static SpStatus make_stages(SpClassical *s);
static void set_sizes(SpClassical *s);
static size_t window_frames(const SpClassical *s, double frame_s);
static SpStatus make_buffers(SpClassical *s);

const char *const *
sp_classical_names(int stems)
{
	switch (stems)
	{
		case 2:
			return two_stems.names;
		case 4:
			return four_stems.names;
		case 5:
			return five_stems.names;
		default:
			return NULL;
	}
}

SpStatus
sp_classical_new(const SpEnv *env, const SpSeparatorConfig *cfg, SpSeparator **out)
{
	static const SpSeparatorMethods methods = {push, finish, pull, free_all};
	SpClassical *s;
	SpStatus st;

	*out = NULL;
	if (cfg->sample_rate < SP_SEPARATOR_MIN_RATE || cfg->sample_rate > SP_SEPARATOR_MAX_RATE ||
	    cfg->channels < 1 || cfg->channels > 2 || sp_classical_names(cfg->stems) == NULL)
		return SP_ERR_BAD_ARG;
	s = sp_calloc(env, 1, sizeof(*s));
	if (s == NULL)
		return SP_ERR_NO_MEMORY;
	s->base.methods = &methods;
	s->env = env;
	s->cfg = *cfg;
	s->plan = cfg->stems == 2 ? &two_stems : cfg->stems == 4 ? &four_stems : &five_stems;
	s->sources = cfg->stems == 5 ? SP_SOURCES : SP_SOURCES - 1;
	st = make_stages(s);
	if (st == SP_OK)
		st = make_buffers(s);
	if (st != SP_OK)
	{
		free_all(&s->base);
		return st;
	}
	*out = &s->base;
	return SP_OK;
}

static void
free_all(SpSeparator *base)
{
	SpClassical *s = (SpClassical *) base;

	sp_stft_free(s->stft);
	sp_feed_free(s->feed);
	sp_repet_free(s->repet);
	sp_voice_free(s->voice);
	sp_pitch_free(s->pitch);
	sp_layers_free(s->layers);
	sp_wiener_free(s->wiener);
	for (int i = 0; i < s->cfg.stems; i++)
		sp_outlet_free(s->outlets[i]);
	sp_free(s->env, s->frame);
	sp_free(s->env, s->tracked);
	sp_free(s->env, s->comb);
	sp_free(s->env, s->shares);
	sp_free(s->env, s->spectra);
	sp_free(s->env, s->levels);
	sp_free(s->env, s->parts);
	sp_free(s->env, s);
}

static SpStatus
push(SpSeparator *base, const float *in, size_t frames)
{
	SpClassical *s = (SpClassical *) base;

	if (s->status == SP_OK && s->finished)
		return SP_ERR_BAD_ARG;
	while (s->status == SP_OK && frames > 0)
	{
		size_t taken = sp_feed_push(s->feed, in, frames);

		in += taken * (size_t) s->cfg.channels;
		frames -= taken;
		s->length += taken;
		s->status = sp_classical_advance(s);
	}
	return s->status;
}

/* Zeros complete the frames that hold the last sample; then the stages catch up. */
static SpStatus
finish(SpSeparator *base)
{
	SpClassical *s = (SpClassical *) base;
	size_t frames = (size_t) ((s->length + s->fft_size - s->hop - 1) / s->hop) + 1;

	if (s->finished || s->status != SP_OK)
		return s->status;
	if (s->length == 0)
	{
		s->finished = true;
		return SP_OK;
	}
	for (int i = 0; s->status == SP_OK && i < s->cfg.stems; i++)
		s->status = sp_outlet_reserve(s->outlets[i], (frames - s->parted) * s->hop);
	while (s->status == SP_OK && sp_feed_ready(s->feed) < frames)
	{
		sp_feed_push(s->feed, NULL, s->hop);
		s->status = sp_classical_advance(s);
	}
	s->finished = true;
	if (s->status == SP_OK)
		s->status = sp_classical_advance(s);
	return s->status;
}

static size_t
pull(SpSeparator *base, float *const *out, size_t max_frames)
{
	SpClassical *s = (SpClassical *) base;
	size_t count = 0;

	if (s->status != SP_OK)
		return 0;
	for (int i = 0; i < s->cfg.stems; i++)
		count = sp_outlet_pull(s->outlets[i], out[i], max_frames);
	return count;
}

static void
set_sizes(SpClassical *s)
{
	double frame_s;

	s->fft_size = sp_stft_size_for(s->cfg.sample_rate, FRAME_S);
	s->hop = s->fft_size / SP_STFT_OVERLAP;
	s->bins = sp_stft_bins(s->stft);
	s->stride = sp_stft_stride(s->stft);
	frame_s = (double) s->hop / s->cfg.sample_rate;
	s->lag = (size_t) (PITCH_LAG_S / frame_s);
	s->window = window_frames(s, frame_s);
}

/*
 * What a frame of the window costs: two rows of the ring, a hop of the feed
 * and, when the song ends, a hop of every stem's queue.  A row must live until
 * the last stage has used it, hence the least window.
 */
static size_t
window_frames(const SpClassical *s, double frame_s)
{
	size_t floats = 2 * s->stride + s->hop * (size_t) s->cfg.channels * (size_t) (1 + s->cfg.stems);
	size_t affordable = WINDOW_BYTES / (floats * sizeof(float));
	size_t wanted = (size_t) (WINDOW_S / frame_s);
	size_t least = s->lag + SP_MEDIAN_MAX_ROWS;

	if (affordable < wanted)
		wanted = affordable;
	return wanted > least ? wanted : least;
}

static SpStatus
make_stages(SpClassical *s)
{
	double bin_hz, frame_s;
	SpRepetConfig repet;
	SpWienerConfig wiener;
	SpStatus st = sp_stft_new(s->env, sp_stft_size_for(s->cfg.sample_rate, FRAME_S), &s->stft);

	if (st != SP_OK)
		return st;
	set_sizes(s);
	bin_hz = (double) s->cfg.sample_rate / (double) s->fft_size;
	frame_s = (double) s->hop / s->cfg.sample_rate;
	repet = (SpRepetConfig){s->bins, s->stride, bin_hz, frame_s, s->window};
	wiener = (SpWienerConfig){(size_t) s->cfg.channels, s->sources, s->bins, s->stride, frame_s};
	st = sp_repet_new(s->env, &repet, &s->repet);
	if (st == SP_OK)
		st = sp_voice_new(s->env, s->bins, bin_hz, &s->voice);
	if (st == SP_OK)
		st = sp_pitch_new(s->env, s->bins, bin_hz, s->lag, &s->pitch);
	if (st == SP_OK)
		st = sp_layers_new(s->env, s->bins, s->stride, bin_hz, frame_s, &s->layers);
	if (st == SP_OK)
		st = sp_wiener_new(s->env, &wiener, &s->wiener);
	if (st == SP_OK)
		s->half = sp_layers_half(s->layers);
	for (int i = 0; st == SP_OK && i < s->cfg.stems; i++)
		st = sp_outlet_new(s->env, (size_t) s->cfg.channels, s->fft_size, s->hop, &s->outlets[i]);
	return st;
}

static SpStatus
make_buffers(SpClassical *s)
{
	size_t channels = (size_t) s->cfg.channels;
	size_t delay = s->window + s->lag + s->half + 4;
	SpStatus st = sp_feed_new(s->env, channels, s->fft_size, s->hop, delay * s->hop, &s->feed);

	if (st != SP_OK)
		return st;
	s->frame = sp_alloc(s->env, s->fft_size, sizeof(float));
	s->tracked = sp_calloc(s->env, s->stride, sizeof(float));
	s->comb = sp_calloc(s->env, s->stride, sizeof(float));
	s->shares = sp_calloc(s->env, (s->lag + s->half + 1) * s->stride, sizeof(float));
	s->spectra = sp_calloc(s->env, (s->half + 1) * channels * 2 * s->stride, sizeof(float));
	s->levels = sp_calloc(s->env, s->sources * s->stride, sizeof(float));
	s->parts = sp_calloc(s->env, s->sources * channels * 2 * s->stride, sizeof(float));
	if (s->frame == NULL || s->tracked == NULL || s->comb == NULL || s->shares == NULL ||
	    s->spectra == NULL || s->levels == NULL || s->parts == NULL)
		return SP_ERR_NO_MEMORY;
	return SP_OK;
}
