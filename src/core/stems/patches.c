/*
 * src/core/stems/patches.c
 *	  Stereo into stems, patch by patch: the stream and its batches of work.
 *
 * Frame 0 of the song begins a whole frame of zeros before its first sample,
 * as in Spleeter, so that joins of exact mode fall where Spleeter's do.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/patches.h"

#include <math.h>
#include <string.h>

#include "core/sp_simd.h"
#include "core/stems/patches_internal.h"

/*
 * Frames shared by neighbouring patches: an eighth of a patch, 1.5 s of
 * Spleeter's.  Measured in docs/guides/separation.md.
 */
#define OVERLAP_SHARE 8

static void set_sizes(SpPatches *p);
static SpStatus make_cues(SpPatches *p);
static SpStatus make_buffers(SpPatches *p);
static SpStatus make_stem(SpPatches *p, SpPatchStem *stem);
static SpStatus make_workers(SpPatches *p);

SpStatus
sp_patches_new(const SpEnv *env, const SpModel *model, const SpPatchesConfig *cfg, SpPatches **out)
{
	SpPatches *p = sp_calloc(env, 1, sizeof(*p));
	SpStatus st;

	*out = NULL;
	if (p == NULL)
		return SP_ERR_NO_MEMORY;
	p->env = env;
	p->model = model;
	p->cfg = *cfg;
	p->spec = *sp_model_spec(model);
	p->masks = p->spec.architecture->masks;
	st = sp_stft_new(env, (size_t) p->spec.fft_size, &p->stft);
	if (st == SP_OK)
	{
		set_sizes(p);
		st = sp_feed_new(env, 2, p->fft_size, p->hop, p->fft_size, &p->feed);
	}
	if (st == SP_OK && p->masks != NULL)
		st = make_cues(p);
	if (st == SP_OK && cfg->wiener)
		st = sp_em_new(env, (size_t) p->spec.stems, p->all_bins, p->stride, &p->em);
	if (st == SP_OK)
		st = make_buffers(p);
	for (int i = 0; i < p->spec.stems && st == SP_OK; i++)
		st = make_stem(p, &p->stems[i]);
	if (st == SP_OK)
		st = make_workers(p);
	/* for what running a network takes */
	if (st == SP_OK && !sp_can_enter_library())
		st = SP_ERR_NO_MEMORY;
	if (st != SP_OK)
	{
		sp_patches_free(p);
		return st;
	}
	/* a hop of silence: the feed's zeros are one hop less than a frame */
	sp_feed_push(p->feed, NULL, p->hop);
	*out = p;
	return SP_OK;
}

static void
set_sizes(SpPatches *p)
{
	p->fft_size = (size_t) p->spec.fft_size;
	p->hop = (size_t) p->spec.hop;
	p->all_bins = sp_stft_bins(p->stft);
	p->stride = sp_stft_stride(p->stft);
	p->columns = p->masks != NULL ? p->masks->columns(&p->spec) : (size_t) p->spec.bins;
	p->row = p->masks != NULL ? p->masks->row(&p->spec) : 2 * p->columns;
	p->frames = (size_t) p->spec.frames;
	p->overlap = p->cfg.exact ? 0 : p->frames / OVERLAP_SHARE;
	p->advance = p->frames - p->overlap;
	/* one patch is rendered, one is estimated, and one comes in */
	p->capacity = 2 * p->advance + p->frames;
	/* a sine of amplitude a has magnitude a here, and a / 2 times the window's sum there */
	p->to_model = (float) p->fft_size / 4.0f;
}

/* Levels come late, and the ring must reach back to their frame. */
static SpStatus
make_cues(SpPatches *p)
{
	double rate = p->spec.sample_rate_hz, frame_s = (double) p->hop / rate;
	SpCuesConfig cfg = {
		.channels = 2,
		.sources = SP_SOURCES - 1,
		.bins = p->all_bins,
		.stride = p->stride,
		.bin_hz = rate / (double) p->fft_size,
		.frame_s = frame_s,
		.window = (size_t) (SP_CUES_WINDOW_S / frame_s),
	};
	SpStatus st = sp_cues_new(p->env, &cfg, &p->cues);

	if (st != SP_OK)
		return st;
	p->capacity += sp_cues_delay(p->cues);
	p->levels[0] = sp_alloc(p->env, cfg.sources * p->stride, sizeof(float));
	for (size_t i = 1; i < cfg.sources; i++)
		p->levels[i] = p->levels[0] + i * p->stride;
	return p->levels[0] == NULL ? SP_ERR_NO_MEMORY : SP_OK;
}

