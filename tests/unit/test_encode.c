/*
 * tests/unit/test_encode.c
 *	  What is written can be read again: exactly where the format is lossless,
 *	  within bounds and with the right length where it is not.
 */
#include "core/audio/encode.h"

#include "core/audio/decode.h"
#include "core/audio/quantise.h"
#include "core/audio/resample.h"

#include "unit/bad_audio.h"
#include "unit/check.h"

#define FRAMES 30000

static SpSpool *
new_sink(int64_t max_bytes)
{
	SpSpool *sink = NULL;

	CHECK(sp_spool_new_file(&check_env, "/tmp", max_bytes, &sink, NULL) == SP_OK);
	return sink;
}

/* Encode x (or ints, if not NULL) in odd portions. */
static SpStatus
encode(const SpEncoderSpec *spec, const float *x, const int32_t *ints, size_t frames, SpSpool *sink,
       int *rate_hz, SpFault *fault)
{
	SpEncoder *e = NULL;
	SpStatus st;

	memset(fault, 0, sizeof(*fault));
	st = sp_encoder_open(&check_env, spec, sink, &e, fault);
	if (st == SP_OK)
		*rate_hz = sp_encoder_rate_hz(e);
	for (size_t at = 0; st == SP_OK && at < frames; at += 5003)
	{
		size_t n = frames - at < 5003 ? frames - at : 5003;
		size_t offset = at * (size_t) spec->channels;

		st = ints != NULL ? sp_encoder_write_int(e, ints + offset, n, fault)
		                  : sp_encoder_write(e, x + offset, n, fault);
	}
	if (st == SP_OK)
		st = sp_encoder_finish(e, fault);
	sp_encoder_free(e);
	return st;
}

/* Decode all of sink; the caller frees the result. */
static float *
decode(SpSpool *sink, SpAudioInfo *info, size_t *frames)
{
	SpAudioLimits limits = sp_audio_default_limits();
	SpDecoder *d = NULL;
	SpFault fault = {0};
	float *x;
	SpStatus st = sp_decoder_open(&check_env, sink, &limits, &d, &fault);

	*frames = 0;
	CHECK(st == SP_OK);
	if (st != SP_OK)
	{
		printf("# %s\n", fault.detail);
		return NULL;
	}
	*info = *sp_decoder_info(d);
	x = malloc(8 * FRAMES * (size_t) info->channels * sizeof(float));
	st = sp_decoder_read(d, x, 8 * FRAMES, frames, &fault);
	CHECK(st == SP_OK);
	if (st != SP_OK)
		printf("# %s\n", fault.detail);
	sp_decoder_free(d);
	return x;
}

/* FLAC and WAV give back exactly the integers, from floats and from integers. */
static void
check_exact(SpAudioFormat format, int bits, int rate_hz, int channels, double level)
{
	size_t n = FRAMES * (size_t) channels;
	SpEncoderSpec spec = sp_encoder_default(format, rate_hz, channels);
	float *x = malloc(n * sizeof(float));
	int32_t *want = malloc(n * sizeof(int32_t));

	spec.bits = bits;
	spec.level = level;
	for (size_t i = 0; i < n; i++)
		x[i] = 1.2f * check_noise(); /* also beyond full scale */
	sp_quantise(want, x, n, bits);
	for (int as_ints = 0; as_ints < 2; as_ints++)
	{
		SpSpool *sink = new_sink(0);
		SpFault fault;
		SpAudioInfo info;
		size_t frames;
		int rate;
		float *back;

		CHECK(encode(&spec, x, as_ints ? want : NULL, FRAMES, sink, &rate, &fault) == SP_OK);
		CHECK(rate == rate_hz);
		back = decode(sink, &info, &frames);
		CHECK(info.format == format && info.bits == bits && info.channels == channels);
		CHECK(info.sample_rate_hz == rate_hz && frames == FRAMES && info.frames == FRAMES);
		for (size_t i = 0; back != NULL && i < n; i++)
			if ((double) back[i] * (1 << (bits - 1)) != want[i])
			{
				CHECK((double) back[i] * (1 << (bits - 1)) == want[i]);
				break;
			}
		free(back);
		sp_spool_free(sink);
	}
	free(x);
	free(want);
}

