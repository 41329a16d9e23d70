/*
 * tests/unit/test_classical.c
 *	  The contract of the separator: lengths, sums, streaming, odd input,
 *	  refusals, cancellation, exhaustion.  test_classical_signals.c has what
 *	  comes out of signals whose parts are known.
 */
#include "check.h"

#include "core/stems/classical.h"

#define MAX_STEMS SP_SEPARATOR_MAX_STEMS

typedef struct Result
{
	SpStatus status;
	size_t frames;
	float *stems[MAX_STEMS];
} Result;

static void
free_result(Result *r, int stems)
{
	for (int i = 0; i < stems; i++)
		free(r->stems[i]);
}

/* Separates in[frames], pushed in blocks of this many frames. */
static Result
separate(SpSeparatorConfig cfg, const float *in, size_t frames, size_t block)
{
	Result r = {SP_OK, 0, {NULL}};
	SpSeparator *s = NULL;
	float *at[MAX_STEMS];

	for (int i = 0; i < cfg.stems; i++)
		r.stems[i] = calloc((frames + 1) * (size_t) cfg.channels, sizeof(float));
	r.status = sp_classical_new(&check_env, &cfg, &s);
	for (size_t done = 0; r.status == SP_OK; done += block)
	{
		if (done < frames)
			r.status = sp_separator_push(s, in + done * (size_t) cfg.channels,
			                             frames - done < block ? frames - done : block);
		else
			r.status = sp_separator_finish(s);
		for (int i = 0; i < cfg.stems; i++)
			at[i] = r.stems[i] + r.frames * (size_t) cfg.channels;
		r.frames += sp_separator_pull(s, at, frames + 1 - r.frames);
		if (done >= frames)
			break;
	}
	sp_separator_free(s);
	return r;
}

static float *
noise(size_t n)
{
	float *x = malloc((n + 1) * sizeof(float));

	for (size_t i = 0; i < n; i++)
		x[i] = 0.3f * check_noise();
	return x;
}

/* dB of the difference between the mix and the sum of stems; and no value may be odd. */
static double
residual_db(const Result *r, int stems, const float *in, size_t n)
{
	double error = 0, power = 1e-30;

	for (size_t i = 0; i < n; i++)
	{
		double sum = 0;

		for (int k = 0; k < stems; k++)
		{
			if (!isfinite(r->stems[k][i]))
				return HUGE_VAL;
			sum += r->stems[k][i];
		}
		error += (sum - in[i]) * (sum - in[i]);
		power += in[i] * (double) in[i];
	}
	return 10 * log10(error / power + 1e-30);
}

static void
check_sums(int rate, int channels, int stems, size_t frames)
{
	SpSeparatorConfig cfg = {rate, channels, stems, true};
	size_t n = frames * (size_t) channels;
	float *in = noise(n);
	Result r = separate(cfg, in, frames, 8192);

	CHECK(r.status == SP_OK);
	CHECK(r.frames == frames);
	CHECK(residual_db(&r, stems, in, n) < -110);
	free_result(&r, stems);
	free(in);
}

static void
check_names(void)
{
	static const int counts[] = {2, 4, 5};

	for (size_t i = 0; i < 3; i++)
	{
		const char *const *names = sp_classical_names(counts[i]);
		int n = 0;

		while (names[n] != NULL)
			n++;
		CHECK(n == counts[i]);
		CHECK(strcmp(names[0], "vocals") == 0);
	}
	CHECK(strcmp(sp_classical_names(2)[1], "accompaniment") == 0);
	CHECK(strcmp(sp_classical_names(4)[3], "other") == 0);
	CHECK(strcmp(sp_classical_names(5)[1], "piano") == 0);
	CHECK(sp_classical_names(3) == NULL && sp_classical_names(0) == NULL &&
	      sp_classical_names(-4) == NULL);
}

static void
check_refusals(void)
{
	static const SpSeparatorConfig bad[] = {
		{0, 2, 4, true},     {-44100, 2, 4, true}, {999, 2, 4, true},   {400000, 2, 4, true},
		{44100, 0, 4, true}, {44100, 3, 4, true},  {44100, 2, 3, true}, {44100, 2, 0, true},
	};
	SpSeparatorConfig good = {8000, 1, 2, true};
	SpSeparator *s = NULL;
	float x = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(sp_classical_new(&check_env, &bad[i], &s) == SP_ERR_BAD_ARG && s == NULL);
	CHECK(sp_classical_new(&check_env, &good, &s) == SP_OK);
	CHECK(sp_separator_finish(s) == SP_OK);
	CHECK(sp_separator_finish(s) == SP_OK);
	CHECK(sp_separator_push(s, &x, 1) == SP_ERR_BAD_ARG);
	sp_separator_free(s);
	sp_separator_free(NULL);
}

