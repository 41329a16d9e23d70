/*
 * src/core/vector/half_kernels.c
 *	  Halves to floats and back by integers, by F16C and by AVX-512.
 *
 * The plain loops are those of every CPU.  A half's subnormals come out of a
 * difference of two normal floats, and go in by adding a number whose last bit
 * weighs as much as theirs, so that no float on the way is subnormal.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/vector/half_kernels.h"

#include <string.h>

#include "core/vector/half.h"

#define PLAIN_LANES 8

/* Of a float's exponent, less that of a half: 127 - 15. */
#define EXPONENTS (112u << 23)
/* 2^-14, a half's least normal number, and 1/2, whose last bit weighs 2^-24. */
#define LEAST_NORMAL (113u << 23)
#define ONE_HALF     (126u << 23)

static inline float
as_float(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

static inline uint32_t
as_bits(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

static inline float
half_to_float(uint16_t half)
{
	uint32_t sign = (uint32_t) (half & 0x8000) << 16;
	uint32_t size = (uint32_t) (half & 0x7fff) << 13;

	if (size < 0x400u << 13)
		return as_float(sign | as_bits(as_float(size + LEAST_NORMAL) - as_float(LEAST_NORMAL)));
	if (size >= 0x7c00u << 13) /* a NaN becomes a quiet one, as in hardware */
		return as_float(sign | 0x7f800000u | size | (size > 0x7c00u << 13 ? 0x400000u : 0));
	return as_float(sign | (size + EXPONENTS));
}

static inline uint16_t
half_from_float(float x)
{
	uint32_t sign = as_bits(x) >> 16 & 0x8000, size = as_bits(x) & 0x7fffffff;

	if (size > 0x7f800000u)
		return (uint16_t) (sign | 0x7e00 | (size >> 13 & 0x3ff));
	if (size > as_bits(SP_HALF_MAX))
		return (uint16_t) (sign | 0x7bff);
	if (size < LEAST_NORMAL)
		return (uint16_t) (sign | (as_bits(as_float(size) + as_float(ONE_HALF)) - ONE_HALF));
	size += 0xfff + (size >> 13 & 1);
	return (uint16_t) (sign | (size - EXPONENTS) >> 13);
}

static void
plain_from_floats(const float *in, uint16_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = half_from_float(in[i]);
}

static void
plain_to_floats(const uint16_t *in, float *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = half_to_float(in[i]);
}

#define PRODUCT(x, y) ((x) * (y))
#define SQUARE(x, y)  (((x) - (y)) * ((x) - (y)))

/* TERM(x, y) of the query and the halves, in lanes that do not wait for each other. */
#define SUM_PLAIN(TERM)                                             \
	float sums[PLAIN_LANES] = {0}, sum = 0;                         \
	size_t i = 0;                                                   \
                                                                    \
	for (; i + PLAIN_LANES <= n; i += PLAIN_LANES)                  \
		for (size_t k = 0; k < PLAIN_LANES; k++)                    \
			sums[k] += TERM(query[i + k], half_to_float(v[i + k])); \
	for (; i < n; i++)                                              \
		sum += TERM(query[i], half_to_float(v[i]));                 \
	for (size_t k = 0; k < PLAIN_LANES; k++)                        \
		sum += sums[k];                                             \
	return sum

static float
plain_sum_squares(const float *query, const uint16_t *v, size_t n)
{
	SUM_PLAIN(SQUARE);
}

static float
plain_sum_products(const float *query, const uint16_t *v, size_t n)
{
	SUM_PLAIN(PRODUCT);
}

static const SpHalfKernels plain = {plain_from_floats, plain_to_floats, plain_sum_squares,
                                    plain_sum_products};

#ifdef __x86_64__
#include <immintrin.h>

/* clang learned to ask for F16C late; it then has AVX-512 or the plain loops. */
#if !defined(__clang__) && __GNUC__ >= 11
#define HAVE_F16C
#endif

#define ROUND (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#endif

#ifdef HAVE_F16C

#define F16C_TARGET __attribute__((target("avx2,fma,f16c")))
#define F16C_LANES  8

/* The limit comes first: of a pair with a NaN the second one is kept. */
F16C_TARGET static inline __m128i
f16c_round(__m256 x)
{
	x = _mm256_min_ps(_mm256_set1_ps(SP_HALF_MAX), x);
	x = _mm256_max_ps(_mm256_set1_ps(-SP_HALF_MAX), x);
	return _mm256_cvtps_ph(x, ROUND);
}

F16C_TARGET static void
f16c_from_floats(const float *in, uint16_t *out, size_t n)
{
	float end[F16C_LANES] = {0};
	uint16_t rounded[F16C_LANES];
	size_t i = 0;

	for (; i + F16C_LANES <= n; i += F16C_LANES)
		_mm_storeu_si128((__m128i *) (out + i), f16c_round(_mm256_loadu_ps(in + i)));
	if (i == n)
		return;
	memcpy(end, in + i, (n - i) * sizeof(float));
	_mm_storeu_si128((__m128i *) rounded, f16c_round(_mm256_loadu_ps(end)));
	memcpy(out + i, rounded, (n - i) * sizeof(uint16_t));
}

F16C_TARGET static inline __m256
f16c_load(const uint16_t *in)
{
	return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) in));
}

