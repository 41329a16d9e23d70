/*
 * tests/unit/test_decode.c
 *	  Every format decodes to the signal that went in; every bad content gets
 *	  the one answer that it should.
 */
#include "core/audio/decode.h"

#include "core/audio/measure.h"

#include "unit/bad_audio.h"
#include "unit/check.h"

#define FRAMES 96000

/* Decode all of b; fault and status of the first failure. */
static SpStatus
decode(const AudioBytes *b, const SpAudioLimits *limits, SpAudioInfo *info, float **x,
       size_t *frames, SpFault *fault)
{
	SpAudioLimits defaults = sp_audio_default_limits();
	SpSpool *spool = NULL;
	SpDecoder *d = NULL;
	size_t capacity = 3 * FRAMES;
	size_t got;
	SpStatus st;

	*x = NULL;
	*frames = 0;
	memset(fault, 0, sizeof(*fault));
	st = sp_spool_new_memory(&check_env, b->p, b->n, &spool);
	if (st == SP_OK)
		st = sp_decoder_open(&check_env, spool, limits ? limits : &defaults, &d, fault);
	if (st == SP_OK)
	{
		*info = *sp_decoder_info(d);
		*x = malloc(capacity * sizeof(float) * (size_t) info->channels);
		/* Odd block sizes, so that the decoder's own blocks do not fit. */
		do
			st = sp_decoder_read(d, *x + *frames * (size_t) info->channels,
			                     capacity - *frames < 777 ? capacity - *frames : 777, &got, fault);
		while (st == SP_OK && (*frames += got, got > 0) && *frames < capacity);
		if (st == SP_OK)
			CHECK(sp_decoder_position(d) == (int64_t) *frames);
		else
		{
			/* Asked again, it says the same. */
			SpFault again;

			CHECK(sp_decoder_read(d, *x, 1, &got, &again) == st && got == 0);
			CHECK(strcmp(again.detail, fault->detail) == 0);
		}
	}
	sp_decoder_free(d);
	sp_spool_free(spool);
	return st;
}

/* Signal to noise ratio of x against good_sample in dB. */
static double
snr_db(const float *x, size_t frames, int channels, int rate_hz)
{
	double signal = 0;
	double noise = 1e-30;

	for (size_t i = 0; i < frames; i++)
		for (int c = 0; c < channels; c++)
		{
			double want = (double) good_sample((int64_t) i, c, rate_hz);
			double error = (double) x[i * (size_t) channels + (size_t) c] - want;

			signal += want * want;
			noise += error * error;
		}
	return 10 * log10(signal / noise);
}

/*
 * Bounds: 16 bits of a signal with an RMS of 0.38 have 6.02 * 16 + 1.76 - 5.4 =
 * 93 dB, 6 dB less as libsndfile writes them (it truncates); 8 bits 45 - 6,
 * mu-law 37.  The lossy codecs at libsndfile's default quality are 25 dB and more.
 */