static void
check_float_wav(void)
{
	SpEncoderSpec spec = sp_encoder_default(SP_AUDIO_WAV, 44100, 2);
	SpSpool *sink = new_sink(0);
	float *x = malloc(2 * FRAMES * sizeof(float));
	SpFault fault;
	SpAudioInfo info;
	size_t frames;
	size_t got;
	char head[4];
	int rate;
	float *back;

	spec.bits = 32;
	for (size_t i = 0; i < 2 * FRAMES; i++)
		x[i] = 3 * check_noise();
	CHECK(encode(&spec, x, NULL, FRAMES, sink, &rate, &fault) == SP_OK);
	back = decode(sink, &info, &frames);
	CHECK(frames == FRAMES && strcmp(info.codec, "float") == 0);
	CHECK(memcmp(back, x, 2 * FRAMES * sizeof(float)) == 0);
	/* Small files are plain RIFF, which every program reads. */
	CHECK(sp_spool_read(sink, 0, head, 4, &got) == SP_OK && memcmp(head, "RIFF", 4) == 0);
	free(back);
	free(x);
	sp_spool_free(sink);
}

/*
 * Best agreement in dB over the delays that a codec may add.  Bounds below are
 * 5 dB and more under what was measured.
 */
static void
check_lossy(SpAudioFormat format, int rate_hz, int channels, int want_rate, double bound)
{
	SpEncoderSpec spec = sp_encoder_default(format, rate_hz, channels);
	SpSpool *sink = new_sink(0);
	float *x = malloc(FRAMES * (size_t) channels * sizeof(float));
	int64_t want_frames = sp_resampled_frames(FRAMES, rate_hz, want_rate);
	double signal = 0;
	double noise = 1e-30;
	SpFault fault;
	SpAudioInfo info;
	size_t frames;
	int rate = 0;
	float *back;

	for (int i = 0; i < FRAMES; i++)
		for (int c = 0; c < channels; c++)
			x[i * channels + c] = good_sample(i, c, rate_hz);
	CHECK(encode(&spec, x, NULL, FRAMES, sink, &rate, &fault) == SP_OK);
	if (fault.detail[0] != 0)
		printf("# %s\n", fault.detail);
	CHECK(rate == want_rate);
	back = decode(sink, &info, &frames);
	CHECK(info.format == format && info.lossy && info.channels == channels);
	CHECK(info.sample_rate_hz == want_rate);
	CHECK((int64_t) frames == want_frames);
	/* Without the edges, where the codec starts. */
	for (size_t i = 2000; back != NULL && i + 2000 < frames; i++)
		for (int c = 0; c < channels; c++)
		{
			double want = (double) good_sample((int64_t) i, c, want_rate);
			double error = (double) back[i * (size_t) channels + (size_t) c] - want;

			signal += want * want;
			noise += error * error;
		}
	CHECK(10 * log10(signal / noise) >= bound);
	if (10 * log10(signal / noise) < bound || (int64_t) frames != want_frames)
		printf("# %s %d Hz %d channels: %.1f dB, %zu frames for %lld\n",
		       sp_audio_format_name(format), rate_hz, channels, 10 * log10(signal / noise), frames,
		       (long long) want_frames);
	free(back);
	free(x);
	sp_spool_free(sink);
}

