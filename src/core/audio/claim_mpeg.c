/*
 * src/core/audio/claim_mpeg.c
 *	  Walk of an MP3 file, frame header by frame header.
 *
 * MPEG audio has no container: it is frames, one behind the other, with tags
 * before, behind and sometimes between.  libmpg123 looks for the next frame
 * wherever it finds rubbish, which is right for a player.  Here rubbish
 * between frames is damage, and what follows the last frame is left out.
 *
 * Encoders put a count of frames into the first one ("Xing", "Info" or "VBRI";
 * M. Bossi, "MPEG audio frame header", 1999-2021).  It finds files that were
 * cut.  libmpg123 believes it, and guesses the length from the first frame's
 * size when it is missing; libsndfile then stops there, and a variable bit
 * rate without a count, or two files joined, lose their end in silence.  So
 * where the count is missing or too low, we drop that frame and put one with
 * the true count in front.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>

#include "core/audio/bytes.h"
#include "core/audio/claim.h"
#include "core/audio/mpeg.h"

/* Rubbish behind the last frame that is forgiven: padding of broken taggers. */
#define MAX_TAIL 65536

/*
 * Counts may differ by this many frames: LAME counts the info frame or not,
 * by version, and cutting tools leave half a frame at the end.
 */
#define COUNT_SLACK 2

typedef struct Walk
{
	SpMpegHeader first;
	int64_t frames;      /* complete frames seen */
	int64_t end;         /* of the last of them */
	bool has_info;       /* the first frame carries a count, not sound */
	int64_t xing_frames; /* -1: not told */
} Walk;

/* Frame count in the info frame at position 0, if it is one. */
static void
read_info_frame(SpCursor *cursor, Walk *walk)
{
	uint8_t frame[64] = {0};
	const uint8_t *xing = frame + 4 + walk->first.side_bytes;
	const uint8_t *vbri = frame + 36; /* Fraunhofer puts it there whatever the version */

	walk->xing_frames = -1;
	if (walk->first.layer != 3 || !sp_claim_get(cursor, 0, frame, sizeof(frame)))
		return;
	if (is_tag(xing, "Xing") || is_tag(xing, "Info"))
	{
		walk->has_info = true;
		if (xing[7] & 1)
			walk->xing_frames = get_be32(xing + 8);
	}
	else if (is_tag(vbri, "VBRI"))
	{
		walk->has_info = true;
		walk->xing_frames = get_be32(vbri + 14);
	}
}

/* Bytes of an ID3v2 tag whose ten-byte header is h; 0 if it is none. */
static int64_t
tag_bytes(const uint8_t *h)
{
	if (!is_tag(h, "ID3") || ((h[6] | h[7] | h[8] | h[9]) & 0x80) != 0)
		return 0;
	return 10 + ((int64_t) h[6] << 21 | h[7] << 14 | h[8] << 7 | h[9]);
}

/* Do two frames of this stream follow each other at or behind position at? */
static bool
resumes(SpCursor *cursor, const Walk *walk, int64_t at)
{
	uint8_t h[4];
	uint8_t next[4];
	SpMpegHeader a;
	SpMpegHeader b;

	for (int64_t end = at + MAX_TAIL; at < end; at++)
	{
		if (!sp_claim_get(cursor, at, h, 4))
			return false;
		if (h[0] == 0xFF && sp_mpeg_parse(h, &a) && sp_mpeg_same_stream(&walk->first, &a) &&
		    sp_claim_get(cursor, at + a.bytes, next, 4) && sp_mpeg_parse(next, &b) &&
		    sp_mpeg_same_stream(&a, &b))
			return true;
	}
	return false;
}

/*
 * No frame begins at position at.  *skip is set to the bytes of a tag between
 * frames, or to 0 when the audio ends here.
 */