F16C_TARGET static void
f16c_to_floats(const uint16_t *in, float *out, size_t n)
{
	uint16_t end[F16C_LANES] = {0};
	float exact[F16C_LANES];
	size_t i = 0;

	for (; i + F16C_LANES <= n; i += F16C_LANES)
		_mm256_storeu_ps(out + i, f16c_load(in + i));
	if (i == n)
		return;
	memcpy(end, in + i, (n - i) * sizeof(uint16_t));
	_mm256_storeu_ps(exact, f16c_load(end));
	memcpy(out + i, exact, (n - i) * sizeof(float));
}

#define F16C_PRODUCT(sum, x, y) sum = _mm256_fmadd_ps(x, y, sum)
#define F16C_SQUARE(sum, x, y)                      \
	do                                              \
	{                                               \
		__m256 apart_ = _mm256_sub_ps(x, y);        \
                                                    \
		sum = _mm256_fmadd_ps(apart_, apart_, sum); \
	} while (0)

#define F16C_ADD(ADD_TERM, sum, at) \
	ADD_TERM(sum, _mm256_loadu_ps(query + (at)), f16c_load(v + (at)))

/* Four sums at a time, as an addition takes four cycles. */
#define SUM_F16C(ADD_TERM)                                            \
	__m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;       \
	float lanes[F16C_LANES];                                          \
	size_t i = 0;                                                     \
                                                                      \
	for (; i + 4 * F16C_LANES <= n; i += 4 * F16C_LANES)              \
	{                                                                 \
		F16C_ADD(ADD_TERM, s0, i);                                    \
		F16C_ADD(ADD_TERM, s1, i + F16C_LANES);                       \
		F16C_ADD(ADD_TERM, s2, i + 2 * F16C_LANES);                   \
		F16C_ADD(ADD_TERM, s3, i + 3 * F16C_LANES);                   \
	}                                                                 \
	for (; i + F16C_LANES <= n; i += F16C_LANES)                      \
		F16C_ADD(ADD_TERM, s1, i);                                    \
	if (i < n)                                                        \
	{                                                                 \
		float x[F16C_LANES] = {0};                                    \
		uint16_t y[F16C_LANES] = {0};                                 \
                                                                      \
		memcpy(x, query + i, (n - i) * sizeof(float));                \
		memcpy(y, v + i, (n - i) * sizeof(uint16_t));                 \
		ADD_TERM(s2, _mm256_loadu_ps(x), f16c_load(y));               \
	}                                                                 \
	s0 = _mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)); \
	_mm256_storeu_ps(lanes, s0);                                      \
	return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +          \
	       ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]))

F16C_TARGET static float
f16c_sum_squares(const float *query, const uint16_t *v, size_t n)
{
	SUM_F16C(F16C_SQUARE);
}

F16C_TARGET static float
f16c_sum_products(const float *query, const uint16_t *v, size_t n)
{
	SUM_F16C(F16C_PRODUCT);
}

static const SpHalfKernels f16c = {f16c_from_floats, f16c_to_floats, f16c_sum_squares,
                                   f16c_sum_products};

#define HAS_F16C                                                        \
	(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && \
	 __builtin_cpu_supports("f16c"))

#endif /* HAVE_F16C */

#ifdef __x86_64__

