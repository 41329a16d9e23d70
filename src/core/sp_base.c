/*
 * src/core/sp_base.c
 *	  Aligned allocation through the host's environment, and faults.
 *
 * SIMD kernels and FFTW want 64-byte alignment, which neither palloc nor
 * malloc promises.  We over-allocate and keep the host's own pointer in the
 * word before the aligned block.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/sp_base.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/*
 * More than any one call of a library takes: creating the largest primitive of
 * Spleeter's network took oneDNN 2.2 MB.
 */
#define LIBRARY_BYTES ((size_t) 32 << 20)

void *
sp_alloc(const SpEnv *env, size_t n, size_t size)
{
	size_t bytes;
	char *raw;
	char *aligned;

	if (__builtin_mul_overflow(n, size, &bytes) ||
	    __builtin_add_overflow(bytes, sizeof(void *) + SP_ALIGN, &bytes))
		return NULL;
	raw = env->alloc(env->host, bytes);
	if (raw == NULL)
		return NULL;
	aligned = raw + sizeof(void *);
	aligned += -(uintptr_t) aligned % SP_ALIGN;
	memcpy(aligned - sizeof(void *), &raw, sizeof(void *));
	return aligned;
}

void *
sp_calloc(const SpEnv *env, size_t n, size_t size)
{
	void *p = sp_alloc(env, n, size);

	if (p != NULL)
		memset(p, 0, n * size);
	return p;
}

void
sp_free(const SpEnv *env, void *p)
{
	void *raw;

	if (p == NULL)
		return;
	memcpy(&raw, (char *) p - sizeof(void *), sizeof(void *));
	env->release(env->host, raw);
}

/* Address space is asked for and given back untouched, which takes 2 microseconds. */
bool
sp_can_enter_library(void)
{
	void *p = mmap(NULL, LIBRARY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	munmap(p, LIBRARY_BYTES);
	return true;
}

SpStatus
sp_fault(SpFault *fault, SpStatus st, const char *hint, const char *detail_format, ...)
{
	va_list args;

	if (fault == NULL)
		return st;
	va_start(args, detail_format);
	vsnprintf(fault->detail, sizeof(fault->detail), detail_format, args);
	va_end(args);
	snprintf(fault->hint, sizeof(fault->hint), "%s", hint ? hint : "");
	return st;
}