static SpStatus
make_buffers(SpPatches *p)
{
	size_t patch = p->frames * p->row;

	p->spectra = sp_alloc(p->env, p->capacity * 4 * p->stride, sizeof(float));
	p->mix[0] = sp_alloc(p->env, patch, sizeof(float));
	p->mix[1] = sp_alloc(p->env, patch, sizeof(float));
	p->frame = sp_alloc(p->env, 2 * p->fft_size, sizeof(float));
	if (p->spectra == NULL || p->mix[0] == NULL || p->mix[1] == NULL || p->frame == NULL)
		return SP_ERR_NO_MEMORY;
	return SP_OK;
}

static SpStatus
make_stem(SpPatches *p, SpPatchStem *stem)
{
	size_t patch = 2 * p->frames * p->columns;

	stem->estimate[0] = sp_alloc(p->env, patch, sizeof(float));
	stem->estimate[1] = sp_alloc(p->env, patch, sizeof(float));
	/* at least one: an allocation of nothing may be NULL */
	stem->tail = sp_alloc(p->env, 2 * p->overlap * p->columns + 1, sizeof(float));
	stem->sums = sp_calloc(p->env, 2 * p->fft_size, sizeof(float));
	stem->done = sp_alloc(p->env, 2 * p->frames * p->hop, sizeof(float));
	if (stem->estimate[0] == NULL || stem->estimate[1] == NULL || stem->tail == NULL ||
	    stem->sums == NULL || stem->done == NULL)
		return SP_ERR_NO_MEMORY;
	return sp_fifo_new(p->env, 2, p->frames * p->hop, &stem->queue);
}

static SpStatus
make_workers(SpPatches *p)
{
	SpStatus st = SP_OK;

	for (int w = 0; w < sp_pool_threads(sp_model_pool(p->model)) && st == SP_OK; w++)
	{
		st = sp_stft_new(p->env, p->fft_size, &p->workers[w].stft);
		p->workers[w].work = sp_alloc(p->env, sp_patches_work_rows(p) * p->stride, sizeof(float));
		if (st == SP_OK && p->workers[w].work == NULL)
			st = SP_ERR_NO_MEMORY;
	}
	return st;
}

void
sp_patches_free(SpPatches *p)
{
	if (p == NULL)
		return;
	if (p->working)
		sp_pool_cancel(sp_model_pool(p->model));
	sp_stft_free(p->stft);
	sp_feed_free(p->feed);
	sp_em_free(p->em);
	sp_cues_free(p->cues);
	sp_free(p->env, p->levels[0]);
	sp_free(p->env, p->spectra);
	sp_free(p->env, p->mix[0]);
	sp_free(p->env, p->mix[1]);
	sp_free(p->env, p->frame);
	for (int i = 0; i < SP_MODEL_MAX_STEMS; i++)
	{
		sp_free(p->env, p->stems[i].estimate[0]);
		sp_free(p->env, p->stems[i].estimate[1]);
		sp_free(p->env, p->stems[i].tail);
		sp_free(p->env, p->stems[i].sums);
		sp_free(p->env, p->stems[i].done);
		sp_fifo_free(p->stems[i].queue);
	}
	for (int w = 0; w < SP_POOL_MAX_THREADS; w++)
	{
		sp_stft_free(p->workers[w].stft);
		sp_free(p->env, p->workers[w].work);
	}
	sp_free(p->env, p);
}

/* --- batches ----------------------------------------------------------------- */

SP_CLONES static void
magnitudes(float *restrict out, const float *restrict re, const float *restrict im, float scale,
           size_t bins)
{
	for (size_t i = 0; i < bins; i++)
		out[i] = scale * sqrtf(re[i] * re[i] + im[i] * im[i]);
}