/* The same samples whatever the blocks. */
static void
check_blocks(void)
{
	SpSeparatorConfig cfg = {8000, 2, 4, true};
	size_t frames = 12345;
	float *in = noise(2 * frames);
	Result whole = separate(cfg, in, frames, frames);
	static const size_t blocks[] = {1, 255, 256, 257, 4097};

	for (size_t b = 0; b < sizeof(blocks) / sizeof(blocks[0]); b++)
	{
		Result r = separate(cfg, in, frames, blocks[b]);

		CHECK(r.frames == frames);
		for (int i = 0; i < 4; i++)
			CHECK(memcmp(r.stems[i], whole.stems[i], 2 * frames * sizeof(float)) == 0);
		free_result(&r, 4);
	}
	free_result(&whole, 4);
	free(in);
}

/* Longer than the window of 20 s, so that every ring wraps. */
static void
check_long(void)
{
	check_sums(1000, 1, 2, 70000);
	check_sums(1000, 2, 5, 70001);
}

static void
check_vocals_alike(void)
{
	size_t frames = 16000;
	float *in = noise(frames);
	Result two = separate((SpSeparatorConfig){8000, 1, 2, true}, in, frames, frames);
	Result four = separate((SpSeparatorConfig){8000, 1, 4, true}, in, frames, frames);

	CHECK(memcmp(two.stems[0], four.stems[0], frames * sizeof(float)) == 0);
	free_result(&two, 2);
	free_result(&four, 4);
	free(in);
}

/* Equal channels are mono, up to the filter's diffuse noise (-46 dB). */
static void
check_dual_mono(void)
{
	size_t frames = 16000;
	float *mono = noise(frames), *dual = malloc(2 * frames * sizeof(float));
	Result one, two;

	for (size_t i = 0; i < 2 * frames; i++)
		dual[i] = mono[i / 2];
	one = separate((SpSeparatorConfig){8000, 1, 4, true}, mono, frames, frames);
	two = separate((SpSeparatorConfig){8000, 2, 4, true}, dual, frames, frames);
	for (int k = 0; k < 3; k++)
	{
		double error = 0, power = 0;

		for (size_t i = 0; i < frames; i++)
		{
			error += pow(one.stems[k][i] - two.stems[k][2 * i], 2);
			power += pow(one.stems[k][i], 2);
		}
		CHECK(error < 1e-4 * power);
	}
	free_result(&one, 4);
	free_result(&two, 4);
	free(mono);
	free(dual);
}

/* Without the forced sum the filters' own sum still comes close. */
static void
check_free_sum(void)
{
	size_t frames = 8000;
	float *in = noise(frames);
	Result r = separate((SpSeparatorConfig){8000, 1, 5, false}, in, frames, 1000);

	CHECK(r.frames == frames);
	CHECK(residual_db(&r, 5, in, frames) < -100);
	free_result(&r, 5);
	free(in);
}

typedef float (*Shape)(size_t i);

static float
shape_zero(size_t i)
{
	(void) i;
	return 0;
}

static float
shape_dc(size_t i)
{
	(void) i;
	return 0.5f;
}

static float
shape_clipped(size_t i)
{
	return i / 20 % 2 == 0 ? 1.0f : -1.0f;
}

static float
shape_faint(size_t i)
{
	return i % 3 == 0 ? 1e-12f : 0;
}

static float
shape_loud(size_t i)
{
	return i % 7 == 0 ? 9000.0f : -9000.0f;
}

static float
shape_anti(size_t i)
{
	return (i % 2 == 0 ? 0.5f : -0.5f) * sinf((float) (i / 2) * 0.3f);
}

static void
check_shapes(void)
{
	static const Shape shapes[] = {shape_zero,  shape_dc,   shape_clipped,
	                               shape_faint, shape_loud, shape_anti};
	size_t frames = 6000;
	float *in = malloc(2 * frames * sizeof(float));

	for (size_t k = 0; k < sizeof(shapes) / sizeof(shapes[0]); k++)
		for (int channels = 1; channels <= 2; channels++)
		{
			SpSeparatorConfig cfg = {8000, channels, 4, true};
			size_t n = frames * (size_t) channels;
			Result r;

			for (size_t i = 0; i < n; i++)
				in[i] = shapes[k](i);
			r = separate(cfg, in, frames, 500);
			CHECK(r.frames == frames);
			CHECK(residual_db(&r, 4, in, n) < -110);
			for (size_t i = 0; k == 0 && i < n; i++)
				CHECK(r.stems[0][i] == 0 && r.stems[3][i] == 0);
			free_result(&r, 4);
		}
	free(in);
}

