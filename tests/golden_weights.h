/*
 * tests/golden_weights.h
 *	  Numbers that C and Python make alike: weights, a patch of magnitudes, a
 *	  song.  The twin of tests/golden/neural/seeded.py, which says what they are.
 *
 * splitmix64 (Steele, Lea, Flood 2014) started at the FNV-1a hash of a name;
 * then only operations of float that IEEE 754 rounds once, so that both sides
 * have the same bits.  tests/unit/test_golden_weights.c holds them together.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef GOLDEN_WEIGHTS_H
#define GOLDEN_WEIGHTS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define GOLDEN_SCALAR        12345.0f
#define GOLDEN_RATE_HZ       44100
#define GOLDEN_FRAMES        ((size_t) 14 * GOLDEN_RATE_HZ) /* of golden_signal in golden files */
#define GOLDEN_SILENCE_FIRST ((size_t) 9 * GOLDEN_RATE_HZ)
#define GOLDEN_SILENCE_END   (GOLDEN_SILENCE_FIRST + GOLDEN_RATE_HZ / 2)
#define GOLDEN_BEAT          11025

/* Where the stream of this name starts. */
static inline uint64_t
golden_fnv1a(const char *name)
{
	uint64_t h = UINT64_C(0xCBF29CE484222325);

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char) *name) * UINT64_C(0x100000001B3);
	return h;
}

