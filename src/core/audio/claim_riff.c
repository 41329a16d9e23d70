/*
 * src/core/audio/claim_riff.c
 *	  Walks of WAV (RIFF, RIFX, RF64, BW64) and Sony Wave64.
 *
 * Sources: Multimedia Programming Interface and Data Specifications 1.0 (RIFF),
 * EBU Tech 3306 (RF64), ITU-R BS.2088 (BW64: RF64 under another name), Sony
 * Wave64 specification.
 *
 * The size of the whole RIFF is not looked at: nothing needs it, and recorders
 * that were switched off leave it at 0.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/audio/bytes.h"
#include "core/audio/claim.h"

/* Format tags, mmreg.h. */
#define TAG_PCM        1
#define TAG_FLOAT      3
#define TAG_ALAW       6
#define TAG_ULAW       7
#define TAG_EXTENSIBLE 0xFFFE

typedef struct Fmt
{
	bool seen;
	unsigned tag;
	unsigned channels;
	uint32_t rate_hz;
	unsigned block_align;
	unsigned bits;
} Fmt;

/* The rest of a WAVE_FORMAT_EXTENSIBLE GUID whose first two bytes are a format tag. */
static const uint8_t GUID_TAIL[14] = {0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80,
                                      0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71};

/* p holds n >= 16 bytes of a fmt chunk. */
static void
parse_fmt(Fmt *fmt, const uint8_t *p, size_t n, bool big)
{
	fmt->seen = true;
	fmt->tag = big ? get_be16(p) : get_le16(p);
	fmt->channels = big ? get_be16(p + 2) : get_le16(p + 2);
	fmt->rate_hz = big ? get_be32(p + 4) : get_le32(p + 4);
	fmt->block_align = big ? get_be16(p + 12) : get_le16(p + 12);
	fmt->bits = big ? get_be16(p + 14) : get_le16(p + 14);
	if (fmt->tag == TAG_EXTENSIBLE && n >= 40 && memcmp(p + 26, GUID_TAIL, 14) == 0)
		fmt->tag = get_le16(p + 24);
}

static const char *
codec_of_tag(unsigned tag)
{
	switch (tag)
	{
		case 0x02:
		case 0x11:
			return "ADPCM";
		case 0x31:
			return "GSM 6.10";
		case 0x50:
		case 0x55:
			return "MPEG audio";
		case 0x92:
		case 0x2000:
			return "Dolby AC-3";
		default:
			return "an unknown codec";
	}
}

static SpStatus
claim_wave(SpCursor *cursor, SpClaim *claim, const Fmt *fmt, bool big, int64_t start, int64_t bytes,
           SpFault *fault)
{
	SpSampleKind kind;

	if (!fmt->seen)
		return sp_fault(fault, SP_ERR_BAD_DATA, "The header is damaged; get the file again.",
		                "The WAV content has samples before it says what they are.");
	switch (fmt->tag)
	{
		case TAG_PCM:
			kind = fmt->bits <= 8 ? SP_KIND_UNSIGNED : SP_KIND_SIGNED;
			break;
		case TAG_FLOAT:
			kind = SP_KIND_FLOAT;
			break;
		case TAG_ALAW:
			kind = SP_KIND_ALAW;
			break;
		case TAG_ULAW:
			kind = SP_KIND_ULAW;
			break;
		default:
			return sp_fault(fault, SP_ERR_UNSUPPORTED,
			                "Convert it first, for example: ffmpeg -i in.wav out.flac",
			                "The WAV content holds %s (format tag 0x%04X), not PCM.",
			                codec_of_tag(fmt->tag), fmt->tag);
	}
	claim->channels = fmt->channels;
	claim->sample_rate_hz = fmt->rate_hz;
	return sp_claim_pcm(cursor, claim, kind, (int) fmt->bits, big, fmt->block_align, start, bytes,
	                    fault);
}

static SpStatus
missing_data(SpFault *fault)
{
	return sp_fault(fault, SP_ERR_BAD_DATA, SP_CLAIM_CUT_HINT,
	                "The content has a WAV header, but no samples.");
}

