/*
 * src/core/vector/coarse.h
 *	  Distances of a query from many centroids, nearly: a byte a dimension.
 *
 * All centroids are read for each query, so what they cost is their bytes.  Each is
 * its difference from their mean, rounded to 255 steps of its own; the query has as
 * many.  Norms are exact, only the product of the differences is rounded: by less
 * than 0.0025 of the product of their lengths where 832 values are spread evenly
 * (tests/unit/test_vector_coarse.c).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VECTOR_COARSE_H
#define SP_VECTOR_COARSE_H

#include "core/sp_base.h"
#include "core/vector/rabitq.h"

typedef struct SpCoarse
{
	size_t count, dims;
	float *mean;    /* [dims] */
	float *squares; /* [count], of the differences' lengths */
	float *steps;   /* [count], between values */
	float most_square, most_step;
	uint8_t *codes; /* [count][dims], 128 stands for the mean */
} SpCoarse;

/* Bytes for count centroids; dims is a multiple of 64. */
size_t sp_coarse_size(size_t count, size_t dims);

/*
 * From halves [count][dims], in memory of sp_coarse_size() bytes that is aligned to
 */
void sp_coarse_fill(SpCoarse *c, char *memory, const uint16_t *halves, size_t count, size_t dims);

/*
 * out[count]: scale times squared distances, or negative products; INFINITY for what
 * floats do not hold.  The result is by how much a nearer one may seem farther than
 * another: six deviations of what the rounding of both adds to their difference.
 */
double sp_coarse_measure(const SpCoarse *c, SpVectorMetric metric, const float *query, double scale,
                         float *out);

#endif /* SP_VECTOR_COARSE_H */