static const struct
{
	int format;
	int rate_hz;
	int channels;
	SpAudioFormat want;
	const char *codec;
	int bits;
	bool lossy;
	double snr;
} GOOD[] = {
	{GOOD_WAV, 44100, 2, SP_AUDIO_WAV, "pcm_16", 16, false, 85},
	{GOOD_WAV, 44100, 1, SP_AUDIO_WAV, "pcm_16", 16, false, 85},
	{SF_FORMAT_WAV | SF_FORMAT_PCM_U8, 22050, 2, SP_AUDIO_WAV, "pcm_8", 8, false, 37},
	{SF_FORMAT_WAV | SF_FORMAT_PCM_24, 96000, 2, SP_AUDIO_WAV, "pcm_24", 24, false, 130},
	{SF_FORMAT_WAV | SF_FORMAT_PCM_32, 96000, 2, SP_AUDIO_WAV, "pcm_32", 32, false, 130},
	{SF_FORMAT_WAV | SF_FORMAT_FLOAT, 48000, 2, SP_AUDIO_WAV, "float", 0, false, 200},
	{SF_FORMAT_WAV | SF_FORMAT_DOUBLE, 48000, 2, SP_AUDIO_WAV, "double", 0, false, 200},
	{SF_FORMAT_WAV | SF_FORMAT_ULAW, 8000, 1, SP_AUDIO_WAV, "ulaw", 0, true, 34},
	{SF_FORMAT_WAV | SF_FORMAT_ALAW, 8000, 1, SP_AUDIO_WAV, "alaw", 0, true, 34},
	{SF_FORMAT_WAVEX | SF_FORMAT_PCM_24, 44100, 6, SP_AUDIO_WAV, "pcm_24", 24, false, 130},
	{SF_FORMAT_WAVEX | SF_FORMAT_FLOAT, 44100, 2, SP_AUDIO_WAV, "float", 0, false, 200},
	{SF_FORMAT_WAV | SF_FORMAT_PCM_16 | SF_ENDIAN_BIG, 44100, 2, SP_AUDIO_WAV, "pcm_16", 16, false,
     85},
	{SF_FORMAT_RF64 | SF_FORMAT_PCM_16, 44100, 2, SP_AUDIO_WAV, "pcm_16", 16, false, 85},
	{SF_FORMAT_W64 | SF_FORMAT_PCM_24, 44100, 2, SP_AUDIO_W64, "pcm_24", 24, false, 130},
	{GOOD_FLAC, 44100, 2, SP_AUDIO_FLAC, "pcm_16", 16, false, 85},
	{SF_FORMAT_FLAC | SF_FORMAT_PCM_24, 96000, 1, SP_AUDIO_FLAC, "pcm_24", 24, false, 130},
	{SF_FORMAT_FLAC | SF_FORMAT_PCM_S8, 44100, 8, SP_AUDIO_FLAC, "pcm_8", 8, false, 37},
	{SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 44100, 2, SP_AUDIO_AIFF, "pcm_16", 16, false, 85},
	{SF_FORMAT_AIFF | SF_FORMAT_PCM_24, 48000, 1, SP_AUDIO_AIFF, "pcm_24", 24, false, 130},
	{SF_FORMAT_AIFF | SF_FORMAT_PCM_16 | SF_ENDIAN_LITTLE, 44100, 2, SP_AUDIO_AIFF, "pcm_16", 16,
     false, 85},
	{SF_FORMAT_AIFF | SF_FORMAT_FLOAT, 44100, 2, SP_AUDIO_AIFF, "float", 0, false, 200},
	{SF_FORMAT_AIFF | SF_FORMAT_DOUBLE, 44100, 2, SP_AUDIO_AIFF, "double", 0, false, 200},
	{SF_FORMAT_AIFF | SF_FORMAT_ULAW, 44100, 2, SP_AUDIO_AIFF, "ulaw", 0, true, 34},
	{SF_FORMAT_CAF | SF_FORMAT_PCM_16, 44100, 2, SP_AUDIO_CAF, "pcm_16", 16, false, 85},
	{SF_FORMAT_CAF | SF_FORMAT_PCM_24 | SF_ENDIAN_LITTLE, 44100, 2, SP_AUDIO_CAF, "pcm_24", 24,
     false, 130},
	{SF_FORMAT_CAF | SF_FORMAT_FLOAT, 44100, 3, SP_AUDIO_CAF, "float", 0, false, 200},
	{SF_FORMAT_CAF | SF_FORMAT_ALAW, 44100, 1, SP_AUDIO_CAF, "alaw", 0, true, 34},
	{GOOD_OGG, 44100, 2, SP_AUDIO_VORBIS, "vorbis", 0, true, 20},
	{GOOD_OGG, 48000, 1, SP_AUDIO_VORBIS, "vorbis", 0, true, 20},
	{GOOD_OPUS, 48000, 2, SP_AUDIO_OPUS, "opus", 0, true, 20},
	{GOOD_OPUS, 24000, 1, SP_AUDIO_OPUS, "opus", 0, true, 20},
	{GOOD_MP3, 44100, 2, SP_AUDIO_MP3, "mpeg_layer_3", 0, true, 20},
	{GOOD_MP3, 22050, 1, SP_AUDIO_MP3, "mpeg_layer_3", 0, true, 20},
};

static void
check_good(size_t k)
{
	AudioBytes b = {0};
	SpAudioInfo info;
	SpFault fault;
	float *x;
	size_t frames;
	SpStatus st;
	double snr;

	put_good(&b, GOOD[k].format, GOOD[k].rate_hz, GOOD[k].channels, FRAMES);
	st = decode(&b, NULL, &info, &x, &frames, &fault);
	CHECK(st == SP_OK);
	if (st == SP_OK)
	{
		CHECK(info.format == GOOD[k].want);
		CHECK(strcmp(info.codec, GOOD[k].codec) == 0);
		CHECK(info.bits == GOOD[k].bits && info.lossy == GOOD[k].lossy);
		CHECK(info.sample_rate_hz == GOOD[k].rate_hz && info.channels == GOOD[k].channels);
		CHECK(frames == FRAMES && info.frames == FRAMES);
		snr = snr_db(x, frames < FRAMES ? frames : FRAMES, info.channels, info.sample_rate_hz);
		CHECK(snr >= GOOD[k].snr);
		if (snr < GOOD[k].snr || frames != FRAMES)
			printf("# format %#x: SNR %.1f dB, %zu frames, claims %lld\n",
			       (unsigned) GOOD[k].format, snr, frames, (long long) info.frames);
	}
	else
		printf("# format %#x: %s\n", (unsigned) GOOD[k].format, fault.detail);
	free(x);
	bytes_free(&b);
}

