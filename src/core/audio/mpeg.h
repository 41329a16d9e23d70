/*
 * src/core/audio/mpeg.h
 *	  The four-byte frame header of MPEG audio (ISO/IEC 11172-3 2.4.1.3,
 *	  13818-3, and the "2.5" extension to half rates).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_AUDIO_MPEG_H
#define SP_AUDIO_MPEG_H

#include "core/sp_base.h"

/* 448 kbit/s of layer I at 32 kHz with padding: no frame is longer. */
#define SP_MPEG_MAX_FRAME 2880

typedef struct SpMpegHeader
{
	int version; /* 10, 20 or 25 */
	int layer;   /* 1..3 */
	int sample_rate_hz;
	int channels;   /* 1, 2 */
	int bytes;      /* of the whole frame */
	int frames;     /* PCM frames that it decodes to */
	int side_bytes; /* layer III: bytes between header and main data */
} SpMpegHeader;

/*
 * False if the four bytes at p are no header: no sync, a reserved value, or
 * free format, whose length a header does not tell.
 */
bool sp_mpeg_parse(const uint8_t *p, SpMpegHeader *header);

/* Could both be frames of one stream?  Bit rate, padding and the kind of stereo may differ. */
bool sp_mpeg_same_stream(const SpMpegHeader *a, const SpMpegHeader *b);

#endif /* SP_AUDIO_MPEG_H */
