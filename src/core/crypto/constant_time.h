/*
 * src/core/crypto/constant_time.h
 *	  Comparing and forgetting secrets.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_CRYPTO_CONSTANT_TIME_H
#define SP_CRYPTO_CONSTANT_TIME_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether a and b are the same bytes.  The time depends on the lengths alone,
 * which are taken to be public, never on where the bytes differ.  Two empty
 * strings are equal; the pointers may then be NULL.
 */
bool sp_crypto_equal(const void *a, size_t a_length, const void *b, size_t b_length);

/* Overwrites n bytes with zeros, and no compiler may leave it out.  p may be NULL. */
void sp_crypto_wipe(void *p, size_t n);

#endif /* SP_CRYPTO_CONSTANT_TIME_H */