static void
check_refused(const AudioBytes *b, const BadAudio *want)
{
	SpAudioInfo info;
	SpFault fault;
	float *x;
	size_t frames;
	SpStatus st = decode(b, NULL, &info, &x, &frames, &fault);
	size_t length = strlen(fault.detail);

	if (st != want->status || strstr(fault.detail, want->word) == NULL)
		printf("# %s: status %d, %s\n", want->name, st, fault.detail);
	CHECK(st == want->status);
	CHECK(strstr(fault.detail, want->word) != NULL);
	CHECK(length > 0 && fault.hint[0] != 0);
	/* Sentences, whole ones. */
	CHECK(length < sizeof(fault.detail) - 1);
	CHECK(strlen(fault.hint) < sizeof(fault.hint) - 1);
	free(x);
}

static void
check_bad(void)
{
	for (int i = 0; i < BAD_MAGIC_COUNT; i++)
	{
		AudioBytes b = {0};

		put_magic(&b, i);
		check_refused(&b, &BAD_MAGICS[i].want);
		bytes_free(&b);
	}
	for (int i = 0; i < BAD_CONTENT_COUNT; i++)
	{
		AudioBytes b = {0};

		put_bad(&b, i);
		check_refused(&b, &BAD_CONTENTS[i]);
		bytes_free(&b);
	}
}

/* Things that look odd, and are fine. */
static void
check_tolerated(void)
{
	SpAudioInfo info;
	SpFault fault;
	float *x;
	size_t frames;
	AudioBytes b = {0};

	/* A WAV written to a pipe says "unknown". */
	put_wav(&b, 1, 2, 44100, 16, UINT32_MAX, 4002);
	CHECK(decode(&b, NULL, &info, &x, &frames, &fault) == SP_OK && frames == 1000);
	free(x);
	bytes_free(&b);
	/* BW64 is RF64. */
	put_rf64(&b, "BW64", 4000, 4000);
	CHECK(decode(&b, NULL, &info, &x, &frames, &fault) == SP_OK && frames == 1000);
	CHECK_NEAR(x[0], 257 / 32768.0, 0);
	free(x);
	bytes_free(&b);
	/* Chunks behind the samples are not looked at. */
	put_wav(&b, 1, 2, 44100, 16, 4000, 4000);
	put_fill(&b, 0xFF, 1000);
	CHECK(decode(&b, NULL, &info, &x, &frames, &fault) == SP_OK && frames == 1000);
	free(x);
	bytes_free(&b);
	/* A CAF until the end of the file. */
	put_caf(&b, "lpcm", 44100, -1, 4000);
	CHECK(decode(&b, NULL, &info, &x, &frames, &fault) == SP_OK && frames == 1000);
	free(x);
	bytes_free(&b);
	/* FLAC and MP3 behind ID3 tags, MP3 before others. */
	put_id3(&b, 100000);
	put_fill(&b, 0xFF, 100000);
	put_good(&b, GOOD_FLAC, 44100, 2, FRAMES);
	CHECK(decode(&b, NULL, &info, &x, &frames, &fault) == SP_OK && frames == FRAMES);
	free(x);
	bytes_free(&b);
	put_id3(&b, 100000);
	put_fill(&b, 0xFF, 100000);
	put_fill(&b, 0, 500);
	put_good(&b, GOOD_MP3, 44100, 2, FRAMES);
	put_tag(&b, "TAG");
	put_fill(&b, ' ', 125);
	CHECK(decode(&b, NULL, &info, &x, &frames, &fault) == SP_OK && frames == FRAMES);
	CHECK(snr_db(x, frames, 2, 44100) > 20);
	free(x);
	bytes_free(&b);
}

/* Two MP3 files behind each other: the first one's count must not hide the second. */
static void
check_joined_mp3(void)
{
	SpAudioInfo info;
	SpFault fault;
	float *x;
	size_t frames;
	AudioBytes b = {0};

	put_good(&b, GOOD_MP3, 44100, 2, FRAMES);
	put_good(&b, GOOD_MP3, 44100, 2, FRAMES);
	CHECK(decode(&b, NULL, &info, &x, &frames, &fault) == SP_OK);
	/* Encoder delay, padding and the second info frame are heard as silence. */
	CHECK(frames >= 2 * FRAMES && frames < 2 * FRAMES + 8 * 1152);
	if (frames >= 2 * FRAMES + 8 * 1152 || frames < 2 * FRAMES)
		printf("# joined: %zu frames, claims %lld\n", frames, (long long) info.frames);
	free(x);
	bytes_free(&b);
}

