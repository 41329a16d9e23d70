/*
 * src/core/crypto/envelope.c
 *	  Envelope encryption: the form of sealed values, and what they are bound to.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/crypto/envelope.h"

#include <string.h>

#include "core/crypto/base64.h"
#include "core/crypto/constant_time.h"
#include "core/crypto/envelope_gcm.h"
#include "core/crypto/hmac.h"
#include "core/crypto/random.h"

#define VERSION       1
#define KIND_VALUE    1
#define KIND_DATA_KEY 2

/* Offsets: see envelope.h. */
#define AT_ID     2
#define AT_NONCE  (AT_ID + SP_ENVELOPE_ID_BYTES)
#define AT_CIPHER (AT_NONCE + SP_GCM_NONCE_BYTES)
#define HEAD      AT_NONCE

/* What the id of a key-encryption key is the HMAC of, under that key. */
#define ID_LABEL "spotai key-encryption key, id, version 1"

/* --- keys ------------------------------------------------------------------- */

/* 0 to 15, or -1; without branches, as it reads a key. */
static int
hex_value(char c)
{
	int digit = c - '0', upper = c - 'A', lower = c - 'a', v = -1;

	v = ((digit >= 0) & (digit < 10)) ? digit : v;
	v = ((upper >= 0) & (upper < 6)) ? upper + 10 : v;
	v = ((lower >= 0) & (lower < 6)) ? lower + 10 : v;
	return v;
}

static bool
read_hex(const char *text, uint8_t *key)
{
	int wrong = 0;

	for (int i = 0; i < SP_ENVELOPE_KEY_BYTES; i++)
	{
		int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

		wrong |= high | low;
		key[i] = (uint8_t) ((unsigned) high << 4 | (unsigned) low);
	}
	return wrong >= 0;
}

static bool
read_key(const char *text, size_t length, uint8_t *key)
{
	size_t n;

	if (length == 2 * SP_ENVELOPE_KEY_BYTES)
		return read_hex(text, key);
	return length == SP_BASE64_CHARS(SP_ENVELOPE_KEY_BYTES) &&
	       sp_base64_decode(text, length, key, SP_ENVELOPE_KEY_BYTES, &n) == SP_OK &&
	       n == SP_ENVELOPE_KEY_BYTES;
}

static bool
all_equal(const uint8_t *key)
{
	uint8_t differs = 0;

	for (int i = 1; i < SP_ENVELOPE_KEY_BYTES; i++)
		differs |= key[i] ^ key[0];
	return differs == 0;
}

SpStatus
sp_envelope_key_read(const char *text, size_t length, SpEnvelopeKey *out, SpFault *fault)
{
	static const char hint[] = "Make a key with: openssl rand -hex 32";
	uint8_t mac[SP_HASH_SHA256_BYTES];
	SpStatus st = SP_OK;

	memset(out, 0, sizeof(*out));
	if (length > 0 && text[length - 1] == '\n')
		length--;
	if (length > 0 && text[length - 1] == '\r')
		length--;
	if (!read_key(text, length, out->key))
		st = sp_fault(
			fault, SP_ERR_BAD_DATA, hint,
			"The key is not 32 bytes as 64 hexadecimal digits or 44 characters of base64.");
	else if (all_equal(out->key))
		st = sp_fault(fault, SP_ERR_BAD_DATA, hint, "All bytes of the key are the same.");
	if (st == SP_OK)
		st = sp_hmac_once(SP_HASH_SHA256, out->key, SP_ENVELOPE_KEY_BYTES, ID_LABEL,
		                  strlen(ID_LABEL), mac);
	if (st != SP_OK)
	{
		sp_envelope_forget(out);
		return st;
	}
	memcpy(out->id, mac, SP_ENVELOPE_ID_BYTES);
	return SP_OK;
}

