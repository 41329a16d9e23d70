/*
 * src/core/stems/classical_stages.c
 *	  The model `classical`: what happens to a frame.
 *
 * A frame is heard twice: at once for the cues, and again, as far behind as
 * they need to know its levels, to be filtered and overlap-added.  Its
 * spectra are computed twice rather than kept.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/sp_simd.h"
#include "core/stems/classical_internal.h"

static SpStatus listen(SpClassical *s);
static SpStatus part(SpClassical *s);
static void transform(SpClassical *s, size_t frame);
static SpStatus filter(SpClassical *s);
static void add_stem(SpClassical *s, size_t stem);
static void leave_rest(SpClassical *s, size_t frame);
static SpStatus emit(SpClassical *s, size_t frame);
static float *mix_spectrum(const SpClassical *s, size_t channel);
static float *part_spectrum(const SpClassical *s, size_t source, size_t channel);
static void accumulate(float *restrict sum, const float *restrict x, size_t n);

SpStatus
sp_classical_advance(SpClassical *s)
{
	SpStatus st = SP_OK;

	while (st == SP_OK)
	{
		if (sp_should_stop(s->env))
			return SP_ERR_CANCELED;
		if (sp_cues_ready(s->cues) > 0)
			st = part(s);
		else if (s->listened < sp_feed_ready(s->feed))
			st = listen(s);
		else
			break;
	}
	return st;
}

static SpStatus
listen(SpClassical *s)
{
	const float *mix[2] = {mix_spectrum(s, 0), mix_spectrum(s, (size_t) s->cfg.channels - 1)};

	transform(s, s->listened++);
	return sp_cues_push(s->cues, mix);
}

static SpStatus
part(SpClassical *s)
{
	size_t t = s->parted++;
	size_t stems = (size_t) s->cfg.stems;
	SpStatus st;

	transform(s, t);
	st = filter(s);
	if (st != SP_OK)
		return st;
	for (size_t i = 0; i < stems - s->cfg.sum_to_mix; i++)
		add_stem(s, i);
	if (s->cfg.sum_to_mix)
		leave_rest(s, t);
	return emit(s, t);
}

static void
transform(SpClassical *s, size_t frame)
{
	size_t channels = (size_t) s->cfg.channels;
	const float *in[2] = {s->frame, s->frame + s->fft_size};
	float *spectra[2] = {mix_spectrum(s, 0), mix_spectrum(s, channels - 1)};

	for (size_t c = 0; c < channels; c++)
		sp_feed_read(s->feed, c, frame * s->hop, s->frame + c * s->fft_size, s->fft_size);
	sp_stft_forward(s->stft, channels, in, spectra);
}

/* The mix's spectra into those of the sources. */
static SpStatus
filter(SpClassical *s)
{
	size_t channels = (size_t) s->cfg.channels;
	const float *mix[2] = {mix_spectrum(s, 0), mix_spectrum(s, channels - 1)};
	float *levels[SP_SOURCES];
	float *parts[2 * SP_SOURCES];
	SpStatus st;

	for (size_t j = 0; j < s->sources; j++)
	{
		levels[j] = s->levels + j * s->stride;
		for (size_t c = 0; c < channels; c++)
			parts[j * channels + c] = part_spectrum(s, j, c);
	}
	st = sp_cues_take(s->cues, levels);
	if (st == SP_OK)
		sp_wiener_run(s->wiener, levels, mix, parts);
	return st;
}

/* Sums the stem's sources in the spectrum of the first, and that into the outlet. */
static void
add_stem(SpClassical *s, size_t stem)
{
	size_t channels = (size_t) s->cfg.channels;
	const float *spectra[2];
	float *out[2];

	for (size_t c = 0; c < channels; c++)
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
		spectra[c] = sum;
		out[c] = sp_outlet_sum(s->outlets[stem], c);
	}
	sp_stft_inverse_add(s->stft, channels, spectra, out);
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
mix_spectrum(const SpClassical *s, size_t channel)
{
	return s->spectra + channel * 2 * s->stride;
}

static float *
part_spectrum(const SpClassical *s, size_t source, size_t channel)
{
	return s->parts + (source * (size_t) s->cfg.channels + channel) * 2 * s->stride;
}

SP_CLONES static void
accumulate(float *restrict sum, const float *restrict x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum[i] += x[i];
}
