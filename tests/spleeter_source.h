/*
 * tests/spleeter_source.h
 *	  Seeded weights of a Spleeter model as a source of tensors, named and shaped
 *	  as in the released checkpoints.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SPLEETER_SOURCE_H
#define SPLEETER_SOURCE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/nn/tensor.h"
#include "golden_weights.h"

/* Two tensors of 13 layers and four of 12 norms for each of at most 5 stems. */
#define SPLEETER_MAX_TENSORS (5 * (13 * 2 + 12 * 4))

static const int spleeter_full[6] = {16, 32, 64, 128, 256, 512};

typedef struct SpleeterSource
{
	SpTensorSource source;
	SpTensorInfo tensors[SPLEETER_MAX_TENSORS];
	char names[SPLEETER_MAX_TENSORS][48];
	bool moved; /* golden_weights_of's */
	long reads;
} SpleeterSource;

static inline void
spleeter_add(SpleeterSource *s, const char *layer, int number, const char *part, int rank,
             int64_t a, int64_t b, int64_t c, int64_t d)
{
	size_t i = s->source.count++;
	SpTensorInfo *t = &s->tensors[i];

	if (number == 0)
		snprintf(s->names[i], sizeof(s->names[i]), "%s/%s", layer, part);
	else
		snprintf(s->names[i], sizeof(s->names[i]), "%s_%d/%s", layer, number, part);
	*t = (SpTensorInfo){.name = s->names[i], .rank = rank, .shape = {a, b, c, d}};
	t->elements = rank == 1 ? a : a * b * c * d;
}

static inline void
spleeter_add_norm(SpleeterSource *s, int number, int channels)
{
	static const char *const parts[] = {"gamma", "beta", "moving_mean", "moving_variance"};

	for (int i = 0; i < 4; i++)
		spleeter_add(s, "batch_normalization", number, parts[i], 1, channels, 0, 0, 0);
}

static inline void
spleeter_add_stem(SpleeterSource *s, int stem, const int *filters)
{
	for (int i = 0; i < 6; i++)
	{
		int in = i == 0 ? 2 : filters[i - 1];

		spleeter_add(s, "conv2d", 7 * stem + i, "kernel", 4, 5, 5, in, filters[i]);
		spleeter_add(s, "conv2d", 7 * stem + i, "bias", 1, filters[i], 0, 0, 0);
		spleeter_add_norm(s, 12 * stem + i, filters[i]);
	}
	for (int i = 0; i < 6; i++)
	{
		int out = i == 5 ? 1 : filters[4 - i];
		int in = i == 0 ? filters[5] : 2 * filters[5 - i];

		spleeter_add(s, "conv2d_transpose", 6 * stem + i, "kernel", 4, 5, 5, out, in);
		spleeter_add(s, "conv2d_transpose", 6 * stem + i, "bias", 1, out, 0, 0, 0);
		spleeter_add_norm(s, 12 * stem + 6 + i, out);
	}
	spleeter_add(s, "conv2d", 7 * stem + 6, "kernel", 4, 4, 4, 1, 2);
	spleeter_add(s, "conv2d", 7 * stem + 6, "bias", 1, 2, 0, 0, 0);
}

static inline int
spleeter_by_name(const void *a, const void *b)
{
	return strcmp(((const SpTensorInfo *) a)->name, ((const SpTensorInfo *) b)->name);
}

static inline SpStatus
spleeter_read(void *self, size_t i, float *out, SpFault *fault)
{
	SpleeterSource *s = self;
	const SpTensorInfo *t = &s->tensors[i];

	(void) fault;
	s->reads++;
	golden_weights_of(t->name, t->rank, t->shape, s->moved, out);
	return SP_OK;
}

/* Release with free(). */
static inline SpleeterSource *
spleeter_source(int stems, const int *filters)
{
	SpleeterSource *s = calloc(1, sizeof(*s));

	for (int i = 0; i < stems; i++)
		spleeter_add_stem(s, i, filters);
	qsort(s->tensors, s->source.count, sizeof(SpTensorInfo), spleeter_by_name);
	s->source.tensors = s->tensors;
	s->source.read = spleeter_read;
	s->source.self = s;
	return s;
}

#endif /* SPLEETER_SOURCE_H */
