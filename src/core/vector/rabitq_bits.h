/*
 * src/core/vector/rabitq_bits.h
 *	  The inner loop of an estimate: bits that codes and a query have in common.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VECTOR_RABITQ_BITS_H
#define SP_VECTOR_RABITQ_BITS_H

#include <stddef.h>
#include <stdint.h>

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
