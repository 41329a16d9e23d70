/*
 * src/core/jose/otp.c
 *	  One-time passwords: HOTP (RFC 4226), TOTP (RFC 6238), and recovery codes.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/jose/otp.h"

#include <string.h>

#include "core/crypto/base64.h"
#include "core/crypto/constant_time.h"
#include "core/crypto/random.h"

#define COUNTER_BYTES 8 /* RFC 4226, section 5.1 */

/* A recovery code: groups of four letters of base32, five bits each. */
#define RECOVERY_BYTES   (SP_RECOVERY_BITS / 8)
#define RECOVERY_LETTERS (SP_RECOVERY_BITS / 5)
#define RECOVERY_GROUP   4

const SpOtp SP_OTP_DEFAULT = {SP_HASH_SHA1, 6, 30};

/* RFC 4226, section 5.3: 31 bits from where the last four bits say, modulo 10^digits. */
static uint32_t
truncate_code(const uint8_t *hash, size_t bytes, int digits)
{
	static const uint32_t powers[] = {1,      10,      100,      1000,     10000,
	                                  100000, 1000000, 10000000, 100000000};
	const uint8_t *at = hash + (hash[bytes - 1] & 0x0F);
	uint32_t number =
		(uint32_t) (at[0] & 0x7F) << 24 | (uint32_t) at[1] << 16 | (uint32_t) at[2] << 8 | at[3];

	return number % powers[digits];
}

static bool
is_sane(const SpOtp *otp, size_t secret_length)
{
	return otp->digits >= SP_OTP_DIGITS_MIN && otp->digits <= SP_OTP_DIGITS_MAX &&
	       otp->period_s > 0 && otp->period_s <= SP_OTP_PERIOD_MAX && secret_length > 0 &&
	       secret_length <= SP_OTP_SECRET_MAX;
}

SpStatus
sp_otp_code(const SpOtp *otp, const uint8_t *secret, size_t length, uint64_t counter,
            char out[SP_OTP_DIGITS_MAX + 1])
{
	uint8_t message[COUNTER_BYTES], hash[SP_HASH_MAX];
	uint32_t number;
	SpStatus st;

	out[0] = '\0';
	if (!is_sane(otp, length))
		return SP_ERR_BAD_ARG;
	for (int i = 0; i < COUNTER_BYTES; i++)
		message[i] = (uint8_t) (counter >> (56 - 8 * i));
	st = sp_hmac_once(otp->hash, secret, length, message, sizeof(message), hash);
	if (st != SP_OK)
		return st;
	number = truncate_code(hash, sp_hash_bytes(otp->hash), otp->digits);
	sp_crypto_wipe(hash, sizeof(hash));
	for (int i = otp->digits - 1; i >= 0; i--, number /= 10)
		out[i] = (char) ('0' + number % 10);
	out[otp->digits] = '\0';
	return SP_OK;
}

uint64_t
sp_otp_step(const SpOtp *otp, int64_t now_s)
{
	return (uint64_t) (now_s / otp->period_s);
}

/* All steps are tried, and each is compared whole: a match ends nothing. */
SpStatus
sp_otp_check(const SpOtp *otp, const uint8_t *secret, size_t length, const char *code,
             size_t code_length, int64_t now_s, int window, int64_t after_step, int64_t *step)
{
	int64_t now, found = -1;

	*step = -1;
	if (!is_sane(otp, length) || now_s < 0 || window < 0 || window > SP_OTP_WINDOW_MAX)
		return SP_ERR_BAD_ARG;
	now = (int64_t) sp_otp_step(otp, now_s);
	for (int64_t at = now - window; at <= now + window; at++)
	{
		char expected[SP_OTP_DIGITS_MAX + 1];
		SpStatus st = sp_otp_code(otp, secret, length, (uint64_t) (at < 0 ? 0 : at), expected);
		bool same = sp_crypto_equal(code, code_length, expected, (size_t) otp->digits);

		sp_crypto_wipe(expected, sizeof(expected));
		if (st != SP_OK)
			return st;
		/* the latest, so that a code that two steps share is not good for both */
		found = (same & (at >= 0) & (at > after_step)) ? at : found;
	}
	*step = found;
	return found >= 0 ? SP_OK : SP_ERR_BAD_DATA;
}

SpStatus
sp_recovery_make(char out[SP_RECOVERY_CHARS + 1])
{
	uint8_t bytes[RECOVERY_BYTES];
	char letters[RECOVERY_LETTERS];
	SpStatus st = sp_crypto_random(bytes, sizeof(bytes));
	char *at = out;

	sp_base32_encode(bytes, sizeof(bytes), letters);
	for (int i = 0; i < RECOVERY_LETTERS; i++)
	{
		if (i > 0 && i % RECOVERY_GROUP == 0)
			*at++ = '-';
		*at++ = letters[i];
	}
	*at = '\0';
	sp_crypto_wipe(bytes, sizeof(bytes));
	sp_crypto_wipe(letters, sizeof(letters));
	if (st != SP_OK)
		out[0] = '\0';
	return st;
}

SpStatus
sp_recovery_hash(const char *code, size_t length, uint8_t hash[SP_HASH_SHA256_BYTES])
{
	char letters[RECOVERY_LETTERS];
	uint8_t bytes[RECOVERY_BYTES];
	size_t n = 0;
	SpStatus st = SP_OK;

	for (size_t i = 0; i < length && st == SP_OK; i++)
	{
		char c = code[i];

		if (c == '-' || c == ' ')
			continue;
		if (n == RECOVERY_LETTERS)
			st = SP_ERR_BAD_DATA;
		else
			letters[n++] = (char) (c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
	}
	if (st == SP_OK && n < RECOVERY_LETTERS)
		st = SP_ERR_BAD_DATA;
	if (st == SP_OK)
		st = sp_base32_decode(letters, n, bytes, sizeof(bytes), &n);
	if (st == SP_OK)
		st = sp_hash_run(SP_HASH_SHA256, bytes, sizeof(bytes), hash);
	sp_crypto_wipe(letters, sizeof(letters));
	sp_crypto_wipe(bytes, sizeof(bytes));
	return st;
}
