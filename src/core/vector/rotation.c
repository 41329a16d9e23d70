/*
 * src/core/vector/rotation.c
 *	  Rotation by random signs and fast Hadamard transforms.
 *
 * A round is signs at random, then the transform of the first 2^k values and
 * that of the last 2^k, 2^k being the largest that fits; the windows overlap, so
 * that after a few rounds every value has met every other.  O(D log D) where a
 * matrix would be O(D^2); four rounds are as good (RaBitQ, arXiv 2405.12497, and
 * the authors' library, which mixes by Kac's walk instead of windows).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/rotation.h"

#include <math.h>
#include <string.h>

#include "core/sp_simd.h"

#define ROUNDS 4
/* Values that are closer than this lie in one vector of the machine. */
#define SHORT 16

struct SpRotation
{
	const SpEnv *env;
	size_t dims, padded;
	size_t window; /* the largest power of two that fits */
	float *signs;  /* [ROUNDS][padded]: 1 or -1 */
};

/* SplitMix64 (Steele, Lea, Flood 2014): a good bit from any seed. */
static uint64_t
next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static void
draw_signs(SpRotation *r, uint64_t seed)
{
	for (size_t i = 0; i < ROUNDS * r->padded; i += 64)
	{
		uint64_t bits = next_random(&seed);

		for (size_t k = 0; k < 64; k++)
			r->signs[i + k] = bits >> k & 1 ? 1.0f : -1.0f;
	}
}

SpStatus
sp_rotation_new(const SpEnv *env, size_t dims, uint64_t seed, SpRotation **out)
{
	SpRotation *r;

	*out = NULL;
	if (dims == 0)
		return SP_ERR_BAD_ARG;
	r = sp_calloc(env, 1, sizeof(*r));
	if (r == NULL)
		return SP_ERR_NO_MEMORY;
	r->env = env;
	r->dims = dims;
	r->padded = SP_ROTATION_PADDED(dims);
	r->window = 64;
	while (2 * r->window <= r->padded)
		r->window *= 2;
	r->signs = sp_alloc(env, ROUNDS * r->padded, sizeof(float));
	if (r->signs == NULL)
	{
		sp_rotation_free(r);
		return SP_ERR_NO_MEMORY;
	}
	draw_signs(r, seed);
	*out = r;
	return SP_OK;
}

void
sp_rotation_free(SpRotation *r)
{
	if (r == NULL)
		return;
	sp_free(r->env, r->signs);
	sp_free(r->env, r);
}

/* The signs of a round. */
SP_CLONES static void
turn(float *restrict x, const float *restrict signs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] *= signs[i];
}

typedef float Lanes __attribute__((vector_size(SHORT * sizeof(float)), aligned(64), may_alias));

/* Lanes that differ in one bit of their number meet: sums below, differences above. */
#define MEET(x, signs, ...) ((x) * (signs) + __builtin_shufflevector(x, x, __VA_ARGS__))

/* Neighbours 1, 2, 4 and 8 apart. */
static inline __attribute__((always_inline)) void
meet_near(float *x, size_t n)
{
	const Lanes by1 = {1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1};
	const Lanes by2 = {1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1};
	const Lanes by4 = {1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1};
	const Lanes by8 = {1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1};

	for (size_t at = 0; at < n; at += SHORT)
	{
		Lanes v = *(Lanes *) (x + at);

		v = MEET(v, by1, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
		v = MEET(v, by2, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
		v = MEET(v, by4, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
		v = MEET(v, by8, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
		*(Lanes *) (x + at) = v;
	}
}

/* Orthonormal: scaled by the root of its length.  n is a power of two, 64 at least. */
SP_CLONES static void
hadamard(float *x, size_t n, float scale)
{
	meet_near(x, n);
	for (size_t step = SHORT; step < n; step *= 2)
		for (size_t at = 0; at < n; at += 2 * step)
			for (size_t i = at; i < at + step; i += SHORT)
			{
				Lanes low = *(Lanes *) (x + i), high = *(Lanes *) (x + i + step);

				*(Lanes *) (x + i) = low + high;
				*(Lanes *) (x + i + step) = low - high;
			}
	for (size_t i = 0; i < n; i += SHORT)
		*(Lanes *) (x + i) *= scale;
}

void
sp_rotation_run(const SpRotation *r, const float *in, float *out)
{
	float scale = 1.0f / sqrtf((float) r->window);

	memcpy(out, in, r->dims * sizeof(float));
	memset(out + r->dims, 0, (r->padded - r->dims) * sizeof(float));
	for (size_t round = 0; round < ROUNDS; round++)
	{
		turn(out, r->signs + round * r->padded, r->padded);
		hadamard(out, r->window, scale);
		if (r->window < r->padded)
			hadamard(out + r->padded - r->window, r->window, scale);
	}
}