static void
check_limits(void)
{
	SpAudioLimits limits = sp_audio_default_limits();
	SpAudioInfo info;
	SpFault fault;
	float *x;
	size_t frames;
	AudioBytes b = {0};

	put_good(&b, GOOD_WAV, 48000, 2, FRAMES);
	limits.max_seconds = 2;
	CHECK(decode(&b, &limits, &info, &x, &frames, &fault) == SP_OK);
	free(x);
	limits.max_seconds = 1.9;
	CHECK(decode(&b, &limits, &info, &x, &frames, &fault) == SP_ERR_TOO_LARGE);
	free(x);
	limits.max_seconds = 0;
	limits.max_bytes = (int64_t) b.n;
	CHECK(decode(&b, &limits, &info, &x, &frames, &fault) == SP_OK);
	free(x);
	limits.max_bytes--;
	CHECK(decode(&b, &limits, &info, &x, &frames, &fault) == SP_ERR_TOO_LARGE);
	free(x);
	limits.max_bytes = 0;
	limits.max_channels = 1;
	CHECK(decode(&b, &limits, &info, &x, &frames, &fault) == SP_ERR_TOO_LARGE);
	free(x);
	bytes_free(&b);
	/* FLAC that claims nothing is counted while it is decoded. */
	put_good(&b, GOOD_FLAC, 48000, 2, FRAMES);
	b.p[21] &= 0xF0;
	memset(b.p + 22, 0, 4);
	limits = sp_audio_default_limits();
	CHECK(decode(&b, &limits, &info, &x, &frames, &fault) == SP_OK && frames == FRAMES);
	CHECK(info.frames == -1);
	free(x);
	limits.max_seconds = 1;
	CHECK(decode(&b, &limits, &info, &x, &frames, &fault) == SP_ERR_TOO_LARGE);
	CHECK(strstr(fault.detail, "holds more than 1 seconds") != NULL);
	free(x);
	bytes_free(&b);
}

/* Out of memory at every allocation of ours, and canceled at every poll. */
static void
check_failures_of_host(void)
{
	static const int FORMATS[] = {GOOD_WAV, GOOD_FLAC, GOOD_OGG, GOOD_MP3};

	for (size_t k = 0; k < sizeof(FORMATS) / sizeof(FORMATS[0]); k++)
	{
		AudioBytes b = {0};
		SpAudioInfo info;
		SpFault fault;
		float *x;
		size_t frames;
		SpStatus st = SP_ERR_NO_MEMORY;

		put_good(&b, FORMATS[k], 44100, 2, 20000);
		for (int n = 0; st != SP_OK && n < 50; n++)
		{
			check_allocs_left = n;
			st = decode(&b, NULL, &info, &x, &frames, &fault);
			check_allocs_left = -1;
			CHECK(st == SP_OK || st == SP_ERR_NO_MEMORY);
			free(x);
		}
		CHECK(st == SP_OK);
		st = SP_ERR_CANCELED;
		for (int n = 0; st != SP_OK && n < 500; n++)
		{
			check_polls_left = n;
			st = decode(&b, NULL, &info, &x, &frames, &fault);
			check_polls_left = -1;
			CHECK(st == SP_OK || st == SP_ERR_CANCELED);
			free(x);
		}
		CHECK(st == SP_OK);
		bytes_free(&b);
	}
}

/*
 * EBU Tech 3341, case 1: a stereo 1 kHz sine of -20 LUFS peaks at -20 dB in
 * both channels, so its RMS is 3.01 dB less.
 */
static void
check_ebu(void)
{
	const char *shared = getenv("SPOTAI_SHARED");
	SpMeasure m;
	SpAudioInfo info;
	SpFault fault;
	AudioBytes b = {0};
	char path[1024];
	uint8_t block[4096];
	size_t frames;
	size_t n;
	float *x;
	FILE *f;

	snprintf(path, sizeof(path), "%s/data/features/ebu/1kHz_sine_-20LUFS-16bit.flac",
	         shared != NULL ? shared : "../shared");
	f = fopen(path, "rb");
	if (f == NULL)
	{
		printf("# SKIP no EBU test signals: %s\n", path);
		return;
	}
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		put_bytes(&b, block, n);
	fclose(f);
	CHECK(decode(&b, NULL, &info, &x, &frames, &fault) == SP_OK);
	sp_measure_init(&m, info.channels);
	/* A second in the middle of what was read: no fades. */
	sp_measure_push(&m, x + 48000 * (size_t) info.channels, 48000);
	CHECK_NEAR(sp_measure_peak_db(&m), -20, 0.1); /* the signal is dithered */
	CHECK_NEAR(sp_measure_rms_db(&m), -23.01, 0.05);
	free(x);
	bytes_free(&b);
}

int
main(void)
{
	for (size_t k = 0; k < sizeof(GOOD) / sizeof(GOOD[0]); k++)
		check_good(k);
	check_bad();
	check_tolerated();
	check_joined_mp3();
	check_limits();
	check_failures_of_host();
	check_ebu();
	return check_report();
}
