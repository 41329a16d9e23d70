/*
 * tests/unit/test_neural_trouble.c
 *	  Separation by a model that is stopped, starved or thrown away in the
 *	  middle, and how much memory it takes for songs of any length.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "clock.h"
#include "neural_check.h"

/* What a host that counts has given away. */
typedef struct Ledger
{
	size_t now, peak;
	long blocks;
	long left;      /* allocations until it has no more memory; < 0 = never */
	double stop_at; /* when it wants to stop; 0 = never */
} Ledger;

/* How much longer things may take under AddressSanitizer. */
#ifdef __SANITIZE_ADDRESS__
#define SLOWNESS 5.0
#else
#define SLOWNESS 1.0
#endif

/* Before each block: its size, and as many bytes as keep alignment. */
#define PREFIX 64

static void *
ledger_alloc(void *host, size_t size)
{
	Ledger *l = host;
	char *block;

	if (l->left == 0)
		return NULL;
	if (l->left > 0)
		l->left--;
	block = malloc(size + PREFIX);
	memcpy(block, &size, sizeof(size));
	l->now += size;
	l->blocks++;
	if (l->now > l->peak)
		l->peak = l->now;
	return block + PREFIX;
}

static void
ledger_release(void *host, void *ptr)
{
	Ledger *l = host;
	size_t size;

	if (ptr == NULL)
		return;
	memcpy(&size, (char *) ptr - PREFIX, sizeof(size));
	l->now -= size;
	l->blocks--;
	free((char *) ptr - PREFIX);
}

static bool
ledger_should_stop(void *host)
{
	const Ledger *l = host;

	return l->stop_at > 0 && now() >= l->stop_at;
}

static SpEnv
ledger_env(Ledger *l)
{
	*l = (Ledger){.left = -1};
	return (SpEnv){ledger_alloc, ledger_release, ledger_should_stop, l};
}

static SpNeuralConfig
config(int rate, int stems)
{
	return (SpNeuralConfig){
		.song = {rate, 2, stems, true},
		.extension = SP_EXTEND_AVERAGE,
	};
}

/* --- stopped ----------------------------------------------------------------------- */

/*
 * Stops a song of two patches after `after` seconds; answers the seconds from
 * then until push or finish said so, or -1 when the song was done before.
 */
static double
stop_after(const SpEnv *env, Ledger *l, const SpModel *model, const SpNeuralConfig *cfg,
           const float *mix, size_t frames, double after)
{
	SpSeparator *s = NULL;
	float *nowhere[MAX_STEMS] = {NULL};
	double asked, late = -1;
	SpStatus st;

	CHECK(sp_neural_new(env, model, cfg, &s) == SP_OK);
	asked = l->stop_at = now() + after;
	st = sp_separator_push(s, mix, frames);
	if (st == SP_OK)
		st = sp_separator_finish(s);
	/* the rest is computed when it is asked for */
	while (st == SP_OK && sp_separator_pull(s, nowhere, 4096) > 0)
		continue;
	if (st == SP_OK)
		st = sp_separator_finish(s);
	CHECK(st == SP_ERR_CANCELED || st == SP_OK);
	if (st == SP_ERR_CANCELED)
	{
		late = now() - asked;
		/* and so from now on, even if nobody asks any more */
		l->stop_at = 0;
		CHECK(sp_separator_push(s, mix, 1) == SP_ERR_CANCELED);
		CHECK(sp_separator_finish(s) == SP_ERR_CANCELED);
		CHECK(sp_separator_pull(s, nowhere, 1) == 0);
	}
	l->stop_at = 0;
	sp_separator_free(s);
	return late;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return (x > y) - (x < y);
}

/*
 * Canceled at many moments of the released transform.  The sanitizers make
 * layers and last rows several times slower, so the bar is 100 ms without them;
 * the network of the released size is canceled in tests/tap/025_neural.pl.  The
 * median, because other work on the machine is none of its business.
 */
#define MOMENTS 9

