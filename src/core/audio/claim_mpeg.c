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
 * cut; and where it counts too little (two files joined), libmpg123 would
 * believe it and drop the rest, so it is then left out.
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
	if ((is_tag(xing, "Xing") || is_tag(xing, "Info")) && (xing[7] & 1))
		walk->xing_frames = get_be32(xing + 8);
	else if (is_tag(vbri, "VBRI"))
		walk->xing_frames = get_be32(vbri + 14);
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
		return sp_fault(fault, SP_ERR_UNSUPPORTED,
		                "Convert it first, for example: ffmpeg -i in.mp3 out.flac",
		                "The MP3 content changes from %d Hz to %d Hz at byte %lld.",
		                walk->first.sample_rate_hz, other.sample_rate_hz, (long long) at);
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

SpStatus
sp_claim_mpeg(SpCursor *cursor, SpClaim *claim, SpFault *fault)
{
	Walk walk = {0};
	uint8_t h[4];
	SpStatus st = walk_frames(cursor, &walk, fault);

	if (st != SP_OK)
		return st;
	if (walk.frames == 0)
		return sp_claim_ended(cursor, "first frame", fault);
	read_info_frame(cursor, &walk);
	if (walk.xing_frames > walk.frames + COUNT_SLACK)
		return sp_fault(fault, SP_ERR_BAD_DATA, SP_CLAIM_CUT_HINT,
		                "The header claims %lld MP3 frames, but the content holds only %lld.",
		                (long long) walk.xing_frames, (long long) walk.frames);
	claim->data_start = 0;
	if (walk.xing_frames >= 0 && walk.frames > walk.xing_frames + COUNT_SLACK)
		claim->data_start = walk.first.bytes;
	claim->data_bytes = walk.end - claim->data_start;
	/* After a first frame that was skipped the next may begin with a tag. */
	if (claim->data_start > 0 && sp_claim_get(cursor, claim->data_start, h, 4) && h[0] != 0xFF)
		claim->data_start = 0;
	claim->data_bytes = walk.end - claim->data_start;
	claim->channels = walk.first.channels;
	claim->sample_rate_hz = walk.first.sample_rate_hz;
	claim->slack = (int64_t) (COUNT_SLACK + 1) * walk.first.frames;
	claim->lossy = true;
	snprintf(claim->codec, sizeof(claim->codec), "mpeg_layer_%d", walk.first.layer);
	return SP_OK;
}
