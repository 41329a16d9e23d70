/*
 * src/core/stems/neural.c
 *	  Separation by a trained model: rates, channels and the sum around patches.c.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/neural.h"

#include <math.h>
#include <string.h>

#include "core/audio/resample.h"
#include "core/sp_simd.h"
#include "core/stems/feed.h"
#include "core/stems/fifo.h"
#include "core/stems/patches.h"

/* Frames that pass through at a time. */
#define BLOCK 4096

typedef struct Neural
{
	SpSeparator base;
	const SpEnv *env;
	SpNeuralConfig cfg;
	int model_rate;
	size_t channels;
	int estimated;   /* stems that the model gives; one less when the last takes the rest */
	SpStatus status; /* sticky */
	bool finished;
	bool drained; /* no more frames come from patches or resamplers */

	uint64_t pushed, pulled; /* frames of the song */
	SpPatches *patches;
	SpResampler *in;                          /* NULL: the song has the model's rate */
	SpResampler *out[SP_SEPARATOR_MAX_STEMS]; /* of stereo */
	SpFifo *mix;                              /* NULL unless stems sum to it */
	SpFifo *ready[SP_SEPARATOR_MAX_STEMS];
	float *block;                         /* [BLOCK][2] on the way in */
	float *resampled;                     /* [room][2] */
	float *stems[SP_SEPARATOR_MAX_STEMS]; /* [BLOCK][2] on the way out */
	size_t room;
} Neural;

static SpStatus push(SpSeparator *base, const float *in, size_t frames);
static SpStatus finish(SpSeparator *base);
static size_t pull(SpSeparator *base, float *const *out, size_t max_frames);
static void free_all(SpSeparator *base);
static SpStatus make_parts(Neural *n, const SpModel *model);

/* Two stems of a model that has more. */
static bool
folds(const SpModelSpec *spec, const SpNeuralConfig *cfg)
{
	return spec->architecture->folds && cfg->song.stems == 2 && spec->stems > 2;
}

SpStatus
sp_neural_new(const SpEnv *env, const SpModel *model, const SpNeuralConfig *cfg, SpSeparator **out)
{
	static const SpSeparatorMethods methods = {push, finish, pull, free_all};
	const SpModelSpec *spec = sp_model_spec(model);
	Neural *n;
	SpStatus st;

	*out = NULL;
	if (cfg->song.sample_rate < SP_SEPARATOR_MIN_RATE ||
	    cfg->song.sample_rate > SP_SEPARATOR_MAX_RATE || cfg->song.channels < 1 ||
	    cfg->song.channels > 2 || (cfg->song.stems != spec->stems && !folds(spec, cfg)))
		return SP_ERR_BAD_ARG;
	n = sp_calloc(env, 1, sizeof(*n));
	if (n == NULL)
		return SP_ERR_NO_MEMORY;
	n->base.methods = &methods;
	n->env = env;
	n->cfg = *cfg;
	n->model_rate = spec->sample_rate_hz;
	n->channels = (size_t) cfg->song.channels;
	/* the only stem of a model is not the mix */
	if (spec->stems == 1)
		n->cfg.song.sum_to_mix = false;
	/* what is not vocals is the mix without them, whatever its parts */
	if (folds(spec, cfg))
		n->cfg.song.sum_to_mix = true;
	n->estimated = n->cfg.song.sum_to_mix ? cfg->song.stems - 1 : spec->stems;
	st = make_parts(n, model);
	if (st != SP_OK)
	{
		free_all(&n->base);
		return st;
	}
	*out = &n->base;
	return SP_OK;
}

static SpStatus
make_resamplers(Neural *n)
{
	int rate = n->cfg.song.sample_rate;
	SpStatus st;

	if (rate == n->model_rate)
		return SP_OK;
	st = sp_resampler_new(n->env, rate, n->model_rate, 2, &n->in);
	for (int i = 0; i < n->estimated && st == SP_OK; i++)
		st = sp_resampler_new(n->env, n->model_rate, rate, 2, &n->out[i]);
	return st;
}

