/*
 * src/core/crypto/envelope_gcm.h
 *	  AES-256-GCM, as the envelope uses it and as published vectors test it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_CRYPTO_ENVELOPE_GCM_H
#define SP_CRYPTO_ENVELOPE_GCM_H

#include "core/sp_base.h"

#define SP_GCM_KEY_BYTES   32
#define SP_GCM_NONCE_BYTES 12 /* 96 bits: the length that needs no hashing (SP 800-38D, 8.2) */
#define SP_GCM_TAG_BYTES   16

typedef struct SpGcm SpGcm;

/* What is authenticated and not encrypted comes in pieces.  SP_ERR_NO_MEMORY. */
SpStatus sp_gcm_start(bool seal, const uint8_t *key, const uint8_t *nonce, SpGcm **out);
SpStatus sp_gcm_authenticate(SpGcm *gcm, const void *data, size_t n);

/* Wipes and frees; NULL is fine. */
void sp_gcm_end(SpGcm *gcm);

/* n bytes of plain text become as many of ciphertext, and a tag. */
SpStatus sp_gcm_seal(SpGcm *gcm, const uint8_t *plain, size_t n, uint8_t *out, uint8_t *tag);

/* The reverse; SP_ERR_BAD_DATA when the tag is another, and out is then zero. */
SpStatus sp_gcm_open(SpGcm *gcm, const uint8_t *sealed, size_t n, const uint8_t *tag, uint8_t *out);

#endif /* SP_CRYPTO_ENVELOPE_GCM_H */
