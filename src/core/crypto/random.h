/*
 * src/core/crypto/random.h
 *	  Bytes that nobody can guess.
 *
 * OpenSSL's generator (NIST SP 800-90A, CTR_DRBG with AES-256), which is
 * seeded by the kernel and seeds itself anew in the child after a fork: two
 * backends of one postmaster never draw the same bytes.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_CRYPTO_RANDOM_H
#define SP_CRYPTO_RANDOM_H

#include "core/sp_base.h"

/*
 * n bytes into out.  SP_ERR_IO when the generator cannot be seeded; out is
 * then zero, and must not be used.
 */
SpStatus sp_crypto_random(void *out, size_t n);

#endif /* SP_CRYPTO_RANDOM_H */
