/*
 * src/core/merkle/text.h
 *	  Texts of the formats here: base64 and UTF-8, both strict.
 *
 * Strict means that a value has one spelling: what can be written in two ways
 * could be changed without a trace.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_MERKLE_TEXT_H
#define SP_MERKLE_TEXT_H

#include "core/crypto/base64.h"

/* As crypto/base64.h, where n bytes are as many characters as it says; how many. */
static inline size_t
sp_base64_write(const void *data, size_t n, char *out)
{
	sp_base64_encode(data, n, out);
	return SP_BASE64_CHARS(n);
}

/* Whether text is what sp_base64_write makes of at most `capacity` bytes, *n of them. */
static inline bool
sp_base64_read(const char *text, size_t length, void *out, size_t capacity, size_t *n)
{
	return sp_base64_decode(text, length, out, capacity, n) == SP_OK;
}

/*
 * Bytes of the UTF-8 character that the text begins with (RFC 3629); 0 when
 * there is none or length is 0.  Control characters are characters; NUL is not.
 */
size_t sp_text_character(const char *text, size_t length);

/* Whether all of it is such characters. */
bool sp_text_valid(const char *text, size_t length);

/* Whether it begins with a character that Unicode calls white space (White_Space=yes). */
bool sp_text_space(const char *text, size_t length);

#endif /* SP_MERKLE_TEXT_H */