static SpStatus
make_parts(Neural *n, const SpModel *model)
{
	SpPatchesConfig patches = {n->cfg.exact, n->cfg.wiener, n->cfg.extension, n->estimated};
	SpStatus st = sp_patches_new(n->env, model, &patches, &n->patches);
	int higher = n->cfg.song.sample_rate > n->model_rate ? n->cfg.song.sample_rate : n->model_rate;
	int lower = n->cfg.song.sample_rate + n->model_rate - higher;

	/* what a block becomes in either direction, and a little for the filter's own rhythm */
	n->room = (size_t) BLOCK * (size_t) (higher / lower + 1) + BLOCK;
	if (st == SP_OK)
		st = make_resamplers(n);
	if (st == SP_OK && n->cfg.song.sum_to_mix)
		st = sp_fifo_new(n->env, n->channels, 16 * BLOCK, &n->mix);
	n->block = sp_alloc(n->env, 2 * BLOCK, sizeof(float));
	n->resampled = sp_alloc(n->env, 2 * n->room, sizeof(float));
	if (st == SP_OK && (n->block == NULL || n->resampled == NULL))
		st = SP_ERR_NO_MEMORY;
	for (int i = 0; i < n->estimated && st == SP_OK; i++)
	{
		n->stems[i] = sp_alloc(n->env, 2 * BLOCK, sizeof(float));
		st = n->stems[i] == NULL ? SP_ERR_NO_MEMORY
		                         : sp_fifo_new(n->env, n->channels, 4 * BLOCK, &n->ready[i]);
	}
	return st;
}

static void
free_all(SpSeparator *base)
{
	Neural *n = (Neural *) base;

	sp_patches_free(n->patches);
	sp_resampler_free(n->in);
	sp_fifo_free(n->mix);
	sp_free(n->env, n->block);
	sp_free(n->env, n->resampled);
	for (int i = 0; i < SP_SEPARATOR_MAX_STEMS; i++)
	{
		sp_resampler_free(n->out[i]);
		sp_fifo_free(n->ready[i]);
		sp_free(n->env, n->stems[i]);
	}
	sp_free(n->env, n);
}

/* --- in ---------------------------------------------------------------------- */

/* What is no number becomes 0, and what is too large the limit. */
SP_CLONES static void
clean(float *restrict out, const float *restrict in, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		float x = isfinite(in[i]) ? in[i] : 0.0f;

		x = x > SP_FEED_LIMIT ? SP_FEED_LIMIT : x;
		out[i] = x < -SP_FEED_LIMIT ? -SP_FEED_LIMIT : x;
	}
}

/* Stereo of the song's rate, to patches; in NULL: the song has ended. */
static SpStatus
resample_in(Neural *n, const float *in, size_t frames)
{
	size_t used, made;
	SpStatus st;

	if (n->in == NULL)
		return in == NULL ? SP_OK : sp_patches_push(n->patches, in, frames);
	do
	{
		st = sp_resampler_run(n->in, in, frames, &used, n->resampled, n->room, &made);
		if (st == SP_OK && made > 0)
			st = sp_patches_push(n->patches, n->resampled, made);
		if (in != NULL)
		{
			in += 2 * used;
			frames -= used;
		}
	} while (st == SP_OK && (in == NULL ? made > 0 : frames > 0));
	return st;
}

/* At most BLOCK frames. */
static SpStatus
push_block(Neural *n, const float *in, size_t frames)
{
	SpStatus st = SP_OK;
	float *mix = NULL;

	clean(n->block, in, frames * n->channels);
	if (n->mix != NULL)
		st = sp_fifo_append(n->mix, frames, &mix);
	if (st != SP_OK)
		return st;
	if (mix != NULL)
		memcpy(mix, n->block, frames * n->channels * sizeof(float));
	/* backwards, because it is in place */
	for (size_t i = frames; n->channels == 1 && i-- > 0;)
		n->block[2 * i] = n->block[2 * i + 1] = n->block[i];
	return resample_in(n, n->block, frames);
}

static SpStatus
push(SpSeparator *base, const float *in, size_t frames)
{
	Neural *n = (Neural *) base;

	if (n->status == SP_OK && n->finished)
		return SP_ERR_BAD_ARG;
	while (n->status == SP_OK && frames > 0)
	{
		size_t count = frames < BLOCK ? frames : BLOCK;

		n->status = push_block(n, in, count);
		in += count * n->channels;
		frames -= count;
		n->pushed += count;
	}
	return n->status;
}

static SpStatus
finish(SpSeparator *base)
{
	Neural *n = (Neural *) base;

	if (n->finished || n->status != SP_OK)
		return n->status;
	n->finished = true;
	n->status = resample_in(n, NULL, 0);
	if (n->status == SP_OK)
		n->status = sp_patches_finish(n->patches);
	return n->status;
}

/* --- out --------------------------------------------------------------------- */

/* Stereo of the song's rate to the queue of a stem, in the song's channels. */
static SpStatus
queue_stem(Neural *n, int stem, const float *in, size_t frames)
{
	float *to;
	SpStatus st = sp_fifo_append(n->ready[stem], frames, &to);

	if (st != SP_OK)
		return st;
	if (n->channels == 2)
		memcpy(to, in, 2 * frames * sizeof(float));
	else
		for (size_t i = 0; i < frames; i++)
			to[i] = 0.5f * (in[2 * i] + in[2 * i + 1]);
	return SP_OK;
}

