/*
 * src/core/jose/json_strict.h
 *	  JSON as tokens and keys may have it, and no other.
 *
 * RFC 8259 by jansson, with what RFC 7515 (section 4), RFC 7517 (section 4)
 * and RFC 8725 (section 2.4) add for safety: a member that comes twice is
 * refused at any depth, the text is UTF-8 (no surrogate halves, no overlong
 * forms, no byte-order mark), and so are its numbers: what no int64 or double
 * holds is refused.  No string and no name contains U+0000, so that C's end of a
 * string is JSON's.  Size and depth are limited before anything is allocated.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_JOSE_JSON_STRICT_H
#define SP_JOSE_JSON_STRICT_H

#include "core/sp_base.h"
#include "core/sp_json.h"

/* Arrays and objects inside each other that tokens and keys may have. */
#define SP_JSON_DEPTH 32

/*
 * The value in text, any kind of it; the caller's to sp_json_release.
 * SP_ERR_TOO_LARGE (max_bytes, max_depth), SP_ERR_BAD_DATA, SP_ERR_NO_MEMORY.
 * The fault says at which byte, and repeats nothing of the text.
 */
SpStatus sp_json_read(const char *text, size_t length, size_t max_bytes, int max_depth,
                      json_t **out, SpFault *fault);

/* As sp_json_read; SP_ERR_BAD_DATA when the value is no object. */
SpStatus sp_json_read_object(const char *text, size_t length, size_t max_bytes, json_t **out,
                             SpFault *fault);

/*
 * Frees a value that sp_json_read gave, having overwritten every string in it.
 * jansson's lexer frees its own copy of the last strings without doing so:
 * a private key that must not be found in memory comes in as bytes, not as
 * JSON (sp_jwk_from_raw).  NULL is fine.
 */
void sp_json_release(json_t *value);

/* A string member; NULL when it is missing or no string.  Owned by object. */
const char *sp_json_text(const json_t *object, const char *name, size_t *length);

#endif /* SP_JOSE_JSON_STRICT_H */
