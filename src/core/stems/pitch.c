/*
 * src/core/stems/pitch.c
 *	  The pitch of the voice, frame by frame, and the comb of its harmonics.
 *
 * salience(f) = sum over h of DECAY^(h-1) (e(h f) - e((h - 1/2) f) / 2), e the
 * square root of the magnitude.  The subtracted half-way points speak against
 * the octave below, whose even harmonics would otherwise score as well.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/pitch.h"

#include <math.h>
#include <string.h>

#include "core/sp_simd.h"

/* Sung fundamentals, in steps of 20 cents: 80 Hz (bass) to 800 Hz (soprano). */
#define LOWEST_HZ 80.0
#define STEPS_OCT 60.0
#define STATES    200

/* Harmonics up to 5 kHz; 6, 10 and 16 of them measured alike. */
#define HARMONICS  10
#define HIGHEST_HZ 5000.0
#define DECAY      0.8f
#define HALFWAY    0.5f
#define TABLES     (2 * HARMONICS)

/*
 * The path: up to 12 steps (240 cents, the fastest portamento) between
 * frames, at STEP_COST each; or a jump anywhere, to a new note.  In units of
 * a frame's greatest salience.
 */
#define REACH     12
#define STEP_COST 0.012f
#define JUMP_COST 0.6f
#define JUMPED    INT8_MAX

/*
 * Width of a comb tooth, bins: a Gaussian of this deviation, approximated by
 * (1 - x^2/8)^4.  Hann's main lobe is 4 bins wide; a gliding voice widens it.
 */
#define TOOTH 2.4

struct SpPitch
{
	const SpEnv *env;
	size_t bins;
	double bin_hz;
	size_t ring; /* frames of moves kept */
	size_t pushed;
	uint16_t (*at)[STATES]; /* [TABLES] bin of each harmonic, then of each half-way point */
	float *peak;            /* [bins + 1] root magnitude, the greater of two neighbours */
	float *root;            /* [bins + 1] root magnitude; the last is 0, for "above range" */
	float score[STATES + 2 * REACH]; /* of the best path to each state, greatest 0; padded */
	int8_t *moves;                   /* [ring][STATES] step that led there, or JUMPED */
	uint16_t *summit;                /* [ring] best state of the frame before */
};

static void fill_tables(SpPitch *p);
static void sum_salience(const SpPitch *p, float *salience);
static void extend_paths(SpPitch *p, const float *salience);
static void take_roots(float *restrict root, const float *restrict magnitude, size_t n);
static void take_peaks(float *restrict peak, const float *restrict root, size_t n);
static void add_harmonic(float *restrict salience, const float *restrict from,
                         const uint16_t *restrict at, float weight);
static void best_step(float *restrict best, int32_t *restrict move, const float *restrict score);
static size_t argmax(const float *x, size_t n);
static void draw_comb(float *restrict comb, size_t n, float spacing);

SpStatus
sp_pitch_new(const SpEnv *env, size_t bins, double bin_hz, size_t lag, SpPitch **out)
{
	SpPitch *p;

	*out = NULL;
	if (bins < 2 || bins >= UINT16_MAX)
		return SP_ERR_BAD_ARG;
	p = sp_calloc(env, 1, sizeof(*p));
	if (p == NULL)
		return SP_ERR_NO_MEMORY;
	p->env = env;
	p->bins = bins;
	p->bin_hz = bin_hz;
	p->ring = lag + 1;
	p->at = sp_alloc(env, TABLES, sizeof(*p->at));
	p->peak = sp_calloc(env, bins + 1, sizeof(float));
	p->root = sp_calloc(env, bins + 1, sizeof(float));
	p->moves = sp_calloc(env, p->ring, STATES);
	p->summit = sp_calloc(env, p->ring, sizeof(*p->summit));
	if (p->at == NULL || p->peak == NULL || p->root == NULL || p->moves == NULL ||
	    p->summit == NULL)
	{
		sp_pitch_free(p);
		return SP_ERR_NO_MEMORY;
	}
	fill_tables(p);
	for (size_t i = 0; i < REACH; i++)
		p->score[i] = p->score[REACH + STATES + i] = -HUGE_VALF;
	*out = p;
	return SP_OK;
}

void
sp_pitch_free(SpPitch *p)
{
	if (p == NULL)
		return;
	sp_free(p->env, p->at);
	sp_free(p->env, p->peak);
	sp_free(p->env, p->root);
	sp_free(p->env, p->moves);
	sp_free(p->env, p->summit);
	sp_free(p->env, p);
}

void
sp_pitch_push(SpPitch *p, const float *magnitude)
{
	float salience[STATES] __attribute__((aligned(SP_ALIGN)));

	take_roots(p->root, magnitude, p->bins);
	take_peaks(p->peak, p->root, p->bins);
	sum_salience(p, salience);
	extend_paths(p, salience);
	p->pushed++;
}

