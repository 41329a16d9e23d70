/*
 * src/core/audio/sniff.c
 *	  What is in these bytes?
 *
 * Formats with a magic are told by a table.  MPEG audio has none, only frame
 * headers that random bytes imitate once in 2048: at the expected place one
 * more header must follow where the first frame ends, and elsewhere two more.
 *
 * What we recognise without reading it is listed too, because "an MP4 file:
 * convert it like this" helps, while "unknown format" does not.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/audio/sniff.h"

#include <string.h>

#include "core/audio/bytes.h"
#include "core/audio/mpeg.h"

/* How far into the content, beyond tags, an MP3's first frame may lie. */
#define SEARCH_BYTES 65536
/* Room for the frames that confirm it. */
#define HEAD_BYTES (SEARCH_BYTES + 4 * SP_MPEG_MAX_FRAME)
/* More tags than this in a row are an attack, not a collection. */
#define MAX_TAGS 16

#define CONVERT   "Convert it first, for example: ffmpeg -i input -vn output.flac"
#define UNPACK    "Unpack it and pass the audio files inside, one by one."
#define NO_AUDIO  "Pass the bytes of a WAV, FLAC, Ogg Vorbis, Opus, MP3, AIFF or CAF file."
#define MIDI_HINT "Render it first, for example: fluidsynth -F output.wav soundfont.sf2 input.mid"

typedef struct Magic
{
	uint16_t offset;
	uint8_t length;
	char bytes[20];
	const char *what; /* NULL: a format that we read */
	const char *hint;
	SpAudioFormat format;
} Magic;

#define READ(offset, bytes, format)                          \
	{                                                        \
		offset, sizeof(bytes) - 1, bytes, NULL, NULL, format \
	}
#define REFUSE(offset, bytes, what, hint)                           \
	{                                                               \
		offset, sizeof(bytes) - 1, bytes, what, hint, SP_AUDIO_NONE \
	}

/* The first line that fits decides. */
static const Magic MAGICS[] = {
	READ(0, "fLaC", SP_AUDIO_FLAC),
	READ(0, "riff\x2E\x91\xCF\x11\xA5\xD6\x28\xDB\x04\xC1\x00\x00", SP_AUDIO_W64),
	READ(0, "caff", SP_AUDIO_CAF),
	REFUSE(4, "ftyp", "an MP4, M4A or QuickTime file (AAC or ALAC)",
           "Convert it first, for example: ffmpeg -i in.m4a out.flac"),
	REFUSE(4, "moov", "a QuickTime file", CONVERT),
	REFUSE(4, "mdat", "a QuickTime file", CONVERT),
	REFUSE(0, "ADIF", "AAC audio", "Convert it first, for example: ffmpeg -i in.aac out.flac"),
	REFUSE(0, "\x30\x26\xB2\x75\x8E\x66\xCF\x11", "a Windows Media file (WMA or ASF)",
           "Convert it first, for example: ffmpeg -i in.wma out.flac"),
	REFUSE(0, ".snd", "a Sun AU file", CONVERT),
	REFUSE(0, "dns.", "a Sun AU file", CONVERT),
	REFUSE(0, "wvpk", "a WavPack file", CONVERT),
	REFUSE(0, "MAC ", "a Monkey's Audio file", CONVERT),
	REFUSE(0, "MPCK", "a Musepack file", CONVERT),
	REFUSE(0, "MP+", "a Musepack file", CONVERT),
	REFUSE(0, "TTA1", "a True Audio file", CONVERT),
	REFUSE(0, "DSD ", "a DSD file", CONVERT),
	REFUSE(0, "FRM8", "a DSD file", CONVERT),
	REFUSE(0, "#!AMR", "an AMR file", CONVERT),
	REFUSE(0, ".RMF", "a RealMedia file", CONVERT),
	REFUSE(0, ".ra\xFD", "a RealAudio file", CONVERT),
	REFUSE(0, "Creative Voice File", "a Creative Voice file", CONVERT),
	REFUSE(0, "NIST_1A", "a NIST Sphere file", CONVERT),
	REFUSE(0, "\x0B\x77", "Dolby AC-3 audio", CONVERT),
	REFUSE(0, "\x7F\xFE\x80\x01", "DTS audio", CONVERT),
	REFUSE(0, "MThd", "a MIDI file, which holds notes and no sound", MIDI_HINT),
	REFUSE(0, "\x1A\x45\xDF\xA3", "a Matroska or WebM file", CONVERT),
	REFUSE(0, "FLV\x01", "a Flash video", CONVERT),
	REFUSE(0, "\x00\x00\x01\xBA", "an MPEG video", CONVERT),
	REFUSE(0, "\x00\x00\x01\xB3", "an MPEG video", CONVERT),
	REFUSE(0, "PK\x03\x04", "a zip archive", UNPACK),
	REFUSE(0, "PK\x05\x06", "an empty zip archive", UNPACK),
	REFUSE(0, "\x1F\x8B", "gzip-compressed data", UNPACK),
	REFUSE(0, "BZh", "bzip2-compressed data", UNPACK),
	REFUSE(0, "7z\xBC\xAF\x27\x1C", "a 7-Zip archive", UNPACK),
	REFUSE(0, "Rar!\x1A\x07", "a RAR archive", UNPACK),
	REFUSE(0,
           "\xFD"
           "7zXZ\x00",
           "xz-compressed data", UNPACK),
	REFUSE(0, "\x28\xB5\x2F\xFD", "zstd-compressed data", UNPACK),
	REFUSE(0, "\x04\x22\x4D\x18", "LZ4-compressed data", UNPACK),
	REFUSE(257, "ustar", "a tar archive", UNPACK),
	REFUSE(0, "%PDF", "a PDF document", NO_AUDIO),
	REFUSE(0, "\x89PNG", "a PNG image", NO_AUDIO),
	REFUSE(0, "\xFF\xD8\xFF", "a JPEG image", NO_AUDIO),
	REFUSE(0, "GIF8", "a GIF image", NO_AUDIO),
	REFUSE(0, "II*\x00", "a TIFF image", NO_AUDIO),
	REFUSE(0, "MM\x00*", "a TIFF image", NO_AUDIO),
	REFUSE(0,
           "\x7F"
           "ELF",
           "a program", NO_AUDIO),
	REFUSE(0, "SQLite format 3", "an SQLite database", NO_AUDIO),
	REFUSE(0, "PGDMP", "a PostgreSQL dump", NO_AUDIO),
};

