/*
 * tests/bench/neural_naive.h
 *	  The U-Net of one stem as it is written down, layer by layer: one
 *	  primitive of oneDNN for each convolution, transposed convolution,
 *	  normalisation, activation and concatenation, images in NHWC.
 *
 * What core/nn is compared with.  Exponential units, sigmoid mask, seeded weights of
 * golden_weights.h.  Only for oneDNN 2.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef NEURAL_NAIVE_H
#define NEURAL_NAIVE_H

#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/nn/nn.h"
#include "golden_weights.h"

#define NAIVE_AVAILABLE (DNNL_VERSION_MAJOR == 2)

#if NAIVE_AVAILABLE

#define NAIVE_DEPTH     6
#define NAIVE_STEPS     64
#define NAIVE_MEMORIES  256
#define NAIVE_FRAMES    512
#define NAIVE_BINS      1024
#define NAIVE_EPSILON   1e-3f
#define NAIVE_MAX_ROOM  ((size_t) 5 * 5 * 1024 * 512) /* numbers of the largest kernel and more */
#define NAIVE_CHECK(st) naive_check(st, __LINE__)

typedef struct NaiveImage
{
	dnnl_memory_t memory;
	dnnl_memory_desc_t desc;
	int channels, height, width;
} NaiveImage;

typedef struct NaiveStep
{
	dnnl_primitive_t primitive;
	int args;
	dnnl_exec_arg_t arg[8];
} NaiveStep;

typedef struct Naive
{
	dnnl_engine_t engine;
	dnnl_stream_t stream;
	dnnl_data_type_t type; /* of images and kernels */
	int stem;
	float *room; /* for weights on their way */
	int steps, memories;
	NaiveStep step[NAIVE_STEPS];
	dnnl_memory_t memory[NAIVE_MEMORIES];
	NaiveImage in, mask, out;
} Naive;

/* What one convolution is, either way. */
typedef struct NaiveConv
{
	const char *layer;
	int number; /* of the first stem's layer */
	bool transposed;
	int kernel, stride, dilation, before, after;
	int out_channels, out_height, out_width;
} NaiveConv;

static inline void
naive_check(dnnl_status_t st, int line)
{
	if (st != dnnl_success)
	{
		fprintf(stderr, "neural_naive.h:%d: oneDNN says %d\n", line, (int) st);
		exit(1);
	}
}

static inline dnnl_memory_t
naive_memory(Naive *n, const dnnl_memory_desc_t *desc)
{
	dnnl_memory_t *m = &n->memory[n->memories++];

	NAIVE_CHECK(dnnl_memory_create(m, desc, n->engine, DNNL_MEMORY_ALLOCATE));
	return *m;
}

static inline NaiveImage
naive_image(Naive *n, int channels, int height, int width)
{
	dnnl_dims_t dims = {1, channels, height, width};
	NaiveImage image = {.channels = channels, .height = height, .width = width};

	NAIVE_CHECK(dnnl_memory_desc_init_by_tag(&image.desc, 4, dims, n->type, dnnl_nhwc));
	image.memory = naive_memory(n, &image.desc);
	return image;
}

static inline void
naive_copy(Naive *n, dnnl_memory_t from, dnnl_memory_t to)
{
	dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
	dnnl_primitive_desc_t desc;
	dnnl_primitive_t primitive;
	const dnnl_memory_desc_t *a, *b;

	NAIVE_CHECK(dnnl_memory_get_memory_desc(from, &a));
	NAIVE_CHECK(dnnl_memory_get_memory_desc(to, &b));
	NAIVE_CHECK(dnnl_reorder_primitive_desc_create(&desc, a, n->engine, b, n->engine, NULL));
	NAIVE_CHECK(dnnl_primitive_create(&primitive, desc));
	NAIVE_CHECK(dnnl_primitive_execute(primitive, n->stream, 2, args));
	NAIVE_CHECK(dnnl_stream_wait(n->stream));
	NAIVE_CHECK(dnnl_primitive_destroy(primitive));
	NAIVE_CHECK(dnnl_primitive_desc_destroy(desc));
}

/* The tensor of this stem by the name that TensorFlow gives it, in n->room. */
static inline float *
naive_weights(Naive *n, const char *layer, int number, const char *part, int rank,
              const int64_t *shape)
{
	char name[64];

	if (number == 0)
		snprintf(name, sizeof(name), "%s/%s", layer, part);
	else
		snprintf(name, sizeof(name), "%s_%d/%s", layer, number, part);
	golden_weights(name, rank, shape, n->room);
	return n->room;
}

