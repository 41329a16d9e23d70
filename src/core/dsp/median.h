/*
 * src/core/dsp/median.h
 *	  The median of k rows, element by element.
 *
 * One kernel serves every median filter: along time the rows are frames,
 * along frequency they are one padded frame seen at k successive offsets,
 * among similar frames they are those frames.  Elements are packed
 * magnitudes (packed.h), or any other unsigned integers.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_MEDIAN_H
#define SP_MEDIAN_H

#include "core/sp_base.h"

#define SP_MEDIAN_MAX_ROWS 63

/*
 * out[i] = median of rows[0..k-1][i] for i < n, the lower one for an even k;
 * k in 1..SP_MEDIAN_MAX_ROWS.  out may not overlap any row.
 */
void sp_median_run(uint16_t *out, const uint16_t *const *rows, size_t k, size_t n);

/*
 * out[i] = median of in[i - k/2 .. i + k/2] for i < n, the ends repeated; k
 * odd.  scratch[n + k - 1].
 */
void sp_median_slide(uint16_t *out, const uint16_t *in, size_t k, size_t n, uint16_t *scratch);

/* The odd number nearest to width, at least 3 and at most SP_MEDIAN_MAX_ROWS. */
size_t sp_median_odd(double width);

#endif /* SP_MEDIAN_H */
