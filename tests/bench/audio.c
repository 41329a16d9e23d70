/*
 * tests/bench/audio.c
 *	  How many times real time does each format encode and decode, on one core?
 *
 *	bench_audio [FILE [SECONDS]]
 *
 * FILE is any audio that the decoder reads; without it, a synthetic piece of
 * decaying chords and noise bursts is used, in stereo at 44.1 kHz.  Times are
 * processor time of this process (other people's load does not count), the
 * best of three.  "scan" is decoding with level measurement, which is what
 * ingest does besides hashing.  Prints a Markdown table.
 *
 * Build without sanitizers:
 *	cc -O3 -fno-math-errno -fno-trapping-math -std=gnu11 -Isrc -Itests -o bench_audio tests/bench/audio.c
 *	   src/core/sp_base.c src/core/audio/X.c (all of them) -lsndfile -lsoxr -lm
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "core/audio/decode.h"
#include "core/audio/encode.h"
#include "core/audio/measure.h"
#include "host.h"

#define ROUNDS 3
#define BLOCK  8192

typedef struct Piece
{
	float *x;
	size_t frames;
	int channels;
	int rate_hz;
} Piece;

static void
die(const char *what, const SpFault *fault)
{
	fprintf(stderr, "%s: %s\n", what, fault->detail);
	exit(1);
}

/* Two chords a second, each of five decaying partials left and right, and a snare of noise. */
static void
compose(Piece *p, int seconds)
{
	uint32_t noise = 2463534242u;

	p->channels = 2;
	p->rate_hz = 44100;
	p->frames = (size_t) seconds * 44100;
	p->x = malloc(p->frames * 2 * sizeof(float));
	if (p->x == NULL)
		exit(1);
	for (size_t i = 0; i < p->frames; i++)
	{
		size_t beat = i / 22050;
		double t = (double) (i % 22050) / 44100;
		double hit = exp(-30 * t) * (double) (beat % 2);
		double tone[2] = {0, 0};

		for (int k = 1; k <= 5; k++)
			tone[k % 2] += exp(-2.0 * k * t) / k *
			               sin(2 * M_PI * k * 110 * pow(2, (double) (beat * 7 % 12) / 12) * t);
		for (int c = 0; c < 2; c++)
		{
			noise ^= noise << 13;
			noise ^= noise >> 17;
			noise ^= noise << 5;
			p->x[2 * i + (size_t) c] = (float) (0.25 * tone[c] + 0.15 * tone[1 - c] +
			                                    (0.2 * hit + 0.002) * (noise / 2147483648.0 - 1));
		}
	}
}

/* Decode sink; into x if it is not NULL. */
static size_t
decode(SpSpool *sink, Piece *piece, bool scan)
{
	SpAudioLimits limits = sp_audio_default_limits();
	SpDecoder *d;
	SpFault fault;
	SpMeasure m;
	float *block = NULL;
	size_t total = 0;
	size_t got;

	if (sp_decoder_open(&env, sink, &limits, &d, &fault) != SP_OK)
		die("open", &fault);
	sp_measure_init(&m, sp_decoder_info(d)->channels);
	block = malloc(BLOCK * (size_t) m.channels * sizeof(float));
	do
	{
		if (sp_decoder_read(d, block, BLOCK, &got, &fault) != SP_OK)
			die("read", &fault);
		if (scan)
			sp_measure_push(&m, block, got);
		if (piece != NULL)
		{
			piece->channels = m.channels;
			piece->rate_hz = sp_decoder_info(d)->sample_rate_hz;
			piece->x = realloc(piece->x, (total + got + 1) * (size_t) m.channels * sizeof(float));
			memcpy(piece->x + total * (size_t) m.channels, block,
			       got * (size_t) m.channels * sizeof(float));
			piece->frames = total + got;
		}
		total += got;
	} while (got > 0);
	free(block);
	sp_decoder_free(d);
	return total;
}

static void
load(Piece *piece, const char *path)
{
	FILE *f = fopen(path, "rb");
	SpSpool *spool;
	SpFault fault;
	char buf[65536];
	size_t n;

	if (f == NULL || sp_spool_new_file(&env, "/tmp", 0, &spool, &fault) != SP_OK)
	{
		perror(path);
		exit(1);
	}
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		if (sp_spool_append(spool, buf, n) != SP_OK)
			exit(1);
	fclose(f);
	decode(spool, piece, false);
	sp_spool_free(spool);
}

