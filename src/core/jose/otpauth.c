/*
 * src/core/jose/otpauth.c
 *	  The URI that authenticator programs read.
 *
 * The form is the one of the first such program (its wiki page "Key Uri
 * Format"), which is no standard; what other programs differ in is left out of
 * it: blanks as +, padding of the secret, a colon as %3A, a label without issuer.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <string.h>

#include "core/crypto/base64.h"
#include "core/crypto/constant_time.h"
#include "core/jose/otp.h"

#define NAME_MAX_BYTES 255

/* Three characters for each byte of three names, the secret, and what is around them. */
#define URI_MAX (3 * 3 * NAME_MAX_BYTES + SP_BASE32_CHARS(SP_OTP_SECRET_MAX) + 128)

/* RFC 3986, section 2.3. */
static bool
is_unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.' || c == '_' || c == '~';
}

static char *
put_text(char *at, const char *text)
{
	size_t n = strlen(text);

	memcpy(at, text, n + 1);
	return at + n;
}

static char *
put_encoded(char *at, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *text != '\0'; text++)
	{
		if (is_unreserved(*text))
			*at++ = *text;
		else
		{
			*at++ = '%';
			*at++ = hex[(uint8_t) *text >> 4];
			*at++ = hex[(uint8_t) *text & 15];
		}
	}
	*at = '\0';
	return at;
}

static SpStatus
check_name(const char *what, const char *name, SpFault *fault)
{
	size_t length = strlen(name);

	if (length == 0 || length > NAME_MAX_BYTES)
		return sp_fault(fault, SP_ERR_BAD_DATA, "", "The %s has %zu bytes; it needs 1 to %d.", what,
		                length, NAME_MAX_BYTES);
	for (const char *at = name; *at != '\0';)
	{
		int n = sp_utf8_length(at);

		if (n == 0 || *at == ':')
			return sp_fault(fault, SP_ERR_BAD_DATA, "",
			                "The %s holds a colon, a control character, or what is not UTF-8.",
			                what);
		at += n;
	}
	return SP_OK;
}

static void
write_uri(char *at, const SpOtp *otp, const uint8_t *secret, size_t length, const char *issuer,
          const char *account)
{
	at = put_text(at, "otpauth://totp/");
	at = put_encoded(at, issuer);
	at = put_text(at, ":");
	at = put_encoded(at, account);
	at = put_text(at, "?secret=");
	sp_base32_encode(secret, length, at);
	at += SP_BASE32_CHARS(length);
	at = put_text(at, "&issuer=");
	at = put_encoded(at, issuer);
	sprintf(at, "&algorithm=%s&digits=%d&period=%d", sp_hash_name(otp->hash), otp->digits,
	        otp->period_s);
}

SpStatus
sp_otp_uri(const SpEnv *env, const SpOtp *otp, const uint8_t *secret, size_t length,
           const char *issuer, const char *account, char **uri, SpFault *fault)
{
	SpStatus st;

	*uri = NULL;
	if (length < SP_OTP_SECRET_MIN || length > SP_OTP_SECRET_MAX ||
	    otp->digits < SP_OTP_DIGITS_MIN || otp->digits > SP_OTP_DIGITS_MAX || otp->period_s <= 0 ||
	    otp->period_s > SP_OTP_PERIOD_MAX)
		return SP_ERR_BAD_ARG;
	st = check_name("issuer", issuer, fault);
	if (st == SP_OK)
		st = check_name("account", account, fault);
	if (st != SP_OK)
		return st;
	*uri = sp_calloc(env, URI_MAX, 1);
	if (*uri == NULL)
		return SP_ERR_NO_MEMORY;
	write_uri(*uri, otp, secret, length, issuer, account);
	return SP_OK;
}

void
sp_otp_uri_free(const SpEnv *env, char *uri)
{
	if (uri != NULL)
		sp_crypto_wipe(uri, URI_MAX);
	sp_free(env, uri);
}
