/*
 * src/core/merkle/text.c
 *	  UTF-8, character by character.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/merkle/text.h"

#include <string.h>

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
