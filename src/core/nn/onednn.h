/*
 * src/core/nn/onednn.h
 *	  What the layers see of oneDNN: primitives by shape, and packed weights.
 *
 * Internal to the room.  The library's two major versions make descriptors and
 * primitives by different calls; only onednn.c knows.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_ONEDNN_H
#define SP_ONEDNN_H

#include "core/nn/nn.h"

/* One computation at one shape, shared by all layers of that shape. */
typedef struct SpPrimitive SpPrimitive;

/* Weights in the order that a primitive wants. */
typedef struct SpPacked SpPacked;

/* What a primitive computes, and at which sizes; the key of the cache. */
typedef enum SpPrimitiveKind
{
	SP_PRIMITIVE_CONV = 1,
	SP_PRIMITIVE_LINEAR
} SpPrimitiveKind;

typedef struct SpPrimitiveKey
{
	SpPrimitiveKind kind;
	union
	{
		SpConvShape conv;
		struct
		{
			int rows, in_size, out_size;
		} linear;
	} as;
} SpPrimitiveKey;

/* Which of a primitive's constants weights are. */
typedef enum SpOperand
{
	SP_OPERAND_WEIGHTS = 0,
	SP_OPERAND_BIAS,
	SP_OPERANDS
} SpOperand;

/* The primitive of this key (zero its padding), made at its first use; the cache owns it. */
SpStatus sp_primitive_get(SpNn *nn, const SpPrimitiveKey *key, SpPrimitive **out);

/*
 * Packs floats for one operand of the primitive; layout matters for a
 * convolution's weights only.
 */
SpStatus sp_packed_new(SpPrimitive *p, SpOperand operand, SpKernelLayout layout,
                       const float *values, SpPacked **out);
void sp_packed_free(SpPacked *packed);

/* Elements in, floats or elements out; SP_ERR_NO_MEMORY when the library fails. */
SpStatus sp_primitive_run(const SpPrimitive *p, int worker, const void *in,
                          SpPacked *const constants[SP_OPERANDS], void *out);

#endif /* SP_ONEDNN_H */