/* Read a fmt chunk of size bytes at position. */
static SpStatus
read_fmt(SpCursor *cursor, Fmt *fmt, int64_t position, uint64_t size, bool big, SpFault *fault)
{
	uint8_t p[40];
	size_t n = size < sizeof(p) ? (size_t) size : sizeof(p);

	if (size < 16)
		return sp_fault(fault, SP_ERR_BAD_DATA, "The header is damaged; get the file again.",
		                "The WAV header has a format chunk of only %d bytes.", (int) size);
	if (!sp_claim_get(cursor, position, p, n))
		return sp_claim_ended(cursor, "WAV header", fault);
	parse_fmt(fmt, p, n, big);
	return SP_OK;
}

SpStatus
sp_claim_riff(SpCursor *cursor, SpClaim *claim, SpFault *fault)
{
	Fmt fmt = {0};
	uint8_t h[16];
	int64_t at = 12;
	int64_t long_size = -1; /* of the samples, from RF64's ds64 chunk */
	bool big;
	SpStatus st;

	if (!sp_claim_get(cursor, 0, h, 12))
		return sp_claim_ended(cursor, "WAV header", fault);
	big = is_tag(h, "RIFX");
	for (int i = 0; i < SP_CLAIM_MAX_CHUNKS; i++)
	{
		uint32_t size;

		if (!sp_claim_get(cursor, at, h, 8))
			return sp_cursor_status(cursor) == SP_OK ? missing_data(fault)
			                                         : sp_claim_ended(cursor, "WAV header", fault);
		at += 8;
		size = big ? get_be32(h + 4) : get_le32(h + 4);
		if (is_tag(h, "data"))
			/* All ones: see ds64, or (a stream written to a pipe) until the end. */
			return claim_wave(cursor, claim, &fmt, big, at,
			                  size == UINT32_MAX ? long_size : (int64_t) size, fault);
		if (is_tag(h, "fmt "))
		{
			st = read_fmt(cursor, &fmt, at, size, big, fault);
			if (st != SP_OK)
				return st;
		}
		else if (is_tag(h, "ds64"))
		{
			/* riff size, then data size; beyond 2^63 it says "unknown" */
			if (!sp_claim_get(cursor, at, h, 16))
				return sp_claim_ended(cursor, "RF64 header", fault);
			long_size = (int64_t) get_le64(h + 8);
			if (long_size < 0)
				long_size = -1;
		}
		at += (int64_t) size + (size & 1);
	}
	return missing_data(fault);
}

SpStatus
sp_claim_w64(SpCursor *cursor, SpClaim *claim, SpFault *fault)
{
	Fmt fmt = {0};
	uint8_t h[24];
	int64_t at = 40; /* riff GUID, size, wave GUID */

	for (int i = 0; i < SP_CLAIM_MAX_CHUNKS; i++)
	{
		uint64_t size;

		if (!sp_claim_get(cursor, at, h, sizeof(h)))
			return sp_cursor_status(cursor) == SP_OK ? missing_data(fault)
			                                         : sp_claim_ended(cursor, "W64 header", fault);
		size = get_le64(h + 16); /* counts these 24 bytes too */
		if (size < 24 || size > INT64_MAX - 64 || at > INT64_MAX - 64 - (int64_t) size)
			return sp_fault(fault, SP_ERR_BAD_DATA, "The header is damaged; get the file again.",
			                "The W64 header has a chunk of impossible size.");
		if (is_tag(h, "data"))
			return claim_wave(cursor, claim, &fmt, false, at + 24, (int64_t) size - 24, fault);
		if (is_tag(h, "fmt "))
		{
			SpStatus st = read_fmt(cursor, &fmt, at + 24, size - 24, false, fault);

			if (st != SP_OK)
				return st;
		}
		at += (int64_t) ((size + 7) & ~(uint64_t) 7);
	}
	return missing_data(fault);
}