/* in NULL: the model's stems have ended; *made is what came out of the resampler. */
static SpStatus
resample_out(Neural *n, int stem, const float *in, size_t frames, size_t *total)
{
	size_t used, made;
	SpStatus st;

	*total = 0;
	do
	{
		st = sp_resampler_run(n->out[stem], in, frames, &used, n->resampled, n->room, &made);
		if (st == SP_OK && made > 0)
			st = queue_stem(n, stem, n->resampled, made);
		*total += made;
		if (in != NULL)
		{
			in += 2 * used;
			frames -= used;
		}
	} while (st == SP_OK && (in == NULL ? made > 0 : frames > 0));
	return st;
}

/* So many frames go from patches to the queues as they are. */
static SpStatus
move_stems(Neural *n, size_t frames)
{
	float *to[SP_SEPARATOR_MAX_STEMS] = {0};
	SpStatus st = SP_OK;

	for (int i = 0; i < n->estimated && st == SP_OK; i++)
		st = sp_fifo_append(n->ready[i], frames, &to[i]);
	if (st == SP_OK)
		sp_patches_pull(n->patches, to, frames);
	return st;
}

/* So many frames; 0 is the end. */
static SpStatus
convert_stems(Neural *n, size_t frames)
{
	SpStatus st = SP_OK;
	size_t made;

	sp_patches_pull(n->patches, n->stems, frames);
	for (int i = 0; i < n->estimated && st == SP_OK; i++)
	{
		if (n->out[i] == NULL)
			st = queue_stem(n, i, n->stems[i], frames);
		else
			st = resample_out(n, i, frames > 0 ? n->stems[i] : NULL, frames, &made);
	}
	return st;
}

/*
 * One more block of every stem from patches to the queues, which may get
 * nothing of it yet: resamplers keep the first ones back.  *some: there was one.
 */
static SpStatus
fetch(Neural *n, bool *some)
{
	size_t got = sp_patches_ready(n->patches, BLOCK);
	SpStatus st = SP_OK;

	got = got < BLOCK ? got : BLOCK;
	*some = got > 0;
	if (got == 0 && n->finished)
	{
		n->drained = true;
		/* how computing the rest went */
		st = sp_patches_finish(n->patches);
	}
	if (st != SP_OK || (got == 0 && !n->finished))
		return st;
	return n->in == NULL && n->channels == 2 ? move_stems(n, got) : convert_stems(n, got);
}

/*
 * There and back again, a song may have lost a frame or won one by rounding:
 * zeros replace it, and what is too much stays in the queue.
 */
static SpStatus
complete(Neural *n)
{
	uint64_t missing = n->pushed - n->pulled;
	SpStatus st = SP_OK;

	for (int i = 0; i < n->estimated && st == SP_OK; i++)
	{
		size_t queued = sp_fifo_queued(n->ready[i]);
		float *to;

		if (queued >= missing)
			continue;
		st = sp_fifo_append(n->ready[i], (size_t) missing - queued, &to);
		if (st == SP_OK)
			memset(to, 0, ((size_t) missing - queued) * n->channels * sizeof(float));
	}
	return st;
}

/* The last stem is what the others leave of the mix. */
static void
take_rest(Neural *n, float *const *out, size_t frames)
{
	size_t samples = frames * n->channels;
	float *rest = out[n->estimated];

	if (rest != NULL)
	{
		memcpy(rest, sp_fifo_peek(n->mix), samples * sizeof(float));
		for (int s = 0; s < n->estimated; s++)
		{
			const float *stem = sp_fifo_peek(n->ready[s]);

			for (size_t i = 0; i < samples; i++)
				rest[i] -= stem[i];
		}
	}
	sp_fifo_pull(n->mix, NULL, frames);
}

static size_t
pull(SpSeparator *base, float *const *out, size_t max_frames)
{
	Neural *n = (Neural *) base;
	bool some = !n->drained;
	size_t count;

	while (n->status == SP_OK && some && sp_fifo_queued(n->ready[0]) < max_frames)
		n->status = fetch(n, &some);
	if (n->status == SP_OK && n->drained)
		n->status = complete(n);
	if (n->status != SP_OK)
		return 0;
	count = sp_fifo_queued(n->ready[0]);
	if (count > max_frames)
		count = max_frames;
	if (count > n->pushed - n->pulled)
		count = (size_t) (n->pushed - n->pulled);
	if (n->mix != NULL)
		take_rest(n, out, count);
	for (int i = 0; i < n->estimated; i++)
		sp_fifo_pull(n->ready[i], out[i], count);
	n->pulled += count;
	return count;
}
