/*
 * src/core/jose/claims.h
 *	  The claims of a token (RFC 7519, section 4.1), and whether they hold.
 *
 * Verified apart from the signature, so that each can be tested and each says
 * what failed.  Registered claims are checked for what they can be at all, also
 * when nobody asked for them: exp, nbf and iat are JSON numbers (never texts),
 * from 1970 to 9999; iss, sub and jti are texts; aud is a text or an array of
 * texts.
 *
 * iat says how old a token is, and nothing else: RFC 7519 gives it no power to
 * refuse, and clocks that differ by a second would make it do so.  A token that
 * must not be used yet says so with nbf.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_JOSE_CLAIMS_H
#define SP_JOSE_CLAIMS_H

#include "core/jose/jws.h"

#define SP_CLAIMS_BYTES (64 * 1024)
#define SP_TIME_MAX     253402300799.0 /* 9999-12-31 23:59:59 UTC, RFC 3339's last second */

typedef struct SpClaims SpClaims;

/* What must hold.  All zero and now_s: the times alone, of a token that names no audience. */
typedef struct SpClaimsWant
{
	double now_s;         /* seconds since 1970-01-01 00:00 UTC */
	double leeway_s;      /* by which clocks may differ; >= 0 */
	const char *issuer;   /* iss must be this; NULL: any, or none */
	const char *audience; /* aud must name this; NULL: there must be no aud (4.1.3) */
	bool any_audience;    /* with audience NULL: aud does not matter */
	bool require_exp;     /* a token that never expires is refused */
} SpClaimsWant;

/*
 * Reads the payload of a token.  SP_ERR_BAD_DATA or SP_ERR_TOO_LARGE with *why
 * at SP_JWT_MALFORMED (no JSON object), SP_JWT_CLAIMS or SP_JWT_TOO_LARGE;
 * SP_ERR_NO_MEMORY.
 */
SpStatus sp_claims_read(const SpEnv *env, const uint8_t *payload, size_t length, SpClaims **out,
                        SpJwtError *why, SpFault *fault);
void sp_claims_free(SpClaims *claims);

/* SP_OK, or SP_ERR_BAD_DATA with the first of exp, nbf, iss, aud that does not hold. */
SpStatus sp_claims_check(const SpClaims *claims, const SpClaimsWant *want, SpJwtError *why,
                         SpFault *fault);

/* A claim that is a text (NULL: it is not), or a time (false: it is not there). */
const char *sp_claims_text(const SpClaims *claims, const char *name, size_t *length);
bool sp_claims_time(const SpClaims *claims, const char *name, double *seconds);

/* Whether there is a claim of that name, whatever it is. */
bool sp_claims_has(const SpClaims *claims, const char *name);

/*
 * Text i of a claim that is an array of texts, or, as text 0, a text; NULL: there is none.  What is
 * in the array and no text is NULL as well, and hides what comes behind it.
 */
const char *sp_claims_item(const SpClaims *claims, const char *name, size_t i);

/* A text in a claim that is an object, such as "x5t#S256" in "cnf"; NULL: there is none. */
const char *sp_claims_member(const SpClaims *claims, const char *name, const char *member);

#endif /* SP_JOSE_CLAIMS_H */
