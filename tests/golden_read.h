/*
 * tests/golden_read.h
 *	  Reads tests/golden/NAME.golden, which make_neural.py wrote: lines of text
 *	  that describe arrays, a line "data", then their values as float32.
 *
 *	  array NAME FIRST STORED MEAN RMS D0 D1 D2
 *
 * An array of the shape [D0][D1][D2] has mean MEAN and root mean square RMS, and STORED of
 * its values are in the file: FIRST, FIRST + 1, ... in row-major order, or,
 * when FIRST is -1, at the places that a hash of the name chooses.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef GOLDEN_READ_H
#define GOLDEN_READ_H

#include <math.h>
#include <stdlib.h>

#include "golden_weights.h"

typedef struct GoldenArray
{
	char name[96];
	long first;
	size_t stored;
	double mean, rms; /* of the whole array */
	size_t shape[3];
	size_t elements;
	const float *values; /* [stored] */
} GoldenArray;

typedef struct GoldenFile
{
	size_t count;
	GoldenArray *arrays;
	char *bytes;
} GoldenFile;

static inline void
golden_close(GoldenFile *g)
{
	free(g->arrays);
	free(g->bytes);
	memset(g, 0, sizeof(*g));
}

/* The whole file and a terminating 0, or NULL. */
static inline char *
golden_slurp(const char *path, size_t *size)
{
	FILE *f = fopen(path, "rb");
	char *bytes = NULL;
	long length = -1;

	if (f != NULL && fseek(f, 0, SEEK_END) == 0)
		length = ftell(f);
	if (length >= 0 && fseek(f, 0, SEEK_SET) == 0)
		bytes = malloc((size_t) length + 1);
	if (bytes != NULL && fread(bytes, 1, (size_t) length, f) != (size_t) length)
	{
		free(bytes);
		bytes = NULL;
	}
	if (bytes != NULL)
	{
		*size = (size_t) length;
		bytes[*size] = '\0';
	}
	if (f != NULL)
		fclose(f);
	return bytes;
}

/* One line of text; false when it describes no array. */
static inline bool
golden_parse(const char *line, GoldenArray *a)
{
	if (sscanf(line, "array %95s %ld %zu %lf %lf %zu %zu %zu", a->name, &a->first, &a->stored,
	           &a->mean, &a->rms, &a->shape[0], &a->shape[1], &a->shape[2]) != 8)
		return false;
	a->elements = a->shape[0] * a->shape[1] * a->shape[2];
	return a->elements > 0;
}

/*
 * Reads all of a golden file; false when it is not there or not whole.
 * golden_close also after false.  Values are moved to the front of the bytes
 * that held the text, so that they are aligned.
 */
static inline bool
golden_open(const char *path, GoldenFile *g)
{
	size_t size = 0, lines = 0, total = 0, at = 0;
	const char *data;

	memset(g, 0, sizeof(*g));
	g->bytes = golden_slurp(path, &size);
	data = g->bytes == NULL ? NULL : strstr(g->bytes, "\ndata\n");
	if (data == NULL)
		return false;
	data += strlen("\ndata\n");
	for (const char *p = g->bytes; p < data; p++)
		lines += *p == '\n';
	g->arrays = calloc(lines, sizeof(*g->arrays));
	if (g->arrays == NULL)
		return false;
	for (const char *p = g->bytes; p < data; p = strchr(p, '\n') + 1)
		if (golden_parse(p, &g->arrays[g->count]))
			total += g->arrays[g->count++].stored;
	if (total * sizeof(float) != size - (size_t) (data - g->bytes))
		return false;
	memmove(g->bytes, data, total * sizeof(float));
	for (size_t i = 0; i < g->count; at += g->arrays[i++].stored)
		g->arrays[i].values = (const float *) g->bytes + at;
	return true;
}

/* The array of this name, or NULL. */
static inline const GoldenArray *
golden_find(const GoldenFile *g, const char *name)
{
	for (size_t i = 0; i < g->count; i++)
		if (strcmp(g->arrays[i].name, name) == 0)
			return &g->arrays[i];
	return NULL;
}

/* Where in the whole array stored value i belongs. */
static inline size_t
golden_position(const GoldenArray *a, size_t i)
{
	char name[128];

	if (a->first >= 0)
		return (size_t) a->first + i;
	snprintf(name, sizeof(name), "at %s", a->name);
	return (size_t) (golden_hash(golden_fnv1a(name), i) % a->elements);
}

/* The largest distance of the whole array at got from what is stored; NaN counts as infinite. */
static inline double
golden_distance(const GoldenArray *a, const float *got)
{
	double worst = 0.0;

	for (size_t i = 0; i < a->stored; i++)
	{
		double d = fabs((double) got[golden_position(a, i)] - (double) a->values[i]);

		worst = d <= worst ? worst : isnan(d) ? INFINITY : d;
	}
	return worst;
}

#endif /* GOLDEN_READ_H */
