/*
 * tests/fuzz/fuzz_decode.c
 *	  libFuzzer: any bytes into sniff, open, decode and measure, then a little
 *	  of the result out again.
 *
 * Beyond what the sanitizers see, it asserts the decoder's promises: what is
 * given is finite and within bounds, lengths and limits hold, and a refusal
 * has its reason and a hint.
 *
 * An Ogg page carries a checksum that a mutation breaks and an attacker does
 * not, so a custom mutator mends checksums and page numbers half of the time.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/audio/decode.h"
#include "core/audio/encode.h"
#include "core/audio/measure.h"
#include "host.h"

#define MAX_SECONDS 5
#define BLOCK       1000
#define KEEP        3000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
const char *__lsan_default_suppressions(void);

/*
 * libsndfile 1.2 does not free libvorbis' state when a setup header is
 * invalid behind a valid checksum: 6 KB a refused file, none of it ours.
 */
const char *
__lsan_default_suppressions(void)
{
	return "leak:libvorbis\nleak:vorbis_\n";
}

/* Bit by bit, as RFC 3533 says it. */
static uint32_t
ogg_crc(const uint8_t *p, size_t n)
{
	uint32_t crc = 0;

	for (size_t i = 0; i < n; i++)
	{
		crc ^= (uint32_t) p[i] << 24;
		for (int k = 0; k < 8; k++)
			crc = crc & 0x80000000u ? crc << 1 ^ 0x04C11DB7u : crc << 1;
	}
	return crc;
}

static void
mend_ogg(uint8_t *p, size_t n)
{
	uint8_t serial[4];

	for (uint32_t number = 0; n >= 27 && memcmp(p, "OggS", 4) == 0; number++)
	{
		size_t length = 27 + (size_t) p[26];
		uint32_t crc;

		if (length > n)
			return;
		for (int i = 0; i < p[26]; i++)
			length += p[27 + i];
		if (length > n)
			return;
		if (number == 0)
			memcpy(serial, p + 14, 4);
		memcpy(p + 14, serial, 4);
		p[4] = 0;
		memcpy(p + 18, &number, 4);
		memset(p + 22, 0, 4);
		crc = ogg_crc(p, length);
		memcpy(p + 22, &crc, 4);
		p += length;
		n -= length;
	}
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	size = LLVMFuzzerMutate(data, size, max_size);
	if (seed % 2 == 0)
		mend_ogg(data, size);
	return size;
}

/* Write x in a format that the input's length chooses, and read the beginning again. */
static void
encode_again(const SpAudioInfo *info, const float *x, size_t frames, size_t choice)
{
	static const SpAudioFormat FORMATS[] = {SP_AUDIO_FLAC, SP_AUDIO_WAV, SP_AUDIO_MP3,
	                                        SP_AUDIO_VORBIS, SP_AUDIO_OPUS};
	/* The lossless ones most of the time: setting up the others takes milliseconds. */
	size_t k = choice % 32 < 3 ? 2 + choice % 32 : choice % 2;
	SpEncoderSpec spec = sp_encoder_default(FORMATS[k], info->sample_rate_hz, info->channels);
	SpSpool *sink = NULL;
	SpEncoder *e = NULL;
	SpFault fault;

	if (sp_spool_new_file(&env, "/tmp", 1 << 20, &sink, &fault) != SP_OK)
		return;
	if (sp_encoder_open(&env, &spec, sink, &e, &fault) == SP_OK &&
	    sp_encoder_write(e, x, frames, &fault) == SP_OK)
		sp_encoder_finish(e, &fault);
	sp_encoder_free(e);
	sp_spool_free(sink);
}

static void
check_info(const SpAudioInfo *info, const SpAudioLimits *limits)
{
	assert(info->channels >= 1 && info->channels <= limits->max_channels);
	assert(info->sample_rate_hz >= limits->min_rate_hz);
	assert(info->sample_rate_hz <= limits->max_rate_hz);
	assert(info->frames == -1 || info->frames > 0);
	assert(info->codec[0] != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SpAudioLimits limits = sp_audio_default_limits();
	SpSpool *spool = NULL;
	SpDecoder *d = NULL;
	SpFault fault = {{0}, {0}};
	float *x;
	size_t kept = 0;
	size_t got;
	SpMeasure m;
	SpStatus st;

	limits.max_seconds = MAX_SECONDS;
	limits.max_channels = 8;
	limits.max_rate_hz = 192000;
	assert(sp_spool_new_memory(&env, data, size, &spool) == SP_OK);
	st = sp_decoder_open(&env, spool, &limits, &d, &fault);
	if (st != SP_OK)
	{
		assert(d == NULL && fault.detail[0] != 0 && fault.hint[0] != 0);
		sp_spool_free(spool);
		return 0;
	}
	check_info(sp_decoder_info(d), &limits);
	x = malloc((KEEP + BLOCK) * 8 * sizeof(float));
	sp_measure_init(&m, sp_decoder_info(d)->channels);
	do
	{
		float *at = x + kept * (size_t) m.channels;

		st = sp_decoder_read(d, at, BLOCK, &got, &fault);
		sp_measure_push(&m, at, got);
		kept = kept + got <= KEEP ? kept + got : kept;
	} while (st == SP_OK && got > 0);
	assert(m.bad == -1 && isfinite(m.energy) && m.peak <= SP_AUDIO_MAX_SAMPLE);
	assert(sp_decoder_position(d) <= (int64_t) MAX_SECONDS * sp_decoder_info(d)->sample_rate_hz);
	assert(st == SP_OK || (fault.detail[0] != 0 && fault.hint[0] != 0));
	if (kept > 0)
		encode_again(sp_decoder_info(d), x, kept, size);
	free(x);
	sp_decoder_free(d);
	sp_spool_free(spool);
	return 0;
}
