/*
 * src/core/nn/layers.c
 *	  Convolution and linear layers: weights bound to a primitive.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "core/nn/onednn.h"

struct SpLayer
{
	const SpEnv *env;
	SpPrimitive *primitive;
	SpPacked *constants[SP_OPERANDS];
};

/* What a layer is made of; bias NULL means zeros[bias_size]. */
typedef struct Recipe
{
	SpPrimitiveKey key;
	SpKernelLayout layout;
	const float *weights;
	const float *bias;
	size_t bias_size;
} Recipe;

static SpStatus
pack(SpLayer *layer, const Recipe *recipe)
{
	const float *values[SP_OPERANDS] = {recipe->weights, recipe->bias};
	SpStatus st = SP_OK;

	for (int i = 0; i < SP_OPERANDS && st == SP_OK; i++)
		if (values[i] != NULL)
			st = sp_packed_new(layer->primitive, (SpOperand) i, recipe->layout, values[i],
			                   &layer->constants[i]);
	return st;
}

static SpStatus
layer_new(SpNn *nn, Recipe *recipe, SpLayer **out)
{
	const SpEnv *env = sp_nn_env(nn);
	SpLayer *layer = sp_calloc(env, 1, sizeof(*layer));
	float *zeros = NULL;
	SpStatus st;

	*out = NULL;
	if (layer == NULL)
		return SP_ERR_NO_MEMORY;
	layer->env = env;
	st = sp_primitive_get(nn, &recipe->key, &layer->primitive);
	if (st == SP_OK && recipe->bias == NULL)
	{
		recipe->bias = zeros = sp_calloc(env, recipe->bias_size, sizeof(float));
		st = zeros == NULL ? SP_ERR_NO_MEMORY : SP_OK;
	}
	if (st == SP_OK)
		st = pack(layer, recipe);
	sp_free(env, zeros);
	if (st != SP_OK)
	{
		sp_layer_free(layer);
		return st;
	}
	*out = layer;
	return SP_OK;
}

void
sp_layer_free(SpLayer *layer)
{
	if (layer == NULL)
		return;
	for (int i = 0; i < SP_OPERANDS; i++)
		sp_packed_free(layer->constants[i]);
	sp_free(layer->env, layer);
}

SpStatus
sp_layer_run(const SpLayer *layer, int worker, const void *in, void *out)
{
	return sp_primitive_run(layer->primitive, worker, in, layer->constants, out);
}

/* The library takes sizes of 0 for tensors that are empty, and runs nothing. */
static bool
possible(const SpConvShape *s)
{
	return s->in_height > 0 && s->in_width > 0 && s->in_channels > 0 && s->out_height > 0 &&
	       s->out_width > 0 && s->out_channels > 0 && s->kernel_height > 0 && s->kernel_width > 0 &&
	       s->stride > 0 && s->dilation > 0 && s->pad_top >= 0 && s->pad_left >= 0;
}

SpStatus
sp_conv_new(SpNn *nn, const SpConvShape *shape, const float *weights, SpKernelLayout layout,
            const float *bias, SpLayer **out)
{
	Recipe recipe = {
		.layout = layout,
		.weights = weights,
		.bias = bias,
		.bias_size = (size_t) shape->out_channels,
	};

	*out = NULL;
	if (!possible(shape))
		return SP_ERR_BAD_ARG;
	memset(&recipe.key, 0, sizeof(recipe.key));
	recipe.key.kind = SP_PRIMITIVE_CONV;
	/* by fields, because keys are compared by bytes: what lies behind the last one stays 0 */
	memcpy(&recipe.key.as.conv, shape, offsetof(SpConvShape, elements_out));
	recipe.key.as.conv.elements_out = shape->elements_out;
	return layer_new(nn, &recipe, out);
}

SpStatus
sp_linear_new(SpNn *nn, int rows, int in_size, int out_size, const float *weights,
              const float *bias, SpLayer **out)
{
	Recipe recipe = {.weights = weights, .bias = bias, .bias_size = (size_t) out_size};

	*out = NULL;
	if (rows < 1 || in_size < 1 || out_size < 1)
		return SP_ERR_BAD_ARG;
	memset(&recipe.key, 0, sizeof(recipe.key));
	recipe.key.kind = SP_PRIMITIVE_LINEAR;
	recipe.key.as.linear.rows = rows;
	recipe.key.as.linear.in_size = in_size;
	recipe.key.as.linear.out_size = out_size;
	return layer_new(nn, &recipe, out);
}
