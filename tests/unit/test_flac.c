/*
 * tests/unit/test_flac.c
 *	  FLAC files: every kind of signal, channels, rate and length comes back
 *	  exactly; the head, with and without MD5; refusals.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/audio/flac.h"

#include <openssl/evp.h>

#include "check.h"
#include "core/audio/decode.h"

#define MOST (3 * 4096 + 5)

typedef int32_t (*Signal)(size_t i, int channel, int32_t top);

static int32_t
silence(size_t i, int channel, int32_t top)
{
	(void) i, (void) channel, (void) top;
	return 0;
}

static int32_t
lowest(size_t i, int channel, int32_t top)
{
	(void) i, (void) channel;
	return -top - 1;
}

static int32_t
noise(size_t i, int channel, int32_t top)
{
	(void) i, (void) channel;
	return (int32_t) (check_noise() * (float) top);
}

/* The widest differences that there are, between channels and between samples. */
static int32_t
alternating(size_t i, int channel, int32_t top)
{
	return (i + (size_t) channel) % 2 == 0 ? top : -top - 1;
}

/* Of what the last predictor makes most. */
static int32_t
steps(size_t i, int channel, int32_t top)
{
	return i / 2 % 2 == (size_t) channel % 2 ? top : -top - 1;
}

/* Nearly nothing, and all of a sudden everything. */
static int32_t
spikes(size_t i, int channel, int32_t top)
{
	return i % 1000 == 999 ? (channel == 0 ? top : -top - 1) : (int32_t) (i % 2);
}

static int32_t
ramp(size_t i, int channel, int32_t top)
{
	return (int32_t) (i * 7 % 20000) * (channel % 2 == 0 ? 1 : -1) + top / 2 - 10000;
}

static int32_t
parabola(size_t i, int channel, int32_t top)
{
	int64_t x = (int64_t) (i % 4096) - 2048;

	return (int32_t) (x * x * top / 5000000 - channel);
}

static int32_t
sine(size_t i, int channel, int32_t top)
{
	return (int32_t) lrint(0.9 * top * sin(0.01 * (double) (i + 3) * (channel + 1)));
}

/* The same left and right, and a little more right. */
static int32_t
middle(size_t i, int channel, int32_t top)
{
	static int32_t last;

	if (channel == 0)
		last = noise(i, channel, top) / 2;
	return channel == 0 ? last : last + (int32_t) (check_random() % 16);
}

/* Right is alone, or left is. */
static int32_t
right_alone(size_t i, int channel, int32_t top)
{
	return channel % 2 == 1 ? noise(i, channel, top) : sine(i, 0, top / 1000);
}

static int32_t
left_alone(size_t i, int channel, int32_t top)
{
	return right_alone(i, channel + 1, top);
}

static SpSpool *
new_spool(void)
{
	SpSpool *spool = NULL;

	CHECK(sp_spool_new_file(&check_env, "/tmp", 0, &spool, NULL) == SP_OK);
	return spool;
}

/* x as a file, written in portions. */
static SpSpool *
write_flac(const int32_t *x, size_t frames, const SpFlacSpec *spec, size_t portion)
{
	SpSpool *file = new_spool();
	SpCursor *cursor = NULL;
	SpFlac *flac = NULL;

	CHECK(sp_cursor_new(&check_env, file, 0, -1, &cursor) == SP_OK);
	CHECK(sp_flac_new(&check_env, spec, cursor, &flac) == SP_OK);
	for (size_t at = 0; at < frames; at += portion)
		CHECK(sp_flac_write(flac, x + at * (size_t) spec->channels,
		                    frames - at < portion ? frames - at : portion) == SP_OK);
	CHECK(sp_flac_finish(flac) == SP_OK);
	CHECK(sp_cursor_status(cursor) == SP_OK);
	sp_flac_free(flac);
	sp_cursor_free(cursor);
	return file;
}

/* libFLAC checks both checksums of each frame, and the decoder the count. */
static void
check_content(SpSpool *file, const int32_t *x, size_t frames, const SpFlacSpec *spec)
{
	int channels = spec->channels, bits = spec->bits;
	SpAudioLimits limits = sp_audio_default_limits();
	SpDecoder *d = NULL;
	SpFault fault = {0};
	float *back = malloc((frames + 1) * (size_t) channels * sizeof(float));
	size_t got = 0, wrong = 0;

	CHECK(sp_decoder_open(&check_env, file, &limits, &d, &fault) == SP_OK);
	if (d != NULL)
	{
		const SpAudioInfo *info = sp_decoder_info(d);

		CHECK(info->format == SP_AUDIO_FLAC && info->bits == bits && info->channels == channels &&
		      info->sample_rate_hz == spec->sample_rate_hz && info->frames == (int64_t) frames);
		CHECK(sp_decoder_read(d, back, frames + 1, &got, &fault) == SP_OK && got == frames);
	}
	if (fault.detail[0] != '\0')
		printf("# %s\n", fault.detail);
	for (size_t i = 0; i < got * (size_t) channels; i++)
		wrong += (double) back[i] * (1 << (bits - 1)) != x[i];
	CHECK(wrong == 0);
	sp_decoder_free(d);
	free(back);
}

static void
check_signal(Signal signal, const char *name, size_t frames, int channels, int bits, int rate_hz)
{
	int before = check_failures;
	int32_t *x = malloc(frames * (size_t) channels * sizeof(int32_t));
	SpFlacSpec spec = {.sample_rate_hz = rate_hz, .channels = channels, .bits = bits};
	SpSpool *file;

	for (size_t i = 0; i < frames; i++)
		for (int c = 0; c < channels; c++)
			x[i * (size_t) channels + (size_t) c] = signal(i, c, (1 << (bits - 1)) - 1);
	for (spec.level = 0; spec.level <= 2; spec.level++)
	{
		file = write_flac(x, frames, &spec, 1000);
		check_content(file, x, frames, &spec);
		sp_spool_free(file);
	}
	if (check_failures > before)
		printf("# %s: %zu frames, %d channels, %d bits, %d Hz\n", name, frames, channels, bits,
		       rate_hz);
	free(x);
}

