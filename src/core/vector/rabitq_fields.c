/*
 * src/core/vector/rabitq_fields.c
 *	  The inner loop of an estimate from codes of 2, 4 or 8 bits a dimension, with
 *	  AVX-512's product of bytes where there is one.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/rabitq_fields.h"

#include "core/sp_simd.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define HAVE_VNNI
#include <immintrin.h>
#endif

#define MOST_FIELDS 4

/* With bits a constant of the caller, whose instructions it is made of. */
static inline __attribute__((always_inline)) void
sum_plain(int bits, const uint64_t *codes, size_t count, size_t words, const void *query,
          int32_t *restrict sums)
{
	size_t bytes = words * 8, stride = SP_RABITQ_STRIDE(words);

	for (size_t i = 0; i < count; i++)
	{
		const uint8_t *restrict code = (const uint8_t *) (codes + i * words);
		int32_t sum = 0;

		for (int f = 0; f < 8 / bits; f++)
		{
			const int8_t *restrict q = (const int8_t *) query + (size_t) f * stride;

			for (size_t j = 0; j < bytes; j++)
				sum += (code[j] >> f * bits & ((1 << bits) - 1)) * q[j];
		}
		sums[i] = sum;
	}
}

#define PLAIN(bits)                                                                           \
	SP_CLONES static void sum_plain_##bits(const uint64_t *codes, size_t count, size_t words, \
	                                       const void *query, int32_t *sums)                  \
	{                                                                                         \
		sum_plain(bits, codes, count, words, query, sums);                                    \
	}

PLAIN(2)
PLAIN(4)
PLAIN(8)

SpRabitqSum
sp_rabitq_field_sum_plain(int bits)
{
	return bits == 2 ? sum_plain_2 : bits == 4 ? sum_plain_4 : sum_plain_8;
}

#ifdef HAVE_VNNI

#define BYTES 64 /* of a vector of the machine */
#define VNNI  __attribute__((target("avx512f,avx512bw,avx512vnni")))

static inline __attribute__((always_inline)) VNNI void
sum_vnni(int bits, const uint64_t *codes, size_t count, size_t words, const int8_t *query,
         int32_t *sums)
{
	const __m512i low = _mm512_set1_epi8((char) ((1 << bits) - 1));
	size_t bytes = words * 8, stride = SP_RABITQ_STRIDE(words);

	for (size_t i = 0; i < count; i++)
	{
		const uint8_t *code = (const uint8_t *) (codes + i * words);
		__m512i s[MOST_FIELDS];

		for (int f = 0; f < 8 / bits; f++)
			s[f] = _mm512_setzero_si512();
		for (size_t j = 0; j < bytes; j += BYTES)
		{
			/* what is behind the end is not read, and counts as zeros */
			__mmask64 some =
				bytes - j < BYTES ? ((__mmask64) 1 << (bytes - j)) - 1 : ~(__mmask64) 0;
			__m512i values = _mm512_maskz_loadu_epi8(some, code + j);

			for (int f = 0; f < 8 / bits; f++)
			{
				__m512i field =
					_mm512_and_si512(_mm512_srli_epi16(values, (unsigned) (f * bits)), low);

				s[f] = _mm512_dpbusd_epi32(s[f], field,
				                           _mm512_load_si512(query + (size_t) f * stride + j));
			}
		}
		for (int f = 1; f < 8 / bits; f++)
			s[0] = _mm512_add_epi32(s[0], s[f]);
		sums[i] = _mm512_reduce_add_epi32(s[0]);
	}
}

#define FAST(bits)                                                                      \
	VNNI static void sum_vnni_##bits(const uint64_t *codes, size_t count, size_t words, \
	                                 const void *query, int32_t *sums)                  \
	{                                                                                   \
		sum_vnni(bits, codes, count, words, query, sums);                               \
	}

FAST(2)
FAST(4)
FAST(8)

SpRabitqSum
sp_rabitq_field_sum(int bits)
{
	if (!__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vnni"))
		return sp_rabitq_field_sum_plain(bits);
	return bits == 2 ? sum_vnni_2 : bits == 4 ? sum_vnni_4 : sum_vnni_8;
}

#else

SpRabitqSum
sp_rabitq_field_sum(int bits)
{
	return sp_rabitq_field_sum_plain(bits);
}

#endif /* HAVE_VNNI */
