/*
 * tests/fuzz/fuzz_otp.c
 *	  libFuzzer: names in otpauth URIs, codes, recovery codes, PKCE verifiers, and
 *	  sealed values.
 *
 * The label of a URI, percent-decoded by other code, is issuer:account again.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/crypto/envelope.h"
#include "core/jose/otp.h"
#include "core/jose/pkce.h"
#include "host.h"

static const uint8_t SECRET[] = "12345678901234567890";

static void
decode_percent(const char *text, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
	{
		unsigned byte = (unsigned char) text[i];

		if (text[i] == '%')
		{
			if (sscanf(text + i + 1, "%2x", &byte) != 1)
				abort();
			i += 2;
		}
		*out++ = (char) byte;
	}
	*out = '\0';
}

static void
check_uri(const char *issuer, const char *account)
{
	char *uri, label[1024], expected[1024];
	const char *start, *end;

	if (sp_otp_uri(&env, &SP_OTP_DEFAULT, SECRET, 20, issuer, account, &uri, NULL) != SP_OK)
		return;
	start = uri + strlen("otpauth://totp/");
	end = strchr(start, '?');
	if (end == NULL || strcspn(uri, " \"<>\\^`{|}#") != strlen(uri))
		abort();
	decode_percent(start, (size_t) (end - start), label);
	snprintf(expected, sizeof(expected), "%s:%s", issuer, account);
	if (strcmp(label, expected) != 0)
		abort();
	sp_otp_uri_free(&env, uri);
}

/* Two texts from the input, parted by its first NUL. */
static void
check_names(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 2);
	size_t first;

	memcpy(text, data, size);
	text[size] = text[size + 1] = '\0';
	first = strlen(text);
	check_uri(text, first < size ? text + first + 1 : "");
	check_uri(text, "account");
	free(text);
}

static void
check_sealed(const uint8_t *data, size_t size)
{
	static const SpEnvelopePart place = {"tenant", 6};
	SpEnvelopeKey key = {{0}, {1}}, other;
	uint8_t *out = malloc(size + 1);
	size_t length;
	SpFault fault;

	if (size >= 18)
		memcpy(key.id, data + 2, sizeof(key.id));
	if (sp_envelope_open(&key, &place, 1, data, size, out, &length, &fault) == SP_OK ||
	    sp_envelope_unwrap(&key, &place, 1, data, size, &other, &fault) == SP_OK)
		abort();
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t hash[SP_HASH_SHA256_BYTES];
	char challenge[SP_PKCE_CHARS + 1];
	int64_t step;

	check_names(data, size);
	sp_otp_check(&SP_OTP_DEFAULT, SECRET, 20, (const char *) data, size, 59, 1, -1, &step);
	sp_recovery_hash((const char *) data, size, hash);
	sp_pkce_challenge((const char *) data, size, challenge);
	sp_pkce_check((const char *) data, size, (const char *) data, size);
	check_sealed(data, size);
	return 0;
}