/* The network's input of this patch; frames behind the end of the song are zeros. */
static void
fill_mix(SpPatches *p, size_t patch)
{
	float *mix = p->mix[patch % 2];

	for (size_t c = 0; c < 2; c++)
		for (size_t f = 0; f < p->frames; f++)
		{
			size_t frame = patch * p->advance + f;
			float *row = mix + (c * p->frames + f) * p->columns;
			const float *spectrum = sp_patches_spectrum(p, frame, c);

			if (frame < p->seen)
				magnitudes(row, spectrum, spectrum + p->stride, p->to_model, p->columns);
			else
				memset(row, 0, p->columns * sizeof(float));
		}
}

/* The patch has its rows; those that it shares with the next one go there, too. */
static void
close_rows(SpPatches *p, size_t patch)
{
	const float *rows = p->mix[patch % 2];

	p->count = p->observed - patch * p->advance;
	if (p->count > p->advance)
		memcpy(p->mix[(patch + 1) % 2], rows + p->advance * p->row,
		       (p->count - p->advance) * p->row * sizeof(float));
}

/*
 * What the last batch rendered goes into the queues: the first fft_size samples
 * are the zeros in front, and the last frame reaches beyond the song.
 */
static SpStatus
collect(SpPatches *p)
{
	size_t from = p->emitted, to = from + (p->end - p->first) * p->hop;
	size_t skip = from < p->fft_size ? p->fft_size - from : 0;
	size_t last =
		p->finished && to > p->fft_size + p->length ? p->fft_size + (size_t) p->length : to;
	SpStatus st = SP_OK;

	p->emitted = to;
	if (from + skip >= last)
		return SP_OK;
	for (int s = 0; s < p->cfg.stems && st == SP_OK; s++)
	{
		float *out;

		st = sp_fifo_append(p->stems[s].queue, last - from - skip, &out);
		if (st == SP_OK)
			memcpy(out, p->stems[s].done + 2 * skip, (last - from - skip) * 2 * sizeof(float));
	}
	return st;
}

static SpStatus
wait_for_batch(SpPatches *p)
{
	SpStatus st = SP_OK;

	if (p->working)
	{
		st = sp_pool_wait(sp_model_pool(p->model));
		p->working = false;
		if (st == SP_OK)
			st = collect(p);
	}
	return st;
}

/*
 * Networks of patch `estimate` (p->patches: none), and the rendering of the patch
 * before it up to frame `end`.
 */
static SpStatus
start_batch(SpPatches *p, size_t estimate, bool networks, size_t end)
{
	SpStatus st = wait_for_batch(p);
	size_t before = estimate - 1;

	if (st != SP_OK)
		return st;
	if (estimate > 0)
		sp_patches_prepare(p, before);
	if (networks && p->masks != NULL)
		close_rows(p, estimate);
	else if (networks)
		fill_mix(p, estimate);
	p->networks = !networks ? 0 : p->masks != NULL ? 1 : (size_t) p->spec.stems;
	p->estimating = estimate;
	p->rendering = before;
	p->first = estimate > 0 ? before * p->advance : 0;
	p->end = end;
	sp_pool_start(sp_model_pool(p->model), sp_patches_task, p,
	              (int) p->networks + (estimate > 0 ? p->cfg.stems : 0));
	p->working = true;
	return SP_OK;
}

static SpStatus
start_patch(SpPatches *p)
{
	SpStatus st = start_batch(p, p->patches, true, p->patches * p->advance);

	p->patches++;
	return st;
}

/* Whether the next patch has all its frames when so many are there. */
static bool
is_whole(const SpPatches *p, size_t frames)
{
	return frames == p->patches * p->advance + p->frames;
}

/* The next frame whose levels are ready, into the patch that comes in. */
static SpStatus
observe(SpPatches *p)
{
	size_t local = p->observed - p->patches * p->advance;
	const float *spectra[2] = {sp_patches_spectrum(p, p->observed, 0),
	                           sp_patches_spectrum(p, p->observed, 1)};
	SpStatus st = sp_cues_take(p->cues, p->levels);

	if (st != SP_OK)
		return st;
	sp_model_observe(p->model, spectra, p->stride, p->to_model, (const float *const *) p->levels,
	                 p->mix[p->patches % 2] + local * p->row);
	p->observed++;
	if (sp_should_stop(p->env))
		return SP_ERR_CANCELED;
	return is_whole(p, p->observed) ? start_patch(p) : SP_OK;
}

