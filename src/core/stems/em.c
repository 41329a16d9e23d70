/*
 * src/core/stems/em.c
 *	  Spatial covariances of stems, and the filter that they make.
 *
 * All loops run along bins.  A Hermitian 2x2 matrix is four rows: both
 * diagonal entries, and the real and imaginary part of the upper right one.
 *
 * Covariances are computed in double: a sound that is the same in both channels
 * has a matrix of rank 1, which only the regularisation of 3e-4 makes invertible,
 * and next to a power of 100 a float loses that.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/em.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/sp_simd.h"

struct SpEm
{
	const SpEnv *env;
	size_t stems;
	size_t bins;
	size_t stride;
	float scale;
	double *space; /* [stems][4][stride] covariances */
	double *power; /* [stems][stride] sum of powers */
};

SpStatus
sp_em_new(const SpEnv *env, size_t stems, size_t bins, size_t stride, SpEm **out)
{
	SpEm *em = sp_calloc(env, 1, sizeof(*em));

	*out = NULL;
	if (em == NULL)
		return SP_ERR_NO_MEMORY;
	em->env = env;
	em->stems = stems;
	em->bins = bins;
	em->stride = stride;
	em->space = sp_calloc(env, stems * 4 * stride, sizeof(double));
	em->power = sp_calloc(env, stems * stride, sizeof(double));
	if (em->space == NULL || em->power == NULL)
	{
		sp_em_free(em);
		return SP_ERR_NO_MEMORY;
	}
	*out = em;
	return SP_OK;
}

void
sp_em_free(SpEm *em)
{
	if (em == NULL)
		return;
	sp_free(em->env, em->space);
	sp_free(em->env, em->power);
	sp_free(em->env, em);
}

void
sp_em_begin(SpEm *em, float scale)
{
	em->scale = scale;
	memset(em->space, 0, em->stems * 4 * em->stride * sizeof(double));
	memset(em->power, 0, em->stems * em->stride * sizeof(double));
}

/* Adds the outer product of the masked spectra of one stem, and its power. */
SP_CLONES static void
observe(double *restrict space, double *restrict power, const float *restrict left,
        const float *restrict right, const float *restrict m0, const float *restrict m1,
        float scale, size_t bins, size_t stride)
{
	for (size_t i = 0; i < bins; i++)
	{
		float a = scale * m0[i], b = scale * m1[i];
		double lr = a * left[i], li = a * left[stride + i];
		double rr = b * right[i], ri = b * right[stride + i];
		double ll = lr * lr + li * li, rrr = rr * rr + ri * ri;

		space[i] += ll;
		space[stride + i] += rrr;
		space[2 * stride + i] += lr * rr + li * ri;
		space[3 * stride + i] += li * rr - lr * ri;
		power[i] += 0.5 * (ll + rrr);
	}
}

void
sp_em_observe(SpEm *em, const float *const spectra[2], const float *const (*masks)[2])
{
	for (size_t s = 0; s < em->stems; s++)
		observe(em->space + s * 4 * em->stride, em->power + s * em->stride, spectra[0], spectra[1],
		        masks[s][0], masks[s][1], em->scale, em->bins, em->stride);
}

void
sp_em_end(SpEm *em)
{
	for (size_t s = 0; s < em->stems; s++)
		for (size_t k = 0; k < 4; k++)
			for (size_t i = 0; i < em->bins; i++)
				em->space[(s * 4 + k) * em->stride + i] /=
					FLT_EPSILON + em->power[s * em->stride + i];
}

/* power[bins] of a stem in this frame: the mean over both channels. */
SP_CLONES static void
power_of(double *restrict power, const float *restrict left, const float *restrict right,
         const float *restrict m0, const float *restrict m1, float scale, size_t bins,
         size_t stride)
{
	for (size_t i = 0; i < bins; i++)
	{
		float a = scale * m0[i], b = scale * m1[i];
		double lr = a * left[i], li = a * left[stride + i];
		double rr = b * right[i], ri = b * right[stride + i];

		power[i] = 0.5 * (lr * lr + li * li + rr * rr + ri * ri);
	}
}

/* total[4][stride] += power * space */
SP_CLONES static void
add_model(double *restrict total, const double *restrict space, const double *restrict power,
          size_t bins, size_t stride)
{
	for (size_t k = 0; k < 4; k++)
		for (size_t i = 0; i < bins; i++)
			total[k * stride + i] += power[i] * space[k * stride + i];
}

/* out = power * space * inverse(total) * x, complex 2x2 by 2. */
SP_CLONES static void
filter(const double *restrict space, const double *restrict power, const double *restrict total,
       const float *restrict left, const float *restrict right, float *restrict out_left,
       float *restrict out_right, size_t bins, size_t stride)
{
	for (size_t i = 0; i < bins; i++)
	{
		double a = total[i], d = total[stride + i];
		double br = total[2 * stride + i], bi = total[3 * stride + i];
		double gain = power[i] / (a * d - (br * br + bi * bi));
		double lr = left[i], li = left[stride + i];
		double rr = right[i], ri = right[stride + i];
		/* the adjugate of the total, times x */
		double yr = gain * (d * lr - (br * rr - bi * ri));
		double yi = gain * (d * li - (br * ri + bi * rr));
		double zr = gain * (a * rr - (br * lr + bi * li));
		double zi = gain * (a * ri - (br * li - bi * lr));
		double sa = space[i], sd = space[stride + i];
		double sr = space[2 * stride + i], si = space[3 * stride + i];

		out_left[i] = (float) (sa * yr + (sr * zr - si * zi));
		out_left[stride + i] = (float) (sa * yi + (sr * zi + si * zr));
		out_right[i] = (float) (sd * zr + (sr * yr + si * yi));
		out_right[stride + i] = (float) (sd * zi + (sr * yi - si * yr));
	}
}

void
sp_em_filter(const SpEm *em, size_t index, const float *const spectra[2],
             const float *const (*masks)[2], double *work, float *const out[2])
{
	size_t bins = em->bins, stride = em->stride;
	double *total = work, *power = work + 4 * stride, *own = work + 5 * stride;

	memset(total, 0, 4 * stride * sizeof(double));
	/* norbert's regularisation: the root of epsilon on the diagonal */
	for (size_t i = 0; i < 2 * stride; i++)
		total[i] = sqrt(FLT_EPSILON);
	for (size_t s = 0; s < em->stems; s++)
	{
		double *p = s == index ? own : power;

		power_of(p, spectra[0], spectra[1], masks[s][0], masks[s][1], em->scale, bins, stride);
		add_model(total, em->space + s * 4 * stride, p, bins, stride);
	}
	filter(em->space + index * 4 * stride, own, total, spectra[0], spectra[1], out[0], out[1], bins,
	       stride);
	for (size_t c = 0; c < 2; c++)
	{
		memset(out[c] + bins, 0, (stride - bins) * sizeof(float));
		memset(out[c] + stride + bins, 0, (stride - bins) * sizeof(float));
	}
}