/* What is not a number counts as silence and spoils nothing around it. */
static void
check_not_numbers(void)
{
	size_t frames = 6000;
	float *in = noise(2 * frames);
	Result r;

	in[100] = NAN;
	in[2000] = INFINITY;
	in[2001] = -INFINITY;
	in[5000] = 3e38f;
	r = separate((SpSeparatorConfig){8000, 2, 4, true}, in, frames, 500);
	in[100] = in[2000] = in[2001] = 0;
	in[5000] = 1e4f;
	CHECK(r.frames == frames);
	CHECK(residual_db(&r, 4, in, 2 * frames) < -110);
	free_result(&r, 4);
	free(in);
}

static void
check_cancel(void)
{
	SpSeparatorConfig cfg = {8000, 1, 4, true};
	size_t frames = 16000;
	float *in = noise(frames);
	size_t canceled = 0;

	for (long polls = 0; polls < 400; polls += 7)
	{
		Result r;

		check_polls_left = polls;
		r = separate(cfg, in, frames, 1000);
		check_polls_left = -1;
		if (r.status == SP_OK)
			CHECK(r.frames == frames);
		else
			CHECK(r.status == SP_ERR_CANCELED && r.frames < frames);
		canceled += r.status != SP_OK;
		free_result(&r, 4);
	}
	CHECK(canceled > 20);
	free(in);
}

static void
check_cancel_sticks(void)
{
	SpSeparatorConfig cfg = {8000, 1, 2, true};
	float *in = noise(4000);
	float *out[2] = {NULL, NULL};
	SpSeparator *s = NULL;

	CHECK(sp_classical_new(&check_env, &cfg, &s) == SP_OK);
	check_polls_left = 3;
	CHECK(sp_separator_push(s, in, 4000) == SP_ERR_CANCELED);
	check_polls_left = -1;
	CHECK(sp_separator_push(s, in, 4000) == SP_ERR_CANCELED);
	CHECK(sp_separator_finish(s) == SP_ERR_CANCELED);
	CHECK(sp_separator_pull(s, out, 4000) == 0);
	sp_separator_free(s);
	free(in);
}

/* Each allocation fails in turn, in new and in the growth of the queues. */
static void
check_exhaustion(void)
{
	SpSeparatorConfig cfg = {1000, 2, 5, true};
	size_t frames = 30000;
	float *in = noise(2 * frames);
	long allowed = 0;
	SpStatus st = SP_ERR_NO_MEMORY;

	for (; st == SP_ERR_NO_MEMORY && allowed < 500; allowed++)
	{
		Result r;

		check_allocs_left = allowed;
		r = separate(cfg, in, frames, frames);
		check_allocs_left = -1;
		st = r.status;
		CHECK(st == SP_OK ? r.frames == frames : st == SP_ERR_NO_MEMORY);
		free_result(&r, 5);
	}
	CHECK(st == SP_OK && allowed > 40);
	free(in);
}

/* A caller that pulls after each push costs no allocation until the song ends. */
static void
check_steady_memory(void)
{
	SpSeparatorConfig cfg = {1000, 1, 4, true};
	float *in = noise(500);
	float *out[4] = {NULL, NULL, NULL, NULL};
	size_t pulled = 0;
	SpSeparator *s = NULL;

	CHECK(sp_classical_new(&check_env, &cfg, &s) == SP_OK);
	check_allocs_left = 0;
	for (int i = 0; i < 300; i++)
	{
		CHECK(sp_separator_push(s, in, 500) == SP_OK);
		pulled += sp_separator_pull(s, out, SIZE_MAX);
	}
	check_allocs_left = -1;
	CHECK(pulled > 300 * 500 - 23 * 1000);
	sp_separator_free(s);
	free(in);
}

int
main(void)
{
	static const int rates[] = {8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 192000};
	static const size_t lengths[] = {0, 1, 2, 255, 256, 257, 1023, 1024, 1025, 3000};

	check_names();
	check_refusals();
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		check_sums(rates[i], 2, 4, (size_t) rates[i] / 5);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (int channels = 1; channels <= 2; channels++)
			check_sums(8000, channels, 5, lengths[i]);
	check_long();
	check_blocks();
	check_vocals_alike();
	check_dual_mono();
	check_free_sum();
	check_shapes();
	check_not_numbers();
	check_cancel();
	check_cancel_sticks();
	check_exhaustion();
	check_steady_memory();
	return check_report();
}
