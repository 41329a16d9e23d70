/*
 * tests/bench/neural_peak.h
 *	  What this CPU can do at most: multiplications and additions in registers.
 *
 * Accumulators never leave their registers and there are enough of them to
 * hide the latency of the instruction (at most 6 cycles, two a cycle), so nothing but
 * the arithmetic units is measured.  AMX has no loop here: with it the
 * library's own matrix product is what we compare with.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef NEURAL_PEAK_H
#define NEURAL_PEAK_H

#include "core/nn/nn.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define PEAK_SUMS 12 /* AVX2 has 16 registers */

/* Keeps the compiler from seeing that a sum is of no use. */
#define PEAK_KEEP(x) __asm__ volatile("" : "+v"(x))

/* Variables, not an array: that would be kept in memory too. */
#define PEAK_EACH(x) x(a) x(b) x(c) x(d) x(e) x(f) x(g) x(h) x(i) x(j) x(k) x(l)

#define PEAK_LOOP(set, step)                          \
	do                                                \
	{                                                 \
		PEAK_KEEP(factor);                            \
		PEAK_EACH(set)                                \
		for (long round = 0; round < rounds; round++) \
		{                                             \
			PEAK_EACH(step)                           \
		}                                             \
	} while (0)

#define PEAK_SET256(s) __m256 s = _mm256_setzero_ps();
#define PEAK_SET512(s) __m512 s = _mm512_setzero_ps();
#define PEAK_FMA256(s)                      \
	s = _mm256_fmadd_ps(factor, factor, s); \
	PEAK_KEEP(s);
#define PEAK_FMA512(s)                      \
	s = _mm512_fmadd_ps(factor, factor, s); \
	PEAK_KEEP(s);
#define PEAK_DOT512(s)                       \
	s = _mm512_dpbf16_ps(s, factor, factor); \
	PEAK_KEEP(s);

__attribute__((target("avx2,fma"))) static void
peak_fma256(long rounds)
{
	__m256 factor = _mm256_set1_ps(0.5f);

	PEAK_LOOP(PEAK_SET256, PEAK_FMA256);
}

__attribute__((target("avx512f"))) static void
peak_fma512(long rounds)
{
	__m512 factor = _mm512_set1_ps(0.5f);

	PEAK_LOOP(PEAK_SET512, PEAK_FMA512);
}

__attribute__((target("avx512f,avx512bf16"))) static void
peak_dot512(long rounds)
{
	__m512 half = _mm512_set1_ps(0.5f);
	__m512bh factor = _mm512_cvtne2ps_pbh(half, half);

	PEAK_LOOP(PEAK_SET512, PEAK_DOT512);
}

/* Runs that many rounds and gives the operations of one; 0 when the CPU has no such instruction. */
static inline double
peak_run(SpPrecision precision, long rounds)
{
	if (precision == SP_PRECISION_BF16)
	{
		if (!__builtin_cpu_supports("avx512bf16"))
			return 0.0;
		peak_dot512(rounds);
		return PEAK_SUMS * 32 * 2;
	}
	if (__builtin_cpu_supports("avx512f"))
	{
		peak_fma512(rounds);
		return PEAK_SUMS * 16 * 2;
	}
	if (!__builtin_cpu_supports("fma"))
		return 0.0;
	peak_fma256(rounds);
	return PEAK_SUMS * 8 * 2;
}

#else

static inline double
peak_run(SpPrecision precision, long rounds)
{
	(void) precision;
	(void) rounds;
	return 0.0;
}

#endif

#endif /* NEURAL_PEAK_H */
