/*
 * src/core/crypto/base64.c
 *	  base64, base64url and base32 (RFC 4648), as strictly as they can be read.
 *
 * Characters become numbers by arithmetic, not by a table: which lines of a
 * table are in the cache would tell something about a key that is read.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/crypto/base64.h"

#include <string.h>

#include "core/crypto/constant_time.h"

/* Characters that are turned into numbers at a time. */
#define CHUNK 64

/* All ones when lo <= c <= hi, else 0. */
static inline uint8_t
between(uint8_t c, uint8_t lo, uint8_t hi)
{
	return (uint8_t) - ((uint8_t) (c - lo) <= (uint8_t) (hi - lo));
}

/* The numbers of n characters; 0xFF when all are of the alphabet.  The loop becomes vector code. */
static uint8_t
numbers_64(const char *text, size_t n, char c62, char c63, uint8_t *out)
{
	uint8_t good = 0xFF;

	for (size_t i = 0; i < n; i++)
	{
		uint8_t c = (uint8_t) text[i];
		uint8_t upper = between(c, 'A', 'Z'), lower = between(c, 'a', 'z');
		uint8_t digit = between(c, '0', '9');
		uint8_t is62 = between(c, (uint8_t) c62, (uint8_t) c62);
		uint8_t is63 = between(c, (uint8_t) c63, (uint8_t) c63);

		out[i] = (upper & (uint8_t) (c - 'A')) | (lower & (uint8_t) (c - 'a' + 26)) |
		         (digit & (uint8_t) (c - '0' + 52)) | (is62 & 62) | (is63 & 63);
		good &= upper | lower | digit | is62 | is63;
	}
	return good;
}

static uint8_t
numbers_32(const char *text, size_t n, uint8_t *out)
{
	uint8_t good = 0xFF;

	for (size_t i = 0; i < n; i++)
	{
		uint8_t c = (uint8_t) text[i];
		uint8_t letter = between(c, 'A', 'Z'), digit = between(c, '2', '7');

		out[i] = (letter & (uint8_t) (c - 'A')) | (digit & (uint8_t) (c - '2' + 26));
		good &= letter | digit;
	}
	return good;
}

/* Whole groups of four numbers of six bits. */
static void
pack_64(const uint8_t *v, size_t groups, uint8_t *out)
{
	for (size_t i = 0; i < groups; i++, v += 4, out += 3)
	{
		uint32_t w = (uint32_t) v[0] << 18 | (uint32_t) v[1] << 12 | (uint32_t) v[2] << 6 | v[3];

		out[0] = (uint8_t) (w >> 16);
		out[1] = (uint8_t) (w >> 8);
		out[2] = (uint8_t) w;
	}
}

/* The 2 or 3 numbers behind the whole groups; false when their last bits are not zero. */
static bool
pack_64_tail(const uint8_t *v, size_t n, uint8_t *out)
{
	out[0] = (uint8_t) (v[0] << 2 | v[1] >> 4);
	if (n == 2)
		return (v[1] & 0x0F) == 0;
	out[1] = (uint8_t) (v[1] << 4 | v[2] >> 2);
	return (v[2] & 0x03) == 0;
}

static SpStatus
decode_64(const char *text, size_t n, char c62, char c63, uint8_t *out, size_t capacity,
          size_t *length)
{
	uint8_t v[CHUNK], good = 0xFF;
	bool canonical = true;

	if (n % 4 == 1)
		return SP_ERR_BAD_DATA;
	*length = SP_BASE64_BYTES(n);
	if (*length > capacity)
		return SP_ERR_TOO_LARGE;
	for (size_t i = 0; i < n; i += CHUNK)
	{
		size_t m = n - i < CHUNK ? n - i : CHUNK;

		good &= numbers_64(text + i, m, c62, c63, v);
		pack_64(v, m / 4, out);
		out += m / 4 * 3;
		if (m % 4 != 0)
			canonical = pack_64_tail(v + m / 4 * 4, m % 4, out);
	}
	sp_crypto_wipe(v, sizeof(v));
	return good == 0xFF && canonical ? SP_OK : SP_ERR_BAD_DATA;
}

