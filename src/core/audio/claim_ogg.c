/*
 * src/core/audio/claim_ogg.c
 *	  Walk of an Ogg file, page by page (RFC 3533).
 *
 * libogg drops a page whose checksum is wrong and goes on, so that a player
 * stutters and nobody else notices.  We check each page's checksum and number
 * before anything is decoded: the walk costs a tenth of decoding.
 *
 * One logical stream only.  Chained streams (recordings of radio) may change
 * rate and channels in between, which a track in a database cannot.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>

#include "core/audio/bytes.h"
#include "core/audio/claim.h"

#define PAGE_HEADER 27
#define FLAG_BOS    2
#define FLAG_EOS    4
#define OGG_POLYNOM 0x04C11DB7u /* RFC 3533 section 6, field 7 */

/* Slicing by eight (Kounavis and Berry, "Novel Table Lookup-Based Algorithms", 2008). */
typedef uint32_t CrcTable[8][256];

typedef struct Page
{
	uint8_t header[PAGE_HEADER + 255];
	int segments;
	int body_bytes;
	uint8_t flags;
	uint32_t serial;
	uint32_t number;
	uint8_t body[255 * 255];
} Page;

typedef struct Walk
{
	CrcTable crc;
	Page page;
} Walk;

static void
fill_table(CrcTable t)
{
	for (uint32_t i = 0; i < 256; i++)
	{
		uint32_t r = i << 24;

		for (int k = 0; k < 8; k++)
			r = r & 0x80000000u ? r << 1 ^ OGG_POLYNOM : r << 1;
		t[0][i] = r;
	}
	for (int s = 1; s < 8; s++)
		for (int i = 0; i < 256; i++)
			t[s][i] = t[s - 1][i] << 8 ^ t[0][t[s - 1][i] >> 24];
}

static uint32_t
add_crc(CrcTable t, uint32_t crc, const uint8_t *p, size_t n)
{
	for (; n >= 8; n -= 8, p += 8)
	{
		crc ^= get_be32(p);
		crc = t[7][crc >> 24] ^ t[6][crc >> 16 & 255] ^ t[5][crc >> 8 & 255] ^ t[4][crc & 255] ^
		      t[3][p[4]] ^ t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]];
	}
	for (; n > 0; n--, p++)
		crc = crc << 8 ^ t[0][crc >> 24 ^ *p];
	return crc;
}

static SpStatus
damaged(int64_t at, const char *how, SpFault *fault)
{
	return sp_fault(fault, SP_ERR_BAD_DATA,
	                "Get the file again, or save what is there with: ffmpeg -i in.ogg out.flac",
	                "The Ogg content is damaged at byte %lld: %s.", (long long) at, how);
}

/* Read and check the page at position at. */
static SpStatus
read_page(SpCursor *cursor, Walk *walk, int64_t at, SpFault *fault)
{
	Page *page = &walk->page;
	uint8_t *h = page->header;
	uint32_t claimed;
	uint32_t crc;

	if (!sp_claim_get(cursor, at, h, PAGE_HEADER))
		return sp_claim_ended(cursor, "last Ogg page", fault);
	if (!is_tag(h, "OggS") || h[4] != 0)
		return damaged(at, "no page begins there", fault);
	page->segments = h[26];
	if (!sp_claim_get(cursor, at + PAGE_HEADER, h + PAGE_HEADER, (size_t) page->segments))
		return sp_claim_ended(cursor, "last Ogg page", fault);
	page->body_bytes = 0;
	for (int i = 0; i < page->segments; i++)
		page->body_bytes += h[PAGE_HEADER + i];
	if (!sp_claim_get(cursor, at + PAGE_HEADER + page->segments, page->body,
	                  (size_t) page->body_bytes))
		return sp_claim_ended(cursor, "last Ogg page", fault);
	page->flags = h[5];
	page->serial = get_le32(h + 14);
	page->number = get_le32(h + 18);
	claimed = get_le32(h + 22);
	memset(h + 22, 0, 4);
	crc = add_crc(walk->crc, 0, h, (size_t) (PAGE_HEADER + page->segments));
	crc = add_crc(walk->crc, crc, page->body, (size_t) page->body_bytes);
	if (crc != claimed)
		return damaged(at, "a page's checksum is wrong", fault);
	return SP_OK;
}

