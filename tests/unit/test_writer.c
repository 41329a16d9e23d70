/*
 * tests/unit/test_writer.c
 *	  Stems into files: the same bytes on any number of threads, integers that
 *	  sum to the song, measures, full disks, cancels and want of memory.
 *
 * By hand under ThreadSanitizer, as test_pool.c says.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "check.h"

#include <stdlib.h>

#include "core/audio/decode.h"
#include "core/audio/quantise.h"
#include "core/stems/writer.h"

#define STEMS    4
#define CHANNELS 2
#define FRAMES   (3 * SP_WRITER_FRAMES + 1234)
#define SAMPLES  (FRAMES * CHANNELS)

static float *songs[STEMS];

static void
make_songs(void)
{
	for (int s = 0; s < STEMS; s++)
	{
		songs[s] = malloc(SAMPLES * sizeof(float));
		for (int i = 0; i < SAMPLES; i++)
			songs[s][i] = 0.2f * check_noise() * (float) (s + 1) / STEMS;
	}
}

static SpWriterConfig
config(SpPool *pool, int bits, bool sum)
{
	SpWriterConfig cfg = {sp_encoder_default(SP_AUDIO_FLAC, 44100, CHANNELS), STEMS, sum, pool};

	cfg.encoder.bits = bits;
	cfg.encoder.frames = FRAMES;
	return cfg;
}

/* Puts all songs in blocks of at most `block` frames. */
static SpStatus
put_all(SpWriter *w, size_t block, SpFault *fault)
{
	SpStatus st = SP_OK;

	for (size_t at = 0; at < FRAMES && st == SP_OK; at += block)
	{
		size_t n = FRAMES - at < block ? FRAMES - at : block;

		for (int s = 0; s < STEMS; s++)
			memcpy(sp_writer_block(w)[s], songs[s] + at * CHANNELS, n * CHANNELS * sizeof(float));
		st = sp_writer_put(w, n, fault);
	}
	return st == SP_OK ? sp_writer_finish(w, fault) : st;
}

static void
open_sinks(SpSpool **sinks, int64_t limit)
{
	for (int s = 0; s < STEMS; s++)
		CHECK(sp_spool_new_file(&check_env, "/tmp", limit, &sinks[s], NULL) == SP_OK);
}

static void
free_sinks(SpSpool **sinks)
{
	for (int s = 0; s < STEMS; s++)
		sp_spool_free(sinks[s]);
}

/* All samples of a file, as integers of `bits` bits. */
static int32_t *
decode(SpSpool *file, int bits)
{
	SpAudioLimits limits = sp_audio_default_limits();
	float *x = calloc(SAMPLES, sizeof(float));
	int32_t *ints = calloc(SAMPLES, sizeof(int32_t));
	SpDecoder *decoder = NULL;
	size_t got = 1, all = 0;

	CHECK(sp_decoder_open(&check_env, file, &limits, &decoder, NULL) == SP_OK);
	while (got > 0 && all < FRAMES)
	{
		CHECK(sp_decoder_read(decoder, x + all * CHANNELS, FRAMES - all, &got, NULL) == SP_OK);
		all += got;
	}
	CHECK(all == FRAMES);
	sp_decoder_free(decoder);
	for (int i = 0; i < SAMPLES; i++)
		ints[i] = (int32_t) lrintf(x[i] * (float) (1 << (bits - 1)));
	free(x);
	return ints;
}

static bool
same_files(SpSpool *a, SpSpool *b)
{
	size_t n = (size_t) sp_spool_size(a), got;
	char *x = malloc(n), *y = malloc(n);
	bool same = sp_spool_size(b) == (int64_t) n && sp_spool_read(a, 0, x, n, &got) == SP_OK &&
	            sp_spool_read(b, 0, y, n, &got) == SP_OK && memcmp(x, y, n) == 0;

	free(x);
	free(y);
	return same;
}

/* The sum of what is in the files is the rounded sum of what was put. */
static void
check_sum(SpSpool **sinks)
{
	int32_t *stems[STEMS];
	bool same = true;

	for (int s = 0; s < STEMS; s++)
		stems[s] = decode(sinks[s], 16);
	for (int i = 0; i < SAMPLES; i++)
	{
		double want = 0;
		int32_t sum = 0;

		for (int s = 0; s < STEMS; s++)
		{
			want += (double) songs[s][i];
			sum += stems[s][i];
		}
		same = same && sum == (int32_t) rint(want * 32768);
	}
	CHECK(same);
	for (int s = 0; s < STEMS; s++)
		free(stems[s]);
}

static void
check_each(SpSpool **sinks)
{
	for (int s = 0; s < STEMS; s++)
	{
		int32_t *want = malloc(SAMPLES * sizeof(int32_t)), *got = decode(sinks[s], 24);

		sp_quantise(want, songs[s], SAMPLES, 24);
		CHECK(memcmp(want, got, SAMPLES * sizeof(int32_t)) == 0);
		free(want);
		free(got);
	}
}