static void
test_cancel(bool wiener)
{
	NeuralShape shape = {2, 44100, 4096, 512, 1024, SP_PRECISION_F32, 2};
	size_t frames = 2 * 512 * 1024;
	float *mix = neural_noise(frames, 2);
	SpNeuralConfig cfg = config(44100, 2);
	Ledger ledger;
	SpEnv env = ledger_env(&ledger);
	SpModel *model = neural_model(&env, &shape, neural_filters);
	double whole = now(), late[MOMENTS], typical;
	float *before, *after;
	int canceled = 0;
	long blocks = ledger.blocks;

	cfg.wiener = wiener;
	before = neural_stems(model, &cfg, mix, frames / 2, 0);
	CHECK(stop_after(&env, &ledger, model, &cfg, mix, frames, 1e9) < 0);
	whole = now() - whole;
	for (int i = 0; i < MOMENTS; i++)
	{
		late[canceled] =
			stop_after(&env, &ledger, model, &cfg, mix, frames, whole * 0.5 * i / MOMENTS);
		canceled += late[canceled] >= 0;
		CHECK(ledger.blocks == blocks);
	}
	CHECK(canceled >= MOMENTS / 2);
	qsort(late, (size_t) canceled, sizeof(late[0]), by_value);
	typical = canceled > 0 ? late[canceled / 2] : INFINITY;
	printf("# %s: canceled %d times, usually after %.0f ms, %.0f ms at most\n",
	       wiener ? "wiener" : "ratio masks", canceled, typical * 1e3, late[canceled - 1] * 1e3);
	CHECK(typical < 0.1 * SLOWNESS);
	after = neural_stems(model, &cfg, mix, frames / 2, 0);
	CHECK(memcmp(before, after, frames * 2 * sizeof(float)) == 0);
	free(before);
	free(after);
	free(mix);
	sp_model_free(model);
	CHECK(ledger.blocks == 0);
}

/* Thrown away while threads work: they are waited for, and the model goes on. */
static void
test_free_at_work(void)
{
	Ledger ledger;
	SpEnv env = ledger_env(&ledger);
	SpModel *model = neural_model(&env, &neural_small, neural_filters);
	SpNeuralConfig cfg = config(44100, 4);
	size_t frames = 20011;
	float *mix = neural_noise(frames, 2);
	float *before = neural_stems(model, &cfg, mix, frames, 0), *after;
	long blocks = ledger.blocks;

	for (size_t n = 1; n <= frames; n += 797)
	{
		SpSeparator *s = NULL;

		CHECK(sp_neural_new(&env, model, &cfg, &s) == SP_OK);
		CHECK(sp_separator_push(s, mix, n) == SP_OK);
		sp_separator_free(s);
		CHECK(ledger.blocks == blocks);
	}
	after = neural_stems(model, &cfg, mix, frames, 0);
	CHECK(memcmp(before, after, 8 * frames * sizeof(float)) == 0);
	free(before);
	free(after);
	free(mix);
	sp_model_free(model);
	CHECK(ledger.blocks == 0);
}

/* --- starved ----------------------------------------------------------------------- */

/* Every allocation of a separation fails once; the model, the host's memory and the threads survive. */
static void
starve(const SpNeuralConfig *cfg, SpEnv *env, Ledger *l, const SpModel *model)
{
	size_t frames = 9001, got;
	float *mix = neural_noise(frames, 2);
	float *out = calloc(8 * frames, sizeof(float));
	long blocks = l->blocks, n = 0;
	SpStatus st;

	do
	{
		l->left = n++;
		st = neural_song(env, model, cfg, mix, frames, 5000, out, &got);
		CHECK(st == SP_OK || st == SP_ERR_NO_MEMORY);
		CHECK(l->blocks == blocks);
	} while (st == SP_ERR_NO_MEMORY && n < 1000);
	l->left = -1;
	CHECK(st == SP_OK && got == frames);
	CHECK(n > 50);
	free(out);
	free(mix);
}

static void
test_no_memory(void)
{
	Ledger ledger;
	SpEnv env = ledger_env(&ledger);
	SpModel *model = neural_model(&env, &neural_small, neural_filters);

	for (int mode = 0; mode < 4; mode++)
	{
		SpNeuralConfig cfg = config(mode & 1 ? 16000 : 44100, 4);

		cfg.wiener = mode & 2;
		starve(&cfg, &env, &ledger, model);
	}
	sp_model_free(model);
	CHECK(ledger.blocks == 0);
}

