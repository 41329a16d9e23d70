/*
 * src/core/stems/bands.c
 *	  Means over bands, and linear interpolation between their middles.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/bands.h"

#include "core/sp_simd.h"

struct SpBands
{
	const SpEnv *env;
	SpBandTable table;
	size_t bands, bins;
	int32_t *first;  /* [bands + 1] bin of each band, and where the last ends */
	float *share;    /* [bands] one over its bins */
	int32_t *start;  /* [bands] first bin of each stretch, from one band's middle to the next's */
	float *fraction; /* [bins] of the way to the next band's middle; 0 to 1 */
};

size_t
sp_band_table_bands(const SpBandTable *table)
{
	size_t bands = 0;

	for (int i = 0; i < table->regions; i++)
		bands += (size_t) table->count[i];
	return bands;
}

size_t
sp_band_table_bins(const SpBandTable *table)
{
	size_t bins = 1;

	for (int i = 0; i < table->regions; i++)
		bins += (size_t) table->count[i] * (size_t) table->width[i];
	return bins;
}

/* Twice the middle of a band, which is a whole number. */
static int32_t
middle(const SpBands *b, size_t band)
{
	return b->first[band] + b->first[band + 1] - 1;
}

static void
place_bands(SpBands *b, const SpBandTable *table)
{
	size_t band = 0;
	int32_t bin = 0;

	for (int i = 0; i < table->regions; i++)
		for (int k = 0; k < table->count[i]; k++, bin += table->width[i])
			b->first[band++] = bin;
	b->first[band] = (int32_t) b->bins;
	for (size_t i = 0; i < b->bands; i++)
		b->share[i] = 1.0f / (float) (b->first[i + 1] - b->first[i]);
}

static void
place_bins(SpBands *b)
{
	size_t below = 0;

	b->start[0] = 0;
	for (size_t bin = 0; bin < b->bins; bin++)
	{
		float way;

		while (below + 2 < b->bands && middle(b, below + 1) <= 2 * (int32_t) bin)
			b->start[++below] = (int32_t) bin;
		way = (float) (2 * (int32_t) bin - middle(b, below)) /
		      (float) (middle(b, below + 1) - middle(b, below));
		b->fraction[bin] = way < 0.0f ? 0.0f : way > 1.0f ? 1.0f : way;
	}
	b->start[b->bands - 1] = (int32_t) b->bins;
}

SpStatus
sp_bands_new(const SpEnv *env, const SpBandTable *table, SpBands **out)
{
	SpBands *b;

	*out = NULL;
	if (sp_band_table_bands(table) < 2)
		return SP_ERR_BAD_ARG;
	b = sp_calloc(env, 1, sizeof(*b));
	if (b == NULL)
		return SP_ERR_NO_MEMORY;
	b->env = env;
	b->table = *table;
	b->bands = sp_band_table_bands(table);
	b->bins = sp_band_table_bins(table);
	b->first = sp_alloc(env, b->bands + 1, sizeof(int32_t));
	b->share = sp_alloc(env, b->bands, sizeof(float));
	b->start = sp_alloc(env, b->bands, sizeof(int32_t));
	b->fraction = sp_alloc(env, b->bins, sizeof(float));
	if (b->first == NULL || b->share == NULL || b->start == NULL || b->fraction == NULL)
	{
		sp_bands_free(b);
		return SP_ERR_NO_MEMORY;
	}
	place_bands(b, table);
	place_bins(b);
	*out = b;
	return SP_OK;
}

void
sp_bands_free(SpBands *b)
{
	if (b == NULL)
		return;
	sp_free(b->env, b->first);
	sp_free(b->env, b->share);
	sp_free(b->env, b->start);
	sp_free(b->env, b->fraction);
	sp_free(b->env, b);
}

/* A width that the compiler knows makes vectors of bands. */
static inline __attribute__((always_inline)) void
add_up_bins(const float *restrict x, float *restrict out, size_t count, size_t width)
{
	for (size_t i = 0; i < count; i++)
	{
		float sum = x[i * width];

		for (size_t k = 1; k < width; k++)
			sum += x[i * width + k];
		out[i] = sum;
	}
}

SP_CLONES static void
sum_region(const float *restrict x, float *restrict out, size_t count, size_t width)
{
	switch (width)
	{
		case 1:
			add_up_bins(x, out, count, 1);
			break;
		case 2:
			add_up_bins(x, out, count, 2);
			break;
		case 4:
			add_up_bins(x, out, count, 4);
			break;
		default:
			add_up_bins(x, out, count, width);
	}
}

SP_CLONES static void
scale_by(float *restrict out, const float *restrict share, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] *= share[i];
}

void
sp_bands_mean(const SpBands *b, const float *x, float *out)
{
	size_t band = 0;

	for (int i = 0; i < b->table.regions; i++)
	{
		size_t count = (size_t) b->table.count[i];

		sum_region(x + b->first[band], out + band, count, (size_t) b->table.width[i]);
		band += count;
	}
	/* one more than its width */
	out[band - 1] += x[b->bins - 1];
	scale_by(out, b->share, b->bands);
}

/* `count` stretches of the same width: as above. */
static inline __attribute__((always_inline)) void
fill_stretches(const float *restrict fraction, const float *restrict x, float *restrict out,
               size_t count, size_t width)
{
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < width; k++)
			out[i * width + k] = x[i] + fraction[i * width + k] * (x[i + 1] - x[i]);
}

/*
 * Between middles that are equally far apart no index is looked up for a bin,
 * which took three times as long.
 */
SP_CLONES static void
interpolate(const float *restrict fraction, const float *restrict x, float *restrict out,
            size_t count, size_t width)
{
	switch (width)
	{
		case 1:
			fill_stretches(fraction, x, out, count, 1);
			break;
		case 2:
			fill_stretches(fraction, x, out, count, 2);
			break;
		case 4:
			fill_stretches(fraction, x, out, count, 4);
			break;
		default:
			fill_stretches(fraction, x, out, count, width);
	}
}

void
sp_bands_spread(const SpBands *b, const float *x, float *out)
{
	size_t band = 0;

	while (band + 1 < b->bands)
	{
		size_t first = (size_t) b->start[band], width = (size_t) b->start[band + 1] - first;
		size_t count = 1;

		while (band + count + 1 < b->bands &&
		       (size_t) (b->start[band + count + 1] - b->start[band + count]) == width)
			count++;
		interpolate(b->fraction + first, x + band, out + first, count, width);
		band += count;
	}
}
