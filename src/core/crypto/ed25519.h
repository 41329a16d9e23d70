/*
 * src/core/crypto/ed25519.h
 *	  Ed25519 signatures (RFC 8032, section 5.1) by OpenSSL.
 *
 * A private key is the 32 bytes that RFC 8032 calls so (a seed for others).
 * Signatures are deterministic: the same key and message make the same bytes.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_CRYPTO_ED25519_H
#define SP_CRYPTO_ED25519_H

#include "core/sp_base.h"

#define SP_ED25519_KEY_BYTES       32
#define SP_ED25519_SIGNATURE_BYTES 64

/* The public key that belongs to a private one.  SP_ERR_NO_MEMORY. */
SpStatus sp_ed25519_public(const uint8_t private_key[SP_ED25519_KEY_BYTES],
                           uint8_t public_key[SP_ED25519_KEY_BYTES]);

/* Signs n bytes; data may be NULL when n is 0.  SP_ERR_NO_MEMORY. */
SpStatus sp_ed25519_sign(const uint8_t private_key[SP_ED25519_KEY_BYTES], const void *data,
                         size_t n, uint8_t signature[SP_ED25519_SIGNATURE_BYTES]);

/*
 * SP_OK when the signature is the key's on these bytes, SP_ERR_BAD_DATA when
 * it is not (a public key that is no point of the curve included), otherwise
 * SP_ERR_NO_MEMORY.
 */
SpStatus sp_ed25519_verify(const uint8_t public_key[SP_ED25519_KEY_BYTES], const void *data,
                           size_t n, const uint8_t signature[SP_ED25519_SIGNATURE_BYTES]);

#endif /* SP_CRYPTO_ED25519_H */
