/*
 * src/core/crypto/envelope.h
 *	  Envelope encryption: values under data keys, data keys under a key that
 *	  lives elsewhere.
 *
 * AES-256-GCM (NIST SP 800-38D) for both.  AES key wrap (RFC 3394) would do for
 * the data keys without a nonce, but it takes no associated data, and a data
 * key that can be moved from one tenant's row to another's is what must not be.
 * Nonces are 96 random bits; with one key at most 2^32 of them are drawn (8.3
 * there), which the caller sees to by counting or by time: a new data key.
 *
 * A sealed value, version 1:
 *
 *	bytes		what
 *	1			version, 1
 *	1			kind: 1 a value, 2 a data key
 *	16			id of the key that it is sealed with
 *	12			nonce
 *	n			ciphertext
 *	16			tag
 *
 * Authenticated with it: the first 18 bytes, and the binding, which says what
 * the value is (tenant, name, version): the number of parts in 4 bytes, then of
 * each part its length in 8 bytes, and the part; numbers in network order.  So no
 * two bindings have the same bytes, and a sealed value opens in its place alone.
 *
 * The length of a value can be seen.  Nothing here says whether a value is the
 * latest: bind a version, and keep the version elsewhere.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_CRYPTO_ENVELOPE_H
#define SP_CRYPTO_ENVELOPE_H

#include "core/sp_base.h"

#define SP_ENVELOPE_KEY_BYTES 32
#define SP_ENVELOPE_ID_BYTES  16
#define SP_ENVELOPE_OVERHEAD  46                   /* bytes of a sealed value beyond the value's */
#define SP_ENVELOPE_MAX       ((size_t) 256 << 20) /* bytes of a value */
#define SP_ENVELOPE_BINDING   16                   /* parts, at most */

/* Bytes of a sealed data key: its id, its key, and the overhead. */
#define SP_ENVELOPE_WRAPPED (SP_ENVELOPE_ID_BYTES + SP_ENVELOPE_KEY_BYTES + SP_ENVELOPE_OVERHEAD)

/* A key and its id, which is public.  The owner wipes it with sp_envelope_forget. */
typedef struct SpEnvelopeKey
{
	uint8_t id[SP_ENVELOPE_ID_BYTES];
	uint8_t key[SP_ENVELOPE_KEY_BYTES];
} SpEnvelopeKey;

/* A part of a binding; NULL with 0 bytes is an empty part, which counts. */
typedef struct SpEnvelopePart
{
	const void *bytes;
	size_t length;
} SpEnvelopePart;

/*
 * The key-encryption key from the text of a file: 32 bytes as 64 hexadecimal
 * digits or as 44 characters of base64, with or without a line end (what
 * `openssl rand -hex 32` and `-base64 32` print).  A passphrase is refused, and so
 * are 32 equal bytes.  Its id follows from the key, so that a wrong file is
 * told from damage.  SP_ERR_BAD_DATA, SP_ERR_NO_MEMORY; out is then zero.
 */
SpStatus sp_envelope_key_read(const char *text, size_t length, SpEnvelopeKey *out, SpFault *fault);

/* A new data key with a random id.  SP_ERR_IO. */
SpStatus sp_envelope_key_make(SpEnvelopeKey *out);

void sp_envelope_forget(SpEnvelopeKey *key);

/*
 * Seals n bytes into out, of n + SP_ENVELOPE_OVERHEAD; plain and out may not
 * overlap.  SP_ERR_TOO_LARGE, SP_ERR_BAD_ARG (too many parts), SP_ERR_IO,
 * SP_ERR_NO_MEMORY.
 */
SpStatus sp_envelope_seal(const SpEnvelopeKey *key, const SpEnvelopePart *binding, int parts,
                          const void *plain, size_t n, uint8_t *out);

/*
 * Opens a sealed value into out, of n - SP_ENVELOPE_OVERHEAD bytes, and says how
 * many they are.  SP_ERR_BAD_DATA: no sealed value, another key's, or not
 * authentic under this binding; SP_ERR_UNSUPPORTED: of a later version;
 * SP_ERR_TOO_LARGE, SP_ERR_NO_MEMORY.  out then holds zeros, and the fault nothing
 * of the value or the key.  The caller wipes out when done with it.
 */
SpStatus sp_envelope_open(const SpEnvelopeKey *key, const SpEnvelopePart *binding, int parts,
                          const uint8_t *sealed, size_t n, uint8_t *out, size_t *length,
                          SpFault *fault);

/* A data key under another key; as seal and open.  A value never opens as a key. */
SpStatus sp_envelope_wrap(const SpEnvelopeKey *key, const SpEnvelopePart *binding, int parts,
                          const SpEnvelopeKey *data_key, uint8_t out[SP_ENVELOPE_WRAPPED]);
SpStatus sp_envelope_unwrap(const SpEnvelopeKey *key, const SpEnvelopePart *binding, int parts,
                            const uint8_t *sealed, size_t n, SpEnvelopeKey *out, SpFault *fault);

/* The id of the key that a sealed value needs; SP_ERR_BAD_DATA when it is none. */
SpStatus sp_envelope_key_id(const uint8_t *sealed, size_t n, uint8_t id[SP_ENVELOPE_ID_BYTES]);

#endif /* SP_CRYPTO_ENVELOPE_H */
