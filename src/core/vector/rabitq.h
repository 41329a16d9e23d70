/*
 * src/core/vector/rabitq.h
 *	  Vectors as one bit a dimension or a few, and distances to them with a
 *	  bound on their error.
 *
 * RaBitQ (Gao, Long 2024, arXiv 2405.12497): of the residual o - c of a vector
 * and its centroid, both rotated at random, the signs are kept.  The inner
 * product of the residual with any vector is then estimated without bias from
 * that of the signs, and the paper bounds the error with high probability.
 *
 * Three measures: squared Euclidean distance, and minus the inner product, of
 * which cosine distance is 1 plus that of vectors of length 1.
 *
 * Shapes: padded is SP_ROTATION_PADDED(dims), words = SP_RABITQ_WORDS(padded,
 * bits).  All vectors here have been rotated (rotation.h).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VECTOR_RABITQ_H
#define SP_VECTOR_RABITQ_H

#include "core/sp_base.h"

typedef enum SpVectorMetric
{
	SP_METRIC_L2_SQUARED,
	SP_METRIC_NEGATIVE_PRODUCT
} SpVectorMetric;

/* Of a code of so many bits a dimension. */
#define SP_RABITQ_WORDS(padded, bits) ((padded) / 64 * (size_t) (bits))

/* Standard deviations that margins allow; the paper's choice. */
#define SP_RABITQ_EPSILON_0 1.9

/* What an estimate needs of a code besides its bits. */
typedef struct SpRabitqFactors
{
	float base;    /* the part of the measure that no query changes */
	float scale;   /* of the product of the code and the query's residual */
	float error;   /* times the length of the query's residual: the bound */
	uint32_t ones; /* the sum of the code's values: of one bit, those that are set */
} SpRabitqFactors;

/* code[words] and factors of vector[padded] beside centroid[padded]; bits as a query has. */
void sp_rabitq_encode(SpVectorMetric metric, int bits, const float *vector, const float *centroid,
                      size_t padded, uint64_t *code, SpRabitqFactors *factors);

/* A query beside one centroid after the other. */
typedef struct SpRabitqQuery SpRabitqQuery;

/* SP_ERR_BAD_ARG unless bits is 1, 2, 4 or 8 and padded a multiple of 64 up to 2^16,
 * SP_ERR_NO_MEMORY. */
SpStatus sp_rabitq_query_new(const SpEnv *env, SpVectorMetric metric, int bits, size_t padded,
                             SpRabitqQuery **out);
void sp_rabitq_query_free(SpRabitqQuery *q);

/* What follows is asked of codes of this centroid.  vector[padded] is the query. */
void sp_rabitq_query_aim(SpRabitqQuery *q, const float *vector, const float *centroid);

/*
 * Of count codes, [count][words] side by side: the estimated measure, and how
 * far it may be off (exceeded by about 6 % of codes, on either side together),
 * beside the rounding of floats as long as the vectors: with eight bits a dimension
 * that may be more, where residuals are a hundredth of their vectors.
 */
void sp_rabitq_estimate(const SpRabitqQuery *q, const uint64_t *codes,
                        const SpRabitqFactors *factors, size_t count, float *estimates,
                        float *margins);

#endif /* SP_VECTOR_RABITQ_H */