double
sp_pitch_hz(const SpPitch *p, size_t frame)
{
	size_t state = argmax(p->score + REACH, STATES);

	for (size_t t = p->pushed - 1; t > frame; t--)
	{
		int8_t move = p->moves[t % p->ring * STATES + state];

		state = move == JUMPED ? p->summit[t % p->ring] : (size_t) ((long) state + move);
	}
	return LOWEST_HZ * exp2((double) state / STEPS_OCT);
}

void
sp_pitch_comb(const SpPitch *p, double hz, float *comb)
{
	draw_comb(comb, p->bins, (float) (hz / p->bin_hz));
}

static void
fill_tables(SpPitch *p)
{
	for (size_t h = 0; h < HARMONICS; h++)
		for (size_t s = 0; s < STATES; s++)
		{
			double hz = LOWEST_HZ * exp2((double) s / STEPS_OCT);
			double on = hz * (double) (h + 1), off = hz * ((double) h + 0.5);
			double on_bin = floor(on / p->bin_hz), off_bin = round(off / p->bin_hz);
			bool on_in = on < HIGHEST_HZ && on_bin < (double) (p->bins - 1);
			bool off_in = off < HIGHEST_HZ && off_bin < (double) (p->bins - 1);

			p->at[h][s] = (uint16_t) (on_in ? on_bin : (double) p->bins);
			p->at[HARMONICS + h][s] = (uint16_t) (off_in ? off_bin : (double) p->bins);
		}
}

static void
sum_salience(const SpPitch *p, float *salience)
{
	float weight = 1.0f;
	float greatest = 0.0f;

	memset(salience, 0, STATES * sizeof(float));
	for (size_t h = 0; h < HARMONICS; h++, weight *= DECAY)
	{
		add_harmonic(salience, p->peak, p->at[h], weight);
		add_harmonic(salience, p->root, p->at[HARMONICS + h], -HALFWAY * weight);
	}
	for (size_t s = 0; s < STATES; s++)
		greatest = salience[s] > greatest ? salience[s] : greatest;
	for (size_t s = 0; s < STATES; s++)
		salience[s] /= greatest + 1e-9f;
}

/* One step of Viterbi; scores are kept relative to the best, so that they never grow. */
static void
extend_paths(SpPitch *p, const float *salience)
{
	float best[STATES] __attribute__((aligned(SP_ALIGN)));
	int32_t move[STATES] __attribute__((aligned(SP_ALIGN)));
	int8_t *moves = p->moves + p->pushed % p->ring * STATES;
	float greatest = -HUGE_VALF;

	p->summit[p->pushed % p->ring] = (uint16_t) argmax(p->score + REACH, STATES);
	best_step(best, move, p->score);
	for (size_t s = 0; s < STATES; s++)
	{
		best[s] += salience[s];
		moves[s] = (int8_t) move[s];
		greatest = best[s] > greatest ? best[s] : greatest;
	}
	for (size_t s = 0; s < STATES; s++)
		p->score[REACH + s] = best[s] - greatest;
}

SP_CLONES static void
take_roots(float *restrict root, const float *restrict magnitude, size_t n)
{
	for (size_t i = 0; i < n; i++)
		root[i] = sqrtf(magnitude[i]);
}

SP_CLONES static void
take_peaks(float *restrict peak, const float *restrict root, size_t n)
{
	for (size_t i = 0; i < n; i++)
		peak[i] = root[i] > root[i + 1] ? root[i] : root[i + 1];
}

SP_CLONES static void
add_harmonic(float *restrict salience, const float *restrict from, const uint16_t *restrict at,
             float weight)
{
	for (size_t s = 0; s < STATES; s++)
		salience[s] += weight * from[at[s]];
}

/* score is padded by REACH on both sides; the best score so far is 0, so a jump costs alike. */
SP_CLONES static void
best_step(float *restrict best, int32_t *restrict move, const float *restrict score)
{
	for (size_t s = 0; s < STATES; s++)
	{
		best[s] = -JUMP_COST;
		move[s] = JUMPED;
	}
	for (int step = -REACH; step <= REACH; step++)
	{
		float cost = STEP_COST * (float) (step < 0 ? -step : step);

		for (size_t s = 0; s < STATES; s++)
		{
			float x = score[(long) s + step + REACH] - cost;

			move[s] = x > best[s] ? step : move[s];
			best[s] = x > best[s] ? x : best[s];
		}
	}
}

static size_t
argmax(const float *x, size_t n)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++)
		if (x[i] > x[best])
			best = i;
	return best;
}

SP_CLONES static void
draw_comb(float *restrict comb, size_t n, float spacing)
{
	const float inverse = 1.0f / spacing;
	const float narrow = (float) (1.0 / (8.0 * TOOTH * TOOTH));

	for (size_t i = 0; i < n; i++)
	{
		int32_t harmonic = (int32_t) ((float) (int32_t) i * inverse + 0.5f);
		float d = (float) (int32_t) i - (float) harmonic * spacing;
		float c = 1.0f - d * d * narrow;

		c = c > 0.0f && harmonic > 0 ? c : 0.0f;
		c *= c;
		comb[i] = c * c;
	}
}
