/*
 * src/core/audio/measure.h
 *	  Peak, energy, clipped and impossible samples of a stream, in one pass.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_AUDIO_MEASURE_H
#define SP_AUDIO_MEASURE_H

#include "core/sp_base.h"

/*
 * |x| from here on counts as clipped: the largest positive 16-bit value, the
 * level at which converters stop.
 */
#define SP_MEASURE_CLIP (32767.0f / 32768.0f)

/* A plain value: initialise, push blocks, read the fields at any time. */
typedef struct SpMeasure
{
	int channels;
	int64_t frames;
	float peak;      /* largest |sample| */
	double energy;   /* sum of squares over all samples of all channels */
	int64_t clipped; /* samples with |x| >= SP_MEASURE_CLIP */
	int64_t bad;     /* index of the first frame with a NaN or infinity; -1: none */
} SpMeasure;

void sp_measure_init(SpMeasure *m, int channels);

/*
 * Add frames frames of interleaved samples x[frames * channels].  A block with
 * a NaN or an infinity sets bad, and leaves peak, energy and clipped
 * meaningless from then on.
 */
void sp_measure_push(SpMeasure *m, const float *x, size_t frames);

/* dB relative to full scale; -INFINITY for silence or nothing. */
double sp_measure_peak_db(const SpMeasure *m);
/* Mean over all samples of all channels; a full-scale sine is -3.01 dB. */
double sp_measure_rms_db(const SpMeasure *m);

/* Index of the first x[i] with !(|x[i]| <= limit), NaN included; n if there is none. */
size_t sp_measure_first_beyond(const float *x, size_t n, float limit);

#endif /* SP_AUDIO_MEASURE_H */
