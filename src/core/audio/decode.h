/*
 * src/core/audio/decode.h
 *	  SpDecoder: bytes in, interleaved float samples out, in blocks.
 *
 * Words: a sample is one number of one channel, a frame is one sample of each
 * channel; durations count frames.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_AUDIO_DECODE_H
#define SP_AUDIO_DECODE_H

#include "core/audio/sniff.h"
#include "core/io/spool.h"

/* What we are willing to decode.  0 in max_bytes, max_seconds: no limit. */
typedef struct SpAudioLimits
{
	int64_t max_bytes;  /* of the encoded content */
	double max_seconds; /* of the decoded audio: claimed and counted */
	int max_channels;   /* 1..SP_AUDIO_MAX_CHANNELS */
	int min_rate_hz;
	int max_rate_hz;
} SpAudioLimits;

/* Bounds our buffers; 22.2 surround has 24, a large microphone array 64. */
#define SP_AUDIO_MAX_CHANNELS 64

/*
 * No limit of bytes or seconds, SP_AUDIO_MAX_CHANNELS, 1000..768000 Hz
 * (768 kHz: the fastest converters sold, 16 x 48 kHz).
 */
SpAudioLimits sp_audio_default_limits(void);

/*
 * The largest |sample| that we accept: a float file scaled like 16-bit
 * integers is still music, 1e30 would overflow to infinity in a spectrum.
 */
#define SP_AUDIO_MAX_SAMPLE 65536.0f

typedef struct SpAudioInfo
{
	SpAudioFormat format;
	char codec[24];     /* "pcm_16", "pcm_24", "float", "vorbis", "mpeg_layer_3", ... */
	int bits;           /* a sample's bits if integer PCM (also in FLAC), else 0 */
	int sample_rate_hz; /* of the samples that sp_decoder_read gives */
	int channels;
	int64_t frames; /* that the file claims; -1: it does not say */
	bool lossy;
} SpAudioInfo;

typedef struct SpDecoder SpDecoder;

/*
 * Look at the content of spool and get ready to read.  The spool and env must
 * outlive the decoder.  Everything that a header claims is checked before
 * first use.  On failure *out is NULL and fault is filled:
 *
 * SP_ERR_BAD_DATA		damaged, truncated, or a claim that cannot be true
 * SP_ERR_UNSUPPORTED	recognised, but not handled (see sp_sniff)
 * SP_ERR_TOO_LARGE		beyond limits
 * SP_ERR_NO_MEMORY, SP_ERR_IO, SP_ERR_CANCELED
 */
SpStatus sp_decoder_open(const SpEnv *env, SpSpool *spool, const SpAudioLimits *limits,
                         SpDecoder **out, SpFault *fault);

/* Valid until sp_decoder_free. */
const SpAudioInfo *sp_decoder_info(const SpDecoder *decoder);

/*
 * Read up to frames frames (> 0) into out[frames * channels].  *got is less
 * than frames only at the end; 0 is the end and SP_OK.
 *
 * Integer PCM of up to 24 bits arrives exactly: value / 2^(bits - 1).  Samples
 * of float and lossy content may exceed [-1, 1] but are finite, and no larger
 * than SP_AUDIO_MAX_SAMPLE.
 *
 * The end is checked.  SP_ERR_BAD_DATA when the content holds less than it
 * claims, when it is damaged in between, when a sample is NaN, infinite or
 * beyond SP_AUDIO_MAX_SAMPLE (detail names the first frame), or when there is
 * no audio at all.  SP_ERR_TOO_LARGE as soon as more than max_seconds were
 * decoded, whatever was claimed.  After any error the decoder repeats it.
 *
 * "Less than it claims", by format: WAV, W64, AIFF, CAF and FLAC by one frame;
 * MP3 by more than two MPEG frames of what a Xing or VBRI header counts (an
 * incomplete last frame alone is common, and harmless); Ogg by an incomplete
 * page or packet at the end, or a final position that is not reached.  A FLAC
 * that goes on behind the frames it claims is refused too.  WAV,
 * RF64 and CAF whose length field says "unknown" claim nothing.
 */
SpStatus sp_decoder_read(SpDecoder *decoder, float *out, size_t frames, size_t *got,
                         SpFault *fault);

/* Frames given so far. */
int64_t sp_decoder_position(const SpDecoder *decoder);

/* NULL is fine. */
void sp_decoder_free(SpDecoder *decoder);

#endif /* SP_AUDIO_DECODE_H */
