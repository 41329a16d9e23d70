/*
 * src/core/stems/bss_eval.c
 *	  BSS Eval version 4: see bss_eval.h for the definitions.
 *
 * First run: correlations (projection_corr).  Between the runs: filters of
 * every estimate to all references and to its own (projection).  Second run:
 * the projections, block by block (projection_conv), and from them only sums
 * of squares, so that a window may be as long as the track.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/bss_eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/stems/projection.h"
#include "core/stems/projection_conv.h"

/* Energies of one source in one window. */
typedef struct Energies
{
	double ref, est;    /* the signals themselves */
	double own, all;    /* P_j(est), P(est) */
	double spatial;     /* P_j(est) - ref */
	double interferers; /* P(est) - P_j(est) */
	double artifacts;   /* est - P(est) */
	double distortion;  /* est - ref, or est - P_j(est) in the sources mode */
} Energies;

struct SpBss
{
	const SpEnv *env;
	size_t sources, channels, signals; /* signals = sources * channels */
	size_t window, taps;
	SpBssMode mode;
	size_t frames_correlated, frames_evaluated;
	SpCorr *corr; /* first run; NULL afterwards */
	SpFir *conv;  /* second run; NULL before.  Outputs: P of all signals, then P_j */
	double *est;  /* [signals][block] */
	size_t block, fill;
	size_t window_fill; /* frames of the track in the current window */
	Energies *energies; /* [sources], of the current window */
	SpBssScore *scores; /* [windows][sources] */
	size_t windows, room;
	bool closed; /* the last window has been scored */
};

SpStatus
sp_bss_new(const SpEnv *env, size_t sources, size_t channels, size_t window, size_t taps,
           SpBssMode mode, SpBss **out)
{
	SpBss *b;
	SpStatus st;

	*out = NULL;
	if (sources < 1 || sources > SP_BSS_MAX_SOURCES || channels < 1 || taps < 1 ||
	    taps > SP_BSS_MAX_TAPS)
		return SP_ERR_BAD_ARG;
	if (channels > SP_BSS_MAX_CHANNELS || sources * channels * taps > SP_BSS_MAX_ROWS)
		return SP_ERR_TOO_LARGE;
	b = sp_calloc(env, 1, sizeof(*b));
	if (b == NULL)
		return SP_ERR_NO_MEMORY;
	b->env = env;
	b->sources = sources;
	b->channels = channels;
	b->signals = sources * channels;
	b->window = window > 0 ? window : SIZE_MAX;
	b->taps = taps;
	b->mode = mode;
	b->energies = sp_calloc(env, sources, sizeof(Energies));
	st = b->energies ? sp_corr_new(env, b->signals, b->signals, taps, &b->corr) : SP_ERR_NO_MEMORY;
	if (st != SP_OK)
	{
		sp_bss_free(b);
		return st;
	}
	*out = b;
	return SP_OK;
}

SpStatus
sp_bss_correlate(SpBss *b, const float *const *refs, const float *const *ests, size_t frames)
{
	if (b->corr == NULL || b->conv != NULL)
		return SP_ERR_BAD_ARG;
	b->frames_correlated += frames;
	return sp_corr_push(b->corr, refs, ests, b->channels, frames);
}

/*
 * The filters of source j's estimate, to all references or to its own; into
 * the outputs of the convolution that stand for them.
 */
static SpStatus
fit_span(SpBss *b, const SpProjectionSpan *span, size_t first_output, SpChol *room, double *filters)
{
	SpStatus st = sp_projection_solve(b->env, b->corr, b->taps, span, room, filters);

	for (size_t k = 0; k < span->ests && st == SP_OK; k++)
		st = sp_fir_set(b->conv, first_output + k, span->first_ref, span->refs,
		                filters + k * span->refs * b->taps);
	return st;
}

static SpStatus
fit_filters(SpBss *b)
{
	SpProjectionSpan all = {0, b->signals, 0, b->signals};
	SpChol room = {0};
	double *filters = sp_alloc(b->env, b->signals * b->signals * b->taps, sizeof(double));
	SpStatus st = SP_ERR_NO_MEMORY;

	if (filters != NULL)
		st = sp_chol_init(b->env, &room, b->signals * b->taps);
	if (st == SP_OK)
		st = fit_span(b, &all, 0, &room, filters);
	/* With one source both projections are one: no interference at all, not nearly none. */
	for (size_t j = 0; j < b->sources && b->sources > 1 && st == SP_OK; j++)
	{
		SpProjectionSpan own = {j * b->channels, b->channels, j * b->channels, b->channels};

		st = fit_span(b, &own, b->signals + own.first_est, &room, filters);
	}
	sp_chol_release(b->env, &room);
	sp_free(b->env, filters);
	return st;
}