/* Numbers that lie as `tag` says into memory as `wanted` has it. */
static inline dnnl_memory_t
naive_constant(Naive *n, float *numbers, const dnnl_memory_desc_t *plain,
               const dnnl_memory_desc_t *wanted)
{
	dnnl_memory_t from, to = naive_memory(n, wanted);

	NAIVE_CHECK(dnnl_memory_create(&from, plain, n->engine, numbers));
	naive_copy(n, from, to);
	NAIVE_CHECK(dnnl_memory_destroy(from));
	return to;
}

static inline dnnl_memory_t
naive_vector(Naive *n, float *numbers, int64_t size)
{
	dnnl_dims_t dims = {size};
	dnnl_memory_desc_t desc;

	NAIVE_CHECK(dnnl_memory_desc_init_by_tag(&desc, 1, dims, dnnl_f32, dnnl_a));
	return naive_constant(n, numbers, &desc, &desc);
}

static inline void
naive_step(Naive *n, dnnl_primitive_desc_t desc, int args, const dnnl_exec_arg_t *arg)
{
	NaiveStep *step = &n->step[n->steps++];

	NAIVE_CHECK(dnnl_primitive_create(&step->primitive, desc));
	NAIVE_CHECK(dnnl_primitive_desc_destroy(desc));
	step->args = args;
	memcpy(step->arg, arg, (size_t) args * sizeof(*arg));
}

static inline void
naive_op(Naive *n, const_dnnl_op_desc_t op, int args, const dnnl_exec_arg_t *arg)
{
	dnnl_primitive_desc_t desc;

	NAIVE_CHECK(dnnl_primitive_desc_create(&desc, op, NULL, n->engine, NULL));
	naive_step(n, desc, args, arg);
}

/* The descriptor of a convolution of either kind, weights as the library likes them. */
static inline dnnl_primitive_desc_t
naive_conv_desc(Naive *n, const NaiveConv *c, const NaiveImage *in, const NaiveImage *out)
{
	dnnl_dims_t strides = {c->stride, c->stride}, dilates = {c->dilation - 1, c->dilation - 1};
	dnnl_dims_t before = {c->before, c->before}, after = {c->after, c->after};
	dnnl_dims_t dims = {out->channels, in->channels, c->kernel, c->kernel};
	dnnl_dims_t bias_dims = {out->channels};
	dnnl_memory_desc_t any, bias;
	dnnl_convolution_desc_t conv;
	dnnl_deconvolution_desc_t deconv;
	dnnl_primitive_desc_t desc;

	NAIVE_CHECK(dnnl_memory_desc_init_by_tag(&any, 4, dims, n->type, dnnl_format_tag_any));
	NAIVE_CHECK(dnnl_memory_desc_init_by_tag(&bias, 1, bias_dims, dnnl_f32, dnnl_a));
	if (c->transposed)
		NAIVE_CHECK(dnnl_dilated_deconvolution_forward_desc_init(
			&deconv, dnnl_forward_inference, dnnl_deconvolution_direct, &in->desc, &any, &bias,
			&out->desc, strides, dilates, before, after));
	else
		NAIVE_CHECK(dnnl_dilated_convolution_forward_desc_init(
			&conv, dnnl_forward_inference, dnnl_convolution_direct, &in->desc, &any, &bias,
			&out->desc, strides, dilates, before, after));
	NAIVE_CHECK(dnnl_primitive_desc_create(&desc, c->transposed ? (void *) &deconv : (void *) &conv,
	                                       NULL, n->engine, NULL));
	return desc;
}

/* The kernel [k][k][in][out], a transposed one's [k][k][out][in], packed for desc. */
static inline dnnl_memory_t
naive_kernel(Naive *n, const NaiveConv *c, int in, dnnl_primitive_desc_t desc, int number)
{
	int64_t o = c->out_channels, i = in, k = c->kernel;
	int64_t shape[4] = {k, k, c->transposed ? o : i, c->transposed ? i : o};
	dnnl_dims_t dims = {o, i, k, k};
	dnnl_dims_t strides = {c->transposed ? i : 1, c->transposed ? 1 : o, k * i * o, i * o};
	dnnl_memory_desc_t plain;

	NAIVE_CHECK(dnnl_memory_desc_init_by_strides(&plain, 4, dims, dnnl_f32, strides));
	return naive_constant(n, naive_weights(n, c->layer, number, "kernel", 4, shape), &plain,
	                      dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0));
}

