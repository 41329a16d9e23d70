/*
 * src/core/stems/separator.c
 *	  The model `classical`: a song into stems, on a stream, without training.
 *
 * Four stages follow each other through the song, each as far behind the one
 * before as it must see ahead:
 *
 *	 listen  t			 magnitudes and features into the ring        (repet)
 *	 trace	 t - window	 background, first voice, pitch              (repet, voice, pitch)
 *	 voice	 - lag		 comb of the pitch, stereo: the voice's share (pitch, voice)
 *	 part	 - half		 the rest into layers, filter, overlap-add   (layers, wiener, outlet)
 *
 * The stages meet in small rings of rows: a row of a stage's output lives
 * until the next stage has used it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/separator.h"

#include <math.h>

#include "core/dsp/median.h"
#include "core/dsp/stft.h"
#include "core/sp_simd.h"
#include "core/stems/feed.h"
#include "core/stems/layers.h"
#include "core/stems/outlet.h"
#include "core/stems/pitch.h"
#include "core/stems/repet.h"
#include "core/stems/voice.h"
#include "core/stems/wiener.h"

/* Frame length: 2048 at 22.05 kHz is REPET-SIM's; four frames overlap. */
#define FRAME_S 0.093

/* How far similar frames are sought on each side: 8 s cost 0.1 to 0.5 dB on songs, 30 s give none. */
#define WINDOW_S 20.0
/* ... and how far at high sample rates, where a second costs more memory. */
#define WINDOW_BYTES (80u << 20)

/* Decision delay of the pitch; 0.25, 0.5 and 1 s measured alike. */
#define PITCH_LAG_S 0.4

enum
{
	VOICE,
	DRUMS,
	BASS,
	OTHER,
	PIANO,
	SOURCES
};

#define BIT(source) (1u << (source))

typedef struct StemPlan
{
	const char *names[SP_SEPARATOR_MAX_STEMS + 1];
	unsigned sources[SP_SEPARATOR_MAX_STEMS]; /* bits of those that a stem is the sum of */
} StemPlan;

static const StemPlan two_stems = {{"vocals", "accompaniment", NULL},
                                   {BIT(VOICE), BIT(DRUMS) | BIT(BASS) | BIT(OTHER)}};
static const StemPlan four_stems = {{"vocals", "drums", "bass", "other", NULL},
                                    {BIT(VOICE), BIT(DRUMS), BIT(BASS), BIT(OTHER)}};
static const StemPlan five_stems = {{"vocals", "piano", "drums", "bass", "other", NULL},
                                    {BIT(VOICE), BIT(PIANO), BIT(DRUMS), BIT(BASS), BIT(OTHER)}};

struct SpSeparator
{
	const SpEnv *env;
	SpSeparatorConfig cfg;
	const StemPlan *plan;
	SpStatus status; /* sticky */
	bool finished;

	size_t fft_size;
	size_t hop;
	size_t bins;
	size_t stride; /* of a row; a spectrum has two */
	size_t window; /* frames from listening to tracing */
	size_t lag;    /* ... to voicing */
	size_t half;   /* ... to parting */
	size_t sources;

	uint64_t length; /* frames of samples pushed */
	size_t listened; /* frames of the transform that each stage has done */
	size_t traced;
	size_t voiced;
	size_t parted;

	SpStft *stft;
	SpFeed *feed;
	SpRepet *repet;
	SpVoice *voice;
	SpPitch *pitch;
	SpLayers *layers;
	SpWiener *wiener;
	SpOutlet *outlets[SP_SEPARATOR_MAX_STEMS];

	float *frame;   /* [fft_size] samples */
	float *tracked; /* [bins] first voice */
	float *comb;    /* [bins] and background before it */
	float *shares;  /* [lag + half + 1][stride] of the voice, first or final */
	float *spectra; /* [half + 1][channels][2 * stride] of the mix */
	float *levels;  /* [sources][stride] magnitudes */
	float *parts;   /* [sources][channels][2 * stride] spectra */
};

static void set_sizes(SpSeparator *s);
static size_t window_frames(const SpSeparator *s, double frame_s);
static SpStatus make_stages(SpSeparator *s);
static SpStatus make_buffers(SpSeparator *s);
static SpStatus advance(SpSeparator *s);
static void listen(SpSeparator *s);
static void trace(SpSeparator *s);
static void give_voice(SpSeparator *s);
static SpStatus part(SpSeparator *s);
static void fill_levels(SpSeparator *s, size_t frame);
static void add_stem(SpSeparator *s, size_t stem);
static void leave_rest(SpSeparator *s, size_t frame);
static SpStatus emit(SpSeparator *s, size_t frame);
static float *share_row(const SpSeparator *s, size_t frame);
static float *mix_spectrum(const SpSeparator *s, size_t frame, size_t channel);
static float *part_spectrum(const SpSeparator *s, size_t source, size_t channel);
static void clear_row(float *restrict row, size_t n);
static void add_power(float *restrict sum, const float *restrict spectrum, float weight,
                      size_t stride, size_t n);
