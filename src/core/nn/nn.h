/*
 * src/core/nn/nn.h
 *	  Layers of neural networks for inference, over oneDNN.
 *
 * Words: a *layer* has its weights and knows its shapes; a *worker* is one of
 * the threads that may run layers at the same time; an *element* is an
 * activation between layers, float or bf16 by the precision, while sums and
 * everything that a layer gives are float.  Images are NHWC with N = 1, so
 * [height][width][channels]; bf16 is carried as uint16_t.
 *
 * Everything is allocated when layers are made.  Running one allocates
 * nothing, calls nothing of the environment, and may happen on several workers
 * at once.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_NN_H
#define SP_NN_H

#include "core/sp_base.h"

/* In what numbers a network computes. */
typedef enum SpPrecision
{
	SP_PRECISION_F32 = 1,
	SP_PRECISION_BF16 = 2 /* weights and activations bf16, sums f32 */
} SpPrecision;

typedef enum SpActivation
{
	SP_ACT_NONE = 0,
	SP_ACT_RELU,
	SP_ACT_LEAKY_RELU, /* slope 0.2, as TensorFlow's default */
	SP_ACT_ELU,
	SP_ACT_SIGMOID,
	SP_ACT_TANH
} SpActivation;

/* The CPU's engine, the cache of primitives by shape, the workers' scratch memory. */
typedef struct SpNn SpNn;

#define SP_NN_MAX_WORKERS 64

/*
 * For 1 .. SP_NN_MAX_WORKERS workers.  env must outlive it, and it its
 * layers.  SP_ERR_UNSUPPORTED for bf16 on a CPU that cannot run it.  Not
 * from two threads at once.
 */
SpStatus sp_nn_new(const SpEnv *env, SpPrecision precision, int workers, SpNn **out);
void sp_nn_free(SpNn *nn);

const SpEnv *sp_nn_env(const SpNn *nn);
SpPrecision sp_nn_precision(const SpNn *nn);
int sp_nn_workers(const SpNn *nn);
/* Bytes of an element: 4 or 2. */
size_t sp_nn_element(const SpNn *nn);

/*
 * Whether this CPU (within ONEDNN_MAX_CPU_ISA) multiplies bf16 by itself; and
 * whether it computes with it at all, which takes AVX-512: without its
 * instructions for bf16 that is slower than f32.
 */
bool sp_nn_cpu_has_bf16(void);
bool sp_nn_cpu_runs_bf16(void);
/* The instruction set that is used, for people: "AVX-512 BF16". */
const char *sp_nn_cpu_isa(void);

/*
 * To be called by a thread before it makes or runs its first layer: workers are
 * the parallelism, so the library must not start threads of its own below them.
 */
void sp_nn_enter_thread(void);

/*
 * A layer with its weights: elements in, floats out (or elements, where it was
 * made so), of the sizes it was made for.  Weights and biases are copied; a
 * bias may be NULL.  Making one answers SP_ERR_BAD_ARG when the sizes are
 * impossible, SP_ERR_NO_MEMORY; running one SP_ERR_NO_MEMORY.
 */
typedef struct SpLayer SpLayer;

SpStatus sp_layer_run(const SpLayer *layer, int worker, const void *in, void *out);
void sp_layer_free(SpLayer *layer);

/* How a file lays out the weights of a convolution. */
typedef enum SpKernelLayout
{
	SP_KERNEL_HWIO, /* TensorFlow: [height][width][in][out] */
	SP_KERNEL_OIHW  /* PyTorch: [out][in][height][width] */
} SpKernelLayout;

typedef struct SpConvShape
{
	int in_height, in_width, in_channels;
	int out_height, out_width, out_channels;
	int kernel_height, kernel_width;
	int stride;
	int dilation;          /* 1: dense */
	int pad_top, pad_left; /* what lies beyond the other edges follows from the sizes */
	bool elements_out; /* what comes out is rounded to elements: half the memory to move; last */
} SpConvShape;

/* [in_height][in_width][in_channels] to [out_height][out_width][out_channels]; bias[out_channels]. */
SpStatus sp_conv_new(SpNn *nn, const SpConvShape *shape, const float *weights,
                     SpKernelLayout layout, const float *bias, SpLayer **out);

/* [rows][in_size] to [rows][out_size]; weights[out_size][in_size], bias[out_size]. */
SpStatus sp_linear_new(SpNn *nn, int rows, int in_size, int out_size, const float *weights,
                       const float *bias, SpLayer **out);

/*
 * A transposed convolution of stride 2, as four ordinary ones: one for each
 * parity of row and column of the output, each with its own taps: the
 * library's own strided one is slower on both CPUs that were measured.  Output
 * sample o gathers in[i] * kernel[o - 2 i + crop].
 */
typedef struct SpDeconvShape
{
	int in_height, in_width, in_channels;
	int out_channels;  /* out height and width are twice in's */
	int kernel;        /* both ways, 2 .. 16 */
	int crop;          /* samples cut off at top and left, 0 .. kernel - 2 */
	bool elements_out; /* as SpConvShape */
} SpDeconvShape;

typedef struct SpDeconv SpDeconv;

/* weights[kernel][kernel][out][in], as TensorFlow has them. */
SpStatus sp_deconv_new(SpNn *nn, const SpDeconvShape *shape, const float *weights,
                       const float *bias, SpDeconv **out);
void sp_deconv_free(SpDeconv *deconv);
/* out is planes[2][2][in_height][in_width][out_channels]: row parity, column parity. */
SpStatus sp_deconv_run(const SpDeconv *deconv, int worker, const void *in, void *out);

/*
 * The taps of one parity of such a convolution along one axis: output 2 y + parity
 * gathers in[y + first .. y + first + count - 1] with kernel[tap[0 .. count - 1]].
 */
typedef struct SpPhase
{
	int first;
	int count;
	int tap[16];
} SpPhase;

SpPhase sp_deconv_phase(int kernel, int crop, int parity);

#endif /* SP_NN_H */
