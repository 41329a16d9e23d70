/*
 * src/core/model/crc32c.h
 *	  CRC-32C (Castagnoli), plain and as LevelDB and TensorFlow mask it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_CRC32C_H
#define SP_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tables; 8 KiB, filled once by their owner. */
typedef struct SpCrc32c
{
	bool instruction; /* the CPU has one for it; false takes the tables */
	uint32_t table[8][256];
} SpCrc32c;

void sp_crc32c_init(SpCrc32c *tables);

/* The checksum of what crc was computed of (0: nothing) followed by n bytes. */
uint32_t sp_crc32c_extend(const SpCrc32c *tables, uint32_t crc, const void *bytes, size_t n);

/*
 * As stored: a file that holds its own checksums would otherwise have a
 * checksum of checksums, which CRCs are bad at.
 */
static inline uint32_t
sp_crc32c_mask(uint32_t crc)
{
	return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

#endif /* SP_CRC32C_H */