static void
check_refusals(void)
{
	static const struct
	{
		SpAudioFormat format;
		int rate_hz;
		int channels;
		int bits;
		SpStatus status;
	} CASES[] = {
		{SP_AUDIO_AIFF, 44100, 2, 16, SP_ERR_UNSUPPORTED},
		{SP_AUDIO_NONE, 44100, 2, 16, SP_ERR_UNSUPPORTED},
		{SP_AUDIO_MP3, 44100, 3, 16, SP_ERR_UNSUPPORTED},
		{SP_AUDIO_FLAC, 44100, 9, 16, SP_ERR_UNSUPPORTED},
		{SP_AUDIO_FLAC, 655351, 2, 16, SP_ERR_UNSUPPORTED},
		{SP_AUDIO_FLAC, 44100, 2, 32, SP_ERR_UNSUPPORTED},
		{SP_AUDIO_WAV, 44100, 2, 8, SP_ERR_UNSUPPORTED},
		{SP_AUDIO_WAV, 44100, 65, 16, SP_ERR_UNSUPPORTED},
		{SP_AUDIO_WAV, 44100, 0, 16, SP_ERR_BAD_ARG},
		{SP_AUDIO_WAV, 0, 1, 16, SP_ERR_BAD_ARG},
	};
	SpSpool *sink = new_sink(0);
	SpSpool *memory = NULL;
	SpEncoder *e = NULL;
	SpEncoderSpec spec;
	SpFault fault;
	int32_t ints[2] = {0};
	float x[2] = {0};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
	{
		spec = sp_encoder_default(CASES[i].format, CASES[i].rate_hz, CASES[i].channels);
		spec.bits = CASES[i].bits;
		memset(&fault, 0, sizeof(fault));
		CHECK(sp_encoder_open(&check_env, &spec, sink, &e, &fault) == CASES[i].status);
		CHECK(e == NULL && fault.detail[0] != 0);
	}
	spec = sp_encoder_default(SP_AUDIO_FLAC, 44100, 2);
	CHECK(sp_spool_new_memory(&check_env, "", 0, &memory) == SP_OK);
	CHECK(sp_encoder_open(&check_env, &spec, memory, &e, &fault) == SP_ERR_BAD_ARG);
	sp_spool_free(memory);
	spec.level = NAN;
	CHECK(sp_encoder_open(&check_env, &spec, sink, &e, &fault) == SP_ERR_BAD_ARG);
	spec.level = 0;
	spec.frames = INT64_C(1) << 36;
	CHECK(sp_encoder_open(&check_env, &spec, sink, &e, &fault) == SP_ERR_UNSUPPORTED);
	spec.frames = -1;
	/* No frame; and the two ways of writing do not mix. */
	CHECK(sp_encoder_open(&check_env, &spec, sink, &e, &fault) == SP_OK);
	CHECK(sp_encoder_finish(e, &fault) == SP_ERR_BAD_ARG);
	CHECK(sp_encoder_write(e, x, 1, &fault) == SP_OK);
	CHECK(sp_encoder_write_int(e, ints, 1, &fault) == SP_ERR_BAD_ARG);
	CHECK(sp_encoder_finish(e, &fault) == SP_OK);
	sp_encoder_free(e);
	CHECK(sp_encoder_open(&check_env, &spec, sink, &e, &fault) == SP_ERR_BAD_ARG);
	sp_spool_free(sink);
	sp_encoder_free(NULL);
}