/* Nobody pulls: queues grow, then there is no more, and it is said so. */
static void
test_no_memory_late(void)
{
	Ledger ledger;
	SpEnv env = ledger_env(&ledger);
	SpModel *model = neural_model(&env, &neural_small, neural_filters);
	SpNeuralConfig cfg = config(44100, 4);
	size_t frames = 100000;
	float *mix = neural_noise(frames, 2);
	SpSeparator *s = NULL;
	SpStatus st = SP_OK;

	CHECK(sp_neural_new(&env, model, &cfg, &s) == SP_OK);
	ledger.left = 3;
	for (int i = 0; i < 100 && st == SP_OK; i++)
		st = sp_separator_push(s, mix, frames);
	CHECK(st == SP_ERR_NO_MEMORY);
	CHECK(sp_separator_push(s, mix, frames) == SP_ERR_NO_MEMORY);
	CHECK(sp_separator_finish(s) == SP_ERR_NO_MEMORY);
	sp_separator_free(s);
	sp_model_free(model);
	CHECK(ledger.blocks == 0);
	free(mix);
}

/* A model that cannot be loaded leaves nothing behind. */
static void
test_no_memory_for_model(void)
{
	SpleeterSource *weights = spleeter_source(2, neural_filters);
	SpModelSpec spec = {.architecture = &sp_arch_spleeter,
	                    .sample_rate_hz = 44100,
	                    .fft_size = 512,
	                    .hop = 128,
	                    .frames = 64,
	                    .bins = 192};
	SpFault fault = {{0}, {0}};
	Ledger ledger;
	SpEnv env = ledger_env(&ledger);
	SpStatus st;
	long n = 0;

	CHECK(sp_arch_spleeter.resolve(&weights->source, &spec, &fault) == SP_OK);
	do
	{
		SpModel *model = (SpModel *) &spec;

		ledger.left = n++;
		st = sp_model_load(&env, &weights->source, &spec, SP_PRECISION_F32, 2, &model, &fault);
		CHECK(st == SP_OK || (st == SP_ERR_NO_MEMORY && model == NULL));
		if (st == SP_OK)
			sp_model_free(model);
		CHECK(ledger.blocks == 0);
	} while (st == SP_ERR_NO_MEMORY && n < 2000);
	CHECK(st == SP_OK);
	CHECK(n > 50);
	free(weights);
}

/* --- sated ------------------------------------------------------------------------- */

/* The most that a song of this many seconds needed, beside the model. */
static size_t
peak_of(const SpNeuralConfig *cfg, SpEnv *env, Ledger *l, const SpModel *model, size_t seconds)
{
	size_t second = (size_t) cfg->song.sample_rate, base = l->now, got = 0;
	float *mix = neural_noise(second, 2), *out = calloc(8 * 4096, sizeof(float));
	SpSeparator *s = NULL;

	l->peak = base;
	CHECK(sp_neural_new(env, model, cfg, &s) == SP_OK);
	for (size_t i = 0; i <= seconds; i++)
	{
		size_t n = 1;

		if (i < seconds)
			CHECK(sp_separator_push(s, mix, second) == SP_OK);
		else
			CHECK(sp_separator_finish(s) == SP_OK);
		for (; n > 0; got += n)
		{
			float *to[MAX_STEMS];

			for (int k = 0; k < cfg->song.stems; k++)
				to[k] = out + k * 2 * 4096;
			n = sp_separator_pull(s, to, 4096);
		}
	}
	CHECK(got == seconds * second);
	sp_separator_free(s);
	CHECK(l->now == base);
	free(out);
	free(mix);
	return l->peak - base;
}

static void
test_memory(void)
{
	NeuralShape shape = neural_small;
	Ledger ledger;
	SpEnv env = ledger_env(&ledger);
	SpModel *model;

	shape.rate_hz = 8000;
	model = neural_model(&env, &shape, neural_filters);
	for (int mode = 0; mode < 3; mode++)
	{
		SpNeuralConfig cfg = config(mode == 2 ? 11025 : 8000, 4);
		size_t half_minute, ten_minutes;

		cfg.exact = mode == 1;
		half_minute = peak_of(&cfg, &env, &ledger, model, 30);
		ten_minutes = peak_of(&cfg, &env, &ledger, model, 600);
		printf("# %s: peak of 30 s %zu bytes, of 10 min %zu\n",
		       mode == 0   ? "default"
		       : mode == 1 ? "exact"
		                   : "resampled",
		       half_minute, ten_minutes);
		CHECK_NEAR((double) ten_minutes / (double) half_minute, 1.0, 0.02);
	}
	sp_model_free(model);
	CHECK(ledger.blocks == 0);
}

int
main(void)
{
	test_cancel(false);
	test_cancel(true);
	test_free_at_work();
	test_no_memory();
	test_no_memory_late();
	test_no_memory_for_model();
	test_memory();
	return check_report();
}
