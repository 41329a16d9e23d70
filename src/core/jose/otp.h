/*
 * src/core/jose/otp.h
 *	  One-time passwords: HOTP (RFC 4226), TOTP (RFC 6238), their otpauth URI, and
 *	  recovery codes.
 *
 * A code holds for one time step, and whoever saw it may use it again within
 * the step: RFC 6238, section 5.2, has the verifier accept no step twice.  So
 * the step that matched is returned, the caller keeps it, and passes it as
 * after_step the next time.  Six digits are guessed one time in a million times
 * the window: the caller also limits how often it asks (RFC 4226, section 7.3).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_JOSE_OTP_H
#define SP_JOSE_OTP_H

#include "core/crypto/hmac.h"
#include "core/sp_base.h"

#define SP_OTP_DIGITS_MIN 6 /* RFC 4226, section 5.3 */
#define SP_OTP_DIGITS_MAX 8
#define SP_OTP_SECRET_MIN 16 /* bytes: RFC 4226, section 4, R6, 128 bits */
#define SP_OTP_SECRET_MAX 128
#define SP_OTP_PERIOD_MAX 3600 /* seconds; longer ones are no one-time passwords any more */
#define SP_OTP_WINDOW_MAX 10   /* steps to each side; one is RFC 6238's advice (5.2) */

/* SHA-1 is what every authenticator program knows; see hmac.h for why it will do. */
typedef struct SpOtp
{
	SpHash hash;
	int digits;
	int period_s;
} SpOtp;

/* Six digits of SHA-1 every 30 seconds: the defaults of RFC 6238 and of otpauth. */
extern const SpOtp SP_OTP_DEFAULT;

/*
 * RFC 4226, section 5.3: the code for a counter, with a NUL, into out.  Only
 * hash and digits of otp matter.  SP_ERR_BAD_ARG: digits; SP_ERR_NO_MEMORY.
 */
SpStatus sp_otp_code(const SpOtp *otp, const uint8_t *secret, size_t length, uint64_t counter,
                     char out[SP_OTP_DIGITS_MAX + 1]);

/* RFC 6238, section 4.2: which step a time (seconds since 1970 UTC, >= 0) is in. */
uint64_t sp_otp_step(const SpOtp *otp, int64_t now_s);

/*
 * Whether code is the one of a step at most `window` steps away from now, and
 * later than after_step (-1: none yet).  SP_OK, with the step; SP_ERR_BAD_DATA
 * when it is not; SP_ERR_BAD_ARG, SP_ERR_NO_MEMORY.  The time that it takes does
 * not depend on the code, nor on whether and where it matched.
 */
SpStatus sp_otp_check(const SpOtp *otp, const uint8_t *secret, size_t length, const char *code,
                      size_t code_length, int64_t now_s, int window, int64_t after_step,
                      int64_t *step);

/*
 * otpauth://totp/ISSUER:ACCOUNT?secret=...&issuer=...&algorithm=...&digits=...
 * &period=..., as authenticator programs read it from a picture; everything but
 * letters, digits and -._~ is percent-encoded byte by byte (RFC 3986, section
 * 2.1), blanks too.  The text, which holds the secret, is the caller's to
 * sp_otp_uri_free.  SP_ERR_BAD_DATA when issuer or account are empty, longer than
 * 255 bytes, not UTF-8, or hold a colon (which parts them) or control
 * characters; SP_ERR_BAD_ARG, SP_ERR_NO_MEMORY.
 */
SpStatus sp_otp_uri(const SpEnv *env, const SpOtp *otp, const uint8_t *secret, size_t length,
                    const char *issuer, const char *account, char **uri, SpFault *fault);

/* Wipes and frees; NULL is fine. */
void sp_otp_uri_free(const SpEnv *env, char *uri);

/*
 * Recovery codes: 120 random bits as ABCD-EFGH-IJKL-MNOP-QRST-UVWX.  What is
 * kept is their SHA-256.  A slow, salted hash makes guessing dear where people
 * choose; nobody guesses 2^120 codes, however fast the hash is, and no two are the
 * same.  NIST SP 800-63B, section 5.1.2.2, and ASVS 5.0, 6.5.2, draw the line at
 * 112 bits.  They are used once.
 */
#define SP_RECOVERY_BITS  120
#define SP_RECOVERY_CHARS 29

/* A new code, with a NUL.  SP_ERR_IO. */
SpStatus sp_recovery_make(char out[SP_RECOVERY_CHARS + 1]);

/*
 * The hash of a code as people type it: lower case, blanks and hyphens do not
 * matter.  SP_ERR_BAD_DATA when it is no such code.
 */
SpStatus sp_recovery_hash(const char *code, size_t length, uint8_t hash[SP_HASH_SHA256_BYTES]);

#endif /* SP_JOSE_OTP_H */
