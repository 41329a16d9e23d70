/*
 * src/core/nn/nn.h
 *	  Layers of neural networks, for inference.
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

/* What layers need of the process: the CPU's engine and the cache of primitives. */
typedef struct SpNn SpNn;

/* Asked between layers, from any thread: true means stop now. */
typedef struct SpStop
{
	bool (*asked)(void *arg);
	void *arg;
} SpStop;

#endif /* SP_NN_H */