#define AVX512_TARGET __attribute__((target("avx512f,avx512bw,avx512vl")))
#define AVX512_LANES  16

/* Lanes that are there from i on; what is behind the end is not read, and counts as zeros. */
#define SOME(i) (n - (i) < AVX512_LANES ? (__mmask16) ((1u << (n - (i))) - 1) : (__mmask16) 0xffff)

AVX512_TARGET static void
avx512_from_floats(const float *in, uint16_t *out, size_t n)
{
	for (size_t i = 0; i < n; i += AVX512_LANES)
	{
		__mmask16 some = SOME(i);
		__m512 x = _mm512_maskz_loadu_ps(some, in + i);

		/* the limit comes first: of a pair with a NaN the second one is kept */
		x = _mm512_min_ps(_mm512_set1_ps(SP_HALF_MAX), x);
		x = _mm512_max_ps(_mm512_set1_ps(-SP_HALF_MAX), x);
		_mm256_mask_storeu_epi16(out + i, some, _mm512_cvtps_ph(x, ROUND));
	}
}

AVX512_TARGET static void
avx512_to_floats(const uint16_t *in, float *out, size_t n)
{
	for (size_t i = 0; i < n; i += AVX512_LANES)
	{
		__mmask16 some = SOME(i);

		_mm512_mask_storeu_ps(out + i, some,
		                      _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(some, in + i)));
	}
}

#define AVX512_PRODUCT(sum, x, y) sum = _mm512_fmadd_ps(x, y, sum)
#define AVX512_SQUARE(sum, x, y)                    \
	do                                              \
	{                                               \
		__m512 apart_ = _mm512_sub_ps(x, y);        \
                                                    \
		sum = _mm512_fmadd_ps(apart_, apart_, sum); \
	} while (0)

#define AVX512_ADD(ADD_TERM, sum, at)            \
	ADD_TERM(sum, _mm512_loadu_ps(query + (at)), \
	         _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) (v + (at)))))

#define SUM_AVX512(ADD_TERM)                                               \
	__m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;            \
	size_t i = 0;                                                          \
                                                                           \
	for (; i + 4 * AVX512_LANES <= n; i += 4 * AVX512_LANES)               \
	{                                                                      \
		AVX512_ADD(ADD_TERM, s0, i);                                       \
		AVX512_ADD(ADD_TERM, s1, i + AVX512_LANES);                        \
		AVX512_ADD(ADD_TERM, s2, i + 2 * AVX512_LANES);                    \
		AVX512_ADD(ADD_TERM, s3, i + 3 * AVX512_LANES);                    \
	}                                                                      \
	for (; i < n; i += AVX512_LANES)                                       \
	{                                                                      \
		__mmask16 some = SOME(i);                                          \
		__m512 y = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(some, v + i)); \
                                                                           \
		ADD_TERM(s1, _mm512_maskz_loadu_ps(some, query + i), y);           \
	}                                                                      \
	s0 = _mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3));      \
	return _mm512_reduce_add_ps(s0)

AVX512_TARGET static float
avx512_sum_squares(const float *query, const uint16_t *v, size_t n)
{
	SUM_AVX512(AVX512_SQUARE);
}

AVX512_TARGET static float
avx512_sum_products(const float *query, const uint16_t *v, size_t n)
{
	SUM_AVX512(AVX512_PRODUCT);
}

static const SpHalfKernels avx512 = {avx512_from_floats, avx512_to_floats, avx512_sum_squares,
                                     avx512_sum_products};

#define HAS_AVX512                                                              \
	(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && \
	 __builtin_cpu_supports("avx512vl"))

#endif /* __x86_64__ */

const SpHalfKernels *
sp_half_kernels(SpHalfLevel level)
{
	if (level == SP_HALF_PLAIN)
		return &plain;
#ifdef HAVE_F16C
	if (level == SP_HALF_F16C && HAS_F16C)
		return &f16c;
#endif
#ifdef __x86_64__
	if (level == SP_HALF_AVX512 && HAS_AVX512)
		return &avx512;
#endif
	return NULL;
}

const SpHalfKernels *
sp_half_fastest(void)
{
#ifdef __x86_64__
	if (HAS_AVX512)
		return &avx512;
#endif
#ifdef HAVE_F16C
	if (HAS_F16C)
		return &f16c;
#endif
	return &plain;
}