/* All frames whose levels are ready. */
static SpStatus
observe_all(SpPatches *p)
{
	SpStatus st = SP_OK;

	while (st == SP_OK && sp_cues_ready(p->cues) > 0)
		st = observe(p);
	return st;
}

static SpStatus
transform(SpPatches *p)
{
	const float *in[2] = {p->frame, p->frame + p->fft_size};
	float *spectra[2] = {sp_patches_spectrum(p, p->seen, 0), sp_patches_spectrum(p, p->seen, 1)};
	SpStatus st;

	for (size_t c = 0; c < 2; c++)
		sp_feed_read(p->feed, c, p->seen * p->hop, p->frame + c * p->fft_size, p->fft_size);
	sp_stft_forward(p->stft, 2, in, spectra);
	p->seen++;
	if (sp_should_stop(p->env))
		return SP_ERR_CANCELED;
	if (p->cues == NULL)
		return is_whole(p, p->seen) ? start_patch(p) : SP_OK;
	st = sp_cues_push(p->cues, (const float *const *) spectra);
	return st == SP_OK ? observe_all(p) : st;
}

/* Transforms the frames that the feed has complete; starts a patch when its last one is there. */
static SpStatus
advance(SpPatches *p)
{
	SpStatus st = SP_OK;

	while (p->seen < sp_feed_ready(p->feed) && st == SP_OK)
		st = transform(p);
	return st;
}

SpStatus
sp_patches_push(SpPatches *p, const float *in, size_t frames)
{
	if (p->status == SP_OK && p->finished)
		return SP_ERR_BAD_ARG;
	while (p->status == SP_OK && frames > 0)
	{
		size_t taken = sp_feed_push(p->feed, in, frames);

		in += 2 * taken;
		frames -= taken;
		p->length += taken;
		p->status = advance(p);
	}
	return p->status;
}

/* One step of what is left: a frame, a patch padded with zeros, or the rendering of the last. */
static SpStatus
proceed(SpPatches *p)
{
	SpStatus st;

	if (p->cues != NULL && sp_cues_ready(p->cues) > 0)
		return observe(p);
	if (p->patches == 0 || (p->patches - 1) * p->advance + p->frames < p->total)
		return start_patch(p);
	st = start_batch(p, p->patches, false, p->total);
	if (st == SP_OK)
		st = wait_for_batch(p);
	p->drained = true;
	return st;
}

SpStatus
sp_patches_finish(SpPatches *p)
{
	if (p->finished || p->status != SP_OK)
		return p->status;
	p->finished = true;
	p->drained = p->length == 0;
	if (p->drained)
		return SP_OK;
	p->total = (size_t) ((p->length + p->fft_size + p->hop - 1) / p->hop);
	/* full hops of zeros until the last frame is complete */
	while (p->status == SP_OK && sp_feed_ready(p->feed) < p->total)
	{
		sp_feed_push(p->feed, NULL, p->hop);
		p->status = advance(p);
	}
	if (p->cues != NULL)
		sp_cues_finish(p->cues);
	return p->status;
}

/* What is computed when it is asked for needs no queues that hold the last 20 s. */
size_t
sp_patches_ready(SpPatches *p, size_t wanted)
{
	while (p->status == SP_OK && p->finished && !p->drained &&
	       sp_fifo_queued(p->stems[0].queue) < wanted)
		p->status = proceed(p);
	return p->status == SP_OK ? sp_fifo_queued(p->stems[0].queue) : 0;
}

size_t
sp_patches_pull(SpPatches *p, float *const *out, size_t max_frames)
{
	size_t count = 0;

	if (p->status != SP_OK)
		return 0;
	for (int s = 0; s < p->cfg.stems; s++)
		count = sp_fifo_pull(p->stems[s].queue, out[s], max_frames);
	return count;
}
