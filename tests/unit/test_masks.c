/*
 * tests/unit/test_masks.c
 *	  Ratio and soft masks, their extension, and the multichannel filter against
 *	  a naive twin in double precision.
 *
 * The twin is written from the formulas of norbert (Liutkus, Stoeter 2019) with
 * complex matrices; tests/unit/test_neural_golden.c holds the whole pipeline against
 * PyTorch.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "check.h"

#include <complex.h>
#include <float.h>

#include "core/stems/em.h"
#include "core/stems/masks.h"

#define MAX_STEMS 8
#define MAX_BINS  300
#define MAX_ROW   320 /* floats of a row, whole vectors */

static size_t
between(size_t low, size_t high)
{
	return low + check_random() % (high - low + 1);
}

/* --- masks ------------------------------------------------------------------------- */

/* Loud, quiet, empty and tiny bins. */
static void
random_estimates(float rows[MAX_STEMS][MAX_BINS], size_t stems, size_t bins)
{
	static const float sizes[] = {1.0f, 1e4f, 1e-3f, 1e-6f, 0.0f, 1e-30f};

	for (size_t s = 0; s < stems; s++)
		for (size_t i = 0; i < bins; i++)
			rows[s][i] = fabsf(check_noise()) * sizes[check_random() % 6];
}

static void
test_ratio(void)
{
	static float rows[MAX_STEMS][MAX_BINS], mask[MAX_BINS];

	for (int round = 0; round < 50; round++)
	{
		size_t stems = between(1, MAX_STEMS), bins = between(1, MAX_BINS);
		const float *estimates[MAX_STEMS];
		double total[MAX_BINS] = {0}, worst = 0.0, sum_error = 0.0;

		random_estimates(rows, stems, bins);
		for (size_t s = 0; s < stems; s++)
			estimates[s] = rows[s];
		for (size_t s = 0; s < stems; s++)
		{
			sp_mask_ratio(mask, estimates, stems, s, bins);
			for (size_t i = 0; i < bins; i++)
			{
				double own = (double) rows[s][i] * rows[s][i] + 1e-10 / (double) stems, all = 1e-10;

				for (size_t k = 0; k < stems; k++)
					all += (double) rows[k][i] * rows[k][i];
				worst = fmax(worst, fabs(mask[i] - own / all));
				total[i] += mask[i];
			}
		}
		for (size_t i = 0; i < bins; i++)
			sum_error = fmax(sum_error, fabs(total[i] - 1.0));
		CHECK_NEAR(worst, 0.0, 1e-6);
		CHECK_NEAR(sum_error, 0.0, 2e-6);
	}
}

/* Where all are empty nobody knows, and each gets its share. */
static void
test_empty(void)
{
	float zeros[4] = {0}, mask[4];
	const float *estimates[] = {zeros, zeros, zeros};

	sp_mask_ratio(mask, estimates, 3, 1, 4);
	CHECK_NEAR(mask[3], 1.0 / 3.0, 1e-7);
	sp_mask_soft(mask, estimates, 3, 1, 4);
	CHECK(mask[3] == 0.0f);
}

static void
test_soft(void)
{
	static float rows[MAX_STEMS][MAX_BINS], mask[MAX_BINS];

	for (int round = 0; round < 50; round++)
	{
		size_t stems = between(1, MAX_STEMS), bins = between(1, MAX_BINS);
		const float *estimates[MAX_STEMS];
		double worst = 0.0;

		random_estimates(rows, stems, bins);
		for (size_t s = 0; s < stems; s++)
			estimates[s] = rows[s];
		for (size_t s = 0; s < stems; s++)
		{
			sp_mask_soft(mask, estimates, stems, s, bins);
			for (size_t i = 0; i < bins; i++)
			{
				double all = FLT_EPSILON;

				for (size_t k = 0; k < stems; k++)
					all += rows[k][i];
				worst = fmax(worst, fabs(mask[i] - rows[s][i] / all));
			}
		}
		CHECK_NEAR(worst, 0.0, 1e-6);
	}
}

static void
test_extend(void)
{
	float mask[MAX_BINS];

	for (size_t bins = 1; bins < MAX_BINS; bins += 37)
	{
		double sum = 0.0;

		for (size_t i = 0; i < bins; i++)
			sum += mask[i] = fabsf(check_noise());
		for (int how = 0; how < 2; how++)
		{
			double wanted = how == SP_EXTEND_AVERAGE ? sum / (double) bins : 0.0, worst = 0.0;
			float last = mask[bins - 1];

			sp_mask_extend(mask, bins, MAX_BINS, (SpMaskExtension) how);
			for (size_t i = bins; i < MAX_BINS; i++)
				worst = fmax(worst, fabs(mask[i] - wanted));
			CHECK_NEAR(worst, 0.0, 1e-7);
			CHECK(mask[bins - 1] == last);
		}
	}
	/* nothing above: nothing is written */
	mask[10] = 7.0f;
	sp_mask_extend(mask, 10, 10, SP_EXTEND_AVERAGE);
	CHECK(mask[10] == 7.0f);
}

