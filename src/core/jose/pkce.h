/*
 * src/core/jose/pkce.h
 *	  Proof Key for Code Exchange (RFC 7636), method S256; "plain" does not exist.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_JOSE_PKCE_H
#define SP_JOSE_PKCE_H

#include "core/sp_base.h"

#define SP_PKCE_VERIFIER_MIN 43 /* characters: section 4.1 */
#define SP_PKCE_VERIFIER_MAX 128
#define SP_PKCE_CHARS        43 /* of a challenge, and of the verifiers that we make: 256 bits */

/* A new verifier, with a NUL.  SP_ERR_IO. */
SpStatus sp_pkce_make(char verifier[SP_PKCE_CHARS + 1]);

/*
 * The challenge of a verifier (section 4.2), with a NUL.  SP_ERR_BAD_DATA when it
 * is none: 43 to 128 letters, digits and -._~; SP_ERR_NO_MEMORY.
 */
SpStatus sp_pkce_challenge(const char *verifier, size_t length, char challenge[SP_PKCE_CHARS + 1]);

/* SP_OK when the verifier is the challenge's, SP_ERR_BAD_DATA when not; SP_ERR_NO_MEMORY. */
SpStatus sp_pkce_check(const char *verifier, size_t length, const char *challenge,
                       size_t challenge_length);

#endif /* SP_JOSE_PKCE_H */