/* First packet of an Ogg stream. */
static const Magic OGG_MAGICS[] = {
	READ(0, "\x01vorbis", SP_AUDIO_VORBIS),
	READ(0, "OpusHead", SP_AUDIO_OPUS),
	REFUSE(0,
           "\x7F"
           "FLAC",
           "FLAC in Ogg",
           "Take it out, without loss, for example: ffmpeg -i in.oga -c copy out.flac"),
	REFUSE(0, "Speex   ", "Speex speech in Ogg", CONVERT),
	REFUSE(0, "\x80theora", "an Ogg video", CONVERT),
	REFUSE(0, "fishead", "an Ogg file with several streams", CONVERT),
};

/* Form type of RIFF and FORM containers, at byte 8. */
static const Magic RIFF_MAGICS[] = {
	READ(8, "WAVE", SP_AUDIO_WAV),
	REFUSE(8, "AVI ", "an AVI video", CONVERT),
	REFUSE(8, "WEBP", "a WebP image", NO_AUDIO),
	REFUSE(8, "RMID", "a MIDI file, which holds notes and no sound", MIDI_HINT),
};
static const Magic FORM_MAGICS[] = {
	READ(8, "AIFF", SP_AUDIO_AIFF),
	READ(8, "AIFC", SP_AUDIO_AIFF),
	REFUSE(8, "8SVX", "an Amiga 8SVX file", CONVERT),
};

static const Magic *
find_magic(const Magic *table, size_t n_lines, const uint8_t *head, size_t n)
{
	for (size_t i = 0; i < n_lines; i++)
		if ((size_t) table[i].offset + table[i].length <= n &&
		    memcmp(head + table[i].offset, table[i].bytes, table[i].length) == 0)
			return &table[i];
	return NULL;
}

#define FIND(table, head, n) find_magic(table, sizeof(table) / sizeof(table[0]), head, n)

static const Magic *
find_container(const uint8_t *head, size_t n)
{
	if (n < 12)
		return NULL;
	if (is_tag(head, "RIFF") || is_tag(head, "RIFX") || is_tag(head, "RF64") ||
	    is_tag(head, "BW64"))
		return FIND(RIFF_MAGICS, head, n);
	if (is_tag(head, "FORM"))
		return FIND(FORM_MAGICS, head, n);
	/* Page header of 27 bytes, segment table, packet: RFC 3533 section 6. */
	if (is_tag(head, "OggS") && n > 27 && n > 27u + head[26])
		return FIND(OGG_MAGICS, head + 27 + head[26], n - 27 - head[26]);
	return NULL;
}

