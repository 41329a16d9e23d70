/*
 * src/core/audio/claim_iff.c
 *	  Walks of AIFF, AIFC and CAF: Apple's chunked files, big-endian.
 *
 * Sources: Audio Interchange File Format 1.3 and AIFF-C draft (Apple, 1989 and
 * 1991), Core Audio Format Specification 1.0.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>

#include "core/audio/bytes.h"
#include "core/audio/claim.h"

typedef struct Codec
{
	char tag[5];
	SpSampleKind kind;
	int bits; /* 0: as the header says */
	bool little_endian;
} Codec;

static const Codec CODECS[] = {
	{"NONE", SP_KIND_SIGNED, 0, false},  {"twos", SP_KIND_SIGNED, 0, false},
	{"sowt", SP_KIND_SIGNED, 0, true},   {"raw ", SP_KIND_UNSIGNED, 8, false},
	{"in24", SP_KIND_SIGNED, 24, false}, {"in32", SP_KIND_SIGNED, 32, false},
	{"42ni", SP_KIND_SIGNED, 24, true},  {"23ni", SP_KIND_SIGNED, 32, true},
	{"fl32", SP_KIND_FLOAT, 32, false},  {"FL32", SP_KIND_FLOAT, 32, false},
	{"fl64", SP_KIND_FLOAT, 64, false},  {"FL64", SP_KIND_FLOAT, 64, false},
	{"ulaw", SP_KIND_ULAW, 8, false},    {"ULAW", SP_KIND_ULAW, 8, false},
	{"alaw", SP_KIND_ALAW, 8, false},    {"ALAW", SP_KIND_ALAW, 8, false},
};

static const Codec *
find_codec(const uint8_t *tag)
{
	for (size_t i = 0; i < sizeof(CODECS) / sizeof(CODECS[0]); i++)
		if (is_tag(tag, CODECS[i].tag))
			return &CODECS[i];
	return NULL;
}

static SpStatus
refuse_codec(const uint8_t *tag, const char *container, SpFault *fault)
{
	char name[5] = "";

	for (int i = 0; i < 4; i++)
		name[i] = tag[i] >= 0x20 && tag[i] < 0x7F ? (char) tag[i] : '?';
	return sp_fault(fault, SP_ERR_UNSUPPORTED,
	                "Convert it first, for example: ffmpeg -i input output.flac",
	                "The %s content is compressed with codec \"%s\", not PCM.", container, name);
}

/* IEEE 754 extended precision: sign and exponent 16 bits, mantissa with explicit one. */
static double
get_extended(const uint8_t *p)
{
	int exponent = get_be16(p) & 0x7FFF;
	double value = ldexp((double) get_be64(p + 2), exponent - 16383 - 63);

	return p[0] & 0x80 ? -value : value;
}

typedef struct Aiff
{
	bool has_comm;
	uint32_t frames;
	const Codec *codec;
	int bits;
	int64_t data_start; /* -1: not seen */
	int64_t data_bytes;
} Aiff;

static SpStatus
read_comm(SpCursor *cursor, SpClaim *claim, Aiff *aiff, int64_t at, uint32_t size, bool aifc,
          SpFault *fault)
{
	uint8_t p[22];
	size_t n = aifc ? 22 : 18;

	if (size < n)
		return sp_fault(fault, SP_ERR_BAD_DATA, "The header is damaged; get the file again.",
		                "The AIFF header has a COMM chunk of only %u bytes.", size);
	if (!sp_claim_get(cursor, at, p, n))
		return sp_claim_ended(cursor, "AIFF header", fault);
	aiff->codec = aifc ? find_codec(p + 18) : &CODECS[0];
	if (aiff->codec == NULL)
		return refuse_codec(p + 18, "AIFF", fault);
	aiff->has_comm = true;
	claim->channels = get_be16(p);
	aiff->frames = get_be32(p + 2);
	aiff->bits = aiff->codec->bits != 0 ? aiff->codec->bits : get_be16(p + 6);
	claim->sample_rate_hz = get_extended(p + 8);
	return SP_OK;
}

static SpStatus
claim_aiff(SpCursor *cursor, SpClaim *claim, const Aiff *aiff, SpFault *fault)
{
	int64_t frame_bytes = claim->channels * ((aiff->bits + 7) / 8);
	int64_t bytes = frame_bytes * aiff->frames;

	if (aiff->data_start >= 0 && bytes > aiff->data_bytes)
		return sp_fault(fault, SP_ERR_BAD_DATA, SP_CLAIM_CUT_HINT,
		                "The AIFF header claims %u frames, but its samples are %lld bytes.",
		                aiff->frames, (long long) aiff->data_bytes);
	return sp_claim_pcm(cursor, claim, aiff->codec->kind, aiff->bits, !aiff->codec->little_endian,
	                    0, aiff->data_start >= 0 ? aiff->data_start : 0, bytes, fault);
}

