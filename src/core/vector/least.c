/*
 * src/core/vector/least.c
 *	  The least of a row in lanes that remember where theirs was.
 *
 * By hand for AVX2 and AVX-512: of lanes that are chosen by a comparison gcc 12
 * makes single numbers where the machine's vectors are shorter than the type.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/least.h"

#include <float.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#define LANES SP_LEAST_LANES

/* Of lanes and the rows of lanes in which they were found. */
static float
first_of_lanes(const float *least, const int32_t *row, size_t *at)
{
	float found = FLT_MAX;
	int32_t first = INT32_MAX;

	for (int32_t k = 0; k < LANES; k++)
		found = least[k] < found ? least[k] : found;
	for (int32_t k = 0; k < LANES; k++)
	{
		int32_t here = least[k] == found ? row[k] + k : INT32_MAX;

		first = here < first ? here : first;
	}
	*at = found < FLT_MAX ? (size_t) first : 0;
	return found;
}

static float
least_plain(const float *products, const float *norms, size_t n, size_t *at)
{
	float least[LANES];
	int32_t row[LANES] = {0};

	for (size_t k = 0; k < LANES; k++)
		least[k] = FLT_MAX;
	for (size_t i = 0; i < n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
		{
			float x = norms[i + k] - 2.0f * products[i + k];

			row[k] = x < least[k] ? (int32_t) i : row[k];
			least[k] = x < least[k] ? x : least[k];
		}
	return first_of_lanes(least, row, at);
}

#ifdef __x86_64__

#define HALF (LANES / 2)

/* A half of the lanes at a time; the minimum and the memory of it do not wait for each other. */
#define KEEP_LESS_AVX2(least, row, i)                                                             \
	do                                                                                            \
	{                                                                                             \
		__m256 x_ =                                                                               \
			_mm256_fnmadd_ps(two, _mm256_loadu_ps(products + (i)), _mm256_loadu_ps(norms + (i))); \
		__m256 less_ = _mm256_cmp_ps(x_, least, _CMP_LT_OQ);                                      \
                                                                                                  \
		least = _mm256_min_ps(x_, least);                                                         \
		row = _mm256_blendv_epi8(row, here, _mm256_castps_si256(less_));                          \
	} while (0)

__attribute__((target("avx2,fma"))) static float
least_avx2(const float *products, const float *norms, size_t n, size_t *at)
{
	const __m256 two = _mm256_set1_ps(2.0f);
	const __m256i step = _mm256_set1_epi32(LANES);
	__m256 least0 = _mm256_set1_ps(FLT_MAX), least1 = least0;
	__m256i row0 = _mm256_setzero_si256(), row1 = row0, here = row0;
	float least[LANES];
	int32_t row[LANES];

	for (size_t i = 0; i < n; i += LANES)
	{
		KEEP_LESS_AVX2(least0, row0, i);
		KEEP_LESS_AVX2(least1, row1, i + HALF);
		here = _mm256_add_epi32(here, step);
	}
	_mm256_storeu_ps(least, least0);
	_mm256_storeu_ps(least + HALF, least1);
	_mm256_storeu_si256((__m256i *) row, row0);
	_mm256_storeu_si256((__m256i *) (row + HALF), row1);
	return first_of_lanes(least, row, at);
}

#define KEEP_LESS_AVX512(least, where, i, here)                                                   \
	do                                                                                            \
	{                                                                                             \
		__m512 x_ =                                                                               \
			_mm512_fnmadd_ps(two, _mm512_loadu_ps(products + (i)), _mm512_loadu_ps(norms + (i))); \
                                                                                                  \
		where = _mm512_mask_mov_epi32(where, _mm512_cmp_ps_mask(x_, least, _CMP_LT_OQ), here);    \
		least = _mm512_min_ps(x_, least);                                                         \
	} while (0)

__attribute__((target("avx512f"))) static float
least_avx512(const float *products, const float *norms, size_t n, size_t *at)
{
	const __m512 two = _mm512_set1_ps(2.0f);
	const __m512i none = _mm512_set1_epi32(INT32_MAX), step = _mm512_set1_epi32(2 * LANES);
	__m512 least0 = _mm512_set1_ps(FLT_MAX), least1 = least0;
	__m512i where0 = _mm512_setzero_si512(), where1 = where0;
	__m512i here0 = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	__m512i here1 = _mm512_add_epi32(here0, _mm512_set1_epi32(LANES));
	float found;
	size_t i = 0;

	for (; i + 2 * LANES <= n; i += 2 * LANES)
	{
		KEEP_LESS_AVX512(least0, where0, i, here0);
		KEEP_LESS_AVX512(least1, where1, i + LANES, here1);
		here0 = _mm512_add_epi32(here0, step);
		here1 = _mm512_add_epi32(here1, step);
	}
	if (i < n)
		KEEP_LESS_AVX512(least0, where0, i, here0);
	found = _mm512_reduce_min_ps(_mm512_min_ps(least0, least1));
	where0 = _mm512_mask_mov_epi32(
		none, _mm512_cmp_ps_mask(least0, _mm512_set1_ps(found), _CMP_EQ_OQ), where0);
	where1 = _mm512_mask_mov_epi32(
		none, _mm512_cmp_ps_mask(least1, _mm512_set1_ps(found), _CMP_EQ_OQ), where1);
	*at = (size_t) _mm512_reduce_min_epi32(_mm512_min_epi32(where0, where1));
	return found;
}

#endif /* __x86_64__ */

SpLeast
sp_least(SpLeastLevel level)
{
	if (level == SP_LEAST_PLAIN)
		return least_plain;
#ifdef __x86_64__
	if (level == SP_LEAST_AVX2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		return least_avx2;
	if (level == SP_LEAST_AVX512 && __builtin_cpu_supports("avx512f"))
		return least_avx512;
#endif
	return NULL;
}

SpLeast
sp_least_fastest(void)
{
	for (int level = SP_LEAST_LEVELS - 1; level > SP_LEAST_PLAIN; level--)
		if (sp_least((SpLeastLevel) level) != NULL)
			return sp_least((SpLeastLevel) level);
	return least_plain;
}