static SpStatus
judge_gap(SpCursor *cursor, const Walk *walk, int64_t at, int64_t *skip, SpFault *fault)
{
	int64_t left = sp_cursor_size(cursor) - at;
	uint8_t h[11] = {0};
	SpMpegHeader other;

	*skip = 0;
	if (!sp_claim_get(cursor, at, h, left < 11 ? (size_t) left : 11))
		return sp_claim_ended(cursor, "last frame", fault);
	if (is_tag(h, "TAG") || is_tag(h, "APETAGEX") || is_tag(h, "LYRICSBEGIN"))
		return SP_OK;
	*skip = tag_bytes(h);
	if (*skip > 0)
		return SP_OK;
	if (left >= 4 && sp_mpeg_parse(h, &other))
		return sp_fault(
			fault, SP_ERR_UNSUPPORTED, "Convert it first, for example: ffmpeg -i in.mp3 out.flac",
			"The MP3 content changes from %d Hz and %d channels to %d Hz and %d at byte %lld.",
			walk->first.sample_rate_hz, walk->first.channels, other.sample_rate_hz, other.channels,
			(long long) at);
	if (resumes(cursor, walk, at) || left > MAX_TAIL)
		return sp_fault(fault, SP_ERR_BAD_DATA,
		                "Get the file again, or save what is there with: ffmpeg -i in.mp3 out.flac",
		                "The MP3 content is damaged at byte %lld: no frame begins there.",
		                (long long) at);
	return SP_OK;
}

static SpStatus
walk_frames(SpCursor *cursor, Walk *walk, SpFault *fault)
{
	int64_t size = sp_cursor_size(cursor);
	SpMpegHeader header;
	uint8_t h[4];
	int64_t at = 0;

	while (at + 4 <= size)
	{
		if (!sp_claim_get(cursor, at, h, 4))
			return sp_claim_ended(cursor, "frames", fault);
		if (sp_mpeg_parse(h, &header) && (at == 0 || sp_mpeg_same_stream(&walk->first, &header)))
		{
			if (at == 0)
				walk->first = header;
			if (header.bytes > size - at)
				break;
			walk->frames++;
			at += header.bytes;
			walk->end = at;
		}
		else
		{
			int64_t skip;
			SpStatus st = judge_gap(cursor, walk, at, &skip, fault);

			if (st != SP_OK)
				return st;
			if (skip == 0)
				break;
			at += skip;
		}
	}
	return SP_OK;
}

/*
 * Replace the info frame, or its absence, by one that counts right: the first
 * frame's header at the highest bit rate (there is always room for the tag),
 * without a checksum.
 */
static void
make_info_frame(const Walk *walk, const uint8_t *first, SpClaim *claim)
{
	int64_t frames = walk->frames - walk->has_info;
	SpMpegHeader header;
	uint8_t *p = claim->prefix;

	memset(p, 0, sizeof(claim->prefix));
	memcpy(p, first, 4);
	p[1] |= 1;
	p[2] = (uint8_t) ((p[2] & 0x0F) | 0xE0);
	if (!sp_mpeg_parse(p, &header))
		return;
	memcpy(p + 4 + header.side_bytes, "Xing\0\0\0\1", 8);
	for (int i = 0; i < 4; i++)
		p[4 + header.side_bytes + 8 + i] = (uint8_t) (frames >> (24 - 8 * i));
	claim->prefix_bytes = (size_t) header.bytes;
	claim->data_start = walk->has_info ? walk->first.bytes : 0;
}

SpStatus
sp_claim_mpeg(SpCursor *cursor, SpClaim *claim, SpFault *fault)
{
	Walk walk = {0};
	uint8_t first[4];
	SpStatus st = walk_frames(cursor, &walk, fault);

	if (st != SP_OK)
		return st;
	if (walk.frames == 0 || !sp_claim_get(cursor, 0, first, 4))
		return sp_claim_ended(cursor, "first frame", fault);
	if (walk.first.layer != 3)
		return sp_fault(
			fault, SP_ERR_UNSUPPORTED, "Convert it first, for example: ffmpeg -i in.mp2 out.flac",
			"The content is MPEG audio of layer %d; layer 3 (MP3) is supported.", walk.first.layer);
	read_info_frame(cursor, &walk);
	if (walk.xing_frames > walk.frames + COUNT_SLACK)
		return sp_fault(fault, SP_ERR_BAD_DATA, SP_CLAIM_CUT_HINT,
		                "The header claims %lld MP3 frames, but the content holds only %lld.",
		                (long long) walk.xing_frames, (long long) walk.frames);
	if (walk.xing_frames + COUNT_SLACK < walk.frames)
		make_info_frame(&walk, first, claim);
	claim->data_bytes = walk.end - claim->data_start;
	claim->channels = walk.first.channels;
	claim->sample_rate_hz = walk.first.sample_rate_hz;
	claim->slack = (int64_t) (COUNT_SLACK + 1) * walk.first.frames;
	claim->lossy = true;
	snprintf(claim->codec, sizeof(claim->codec), "mpeg_layer_%d", walk.first.layer);
	return SP_OK;
}