static void
test_apply(void)
{
	enum
	{
		BINS = 17,
		STRIDE = 32
	};
	float spectrum[2 * STRIDE], mask[BINS], out[2 * STRIDE];
	bool right = true;

	for (size_t i = 0; i < 2 * STRIDE; i++)
	{
		spectrum[i] = check_noise();
		out[i] = NAN;
	}
	for (size_t i = 0; i < BINS; i++)
		mask[i] = check_noise();
	sp_mask_apply(out, spectrum, mask, BINS, STRIDE);
	for (size_t i = 0; i < 2 * STRIDE; i++)
		right = right && out[i] == (i % STRIDE < BINS ? mask[i % STRIDE] * spectrum[i] : 0.0f);
	CHECK(right);
}

/* --- the multichannel filter ------------------------------------------------------- */

/* A patch of at most this many frames. */
#define MAX_FRAMES 24

typedef struct Patch
{
	size_t stems, bins, stride, frames;
	float scale;
	float x[MAX_FRAMES][2][2 * MAX_ROW]; /* real row, imaginary row */
	float masks[MAX_FRAMES][MAX_STEMS][2][MAX_BINS];
	double complex out[MAX_FRAMES][MAX_STEMS][2][MAX_BINS]; /* the twin's */
} Patch;

static double complex
sample(const Patch *p, size_t frame, size_t channel, size_t bin)
{
	const float *row = p->x[frame][channel];

	return row[bin] + I * (double) row[p->stride + bin];
}

/* y of one stem before the filter: the masked mix, in the scale of the filter. */
static void
initial(const Patch *p, size_t frame, size_t stem, size_t bin, double complex y[2])
{
	for (size_t c = 0; c < 2; c++)
		y[c] = p->scale * p->masks[frame][stem][c][bin] * sample(p, frame, c, bin);
}

static double
power(const double complex y[2])
{
	return 0.5 * (creal(y[0] * conj(y[0])) + creal(y[1] * conj(y[1])));
}

/* space[stem][row][column] of one bin: outer products over powers. */
static void
twin_covariances(const Patch *p, size_t bin, double complex space[MAX_STEMS][2][2])
{
	for (size_t s = 0; s < p->stems; s++)
	{
		double complex sum[2][2] = {{0}};
		double powers = FLT_EPSILON;

		for (size_t f = 0; f < p->frames; f++)
		{
			double complex y[2];

			initial(p, f, s, bin, y);
			powers += power(y);
			for (size_t a = 0; a < 2; a++)
				for (size_t b = 0; b < 2; b++)
					sum[a][b] += y[a] * conj(y[b]);
		}
		for (size_t a = 0; a < 2; a++)
			for (size_t b = 0; b < 2; b++)
				space[s][a][b] = sum[a][b] / powers;
	}
}

static void
twin_filter(Patch *p, size_t frame, size_t bin, double complex space[MAX_STEMS][2][2])
{
	double complex total[2][2] = {{sqrt(FLT_EPSILON), 0}, {0, sqrt(FLT_EPSILON)}}, inverse[2][2];
	double complex det, y[2], through[2];
	double powers[MAX_STEMS];

	for (size_t s = 0; s < p->stems; s++)
	{
		initial(p, frame, s, bin, y);
		powers[s] = power(y);
		for (size_t i = 0; i < 4; i++)
			total[i / 2][i % 2] += powers[s] * space[s][i / 2][i % 2];
	}
	det = total[0][0] * total[1][1] - total[0][1] * total[1][0];
	inverse[0][0] = total[1][1] / det;
	inverse[1][1] = total[0][0] / det;
	inverse[0][1] = -total[0][1] / det;
	inverse[1][0] = -total[1][0] / det;
	for (size_t a = 0; a < 2; a++)
		through[a] =
			inverse[a][0] * sample(p, frame, 0, bin) + inverse[a][1] * sample(p, frame, 1, bin);
	for (size_t s = 0; s < p->stems; s++)
		for (size_t a = 0; a < 2; a++)
			p->out[frame][s][a][bin] =
				powers[s] * (space[s][a][0] * through[0] + space[s][a][1] * through[1]);
}

static void
twin(Patch *p)
{
	double complex space[MAX_STEMS][2][2];

	for (size_t i = 0; i < p->bins; i++)
	{
		twin_covariances(p, i, space);
		for (size_t f = 0; f < p->frames; f++)
			twin_filter(p, f, i, space);
	}
}

