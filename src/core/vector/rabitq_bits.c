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

#define WORDS 8 /* of a vector of the machine */

/* The bits of a vector of words that are in a plane. */
#define SHARED(bits, plane) _mm512_popcnt_epi64(_mm512_and_si512(bits, plane))

__attribute__((target("avx512f,avx512vpopcntdq"))) static void
sum_vpopcnt(const uint64_t *codes, size_t count, size_t words, const void *query, int32_t *sums)
{
	const uint64_t *planes = query;

	for (size_t i = 0; i < count; i++)
	{
		const uint64_t *code = codes + i * words;
		__m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0;

		for (size_t w = 0; w < words; w += WORDS)
		{
			/* what is behind the end is not read, and counts as zeros */
			__mmask8 some = words - w < WORDS ? (__mmask8) ((1u << (words - w)) - 1) : 0xff;
			__m512i bits = _mm512_maskz_loadu_epi64(some, code + w);
			const uint64_t *plane = planes + w;

			s0 = _mm512_add_epi64(s0, SHARED(bits, _mm512_maskz_loadu_epi64(some, plane)));
			s1 = _mm512_add_epi64(s1, SHARED(bits, _mm512_maskz_loadu_epi64(some, plane + words)));
			s2 = _mm512_add_epi64(s2,
			                      SHARED(bits, _mm512_maskz_loadu_epi64(some, plane + 2 * words)));
			s3 = _mm512_add_epi64(s3,
			                      SHARED(bits, _mm512_maskz_loadu_epi64(some, plane + 3 * words)));
		}
		s0 = _mm512_add_epi64(s0, _mm512_slli_epi64(s1, 1));
		s2 = _mm512_add_epi64(s2, _mm512_slli_epi64(s3, 1));
		s0 = _mm512_add_epi64(s0, _mm512_slli_epi64(s2, 2));
		sums[i] = (int32_t) _mm512_reduce_add_epi64(s0);
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
