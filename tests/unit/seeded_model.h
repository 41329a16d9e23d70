/*
 * tests/unit/seeded_model.h
 *	  A model of Spleeter's architecture with seeded weights, as a source of
 *	  tensors: what tests/golden/neural/unet.py has, any number of filters.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SEEDED_MODEL_H
#define SEEDED_MODEL_H

#include "core/nn/tensor.h"
#include "golden_weights.h"

#define SEEDED_DEPTH        6
#define SEEDED_STEM_TENSORS 74 /* 2 * 13 of kernels and biases, 4 * 12 of normalisations */
#define SEEDED_MAX_TENSORS  (8 * SEEDED_STEM_TENSORS + 2)

typedef struct SeededModel
{
	int stems;
	int filters[SEEDED_DEPTH];
	bool moved; /* batch statistics unlike 0 and 1 */
	size_t count;
	char names[SEEDED_MAX_TENSORS][64];
	SpTensorInfo tensors[SEEDED_MAX_TENSORS];
	SpTensorSource source;
} SeededModel;

static const int seeded_full[SEEDED_DEPTH] = {16, 32, 64, 128, 256, 512};

static inline void
seeded_add(SeededModel *m, const char *layer, int number, const char *part, int rank, int64_t d0,
           int64_t d1, int64_t d2, int64_t d3)
{
	size_t i = m->count++;

	if (number == 0)
		snprintf(m->names[i], sizeof(m->names[i]), "%s%s", layer, part);
	else
		snprintf(m->names[i], sizeof(m->names[i]), "%s_%d%s", layer, number, part);
	m->tensors[i] = (SpTensorInfo){.name = m->names[i],
	                               .dtype = SP_DTYPE_F32,
	                               .rank = rank,
	                               .shape = {d0, d1, d2, d3},
	                               .elements = 1};
	for (int k = 0; k < rank; k++)
		m->tensors[i].elements *= m->tensors[i].shape[k];
}

static inline void
seeded_add_norm(SeededModel *m, int number, int channels)
{
	static const char *const parts[] = {"/gamma", "/beta", "/moving_mean", "/moving_variance"};

	for (int i = 0; i < 4; i++)
		seeded_add(m, "batch_normalization", number, parts[i], 1, channels, 0, 0, 0);
}

static inline void
seeded_add_stem(SeededModel *m, int stem)
{
	for (int i = 0; i < SEEDED_DEPTH; i++)
	{
		int in = i == 0 ? 2 : m->filters[i - 1], conv = 7 * stem + i;

		seeded_add(m, "conv2d", conv, "/kernel", 4, 5, 5, in, m->filters[i]);
		seeded_add(m, "conv2d", conv, "/bias", 1, m->filters[i], 0, 0, 0);
		seeded_add_norm(m, 12 * stem + i, m->filters[i]);
	}
	for (int i = 0; i < SEEDED_DEPTH; i++)
	{
		int in = i == 0 ? m->filters[5] : 2 * m->filters[5 - i];
		int out = i == 5 ? 1 : m->filters[4 - i], conv = 6 * stem + i;

		seeded_add(m, "conv2d_transpose", conv, "/kernel", 4, 5, 5, out, in);
		seeded_add(m, "conv2d_transpose", conv, "/bias", 1, out, 0, 0, 0);
		seeded_add_norm(m, 12 * stem + 6 + i, out);
	}
	seeded_add(m, "conv2d", 7 * stem + 6, "/kernel", 4, 4, 4, 1, 2);
	seeded_add(m, "conv2d", 7 * stem + 6, "/bias", 1, 2, 0, 0, 0);
}

static inline int
seeded_compare(const void *a, const void *b)
{
	return strcmp(((const SpTensorInfo *) a)->name, ((const SpTensorInfo *) b)->name);
}

/* What a source promises: sorted by name. */
static inline void
seeded_sort(SeededModel *m)
{
	qsort(m->tensors, m->count, sizeof(m->tensors[0]), seeded_compare);
	m->source.count = m->count;
	m->source.tensors = m->tensors;
}

static inline SpStatus
seeded_read(void *self, size_t i, float *out, SpFault *fault)
{
	const SeededModel *m = self;

	(void) fault;
	golden_weights_of(m->tensors[i].name, m->tensors[i].rank, m->tensors[i].shape, m->moved, out);
	return SP_OK;
}

/* m must not move afterwards. */
static inline void
seeded_model(SeededModel *m, int stems, const int filters[SEEDED_DEPTH], bool moved)
{
	memset(m, 0, sizeof(*m));
	m->stems = stems;
	m->moved = moved;
	memcpy(m->filters, filters, sizeof(m->filters));
	for (int s = 0; s < stems; s++)
		seeded_add_stem(m, s);
	seeded_add(m, "global_step", 0, "", 0, 0, 0, 0, 0);
	m->source = (SpTensorSource){.read = seeded_read, .self = m};
	seeded_sort(m);
}

#endif /* SEEDED_MODEL_H */