/*
 * Does head[at] start a chain of `more` + 1 MPEG frames?  A chain that is cut
 * by the end of the content counts, if it got beyond the first.
 */
static bool
is_mpeg_chain(const uint8_t *head, size_t n, size_t at, int more, bool whole)
{
	SpMpegHeader first;
	SpMpegHeader next;
	bool found;

	if (at + 4 > n || !sp_mpeg_parse(head + at, &first))
		return false;
	next = first;
	for (int i = 0; i < more; i++)
	{
		at += (size_t) next.bytes;
		if (at + 4 > n)
			return whole && (i > 0 || at == n);
		found = sp_mpeg_parse(head + at, &next) && sp_mpeg_same_stream(&first, &next);
		/* A tag may follow the last frame. */
		if (!found)
			return whole && i == 0 && at + 128 == n && is_tag(head + at, "TAG");
	}
	return true;
}

/* Position of the first MPEG frame in head, or n. */
static size_t
find_mpeg(const uint8_t *head, size_t n, bool whole)
{
	if (is_mpeg_chain(head, n, 0, 1, whole))
		return 0;
	for (size_t at = 1; at + 4 <= n && at < SEARCH_BYTES; at++)
		if (head[at] == 0xFF && is_mpeg_chain(head, n, at, 2, whole))
			return at;
	return n;
}

/* ADTS: twelve sync bits, layer 0, and a frame length in 13 bits (ISO/IEC 13818-7 6.2). */
static bool
is_adts(const uint8_t *head, size_t n)
{
	size_t next;

	if (n < 7 || head[0] != 0xFF || (head[1] & 0xF6) != 0xF0)
		return false;
	next = (size_t) (head[3] & 3) << 11 | (size_t) head[4] << 3 | head[5] >> 5;
	return next >= 7 && (next + 2 > n || (head[next] == 0xFF && (head[next + 1] & 0xF6) == 0xF0));
}

static bool
is_transport_stream(const uint8_t *head, size_t n)
{
	return n > 376 && head[0] == 0x47 && head[188] == 0x47 && head[376] == 0x47;
}

static bool
is_text(const uint8_t *head, size_t n)
{
	if (n > 1024)
		n = 1024;
	for (size_t i = 0; i < n; i++)
		if ((head[i] < 0x20 && head[i] != '\n' && head[i] != '\r' && head[i] != '\t' &&
		     head[i] != '\f' && head[i] != 0x1B) ||
		    head[i] == 0x7F || head[i] >= 0xF8)
			return false;
	return true;
}

/* Case-insensitive search for an ASCII word in the first kilobyte. */
static bool
has_word(const uint8_t *head, size_t n, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= n && i < 1024; i++)
	{
		size_t k = 0;

		while (k < len && (head[i + k] | 0x20) == (uint8_t) (word[k] | 0x20))
			k++;
		if (k == len)
			return true;
	}
	return false;
}

static SpStatus
refuse(SpFault *fault, const char *what, const char *hint)
{
	return sp_fault(fault, SP_ERR_UNSUPPORTED, hint, "The content is %s.", what);
}

/* Nothing that we read: say what it is, if we know. */
static SpStatus
refuse_unknown(const uint8_t *head, size_t n, SpFault *fault)
{
	if (is_adts(head, n))
		return refuse(fault, "AAC audio (ADTS)",
		              "Convert it first, for example: ffmpeg -i in.aac out.flac");
	/* Bit rate 0: frames whose length a header does not tell, which no encoder makes unasked. */
	if (n >= 4 && head[0] == 0xFF && (head[1] & 0xE6) == 0xE2 && (head[2] & 0xF0) == 0)
		return refuse(fault, "an MP3 of free format", CONVERT);
	if (is_transport_stream(head, n))
		return refuse(fault, "an MPEG transport stream", CONVERT);
	if (is_text(head, n))
	{
		if (has_word(head, n, "<html") || has_word(head, n, "<!doctype html"))
			return refuse(fault, "an HTML page",
			              "A download may have answered with an error page; look at it.");
		return refuse(fault, "text",
		              "Pass the bytes of an audio file; base64 text goes through "
		              "decode(text, 'base64') first.");
	}
	if (is_tag(head, "OggS"))
		return refuse(fault, "an Ogg file without Vorbis or Opus in front", CONVERT);
	return sp_fault(fault, SP_ERR_BAD_DATA, NO_AUDIO, "The content is of no known audio format.");
}

