/*
 * src/core/vector/rotation.h
 *	  A random rotation: the same vector in a basis in which no dimension
 *	  matters more than another.
 *
 * Lengths and angles stay.  Dimensions are padded with zeros to a multiple of
 * 64 (padded), so that codes are whole words.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VECTOR_ROTATION_H
#define SP_VECTOR_ROTATION_H

#include "core/sp_base.h"

/* dims as codes have them: the next multiple of 64. */
#define SP_ROTATION_PADDED(dims) (((dims) + 63) / 64 * 64)

typedef struct SpRotation SpRotation;

/*
 * The rotation that belongs to seed, on any machine.  SP_ERR_BAD_ARG for no
 * dimensions, SP_ERR_NO_MEMORY.
 */
SpStatus sp_rotation_new(const SpEnv *env, size_t dims, uint64_t seed, SpRotation **out);
void sp_rotation_free(SpRotation *r);

/* in[dims], any alignment, into out[padded], aligned to SP_ALIGN. */
void sp_rotation_run(const SpRotation *r, const float *in, float *out);

#endif /* SP_VECTOR_ROTATION_H */
