/*
 * src/core/audio/encode.c
 *	  SpEncoder: interleaved samples into a file, through libsndfile.
 *
 * Integer targets always take the integer path: we quantise (quantise.c), and
 * libsndfile only shifts.  Its own conversion from float depends on a clipping
 * switch and on whether the processor rounds or truncates.
 *
 * FLAC goes to libFLAC directly (flac.h), whose 0..8 is made of level 0..1.
 * Times real time on one core (AMD EPYC) and kbit/s, tests/bench/audio.c, 16-bit
 * stereo, with an MD5:
 *
 *		level		0		1/8		1/4		3/8		5/8		1
 *		speed	 1294	   1222	   1141		820		538		288
 *		kbit/s	  804		792		792		756		749		744
 *
 * The default 1/4 costs 6 % of space against libFLAC's own default (5/8), and
 * half of the time.
 *
 * WAV is written as RF64 with a placeholder, which libsndfile turns into plain
 * RIFF when the file is closed below 4 GiB.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/audio/encode.h"

#include <math.h>
#include <string.h>

#include "core/audio/decode.h" /* SP_AUDIO_MAX_CHANNELS */
#include "core/audio/flac.h"
#include "core/audio/quantise.h"
#include "core/audio/resample.h"
#include "core/audio/vio.h"

/* Frames converted at a time; buffers stay in the L2 cache up to 8 channels. */
#define BLOCK_FRAMES 4096

#define FLAC_MAX_FRAMES ((INT64_C(1) << 36) - 1) /* STREAMINFO has 36 bits for them */

struct SpEncoder
{
	const SpEnv *env;
	SpSpool *sink;
	SpCursor *cursor;
	SNDFILE *file; /* NULL for FLAC */
	SpFlac *flac;
	SpResampler *resampler; /* NULL: rates agree */
	SpEncoderSpec spec;
	int rate_hz; /* of the file */
	bool integer;
	enum
	{
		FED_NOTHING,
		FED_FLOAT,
		FED_INT
	} fed;
	SpStatus status;  /* first failure */
	int32_t *ints;    /* BLOCK_FRAMES * channels, if integer */
	float *resampled; /* BLOCK_FRAMES * channels, if resampler */
};

static const int OPUS_RATES[] = {8000, 12000, 16000, 24000, 48000};
static const int MP3_RATES[] = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000};

SpEncoderSpec
sp_encoder_default(SpAudioFormat format, int sample_rate_hz, int channels)
{
	return (SpEncoderSpec){.format = format,
	                       .sample_rate_hz = sample_rate_hz,
	                       .channels = channels,
	                       .bits = 16,
	                       .level = 0.25,
	                       .md5 = true,
	                       .quality = 0.6,
	                       .frames = -1};
}

bool
sp_encoder_writes(SpAudioFormat format)
{
	return format == SP_AUDIO_FLAC || format == SP_AUDIO_WAV || format == SP_AUDIO_VORBIS ||
	       format == SP_AUDIO_OPUS || format == SP_AUDIO_MP3;
}

/* The lowest of the known rates that holds rate, or the highest. */
static int
next_rate(const int *rates, size_t n, int rate)
{
	for (size_t i = 0; i < n; i++)
		if (rates[i] >= rate)
			return rates[i];
	return rates[n - 1];
}

static int
file_rate(const SpEncoderSpec *spec)
{
	int rate = spec->sample_rate_hz;

	switch (spec->format)
	{
		case SP_AUDIO_OPUS:
			return next_rate(OPUS_RATES, sizeof(OPUS_RATES) / sizeof(int), rate);
		case SP_AUDIO_MP3:
			return next_rate(MP3_RATES, sizeof(MP3_RATES) / sizeof(int), rate);
		case SP_AUDIO_VORBIS:
			return rate < 8000 ? 8000 : rate > 192000 ? 192000 : rate;
		default:
			return rate;
	}
}

static int
max_channels(SpAudioFormat format)
{
	switch (format)
	{
		case SP_AUDIO_MP3:
			return 2;
		case SP_AUDIO_WAV:
			return SP_AUDIO_MAX_CHANNELS;
		default:
			return 8;
	}
}

static bool
has_bits(const SpEncoderSpec *spec)
{
	if (spec->format == SP_AUDIO_FLAC)
		return spec->bits == 16 || spec->bits == 24;
	if (spec->format == SP_AUDIO_WAV)
		return spec->bits == 16 || spec->bits == 24 || spec->bits == 32;
	return true;
}

