/*
 * src/core/crypto/sha256.h
 *	  SHA-256 (FIPS 180-4) by OpenSSL, from a hasher that is used again.
 *
 * Fetching an algorithm costs OpenSSL 3 more than hashing a node of a tree,
 * so that whoever hashes many small things keeps one SpSha256.  It belongs to
 * one thread at a time.  OpenSSL's calls fail for want of memory alone, which
 * is what SP_ERR_NO_MEMORY from here means.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_CRYPTO_SHA256_H
#define SP_CRYPTO_SHA256_H

#include "core/sp_base.h"

#define SP_DIGEST_BYTES 32

typedef struct SpDigest
{
	uint8_t bytes[SP_DIGEST_BYTES];
} SpDigest;

typedef struct SpSha256 SpSha256;

/* *out is the caller's to free, also after a failure, when it is NULL. */
SpStatus sp_sha256_new(const SpEnv *env, SpSha256 **out);
void sp_sha256_free(SpSha256 *sha);

/*
 * One message in pieces: begin, add as often as wanted (also nothing: data may
 * be NULL when n is 0), end.  begin forgets what an earlier message left.
 */
SpStatus sp_sha256_begin(SpSha256 *sha);
SpStatus sp_sha256_add(SpSha256 *sha, const void *data, size_t n);
SpStatus sp_sha256_end(SpSha256 *sha, SpDigest *out);

/* One message of n bytes; data may be NULL when n is 0. */
SpStatus sp_sha256_run(SpSha256 *sha, const void *data, size_t n, SpDigest *out);

/* For what is public: the time tells where they differ. */
bool sp_digest_equal(const SpDigest *a, const SpDigest *b);

#endif /* SP_CRYPTO_SHA256_H */
