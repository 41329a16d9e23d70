/*
 * src/core/stems/patches_internal.h
 *	  What patches.c (the stream) and patches_render.c (the work of threads)
 *	  share.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PATCHES_INTERNAL_H
#define SP_PATCHES_INTERNAL_H

#include "core/dsp/stft.h"
#include "core/stems/cues.h"
#include "core/stems/em.h"
#include "core/stems/feed.h"
#include "core/stems/fifo.h"
#include "core/stems/patches.h"

/* One stem on its way out. */
typedef struct SpPatchStem
{
	float *estimate[2]; /* [2][frames][columns], of this patch and of the one before it */
	float *tail;        /* [2][overlap][columns] end of the last rendered patch's estimate */
	float *sums;        /* [2][fft_size] overlap-add */
	float *done;        /* [frames * hop][2] what the last batch rendered */
	SpFifo *queue;
} SpPatchStem;

/* What one thread computes with. */
typedef struct SpPatchWorker
{
	SpStft *stft;
	float *work; /* rows of stride floats */
} SpPatchWorker;

struct SpPatches
{
	const SpEnv *env;
	const SpModel *model;
	SpPatchesConfig cfg;
	SpModelSpec spec;
	SpStatus status; /* sticky */
	bool finished;
	bool drained; /* ... and all of it is in queues */
	bool working; /* a batch has been started and not yet waited for */

	size_t fft_size, hop, all_bins, stride;
	size_t columns, frames;  /* of an estimate: bins that the network sees, or its own */
	size_t advance, overlap; /* frames; their sum is `frames` */
	size_t capacity;         /* frames of the ring */
	float to_model;          /* from our scale of spectra to the plain sum of the transform */

	uint64_t length; /* samples pushed */
	size_t seen;     /* frames transformed */
	size_t observed; /* ... and given to the network's own method, if it has one */
	size_t total;    /* frames of the song, once it has ended */
	size_t patches;  /* networks started */
	size_t emitted;  /* samples that went into queues, with the lead */

	SpStft *stft; /* the owner's */
	SpFeed *feed;
	SpEm *em;       /* NULL without Wiener filter */
	float *spectra; /* ring: [capacity][2][2 * stride] */
	/* what networks see, of this patch and of the one before: magnitudes */
	float *mix[2]; /* [2][frames][columns], or rows [frames][row] */
	float *frame;  /* [2][fft_size] */

	/* Of an architecture that makes masks; else NULL. */
	const SpMaskMethods *masks;
	SpCues *cues;
	float *levels[SP_SOURCES - 1]; /* [stride] in one block */
	size_t row;
	SpPatchStem stems[SP_MODEL_MAX_STEMS];
	SpPatchWorker workers[SP_POOL_MAX_THREADS];

	/* the batch: which patch the networks have (or none), which frames are rendered */
	size_t networks; /* tasks that are networks: the model's stems, one for all, or 0 */
	size_t estimating;
	size_t count;      /* of its frames that exist */
	size_t rendering;  /* the patch before it */
	size_t first, end; /* frames of the song that are rendered: [first, end) */
};

/* Rows of `stride` floats that a worker needs. */
size_t sp_patches_work_rows(const SpPatches *p);

static inline float *
sp_patches_spectrum(const SpPatches *p, size_t frame, size_t channel)
{
	return p->spectra + ((frame % p->capacity) * 2 + channel) * 2 * p->stride;
}

/* Before patch k is rendered, with no thread at work: logits into magnitudes, joins, covariances. */
void sp_patches_prepare(SpPatches *p, size_t patch);

/* A task of the batch: networks first, then stems to render. */
SpStatus sp_patches_task(void *arg, int task, int worker, const SpStop *stop);

#endif /* SP_PATCHES_INTERNAL_H */