SpStatus
sp_base64url_decode(const char *text, size_t n, uint8_t *out, size_t capacity, size_t *length)
{
	return decode_64(text, n, '-', '_', out, capacity, length);
}

SpStatus
sp_base64_decode(const char *text, size_t n, uint8_t *out, size_t capacity, size_t *length)
{
	if (n % 4 != 0)
		return SP_ERR_BAD_DATA;
	for (int padding = 0; padding < 2 && n > 0 && text[n - 1] == '='; padding++)
		n--;
	return decode_64(text, n, '+', '/', out, capacity, length);
}

SpStatus
sp_base32_decode(const char *text, size_t n, uint8_t *out, size_t capacity, size_t *length)
{
	uint8_t v[8], good = 0xFF;
	uint64_t w = 0;

	if (n % 8 == 1 || n % 8 == 3 || n % 8 == 6)
		return SP_ERR_BAD_DATA;
	*length = SP_BASE32_BYTES(n);
	if (*length > capacity)
		return SP_ERR_TOO_LARGE;
	for (size_t i = 0; i < n; i += 8)
	{
		size_t m = n - i < 8 ? n - i : 8, bytes = m * 5 / 8;

		w = 0;
		good &= numbers_32(text + i, m, v);
		for (size_t j = 0; j < 8; j++)
			w = w << 5 | (j < m ? v[j] : 0);
		for (size_t j = 0; j < bytes; j++)
			*out++ = (uint8_t) (w >> (32 - 8 * j));
		/* what is left in the last group must be zero */
		w = bytes < 5 ? w & ((UINT64_C(1) << (40 - 8 * bytes)) - 1) : 0;
	}
	sp_crypto_wipe(v, sizeof(v));
	return good == 0xFF && w == 0 ? SP_OK : SP_ERR_BAD_DATA;
}

/* The character of a number below 64. */
static inline char
letter_64(uint32_t v, char c62, char c63)
{
	uint8_t b = (uint8_t) v;

	return (char) ((between(b, 0, 25) & (b + 'A')) | (between(b, 26, 51) & (b - 26 + 'a')) |
	               (between(b, 52, 61) & (b - 52 + '0')) | (between(b, 62, 62) & (uint8_t) c62) |
	               (between(b, 63, 63) & (uint8_t) c63));
}

/* Returns what follows the last character. */
static char *
encode_64(const uint8_t *data, size_t n, char c62, char c63, char *out)
{
	for (; n > 0; data += 3)
	{
		size_t bytes = n < 3 ? n : 3;
		uint32_t w = (uint32_t) data[0] << 16 | (bytes > 1 ? (uint32_t) data[1] << 8 : 0) |
		             (bytes > 2 ? data[2] : 0);

		for (size_t i = 0; i <= bytes; i++)
			*out++ = letter_64(w >> (18 - 6 * i) & 63, c62, c63);
		n -= bytes;
	}
	return out;
}

void
sp_base64url_encode(const void *data, size_t n, char *out)
{
	encode_64(data, n, '-', '_', out);
}

void
sp_base64_encode(const void *data, size_t n, char *out)
{
	out = encode_64(data, n, '+', '/', out);
	for (size_t padding = (3 - n % 3) % 3; padding > 0; padding--)
		*out++ = '=';
}

void
sp_base32_encode(const void *data, size_t n, char *out)
{
	const uint8_t *p = data;

	for (; n > 0; p += 5)
	{
		size_t bytes = n < 5 ? n : 5;
		uint64_t w = 0;

		for (size_t i = 0; i < 5; i++)
			w = w << 8 | (i < bytes ? p[i] : 0);
		for (size_t i = 0; i < SP_BASE32_CHARS(bytes); i++)
		{
			uint8_t b = w >> (35 - 5 * i) & 31;

			*out++ =
				(char) ((between(b, 0, 25) & (b + 'A')) | (between(b, 26, 31) & (b - 26 + '2')));
		}
		n -= bytes;
	}
}
