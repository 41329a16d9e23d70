/*
 * src/core/sp_simd.h
 *	  Run-time choice of instruction set for hot loops.
 *
 * SP_CLONES before a function makes gcc compile it once for each level of
 * x86-64 and let the dynamic linker choose; the build stays portable.  It is
 * empty elsewhere, and under sanitizers, whose start-up code cannot run
 * before the resolvers.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_SIMD_H
#define SP_SIMD_H

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__ELF__) && \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SP_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SP_CLONES
#endif

#endif /* SP_SIMD_H */