static void take_root(float *restrict row, size_t n);
static void without_voice(float *restrict rest, const float *restrict magnitude,
                          const float *restrict share, size_t n);
static void multiply(float *restrict out, const float *restrict a, const float *restrict b,
                     size_t n);
static void accumulate(float *restrict sum, const float *restrict x, size_t n);

const char *const *
sp_stem_names(int stems)
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
sp_separator_new(const SpEnv *env, const SpSeparatorConfig *cfg, SpSeparator **out)
{
	SpSeparator *s;
	SpStatus st;

	*out = NULL;
	if (cfg->sample_rate < SP_SEPARATOR_MIN_RATE || cfg->sample_rate > SP_SEPARATOR_MAX_RATE ||
	    cfg->channels < 1 || cfg->channels > 2 || sp_stem_names(cfg->stems) == NULL)
		return SP_ERR_BAD_ARG;
	s = sp_calloc(env, 1, sizeof(*s));
	if (s == NULL)
		return SP_ERR_NO_MEMORY;
	s->env = env;
	s->cfg = *cfg;
	s->plan = cfg->stems == 2 ? &two_stems : cfg->stems == 4 ? &four_stems : &five_stems;
	s->sources = cfg->stems == 5 ? SOURCES : SOURCES - 1;
	st = make_stages(s);
	if (st == SP_OK)
		st = make_buffers(s);
	if (st != SP_OK)
	{
		sp_separator_free(s);
		return st;
	}
	*out = s;
	return SP_OK;
}

void
sp_separator_free(SpSeparator *s)
{
	if (s == NULL)
		return;
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

SpStatus
sp_separator_push(SpSeparator *s, const float *in, size_t frames)
{
	if (s->status == SP_OK && s->finished)
		return SP_ERR_BAD_ARG;
	while (s->status == SP_OK && frames > 0)
	{
		size_t taken = sp_feed_push(s->feed, in, frames);

		in += taken * (size_t) s->cfg.channels;
		frames -= taken;
		s->length += taken;
		s->status = advance(s);
	}
	return s->status;
}

/* Zeros complete the frames that hold the last sample; then the stages catch up. */
SpStatus
sp_separator_finish(SpSeparator *s)
{
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
		s->status = advance(s);
	}
	s->finished = true;
	if (s->status == SP_OK)
		s->status = advance(s);
	return s->status;
}

size_t
sp_separator_pull(SpSeparator *s, float *const *out, size_t max_frames)
{
	size_t count = 0;

	if (s->status != SP_OK)
		return 0;
	for (int i = 0; i < s->cfg.stems; i++)
		count = sp_outlet_pull(s->outlets[i], out[i], max_frames);
	return count;
}

static void
set_sizes(SpSeparator *s)
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
window_frames(const SpSeparator *s, double frame_s)
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
make_stages(SpSeparator *s)
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
make_buffers(SpSeparator *s)
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

/* Every stage goes as far as it can, the last first, so that no ring row is lost before its use. */
static SpStatus
advance(SpSeparator *s)
{
	SpStatus st = SP_OK;

	for (;;)
	{
		bool heard = s->finished && s->listened == sp_feed_ready(s->feed);
		bool traced = heard && s->traced == s->listened;
		bool voiced = traced && s->voiced == s->traced;

		if (sp_should_stop(s->env))
			return SP_ERR_CANCELED;
		if (s->parted < s->voiced && (voiced || s->parted + s->half < s->voiced))
			st = part(s);
		else if (s->voiced < s->traced && (traced || s->voiced + s->lag < s->traced))
			give_voice(s);
		else if (s->traced < s->listened && (heard || s->traced + s->window < s->listened))
			trace(s);
		else if (s->listened < sp_feed_ready(s->feed))
			listen(s);
		else
			return st;
		if (st != SP_OK)
			return st;
	}
}

static void
listen(SpSeparator *s)
{
	float *row = sp_repet_slot(s->repet);
	float weight = 1.0f / (float) s->cfg.channels;
	float *spectrum = s->parts;

	clear_row(row, s->bins);
	for (size_t c = 0; c < (size_t) s->cfg.channels; c++)
	{
		sp_feed_read(s->feed, c, s->listened * s->hop, s->frame, s->fft_size);
		sp_stft_forward(s->stft, s->frame, spectrum);
		add_power(row, spectrum, weight, s->stride, s->bins);
	}
	take_root(row, s->bins);
	sp_repet_push(s->repet);
	s->listened++;
}

static void
trace(SpSeparator *s)
{
	float *background = s->comb;

	sp_repet_background(s->repet, s->traced, background);
	sp_voice_first(s->voice, sp_repet_row(s->repet, s->traced), background, share_row(s, s->traced),
	               s->tracked);
	sp_pitch_push(s->pitch, s->tracked);
	s->traced++;
}

