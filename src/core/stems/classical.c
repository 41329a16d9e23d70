/*
 * src/core/stems/classical.c
 *	  The model `classical`: its sizes, its memory, its queues.
 *
 * classical_stages.c has the computation.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/classical.h"

#include "core/stems/classical_internal.h"

/* Frame length: the power of two nearest to it is 4096 at 44.1 and 48 kHz. */
#define FRAME_S 0.093

/* How much the window of the cues may cost, at high sample rates, where a second costs more. */
#define WINDOW_BYTES (80u << 20)

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
	sp_cues_free(s->cues);
	sp_wiener_free(s->wiener);
	for (int i = 0; i < s->cfg.stems; i++)
		sp_outlet_free(s->outlets[i]);
	sp_free(s->env, s->frame);
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
	sp_cues_finish(s->cues);
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
	s->fft_size = sp_stft_size_for(s->cfg.sample_rate, FRAME_S);
	s->hop = s->fft_size / SP_STFT_OVERLAP;
	s->bins = sp_stft_bins(s->stft);
	s->stride = sp_stft_stride(s->stft);
}

/*
 * What a frame of the window costs: its part of the cues, a hop of the feed
 * and, when the song ends, a hop of every stem's queue.
 */
static size_t
window_frames(const SpClassical *s, double frame_s)
{
	size_t channels = (size_t) s->cfg.channels;
	size_t samples = s->hop * channels * (size_t) (1 + s->cfg.stems);
	size_t bytes = sp_cues_frame_bytes(channels, s->stride) + samples * sizeof(float);
	size_t wanted = (size_t) (SP_CUES_WINDOW_S / frame_s);

	return WINDOW_BYTES / bytes < wanted ? WINDOW_BYTES / bytes : wanted;
}

static SpStatus
make_stages(SpClassical *s)
{
	size_t channels = (size_t) s->cfg.channels;
	SpCuesConfig cues;
	SpWienerConfig wiener;
	SpStatus st = sp_stft_new(s->env, sp_stft_size_for(s->cfg.sample_rate, FRAME_S), &s->stft);

	if (st != SP_OK)
		return st;
	set_sizes(s);
	cues = (SpCuesConfig){.channels = channels,
	                      .sources = s->sources,
	                      .bins = s->bins,
	                      .stride = s->stride,
	                      .bin_hz = (double) s->cfg.sample_rate / (double) s->fft_size,
	                      .frame_s = (double) s->hop / s->cfg.sample_rate};
	cues.window = window_frames(s, cues.frame_s);
	wiener = (SpWienerConfig){channels, s->sources, s->bins, s->stride, cues.frame_s};
	st = sp_cues_new(s->env, &cues, &s->cues);
	if (st == SP_OK)
		st = sp_wiener_new(s->env, &wiener, &s->wiener);
	for (int i = 0; st == SP_OK && i < s->cfg.stems; i++)
		st = sp_outlet_new(s->env, channels, s->fft_size, s->hop, &s->outlets[i]);
	return st;
}

/* The feed keeps samples until their frame is parted, since spectra are computed twice. */
static SpStatus
make_buffers(SpClassical *s)
{
	size_t channels = (size_t) s->cfg.channels;
	size_t keep = (sp_cues_delay(s->cues) + 4) * s->hop;
	SpStatus st = sp_feed_new(s->env, channels, s->fft_size, s->hop, keep, &s->feed);

	if (st != SP_OK)
		return st;
	s->frame = sp_alloc(s->env, 2 * s->fft_size, sizeof(float));
	s->spectra = sp_calloc(s->env, channels * 2 * s->stride, sizeof(float));
	s->levels = sp_calloc(s->env, s->sources * s->stride, sizeof(float));
	s->parts = sp_calloc(s->env, s->sources * channels * 2 * s->stride, sizeof(float));
	if (s->frame == NULL || s->spectra == NULL || s->levels == NULL || s->parts == NULL)
		return SP_ERR_NO_MEMORY;
	return SP_OK;
}
