/*
 * src/core/stems/classical_stages.c
 *	  The model `classical`: what happens to a frame.
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
#include <math.h>

#include "core/sp_simd.h"
#include "core/stems/classical_internal.h"

static void listen(SpClassical *s);
static void trace(SpClassical *s);
static void give_voice(SpClassical *s);
static SpStatus part(SpClassical *s);
static void fill_levels(SpClassical *s, size_t frame);
static void add_stem(SpClassical *s, size_t stem);
static void leave_rest(SpClassical *s, size_t frame);
static SpStatus emit(SpClassical *s, size_t frame);
static float *share_row(const SpClassical *s, size_t frame);
static float *mix_spectrum(const SpClassical *s, size_t frame, size_t channel);
static float *part_spectrum(const SpClassical *s, size_t source, size_t channel);
static void clear_row(float *restrict row, size_t n);
static void add_power(float *restrict sum, const float *restrict spectrum, float weight,
                      size_t stride, size_t n);
static void take_root(float *restrict row, size_t n);
static void without_voice(float *restrict rest, const float *restrict magnitude,
                          const float *restrict share, size_t n);
static void multiply(float *restrict out, const float *restrict a, const float *restrict b,
                     size_t n);
static void accumulate(float *restrict sum, const float *restrict x, size_t n);

/* Every stage goes as far as it can, the last first, so that no ring row is lost before its use. */
SpStatus
sp_classical_advance(SpClassical *s)
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
listen(SpClassical *s)
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
trace(SpClassical *s)
{
	float *background = s->comb;

	sp_repet_background(s->repet, s->traced, background);
	sp_voice_first(s->voice, sp_repet_row(s->repet, s->traced), background, share_row(s, s->traced),
	               s->tracked);
	sp_pitch_push(s->pitch, s->tracked);
	s->traced++;
}

static void
give_voice(SpClassical *s)
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
part(SpClassical *s)
{
	size_t t = s->parted++;
	size_t stems = (size_t) s->cfg.stems;
	float *levels[SP_SOURCES];
	const float *mix[2];
	float *parts[2 * SP_SOURCES];

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
fill_levels(SpClassical *s, size_t frame)
{
	SpLayersOut out = {s->levels + SP_DRUMS * s->stride, s->levels + SP_BASS * s->stride,
	                   s->levels + SP_OTHER * s->stride,
	                   s->sources > SP_PIANO ? s->levels + SP_PIANO * s->stride : NULL};

	multiply(s->levels, sp_repet_row(s->repet, frame), share_row(s, frame), s->bins);
	sp_layers_split(s->layers, frame, &out);
}

/* Sums the stem's sources in the spectrum of the first, and that into the outlet. */
static void
add_stem(SpClassical *s, size_t stem)
{
	for (size_t c = 0; c < (size_t) s->cfg.channels; c++)
	{
		float *sum = NULL;

		for (size_t j = 0; j < s->sources; j++)
		{
			if ((s->plan->sources[stem] & SP_SOURCE_BIT(j)) == 0)
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
leave_rest(SpClassical *s, size_t frame)
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

/*
 * Frame t completes the hop at padded position t * hop; what lies before the
 * first sample or after the last falls away.
 */
static SpStatus
emit(SpClassical *s, size_t frame)
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
share_row(const SpClassical *s, size_t frame)
{
	return s->shares + frame % (s->lag + s->half + 1) * s->stride;
}

static float *
mix_spectrum(const SpClassical *s, size_t frame, size_t channel)
{
	size_t row = frame % (s->half + 1) * (size_t) s->cfg.channels + channel;

	return s->spectra + row * 2 * s->stride;
}

static float *
part_spectrum(const SpClassical *s, size_t source, size_t channel)
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
