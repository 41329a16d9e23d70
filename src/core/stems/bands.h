/*
 * src/core/stems/bands.h
 *	  Bins of a transform pooled into bands that are wider higher up, and back.
 *
 * Bands stand side by side from bin 0 on; the last one also has the last bin, at
 * half the sampling rate, which makes the number of bins odd.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_BANDS_H
#define SP_BANDS_H

#include "core/sp_base.h"

#define SP_BAND_REGIONS 8

/* count[i] bands of width[i] bins, for each region in turn. */
typedef struct SpBandTable
{
	int regions; /* 0: none */
	int count[SP_BAND_REGIONS];
	int width[SP_BAND_REGIONS];
} SpBandTable;

/* All of them; bins that they hold, with the last one. */
size_t sp_band_table_bands(const SpBandTable *table);
size_t sp_band_table_bins(const SpBandTable *table);

typedef struct SpBands SpBands;

/* table is copied.  SP_ERR_BAD_ARG when it has less than two bands, SP_ERR_NO_MEMORY. */
SpStatus sp_bands_new(const SpEnv *env, const SpBandTable *table, SpBands **out);
void sp_bands_free(SpBands *b);

/* out[bands]: the mean of x[bins] over the bins of each. */
void sp_bands_mean(const SpBands *b, const float *x, float *out);

/*
 * out[bins] of x[bands], which is the value at the middle of each band: linear
 * between, constant beyond the first and the last.
 */
void sp_bands_spread(const SpBands *b, const float *x, float *out);

#endif /* SP_BANDS_H */