static inline NaiveImage
naive_conv(Naive *n, const NaiveConv *c, const NaiveImage *in)
{
	NaiveImage out = naive_image(n, c->out_channels, c->out_height, c->out_width);
	dnnl_primitive_desc_t desc = naive_conv_desc(n, c, in, &out);
	int number = c->number + n->stem * (c->transposed ? NAIVE_DEPTH : NAIVE_DEPTH + 1);
	int64_t channels = c->out_channels;
	dnnl_memory_t kernel = naive_kernel(n, c, in->channels, desc, number);
	dnnl_memory_t bias =
		naive_vector(n, naive_weights(n, c->layer, number, "bias", 1, &channels), channels);

	naive_step(n, desc, 4,
	           (dnnl_exec_arg_t[]){{DNNL_ARG_SRC, in->memory},
	                               {DNNL_ARG_WEIGHTS, kernel},
	                               {DNNL_ARG_BIAS, bias},
	                               {DNNL_ARG_DST, out.memory}});
	return out;
}

static inline NaiveImage
naive_norm(Naive *n, int number, const NaiveImage *in)
{
	static const char *const parts[] = {"gamma", "beta", "moving_mean", "moving_variance"};
	NaiveImage out = naive_image(n, in->channels, in->height, in->width);
	int64_t size = in->channels;
	dnnl_dims_t dims = {2, size};
	float *affine = malloc(2 * (size_t) size * sizeof(float));
	dnnl_memory_desc_t desc;
	dnnl_memory_t vector[4] = {0}, scale_shift;
	dnnl_batch_normalization_desc_t norm;

	for (int i = 0; i < 4; i++)
	{
		float *numbers = naive_weights(n, "batch_normalization", number + 2 * NAIVE_DEPTH * n->stem,
		                               parts[i], 1, &size);

		if (i < 2)
			memcpy(affine + i * size, numbers, (size_t) size * sizeof(float));
		else
			vector[i] = naive_vector(n, numbers, size);
	}
	NAIVE_CHECK(dnnl_memory_desc_init_by_tag(&desc, 2, dims, dnnl_f32, dnnl_ab));
	scale_shift = naive_constant(n, affine, &desc, &desc);
	free(affine);
	NAIVE_CHECK(dnnl_batch_normalization_forward_desc_init(
		&norm, dnnl_forward_inference, &in->desc, NAIVE_EPSILON,
		dnnl_use_global_stats | dnnl_use_scaleshift));
	naive_op(n, &norm, 5,
	         (dnnl_exec_arg_t[]){{DNNL_ARG_SRC, in->memory},
	                             {DNNL_ARG_MEAN, vector[2]},
	                             {DNNL_ARG_VARIANCE, vector[3]},
	                             {DNNL_ARG_SCALE_SHIFT, scale_shift},
	                             {DNNL_ARG_DST, out.memory}});
	return out;
}

static inline NaiveImage
naive_activate(Naive *n, dnnl_alg_kind_t kind, const NaiveImage *in)
{
	NaiveImage out = naive_image(n, in->channels, in->height, in->width);
	dnnl_eltwise_desc_t op;

	NAIVE_CHECK(
		dnnl_eltwise_forward_desc_init(&op, dnnl_forward_inference, kind, &in->desc, 1.0f, 0.0f));
	naive_op(n, &op, 2,
	         (dnnl_exec_arg_t[]){{DNNL_ARG_SRC, in->memory}, {DNNL_ARG_DST, out.memory}});
	return out;
}

static inline NaiveImage
naive_concat(Naive *n, const NaiveImage *a, const NaiveImage *b)
{
	NaiveImage out = naive_image(n, a->channels + b->channels, a->height, a->width);
	dnnl_memory_desc_t descs[2] = {a->desc, b->desc};
	dnnl_primitive_desc_t desc;

	NAIVE_CHECK(dnnl_concat_primitive_desc_create(&desc, &out.desc, 2, 1, descs, NULL, n->engine));
	naive_step(n, desc, 3,
	           (dnnl_exec_arg_t[]){{DNNL_ARG_MULTIPLE_SRC, a->memory},
	                               {DNNL_ARG_MULTIPLE_SRC + 1, b->memory},
	                               {DNNL_ARG_DST, out.memory}});
	return out;
}

static inline void
naive_multiply(Naive *n)
{
	dnnl_binary_desc_t op;

	n->out = naive_image(n, 2, NAIVE_FRAMES, NAIVE_BINS);
	NAIVE_CHECK(
		dnnl_binary_desc_init(&op, dnnl_binary_mul, &n->mask.desc, &n->in.desc, &n->out.desc));
	naive_op(n, &op, 3,
	         (dnnl_exec_arg_t[]){{DNNL_ARG_SRC_0, n->mask.memory},
	                             {DNNL_ARG_SRC_1, n->in.memory},
	                             {DNNL_ARG_DST, n->out.memory}});
}

