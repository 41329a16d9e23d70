/*
 * src/core/crypto/constant_time.c
 *	  Comparing and forgetting secrets, by the library that others review.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/crypto/constant_time.h"

#include <openssl/crypto.h>

bool
sp_crypto_equal(const void *a, size_t a_length, const void *b, size_t b_length)
{
	if (a_length != b_length)
		return false;
	return a_length == 0 || CRYPTO_memcmp(a, b, a_length) == 0;
}

void
sp_crypto_wipe(void *p, size_t n)
{
	if (p != NULL)
		OPENSSL_cleanse(p, n);
}
