/*
 * src/core/dsp/median.h
 *	  The median of k rows, element by element.
 *
 * One kernel serves every median filter: along time the rows are frames,
 * along frequency they are one padded frame seen at k successive offsets,
 * among similar frames they are those frames.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_MEDIAN_H
#define SP_MEDIAN_H

#include "core/sp_base.h"

#define SP_MEDIAN_MAX_ROWS 63

typedef struct SpMedian SpMedian;

/* k: odd, 1..SP_MEDIAN_MAX_ROWS.  SP_ERR_BAD_ARG, SP_ERR_NO_MEMORY. */
SpStatus sp_median_new(const SpEnv *env, size_t k, SpMedian **out);
void sp_median_free(SpMedian *m);
size_t sp_median_rows(const SpMedian *m);

/*
 * out[i] = median of rows[0..k-1][i] for i < n.  No alignment is required;
 * out may not overlap any row.  The elements must not be NaN.
 */
void sp_median_run(const SpMedian *m, float *out, const float *const *rows, size_t n);

/*
 * out[i] = median of in[i - k/2 .. i + k/2] for i < n, the ends repeated.
 * scratch[n + k - 1].
 */
void sp_median_slide(const SpMedian *m, float *out, const float *in, size_t n, float *scratch);

/* The odd number nearest to width, at least 3 and at most SP_MEDIAN_MAX_ROWS. */
size_t sp_median_odd(double width);

#endif /* SP_MEDIAN_H */