SpStatus
sp_bss_solve(SpBss *b)
{
	SpStatus st;

	if (b->corr == NULL || b->conv != NULL || b->frames_correlated == 0)
		return SP_ERR_BAD_ARG;
	st = sp_corr_finish(b->corr);
	if (st == SP_OK)
		st = sp_fir_new(b->env, b->signals, b->sources > 1 ? 2 * b->signals : b->signals, b->taps,
		                &b->conv);
	if (st == SP_OK)
		st = fit_filters(b);
	if (st != SP_OK)
		return st;
	sp_corr_free(b->corr);
	b->corr = NULL;
	b->block = sp_fir_block(b->conv);
	b->est = sp_calloc(b->env, b->signals * b->block, sizeof(double));
	return b->est == NULL ? SP_ERR_NO_MEMORY : SP_OK;
}

/* Add n samples of one channel to its source's energies. */
static void
add_energies(Energies *sum, SpBssMode mode, const double *ref, const double *est, const double *all,
             const double *own, size_t n)
{
	const double *target = mode == SP_BSS_IMAGES ? ref : own;
	Energies e = *sum;

	for (size_t i = 0; i < n; i++)
	{
		double spatial = own[i] - ref[i], interferers = all[i] - own[i];
		double artifacts = est[i] - all[i], distortion = est[i] - target[i];

		e.ref += ref[i] * ref[i];
		e.est += est[i] * est[i];
		e.own += own[i] * own[i];
		e.all += all[i] * all[i];
		e.spatial += spatial * spatial;
		e.interferers += interferers * interferers;
		e.artifacts += artifacts * artifacts;
		e.distortion += distortion * distortion;
	}
	*sum = e;
}

/* Account for the samples in the block, and empty it. */
static SpStatus
run_block(SpBss *b)
{
	if (sp_should_stop(b->env))
		return SP_ERR_CANCELED;
	sp_fir_run(b->conv);
	for (size_t s = 0; s < b->signals; s++)
	{
		const double *all = sp_fir_output(b->conv, s);
		const double *own = b->sources > 1 ? sp_fir_output(b->conv, b->signals + s) : all;

		add_energies(&b->energies[s / b->channels], b->mode, sp_fir_input(b->conv, s),
		             b->est + s * b->block, all, own, b->fill);
	}
	sp_fir_next(b->conv);
	b->fill = 0;
	return SP_OK;
}

static double
ratio_db(double signal, double error)
{
	if (error == 0.0)
		return INFINITY;
	return signal == 0.0 ? -INFINITY : 10.0 * log10(signal / error);
}

static SpBssScore
score_energies(const Energies *e, SpBssMode mode)
{
	double target = mode == SP_BSS_IMAGES ? e->ref : e->own;
	SpBssScore score = {
		.sdr_db = ratio_db(target, e->distortion),
		.isr_db = mode == SP_BSS_IMAGES ? ratio_db(e->ref, e->spatial) : NAN,
		.sir_db = ratio_db(e->own, e->interferers),
		.sar_db = ratio_db(e->all, e->artifacts),
	};

	return score;
}

static SpStatus
reserve_window(SpBss *b)
{
	size_t room = b->room > 0 ? 2 * b->room : 256;
	SpBssScore *scores;

	if (b->windows < b->room)
		return SP_OK;
	scores = sp_alloc(b->env, room * b->sources, sizeof(SpBssScore));
	if (scores == NULL)
		return SP_ERR_NO_MEMORY;
	if (b->windows > 0)
		memcpy(scores, b->scores, b->windows * b->sources * sizeof(SpBssScore));
	sp_free(b->env, b->scores);
	b->scores = scores;
	b->room = room;
	return SP_OK;
}

static SpStatus
append_scores(SpBss *b)
{
	const SpBssScore silent = {NAN, NAN, NAN, NAN};
	bool any_silent = false;
	SpStatus st = reserve_window(b);

	if (st != SP_OK)
		return st;
	for (size_t j = 0; j < b->sources; j++)
	{
		if (!isfinite(b->energies[j].est) || !isfinite(b->energies[j].all))
			return SP_ERR_BAD_DATA;
		any_silent |= b->energies[j].ref == 0.0 || b->energies[j].est == 0.0;
	}
	for (size_t j = 0; j < b->sources; j++)
		b->scores[b->windows * b->sources + j] =
			any_silent ? silent : score_energies(&b->energies[j], b->mode);
	b->windows++;
	return SP_OK;
}

