/*
 * src/core/vector/rabitq_bits.h
 *	  The inner loop of an estimate from codes of one bit: bits that codes and a
 *	  query have in common.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VECTOR_RABITQ_BITS_H
#define SP_VECTOR_RABITQ_BITS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bit k of each of eight bytes, as eight bits: multiplied so that none meets another. */
static inline uint64_t
sp_rabitq_gather(const uint8_t *bytes, size_t k)
{
	uint64_t eight;

	memcpy(&eight, bytes, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	eight = __builtin_bswap64(eight);
#endif
	return (eight >> k & 0x0101010101010101u) * 0x0102040810204080u >> 56;
}

/* Bits of a query's value. */
#define SP_RABITQ_PLANES 4

/*
 * sums[i] = the sum over planes k of 2^k times the bits that codes[i][words] and
 * planes[k][words], the query, share.
 */
typedef void (*SpRabitqSum)(const uint64_t *codes, size_t count, size_t words, const void *query,
                            int32_t *sums);

/* The fastest one that this machine has. */
SpRabitqSum sp_rabitq_sum(void);

/* The one that every machine has; for tests. */
void sp_rabitq_sum_plain(const uint64_t *codes, size_t count, size_t words, const void *query,
                         int32_t *sums);

#endif /* SP_VECTOR_RABITQ_BITS_H */
