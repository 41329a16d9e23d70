/*
 * src/core/jose/signature.h
 *	  Signatures and codes over bytes, in the forms that JOSE gives them.
 *
 * RSASSA-PKCS1-v1_5 and PSS as long as the modulus (RFC 8017); ECDSA as r and
 * s, each as long as the curve's order, one after the other (RFC 7518, 3.4);
 * Ed25519 as 64 bytes (RFC 8032); HMAC whole.  A signature of another length
 * is wrong, whatever is in it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_JOSE_SIGNATURE_H
#define SP_JOSE_SIGNATURE_H

#include "core/jose/jwk.h"

#define SP_SIGNATURE_MAX (SP_JWK_RSA_MAX / 8) /* bytes */

/*
 * SP_OK when the signature is the key's over data; SP_ERR_BAD_DATA when it is
 * not; SP_ERR_BAD_ARG when the key does not verify alg; SP_ERR_NO_MEMORY.
 */
SpStatus sp_signature_check(SpJwk *key, SpJwa alg, const void *data, size_t n,
                            const uint8_t *signature, size_t length);

/*
 * The signature into out, of SP_SIGNATURE_MAX bytes.  SP_ERR_BAD_ARG when the
 * key does not sign alg; SP_ERR_BAD_DATA when OpenSSL finds its numbers wrong;
 * SP_ERR_NO_MEMORY.
 */
SpStatus sp_signature_make(SpJwk *key, SpJwa alg, const void *data, size_t n, uint8_t *out,
                           size_t *length);

#endif /* SP_JOSE_SIGNATURE_H */