SpStatus
sp_claim_aiff(SpCursor *cursor, SpClaim *claim, SpFault *fault)
{
	Aiff aiff = {.data_start = -1};
	uint8_t h[12];
	int64_t at = 12;
	bool aifc;

	if (!sp_claim_get(cursor, 0, h, 12))
		return sp_claim_ended(cursor, "AIFF header", fault);
	aifc = is_tag(h + 8, "AIFC");
	/* COMM may follow SSND, so the walk goes on until both were seen. */
	for (int i = 0; i < SP_CLAIM_MAX_CHUNKS && !(aiff.has_comm && aiff.data_start >= 0); i++)
	{
		uint32_t size;

		if (!sp_claim_get(cursor, at, h, 8))
			break;
		at += 8;
		size = get_be32(h + 4);
		if (is_tag(h, "COMM"))
		{
			SpStatus st = read_comm(cursor, claim, &aiff, at, size, aifc, fault);

			if (st != SP_OK)
				return st;
		}
		else if (is_tag(h, "SSND") && size >= 8)
		{
			uint32_t offset;

			if (!sp_claim_get(cursor, at, h, 8))
				break;
			offset = get_be32(h);
			aiff.data_start = at + 8 + offset;
			aiff.data_bytes = (int64_t) size - 8 - offset;
		}
		at += (int64_t) size + (size & 1);
	}
	if (sp_cursor_status(cursor) != SP_OK)
		return sp_claim_ended(cursor, "AIFF header", fault);
	if (!aiff.has_comm || (aiff.data_start < 0 && aiff.frames > 0))
		return sp_fault(fault, SP_ERR_BAD_DATA, SP_CLAIM_CUT_HINT, "The AIFF content has no %s.",
		                aiff.has_comm ? "samples" : "format");
	return claim_aiff(cursor, claim, &aiff, fault);
}

typedef struct Caf
{
	bool has_desc;
	SpSampleKind kind;
	bool big_endian;
	int bits;
	uint32_t frame_bytes;
} Caf;

/* The desc chunk's 32 bytes. */
static SpStatus
parse_desc(SpClaim *claim, Caf *caf, const uint8_t *p, SpFault *fault)
{
	uint64_t rate = get_be64(p);
	uint32_t flags = get_be32(p + 12);

	memcpy(&claim->sample_rate_hz, &rate, sizeof(rate));
	caf->frame_bytes = get_be32(p + 16);
	claim->channels = get_be32(p + 24);
	caf->bits = get_be32(p + 28) <= 64 ? (int) get_be32(p + 28) : 0;
	if (is_tag(p + 8, "lpcm"))
	{
		/* Flag 1: float, flag 2: little-endian. */
		caf->kind = flags & 1 ? SP_KIND_FLOAT : SP_KIND_SIGNED;
		caf->big_endian = !(flags & 2);
	}
	else if (is_tag(p + 8, "ulaw") || is_tag(p + 8, "alaw"))
	{
		caf->kind = p[8] == 'u' ? SP_KIND_ULAW : SP_KIND_ALAW;
		caf->bits = 8;
	}
	else
		return refuse_codec(p + 8, "CAF", fault);
	caf->has_desc = true;
	return SP_OK;
}

static SpStatus
claim_caf(SpCursor *cursor, SpClaim *claim, const Caf *caf, int64_t at, int64_t size,
          SpFault *fault)
{
	if (!caf->has_desc)
		return sp_fault(fault, SP_ERR_BAD_DATA, "The header is damaged; get the file again.",
		                "The CAF content has samples before it says what they are.");
	/* An edit count of four bytes precedes the samples; size -1: until the end. */
	if (size >= 0 && size < 4)
		size = 4;
	return sp_claim_pcm(cursor, claim, caf->kind, caf->bits, caf->big_endian,
	                    caf->frame_bytes > 0 ? (int64_t) caf->frame_bytes : -1, at + 4,
	                    size < 0 ? -1 : size - 4, fault);
}

SpStatus
sp_claim_caf(SpCursor *cursor, SpClaim *claim, SpFault *fault)
{
	Caf caf = {0};
	uint8_t h[32];
	int64_t at = 8;

	for (int i = 0; i < SP_CLAIM_MAX_CHUNKS; i++)
	{
		int64_t size;

		if (!sp_claim_get(cursor, at, h, 12))
			break;
		at += 12;
		size = (int64_t) get_be64(h + 4);
		if (is_tag(h, "data"))
			return claim_caf(cursor, claim, &caf, at, size, fault);
		if (size < 0 || size > INT64_MAX - 64 - at)
			return sp_fault(fault, SP_ERR_BAD_DATA, "The header is damaged; get the file again.",
			                "The CAF header has a chunk of impossible size.");
		if (is_tag(h, "desc") && size >= 32)
		{
			SpStatus st;

			if (!sp_claim_get(cursor, at, h, 32))
				break;
			st = parse_desc(claim, &caf, h, fault);
			if (st != SP_OK)
				return st;
		}
		at += size;
	}
	if (sp_cursor_status(cursor) != SP_OK)
		return sp_claim_ended(cursor, "CAF header", fault);
	return sp_fault(fault, SP_ERR_BAD_DATA, SP_CLAIM_CUT_HINT, "The CAF content has no samples.");
}