/* What the first packet says: Vorbis I 4.2.2, RFC 7845 section 5.1. */
static SpStatus
read_head(const Page *page, SpAudioFormat format, SpClaim *claim, SpFault *fault)
{
	const uint8_t *p = page->body;
	int n = page->body_bytes;

	claim->lossy = true;
	if (format == SP_AUDIO_VORBIS && n >= 30)
	{
		claim->channels = p[11];
		claim->sample_rate_hz = get_le32(p + 12);
		snprintf(claim->codec, sizeof(claim->codec), "vorbis");
		return SP_OK;
	}
	if (format == SP_AUDIO_OPUS && n >= 19)
	{
		/* The rate in the header is only where the music once came from. */
		claim->channels = p[9];
		claim->sample_rate_hz = 48000;
		snprintf(claim->codec, sizeof(claim->codec), "opus");
		return SP_OK;
	}
	return damaged(0, "the codec's header is too short", fault);
}

static SpStatus
refuse_streams(SpFault *fault)
{
	return sp_fault(fault, SP_ERR_UNSUPPORTED,
	                "Keep one of them, for example: ffmpeg -i in.ogg -map 0:a:0 out.flac",
	                "The Ogg content holds several streams, behind or beside each other.");
}

/* Packets that end on this page. */
static int
count_packets(const Page *page)
{
	int n = 0;

	for (int i = 0; i < page->segments; i++)
		n += page->header[PAGE_HEADER + i] < 255;
	return n;
}

/*
 * Packets in front of the audio: identification, comment, and in Vorbis setup.
 * libsndfile 1.2 leaks its Vorbis state when they are cut, so it never sees
 * such a file.
 */
static int
header_packets(SpAudioFormat format)
{
	return format == SP_AUDIO_VORBIS ? 3 : 2;
}

/* Walk all pages up to the last. */
static SpStatus
walk_pages(SpCursor *cursor, Walk *walk, SpAudioFormat format, SpClaim *claim, SpFault *fault)
{
	const Page *page = &walk->page;
	uint32_t serial = 0;
	int64_t number = -1; /* of the page before */
	int64_t at = 0;
	int64_t packets = 0;
	bool done = false;

	while (!done && at < sp_cursor_size(cursor))
	{
		SpStatus st = read_page(cursor, walk, at, fault);

		if (st == SP_OK && number < 0)
		{
			serial = page->serial;
			st = read_head(page, format, claim, fault);
		}
		if (st != SP_OK)
			return st;
		if (page->serial != serial || (number >= 0 && (page->flags & FLAG_BOS)))
			return refuse_streams(fault);
		/* The first number may be any: some muxers count from 1. */
		if (number >= 0 && page->number != (uint32_t) (number + 1))
			return damaged(at, "pages are missing in front of it", fault);
		number = page->number;
		packets += count_packets(page);
		at += PAGE_HEADER + page->segments + page->body_bytes;
		done = (page->flags & FLAG_EOS) != 0;
	}
	if (!done && page->segments > 0 && page->header[PAGE_HEADER + page->segments - 1] == 255)
		return sp_claim_ended(cursor, "last Ogg packet", fault);
	if (packets < header_packets(format))
		return sp_claim_ended(cursor, "Ogg headers", fault);
	claim->data_bytes = at;
	if (done && sp_claim_get(cursor, at, walk->page.header, 4) && is_tag(walk->page.header, "OggS"))
		return refuse_streams(fault);
	return SP_OK;
}

SpStatus
sp_claim_ogg(const SpEnv *env, SpCursor *cursor, SpAudioFormat format, SpClaim *claim,
             SpFault *fault)
{
	Walk *walk = sp_calloc(env, 1, sizeof(Walk));
	SpStatus st;

	if (walk == NULL)
		return sp_fault(fault, SP_ERR_NO_MEMORY, NULL, "No memory to check an Ogg file.");
	fill_table(walk->crc);
	st = walk_pages(cursor, walk, format, claim, fault);
	sp_free(env, walk);
	return st;
}