/* Spectra of either channel; `alike`: the same in both, as a song of one channel has it. */
static void
random_patch(Patch *p, bool alike, float loudness)
{
	p->stems = between(1, MAX_STEMS);
	p->bins = between(1, MAX_BINS);
	p->stride = (p->bins + 15) / 16 * 16;
	p->frames = between(1, MAX_FRAMES);
	/* as loudness_scale in patches_render.c: numbers of at most 10 */
	p->scale = 10.0f / fmaxf(loudness, 1.0f);
	for (size_t f = 0; f < p->frames; f++)
		for (size_t k = 0; k < 2 * p->stride; k++)
		{
			p->x[f][0][k] = loudness * check_noise() * fabsf(check_noise());
			p->x[f][1][k] = alike ? p->x[f][0][k] : loudness * check_noise() * fabsf(check_noise());
		}
	for (size_t f = 0; f < p->frames; f++)
		for (size_t c = 0; c < 2; c++)
			for (size_t i = 0; i < p->bins; i++)
			{
				float sum = 0.0f;

				for (size_t s = 0; s < p->stems; s++)
					sum += p->masks[f][s][c][i] = fabsf(check_noise()) + 1e-3f;
				for (size_t s = 0; s < p->stems; s++)
					p->masks[f][s][c][i] =
						alike && c == 1 ? p->masks[f][s][0][i] : p->masks[f][s][c][i] / sum;
			}
}

static const float *
spectrum(const Patch *p, size_t frame, size_t channel)
{
	return p->x[frame][channel];
}

static void
masks_of(const Patch *p, size_t frame, const float *masks[MAX_STEMS][2])
{
	for (size_t s = 0; s < p->stems; s++)
		for (size_t c = 0; c < 2; c++)
			masks[s][c] = p->masks[frame][s][c];
}

/* Signal and error of all stems against the twin, and whether the rest of the rows is clear. */
static bool
filter_patch(const Patch *p, SpEm *em, double *signal, double *error)
{
	static float out[2][2 * MAX_ROW];
	static double work[6 * MAX_ROW];
	float *rows[2] = {out[0], out[1]};
	bool clear = true;

	for (size_t f = 0; f < p->frames; f++)
		for (size_t s = 0; s < p->stems; s++)
		{
			const float *spectra[2] = {spectrum(p, f, 0), spectrum(p, f, 1)};
			const float *masks[MAX_STEMS][2];

			masks_of(p, f, masks);
			sp_em_filter(em, s, spectra, (const float *const(*)[2]) masks, work, rows);
			for (size_t c = 0; c < 2; c++)
				for (size_t i = 0; i < p->stride; i++)
				{
					double complex got = out[c][i] + I * (double) out[c][p->stride + i];
					double complex want = i < p->bins ? p->out[f][s][c][i] : 0.0;

					*signal += creal(want * conj(want));
					*error += creal((got - want) * conj(got - want));
					clear = clear && (i < p->bins || got == 0.0);
				}
		}
	return clear;
}

static void
test_em(bool alike, float loudness, double least_db)
{
	static Patch p;
	double lowest = HUGE_VAL;

	for (int round = 0; round < 12; round++)
	{
		double signal = 1e-30, error = 1e-30;
		SpEm *em = NULL;

		random_patch(&p, alike, loudness);
		twin(&p);
		CHECK(sp_em_new(&check_env, p.stems, p.bins, p.stride, &em) == SP_OK);
		/* twice: the last patch is forgotten */
		for (int again = 0; again < 2; again++)
		{
			sp_em_begin(em, p.scale);
			for (size_t f = 0; f < p.frames; f++)
			{
				const float *spectra[2] = {spectrum(&p, f, 0), spectrum(&p, f, 1)};
				const float *masks[MAX_STEMS][2];

				masks_of(&p, f, masks);
				sp_em_observe(em, spectra, (const float *const(*)[2]) masks);
			}
			sp_em_end(em);
		}
		CHECK(filter_patch(&p, em, &signal, &error));
		lowest = fmin(lowest, 10.0 * log10(signal / error));
		sp_em_free(em);
	}
	printf("# filter, %s channels, loudness %g: at least %.1f dB from the twin\n",
	       alike ? "equal" : "different", (double) loudness, lowest);
	CHECK(lowest >= least_db);
}

static void
test_em_no_memory(void)
{
	SpStatus st;
	int n = 0;

	do
	{
		SpEm *em = (SpEm *) &n;

		check_allocs_left = n++;
		st = sp_em_new(&check_env, 4, 257, 272, &em);
		check_allocs_left = -1;
		CHECK((st == SP_OK) == (em != NULL));
		sp_em_free(em);
	} while (st == SP_ERR_NO_MEMORY);
	CHECK(st == SP_OK && n == 4);
	sp_em_free(NULL);
}

int
main(void)
{
	test_ratio();
	test_empty();
	test_soft();
	test_extend();
	test_apply();
	test_em(false, 1.0f, 100.0);
	test_em(false, 1000.0f, 100.0);
	test_em(false, 1e-3f, 100.0);
	test_em(true, 1000.0f, 100.0);
	test_em(true, 1e-3f, 100.0);
	test_em_no_memory();
	return check_report();
}
