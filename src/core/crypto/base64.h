/*
 * src/core/crypto/base64.h
 *	  base64, base64url and base32 (RFC 4648), as strictly as they can be read.
 *
 * One value has one text: no line breaks, no blanks, no other characters, and
 * the bits of the last character that belong to no byte are zero (RFC 4648,
 * section 3.5).  Two texts that decode to the same bytes would be two names
 * of one token, or two spellings of one signature.
 *
 * Encoders write no NUL.  Decoders that refuse leave what out points at
 * undefined, and never write more than `capacity` bytes.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_CRYPTO_BASE64_H
#define SP_CRYPTO_BASE64_H

#include "core/sp_base.h"

/* Characters of n bytes: unpadded, padded to four, unpadded. */
#define SP_BASE64URL_CHARS(n) ((n) / 3 * 4 + ((n) % 3 * 8 + 5) / 6)
#define SP_BASE64_CHARS(n)    (((n) + 2) / 3 * 4)
#define SP_BASE32_CHARS(n)    ((n) / 5 * 8 + ((n) % 5 * 8 + 4) / 5)

/* The most bytes that n characters decode to. */
#define SP_BASE64_BYTES(n) ((n) / 4 * 3 + (n) % 4 * 3 / 4)
#define SP_BASE32_BYTES(n) ((n) / 8 * 5 + (n) % 8 * 5 / 8)

/* RFC 4648, section 5, without padding as RFC 7515, section 2 wants it. */
void sp_base64url_encode(const void *data, size_t n, char *out);
SpStatus sp_base64url_decode(const char *text, size_t n, uint8_t *out, size_t capacity,
                             size_t *length);

/* RFC 4648, section 4; the padding is required. */
void sp_base64_encode(const void *data, size_t n, char *out);
SpStatus sp_base64_decode(const char *text, size_t n, uint8_t *out, size_t capacity,
                          size_t *length);

/* RFC 4648, section 6, upper case, without padding as authenticator programs want it. */
void sp_base32_encode(const void *data, size_t n, char *out);
SpStatus sp_base32_decode(const char *text, size_t n, uint8_t *out, size_t capacity,
                          size_t *length);

/*
 * Each decoder: SP_ERR_BAD_DATA when text is not exactly what the encoder
 * writes, SP_ERR_TOO_LARGE when the bytes do not fit.
 */

#endif /* SP_CRYPTO_BASE64_H */