/* Step over ID3v2 tags (id3.org/id3v2.4.0-structure, section 3.1). */
static SpStatus
skip_tags(SpSpool *spool, int64_t *start, SpFault *fault)
{
	int64_t size = sp_spool_size(spool);

	*start = 0;
	for (int i = 0; i < MAX_TAGS; i++)
	{
		uint8_t h[10];
		size_t got;
		SpStatus st = sp_spool_read(spool, *start, h, sizeof(h), &got);

		if (st != SP_OK)
			return sp_spool_fault(spool, fault);
		if (got < sizeof(h) || !is_tag(h, "ID3") || h[3] == 0xFF || h[4] == 0xFF ||
		    ((h[6] | h[7] | h[8] | h[9]) & 0x80) != 0)
			return SP_OK;
		*start += 10 + ((int64_t) h[6] << 21 | h[7] << 14 | h[8] << 7 | h[9]);
		if (h[5] & 0x10)
			*start += 10; /* footer */
		if (*start > SP_SNIFF_MAX_TAG_BYTES)
			return sp_fault(
				fault, SP_ERR_TOO_LARGE,
				"Remove the tag, for example: ffmpeg -i in.mp3 -map 0:a -c copy out.mp3",
				"The ID3 tag in front of the audio takes %lld bytes, more than %d.",
				(long long) *start, SP_SNIFF_MAX_TAG_BYTES);
		if (*start >= size)
			return sp_fault(fault, SP_ERR_BAD_DATA, "The file may have been cut; get it again.",
			                "The content ends within its ID3 tag.");
	}
	return sp_fault(fault, SP_ERR_BAD_DATA, "Remove the tags.",
	                "The content begins with more than %d ID3 tags.", MAX_TAGS);
}

static SpStatus
sniff_head(const uint8_t *head, size_t n, int64_t size, SpSniff *out, SpFault *fault)
{
	const Magic *magic = FIND(MAGICS, head, n);
	size_t at;

	if (magic == NULL)
		magic = find_container(head, n);
	/* An MP3 behind 00 00 01 BA or 0B 77 is not worth a wrong guess; magics win. */
	if (magic != NULL && magic->what != NULL)
		return refuse(fault, magic->what, magic->hint);
	if (magic != NULL)
	{
		out->format = magic->format;
		return SP_OK;
	}
	at = find_mpeg(head, n, out->audio_start + (int64_t) n == size);
	if (at == n)
		return refuse_unknown(head, n, fault);
	out->format = SP_AUDIO_MP3;
	out->audio_start += (int64_t) at;
	return SP_OK;
}

SpStatus
sp_sniff(const SpEnv *env, SpSpool *spool, SpSniff *out, SpFault *fault)
{
	uint8_t *head = NULL;
	size_t got;
	SpStatus st;

	*out = (SpSniff){SP_AUDIO_NONE, 0};
	if (sp_spool_size(spool) == 0)
		return sp_fault(fault, SP_ERR_BAD_DATA, NO_AUDIO, "The content is empty.");
	st = skip_tags(spool, &out->audio_start, fault);
	if (st != SP_OK)
		return st;
	head = sp_calloc(env, HEAD_BYTES, 1); /* cleared: short content is compared too */
	if (head == NULL)
		return sp_fault(fault, SP_ERR_NO_MEMORY, NULL, "No memory to look at the content.");
	st = sp_spool_read(spool, out->audio_start, head, HEAD_BYTES, &got);
	if (st != SP_OK)
		st = sp_spool_fault(spool, fault);
	else
		st = sniff_head(head, got, sp_spool_size(spool), out, fault);
	sp_free(env, head);
	return st;
}

static const char *const NAMES[] = {"none", "wav", "w64",  "flac", "ogg",
                                    "opus", "mp3", "aiff", "caf"};
_Static_assert(sizeof(NAMES) / sizeof(NAMES[0]) == SP_AUDIO_CAF + 1, "a name for each format");

const char *
sp_audio_format_name(SpAudioFormat format)
{
	return NAMES[format];
}

SpAudioFormat
sp_audio_format_from_name(const char *name)
{
	for (int i = SP_AUDIO_NONE + 1; i <= SP_AUDIO_CAF; i++)
		if (strcmp(name, NAMES[i]) == 0)
			return (SpAudioFormat) i;
	return SP_AUDIO_NONE;
}
