/*
 * tests/fuzz/fuzz_base64.c
 *	  libFuzzer: base64url, base64 and base32 of anything.  What decodes encodes to
 *	  the same text; and what is encoded decodes to the same bytes.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdint.h>
#include <string.h>

#include "core/crypto/base64.h"
#include "core/crypto/envelope.h"
#include "host.h"

typedef SpStatus (*Decoder)(const char *, size_t, uint8_t *, size_t, size_t *);
typedef void (*Encoder)(const void *, size_t, char *);

/* Exact allocations, so that one byte too many is seen. */
static void
both_ways(Decoder decode, Encoder encode, const uint8_t *data, size_t size, size_t chars)
{
	char *text = malloc(chars + 1);
	uint8_t *bytes = malloc(size + 1);
	size_t length;

	encode(data, size, text);
	if (decode(text, chars, bytes, size, &length) != SP_OK || length != size ||
	    memcmp(bytes, data, size) != 0)
		abort();
	free(text);
	free(bytes);
}

static void
one_text(Decoder decode, Encoder encode, const uint8_t *data, size_t size)
{
	size_t capacity = size * 3 / 4, length;
	uint8_t *bytes = malloc(capacity + 1);
	char *text = malloc(2 * size + 8);

	if (decode((const char *) data, size, bytes, capacity, &length) == SP_OK)
	{
		memset(text, 0, 2 * size + 8);
		encode(bytes, length, text);
		if (strlen(text) != size || memcmp(text, data, size) != 0)
			abort();
	}
	free(bytes);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SpEnvelopeKey key;
	SpFault fault;

	one_text(sp_base64url_decode, sp_base64url_encode, data, size);
	one_text(sp_base64_decode, sp_base64_encode, data, size);
	one_text(sp_base32_decode, sp_base32_encode, data, size);
	both_ways(sp_base64url_decode, sp_base64url_encode, data, size, SP_BASE64URL_CHARS(size));
	both_ways(sp_base64_decode, sp_base64_encode, data, size, SP_BASE64_CHARS(size));
	both_ways(sp_base32_decode, sp_base32_encode, data, size, SP_BASE32_CHARS(size));
	sp_envelope_key_read((const char *) data, size, &key, &fault);
	return 0;
}
