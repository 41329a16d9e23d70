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

/* Drops what is left of a UTF-8 character that no longer fitted: RFC 3629, section 3. */
static void
drop_half_character(char *text)
{
	size_t n = strlen(text), tail = 0;

	while (tail < n && tail < 3 && ((unsigned char) text[n - 1 - tail] & 0xC0) == 0x80)
		tail++;
	if (tail < n)
	{
		unsigned char lead = (unsigned char) text[n - 1 - tail];
		size_t wanted = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;

		if (tail < wanted)
			text[n - 1 - tail] = '\0';
	}
}

/* RFC 3629: no surrogates, no longer form than needed, nothing beyond U+10FFFF. */
int
sp_utf8_length(const char *text)
{
	const unsigned char *s = (const unsigned char *) text;
	uint32_t c;
	int n;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7F;
	if (s[0] >= 0xC2 && s[0] <= 0xDF)
		n = 2;
	else if (s[0] >= 0xE0 && s[0] <= 0xEF)
		n = 3;
	else if (s[0] >= 0xF0 && s[0] <= 0xF4)
		n = 4;
	else
		return 0;
	c = s[0] & (0xFF >> (n + 1));
	for (int i = 1; i < n; i++)
	{
		/* The NUL at the end is no continuation: we stay inside. */
		if ((s[i] & 0xC0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3F);
	}
	if ((n == 3 && (c < 0x800 || (c >= 0xD800 && c <= 0xDFFF))) ||
	    (n == 4 && (c < 0x10000 || c > 0x10FFFF)))
		return 0;
	return n;
}

/* Details quote outside input, which is whatever it is. */
static void
scrub(char *s)
{
	while (*s != '\0')
	{
		int n = sp_utf8_length(s);

		if (n == 0)
			*s = '?';
		s += n > 0 ? n : 1;
	}
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
	drop_half_character(fault->detail);
	drop_half_character(fault->hint);
	scrub(fault->detail);
	return st;
}