static SpSpool *
encode(const Piece *p, SpAudioFormat format, int bits, double level)
{
	SpEncoderSpec spec = sp_encoder_default(format, p->rate_hz, p->channels);
	SpSpool *sink;
	SpEncoder *e = NULL;
	SpFault fault;

	spec.bits = bits;
	spec.level = level;
	if (sp_spool_new_file(&env, "/tmp", 0, &sink, &fault) != SP_OK ||
	    sp_encoder_open(&env, &spec, sink, &e, &fault) != SP_OK ||
	    sp_encoder_write(e, p->x, p->frames, &fault) != SP_OK ||
	    sp_encoder_finish(e, &fault) != SP_OK)
		die("encode", &fault);
	sp_encoder_free(e);
	return sink;
}

static void
measure(const Piece *p, const char *name, SpAudioFormat format, int bits, double level)
{
	double seconds = (double) p->frames / p->rate_hz;
	double best[3] = {1e9, 1e9, 1e9};
	double kbits = 0;

	for (int round = 0; round < ROUNDS; round++)
	{
		double t[4];
		SpSpool *sink;

		t[0] = cpu_seconds();
		sink = encode(p, format, bits, level);
		t[1] = cpu_seconds();
		decode(sink, NULL, false);
		t[2] = cpu_seconds();
		decode(sink, NULL, true);
		t[3] = cpu_seconds();
		for (int k = 0; k < 3; k++)
			best[k] = t[k + 1] - t[k] < best[k] ? t[k + 1] - t[k] : best[k];
		kbits = (double) sp_spool_size(sink) * 8 / 1000 / seconds;
		sp_spool_free(sink);
	}
	printf("| %-18s | %7.0f | %8.0f | %8.0f | %8.0f |\n", name, kbits, seconds / best[0],
	       seconds / best[1], seconds / best[2]);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	Piece piece = {0};
	int seconds = argc > 2 ? atoi(argv[2]) : 60;

	if (argc > 1 && strcmp(argv[1], "-") != 0)
		load(&piece, argv[1]);
	else
		compose(&piece, seconds);
	if (piece.frames > (size_t) seconds * (size_t) piece.rate_hz)
		piece.frames = (size_t) seconds * (size_t) piece.rate_hz;
	printf("%.1f s, %d channels, %d Hz; times real time of one core\n\n",
	       (double) piece.frames / piece.rate_hz, piece.channels, piece.rate_hz);
	printf("| format             |  kbit/s |   encode |   decode |     scan |\n");
	printf("|--------------------|--------:|---------:|---------:|---------:|\n");
	measure(&piece, "flac 16, level 0", SP_AUDIO_FLAC, 16, 0);
	measure(&piece, "flac 16, level 1/8", SP_AUDIO_FLAC, 16, 0.125);
	measure(&piece, "flac 16, level 1/4", SP_AUDIO_FLAC, 16, 0.25);
	measure(&piece, "flac 16, level 3/8", SP_AUDIO_FLAC, 16, 0.375);
	measure(&piece, "flac 16, level 5/8", SP_AUDIO_FLAC, 16, 0.625);
	measure(&piece, "flac 16, level 1", SP_AUDIO_FLAC, 16, 1);
	measure(&piece, "flac 24, level 0", SP_AUDIO_FLAC, 24, 0);
	measure(&piece, "flac 24, level 1/4", SP_AUDIO_FLAC, 24, 0.25);
	measure(&piece, "flac 24, level 5/8", SP_AUDIO_FLAC, 24, 0.625);
	measure(&piece, "wav 16", SP_AUDIO_WAV, 16, 0);
	measure(&piece, "wav 24", SP_AUDIO_WAV, 24, 0);
	measure(&piece, "wav float", SP_AUDIO_WAV, 32, 0);
	measure(&piece, "ogg (Vorbis)", SP_AUDIO_VORBIS, 16, 0);
	measure(&piece, "opus", SP_AUDIO_OPUS, 16, 0);
	if (piece.channels <= 2)
		measure(&piece, "mp3", SP_AUDIO_MP3, 16, 0);
	free(piece.x);
	return 0;
}