static SpStatus
check_spec(const SpEncoderSpec *spec, const SpSpool *sink, SpFault *fault)
{
	const char *name = sp_audio_format_name(spec->format);

	if (spec->channels < 1 || spec->sample_rate_hz < 1 || !(spec->level >= 0) || spec->level > 1 ||
	    !(spec->quality >= 0) || spec->quality > 1 || sp_spool_size(sink) != 0 ||
	    sp_spool_memory(sink) != NULL)
		return sp_fault(fault, SP_ERR_BAD_ARG, NULL, "The encoder was asked the impossible.");
	if (!sp_encoder_writes(spec->format))
		return sp_fault(fault, SP_ERR_UNSUPPORTED, "Use flac, wav, ogg, opus or mp3.",
		                "Format \"%s\" cannot be written.", name);
	if (spec->channels > max_channels(spec->format))
		return sp_fault(fault, SP_ERR_UNSUPPORTED,
		                "Use flac (up to 8 channels) or wav, or mix it down.",
		                "Format \"%s\" takes at most %d channels, not %d.", name,
		                max_channels(spec->format), spec->channels);
	if (spec->format == SP_AUDIO_FLAC && spec->sample_rate_hz > SP_FLAC_MAX_RATE_HZ)
		return sp_fault(fault, SP_ERR_UNSUPPORTED, "Use wav.", "FLAC takes at most %d Hz, not %d.",
		                SP_FLAC_MAX_RATE_HZ, spec->sample_rate_hz);
	if (spec->format == SP_AUDIO_FLAC && spec->frames > FLAC_MAX_FRAMES)
		return sp_fault(fault, SP_ERR_UNSUPPORTED, "Use wav, or cut it into parts.",
		                "FLAC cannot count %lld frames.", (long long) spec->frames);
	if (!has_bits(spec))
		return sp_fault(fault, SP_ERR_UNSUPPORTED, "Use 16 or 24 bits, or 32 (float) for wav.",
		                "Format \"%s\" has no %d bits.", name, spec->bits);
	return SP_OK;
}

static int
library_format(const SpEncoderSpec *spec)
{
	int pcm = spec->bits == 16   ? SF_FORMAT_PCM_16
	          : spec->bits == 24 ? SF_FORMAT_PCM_24
	                             : SF_FORMAT_FLOAT;

	switch (spec->format)
	{
		case SP_AUDIO_WAV:
			return SF_FORMAT_RF64 | pcm;
		case SP_AUDIO_VORBIS:
			return SF_FORMAT_OGG | SF_FORMAT_VORBIS;
		case SP_AUDIO_OPUS:
			return SF_FORMAT_OGG | SF_FORMAT_OPUS;
		default:
			return SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III;
	}
}

/*
 * libsndfile spreads Opus' quality evenly over 6..256 kbit/s a channel; stereo
 * music wants 64..128 kbit/s in all (RFC 7587 section 3.1.1).  Squared and
 * scaled, 0.6 is 65 kbit/s a channel and 1 is 170.
 */
static double
library_quality(const SpEncoderSpec *spec)
{
	if (spec->format == SP_AUDIO_OPUS)
		return 0.65 * spec->quality * spec->quality;
	return spec->quality;
}

/* Why the library or the sink failed. */
static SpStatus
library_failed(SpEncoder *e, SpFault *fault)
{
	SpStatus st = sp_cursor_status(e->cursor);
	const char *why = sf_strerror(e->file);

	if (sp_spool_status(e->sink) != SP_OK)
		return sp_spool_fault(e->sink, fault);
	if (st == SP_ERR_CANCELED)
		return sp_fault(fault, st, NULL, "Canceled while encoding.");
	if (e->flac != NULL || sp_vio_no_memory(why))
		return sp_fault(fault, SP_ERR_NO_MEMORY, NULL, "No memory for the encoder.");
	return sp_fault(fault, SP_ERR_UNSUPPORTED, "Use another format, for example flac or wav.",
	                "The %s encoder refuses %d channels of %d Hz: %.100s",
	                sp_audio_format_name(e->spec.format), e->spec.channels, e->rate_hz, why);
}

static SpStatus
open_library(SpEncoder *e, SpFault *fault)
{
	SF_INFO sf = {
		.samplerate = e->rate_hz, .channels = e->spec.channels, .format = library_format(&e->spec)};
	SF_VIRTUAL_IO io = sp_vio();
	double quality = library_quality(&e->spec);

	e->file = sf_open_virtual(&io, SFM_WRITE, &sf, e->cursor);
	if (e->file == NULL)
		return library_failed(e, fault);
	if (e->spec.format == SP_AUDIO_WAV)
	{
		sf_command(e->file, SFC_RF64_AUTO_DOWNGRADE, NULL, SF_TRUE);
		/* A PEAK chunk carries the time of day: the same samples, another file. */
		sf_command(e->file, SFC_SET_ADD_PEAK_CHUNK, NULL, SF_FALSE);
	}
	else
		sf_command(e->file, SFC_SET_VBR_ENCODING_QUALITY, &quality, sizeof(quality));
	return SP_OK;
}

