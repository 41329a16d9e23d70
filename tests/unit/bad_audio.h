/*
 * tests/unit/bad_audio.h
 *	  Audio content built byte by byte: good, damaged, lying, and no audio at
 *	  all, each with the answer that it must get.
 *
 * Shared by the unit tests, tests/fixtures/make_audio.c and the fuzzers' seed
 * corpus.  Good content comes from libsndfile itself, not from our encoder.
 */
#ifndef BAD_AUDIO_H
#define BAD_AUDIO_H

#include <math.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sp_base.h"

typedef struct AudioBytes
{
	uint8_t *p;
	size_t n;
	size_t capacity;
	size_t at; /* position of libsndfile */
} AudioBytes;

static inline void
bytes_reserve(AudioBytes *b, size_t n)
{
	if (n <= b->capacity)
		return;
	b->capacity = n * 2 + 64;
	b->p = realloc(b->p, b->capacity);
	if (b->p == NULL)
		abort();
}

static inline void
bytes_free(AudioBytes *b)
{
	free(b->p);
	*b = (AudioBytes){0};
}

static inline void
put_bytes(AudioBytes *b, const void *p, size_t n)
{
	bytes_reserve(b, b->n + n + 1);
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static inline void
put_tag(AudioBytes *b, const char *tag)
{
	put_bytes(b, tag, strlen(tag));
}

/* The low n bytes of v, little- or big-endian. */
static inline void
put_le(AudioBytes *b, uint64_t v, int n)
{
	for (int i = 0; i < n; i++)
		put_bytes(b, &(uint8_t){(uint8_t) (v >> 8 * i)}, 1);
}

static inline void
put_be(AudioBytes *b, uint64_t v, int n)
{
	for (int i = n - 1; i >= 0; i--)
		put_bytes(b, &(uint8_t){(uint8_t) (v >> 8 * i)}, 1);
}

static inline void
put_fill(AudioBytes *b, int byte, size_t n)
{
	bytes_reserve(b, b->n + n + 1);
	memset(b->p + b->n, byte, n);
	b->n += n;
}

/* Position of the n-th occurrence (from 0) of tag, or b->n. */
static inline size_t
find_tag(const AudioBytes *b, const char *tag, int nth)
{
	size_t len = strlen(tag);

	for (size_t i = 0; i + len <= b->n; i++)
		if (memcmp(b->p + i, tag, len) == 0 && nth-- == 0)
			return i;
	return b->n;
}

/* libsndfile's virtual I/O on AudioBytes. */

static inline sf_count_t
bytes_size(void *user)
{
	return (sf_count_t) ((AudioBytes *) user)->n;
}

static inline sf_count_t
bytes_seek(sf_count_t offset, int whence, void *user)
{
	AudioBytes *b = user;

	b->at = (size_t) (offset + (whence == SEEK_CUR   ? (sf_count_t) b->at
	                            : whence == SEEK_END ? (sf_count_t) b->n
	                                                 : 0));
	return (sf_count_t) b->at;
}

static inline sf_count_t
bytes_read(void *p, sf_count_t n, void *user)
{
	AudioBytes *b = user;

	if (b->at >= b->n)
		return 0;
	if ((size_t) n > b->n - b->at)
		n = (sf_count_t) (b->n - b->at);
	memcpy(p, b->p + b->at, (size_t) n);
	b->at += (size_t) n;
	return n;
}

static inline sf_count_t
bytes_write(const void *p, sf_count_t n, void *user)
{
	AudioBytes *b = user;

	if (b->at + (size_t) n > b->n)
	{
		bytes_reserve(b, b->at + (size_t) n);
		if (b->at > b->n)
			memset(b->p + b->n, 0, b->at - b->n);
		b->n = b->at + (size_t) n;
	}
	memcpy(b->p + b->at, p, (size_t) n);
	b->at += (size_t) n;
	return n;
}

static inline sf_count_t
bytes_tell(void *user)
{
	return (sf_count_t) ((AudioBytes *) user)->at;
}

/* Sample of channel c in frame i: two partials a channel, peak below 0.75. */
static inline float
good_sample(int64_t i, int c, int rate_hz)
{
	double t = (double) i / rate_hz;

	return (float) (0.5 * sin(2 * M_PI * 440 * (1 + 0.25 * c) * t) +
	                0.2 * sin(2 * M_PI * 1234 * t + c));
}

/* frames of good_sample in libsndfile's format. */
static inline void
put_good(AudioBytes *b, int format, int rate_hz, int channels, int frames)
{
	SF_VIRTUAL_IO io = {bytes_size, bytes_seek, bytes_read, bytes_write, bytes_tell};
	SF_INFO info = {.samplerate = rate_hz, .channels = channels, .format = format};
	AudioBytes file = {0};
	SNDFILE *f = sf_open_virtual(&io, SFM_WRITE, &info, &file);
	float *x = malloc(sizeof(float) * (size_t) channels * (size_t) frames);

	if (f == NULL || x == NULL)
	{
		printf("libsndfile cannot write format %#x: %s\n", (unsigned) format, sf_strerror(f));
		abort();
	}
	sf_command(f, SFC_SET_CLIPPING, NULL, SF_TRUE);
	for (int i = 0; i < frames; i++)
		for (int c = 0; c < channels; c++)
			x[i * channels + c] = good_sample(i, c, rate_hz);
	sf_writef_float(f, x, frames);
	sf_close(f);
	free(x);
	put_bytes(b, file.p, file.n);
	bytes_free(&file);
}

/* A WAV of its own making: every field can lie. */
static inline void
put_wav(AudioBytes *b, unsigned tag, unsigned channels, uint32_t rate_hz, unsigned bits,
        uint32_t claimed, uint32_t present)
{
	put_tag(b, "RIFF");
	put_le(b, 36 + (uint64_t) claimed, 4);
	put_tag(b, "WAVEfmt ");
	put_le(b, 16, 4);
	put_le(b, tag, 2);
	put_le(b, channels, 2);
	put_le(b, rate_hz, 4);
	put_le(b, (uint64_t) rate_hz * channels * (bits / 8), 4);
	put_le(b, channels * (bits / 8), 2);
	put_le(b, bits, 2);
	put_tag(b, "data");
	put_le(b, claimed, 4);
	put_fill(b, 0, present);
}

static inline void
put_float_wav(AudioBytes *b, float odd)
{
	size_t at;

	put_wav(b, 3, 2, 44100, 32, 80000, 80000);
	at = b->n - 80000 + 8 * 4321 + 4; /* channel 2 of frame 4321 */
	memcpy(b->p + at, &odd, 4);
}

static inline void
put_rf64(AudioBytes *b, const char *name, uint64_t data_bytes, uint32_t present)
{
	put_tag(b, name);
	put_le(b, UINT32_MAX, 4);
	put_tag(b, "WAVEds64");
	put_le(b, 28, 4);
	put_le(b, data_bytes + 72, 8);
	put_le(b, data_bytes, 8);
	put_le(b, data_bytes / 4, 8);
	put_le(b, 0, 4);
	put_tag(b, "fmt ");
	put_le(b, 16, 4);
	put_le(b, 1, 2);
	put_le(b, 2, 2);
	put_le(b, 44100, 4);
	put_le(b, 44100 * 4, 4);
	put_le(b, 4, 2);
	put_le(b, 16, 2);
	put_tag(b, "data");
	put_le(b, UINT32_MAX, 4);
	put_fill(b, 1, present);
}

static inline void
put_id3(AudioBytes *b, uint32_t size)
{
	put_tag(b, "ID3");
	put_be(b, 0x040000, 3);
	for (int i = 3; i >= 0; i--)
		put_be(b, size >> 7 * i & 0x7F, 1);
}

static inline void
put_aiff(AudioBytes *b, const char *form, const char *codec, uint32_t frames, uint32_t present)
{
	put_tag(b, "FORM");
	put_be(b, 46 + present, 4);
	put_tag(b, form);
	put_tag(b, "COMM");
	put_be(b, codec != NULL ? 24 : 18, 4);
	put_be(b, 2, 2);
	put_be(b, frames, 4);
	put_be(b, 16, 2);
	put_be(b, 0x400EAC44, 4); /* 44100 as an extended float */
	put_fill(b, 0, 6);
	if (codec != NULL)
	{
		put_tag(b, codec);
		put_be(b, 0, 2);
	}
	put_tag(b, "SSND");
	put_be(b, 8 + (uint64_t) frames * 4, 4);
	put_be(b, 0, 8);
	put_fill(b, 1, present);
}

static inline void
put_caf(AudioBytes *b, const char *codec, double rate, int64_t size, uint32_t present)
{
	uint64_t bits;

	memcpy(&bits, &rate, 8);
	put_tag(b, "caff");
	put_be(b, 0x00010000, 4);
	put_tag(b, "desc");
	put_be(b, 32, 8);
	put_be(b, bits, 8);
	put_tag(b, codec);
	put_be(b, 2, 4);
	put_be(b, 4, 4);
	put_be(b, 1, 4);
	put_be(b, 2, 4);
	put_be(b, 16, 4);
	put_tag(b, "data");
	put_be(b, (uint64_t) size, 8);
	put_be(b, 0, 4);
	put_fill(b, 1, present);
}

/* fLaC and a STREAMINFO, nothing behind it. */
static inline void
put_flac_head(AudioBytes *b, uint32_t rate_hz, int channels, int bits, uint64_t frames)
{
	put_tag(b, "fLaC");
	put_be(b, 0x80000022, 4);
	put_be(b, 0x10001000, 4);
	put_be(b, 0, 6);
	put_be(b,
	       (uint64_t) rate_hz << 44 | (uint64_t) (channels - 1) << 41 |
	           (uint64_t) (bits - 1) << 36 | frames,
	       8);
	put_fill(b, 0, 16);
}

enum
{
	GOOD_WAV = SF_FORMAT_WAV | SF_FORMAT_PCM_16,
	GOOD_FLAC = SF_FORMAT_FLAC | SF_FORMAT_PCM_16,
	GOOD_OGG = SF_FORMAT_OGG | SF_FORMAT_VORBIS,
	GOOD_OPUS = SF_FORMAT_OGG | SF_FORMAT_OPUS,
	GOOD_MP3 = SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III
};

/* Two seconds of 44.1 (Opus: 48) kHz stereo, cut to permille of its bytes. */
static inline void
put_cut(AudioBytes *b, int format, size_t permille)
{
	put_good(b, format, format == GOOD_OPUS ? 48000 : 44100, 2, 96000);
	b->n = b->n * permille / 1000;
}

/* The same with one byte turned around in the middle. */
static inline void
put_flipped(AudioBytes *b, int format)
{
	put_cut(b, format, 1000);
	b->p[b->n / 2] ^= 0xFF;
}

/* The same without n bytes from position `at` on. */
static inline void
cut_out(AudioBytes *b, size_t at, size_t n)
{
	memmove(b->p + at, b->p + at + n, b->n - at - n);
	b->n -= n;
}

typedef struct BadAudio
{
	const char *name; /* also of the fixture file */
	SpStatus status;
	const char *word; /* that the detail must contain */
} BadAudio;

/* No audio: magic bytes and some filling. */
static const struct
{
	BadAudio want;
	size_t offset;
	size_t n;
	char bytes[24];
} BAD_MAGICS[] = {
	{{"m4a", SP_ERR_UNSUPPORTED, "MP4"},
     0,
     12,
     "\0\0\0\x20"
     "ftypM4A "},
	{{"adts", SP_ERR_UNSUPPORTED, "AAC"}, 0, 7, "\xFF\xF1\x50\x80\x7F\xFF\xFC"},
	{{"wma", SP_ERR_UNSUPPORTED, "Windows Media"}, 0, 8, "\x30\x26\xB2\x75\x8E\x66\xCF\x11"},
	{{"au", SP_ERR_UNSUPPORTED, "AU"}, 0, 4, ".snd"},
	{{"zip", SP_ERR_UNSUPPORTED, "zip"}, 0, 4, "PK\x03\x04"},
	{{"gz", SP_ERR_UNSUPPORTED, "gzip"}, 0, 3, "\x1F\x8B\x08"},
	{{"7z", SP_ERR_UNSUPPORTED, "7-Zip"}, 0, 6, "7z\xBC\xAF\x27\x1C"},
	{{"rar", SP_ERR_UNSUPPORTED, "RAR"}, 0, 6, "Rar!\x1A\x07"},
	{{"tar", SP_ERR_UNSUPPORTED, "tar"}, 257, 5, "ustar"},
	{{"xz", SP_ERR_UNSUPPORTED, "xz"},
     0,
     6,
     "\xFD"
     "7zXZ\0"},
	{{"zst", SP_ERR_UNSUPPORTED, "zstd"}, 0, 4, "\x28\xB5\x2F\xFD"},
	{{"bz2", SP_ERR_UNSUPPORTED, "bzip2"}, 0, 4, "BZh9"},
	{{"txt", SP_ERR_UNSUPPORTED, "text"}, 0, 20, "Never gonna give you"},
	{{"html", SP_ERR_UNSUPPORTED, "HTML"}, 0, 22, "<!DOCTYPE html><html>\n"},
	{{"pdf", SP_ERR_UNSUPPORTED, "PDF"}, 0, 8, "%PDF-1.7"},
	{{"png", SP_ERR_UNSUPPORTED, "PNG"}, 0, 8, "\x89PNG\r\n\x1A\n"},
	{{"jpg", SP_ERR_UNSUPPORTED, "JPEG"}, 0, 4, "\xFF\xD8\xFF\xE0"},
	{{"webp", SP_ERR_UNSUPPORTED, "WebP"}, 0, 12, "RIFF\0\0\1\0WEBP"},
	{{"mkv", SP_ERR_UNSUPPORTED, "Matroska"}, 0, 4, "\x1A\x45\xDF\xA3"},
	{{"avi", SP_ERR_UNSUPPORTED, "AVI"}, 0, 12, "RIFF\0\0\1\0AVI "},
	{{"mid", SP_ERR_UNSUPPORTED, "MIDI"}, 0, 8, "MThd\0\0\0\6"},
	{{"wv", SP_ERR_UNSUPPORTED, "WavPack"}, 0, 4, "wvpk"},
	{{"zeros", SP_ERR_BAD_DATA, "no known"}, 0, 1, "\0"},
	{{"id3_alone", SP_ERR_BAD_DATA, "ID3"}, 0, 10, "ID3\4\0\0\0\0\x7F\x7F"},
	{{"ogg_speex", SP_ERR_UNSUPPORTED, "Speex"}, 0, 0, ""},
	{{"ogg_flac", SP_ERR_UNSUPPORTED, "FLAC in Ogg"}, 0, 0, ""},
	{{"mp3_free_format", SP_ERR_UNSUPPORTED, "free format"}, 0, 4, "\xFF\xFB\x00\x44"},
};
#define BAD_MAGIC_COUNT ((int) (sizeof(BAD_MAGICS) / sizeof(BAD_MAGICS[0])))

static inline void
put_magic(AudioBytes *b, int i)
{
	bool text = strcmp(BAD_MAGICS[i].want.word, "text") == 0 ||
	            strcmp(BAD_MAGICS[i].want.word, "HTML") == 0;

	if (strncmp(BAD_MAGICS[i].want.name, "ogg_", 4) == 0)
	{
		put_tag(b, "OggS");
		put_fill(b, 0, 22);
		put_le(b, 0x5001, 2); /* one segment of 80 bytes */
		put_tag(b, strcmp(BAD_MAGICS[i].want.name, "ogg_flac") == 0 ? "\x7F"
		                                                              "FLAC\1\1\1"
		                                                            : "Speex   ");
		put_fill(b, 0, 72);
		return;
	}
	put_fill(b, text ? '.' : 0, BAD_MAGICS[i].offset);
	put_bytes(b, BAD_MAGICS[i].bytes, BAD_MAGICS[i].n);
	put_fill(b, text ? '.' : 0, 512 - b->n);
}

/* Headers that lie, and content that was damaged. */
static const BadAudio BAD_CONTENTS[] = {
	{"empty", SP_ERR_BAD_DATA, "empty"},
	{"mp3_id3_200mb", SP_ERR_TOO_LARGE, "ID3"},
	{"wav_0_channels", SP_ERR_BAD_DATA, "0 channels"},
	{"wav_255_channels", SP_ERR_TOO_LARGE, "255 channels"},
	{"wav_0_hz", SP_ERR_BAD_DATA, "0 Hz"},
	{"wav_1_hz", SP_ERR_TOO_LARGE, "1 Hz"},
	{"wav_4_ghz", SP_ERR_TOO_LARGE, "4294967295 Hz"},
	{"wav_claims_2_40_frames", SP_ERR_BAD_DATA, "1099511627776 frames"},
	{"wav_truncated", SP_ERR_BAD_DATA, "holds only"},
	{"wav_truncated_by_a_byte", SP_ERR_BAD_DATA, "holds only"},
	{"wav_zero_length", SP_ERR_BAD_DATA, "no audio"},
	{"wav_without_data", SP_ERR_BAD_DATA, "no samples"},
	{"wav_header_cut", SP_ERR_BAD_DATA, "no samples"},
	{"wav_without_fmt", SP_ERR_BAD_DATA, "before it says"},
	{"wav_odd_align", SP_ERR_BAD_DATA, "contradicts"},
	{"wav_adpcm", SP_ERR_UNSUPPORTED, "ADPCM"},
	{"wav_mp3_inside", SP_ERR_UNSUPPORTED, "MPEG"},
	{"wav_nan", SP_ERR_BAD_DATA, "frame 4321 is not a number"},
	{"wav_infinite", SP_ERR_BAD_DATA, "channel 2 of frame 4321 is infinite"},
	{"wav_1e30", SP_ERR_BAD_DATA, "far beyond"},
	{"wav_endless_chunks", SP_ERR_BAD_DATA, "no samples"},
	{"w64_tiny_chunk", SP_ERR_BAD_DATA, "impossible size"},
	{"aiff_truncated", SP_ERR_BAD_DATA, "holds only"},
	{"aiff_claims_4g_frames", SP_ERR_BAD_DATA, "holds only"},
	{"aifc_ima4", SP_ERR_UNSUPPORTED, "ima4"},
	{"aiff_without_comm", SP_ERR_BAD_DATA, "no format"},
	{"caf_truncated", SP_ERR_BAD_DATA, "holds only"},
	{"caf_claims_2_40_frames", SP_ERR_BAD_DATA, "1099511627776 frames"},
	{"caf_nan_hz", SP_ERR_BAD_DATA, "sample rate"},
	{"caf_alac", SP_ERR_UNSUPPORTED, "alac"},
	{"flac_truncated", SP_ERR_BAD_DATA, "only"},
	{"flac_claims_too_little", SP_ERR_BAD_DATA, "bytes follow"},
	{"flac_damaged", SP_ERR_BAD_DATA, "damaged"},
	{"flac_claims_2_36_frames", SP_ERR_BAD_DATA, "only"},
	{"flac_20_bits", SP_ERR_UNSUPPORTED, "20 bits"},
	{"flac_0_hz", SP_ERR_BAD_DATA, "0 Hz"},
	{"flac_without_streaminfo", SP_ERR_BAD_DATA, "stream info"},
	{"flac_only_header", SP_ERR_BAD_DATA, ""},
	{"ogg_truncated", SP_ERR_BAD_DATA, "last Ogg page"},
	{"ogg_damaged", SP_ERR_BAD_DATA, "checksum"},
	{"ogg_missing_page", SP_ERR_BAD_DATA, "missing"},
	{"ogg_chained", SP_ERR_UNSUPPORTED, "several streams"},
	{"ogg_only_header", SP_ERR_BAD_DATA, ""},
	{"opus_truncated", SP_ERR_BAD_DATA, "last Ogg page"},
	{"opus_damaged", SP_ERR_BAD_DATA, "checksum"},
	{"mp3_truncated", SP_ERR_BAD_DATA, "holds only"},
	{"mp3_damaged", SP_ERR_BAD_DATA, "damaged at byte"},
	{"mp3_changes_rate", SP_ERR_UNSUPPORTED, "to 48000 Hz"},
	{"mp3_changes_channels", SP_ERR_UNSUPPORTED, "and 1 at byte"},
};
#define BAD_CONTENT_COUNT ((int) (sizeof(BAD_CONTENTS) / sizeof(BAD_CONTENTS[0])))

static inline void
put_bad_wav(AudioBytes *b, const char *name)
{
	if (strcmp(name, "0_channels") == 0)
		put_wav(b, 1, 0, 44100, 16, 4000, 4000);
	else if (strcmp(name, "255_channels") == 0)
		put_wav(b, 1, 255, 44100, 16, 510 * 100, 510 * 100);
	else if (strcmp(name, "0_hz") == 0)
		put_wav(b, 1, 2, 0, 16, 4000, 4000);
	else if (strcmp(name, "1_hz") == 0)
		put_wav(b, 1, 2, 1, 16, 4000, 4000);
	else if (strcmp(name, "4_ghz") == 0)
		put_wav(b, 1, 2, UINT32_MAX, 16, 4000, 4000);
	else if (strcmp(name, "claims_2_40_frames") == 0)
		put_rf64(b, "RF64", UINT64_C(1) << 42, 4000);
	else if (strcmp(name, "truncated") == 0)
		put_cut(b, GOOD_WAV, 500);
	else if (strcmp(name, "truncated_by_a_byte") == 0)
		put_wav(b, 1, 2, 44100, 16, 4000, 3999);
	else if (strcmp(name, "zero_length") == 0)
		put_wav(b, 1, 2, 44100, 16, 0, 0);
	else if (strcmp(name, "without_data") == 0 || strcmp(name, "header_cut") == 0)
	{
		put_wav(b, 1, 2, 44100, 16, 0, 0);
		b->n = name[0] == 'w' ? 36 : 40;
	}
	else if (strcmp(name, "without_fmt") == 0)
	{
		put_wav(b, 1, 2, 44100, 16, 4000, 4000);
		memcpy(b->p + 12, "junk", 4);
	}
	else if (strcmp(name, "odd_align") == 0)
	{
		put_wav(b, 1, 2, 44100, 16, 4000, 4000);
		b->p[32] = 5;
	}
	else if (strcmp(name, "adpcm") == 0)
		put_wav(b, 2, 2, 44100, 4, 4000, 4000);
	else if (strcmp(name, "mp3_inside") == 0)
		put_wav(b, 0x55, 2, 44100, 16, 4000, 4000);
	else if (strcmp(name, "nan") == 0)
		put_float_wav(b, NAN);
	else if (strcmp(name, "infinite") == 0)
		put_float_wav(b, -INFINITY);
	else if (strcmp(name, "1e30") == 0)
		put_float_wav(b, 1e30f);
	else
	{
		put_wav(b, 1, 2, 44100, 16, 0, 0);
		b->n = 36;
		for (int i = 0; i < 100000; i++)
			put_bytes(b, "junk\0\0\0\0", 8);
	}
}

static inline void
put_bad_iff(AudioBytes *b, const char *name)
{
	if (strcmp(name, "w64_tiny_chunk") == 0)
	{
		put_good(b, SF_FORMAT_W64 | SF_FORMAT_PCM_16, 44100, 2, 1000);
		b->p[56] = 3;
	}
	else if (strcmp(name, "aiff_truncated") == 0)
		put_aiff(b, "AIFF", NULL, 1000, 3999);
	else if (strcmp(name, "aiff_claims_4g_frames") == 0)
		put_aiff(b, "AIFF", NULL, 0x3FFFFFF0, 4000);
	else if (strcmp(name, "aifc_ima4") == 0)
		put_aiff(b, "AIFC", "ima4", 1000, 4000);
	else if (strcmp(name, "aiff_without_comm") == 0)
	{
		put_aiff(b, "AIFF", NULL, 1000, 4000);
		memcpy(b->p + 12, "JUNK", 4);
	}
	else if (strcmp(name, "caf_truncated") == 0)
		put_caf(b, "lpcm", 44100, 4 + 4000, 3000);
	else if (strcmp(name, "caf_claims_2_40_frames") == 0)
		put_caf(b, "lpcm", 44100, 4 + (INT64_C(1) << 42), 3000);
	else if (strcmp(name, "caf_nan_hz") == 0)
		put_caf(b, "lpcm", NAN, 4 + 4000, 4000);
	else
		put_caf(b, "alac", 44100, 4 + 4000, 4000);
}

static inline void
put_bad_flac(AudioBytes *b, const char *name)
{
	if (strcmp(name, "truncated") == 0)
		put_cut(b, GOOD_FLAC, 500);
	else if (strcmp(name, "damaged") == 0)
		put_flipped(b, GOOD_FLAC);
	else if (strcmp(name, "claims_2_36_frames") == 0)
	{
		put_cut(b, GOOD_FLAC, 1000);
		b->p[21] |= 0x0F;
		memset(b->p + 22, 0xFF, 4);
	}
	else if (strcmp(name, "claims_too_little") == 0)
	{
		put_cut(b, GOOD_FLAC, 1000);
		memset(b->p + 22, 0, 2);
		b->p[24] = 0x10;
	}
	else if (strcmp(name, "20_bits") == 0)
		put_flac_head(b, 44100, 2, 20, 1000);
	else if (strcmp(name, "0_hz") == 0)
		put_flac_head(b, 0, 2, 16, 1000);
	else if (strcmp(name, "without_streaminfo") == 0)
	{
		put_cut(b, GOOD_FLAC, 1000);
		b->p[4] = 4;
	}
	else
		put_flac_head(b, 44100, 2, 16, 1000);
}

static inline void
put_bad_ogg(AudioBytes *b, const char *name)
{
	if (strcmp(name, "truncated") == 0)
		put_cut(b, GOOD_OGG, 800);
	else if (strcmp(name, "damaged") == 0)
		put_flipped(b, GOOD_OGG);
	else if (strcmp(name, "missing_page") == 0)
	{
		size_t at;

		put_cut(b, GOOD_OGG, 1000);
		at = find_tag(b, "OggS", 3);
		cut_out(b, at, find_tag(b, "OggS", 4) - at);
	}
	else if (strcmp(name, "chained") == 0)
	{
		put_cut(b, GOOD_OGG, 1000);
		put_cut(b, GOOD_OGG, 1000);
	}
	else
	{
		put_cut(b, GOOD_OGG, 1000);
		b->n = find_tag(b, "OggS", 1);
	}
}

static inline void
put_bad_mp3(AudioBytes *b, const char *name)
{
	if (strcmp(name, "truncated") == 0)
		put_cut(b, GOOD_MP3, 500);
	else if (strcmp(name, "id3_200mb") == 0)
	{
		put_id3(b, 200 << 20);
		put_fill(b, 0, 200 << 20);
		put_cut(b, GOOD_MP3, 1000);
	}
	else if (strcmp(name, "damaged") == 0)
	{
		put_cut(b, GOOD_MP3, 1000);
		memset(b->p + b->n / 2, 0x55, 2000);
	}
	else
	{
		bool rate = strcmp(name, "changes_rate") == 0;

		put_good(b, GOOD_MP3, 44100, 2, 44100);
		put_good(b, GOOD_MP3, rate ? 48000 : 44100, rate ? 2 : 1, 48000);
	}
}

/* Build entry i of BAD_CONTENTS. */
static inline void
put_bad(AudioBytes *b, int i)
{
	const char *name = BAD_CONTENTS[i].name;

	if (strncmp(name, "wav_", 4) == 0)
		put_bad_wav(b, name + 4);
	else if (strncmp(name, "flac_", 5) == 0)
		put_bad_flac(b, name + 5);
	else if (strncmp(name, "ogg_", 4) == 0)
		put_bad_ogg(b, name + 4);
	else if (strncmp(name, "mp3_", 4) == 0)
		put_bad_mp3(b, name + 4);
	else if (strcmp(name, "opus_truncated") == 0)
		put_cut(b, GOOD_OPUS, 800);
	else if (strcmp(name, "opus_damaged") == 0)
		put_flipped(b, GOOD_OPUS);
	else if (strcmp(name, "empty") != 0)
		put_bad_iff(b, name);
}

#endif /* BAD_AUDIO_H */
