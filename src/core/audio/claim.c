/*
 * src/core/audio/claim.c
 *	  What a file says about itself: dispatch, raw samples, FLAC.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/audio/claim.h"

#include <sndfile.h>
#include <stdio.h>

#include "core/audio/bytes.h"

SpStatus
sp_claim(const SpEnv *env, SpCursor *cursor, SpAudioFormat format, SpClaim *claim, SpFault *fault)
{
	*claim = (SpClaim){.frames = -1, .data_bytes = sp_cursor_size(cursor)};
	switch (format)
	{
		case SP_AUDIO_WAV:
			return sp_claim_riff(cursor, claim, fault);
		case SP_AUDIO_W64:
			return sp_claim_w64(cursor, claim, fault);
		case SP_AUDIO_AIFF:
			return sp_claim_aiff(cursor, claim, fault);
		case SP_AUDIO_CAF:
			return sp_claim_caf(cursor, claim, fault);
		case SP_AUDIO_FLAC:
			return sp_claim_flac(cursor, claim, fault);
		case SP_AUDIO_VORBIS:
		case SP_AUDIO_OPUS:
			return sp_claim_ogg(env, cursor, format, claim, fault);
		case SP_AUDIO_MP3:
			return sp_claim_mpeg(cursor, claim, fault);
		case SP_AUDIO_NONE:
			break;
	}
	return sp_fault(fault, SP_ERR_BAD_ARG, NULL, "No such format.");
}

bool
sp_claim_get(SpCursor *cursor, int64_t position, void *buf, size_t n)
{
	return sp_cursor_seek(cursor, position) && sp_cursor_read(cursor, buf, n) == n;
}

SpStatus
sp_claim_ended(SpCursor *cursor, const char *where, SpFault *fault)
{
	SpStatus st = sp_cursor_status(cursor);

	if (st == SP_ERR_CANCELED)
		return sp_fault(fault, st, NULL, "Canceled while reading the content.");
	if (st != SP_OK)
		return sp_fault(fault, st, "Look at the disk that holds temporary files.",
		                "The content could not be read back.");
	return sp_fault(fault, SP_ERR_BAD_DATA, SP_CLAIM_CUT_HINT, "The content ends in its %s.",
	                where);
}

/* libsndfile's name for the samples; 0 if it has none. */
static int
raw_subtype(SpSampleKind kind, int bytes)
{
	switch (kind)
	{
		case SP_KIND_SIGNED:
			return bytes == 1   ? SF_FORMAT_PCM_S8
			       : bytes == 2 ? SF_FORMAT_PCM_16
			       : bytes == 3 ? SF_FORMAT_PCM_24
			       : bytes == 4 ? SF_FORMAT_PCM_32
			                    : 0;
		case SP_KIND_UNSIGNED:
			return bytes == 1 ? SF_FORMAT_PCM_U8 : 0;
		case SP_KIND_FLOAT:
			return bytes == 4 ? SF_FORMAT_FLOAT : bytes == 8 ? SF_FORMAT_DOUBLE : 0;
		case SP_KIND_ULAW:
			return bytes == 1 ? SF_FORMAT_ULAW : 0;
		case SP_KIND_ALAW:
			return bytes == 1 ? SF_FORMAT_ALAW : 0;
	}
	return 0;
}

static void
name_codec(SpClaim *claim, SpSampleKind kind, int bytes)
{
	bool integer = kind == SP_KIND_SIGNED || kind == SP_KIND_UNSIGNED;

	claim->bits = integer ? bytes * 8 : 0;
	claim->lossy = kind == SP_KIND_ULAW || kind == SP_KIND_ALAW;
	if (integer)
		snprintf(claim->codec, sizeof(claim->codec), "pcm_%d", bytes * 8);
	else
		snprintf(claim->codec, sizeof(claim->codec), "%s",
		         kind == SP_KIND_FLOAT  ? (bytes == 8 ? "double" : "float")
		         : kind == SP_KIND_ULAW ? "ulaw"
		                                : "alaw");
}

SpStatus
sp_claim_pcm(SpCursor *cursor, SpClaim *claim, SpSampleKind kind, int bits, bool big_endian,
             int64_t frame_bytes, int64_t data_start, int64_t claimed_bytes, SpFault *fault)
{
	int bytes = (bits + 7) / 8;
	int64_t present = sp_cursor_size(cursor) - data_start;
	int subtype = raw_subtype(kind, bytes);

	/* 65535: more than any of these headers can honestly say, and no overflow below. */
	if (bits < 1 || subtype == 0 || claim->channels < 1 || claim->channels > 65535 ||
	    (frame_bytes != 0 && frame_bytes != claim->channels * bytes))
		return sp_fault(
			fault, SP_ERR_BAD_DATA, "The header is damaged; get the file again.",
			"The header contradicts itself: %lld channels, %d bits, %lld bytes a frame.",
			(long long) claim->channels, bits, (long long) frame_bytes);
	frame_bytes = claim->channels * bytes;
	if (claimed_bytes > present)
		return sp_fault(fault, SP_ERR_BAD_DATA, SP_CLAIM_CUT_HINT,
		                "The header claims %lld frames, but the content holds only %lld.",
		                (long long) (claimed_bytes / frame_bytes),
		                (long long) (present > 0 ? present / frame_bytes : 0));
	name_codec(claim, kind, bytes);
	claim->pcm = subtype | (big_endian ? SF_ENDIAN_BIG : SF_ENDIAN_LITTLE);
	claim->data_start = data_start;
	claim->data_bytes = (claimed_bytes >= 0 ? claimed_bytes : present > 0 ? present : 0);
	claim->data_bytes -= claim->data_bytes % frame_bytes;
	claim->frames = claim->data_bytes / frame_bytes;
	return SP_OK;
}

/* FLAC's STREAMINFO block (34 bytes, RFC 9639 section 8.2). */
static SpStatus
read_streaminfo(const uint8_t *block, SpClaim *claim, SpFault *fault)
{
	uint64_t packed = get_be64(block + 10);
	int64_t frames = (int64_t) (packed & 0xFFFFFFFFF);
	int bits = (int) (packed >> 36 & 31) + 1;

	claim->sample_rate_hz = (double) (packed >> 44);
	claim->channels = (int64_t) (packed >> 41 & 7) + 1;
	claim->frames = frames > 0 ? frames : -1;
	claim->bits = bits;
	snprintf(claim->codec, sizeof(claim->codec), "pcm_%d", bits);
	/* What libsndfile 1.2 decodes. */
	if (bits != 8 && bits != 16 && bits != 24)
		return sp_fault(
			fault, SP_ERR_UNSUPPORTED, "Convert it first, for example: flac -d in.flac -o out.wav",
			"The content is FLAC with %d bits a sample; 8, 16 and 24 are supported.", bits);
	return SP_OK;
}

SpStatus
sp_claim_flac(SpCursor *cursor, SpClaim *claim, SpFault *fault)
{
	uint8_t head[8 + 34];

	if (!sp_claim_get(cursor, 0, head, sizeof(head)))
		return sp_claim_ended(cursor, "FLAC stream info", fault);
	/* The first metadata block is STREAMINFO, type 0, 34 bytes; the top bit marks the last block. */
	if ((head[4] & 0x7F) != 0 || (get_be32(head + 4) & 0xFFFFFF) != 34)
		return sp_fault(fault, SP_ERR_BAD_DATA, "The file is damaged; get it again.",
		                "The FLAC content does not begin with its stream info.");
	return read_streaminfo(head + 8, claim, fault);
}