static SpStatus
open_flac(SpEncoder *e, SpFault *fault)
{
	SpFlacSpec spec = {.sample_rate_hz = e->rate_hz,
	                   .channels = e->spec.channels,
	                   .bits = e->spec.bits,
	                   .level = (int) lround(e->spec.level * SP_FLAC_MAX_LEVEL),
	                   .md5 = e->spec.md5};
	SpStatus st = sp_flac_new(e->env, &spec, e->cursor, &e->flac);

	if (st != SP_OK)
		return sp_fault(fault, st, NULL, "No memory for the encoder.");
	return sp_cursor_status(e->cursor) == SP_OK ? SP_OK : library_failed(e, fault);
}

static SpStatus
build(SpEncoder *e, SpFault *fault)
{
	size_t channels = (size_t) e->spec.channels;

	e->rate_hz = file_rate(&e->spec);
	e->integer =
		(e->spec.format == SP_AUDIO_FLAC || e->spec.format == SP_AUDIO_WAV) && e->spec.bits != 32;
	if (e->integer)
		e->ints = sp_alloc(e->env, BLOCK_FRAMES * channels, sizeof(int32_t));
	if (e->rate_hz != e->spec.sample_rate_hz)
	{
		e->resampled = sp_alloc(e->env, BLOCK_FRAMES * channels, sizeof(float));
		if (sp_resampler_new(e->env, e->spec.sample_rate_hz, e->rate_hz, e->spec.channels,
		                     &e->resampler) != SP_OK)
			return sp_fault(fault, SP_ERR_NO_MEMORY, NULL, "No memory for the resampler.");
	}
	if ((e->integer && e->ints == NULL) || (e->resampler != NULL && e->resampled == NULL) ||
	    sp_cursor_new(e->env, e->sink, 0, -1, &e->cursor) != SP_OK)
		return sp_fault(fault, SP_ERR_NO_MEMORY, NULL, "No memory for the encoder.");
	return e->spec.format == SP_AUDIO_FLAC ? open_flac(e, fault) : open_library(e, fault);
}

SpStatus
sp_encoder_open(const SpEnv *env, const SpEncoderSpec *spec, SpSpool *sink, SpEncoder **out,
                SpFault *fault)
{
	SpEncoder *e;
	SpStatus st;

	*out = NULL;
	st = check_spec(spec, sink, fault);
	if (st != SP_OK)
		return st;
	e = sp_calloc(env, 1, sizeof(SpEncoder));
	if (e == NULL)
		return sp_fault(fault, SP_ERR_NO_MEMORY, NULL, "No memory for the encoder.");
	e->env = env;
	e->spec = *spec;
	e->sink = sink;
	st = build(e, fault);
	if (st != SP_OK)
	{
		sp_encoder_free(e);
		return st;
	}
	*out = e;
	return SP_OK;
}

int
sp_encoder_rate_hz(const SpEncoder *encoder)
{
	return encoder->rate_hz;
}

/* Give n frames of exact integers to the library, which wants them in the top bits. */
static sf_count_t
put_ints(SpEncoder *e, const int32_t *x, sf_count_t n)
{
	int shift = 32 - e->spec.bits;

	if (e->flac != NULL)
		return sp_flac_write(e->flac, x, (size_t) n) == SP_OK ? n : 0;
	for (sf_count_t i = 0; i < n * e->spec.channels; i++)
		e->ints[i] = (int32_t) ((uint32_t) x[i] << shift);
	return sf_writef_int(e->file, e->ints, n);
}

/* One block at the file's rate. */
static SpStatus
put_block(SpEncoder *e, const float *x, size_t frames, SpFault *fault)
{
	sf_count_t n = (sf_count_t) frames;
	sf_count_t put;

	if (sp_should_stop(e->env))
		return sp_fault(fault, SP_ERR_CANCELED, NULL, "Canceled while encoding.");
	if (e->integer)
	{
		sp_quantise(e->ints, x, frames * (size_t) e->spec.channels, e->spec.bits);
		put = put_ints(e, e->ints, n);
	}
	else
		put = sf_writef_float(e->file, x, n);
	if (put != n || sp_cursor_status(e->cursor) != SP_OK)
		return library_failed(e, fault);
	return SP_OK;
}

