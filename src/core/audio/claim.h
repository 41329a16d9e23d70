/*
 * src/core/audio/claim.h
 *	  What a file says about itself, read before any decoder trusts it.
 *
 * libsndfile repairs what it can: it cuts a claimed length to what is there,
 * skips what it does not understand, steps over damaged Ogg pages and MP3
 * frames.  A database must know instead.  So each container is walked here
 * first, without decoding.  For the PCM containers the walk also finds where
 * the samples lie, and libsndfile then sees those bytes as raw PCM: none of its
 * header parsers meets outside input.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_AUDIO_CLAIM_H
#define SP_AUDIO_CLAIM_H

#include "core/audio/mpeg.h"
#include "core/audio/sniff.h"
#include "core/io/spool.h"

typedef struct SpClaim
{
	double sample_rate_hz; /* as written: may be 0, huge or NaN */
	int64_t channels;
	int64_t frames;     /* -1: unknown */
	int64_t slack;      /* frames that may be missing of that */
	int64_t data_start; /* of the part that the decoder shall see, in the cursor */
	int64_t data_bytes;
	int bits; /* integer PCM: 8..32, else 0 */
	int pcm;  /* libsndfile's subtype and endianness of raw data, 0: not raw */
	bool lossy;
	char codec[24];
	size_t prefix_bytes; /* MP3: an info frame of ours that goes in front */
	uint8_t prefix[SP_MPEG_MAX_FRAME];
} SpClaim;

/*
 * Walk the content that cursor shows (from sp_sniff's audio_start on).
 * Channels and rate are handed on unchecked; sizes, and whether the claimed
 * bytes are there, are checked.  SP_ERR_BAD_DATA, SP_ERR_UNSUPPORTED, SP_ERR_IO,
 * SP_ERR_NO_MEMORY or SP_ERR_CANCELED with fault.
 */
SpStatus sp_claim(const SpEnv *env, SpCursor *cursor, SpAudioFormat format, SpClaim *claim,
                  SpFault *fault);

/* The walks, one for each family. */
SpStatus sp_claim_riff(SpCursor *cursor, SpClaim *claim, SpFault *fault);
SpStatus sp_claim_w64(SpCursor *cursor, SpClaim *claim, SpFault *fault);
SpStatus sp_claim_aiff(SpCursor *cursor, SpClaim *claim, SpFault *fault);
SpStatus sp_claim_caf(SpCursor *cursor, SpClaim *claim, SpFault *fault);
SpStatus sp_claim_flac(SpCursor *cursor, SpClaim *claim, SpFault *fault);
SpStatus sp_claim_ogg(const SpEnv *env, SpCursor *cursor, SpAudioFormat format, SpClaim *claim,
                      SpFault *fault);
SpStatus sp_claim_mpeg(SpCursor *cursor, SpClaim *claim, SpFault *fault);

/* For the walks. */

/* A chunked file with more chunks before its samples than this is hostile. */
#define SP_CLAIM_MAX_CHUNKS 1024

#define SP_CLAIM_CUT_HINT                                                       \
	"The file may have been cut off: get it again, or save what is there with " \
	"ffmpeg -i input output.flac"

/* Read exactly n bytes at position; false at the end, on failure and on cancel. */
bool sp_claim_get(SpCursor *cursor, int64_t position, void *buf, size_t n);

/* The answer when sp_claim_get failed: I/O, cancel, or a file that ends too early. */
SpStatus sp_claim_ended(SpCursor *cursor, const char *where, SpFault *fault);

typedef enum SpSampleKind
{
	SP_KIND_SIGNED,
	SP_KIND_UNSIGNED, /* 8 bits only */
	SP_KIND_FLOAT,
	SP_KIND_ULAW,
	SP_KIND_ALAW
} SpSampleKind;

/*
 * Fill codec, bits, pcm, frames and data_* for raw samples at data_start, of
 * which the header claims claimed_bytes (-1: unknown), frame_bytes (0: derive)
 * for each frame.  Checks that they fit together and are there.
 */
SpStatus sp_claim_pcm(SpCursor *cursor, SpClaim *claim, SpSampleKind kind, int bits,
                      bool big_endian, int64_t frame_bytes, int64_t data_start,
                      int64_t claimed_bytes, SpFault *fault);

#endif /* SP_AUDIO_CLAIM_H */
