/*
 * src/core/dsp/packed.h
 *	  Magnitudes in 16 bits.
 *
 * A packed number is a float without a sign: 6 bits of exponent and 10 of
 * fraction, 2^-48 to 2^16 with a relative error of at most 2^-11 (-66 dB);
 * all bits zero is 0.  Unlike the half precision of IEEE 754 it reaches far
 * below -84 dBFS, and needs no instructions of its own.  Packed numbers order
 * as the unsigned integers that they also are, so that medians need not unpack.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PACKED_H
#define SP_PACKED_H

#include "core/sp_base.h"

/* out[n] = in[n] >= 0, rounded; below 2^-48, negative or NaN: 0; above 2^16: the largest. */
void sp_packed_store(uint16_t *out, const float *in, size_t n);
void sp_packed_load(float *out, const uint16_t *in, size_t n);

/* Numbers from row to row: n rounded up to whole vectors. */
static inline size_t
sp_packed_stride(size_t n)
{
	return (n + SP_ALIGN / 2 - 1) / (SP_ALIGN / 2) * (SP_ALIGN / 2);
}

#endif /* SP_PACKED_H */
