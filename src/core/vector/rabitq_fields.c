/*
 * src/core/vector/rabitq_fields.c
 *	  The inner loop of an estimate from codes of 2, 4 or 8 bits a dimension, with
 *	  the products of bytes that AVX-512 VNNI or AVX2 have where there is one.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/rabitq_fields.h"

#include "core/sp_simd.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define HAVE_X86
#include <immintrin.h>
#endif

SP_CLONES int32_t
sp_rabitq_cut_bytes(const float *restrict residual, size_t n, float by, int8_t *restrict values)
{
	int32_t sum = 0;

	for (size_t i = 0; i < n; i++)
	{
		/* what is cut off is above zero, so that it is always rounded down */
		int32_t value = (int32_t) (residual[i] * by + (SP_RABITQ_REACH + 0.5f)) - SP_RABITQ_REACH;

		values[i] = (int8_t) value;
		sum += value;
	}
	return sum;
}

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

#ifdef HAVE_X86

#define BYTES 64 /* of a vector of the machine */
#define VNNI  __attribute__((target("avx512f,avx512bw,avx512vnni")))

/* Codes that share the loads of a query, and whose lanes are added up together. */
#define FOUR 4

/* What the fields of the bytes from j add to the codes' sums; of others than `some` nothing is read. */
static inline __attribute__((always_inline)) VNNI void
add_fields(int bits, const uint8_t *const *codes, size_t j, __mmask64 some, const int8_t *query,
           size_t stride, __m512i *sums)
{
	const __m512i low = _mm512_set1_epi8((char) ((1 << bits) - 1));
	__m512i values[FOUR];

	for (int i = 0; i < FOUR; i++)
		values[i] = _mm512_maskz_loadu_epi8(some, codes[i] + j);
	for (int f = 0; f < 8 / bits; f++)
	{
		__m512i q = _mm512_load_si512(query + (size_t) f * stride + j);

		for (int i = 0; i < FOUR; i++)
		{
			__m512i shifted = _mm512_srli_epi16(values[i], (unsigned) (f * bits));

			sums[i] = _mm512_dpbusd_epi32(sums[i], _mm512_and_si512(shifted, low), q);
		}
	}
}

static inline __attribute__((always_inline)) VNNI __m512i
add_pairs(__m512i a, __m512i b)
{
	return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}

/* The lanes of each of four, all at once. */
static inline __attribute__((always_inline)) VNNI __m128i
add_lanes(const __m512i *sums)
{
	__m512i first = add_pairs(sums[0], sums[1]), second = add_pairs(sums[2], sums[3]);
	__m512i four = _mm512_add_epi32(_mm512_unpacklo_epi64(first, second),
	                                _mm512_unpackhi_epi64(first, second));
	__m256i half =
		_mm256_add_epi32(_mm512_castsi512_si256(four), _mm512_extracti64x4_epi64(four, 1));

	return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

static inline __attribute__((always_inline)) VNNI void
sum_vnni(int bits, const uint64_t *codes, size_t count, size_t words, const int8_t *query,
         int32_t *sums)
{
	size_t bytes = words * 8, stride = SP_RABITQ_STRIDE(words), whole = bytes / BYTES * BYTES;
	/* what is behind the end is not read, and counts as zeros */
	__mmask64 some = ((__mmask64) 1 << bytes % BYTES) - 1;

	for (size_t from = 0; from < count; from += FOUR)
	{
		const uint8_t *four[FOUR];
		__m512i s[FOUR];
		int32_t out[FOUR];

		/* at the end the last one is summed more than once */
		for (size_t i = 0; i < FOUR; i++)
		{
			four[i] = (const uint8_t *) (codes + (from + i < count ? from + i : count - 1) * words);
			s[i] = _mm512_setzero_si512();
		}
		for (size_t j = 0; j < whole; j += BYTES)
			add_fields(bits, four, j, ~(__mmask64) 0, query, stride, s);
		if (some != 0)
			add_fields(bits, four, whole, some, query, stride, s);
		_mm_storeu_si128((__m128i *) out, add_lanes(s));
		for (size_t i = 0; i < FOUR && from + i < count; i++)
			sums[from + i] = out[i];
	}
}

#define FAST_VNNI(bits)                                                                 \
	VNNI static void sum_vnni_##bits(const uint64_t *codes, size_t count, size_t words, \
	                                 const void *query, int32_t *sums)                  \
	{                                                                                   \
		sum_vnni(bits, codes, count, words, query, sums);                               \
	}

