/*
 * tests/unit/test_sniff.c
 *	  Content is told apart, whatever surrounds it.
 */
#include "core/audio/sniff.h"

#include "unit/bad_audio.h"
#include "unit/check.h"

static SpStatus
sniff(const AudioBytes *b, SpSniff *out, SpFault *fault)
{
	SpSpool *spool;
	SpStatus st = sp_spool_new_memory(&check_env, b->p, b->n, &spool);

	if (st == SP_OK)
		st = sp_sniff(&check_env, spool, out, fault);
	sp_spool_free(spool);
	return st;
}

static void
check_is(AudioBytes *b, SpAudioFormat want, int64_t start)
{
	SpSniff found;

	CHECK(sniff(b, &found, NULL) == SP_OK);
	CHECK(found.format == want && found.audio_start == start);
	if (found.format != want)
		printf("# want %s, found %s\n", sp_audio_format_name(want),
		       sp_audio_format_name(found.format));
	bytes_free(b);
}

static void
check_formats(void)
{
	static const struct
	{
		int format;
		SpAudioFormat want;
	} GOOD[] = {
		{GOOD_WAV, SP_AUDIO_WAV},
		{GOOD_WAV | SF_ENDIAN_BIG, SP_AUDIO_WAV},
		{SF_FORMAT_RF64 | SF_FORMAT_PCM_16, SP_AUDIO_WAV},
		{SF_FORMAT_W64 | SF_FORMAT_PCM_16, SP_AUDIO_W64},
		{GOOD_FLAC, SP_AUDIO_FLAC},
		{GOOD_OGG, SP_AUDIO_VORBIS},
		{GOOD_OPUS, SP_AUDIO_OPUS},
		{GOOD_MP3, SP_AUDIO_MP3},
		{SF_FORMAT_AIFF | SF_FORMAT_PCM_16, SP_AUDIO_AIFF},
		{SF_FORMAT_AIFF | SF_FORMAT_FLOAT, SP_AUDIO_AIFF},
		{SF_FORMAT_CAF | SF_FORMAT_PCM_16, SP_AUDIO_CAF},
	};
	AudioBytes b = {0};

	for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++)
	{
		put_good(&b, GOOD[i].format, 48000, 2, 5000);
		check_is(&b, GOOD[i].want, 0);
	}
	put_rf64(&b, "BW64", 400, 400);
	check_is(&b, SP_AUDIO_WAV, 0);
}

/* MPEG frames have no magic: where may they be, and where not? */
static void
check_mpeg(void)
{
	SpSniff found;
	AudioBytes b = {0};

	/* Behind two tags and zeros. */
	put_id3(&b, 3000);
	put_fill(&b, 0xFF, 3000);
	put_id3(&b, 50);
	put_fill(&b, 0xE0, 50);
	put_fill(&b, 0, 700);
	put_good(&b, GOOD_MP3, 44100, 2, 5000);
	check_is(&b, SP_AUDIO_MP3, 3010 + 60 + 700);
	/* A tag whose size passes the end. */
	put_id3(&b, 3000);
	put_fill(&b, 0, 2000);
	CHECK(sniff(&b, &found, NULL) == SP_ERR_BAD_DATA);
	bytes_free(&b);
	/* Random bytes hold many headers, but no chains of them. */
	for (int round = 0; round < 20; round++)
	{
		put_fill(&b, 0x80, 4);
		for (int i = 0; i < 100000; i++)
			put_bytes(&b, &(uint8_t){(uint8_t) check_random()}, 1);
		CHECK(sniff(&b, &found, NULL) == SP_ERR_BAD_DATA);
		bytes_free(&b);
	}
	/* Beyond the range that is searched. */
	put_fill(&b, 0, 66000);
	put_good(&b, GOOD_MP3, 44100, 2, 5000);
	CHECK(sniff(&b, &found, NULL) == SP_ERR_BAD_DATA);
	bytes_free(&b);
}

/* Every short beginning of everything has an answer, and none reads too far. */
static void
check_short(void)
{
	SpSniff found;
	SpFault fault;

	for (int i = 0; i < BAD_MAGIC_COUNT + BAD_CONTENT_COUNT; i++)
	{
		AudioBytes b = {0};

		if (i < BAD_MAGIC_COUNT)
			put_magic(&b, i);
		else if (strcmp(BAD_CONTENTS[i - BAD_MAGIC_COUNT].name, "mp3_id3_200mb") != 0)
			put_bad(&b, i - BAD_MAGIC_COUNT);
		for (size_t n = 0; n < 64 && n < b.n; n++)
		{
			AudioBytes cut = {0};
			SpStatus st;

			put_bytes(&cut, b.p, n); /* exactly n, so that ASan sees the edge */
			cut.p = realloc(cut.p, n + 1);
			st = sniff(&cut, &found, &fault);
			CHECK(st == SP_OK || (fault.detail[0] != 0 && fault.hint[0] != 0));
			bytes_free(&cut);
		}
		bytes_free(&b);
	}
}

static void
check_names(void)
{
	for (int f = SP_AUDIO_WAV; f <= SP_AUDIO_CAF; f++)
		CHECK(sp_audio_format_from_name(sp_audio_format_name((SpAudioFormat) f)) ==
		      (SpAudioFormat) f);
	CHECK(sp_audio_format_from_name("none") == SP_AUDIO_NONE);
	CHECK(sp_audio_format_from_name("FLAC") == SP_AUDIO_NONE);
	CHECK(sp_audio_format_from_name("") == SP_AUDIO_NONE);
}

static void
check_no_memory(void)
{
	SpSpool *spool;
	SpSniff found;

	CHECK(sp_spool_new_memory(&check_env, "fLaC", 4, &spool) == SP_OK);
	check_allocs_left = 0;
	CHECK(sp_sniff(&check_env, spool, &found, NULL) == SP_ERR_NO_MEMORY);
	check_allocs_left = -1;
	CHECK(sp_sniff(&check_env, spool, &found, NULL) == SP_OK && found.format == SP_AUDIO_FLAC);
	sp_spool_free(spool);
}

int
main(void)
{
	check_formats();
	check_mpeg();
	check_short();
	check_names();
	check_no_memory();
	return check_report();
}
