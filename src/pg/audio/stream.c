/*
 * src/pg/audio/stream.c
 *	  Decoding and encoding, with errors raised and handles owned.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "pg/audio/audio.h"
#include "pg/seam.h"

static void
release_decoder(void *decoder)
{
	sp_decoder_free(decoder);
}

SpDecoder *
sp_audio_open(SpSpool *spool, const SpAudioLimits *limits)
{
	SpAudioLimits stored = sp_audio_default_limits();
	SpFault fault = {0};
	SpDecoder *decoder;

	sp_pg_check(sp_decoder_open(sp_pg_env(), spool, limits ? limits : &stored, &decoder, &fault),
	            "audio", &fault);
	sp_pg_own(decoder, release_decoder);
	return decoder;
}

size_t
sp_audio_read(SpDecoder *decoder, float *block, size_t frames)
{
	SpFault fault = {0};
	size_t got;

	CHECK_FOR_INTERRUPTS();
	sp_pg_check(sp_decoder_read(decoder, block, frames, &got, &fault), "audio", &fault);
	return got;
}

static void
release_encoder(void *encoder)
{
	sp_encoder_free(encoder);
}

SpEncoder *
sp_audio_encoder(const SpEncoderSpec *spec, SpSpool *sink)
{
	SpFault fault = {0};
	SpEncoder *encoder;

	sp_pg_check(sp_encoder_open(sp_pg_env(), spec, sink, &encoder, &fault), "audio for encoding",
	            &fault);
	sp_pg_own(encoder, release_encoder);
	return encoder;
}

void
sp_audio_write(SpEncoder *encoder, const float *block, size_t frames)
{
	SpFault fault = {0};

	sp_pg_check(sp_encoder_write(encoder, block, frames, &fault), "encoded audio", &fault);
}

void
sp_audio_write_int(SpEncoder *encoder, const int32 *block, size_t frames)
{
	SpFault fault = {0};

	sp_pg_check(sp_encoder_write_int(encoder, block, frames, &fault), "encoded audio", &fault);
}

void
sp_audio_finish(SpEncoder *encoder)
{
	SpFault fault = {0};

	sp_pg_check(sp_encoder_finish(encoder, &fault), "encoded audio", &fault);
}

SpAudioFacts
sp_audio_examine(SpSpool *spool)
{
	SpAudioLimits limits = sp_audio_limits();
	SpDecoder *decoder = sp_audio_open(spool, &limits);
	const SpAudioInfo *info = sp_decoder_info(decoder);
	float *block = palloc(sizeof(float) * SP_AUDIO_BLOCK * info->channels);
	SpAudioFacts facts = {
		.format = info->format,
		.sample_rate_hz = info->sample_rate_hz,
		.channels = info->channels,
	};
	SpMeasure measure;
	size_t got;

	strlcpy(facts.codec, info->codec, sizeof(facts.codec));
	sp_measure_init(&measure, info->channels);
	while ((got = sp_audio_read(decoder, block, SP_AUDIO_BLOCK)) > 0)
		sp_measure_push(&measure, block, got);
	facts.frames = measure.frames;
	facts.peak_db = sp_measure_peak_db(&measure);
	facts.rms_db = sp_measure_rms_db(&measure);
	pfree(block);
	return facts;
}

/*
 * Bits of the integer formats that lose nothing worth keeping: what the source
 * has, and 16 for what never had a depth.
 */
static int
encoded_bits(const SpAudioInfo *info)
{
	if (info->bits > 16 || (!info->lossy && info->bits == 0))
		return 24;
	return 16;
}

SpSpool *
sp_audio_convert(SpSpool *content, SpAudioFormat have, SpAudioFormat want, SpAudioTick tick,
                 void *arg)
{
	SpDecoder *decoder;
	const SpAudioInfo *info;
	SpEncoderSpec spec;
	SpEncoder *encoder;
	SpSpool *sink;
	float *block;
	size_t got;

	if (have == want)
		return content;
	decoder = sp_audio_open(content, NULL);
	info = sp_decoder_info(decoder);
	spec = sp_encoder_default(want, info->sample_rate_hz, info->channels);
	spec.bits = encoded_bits(info);
	spec.frames = info->frames;
	sink = sp_audio_new_spool();
	encoder = sp_audio_encoder(&spec, sink);
	block = palloc(sizeof(float) * SP_AUDIO_BLOCK * info->channels);
	while ((got = sp_audio_read(decoder, block, SP_AUDIO_BLOCK)) > 0)
	{
		sp_audio_write(encoder, block, got);
		if (tick != NULL)
			tick(arg,
			     info->frames > 0 ? (double) sp_decoder_position(decoder) / info->frames : NAN);
	}
	sp_audio_finish(encoder);
	pfree(block);
	return sink;
}
