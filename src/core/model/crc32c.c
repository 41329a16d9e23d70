/*
 * src/core/model/crc32c.c
 *	  CRC-32C by the instruction of SSE 4.2 where the CPU has it, else by eight
 *	  tables, eight bytes a step ("slicing-by-8", Kounavis and Berry, A
 *	  Systematic Approach to Building High Performance Software-based CRC
 *	  Generators, 2005).
 *
 * One chain of the instruction waits for itself, 8 bytes in 3 cycles; that is
 * faster than the file is read, and interleaving three would not pay.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* le64toh */
#endif

#include "core/model/crc32c.h"

#include <endian.h>
#include <string.h>

/* x^32 + x^28 + x^27 + ... + 1, lowest power first; RFC 3720, 12.1. */
#define POLYNOMIAL 0x82F63B78u

void
sp_crc32c_init(SpCrc32c *tables)
{
	for (uint32_t i = 0; i < 256; i++)
	{
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
		tables->table[0][i] = crc;
	}
	/* Table k: the effect of a byte with k zero bytes behind it. */
	for (int k = 1; k < 8; k++)
		for (uint32_t i = 0; i < 256; i++)
		{
			uint32_t crc = tables->table[k - 1][i];

			tables->table[k][i] = crc >> 8 ^ tables->table[0][crc & 0xFF];
		}
#ifdef __x86_64__
	tables->instruction = __builtin_cpu_supports("sse4.2") != 0;
#else
	tables->instruction = false;
#endif
}

static inline uint32_t
step(const SpCrc32c *t, uint32_t crc, const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	v = le64toh(v) ^ crc;
	return t->table[7][v & 0xFF] ^ t->table[6][v >> 8 & 0xFF] ^ t->table[5][v >> 16 & 0xFF] ^
	       t->table[4][v >> 24 & 0xFF] ^ t->table[3][v >> 32 & 0xFF] ^ t->table[2][v >> 40 & 0xFF] ^
	       t->table[1][v >> 48 & 0xFF] ^ t->table[0][v >> 56];
}

static uint32_t
by_tables(const SpCrc32c *t, uint32_t crc, const uint8_t *p, size_t n)
{
	for (; n >= 8; p += 8, n -= 8)
		crc = step(t, crc, p);
	for (; n > 0; p++, n--)
		crc = crc >> 8 ^ t->table[0][(crc ^ *p) & 0xFF];
	return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t
by_instruction(uint32_t crc, const uint8_t *p, size_t n)
{
	uint64_t wide = crc;

	for (; n >= 8; p += 8, n -= 8)
	{
		uint64_t v;

		memcpy(&v, p, sizeof(v));
		wide = __builtin_ia32_crc32di(wide, v);
	}
	crc = (uint32_t) wide;
	for (; n > 0; p++, n--)
		crc = __builtin_ia32_crc32qi(crc, *p);
	return crc;
}
#endif

uint32_t
sp_crc32c_extend(const SpCrc32c *tables, uint32_t crc, const void *bytes, size_t n)
{
#ifdef __x86_64__
	if (tables->instruction)
		return ~by_instruction(~crc, bytes, n);
#endif
	return ~by_tables(tables, ~crc, bytes, n);
}
