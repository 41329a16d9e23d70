/*
 * src/core/nn/pointwise.c
 *	  Activation, folded normalisation, rounding and scatter in one pass.
 *
 * These passes are bound by memory, so each value is read once and written
 * once.  The compiler makes one loop for each activation and element type.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/nn/pointwise.h"

#include <math.h>

#include "core/nn/vmath.h"
#include "core/sp_simd.h"

/*
 * A run of channels.  With dense pixels of few channels, the affine is
 * repeated up to this many values, and a run then covers several pixels: a loop
 * over 16 values is mostly its own beginning and end.
 */
#define RUN 512

/* What the loops read: the operation with its affine repeated. */
typedef struct Pass
{
	const float *scale;
	const float *shift;
	size_t run; /* values of one run */
	SpPrecision from, to;
} Pass;

static size_t
size_of(SpPrecision precision)
{
	return precision == SP_PRECISION_BF16 ? sizeof(uint16_t) : sizeof(float);
}

SP_INLINE float
load(SpPrecision from, const void *in, size_t i)
{
	return from == SP_PRECISION_BF16 ? sp_of_bf16(((const uint16_t *) in)[i])
	                                 : ((const float *) in)[i];
}

/* One run.  All but the pointers, the pass and n are constants where this is inlined. */
SP_INLINE void
run_values(SpActivation act, bool act_first, SpPrecision from, SpPrecision to, const Pass *pass,
           const void *restrict in, size_t n, void *restrict out)
{
	const float *restrict scale = pass->scale;
	const float *restrict shift = pass->shift;

	for (size_t c = 0; c < n; c++)
	{
		float y = sp_point(act, act_first, load(from, in, c), scale[c], shift[c]);

		if (to == SP_PRECISION_BF16)
			((uint16_t *) out)[c] = sp_bf16_of(y);
		else
			((float *) out)[c] = y;
	}
}

/* Runs of pass->run values, `step` elements apart in out; the last may be shorter. */
SP_INLINE void
pass_over(SpActivation act, bool act_first, SpPrecision from, SpPrecision to, const Pass *pass,
          const char *in, size_t values, char *out, size_t step)
{
	size_t of_in = from == SP_PRECISION_BF16 ? sizeof(uint16_t) : sizeof(float);
	size_t of_out = to == SP_PRECISION_BF16 ? sizeof(uint16_t) : sizeof(float);

	for (size_t done = 0; done < values; done += pass->run, out += step * of_out)
		run_values(act, act_first, from, to, pass, in + done * of_in,
		           values - done < pass->run ? values - done : pass->run, out);
}

SP_CLONES static void
pass_floats(SpActivation act, bool act_first, const Pass *pass, const void *in, size_t values,
            void *out, size_t step)
{
	SP_POINT_SWITCH(act, act_first, pass_over, SP_PRECISION_F32, SP_PRECISION_F32, pass, in, values,
	                out, step);
}

SP_CLONES static void
pass_rounding(SpActivation act, bool act_first, const Pass *pass, const void *in, size_t values,
              void *out, size_t step)
{
	SP_POINT_SWITCH(act, act_first, pass_over, SP_PRECISION_F32, SP_PRECISION_BF16, pass, in,
	                values, out, step);
}

SP_CLONES static void
pass_rounded(SpActivation act, bool act_first, const Pass *pass, const void *in, size_t values,
             void *out, size_t step)
{
	SP_POINT_SWITCH(act, act_first, pass_over, SP_PRECISION_BF16, SP_PRECISION_BF16, pass, in,
	                values, out, step);
}

SP_CLONES static void
pass_widening(SpActivation act, bool act_first, const Pass *pass, const void *in, size_t values,
              void *out, size_t step)
{
	SP_POINT_SWITCH(act, act_first, pass_over, SP_PRECISION_BF16, SP_PRECISION_F32, pass, in,
	                values, out, step);
}

static void
run_pass(const SpPointwise *op, const Pass *pass, const void *in, size_t values, void *out,
         size_t step)
{
	bool rounded = pass->from == SP_PRECISION_BF16;

	if (pass->to == SP_PRECISION_BF16)
		(rounded ? pass_rounded : pass_rounding)(op->act, op->act_first, pass, in, values, out,
		                                         step);
	else
		(rounded ? pass_widening : pass_floats)(op->act, op->act_first, pass, in, values, out,
		                                        step);
}

