/*
 * src/core/crypto/envelope_gcm.c
 *	  AES-256-GCM, as the envelope uses it and as published vectors test it.
 *
 * An SpGcm is OpenSSL's context under another name, so that headers of ours
 * need none of its headers.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/crypto/envelope_gcm.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "core/crypto/constant_time.h"

/* What one call takes: EVP counts in int. */
#define PIECE ((size_t) 1 << 30)

static EVP_CIPHER_CTX *
context(SpGcm *gcm)
{
	return (EVP_CIPHER_CTX *) gcm;
}

static SpStatus
trouble(void)
{
	ERR_clear_error();
	return SP_ERR_NO_MEMORY;
}

SpStatus
sp_gcm_start(bool seal, const uint8_t *key, const uint8_t *nonce, SpGcm **out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	*out = (SpGcm *) ctx;
	/* 12 bytes are the length that GCM begins with */
	if (ctx != NULL && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce, seal) > 0)
		return SP_OK;
	sp_gcm_end(*out);
	*out = NULL;
	return trouble();
}

/* out NULL: authenticated, not encrypted. */
static SpStatus
update(SpGcm *gcm, const uint8_t *in, size_t n, uint8_t *out)
{
	int done;

	for (size_t at = 0; at < n; at += PIECE)
	{
		size_t m = n - at < PIECE ? n - at : PIECE;

		if (EVP_CipherUpdate(context(gcm), out != NULL ? out + at : NULL, &done, in + at,
		                     (int) m) <= 0)
			return trouble();
	}
	return SP_OK;
}

SpStatus
sp_gcm_authenticate(SpGcm *gcm, const void *data, size_t n)
{
	return update(gcm, data, n, NULL);
}

void
sp_gcm_end(SpGcm *gcm)
{
	/* OpenSSL wipes the key schedule */
	EVP_CIPHER_CTX_free(context(gcm));
}

SpStatus
sp_gcm_seal(SpGcm *gcm, const uint8_t *plain, size_t n, uint8_t *out, uint8_t *tag)
{
	int done;
	SpStatus st = update(gcm, plain, n, out);

	if (st == SP_OK &&
	    (EVP_CipherFinal_ex(context(gcm), tag, &done) <= 0 ||
	     EVP_CIPHER_CTX_ctrl(context(gcm), EVP_CTRL_AEAD_GET_TAG, SP_GCM_TAG_BYTES, tag) <= 0))
		st = trouble();
	return st;
}

SpStatus
sp_gcm_open(SpGcm *gcm, const uint8_t *sealed, size_t n, const uint8_t *tag, uint8_t *out)
{
	uint8_t expected[SP_GCM_TAG_BYTES], none[SP_GCM_TAG_BYTES];
	int done;
	SpStatus st = SP_OK;

	for (int i = 0; i < SP_GCM_TAG_BYTES; i++)
		expected[i] = tag[i];
	if (EVP_CIPHER_CTX_ctrl(context(gcm), EVP_CTRL_AEAD_SET_TAG, SP_GCM_TAG_BYTES, expected) <= 0)
		st = trouble();
	if (st == SP_OK)
		st = update(gcm, sealed, n, out);
	if (st == SP_OK && EVP_CipherFinal_ex(context(gcm), none, &done) <= 0)
	{
		ERR_clear_error();
		st = SP_ERR_BAD_DATA;
	}
	if (st != SP_OK)
		sp_crypto_wipe(out, n);
	return st;
}
