/*
 * src/core/nn/vmath.h
 *	  Elementary functions and bf16, written so that loops over them vectorise.
 *
 * Included by the files that have such loops; no branches, no tables, no
 * calls.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VMATH_H
#define SP_VMATH_H

#include <stdint.h>
#include <string.h>

#include "core/nn/nn.h"

#define SP_INLINE static inline __attribute__((always_inline))

SP_INLINE float
sp_float_of(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

SP_INLINE uint32_t
sp_bits_of(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

/*
 * e^x to 2 ulp: x = n ln 2 + r, |r| <= ln 2 / 2, the Taylor polynomial of e^r to
 * the 7th power (whose next term is below 6e-9), and 2^n put into the exponent.
 * Adding 1.5 * 2^23 rounds to an integer, which is then in the sum's last bits: no
 * conversion, which would be undefined for a NaN.  e^NaN is NaN.
 */
SP_INLINE float
sp_exp(float x)
{
	const float round = 12582912.0f;
	float sum, n, r, p;

	x = x < -87.0f ? -87.0f : x;
	x = x > 88.0f ? 88.0f : x;
	sum = x * 1.44269504f + round;
	n = sum - round;
	r = x - n * 0.693359375f;   /* ln 2 to 9 bits: the product is exact */
	r = r + n * 2.12194440e-4f; /* what those 9 bits exceed ln 2 by */
	p = 1.0f / 5040.0f;
	p = p * r + 1.0f / 720.0f;
	p = p * r + 1.0f / 120.0f;
	p = p * r + 1.0f / 24.0f;
	p = p * r + 1.0f / 6.0f;
	p = p * r + 0.5f;
	p = p * r + 1.0f;
	p = p * r + 1.0f;
	return p * sp_float_of((sp_bits_of(sum) - sp_bits_of(round) + 127u) << 23);
}

/*
 * ln x to 2 ulp, of numbers that are positive and normal: x = m 2^n, m from the root of 1/2
 * to its double, and ln m = 2 artanh s, s = (m - 1) / (m + 1), |s| < 0.172, by
 * its series to the 9th power (whose next term is below 1e-9).
 */
SP_INLINE float
sp_log(float x)
{
	const uint32_t root = 0x3f3504f3u; /* of 1/2 */
	uint32_t bits = sp_bits_of(x) - root;
	float n = (float) ((int32_t) bits >> 23);
	float m = sp_float_of((bits & 0x007fffffu) + root);
	float s = (m - 1.0f) / (m + 1.0f), q = s * s, p;

	p = 2.0f / 9.0f;
	p = p * q + 2.0f / 7.0f;
	p = p * q + 2.0f / 5.0f;
	p = p * q + 2.0f / 3.0f;
	p = p * q * s + 2.0f * s;
	return n * 0.693359375f + (p - n * 2.12194440e-4f); /* ln 2 as in sp_exp */
}

SP_INLINE float
sp_sigmoid(float x)
{
	return 1.0f / (1.0f + sp_exp(-x));
}

/* act must be a constant where this is inlined, or the loop around it does not vectorise. */
SP_INLINE float
sp_activate(SpActivation act, float x)
{
	switch (act)
	{
		case SP_ACT_RELU:
			return x > 0.0f ? x : 0.0f;
		case SP_ACT_LEAKY_RELU:
			return x > 0.0f ? x : 0.2f * x;
		case SP_ACT_ELU:
		{
			float below = sp_exp(x) - 1.0f;

			return x > 0.0f ? x : below;
		}
		case SP_ACT_SIGMOID:
			return sp_sigmoid(x);
		case SP_ACT_TANH:
			return 2.0f * sp_sigmoid(2.0f * x) - 1.0f;
		case SP_ACT_NONE:
			break;
	}
	return x;
}

/* As SpPointwise; act and act_first must be constants too. */
SP_INLINE float
sp_point(SpActivation act, bool act_first, float x, float scale, float shift)
{
	return act_first ? scale * sp_activate(act, x) + shift : sp_activate(act, scale * x + shift);
}

/* One case of a switch over an SpActivation `act`, with both orders of a constant. */
#define SP_POINT_CASE(act_, act_first, f, ...) \
	case act_:                                 \
		if (act_first)                         \
			f(act_, true, __VA_ARGS__);        \
		else                                   \
			f(act_, false, __VA_ARGS__);       \
		break

/* f(activation, order, ...) with both as constants. */
#define SP_POINT_SWITCH(act, act_first, f, ...)                      \
	switch (act)                                                     \
	{                                                                \
		SP_POINT_CASE(SP_ACT_NONE, act_first, f, __VA_ARGS__);       \
		SP_POINT_CASE(SP_ACT_RELU, act_first, f, __VA_ARGS__);       \
		SP_POINT_CASE(SP_ACT_LEAKY_RELU, act_first, f, __VA_ARGS__); \
		SP_POINT_CASE(SP_ACT_ELU, act_first, f, __VA_ARGS__);        \
		SP_POINT_CASE(SP_ACT_SIGMOID, act_first, f, __VA_ARGS__);    \
		SP_POINT_CASE(SP_ACT_TANH, act_first, f, __VA_ARGS__);       \
	}

SP_INLINE float
sp_of_bf16(uint16_t bits)
{
	return sp_float_of((uint32_t) bits << 16);
}

/* Rounds to nearest, ties to even; x is finite. */
SP_INLINE uint16_t
sp_bf16_of(float x)
{
	uint32_t bits = sp_bits_of(x);

	return (uint16_t) ((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

#endif /* SP_VMATH_H */