/* A full sink, no memory, a cancel: an error, never half a file that looks whole. */
static void
check_failures_of_host(void)
{
	static const SpAudioFormat FORMATS[] = {SP_AUDIO_FLAC, SP_AUDIO_WAV, SP_AUDIO_VORBIS,
	                                        SP_AUDIO_OPUS, SP_AUDIO_MP3};
	float *x = calloc(2 * FRAMES, sizeof(float));

	for (size_t i = 0; i < 2 * FRAMES; i++)
		x[i] = 0.5f * check_noise();
	for (size_t k = 0; k < sizeof(FORMATS) / sizeof(FORMATS[0]); k++)
	{
		SpEncoderSpec spec = sp_encoder_default(FORMATS[k], 44100, 2);
		SpFault fault;
		SpSpool *sink;
		SpStatus st = SP_ERR_NO_MEMORY;
		int rate;

		for (int64_t limit = 1; limit < 5000; limit = limit * 5 + 3)
		{
			sink = new_sink(limit);
			CHECK(encode(&spec, x, NULL, FRAMES, sink, &rate, &fault) == SP_ERR_TOO_LARGE);
			CHECK(fault.detail[0] != 0);
			sp_spool_free(sink);
		}
		for (int n = 0; st != SP_OK && n < 20; n++)
		{
			sink = new_sink(0);
			check_allocs_left = n;
			st = encode(&spec, x, NULL, FRAMES, sink, &rate, &fault);
			check_allocs_left = -1;
			CHECK(st == SP_OK || st == SP_ERR_NO_MEMORY);
			sp_spool_free(sink);
		}
		CHECK(st == SP_OK);
		sink = new_sink(0);
		check_polls_left = 3;
		CHECK(encode(&spec, x, NULL, FRAMES, sink, &rate, &fault) == SP_ERR_CANCELED);
		check_polls_left = -1;
		sp_spool_free(sink);
	}
	free(x);
}

/* The same samples become the same bytes. */
static void
check_repeatable(SpAudioFormat format)
{
	SpEncoderSpec spec = sp_encoder_default(format, 44100, 2);
	float *x = calloc(2 * FRAMES, sizeof(float));
	SpSpool *a = new_sink(0);
	SpSpool *b = new_sink(0);
	SpFault fault;
	size_t n;
	size_t got;
	char *pa;
	char *pb;
	int rate;

	for (size_t i = 0; i < 2 * FRAMES; i++)
		x[i] = 0.5f * check_noise();
	CHECK(encode(&spec, x, NULL, FRAMES, a, &rate, &fault) == SP_OK);
	CHECK(encode(&spec, x, NULL, FRAMES, b, &rate, &fault) == SP_OK);
	n = (size_t) sp_spool_size(a);
	pa = malloc(n);
	pb = malloc(n);
	CHECK(sp_spool_size(b) == (int64_t) n);
	CHECK(sp_spool_read(a, 0, pa, n, &got) == SP_OK && got == n);
	CHECK(sp_spool_read(b, 0, pb, n, &got) == SP_OK && got == n);
	CHECK(memcmp(pa, pb, n) == 0);
	free(pa);
	free(pb);
	free(x);
	sp_spool_free(a);
	sp_spool_free(b);
}

int
main(void)
{
	static const int BITS[] = {16, 24};

	for (int k = 0; k < 2; k++)
	{
		check_exact(SP_AUDIO_FLAC, BITS[k], 44100, 2, 0);
		check_exact(SP_AUDIO_FLAC, BITS[k], 96000, 1, 0.25);
		check_exact(SP_AUDIO_FLAC, BITS[k], 44100, 8, 1);
		check_exact(SP_AUDIO_WAV, BITS[k], 44100, 2, 0);
		check_exact(SP_AUDIO_WAV, BITS[k], 192000, 6, 0);
	}
	check_float_wav();
	check_lossy(SP_AUDIO_VORBIS, 44100, 2, 44100, 25);
	check_lossy(SP_AUDIO_VORBIS, 48000, 1, 48000, 25);
	check_lossy(SP_AUDIO_OPUS, 48000, 2, 48000, 20);
	check_lossy(SP_AUDIO_OPUS, 44100, 2, 48000, 20);
	check_lossy(SP_AUDIO_OPUS, 16000, 1, 16000, 20);
	check_lossy(SP_AUDIO_MP3, 44100, 2, 44100, 20);
	check_lossy(SP_AUDIO_MP3, 96000, 2, 48000, 20);
	check_lossy(SP_AUDIO_MP3, 22050, 1, 22050, 20);
	check_refusals();
	check_failures_of_host();
	check_repeatable(SP_AUDIO_FLAC);
	check_repeatable(SP_AUDIO_WAV);
	check_repeatable(SP_AUDIO_MP3);
	return check_report();
}
