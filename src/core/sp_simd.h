/*
 * src/core/sp_simd.h
 *	  Run-time dispatch for hot loops.
 *
 * A function marked SP_CLONES is compiled once for each instruction set and
 * the loader picks the one that the machine has (an ifunc).  Nothing is ever
 * built with -march=native: a package built on one machine must run on
 * another.  Sanitizers instrument the resolver too early to run, and clang
 * before 17 has no architecture levels as targets: there the plain function
 * is built.
 *
 * Mark the function with the loop, not its callers, and give it no static
 * variables: a clone may not be inlined, so each call costs an indirect jump.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_SIMD_H
#define SP_SIMD_H

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && defined(__x86_64__) && \
	defined(__ELF__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SP_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SP_CLONES
#endif

#endif /* SP_SIMD_H */
