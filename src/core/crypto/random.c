/*
 * src/core/crypto/random.c
 *	  Bytes that nobody can guess.
 *
 * The private generator, also for nonces: what becomes public of one must
 * tell nothing about a key drawn beside it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/crypto/random.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <string.h>

SpStatus
sp_crypto_random(void *out, size_t n)
{
	if (n > INT_MAX)
		return SP_ERR_BAD_ARG;
	if (n > 0 && RAND_priv_bytes(out, (int) n) != 1)
	{
		ERR_clear_error();
		memset(out, 0, n);
		return SP_ERR_IO;
	}
	return SP_OK;
}
