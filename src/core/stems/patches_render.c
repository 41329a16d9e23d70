/*
 * src/core/stems/patches_render.c
 *	  What threads do with a patch: networks, and estimates into samples.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "core/nn/pointwise.h"
#include "core/sp_simd.h"
#include "core/stems/patches_internal.h"

#define PI 3.14159265358979323846

/* Rows of a worker: a spectrum of each channel, masks of all stems and channels, the filter's. */
#define ROWS_OUT  4
#define ROWS_WORK 12 /* six of double */

size_t
sp_patches_work_rows(const SpPatches *p)
{
	return ROWS_OUT + 2 * (size_t) p->spec.stems + ROWS_WORK;
}

/* --- before the batch -------------------------------------------------------- */

SP_CLONES static void
multiply(float *restrict out, const float *restrict by, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] *= by[i];
}

SP_CLONES static void
fade(float *restrict out, const float *restrict old, float share, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = old[i] + share * (out[i] - old[i]);
}

static void
softmax_estimates(SpPatches *p, size_t patch)
{
	size_t n = 2 * p->frames * p->columns;
	float *stems[SP_MODEL_MAX_STEMS];

	for (int s = 0; s < p->spec.stems; s++)
		stems[s] = p->stems[s].estimate[patch % 2];
	sp_softmax(stems, (size_t) p->spec.stems, n);
	for (int s = 0; s < p->spec.stems; s++)
		multiply(stems[s], p->mix[patch % 2], n);
}

/* The first frames turn from what the patch before said to what this one says: half a cosine. */
static void
join(SpPatches *p, size_t patch)
{
	for (int s = 0; s < p->spec.stems; s++)
	{
		SpPatchStem *stem = &p->stems[s];
		float *estimate = stem->estimate[patch % 2];

		for (size_t c = 0; c < 2; c++)
			for (size_t f = 0; f < p->overlap; f++)
			{
				double at = ((double) f + 1.0) / ((double) p->overlap + 1.0);
				float *row = estimate + (c * p->frames + f) * p->columns;
				float *old = stem->tail + (c * p->overlap + f) * p->columns;

				if (patch > 0)
					fade(row, old, (float) (0.5 - 0.5 * cos(PI * at)), p->columns);
				memcpy(old, row + p->advance * p->columns, p->columns * sizeof(float));
			}
	}
}

static const float *
estimate_row(const SpPatches *p, size_t stem, size_t channel, size_t frame)
{
	size_t local = frame - p->rendering * p->advance;

	return p->stems[stem].estimate[p->rendering % 2] + (channel * p->frames + local) * p->columns;
}

/* masks[stems][2] of a frame, in rows of work. */
static void
soft_masks(const SpPatches *p, size_t frame, float *work, const float *(*masks)[2])
{
	for (size_t c = 0; c < 2; c++)
	{
		const float *rows[SP_MODEL_MAX_STEMS];

		for (size_t s = 0; s < (size_t) p->spec.stems; s++)
			rows[s] = estimate_row(p, s, c, frame);
		for (size_t s = 0; s < (size_t) p->spec.stems; s++)
		{
			float *mask = work + (2 * s + c) * p->stride;

			if (p->masks != NULL)
				sp_model_spread(p->model, rows[s], mask);
			else
			{
				sp_mask_soft(mask, rows, (size_t) p->spec.stems, s, p->columns);
				sp_mask_extend(mask, p->columns, p->all_bins, p->cfg.extension);
			}
			masks[s][c] = mask;
		}
	}
}

/* norbert keeps numbers near 1: it divides by a tenth of the largest magnitude when that is above 1. */
static float
loudness_scale(const SpPatches *p, size_t first, size_t end)
{
	float top = 0.0f;

	for (size_t f = first; f < end; f++)
		for (size_t c = 0; c < 2; c++)
		{
			const float *x = sp_patches_spectrum(p, f, c);

			for (size_t i = 0; i < p->all_bins; i++)
				top = fmaxf(top, x[i] * x[i] + x[p->stride + i] * x[p->stride + i]);
		}
	top = p->to_model * sqrtf(top);
	return p->to_model / fmaxf(1.0f, top / 10.0f);
}

