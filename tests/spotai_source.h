/*
 * tests/spotai_source.h
 *	  Seeded weights of spotai's own network as a source of tensors, named and
 *	  shaped as train/networks.py has them; tests/golden/neural/spotai.py makes the same.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SPOTAI_SOURCE_H
#define SPOTAI_SOURCE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/nn/tensor.h"
#include "golden_weights.h"

#define SPOTAI_MAX_TENSORS 128

/* narrow[level][i]: -1 ends, 0 is a convolution, else maps through that width. */
typedef struct SpotaiSize
{
	int bands;
	int levels;
	int channels[4];
	int narrow[4][5];
} SpotaiSize;

static const SpotaiSize spotai_full = {
	512, 4, {32, 64, 128, 192}, {{-1}, {64, -1}, {0, 64, -1}, {0, 32, 0, 32, -1}}};
static const SpotaiSize spotai_tiny = {32, 2, {4, 6}, {{5, -1}, {0, 3, -1}}};

typedef struct SpotaiSource
{
	SpTensorSource source;
	size_t count;
	SpTensorInfo tensors[SPOTAI_MAX_TENSORS];
	char names[SPOTAI_MAX_TENSORS][48];
	bool flat; /* the head is zero, prior and trust are 1: the network gives back the shares */
} SpotaiSource;

static inline void
spotai_add(SpotaiSource *s, const char *layer, const char *part, int a, int b, int c, int d)
{
	SpTensorInfo *t = &s->tensors[s->count];
	char *name = s->names[s->count++];

	snprintf(name, sizeof(s->names[0]), "%s%s", layer, part);
	*t = (SpTensorInfo){.name = name, .rank = b == 0 ? 1 : c == 0 ? 2 : 4, .shape = {a, b, c, d}};
	t->elements = (int64_t) a * (b == 0 ? 1 : b) * (c == 0 ? 1 : (int64_t) c * d);
}

static inline void
spotai_add_conv(SpotaiSource *s, const char *layer, int out, int in, int kernel, int normed)
{
	spotai_add(s, layer, ".conv.weight", out, in, kernel, kernel);
	spotai_add(s, layer, ".conv.bias", out, 0, 0, 0);
	if (normed == 0)
		return;
	spotai_add(s, layer, ".norm.weight", normed, 0, 0, 0);
	spotai_add(s, layer, ".norm.bias", normed, 0, 0, 0);
}

static inline void
spotai_add_stage(SpotaiSource *s, const SpotaiSize *size, int level, int i)
{
	int channels = size->channels[level], width = size->bands >> (level + 1);
	int narrow = size->narrow[level][i];
	char layer[32];

	snprintf(layer, sizeof(layer), "stage.%d.%d", level, i);
	if (narrow == 0)
	{
		spotai_add_conv(s, layer, channels, channels, 3, channels);
		return;
	}
	spotai_add(s, layer, ".inwards.weight", narrow, width, 0, 0);
	spotai_add(s, layer, ".inwards.bias", narrow, 0, 0, 0);
	spotai_add(s, layer, ".outwards.weight", width, narrow, 0, 0);
	spotai_add(s, layer, ".outwards.bias", width, 0, 0, 0);
}

static inline void
spotai_add_level(SpotaiSource *s, const SpotaiSize *size, int level)
{
	const int *channels = size->channels;
	int normed = level > 0 ? channels[level] : 0;
	char layer[32];

	snprintf(layer, sizeof(layer), "down.%d", level);
	spotai_add_conv(s, layer, channels[level], level > 0 ? channels[level - 1] : 9,
	                level > 0 ? 3 : 5, normed);
	for (int i = 0; size->narrow[level][i] >= 0; i++)
		spotai_add_stage(s, size, level, i);
	if (level == size->levels - 1)
		return;
	snprintf(layer, sizeof(layer), "up.%d", size->levels - 2 - level);
	spotai_add_conv(s, layer, 4 * channels[level], channels[level + 1], 3, normed);
}

static inline int
spotai_by_name(const void *a, const void *b)
{
	return strcmp(((const SpTensorInfo *) a)->name, ((const SpTensorInfo *) b)->name);
}

static inline SpStatus
spotai_read(void *self, size_t i, float *out, SpFault *fault)
{
	SpotaiSource *s = self;
	const SpTensorInfo *t = &s->tensors[i];
	bool head = strncmp(t->name, "head", 4) == 0;
	bool one = strcmp(t->name, "prior") == 0 || strcmp(t->name, "trust") == 0;

	(void) fault;
	golden_weights(t->name, t->rank, t->shape, out);
	for (int64_t k = 0; k < t->elements && s->flat && (head || one); k++)
		out[k] = one ? 1.0f : 0.0f;
	return SP_OK;
}

/* To be called again when tensors were changed. */
static inline void
spotai_seal(SpotaiSource *s)
{
	qsort(s->tensors, s->count, sizeof(SpTensorInfo), spotai_by_name);
	s->source = (SpTensorSource){s->count, s->tensors, spotai_read, s};
}

/* Release with free(). */
static inline SpotaiSource *
spotai_source(const SpotaiSize *size)
{
	SpotaiSource *s = calloc(1, sizeof(*s));

	if (s == NULL)
		abort();
	spotai_add(s, "scale", "", 4, size->bands, 0, 0);
	spotai_add(s, "shift", "", 4, size->bands, 0, 0);
	spotai_add(s, "prior", "", 4, 0, 0, 0);
	spotai_add(s, "trust", "", size->bands, 0, 0, 0);
	for (int i = 0; i < size->levels; i++)
		spotai_add_level(s, size, i);
	spotai_add_conv(s, "head", 32, size->channels[0], 3, 0);
	spotai_seal(s);
	return s;
}

#endif /* SPOTAI_SOURCE_H */
