/*
 * src/core/audio/sniff.h
 *	  What is in these bytes?  Told by content, never by name.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_AUDIO_SNIFF_H
#define SP_AUDIO_SNIFF_H

#include "core/io/spool.h"

/* The formats that we read; those marked W can also be written. */
typedef enum SpAudioFormat
{
	SP_AUDIO_NONE = 0,
	SP_AUDIO_WAV,    /* W  RIFF, RIFX, RF64, BW64 */
	SP_AUDIO_W64,    /*    Sony Wave64 */
	SP_AUDIO_FLAC,   /* W */
	SP_AUDIO_VORBIS, /* W  in Ogg */
	SP_AUDIO_OPUS,   /* W  in Ogg */
	SP_AUDIO_MP3,    /* W  MPEG 1/2/2.5 audio, layer III */
	SP_AUDIO_AIFF,   /*    AIFF and AIFC */
	SP_AUDIO_CAF     /*    Core Audio */
} SpAudioFormat;

/* "wav", "w64", "flac", "ogg", "opus", "mp3", "aiff", "caf"; "none" for the rest. */
const char *sp_audio_format_name(SpAudioFormat format);

/*
 * The inverse, exact and lower case; SP_AUDIO_NONE for an unknown name.  Used
 * for the format argument of exports: see sp_encoder_writes.
 */
SpAudioFormat sp_audio_format_from_name(const char *name);

typedef struct SpSniff
{
	SpAudioFormat format;
	int64_t audio_start; /* bytes of ID3v2 tags (MP3, FLAC) or padding (MP3) before it */
} SpSniff;

/*
 * Tags are stepped over, not read, so their size costs nothing; beyond this
 * sum a file is refused with SP_ERR_TOO_LARGE, because it is a picture album
 * with a song attached, and its bytes would be kept.  64 MiB: ID3v2.4 allows
 * 256 MiB a tag, while cover art of players and shops stays below 16 MiB.
 */
#define SP_SNIFF_MAX_TAG_BYTES (64 << 20)

/*
 * Reads at most 200 KB of the spool, wherever the audio begins.
 *
 * SP_ERR_BAD_DATA: empty, only a tag, or nothing that we recognise;
 * SP_ERR_UNSUPPORTED: recognised, but not audio or an audio format that we do
 * not read (AAC, M4A, WMA, AU, archives, text, images, video, ...), with a hint
 * that says what to do; SP_ERR_TOO_LARGE: tags; SP_ERR_IO, SP_ERR_NO_MEMORY.
 */
SpStatus sp_sniff(const SpEnv *env, SpSpool *spool, SpSniff *out, SpFault *fault);

#endif /* SP_AUDIO_SNIFF_H */