/* Let the filters ring out over silence, score the window and start afresh. */
static SpStatus
close_window(SpBss *b)
{
	SpStatus st = SP_OK;

	for (size_t left = b->taps - 1, len; left > 0 && st == SP_OK; left -= len)
	{
		len = left < b->block - b->fill ? left : b->block - b->fill;
		for (size_t s = 0; s < b->signals; s++)
		{
			memset(sp_fir_input(b->conv, s) + b->fill, 0, len * sizeof(double));
			memset(b->est + s * b->block + b->fill, 0, len * sizeof(double));
		}
		b->fill += len;
		if (b->fill == b->block)
			st = run_block(b);
	}
	if (st == SP_OK && b->fill > 0)
		st = run_block(b);
	if (st == SP_OK)
		st = append_scores(b);
	memset(b->energies, 0, b->sources * sizeof(Energies));
	sp_fir_restart(b->conv);
	b->window_fill = 0;
	return st;
}

/* Take len frames, starting at frame `first` of the caller's, into the block. */
static void
load_block(SpBss *b, const float *const *refs, const float *const *ests, size_t first, size_t len)
{
	for (size_t s = 0; s < b->signals; s++)
	{
		size_t j = s / b->channels, offset = first * b->channels + s % b->channels;
		double *ref = sp_fir_input(b->conv, s) + b->fill;
		double *est = b->est + s * b->block + b->fill;

		for (size_t n = 0; n < len; n++)
		{
			ref[n] = refs[j][offset + n * b->channels];
			est[n] = ests[j][offset + n * b->channels];
		}
	}
	b->fill += len;
	b->window_fill += len;
}

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

SpStatus
sp_bss_evaluate(SpBss *b, const float *const *refs, const float *const *ests, size_t frames)
{
	if (b->est == NULL || b->closed)
		return SP_ERR_BAD_ARG;
	b->frames_evaluated += frames;
	for (size_t done = 0, len; done < frames; done += len)
	{
		SpStatus st = SP_OK;

		len = smaller(frames - done, smaller(b->block - b->fill, b->window - b->window_fill));
		load_block(b, refs, ests, done, len);
		if (b->fill == b->block)
			st = run_block(b);
		if (st == SP_OK && b->window_fill == b->window)
			st = close_window(b);
		if (st != SP_OK)
			return st;
	}
	return SP_OK;
}

static int
compare_doubles(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return (x > y) - (x < y);
}

/* Median of one figure (a member of SpBssScore, by its offset) of one source; sorts in room. */
static double
median_db(const SpBss *b, size_t source, size_t member, double *room)
{
	size_t n = 0;

	for (size_t w = 0; w < b->windows; w++)
	{
		const char *score = (const char *) &b->scores[w * b->sources + source];

		memcpy(&room[n], score + member, sizeof(double));
		if (!isnan(room[n]))
			n++;
	}
	if (n == 0)
		return NAN;
	qsort(room, n, sizeof(double), compare_doubles);
	/* The mean of -infinity and +infinity would be NaN: the lower one then. */
	if (n % 2 == 1 || room[n / 2 - 1] == -INFINITY)
		return room[(n - 1) / 2];
	return 0.5 * (room[n / 2 - 1] + room[n / 2]);
}

SpStatus
sp_bss_result(SpBss *b, SpBssScore *scores)
{
	double *room;

	if (b->est == NULL || b->frames_evaluated != b->frames_correlated)
		return SP_ERR_BAD_ARG;
	if (!b->closed && b->windows == 0)
	{
		SpStatus st = close_window(b);

		if (st != SP_OK)
			return st;
	}
	b->closed = true;
	room = sp_alloc(b->env, b->windows, sizeof(double));
	if (room == NULL)
		return SP_ERR_NO_MEMORY;
	for (size_t j = 0; j < b->sources; j++)
	{
		scores[j].sdr_db = median_db(b, j, offsetof(SpBssScore, sdr_db), room);
		scores[j].isr_db = median_db(b, j, offsetof(SpBssScore, isr_db), room);
		scores[j].sir_db = median_db(b, j, offsetof(SpBssScore, sir_db), room);
		scores[j].sar_db = median_db(b, j, offsetof(SpBssScore, sar_db), room);
	}
	sp_free(b->env, room);
	return SP_OK;
}

size_t
sp_bss_windows(const SpBss *b)
{
	return b->windows;
}

SpBssScore
sp_bss_window(const SpBss *b, size_t window, size_t source)
{
	return b->scores[window * b->sources + source];
}

void
sp_bss_free(SpBss *b)
{
	if (b == NULL)
		return;
	sp_corr_free(b->corr);
	sp_fir_free(b->conv);
	sp_free(b->env, b->est);
	sp_free(b->env, b->energies);
	sp_free(b->env, b->scores);
	sp_free(b->env, b);
}