static void
check_signals(void)
{
	static const struct
	{
		Signal signal;
		const char *name;
	} ALL[] = {
		{silence, "silence"},
		{lowest, "lowest"},
		{noise, "noise"},
		{alternating, "alternating"},
		{steps, "steps"},
		{spikes, "spikes"},
		{ramp, "ramp"},
		{parabola, "parabola"},
		{sine, "sine"},
		{middle, "middle"},
		{right_alone, "right alone"},
		{left_alone, "left alone"},
	};

	for (size_t i = 0; i < sizeof(ALL) / sizeof(ALL[0]); i++)
		for (int bits = 16; bits <= 24; bits += 8)
			for (int channels = 1; channels <= 2; channels++)
				check_signal(ALL[i].signal, ALL[i].name, MOST, channels, bits, 44100);
}

/* The last block may be of any length, and have any number of partitions. */
static void
check_lengths(void)
{
	static const size_t LENGTHS[] = {1,  2,   3,   4,   5,   15,  16,   17,   31,   32,
	                                 48, 128, 255, 256, 512, 672, 4095, 4096, 4097, 8192};

	for (size_t i = 0; i < sizeof(LENGTHS) / sizeof(LENGTHS[0]); i++)
	{
		check_signal(sine, "sine", LENGTHS[i], 2, 16, 44100);
		check_signal(noise, "noise", LENGTHS[i], 1, 24, 44100);
		check_signal(silence, "silence", LENGTHS[i], 2, 24, 44100);
	}
	/* frame numbers of one byte, of two and of three: RFC 9639 section 9.1.5 */
	check_signal(silence, "many frames", 128 * 4096 + 1, 1, 16, 44100);
	check_signal(silence, "more frames", 2049 * 4096, 1, 16, 44100);
}

/* All that a frame's head can say of a rate, and each number of channels. */
static void
check_rates(void)
{
	static const int RATES[] = {1000,  1001,   8000,   11025,  16000,  22050, 24000, 32000,
	                            37000, 44100,  48000,  65535,  65536,  65540, 88200, 96000,
	                            96001, 176400, 192000, 255000, 256000, 655350};

	for (size_t i = 0; i < sizeof(RATES) / sizeof(RATES[0]); i++)
		check_signal(sine, "sine", 5000, 1, 16, RATES[i]);
	for (int channels = 1; channels <= SP_FLAC_MAX_CHANNELS; channels++)
		check_signal(sine, "sine", 5000, channels, 24, 48000);
}

static void
check_refusals(void)
{
	static const SpFlacSpec BAD[] = {{0, 2, 16, 0, true},      {655351, 2, 16, 0, true},
	                                 {44100, 0, 16, 0, true},  {44100, 9, 16, 0, true},
	                                 {44100, 2, 8, 0, true},   {44100, 2, 32, 0, true},
	                                 {44100, 2, 16, -1, true}, {44100, 2, 16, 9, true}};
	static const SpFlacSpec GOOD = {44100, 2, 16, 0, true};
	SpSpool *file = new_spool();
	SpCursor *cursor = NULL;
	SpFlac *flac = NULL;

	CHECK(sp_cursor_new(&check_env, file, 0, -1, &cursor) == SP_OK);
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
		CHECK(sp_flac_new(&check_env, &BAD[i], cursor, &flac) == SP_ERR_BAD_ARG && flac == NULL);
	check_allocs_left = 0;
	CHECK(sp_flac_new(&check_env, &GOOD, cursor, &flac) == SP_ERR_NO_MEMORY && flac == NULL);
	check_allocs_left = -1;
	/* one that is given up, and none */
	CHECK(sp_flac_new(&check_env, &GOOD, cursor, &flac) == SP_OK);
	sp_flac_free(flac);
	sp_flac_free(NULL);
	sp_cursor_free(cursor);
	sp_spool_free(file);
}

/* RFC 9639 section 8.2: rate, channels, bits, how many frames, and their MD5 or zeros. */
static void
check_head(void)
{
	static const uint8_t NONE[16];
	SpFlacSpec spec = {44100, 2, 16, 1, true};
	int32_t x[2 * 5000];
	int16_t words[2 * 5000];
	uint8_t head[42], md5[16];
	size_t got;

	for (size_t i = 0; i < 10000; i++)
		words[i] = (int16_t) (x[i] = noise(i, 0, 1000));
	CHECK(EVP_Digest(words, sizeof(words), md5, NULL, EVP_md5(), NULL) == 1);
	for (int with = 0; with < 2; with++)
	{
		SpSpool *file;

		spec.md5 = with == 1;
		file = write_flac(x, 5000, &spec, 5000);
		CHECK(sp_spool_read(file, 0, head, sizeof(head), &got) == SP_OK && got == sizeof(head));
		CHECK(memcmp(head, "fLaC\0\0\0\x22", 8) == 0);
		CHECK(memcmp(head + 18, "\x0a\xc4\x42\xf0\0\0\x13\x88", 8) == 0);
		CHECK(memcmp(head + 26, spec.md5 ? md5 : NONE, 16) == 0);
		sp_spool_free(file);
	}
}

int
main(void)
{
	check_signals();
	check_lengths();
	check_rates();
	check_refusals();
	check_head();
	return check_report();
}
