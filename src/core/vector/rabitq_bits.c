/*
 * src/core/vector/rabitq_bits.c
 *	  The inner loop of an estimate, with AVX-512's count of bits where there is
 *	  one, else word by word.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/rabitq_bits.h"

#include "core/sp_simd.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define HAVE_VPOPCNT
#include <immintrin.h>
#endif

SP_CLONES void
sp_rabitq_sum_plain(const uint64_t *codes, size_t count, size_t words, const void *query,
                    int32_t *sums)
{
	const uint64_t *planes = query;

	for (size_t i = 0; i < count; i++)
	{
		const uint64_t *code = codes + i * words;
		uint64_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;

		for (size_t w = 0; w < words; w++)
		{
			s0 += (uint64_t) __builtin_popcountll(code[w] & planes[w]);
			s1 += (uint64_t) __builtin_popcountll(code[w] & planes[words + w]);
			s2 += (uint64_t) __builtin_popcountll(code[w] & planes[2 * words + w]);
			s3 += (uint64_t) __builtin_popcountll(code[w] & planes[3 * words + w]);
		}
		sums[i] = (int32_t) (s0 + 2 * s1 + 4 * s2 + 8 * s3);
	}
}

#ifdef HAVE_VPOPCNT

#define WORDS   8 /* of a vector of the machine */
#define VPOPCNT __attribute__((target("avx512f,avx512vpopcntdq")))

/* Codes that share the loads of a query, and whose lanes are added up together. */
#define FOUR 4

/* The bits of a vector of words that are in a plane. */
#define SHARED(bits, plane) _mm512_popcnt_epi64(_mm512_and_si512(bits, plane))

typedef struct Counts
{
	__m512i of[SP_RABITQ_PLANES]; /* by plane, in lanes */
} Counts;

/* Those of words that are `some` at the ends of the codes; of the others nothing is read. */
static inline __attribute__((always_inline)) VPOPCNT void
count_shared(const uint64_t *const *codes, size_t w, __mmask8 some, const uint64_t *planes,
             size_t words, Counts *counts)
{
	__m512i plane[SP_RABITQ_PLANES];

	for (int k = 0; k < SP_RABITQ_PLANES; k++)
		plane[k] = _mm512_maskz_loadu_epi64(some, planes + (size_t) k * words + w);
	for (int i = 0; i < FOUR; i++)
	{
		__m512i bits = _mm512_maskz_loadu_epi64(some, codes[i] + w);

		for (int k = 0; k < SP_RABITQ_PLANES; k++)
			counts[i].of[k] = _mm512_add_epi64(counts[i].of[k], SHARED(bits, plane[k]));
	}
}

/* Planes by their weights. */
static inline __attribute__((always_inline)) VPOPCNT __m512i
weighed(const Counts *c)
{
	__m512i low = _mm512_add_epi64(c->of[0], _mm512_slli_epi64(c->of[1], 1));
	__m512i high = _mm512_add_epi64(c->of[2], _mm512_slli_epi64(c->of[3], 1));

	return _mm512_add_epi64(low, _mm512_slli_epi64(high, 2));
}

/* Of four codes: two counts fit into each lane, and lanes are added for all at once. */
static inline __attribute__((always_inline)) VPOPCNT __m128i
add_lanes(const Counts *counts)
{
	__m512i first =
		_mm512_add_epi64(weighed(&counts[0]), _mm512_slli_epi64(weighed(&counts[1]), 32));
	__m512i second =
		_mm512_add_epi64(weighed(&counts[2]), _mm512_slli_epi64(weighed(&counts[3]), 32));
	__m512i both = _mm512_add_epi64(_mm512_unpacklo_epi64(first, second),
	                                _mm512_unpackhi_epi64(first, second));
	__m256i half =
		_mm256_add_epi64(_mm512_castsi512_si256(both), _mm512_extracti64x4_epi64(both, 1));

	return _mm_add_epi64(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

VPOPCNT static void
sum_vpopcnt(const uint64_t *codes, size_t count, size_t words, const void *query, int32_t *sums)
{
	size_t whole = words / WORDS * WORDS;
	__mmask8 some = (__mmask8) ((1u << (words - whole)) - 1);

	for (size_t from = 0; from < count; from += FOUR)
	{
		const uint64_t *four[FOUR];
		Counts counts[FOUR];
		int32_t out[FOUR];

		/* at the end the last one is counted more than once */
		for (size_t i = 0; i < FOUR; i++)
			four[i] = codes + (from + i < count ? from + i : count - 1) * words;
		for (int i = 0; i < FOUR; i++)
			for (int k = 0; k < SP_RABITQ_PLANES; k++)
				counts[i].of[k] = _mm512_setzero_si512();
		for (size_t w = 0; w < whole; w += WORDS)
			count_shared(four, w, 0xff, query, words, counts);
		if (some != 0)
			count_shared(four, whole, some, query, words, counts);
		_mm_storeu_si128((__m128i *) out, add_lanes(counts));
		for (size_t i = 0; i < FOUR && from + i < count; i++)
			sums[from + i] = out[i];
	}
}

SpRabitqSum
sp_rabitq_sum(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vpopcntdq")
	           ? sum_vpopcnt
	           : sp_rabitq_sum_plain;
}

#else

SpRabitqSum
sp_rabitq_sum(void)
{
	return sp_rabitq_sum_plain;
}

#endif /* HAVE_VPOPCNT */
