/*
 * src/core/nn/tensor.h
 *	  Named arrays of numbers, as weight files and model tables hold them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_TENSOR_H
#define SP_TENSOR_H

#include "core/sp_base.h"

#define SP_TENSOR_MAX_RANK 8
#define SP_TENSOR_MAX_NAME 255

/* How numbers are stored; computation sees f32 and bf16 only. */
typedef enum SpDtype
{
	SP_DTYPE_F32 = 0,
	SP_DTYPE_BF16,
	SP_DTYPE_F16,
	SP_DTYPE_F64,
	SP_DTYPE_I32,
	SP_DTYPE_I64
} SpDtype;

typedef struct SpTensorInfo
{
	const char *name; /* as its file spells it; unique within its source */
	SpDtype dtype;
	int rank; /* 0 for a scalar */
	int64_t shape[SP_TENSOR_MAX_RANK];
	int64_t elements; /* product of shape; 1 for a scalar, 0 never */
} SpTensorInfo;

/*
 * Where tensors come from: a weight file, or rows of spotai.model_tensor.
 * read gives the whole of tensor i as f32, [elements] in row-major order; it
 * verifies what its store can verify and refuses numbers that are not finite.
 */
typedef struct SpTensorSource
{
	size_t count;
	const SpTensorInfo *tensors; /* [count], sorted by name (strcmp) */
	SpStatus (*read)(void *self, size_t i, float *out, SpFault *fault);
	void *self;
} SpTensorSource;

/* Bytes of one number; 0 for a dtype that does not exist. */
size_t sp_dtype_size(SpDtype dtype);
/* "f32", "bf16", ...; NULL for a dtype that does not exist. */
const char *sp_dtype_name(SpDtype dtype);

/* Index of the tensor of this name, or -1. */
ptrdiff_t sp_tensor_find(const SpTensorSource *source, const char *name);

/*
 * n numbers of little-endian dtype at in (any alignment) as f32; integers and
 * f64 are rounded.  False when one is not finite (out is then complete all the
 * same).
 */
bool sp_tensor_to_f32(float *out, const void *in, SpDtype dtype, size_t n);

/* Rounds to nearest, ties to even, as hardware does; NaN stays NaN. */
void sp_f32_to_bf16(uint16_t *out, const float *in, size_t n);

/* The same for IEEE half precision; beyond 65504 is infinity. */
void sp_f32_to_f16(uint16_t *out, const float *in, size_t n);

#endif /* SP_TENSOR_H */