static void
learn_covariances(SpPatches *p, size_t patch)
{
	size_t first = patch * p->advance, end = first + p->frames;

	if (end > p->seen)
		end = p->seen;
	sp_em_begin(p->em, loudness_scale(p, first, end));
	for (size_t f = first; f < end; f++)
	{
		const float *masks[SP_MODEL_MAX_STEMS][2];
		const float *spectra[2] = {sp_patches_spectrum(p, f, 0), sp_patches_spectrum(p, f, 1)};

		/* no thread is at work: the first one's rows are free */
		soft_masks(p, f, p->workers[0].work + ROWS_OUT * p->stride, masks);
		sp_em_observe(p->em, spectra, masks);
	}
	sp_em_end(p->em);
}

void
sp_patches_prepare(SpPatches *p, size_t patch)
{
	p->rendering = patch;
	if (p->masks == NULL && p->spec.mask == SP_MASK_SOFTMAX)
		softmax_estimates(p, patch);
	if (p->overlap > 0)
		join(p, patch);
	if (p->em != NULL)
		learn_covariances(p, patch);
}

/* --- tasks ------------------------------------------------------------------- */

/* The mask of all bins of a channel of a frame of one stem. */
static void
ratio_mask(const SpPatches *p, size_t stem, size_t channel, size_t frame, float *mask)
{
	const float *rows[SP_MODEL_MAX_STEMS];

	for (size_t s = 0; s < (size_t) p->spec.stems; s++)
		rows[s] = estimate_row(p, s, channel, frame);
	if (p->masks != NULL)
	{
		sp_model_spread(p->model, rows[stem], mask);
		return;
	}
	sp_mask_ratio(mask, rows, (size_t) p->spec.stems, stem, p->columns);
	sp_mask_extend(mask, p->columns, p->all_bins, p->cfg.extension);
}

/* Both channels of a frame of one stem, [2][2 * stride] at the start of work. */
static void
part(const SpPatches *p, size_t stem, size_t frame, float *work)
{
	const float *spectra[2] = {sp_patches_spectrum(p, frame, 0), sp_patches_spectrum(p, frame, 1)};
	float *out[2] = {work, work + 2 * p->stride};
	float *masks = work + ROWS_OUT * p->stride;

	if (p->em != NULL)
	{
		const float *rows[SP_MODEL_MAX_STEMS][2];

		soft_masks(p, frame, masks, rows);
		sp_em_filter(p->em, stem, spectra, rows,
		             (double *) (masks + 2 * (size_t) p->spec.stems * p->stride), out);
		return;
	}
	for (size_t c = 0; c < 2; c++)
	{
		ratio_mask(p, stem, c, frame, masks);
		sp_mask_apply(out[c], spectra[c], masks, p->all_bins, p->stride);
	}
}

SP_CLONES static void
interleave(float *restrict out, const float *restrict left, const float *restrict right, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		out[2 * i] = left[i];
		out[2 * i + 1] = right[i];
	}
}

/* The first hop of the sums is finished: interleave it, and move on. */
static void
emit(const SpPatches *p, float *sums, float *out)
{
	interleave(out, sums, sums + p->fft_size, p->hop);
	for (size_t c = 0; c < 2; c++)
	{
		float *sum = sums + c * p->fft_size;

		memmove(sum, sum + p->hop, (p->fft_size - p->hop) * sizeof(float));
		memset(sum + p->fft_size - p->hop, 0, p->hop * sizeof(float));
	}
}

static SpStatus
render(SpPatches *p, size_t stem, int worker, const SpStop *stop)
{
	SpPatchStem *to = &p->stems[stem];
	SpPatchWorker *w = &p->workers[worker];
	const float *spectra[2] = {w->work, w->work + 2 * p->stride};
	float *sums[2] = {to->sums, to->sums + p->fft_size};

	for (size_t f = p->first; f < p->end; f++)
	{
		part(p, stem, f, w->work);
		sp_stft_inverse_add(w->stft, 2, spectra, sums);
		emit(p, to->sums, to->done + 2 * (f - p->first) * p->hop);
		if (sp_stop_asked(stop))
			return SP_ERR_CANCELED;
	}
	return SP_OK;
}

SpStatus
sp_patches_task(void *arg, int task, int worker, const SpStop *stop)
{
	SpPatches *p = arg;
	size_t k = p->estimating % 2;

	if ((size_t) task >= p->networks)
		return render(p, (size_t) task - p->networks, worker, stop);
	if (p->masks != NULL)
	{
		float *out[SP_MODEL_MAX_STEMS];

		for (int s = 0; s < p->spec.stems; s++)
			out[s] = p->stems[s].estimate[k];
		return sp_model_estimate_masks(p->model, worker, p->mix[k], p->count, out, stop);
	}
	return sp_model_estimate(p->model, worker, task, p->mix[k], p->stems[task].estimate[k], stop);
}
