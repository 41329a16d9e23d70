/*
 * src/core/crypto/hmac.h
 *	  Hashes and message authentication codes.
 *
 * FIPS 180-4 (SHA) and RFC 2104 (HMAC), by OpenSSL.  A keyed code that is
 * used more than once keeps its state in an SpHmac, which saves hashing the
 * key again.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_CRYPTO_HMAC_H
#define SP_CRYPTO_HMAC_H

#include "core/sp_base.h"

typedef enum SpHash
{
	SP_HASH_SHA1, /* for RFC 4226 and 6238 alone: HMAC-SHA-1 still holds, SHA-1 does not */
	SP_HASH_SHA256,
	SP_HASH_SHA384,
	SP_HASH_SHA512
} SpHash;

#define SP_HASH_COUNT        4
#define SP_HASH_MAX          64  /* bytes of the longest, SHA-512 */
#define SP_BLOCK_MAX         128 /* bytes of the longest block, SHA-384 and SHA-512 */
#define SP_HASH_SHA256_BYTES 32

/* Bytes of a hash: 20, 32, 48, 64. */
size_t sp_hash_bytes(SpHash hash);

/* OpenSSL's name of a hash, such as "SHA256". */
const char *sp_hash_name(SpHash hash);

/* The hash of n bytes into out, of sp_hash_bytes(hash).  SP_ERR_NO_MEMORY. */
SpStatus sp_hash_run(SpHash hash, const void *data, size_t n, uint8_t *out);

/* A code under a key of any length, also none.  SP_ERR_NO_MEMORY. */
SpStatus sp_hmac_once(SpHash hash, const void *key, size_t key_length, const void *data, size_t n,
                      uint8_t *out);

typedef struct SpHmac SpHmac;

/* The key is copied into a state that sp_hmac_free wipes.  SP_ERR_NO_MEMORY. */
SpStatus sp_hmac_new(const SpEnv *env, SpHash hash, const void *key, size_t key_length,
                     SpHmac **out);
void sp_hmac_free(SpHmac *mac);

/* The code of n bytes into out; as often as wanted, from one thread at a time. */
SpStatus sp_hmac_run(SpHmac *mac, const void *data, size_t n, uint8_t *out);

#endif /* SP_CRYPTO_HMAC_H */