/* The affine for runs of whole pixels, of at most RUN channels; repeated[2 * RUN] is room for it. */
static Pass
prepare(const SpPointwise *op, size_t channels, bool dense, SpPrecision to, float *repeated)
{
	size_t pixels = dense && channels < RUN ? RUN / channels : 1;

	for (size_t i = 0; i < pixels * channels; i++)
	{
		repeated[i] = op->scale != NULL ? op->scale[i % channels] : 1.0f;
		repeated[RUN + i] = op->scale != NULL ? op->shift[i % channels] : 0.0f;
	}
	return (Pass){repeated, repeated + RUN, pixels * channels, op->from, to};
}

static void *
place(const SpPixels *out, size_t pixel)
{
	return (char *) out->data + (pixel * out->stride + out->offset) * size_of(out->precision);
}

/* More channels than a run holds: in pieces. */
static void
run_wide(const SpPointwise *op, const char *in, size_t pixels, size_t channels, const SpPixels *out)
{
	for (size_t i = 0; i < pixels; i++)
		for (size_t from = 0; from < channels; from += RUN)
		{
			size_t n = channels - from < RUN ? channels - from : RUN;
			SpPointwise part = *op;
			SpPixels to = {out->precision, place(out, i), n, from};

			if (op->scale != NULL)
			{
				part.scale += from;
				part.shift += from;
			}
			sp_pointwise_run(&part, in + (i * channels + from) * size_of(op->from), 1, n, &to);
		}
}

void
sp_pointwise_run(const SpPointwise *op, const void *in, size_t pixels, size_t channels,
                 const SpPixels *out)
{
	float repeated[2 * RUN];
	Pass pass;

	if (channels > RUN)
	{
		run_wide(op, in, pixels, channels, out);
		return;
	}
	pass = prepare(op, channels, out->stride == channels, out->precision, repeated);
	run_pass(op, &pass, in, pixels * channels, place(out, 0), pass.run / channels * out->stride);
}

void
sp_pointwise_join(const SpPointwise *op, const void *planes, size_t height, size_t width,
                  size_t channels, const SpPixels *out)
{
	float repeated[2 * RUN];
	Pass pass;

	if (channels <= RUN)
		pass = prepare(op, channels, false, out->precision, repeated);
	for (size_t y = 0; y < 2 * height; y++)
		for (size_t odd = 0; odd < 2; odd++)
		{
			size_t row = ((y % 2) * 2 + odd) * height + y / 2;
			const char *in = (const char *) planes + row * width * channels * size_of(op->from);
			SpPixels to = *out;

			to.data = place(out, 2 * width * y + odd);
			to.stride = 2 * out->stride;
			to.offset = 0;
			if (channels <= RUN)
				run_pass(op, &pass, in, width * channels, to.data, to.stride);
			else
				run_wide(op, in, width, channels, &to);
		}
}

void
sp_fold_norm(float *scale, float *shift, const float *gamma, const float *beta, const float *mean,
             const float *variance, float epsilon, size_t channels)
{
	for (size_t c = 0; c < channels; c++)
	{
		double factor = (gamma != NULL ? gamma[c] : 1.0) / sqrt((double) variance[c] + epsilon);

		scale[c] = (float) factor;
		shift[c] = (float) (beta[c] - mean[c] * factor);
	}
}

SP_INLINE void
activate(SpActivation act, bool ignored, float *restrict x, size_t n)
{
	(void) ignored;
	for (size_t i = 0; i < n; i++)
		x[i] = sp_activate(act, x[i]);
}

SP_CLONES void
sp_activate_all(SpActivation act, float *restrict x, size_t n)
{
	SP_POINT_SWITCH(act, false, activate, x, n);
}

SP_CLONES void
sp_softmax(float *const *stems, size_t count, size_t n)
{
	/* blocks that stay in the first cache while all stems pass over them */
	float top[RUN], sum[RUN];

	for (size_t from = 0; from < n; from += RUN)
	{
		size_t m = n - from < RUN ? n - from : RUN;

		memcpy(top, stems[0] + from, m * sizeof(float));
		memset(sum, 0, sizeof(sum));
		for (size_t s = 1; s < count; s++)
		{
			const float *restrict x = stems[s] + from;

			for (size_t i = 0; i < m; i++)
				top[i] = x[i] > top[i] ? x[i] : top[i];
		}
		for (size_t s = 0; s < count; s++)
		{
			float *restrict x = stems[s] + from;

			for (size_t i = 0; i < m; i++)
			{
				x[i] = sp_exp(x[i] - top[i]);
				sum[i] += x[i];
			}
		}
		for (size_t i = 0; i < m; i++)
			sum[i] = 1.0f / sum[i];
		for (size_t s = 0; s < count; s++)
		{
			float *restrict x = stems[s] + from;

			for (size_t i = 0; i < m; i++)
				x[i] *= sum[i];
		}
	}
}