/* Number i of the stream that starts at seed. */
static inline uint64_t
golden_hash(uint64_t seed, uint64_t i)
{
	uint64_t z = seed + (i + 1) * UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* In [-1, 1), a multiple of 2^-23. */
static inline float
golden_uniform(uint64_t seed, uint64_t i)
{
	return (float) ((int32_t) (golden_hash(seed, i) >> 40) - (1 << 23)) * 0x1p-23f;
}

/* Half width of a kernel or matrix; see matrix_scale in seeded.py. */
static inline float
golden_matrix_scale(const char *name, int rank, const int64_t *shape)
{
	float scale;

	if (rank == 2)
		return sqrtf(3.0f / (float) shape[1]);
	if (strstr(name, ".conv.weight") != NULL)
		return sqrtf(6.0f / (float) (shape[1] * shape[2] * shape[3]));
	if (strstr(name, "transpose") != NULL)
		return sqrtf(24.0f / (float) (shape[0] * shape[1] * shape[3]));
	scale = sqrtf(6.0f / (float) (shape[0] * shape[1] * shape[2]));
	return shape[2] == 2 ? scale * 0.125f : scale;
}

/* Centre and half width of a tensor of rank 1; VECTORS and MOVED in seeded.py. */
static inline void
golden_vector_range(const char *name, bool moved, float *centre, float *half)
{
	static const struct
	{
		const char *end;
		float centre, half;
	} ranges[] = {
		{"/moving_mean", 0.0f, 0.5f},  {"/moving_variance", 1.0f, 0.5f},
		{"/gamma", 1.0f, 0.25f},       {"/beta", 0.0f, 0.25f},
		{"/bias", 0.0f, 0.25f},        {"/moving_mean", 0.0f, 0.0f},
		{"/moving_variance", 1.0f, 0}, {".running_mean", 0.0f, 0.5f},
		{".running_var", 1.0f, 0.5f},  {".weight", 1.0f, 0.25f},
		{"input_mean", 0.0f, 0.5f},    {"input_scale", 0.125f, 0.03125f},
		{"output_mean", 1.0f, 0.25f},  {"output_scale", 1.0f, 0.25f},
		{"prior", 1.0f, 0.25f},        {"trust", 0.5f, 0.5f},
	};
	size_t length = strlen(name);

	*centre = 0.0f;
	*half = 0.25f;
	for (size_t i = moved ? 0 : 2; i < sizeof(ranges) / sizeof(ranges[0]); i++)
	{
		size_t end = strlen(ranges[i].end);

		if (length >= end && strcmp(name + length - end, ranges[i].end) == 0)
		{
			*centre = ranges[i].centre;
			*half = ranges[i].half;
			return;
		}
	}
}

/*
 * The tensor of this name, row-major.  moved: moving averages of
 * normalisations unlike 0 and 1, which released models do not have.
 */
static inline void
golden_weights_of(const char *name, int rank, const int64_t *shape, bool moved, float *out)
{
	uint64_t seed = golden_fnv1a(name);
	bool scale = strcmp(name, "scale") == 0, table = scale || strcmp(name, "shift") == 0;
	float centre = 0.0f, half;
	int64_t n = 1;

	for (int i = 0; i < rank; i++)
		n *= shape[i];
	if (rank == 0)
		out[0] = GOLDEN_SCALAR;
	else if (table)
		for (int64_t i = 0; i < n; i++)
			out[i] = (scale ? 1.0f : 0.0f) + golden_uniform(seed, (uint64_t) i) * 0.25f;
	else if (rank == 1)
	{
		golden_vector_range(name, moved, &centre, &half);
		for (int64_t i = 0; i < n; i++)
			out[i] = centre + golden_uniform(seed, (uint64_t) i) * half;
	}
	else
	{
		half = golden_matrix_scale(name, rank, shape);
		for (int64_t i = 0; i < n; i++)
			out[i] = golden_uniform(seed, (uint64_t) i) * half;
	}
}

static inline void
golden_weights(const char *name, int rank, const int64_t *shape, float *out)
{
	golden_weights_of(name, rank, shape, false, out);
}

/* Magnitudes as a network sees them, [2][frames][bins]: loud at the bottom, gated. */
static inline void
golden_patch(size_t frames, size_t bins, float *out)
{
	uint64_t seed = golden_fnv1a("patch"), i = 0;

	for (size_t c = 0; c < 2; c++)
		for (size_t t = 0; t < frames; t++)
			for (size_t f = 0; f < bins; f++, i++)
			{
				bool gate = (t / 16 + 32 * f / bins + c) % 3 == 0;
				float u = (float) (golden_hash(seed, i) >> 40) * 0x1p-24f;

				u = u * u;
				out[i] = ldexpf(u * u, 5 - (int) (8 * f / bins) + (gate ? 2 : 0));
			}
}

/* Left, right, middle and side of golden_patch, [4][frames][bands]. */
static inline void
golden_bands(size_t frames, size_t bands, float *out)
{
	size_t n = frames * bands;

	golden_patch(frames, bands, out);
	for (size_t i = 0; i < n; i++)
	{
		out[2 * n + i] = 0.5f * (out[i] + out[n + i]);
		out[3 * n + i] = 0.5f * fabsf(out[i] - out[n + i]);
	}
}

/* [4][frames][bands] that sum to 1, one often far larger than the others. */
static inline void
golden_shares(size_t frames, size_t bands, float *out)
{
	uint64_t seed = golden_fnv1a("shares");
	size_t n = frames * bands;

	for (size_t i = 0; i < 4 * n; i++)
	{
		float u = (float) ((golden_hash(seed, i) >> 40) + 1) * 0x1p-24f;

		out[i] = u * u * u * u;
	}
	for (size_t i = 0; i < n; i++)
	{
		float sum = ((out[i] + out[n + i]) + out[2 * n + i]) + out[3 * n + i];

		for (size_t s = 0; s < 4; s++)
			out[s * n + i] /= sum;
	}
}

/* In [-32768, 32768): the phase is n times increment, of 2^32 a turn. */
static inline int32_t
golden_saw(size_t n, uint32_t increment)
{
	return (int32_t) ((uint32_t) n * increment >> 16) - 32768;
}

static inline int32_t
golden_noise16(uint64_t seed, size_t n)
{
	return (int32_t) (golden_hash(seed, n) >> 48) - 32768;
}

/* Sample n of channel c of golden_signal, in units of 2^-15; >> is arithmetic. */
static inline int32_t
golden_sample(uint64_t seed, size_t n, size_t c)
{
	static const uint32_t basses[8] = {5357200, 5357200, 6373172, 7151600,
	                                   8030000, 8030000, 7151600, 6373172};
	static const uint32_t chords[4][3] = {{21428800, 26998000, 32120000},
	                                      {25492688, 32120000, 38198000},
	                                      {28606400, 36042000, 42857600},
	                                      {24060000, 30320000, 36042000}};
	const uint32_t *notes = chords[n / (4 * GOLDEN_BEAT) % 4];
	int32_t place = (int32_t) (n % GOLDEN_BEAT);
	int32_t decay = place < 4096 ? 4096 - place : 0;
	int32_t bass = golden_saw(n, basses[n / GOLDEN_BEAT % 8]);
	int32_t low = golden_saw(n, notes[0]), mid = golden_saw(n, notes[1]);
	int32_t high = golden_saw(n, notes[2]), drum = golden_noise16(seed, n);
	int32_t hit = (int32_t) (((int64_t) drum * (decay * decay >> 9)) >> 16);
	int32_t chord = (c == 0 ? 3 : 1) * low + 2 * mid + (c == 0 ? 1 : 3) * high;

	return ((2 * bass + chord + 4 * (drum >> 8)) >> 4) + (hit >> 1);
}

/*
 * Bass, chords, drums and a floor of noise: [frames][2], multiples of 2^-15,
 * at 44.1 kHz.  Half a second of digital silence after 9 s.
 */
static inline void
golden_signal(size_t frames, float *out)
{
	for (size_t c = 0; c < 2; c++)
	{
		uint64_t seed = golden_fnv1a(c == 0 ? "signal 0" : "signal 1");

		for (size_t n = 0; n < frames; n++)
		{
			bool silent = n >= GOLDEN_SILENCE_FIRST && n < GOLDEN_SILENCE_END;

			out[2 * n + c] = silent ? 0.0f : (float) golden_sample(seed, n, c) * 0x1p-15f;
		}
	}
}

#endif /* GOLDEN_WEIGHTS_H */