/* Through the resampler; x == NULL at the end. */
static SpStatus
put_resampled(SpEncoder *e, const float *x, size_t frames, SpFault *fault)
{
	for (;;)
	{
		size_t used;
		size_t made;
		SpStatus st =
			sp_resampler_run(e->resampler, x, frames, &used, e->resampled, BLOCK_FRAMES, &made);

		if (st != SP_OK)
			return sp_fault(fault, st, NULL, "No memory for the resampler.");
		if (made > 0)
			st = put_block(e, e->resampled, made, fault);
		if (st != SP_OK)
			return st;
		if (x != NULL)
		{
			x += used * (size_t) e->spec.channels;
			frames -= used;
		}
		if (made == 0 && (x == NULL || frames == 0))
			return SP_OK;
	}
}

SpStatus
sp_encoder_write(SpEncoder *encoder, const float *x, size_t frames, SpFault *fault)
{
	if (encoder->fed == FED_INT)
		return sp_fault(fault, SP_ERR_BAD_ARG, NULL, "Float samples after integer samples.");
	if (frames > 0)
		encoder->fed = FED_FLOAT;
	while (encoder->status == SP_OK && frames > 0)
	{
		size_t n = frames < BLOCK_FRAMES ? frames : BLOCK_FRAMES;

		encoder->status = encoder->resampler != NULL ? put_resampled(encoder, x, n, fault)
		                                             : put_block(encoder, x, n, fault);
		x += n * (size_t) encoder->spec.channels;
		frames -= n;
	}
	return encoder->status;
}

SpStatus
sp_encoder_write_int(SpEncoder *encoder, const int32_t *x, size_t frames, SpFault *fault)
{
	size_t channels = (size_t) encoder->spec.channels;

	if (!encoder->integer || encoder->fed == FED_FLOAT)
		return sp_fault(fault, SP_ERR_BAD_ARG, NULL, "Integer samples for a float encoder.");
	if (frames > 0)
		encoder->fed = FED_INT;
	while (encoder->status == SP_OK && frames > 0)
	{
		size_t n = frames < BLOCK_FRAMES ? frames : BLOCK_FRAMES;

		if (sp_should_stop(encoder->env))
			return encoder->status =
			           sp_fault(fault, SP_ERR_CANCELED, NULL, "Canceled while encoding.");
		if (put_ints(encoder, x, (sf_count_t) n) != (sf_count_t) n ||
		    sp_cursor_status(encoder->cursor) != SP_OK)
			encoder->status = library_failed(encoder, fault);
		x += n * channels;
		frames -= n;
	}
	return encoder->status;
}

/* The last pages and the final header are written here. */
static SpStatus
close_file(SpEncoder *e, SpFault *fault)
{
	SpStatus st = e->flac != NULL ? sp_flac_finish(e->flac) : SP_OK;

	if (e->file != NULL)
		sf_close(e->file);
	sp_flac_free(e->flac);
	e->file = NULL;
	e->flac = NULL;
	if (sp_spool_status(e->sink) != SP_OK)
		return sp_spool_fault(e->sink, fault);
	if (sp_cursor_status(e->cursor) != SP_OK)
		return sp_fault(fault, sp_cursor_status(e->cursor), NULL,
		                "The end of the file could not be written.");
	return st == SP_OK ? st : sp_fault(fault, st, NULL, "No memory for the encoder.");
}

SpStatus
sp_encoder_finish(SpEncoder *encoder, SpFault *fault)
{
	SpEncoder *e = encoder;

	if (e->status != SP_OK)
		return e->status;
	if (e->fed == FED_NOTHING || (e->file == NULL && e->flac == NULL))
		return sp_fault(fault, SP_ERR_BAD_ARG, NULL, "A file needs at least one frame.");
	if (e->resampler != NULL)
		e->status = put_resampled(e, NULL, 0, fault);
	if (e->status == SP_OK)
		e->status = close_file(e, fault);
	return e->status;
}

void
sp_encoder_free(SpEncoder *encoder)
{
	if (encoder == NULL)
		return;
	if (encoder->file != NULL)
		sf_close(encoder->file);
	sp_flac_free(encoder->flac);
	sp_resampler_free(encoder->resampler);
	sp_cursor_free(encoder->cursor);
	sp_free(encoder->env, encoder->ints);
	sp_free(encoder->env, encoder->resampled);
	sp_free(encoder->env, encoder);
}
