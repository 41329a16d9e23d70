/*
 * src/core/merkle/text.c
 *	  Base64 and UTF-8.
 *
 * OpenSSL's EVP_DecodeBlock is not used: it skips white space, and counts
 * padding as data.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/merkle/text.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t
sp_base64_write(const void *data, size_t n, char *out)
{
	const uint8_t *in = data;
	size_t length = 0;

	for (size_t i = 0; i < n; i += 3)
	{
		uint32_t group = (uint32_t) in[i] << 16;

		group |= i + 1 < n ? (uint32_t) in[i + 1] << 8 : 0;
		group |= i + 2 < n ? in[i + 2] : 0;
		out[length++] = alphabet[group >> 18];
		out[length++] = alphabet[group >> 12 & 63];
		out[length++] = i + 1 < n ? alphabet[group >> 6 & 63] : '=';
		out[length++] = i + 2 < n ? alphabet[group & 63] : '=';
	}
	return length;
}

static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool
sp_base64_read(const char *text, size_t length, void *out, size_t capacity, size_t *n)
{
	uint8_t *bytes = out;
	size_t padding = 0, total;
	uint32_t bits = 0;
	int n_bits = 0;

	*n = 0;
	if (length % 4 != 0)
		return false;
	while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
		padding++;
	total = length / 4 * 3 - padding;
	if (total > capacity)
		return false;
	for (size_t i = 0; i < length - padding; i++)
	{
		int value = value_of(text[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t) value;
		n_bits += 6;
		if (n_bits >= 8)
		{
			n_bits -= 8;
			bytes[(*n)++] = (uint8_t) (bits >> n_bits);
		}
	}
	/* RFC 4648, section 3.5: bits that stand for nothing are zero */
	return (bits & ((1u << n_bits) - 1)) == 0;
}

size_t
sp_text_character(const char *text, size_t length)
{
	char character[5] = {0};

	if (length == 0 || text[0] == '\0')
		return 0;
	if ((unsigned char) text[0] < 0x80)
		return 1;
	/* the text may end here without a NUL */
	memcpy(character, text, length < 4 ? length : 4);
	return (size_t) sp_utf8_length(character);
}

bool
sp_text_valid(const char *text, size_t length)
{
	for (size_t i = 0, n; i < length; i += n)
	{
		n = sp_text_character(text + i, length - i);
		if (n == 0)
			return false;
	}
	return true;
}

bool
sp_text_space(const char *text, size_t length)
{
	/* Unicode 15, PropList.txt, above ASCII */
	static const char *const spaces[] = {
		"\xC2\x85", "\xC2\xA0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003",
		"\u2004",   "\u2005",   "\u2006", "\u2007", "\u2008", "\u2009", "\u200A",
		"\u2028",   "\u2029",   "\u202F", "\u205F", "\u3000",
	};

	if (length == 0)
		return false;
	if ((unsigned char) text[0] < 0x80)
		return text[0] == ' ' || (text[0] >= '\t' && text[0] <= '\r');
	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++)
	{
		size_t n = strlen(spaces[i]);

		if (n <= length && memcmp(text, spaces[i], n) == 0)
			return true;
	}
	return false;
}
