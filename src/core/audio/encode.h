/*
 * src/core/audio/encode.h
 *	  SpEncoder: interleaved samples in, an audio file in a spool out.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_AUDIO_ENCODE_H
#define SP_AUDIO_ENCODE_H

#include "core/audio/sniff.h"
#include "core/io/spool.h"

/* What to write.  Start from sp_encoder_default. */
typedef struct SpEncoderSpec
{
	SpAudioFormat format; /* FLAC, WAV, VORBIS, OPUS or MP3 */
	int sample_rate_hz;   /* of the samples that the caller writes */
	int channels;
	int bits;       /* FLAC: 16, 24; WAV: 16, 24, 32 (float); ignored otherwise */
	double level;   /* FLAC's effort, 0 (fast) .. 1 (small) */
	bool md5;       /* FLAC: of the samples, into the head */
	double quality; /* Vorbis, Opus, MP3: 0 (small) .. 1 (good) */
	int64_t frames; /* that will come, -1: unknown; FLAC refuses 2^36 and more at once */
} SpEncoderSpec;

/*
 * 16 bits; level 0.25 (see encode.c for the table); quality 0.6: for stereo at
 * 44.1 kHz about 190 kbit/s in Vorbis, 130 in Opus, 145 in MP3.
 */
SpEncoderSpec sp_encoder_default(SpAudioFormat format, int sample_rate_hz, int channels);

/* Can this format be written? */
bool sp_encoder_writes(SpAudioFormat format);

typedef struct SpEncoder SpEncoder;

/*
 * Begin a file at position 0 of sink, an empty file spool that must outlive
 * the encoder, as must env.
 *
 * Rates that a format does not know are resampled on the way (SoXR HQ): Opus
 * knows 8, 12, 16, 24, 48 kHz, MP3 8, 11.025, 12, 16, 22.05, 24, 32, 44.1,
 * 48 kHz, Vorbis 8..192 kHz; others become the next higher known rate, or the
 * highest.  FLAC takes 1 Hz..655350 Hz, WAV any rate.
 *
 * SP_ERR_UNSUPPORTED with fault: a format that is not written, more channels
 * than the format takes (MP3 2, FLAC 8, Vorbis and Opus 8, WAV
 * SP_AUDIO_MAX_CHANNELS), a rate beyond FLAC's, bits that it has not.
 * SP_ERR_BAD_ARG: channels < 1, rate < 1, level or quality outside 0..1, sink
 * not empty or read-only.
 */
SpStatus sp_encoder_open(const SpEnv *env, const SpEncoderSpec *spec, SpSpool *sink,
                         SpEncoder **out, SpFault *fault);

/* The rate of the written file. */
int sp_encoder_rate_hz(const SpEncoder *encoder);

/*
 * Write frames frames x[frames * channels], which must be finite.  Integer
 * targets get round-half-to-even of x * 2^(bits - 1), clamped to their range.
 * No dither: what is stored must be repeatable bit by bit (content is
 * deduplicated by its hash), stems must add up to their mix exactly, and at 16
 * bits the error without dither is -98 dB.
 */
SpStatus sp_encoder_write(SpEncoder *encoder, const float *x, size_t frames, SpFault *fault);

/*
 * The same from integers of exactly `bits` bits, -2^(bits-1) .. 2^(bits-1) - 1,
 * which reach the file unchanged.  Only FLAC and WAV with bits 16 or 24, and
 * not mixed with sp_encoder_write; SP_ERR_BAD_ARG otherwise.
 */
SpStatus sp_encoder_write_int(SpEncoder *encoder, const int32_t *x, size_t frames, SpFault *fault);

/*
 * Complete the file.  Until this has answered SP_OK the sink holds no valid
 * file.  SP_ERR_TOO_LARGE when the sink is full, SP_ERR_IO, SP_ERR_NO_MEMORY,
 * SP_ERR_CANCELED.  A file without a frame is SP_ERR_BAD_ARG.
 */
SpStatus sp_encoder_finish(SpEncoder *encoder, SpFault *fault);

/* Also in the middle of a file; NULL is fine. */
void sp_encoder_free(SpEncoder *encoder);

#endif /* SP_AUDIO_ENCODE_H */