static void
check_measures(const SpWriter *w)
{
	for (int s = 0; s < STEMS; s++)
	{
		const SpMeasure *m = sp_writer_measure(w, s);
		double energy = 0;

		for (int i = 0; i < SAMPLES; i++)
			energy += (double) songs[s][i] * songs[s][i];
		CHECK(m->frames == FRAMES);
		CHECK_NEAR(m->energy / energy, 1.0, 1e-4);
	}
}

static void
write_files(SpPool *pool, int bits, bool sum, size_t block, SpSpool **sinks)
{
	SpWriterConfig cfg = config(pool, bits, sum);
	SpWriter *w = NULL;

	open_sinks(sinks, 0);
	CHECK(sp_writer_new(&check_env, &cfg, sinks, &w, NULL) == SP_OK);
	CHECK(put_all(w, block, NULL) == SP_OK);
	check_measures(w);
	sp_writer_free(w);
}

static void
test_threads(SpPool *pool)
{
	SpSpool *alone[STEMS], *together[STEMS];

	write_files(NULL, 16, true, SP_WRITER_FRAMES, alone);
	write_files(pool, 16, true, 1000, together);
	for (int s = 0; s < STEMS; s++)
		CHECK(same_files(alone[s], together[s]));
	check_sum(alone);
	free_sinks(alone);
	free_sinks(together);
	write_files(pool, 24, false, SP_WRITER_FRAMES, together);
	check_each(together);
	free_sinks(together);
}

/* The file of every stem is limited; the fault says so. */
static void
test_full_disk(SpPool *pool)
{
	SpWriterConfig cfg = config(pool, 16, true);
	SpSpool *sinks[STEMS];
	SpFault fault = {{0}, {0}};
	SpWriter *w = NULL;

	open_sinks(sinks, 50000);
	CHECK(sp_writer_new(&check_env, &cfg, sinks, &w, NULL) == SP_OK);
	CHECK(put_all(w, SP_WRITER_FRAMES, &fault) == SP_ERR_TOO_LARGE);
	CHECK(fault.detail[0] != '\0');
	sp_writer_free(w);
	free_sinks(sinks);
}

/* A cancel at each poll of the host ends it, and leaves nothing running. */
static void
test_cancel(SpPool *pool)
{
	SpStatus st = SP_ERR_CANCELED;

	for (long polls = 0; st == SP_ERR_CANCELED && polls < 1000; polls++)
	{
		SpWriterConfig cfg = config(pool, 16, true);
		SpSpool *sinks[STEMS];
		SpWriter *w = NULL;

		open_sinks(sinks, 0);
		CHECK(sp_writer_new(&check_env, &cfg, sinks, &w, NULL) == SP_OK);
		check_polls_left = polls;
		st = put_all(w, SP_WRITER_FRAMES, NULL);
		CHECK(st == SP_OK || st == SP_ERR_CANCELED);
		check_polls_left = -1;
		sp_writer_free(w);
		free_sinks(sinks);
	}
	CHECK(st == SP_OK);
}

/* Freed while threads encode. */
static void
test_abandoned(SpPool *pool)
{
	SpWriterConfig cfg = config(pool, 16, true);
	SpSpool *sinks[STEMS];
	SpWriter *w = NULL;

	open_sinks(sinks, 0);
	CHECK(sp_writer_new(&check_env, &cfg, sinks, &w, NULL) == SP_OK);
	CHECK(sp_writer_put(w, SP_WRITER_FRAMES, NULL) == SP_OK);
	sp_writer_free(w);
	free_sinks(sinks);
}

static void
test_refusals(void)
{
	SpWriterConfig cfg = config(NULL, 16, true);
	SpSpool *sinks[STEMS];
	SpStatus st = SP_ERR_NO_MEMORY;
	SpWriter *w = NULL;

	open_sinks(sinks, 0);
	cfg.stems = 0;
	CHECK(sp_writer_new(&check_env, &cfg, sinks, &w, NULL) == SP_ERR_BAD_ARG);
	cfg.stems = STEMS;
	cfg.encoder.sample_rate_hz = 700000;
	CHECK(sp_writer_new(&check_env, &cfg, sinks, &w, NULL) == SP_ERR_UNSUPPORTED);
	CHECK(w == NULL);
	cfg.encoder.sample_rate_hz = 44100;
	for (long allowed = 0; st == SP_ERR_NO_MEMORY && allowed < 1000; allowed++)
	{
		check_allocs_left = allowed;
		st = sp_writer_new(&check_env, &cfg, sinks, &w, NULL);
		check_allocs_left = -1;
		CHECK(st == SP_OK || w == NULL);
		sp_writer_free(w);
		free_sinks(sinks);
		/* libsndfile begins a file when it opens it, so each needs an empty one */
		open_sinks(sinks, 0);
	}
	CHECK(st == SP_OK);
	free_sinks(sinks);
}

int
main(void)
{
	SpPool *pool = NULL;

	make_songs();
	CHECK(sp_pool_new(&check_env, 3, NULL, &pool) == SP_OK);
	test_threads(pool);
	test_full_disk(NULL);
	test_full_disk(pool);
	test_cancel(NULL);
	test_cancel(pool);
	test_abandoned(pool);
	test_refusals();
	sp_pool_free(pool);
	for (int s = 0; s < STEMS; s++)
		free(songs[s]);
	return check_report();
}