/* Six convolutions down; skips are their raw outputs. */
static inline void
naive_down(Naive *n, NaiveImage skips[NAIVE_DEPTH])
{
	NaiveImage x = n->in;

	for (int i = 0; i < NAIVE_DEPTH; i++)
	{
		NaiveConv conv = {"conv2d", i, false, 5, 2, 1, 1, 2, 16 << i, x.height / 2, x.width / 2};

		skips[i] = naive_conv(n, &conv, &x);
		if (i == NAIVE_DEPTH - 1)
			break;
		x = naive_norm(n, i, &skips[i]);
		x = naive_activate(n, dnnl_eltwise_elu, &x);
	}
}

/* The network of this stem; precision bf16 has images and kernels in bf16. */
static inline Naive *
naive_new(int stem, SpPrecision precision)
{
	Naive *n = calloc(1, sizeof(*n));
	NaiveImage skips[NAIVE_DEPTH], x;
	NaiveConv last = {"conv2d", NAIVE_DEPTH, false, 4, 1, 2, 3, 3, 2, NAIVE_FRAMES, NAIVE_BINS};

	n->stem = stem;
	n->type = precision == SP_PRECISION_BF16 ? dnnl_bf16 : dnnl_f32;
	n->room = malloc(NAIVE_MAX_ROOM * sizeof(float));
	NAIVE_CHECK(dnnl_engine_create(&n->engine, dnnl_cpu, 0));
	NAIVE_CHECK(dnnl_stream_create(&n->stream, n->engine, dnnl_stream_default_flags));
	n->in = naive_image(n, 2, NAIVE_FRAMES, NAIVE_BINS);
	naive_down(n, skips);
	x = skips[NAIVE_DEPTH - 1];
	for (int i = 0; i < NAIVE_DEPTH; i++)
	{
		NaiveConv up = {"conv2d_transpose", i,          true, 5, 2, 1, 1, 2, i == 5 ? 1 : 256 >> i,
		                2 * x.height,       2 * x.width};

		if (i > 0)
			x = naive_concat(n, &skips[NAIVE_DEPTH - 1 - i], &x);
		x = naive_conv(n, &up, &x);
		x = naive_activate(n, dnnl_eltwise_elu, &x);
		x = naive_norm(n, NAIVE_DEPTH + i, &x);
	}
	x = naive_conv(n, &last, &x);
	n->mask = naive_activate(n, dnnl_eltwise_logistic, &x);
	naive_multiply(n);
	return n;
}

static inline void
naive_free(Naive *n)
{
	for (int i = 0; i < n->steps; i++)
		dnnl_primitive_destroy(n->step[i].primitive);
	for (int i = 0; i < n->memories; i++)
		dnnl_memory_destroy(n->memory[i]);
	dnnl_stream_destroy(n->stream);
	dnnl_engine_destroy(n->engine);
	free(n->room);
	free(n);
}

/* mix and out are planar [2][frames][bins] of floats, as SpArchitecture's estimate has them. */
static inline void
naive_planar(Naive *n, float *planes, dnnl_memory_t *out)
{
	dnnl_dims_t dims = {1, 2, NAIVE_FRAMES, NAIVE_BINS};
	dnnl_memory_desc_t desc;

	NAIVE_CHECK(dnnl_memory_desc_init_by_tag(&desc, 4, dims, dnnl_f32, dnnl_nchw));
	NAIVE_CHECK(dnnl_memory_create(out, &desc, n->engine, planes));
}

static inline void
naive_run(Naive *n, const float *mix, float *out)
{
	dnnl_memory_t from, to;

	naive_planar(n, (float *) mix, &from);
	naive_planar(n, out, &to);
	naive_copy(n, from, n->in.memory);
	for (int i = 0; i < n->steps; i++)
		NAIVE_CHECK(dnnl_primitive_execute(n->step[i].primitive, n->stream, n->step[i].args,
		                                   n->step[i].arg));
	NAIVE_CHECK(dnnl_stream_wait(n->stream));
	naive_copy(n, n->out.memory, to);
	NAIVE_CHECK(dnnl_memory_destroy(from));
	NAIVE_CHECK(dnnl_memory_destroy(to));
}

#endif

#endif /* NEURAL_NAIVE_H */