static void
give_voice(SpSeparator *s)
{
	size_t t = s->voiced;
	bool stereo = s->cfg.channels == 2;

	for (size_t c = 0; c < (size_t) s->cfg.channels; c++)
	{
		sp_feed_read(s->feed, c, t * s->hop, s->frame, s->fft_size);
		sp_stft_forward(s->stft, s->frame, mix_spectrum(s, t, c));
	}
	sp_pitch_comb(s->pitch, sp_pitch_hz(s->pitch, t), s->comb);
	sp_voice_final(s->voice, share_row(s, t), s->comb, mix_spectrum(s, t, 0),
	               stereo ? mix_spectrum(s, t, 1) : NULL, s->stride);
	without_voice(sp_layers_slot(s->layers), sp_repet_row(s->repet, t), share_row(s, t), s->bins);
	sp_layers_push(s->layers);
	s->voiced++;
}

static SpStatus
part(SpSeparator *s)
{
	size_t t = s->parted++;
	size_t stems = (size_t) s->cfg.stems;
	float *levels[SOURCES];
	const float *mix[2];
	float *parts[2 * SOURCES];

	for (size_t j = 0; j < s->sources; j++)
		levels[j] = s->levels + j * s->stride;
	for (size_t c = 0; c < (size_t) s->cfg.channels; c++)
		mix[c] = mix_spectrum(s, t, c);
	for (size_t j = 0; j < s->sources; j++)
		for (size_t c = 0; c < (size_t) s->cfg.channels; c++)
			parts[j * (size_t) s->cfg.channels + c] = part_spectrum(s, j, c);
	fill_levels(s, t);
	sp_wiener_run(s->wiener, levels, mix, parts);
	for (size_t i = 0; i < stems - s->cfg.sum_to_mix; i++)
		add_stem(s, i);
	if (s->cfg.sum_to_mix)
		leave_rest(s, t);
	return emit(s, t);
}

static void
fill_levels(SpSeparator *s, size_t frame)
{
	SpLayersOut out = {s->levels + DRUMS * s->stride, s->levels + BASS * s->stride,
	                   s->levels + OTHER * s->stride,
	                   s->sources > PIANO ? s->levels + PIANO * s->stride : NULL};

	multiply(s->levels, sp_repet_row(s->repet, frame), share_row(s, frame), s->bins);
	sp_layers_split(s->layers, frame, &out);
}

/* Sums the stem's sources in the spectrum of the first, and that into the outlet. */
static void
add_stem(SpSeparator *s, size_t stem)
{
	for (size_t c = 0; c < (size_t) s->cfg.channels; c++)
	{
		float *sum = NULL;

		for (size_t j = 0; j < s->sources; j++)
		{
			if ((s->plan->sources[stem] & BIT(j)) == 0)
				continue;
			if (sum == NULL)
				sum = part_spectrum(s, j, c);
			else
				accumulate(sum, part_spectrum(s, j, c), 2 * s->stride);
		}
		sp_stft_inverse_add(s->stft, sum, sp_outlet_sum(s->outlets[stem], c));
	}
}

/* The finished hop of the last stem: the mix less the finished hops of all others. */
static void
leave_rest(SpSeparator *s, size_t frame)
{
	size_t last = (size_t) s->cfg.stems - 1;

	for (size_t c = 0; c < (size_t) s->cfg.channels; c++)
	{
		float *rest = sp_outlet_sum(s->outlets[last], c);

		sp_feed_read(s->feed, c, frame * s->hop, rest, s->hop);
		for (size_t i = 0; i < last; i++)
		{
			const float *stem = sp_outlet_sum(s->outlets[i], c);

			for (size_t k = 0; k < s->hop; k++)
				rest[k] -= stem[k];
		}
	}
}

/* Frame t completes padded positions t * hop on; those before the first and after the last sample fall away. */
static SpStatus
emit(SpSeparator *s, size_t frame)
{
	uint64_t padding = s->fft_size - s->hop;
	uint64_t position = (uint64_t) frame * s->hop;
	uint64_t end = s->length + padding;
	size_t from = position < padding ? s->hop : 0;
	size_t to = end - position < s->hop ? (size_t) (end - position) : s->hop;
	SpStatus st = SP_OK;

	if (from > to)
		from = to;
	for (int i = 0; st == SP_OK && i < s->cfg.stems; i++)
		st = sp_outlet_emit(s->outlets[i], from, to);
	return st;
}

static float *
share_row(const SpSeparator *s, size_t frame)
{
	return s->shares + frame % (s->lag + s->half + 1) * s->stride;
}

static float *
mix_spectrum(const SpSeparator *s, size_t frame, size_t channel)
{
	size_t row = frame % (s->half + 1) * (size_t) s->cfg.channels + channel;

	return s->spectra + row * 2 * s->stride;
}

static float *
part_spectrum(const SpSeparator *s, size_t source, size_t channel)
{
	return s->parts + (source * (size_t) s->cfg.channels + channel) * 2 * s->stride;
}

SP_CLONES static void
clear_row(float *restrict row, size_t n)
{
	for (size_t i = 0; i < n; i++)
		row[i] = 0.0f;
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

SP_CLONES static void
accumulate(float *restrict sum, const float *restrict x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum[i] += x[i];
}