SpStatus
sp_envelope_key_make(SpEnvelopeKey *out)
{
	SpStatus st = sp_crypto_random(out->id, SP_ENVELOPE_ID_BYTES);

	if (st == SP_OK)
		st = sp_crypto_random(out->key, SP_ENVELOPE_KEY_BYTES);
	if (st != SP_OK)
		sp_envelope_forget(out);
	return st;
}

void
sp_envelope_forget(SpEnvelopeKey *key)
{
	sp_crypto_wipe(key, sizeof(*key));
}

/* --- sealing and opening ------------------------------------------------------ */

static SpStatus
authenticate_number(SpGcm *gcm, uint64_t number, int bytes)
{
	uint8_t text[8];

	for (int i = 0; i < bytes; i++)
		text[i] = (uint8_t) (number >> (8 * (bytes - 1 - i)));
	return sp_gcm_authenticate(gcm, text, (size_t) bytes);
}

static SpStatus
authenticate(SpGcm *gcm, const uint8_t *head, const SpEnvelopePart *binding, int parts)
{
	SpStatus st = sp_gcm_authenticate(gcm, head, HEAD);

	if (st == SP_OK)
		st = authenticate_number(gcm, (uint64_t) parts, 4);
	for (int i = 0; i < parts && st == SP_OK; i++)
	{
		st = authenticate_number(gcm, binding[i].length, 8);
		if (st == SP_OK)
			st = sp_gcm_authenticate(gcm, binding[i].bytes, binding[i].length);
	}
	return st;
}

static SpStatus
seal(uint8_t kind, const SpEnvelopeKey *key, const SpEnvelopePart *binding, int parts,
     const void *plain, size_t n, uint8_t *out)
{
	SpGcm *gcm = NULL;
	SpStatus st;

	if (n > SP_ENVELOPE_MAX)
		return SP_ERR_TOO_LARGE;
	if (parts < 0 || parts > SP_ENVELOPE_BINDING)
		return SP_ERR_BAD_ARG;
	out[0] = VERSION;
	out[1] = kind;
	memcpy(out + AT_ID, key->id, SP_ENVELOPE_ID_BYTES);
	st = sp_crypto_random(out + AT_NONCE, SP_GCM_NONCE_BYTES);
	if (st == SP_OK)
		st = sp_gcm_start(true, key->key, out + AT_NONCE, &gcm);
	if (st == SP_OK)
		st = authenticate(gcm, out, binding, parts);
	if (st == SP_OK)
		st = sp_gcm_seal(gcm, plain, n, out + AT_CIPHER, out + AT_CIPHER + n);
	sp_gcm_end(gcm);
	return st;
}

/* What can be said without the key. */
static SpStatus
check_form(uint8_t kind, const SpEnvelopeKey *key, const uint8_t *sealed, size_t n, SpFault *fault)
{
	if (n < SP_ENVELOPE_OVERHEAD || sealed[0] == 0)
		return sp_fault(fault, SP_ERR_BAD_DATA, "", "It is no sealed value.");
	if (n > SP_ENVELOPE_MAX + SP_ENVELOPE_OVERHEAD)
		return sp_fault(fault, SP_ERR_TOO_LARGE, "", "It is larger than any sealed value.");
	if (sealed[0] != VERSION)
		return sp_fault(fault, SP_ERR_UNSUPPORTED, "",
		                "It was sealed by another version of the software.");
	if (sealed[1] != kind)
		return sp_fault(fault, SP_ERR_BAD_DATA, "", "It is a sealed value of another kind.");
	if (!sp_crypto_equal(sealed + AT_ID, SP_ENVELOPE_ID_BYTES, key->id, SP_ENVELOPE_ID_BYTES))
		return sp_fault(fault, SP_ERR_BAD_DATA, "Is the configured key the right one?",
		                "It was sealed with another key.");
	return SP_OK;
}

