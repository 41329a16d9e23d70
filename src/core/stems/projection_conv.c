/*
 * src/core/stems/projection_conv.c
 *	  Apply projection filters to the references, by overlap-save.
 *
 * Each input is transformed once a block, whatever the number of outputs; an
 * output costs one product an input and one inverse transform.  The spectra
 * of the filters are kept: (inputs * outputs) * 64 kB for 512 taps.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/projection_conv.h"

#include <fftw3.h>
#include <string.h>

#include "core/sp_simd.h"

/*
 * Sixteen times the taps: 6 % of a transform is overlap.  Measured as in
 * projection_corr.c: 4, 8, 16, 32, 64 times take 0.47, 0.47, 0.48, 0.59, 1.02 s.
 */
#define BLOCK_PER_TAP 16
#define MIN_BLOCK     256

typedef struct Output
{
	size_t first, count;
	double *filters; /* [count][bins] complex, scaled for the inverse transform */
	double *samples; /* [size] */
} Output;

struct SpFir
{
	const SpEnv *env;
	size_t inputs, outputs;
	size_t taps, pad, size, bins;
	double *block;   /* [inputs][size], the first pad of them from the block before */
	double *spectra; /* [inputs][bins] complex */
	double *sum;     /* [bins] complex */
	Output *output;
	fftw_plan forward, inverse;
};

SpStatus
sp_fir_new(const SpEnv *env, size_t inputs, size_t outputs, size_t taps, SpFir **out)
{
	SpFir *c = sp_calloc(env, 1, sizeof(*c));

	*out = NULL;
	if (c == NULL)
		return SP_ERR_NO_MEMORY;
	c->env = env;
	c->inputs = inputs;
	c->outputs = outputs;
	c->taps = taps;
	c->pad = taps - 1;
	for (c->size = MIN_BLOCK; c->size < BLOCK_PER_TAP * taps;)
		c->size *= 2;
	/* size/2 + 1 bins, rounded up so that each spectrum is 64-byte aligned. */
	c->bins = c->size / 2 + 4;
	c->block = sp_calloc(env, inputs * c->size, sizeof(double));
	c->spectra = sp_calloc(env, inputs * c->bins, 2 * sizeof(double));
	c->sum = sp_calloc(env, c->bins, 2 * sizeof(double));
	c->output = sp_calloc(env, outputs, sizeof(Output));
	if (!c->block || !c->spectra || !c->sum || !c->output)
		goto fail;
	c->forward = fftw_plan_dft_r2c_1d((int) c->size, c->block, (fftw_complex *) c->spectra,
	                                  FFTW_ESTIMATE | FFTW_PRESERVE_INPUT);
	c->inverse =
		fftw_plan_dft_c2r_1d((int) c->size, (fftw_complex *) c->sum, c->block, FFTW_ESTIMATE);
	if (c->forward == NULL || c->inverse == NULL)
		goto fail;
	*out = c;
	return SP_OK;

fail:
	sp_fir_free(c);
	return SP_ERR_NO_MEMORY;
}

SpStatus
sp_fir_set(SpFir *c, size_t o, size_t first, size_t count, const double *filters)
{
	Output *out = &c->output[o];
	double *padded = sp_calloc(c->env, c->size, sizeof(double));

	out->first = first;
	out->count = count;
	out->filters = sp_calloc(c->env, count * c->bins, 2 * sizeof(double));
	out->samples = sp_calloc(c->env, c->size, sizeof(double));
	if (!padded || !out->filters || !out->samples)
	{
		sp_free(c->env, padded);
		return SP_ERR_NO_MEMORY;
	}
	for (size_t i = 0; i < count; i++)
	{
		for (size_t t = 0; t < c->taps; t++)
			padded[t] = filters[i * c->taps + t] / (double) c->size;
		fftw_execute_dft_r2c(c->forward, padded, (fftw_complex *) (out->filters + 2 * i * c->bins));
	}
	sp_free(c->env, padded);
	return SP_OK;
}

size_t
sp_fir_block(const SpFir *c)
{
	return c->size - c->pad;
}

double *
sp_fir_input(SpFir *c, size_t input)
{
	return c->block + input * c->size + c->pad;
}

/* sum[k] += a[k] b[k] over n complex numbers. */
SP_CLONES static void
add_product(double *restrict sum, const double *restrict a, const double *restrict b, size_t n)
{
	for (size_t k = 0; k < n; k++)
	{
		double ar = a[2 * k], ai = a[2 * k + 1];
		double br = b[2 * k], bi = b[2 * k + 1];

		sum[2 * k] += ar * br - ai * bi;
		sum[2 * k + 1] += ar * bi + ai * br;
	}
}

void
sp_fir_run(SpFir *c)
{
	for (size_t i = 0; i < c->inputs; i++)
		fftw_execute_dft_r2c(c->forward, c->block + i * c->size,
		                     (fftw_complex *) (c->spectra + 2 * i * c->bins));
	for (size_t o = 0; o < c->outputs; o++)
	{
		const Output *out = &c->output[o];

		memset(c->sum, 0, c->bins * 2 * sizeof(double));
		for (size_t i = 0; i < out->count; i++)
			add_product(c->sum, c->spectra + 2 * (out->first + i) * c->bins,
			            out->filters + 2 * i * c->bins, c->bins);
		fftw_execute_dft_c2r(c->inverse, (fftw_complex *) c->sum, out->samples);
	}
}

const double *
sp_fir_output(const SpFir *c, size_t o)
{
	return c->output[o].samples + c->pad;
}

void
sp_fir_next(SpFir *c)
{
	for (size_t i = 0; i < c->inputs; i++)
		memmove(c->block + i * c->size, c->block + (i + 1) * c->size - c->pad,
		        c->pad * sizeof(double));
}

void
sp_fir_restart(SpFir *c)
{
	for (size_t i = 0; i < c->inputs; i++)
		memset(c->block + i * c->size, 0, c->pad * sizeof(double));
}

void
sp_fir_free(SpFir *c)
{
	if (c == NULL)
		return;
	if (c->forward)
		fftw_destroy_plan(c->forward);
	if (c->inverse)
		fftw_destroy_plan(c->inverse);
	for (size_t o = 0; c->output != NULL && o < c->outputs; o++)
	{
		sp_free(c->env, c->output[o].filters);
		sp_free(c->env, c->output[o].samples);
	}
	sp_free(c->env, c->block);
	sp_free(c->env, c->spectra);
	sp_free(c->env, c->sum);
	sp_free(c->env, c->output);
	sp_free(c->env, c);
}