FAST_VNNI(2)
FAST_VNNI(4)
FAST_VNNI(8)

#define AVX2 __attribute__((target("avx2")))

/* Values of 0 .. 15 times those of a query, neighbours added, in 16 bits. */
#define AVX2_PRODUCTS(values, q) _mm256_maddubs_epi16(_mm256_and_si256(values, low), q)

static inline __attribute__((always_inline)) AVX2 void
sum_avx2(int bits, const uint64_t *codes, size_t count, size_t words, const int8_t *query,
         int32_t *sums)
{
	const __m256i low = _mm256_set1_epi8((char) (bits == 2 ? 3 : 15));
	const __m256i ones = _mm256_set1_epi16(1), sixteens = _mm256_set1_epi16(16);
	size_t bytes = words * 8, stride = SP_RABITQ_STRIDE(words);

	for (size_t i = 0; i < count; i++)
	{
		const uint8_t *code = (const uint8_t *) (codes + i * words);
		__m256i sum = _mm256_setzero_si256();
		__m128i half;

		for (size_t j = 0; j < bytes; j += 32)
		{
			/* a code of two bits may end with half a vector */
			__m256i values =
				bytes - j < 32
					? _mm256_zextsi128_si256(_mm_loadu_si128((const __m128i *) (code + j)))
					: _mm256_loadu_si256((const __m256i *) (code + j));
			const __m256i *q = (const __m256i *) (query + j);
			__m256i products = AVX2_PRODUCTS(values, *q);

			/* 16 bits hold those of all fields, but not those of a whole byte */
			for (int f = 1; f < 8 / bits; f++)
				products =
					_mm256_add_epi16(products, AVX2_PRODUCTS(_mm256_srli_epi16(values, f * bits),
				                                             q[(size_t) f * stride / sizeof(*q)]));
			sum = _mm256_add_epi32(sum, _mm256_madd_epi16(products, ones));
			if (bits == 8)
			{
				products = AVX2_PRODUCTS(_mm256_srli_epi16(values, 4), *q);
				sum = _mm256_add_epi32(sum, _mm256_madd_epi16(products, sixteens));
			}
		}
		half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
		half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
		half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
		sums[i] = _mm_cvtsi128_si32(half);
	}
}

#define FAST_AVX2(bits)                                                                 \
	AVX2 static void sum_avx2_##bits(const uint64_t *codes, size_t count, size_t words, \
	                                 const void *query, int32_t *sums)                  \
	{                                                                                   \
		sum_avx2(bits, codes, count, words, query, sums);                               \
	}

FAST_AVX2(2)
FAST_AVX2(4)
FAST_AVX2(8)

SpRabitqSum
sp_rabitq_field_sum(int bits, int forms)
{
	if (forms > 2 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni"))
		return bits == 2 ? sum_vnni_2 : bits == 4 ? sum_vnni_4 : sum_vnni_8;
	if (forms > 1 && __builtin_cpu_supports("avx2"))
		return bits == 2 ? sum_avx2_2 : bits == 4 ? sum_avx2_4 : sum_avx2_8;
	return bits == 2 ? sum_plain_2 : bits == 4 ? sum_plain_4 : sum_plain_8;
}

#else

SpRabitqSum
sp_rabitq_field_sum(int bits, int forms)
{
	(void) forms;
	return bits == 2 ? sum_plain_2 : bits == 4 ? sum_plain_4 : sum_plain_8;
}

#endif /* HAVE_X86 */