static SpStatus
unseal(uint8_t kind, const SpEnvelopeKey *key, const SpEnvelopePart *binding, int parts,
       const uint8_t *sealed, size_t n, uint8_t *out, SpFault *fault)
{
	SpGcm *gcm = NULL;
	SpStatus st;

	if (parts < 0 || parts > SP_ENVELOPE_BINDING)
		return SP_ERR_BAD_ARG;
	st = check_form(kind, key, sealed, n, fault);
	if (st != SP_OK)
		return st;
	st = sp_gcm_start(false, key->key, sealed + AT_NONCE, &gcm);
	if (st == SP_OK)
		st = authenticate(gcm, sealed, binding, parts);
	if (st == SP_OK)
		st = sp_gcm_open(gcm, sealed + AT_CIPHER, n - SP_ENVELOPE_OVERHEAD,
		                 sealed + n - SP_GCM_TAG_BYTES, out);
	sp_gcm_end(gcm);
	if (st == SP_ERR_BAD_DATA)
		return sp_fault(fault, st, "", "It is damaged, or it was moved here from another place.");
	return st;
}

SpStatus
sp_envelope_seal(const SpEnvelopeKey *key, const SpEnvelopePart *binding, int parts,
                 const void *plain, size_t n, uint8_t *out)
{
	return seal(KIND_VALUE, key, binding, parts, plain, n, out);
}

SpStatus
sp_envelope_open(const SpEnvelopeKey *key, const SpEnvelopePart *binding, int parts,
                 const uint8_t *sealed, size_t n, uint8_t *out, size_t *length, SpFault *fault)
{
	SpStatus st;

	*length = 0;
	st = unseal(KIND_VALUE, key, binding, parts, sealed, n, out, fault);
	if (st == SP_OK)
		*length = n - SP_ENVELOPE_OVERHEAD;
	else if (n > SP_ENVELOPE_OVERHEAD)
		sp_crypto_wipe(out, n - SP_ENVELOPE_OVERHEAD);
	return st;
}

SpStatus
sp_envelope_wrap(const SpEnvelopeKey *key, const SpEnvelopePart *binding, int parts,
                 const SpEnvelopeKey *data_key, uint8_t out[SP_ENVELOPE_WRAPPED])
{
	uint8_t plain[sizeof(SpEnvelopeKey)];
	SpStatus st;

	memcpy(plain, data_key->id, SP_ENVELOPE_ID_BYTES);
	memcpy(plain + SP_ENVELOPE_ID_BYTES, data_key->key, SP_ENVELOPE_KEY_BYTES);
	st = seal(KIND_DATA_KEY, key, binding, parts, plain, sizeof(plain), out);
	sp_crypto_wipe(plain, sizeof(plain));
	return st;
}

SpStatus
sp_envelope_unwrap(const SpEnvelopeKey *key, const SpEnvelopePart *binding, int parts,
                   const uint8_t *sealed, size_t n, SpEnvelopeKey *out, SpFault *fault)
{
	uint8_t plain[sizeof(SpEnvelopeKey)];
	SpStatus st;

	memset(out, 0, sizeof(*out));
	if (n != SP_ENVELOPE_WRAPPED)
		return sp_fault(fault, SP_ERR_BAD_DATA, "", "It is no sealed data key.");
	st = unseal(KIND_DATA_KEY, key, binding, parts, sealed, n, plain, fault);
	if (st == SP_OK)
	{
		memcpy(out->id, plain, SP_ENVELOPE_ID_BYTES);
		memcpy(out->key, plain + SP_ENVELOPE_ID_BYTES, SP_ENVELOPE_KEY_BYTES);
	}
	sp_crypto_wipe(plain, sizeof(plain));
	return st;
}

SpStatus
sp_envelope_key_id(const uint8_t *sealed, size_t n, uint8_t id[SP_ENVELOPE_ID_BYTES])
{
	if (n < SP_ENVELOPE_OVERHEAD || sealed[0] != VERSION)
		return SP_ERR_BAD_DATA;
	memcpy(id, sealed + AT_ID, SP_ENVELOPE_ID_BYTES);
	return SP_OK;
}
