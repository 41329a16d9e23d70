/*
 * src/core/jose/peek.c
 *	  What a token says about itself before anybody has proved it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/jose/peek.h"

#include <string.h>

#include "core/crypto/base64.h"
#include "core/jose/json_strict.h"

static SpStatus
refuse(SpJwtError *why, SpJwtError reason, SpFault *fault, const char *detail)
{
	*why = reason;
	return sp_fault(fault, reason == SP_JWT_TOO_LARGE ? SP_ERR_TOO_LARGE : SP_ERR_BAD_DATA, "",
	                "%s", detail);
}

/* The object in one segment. */
static SpStatus
read_segment(const SpEnv *env, const char *text, size_t length, json_t **out, SpJwtError *why,
             SpFault *fault)
{
	size_t capacity = SP_BASE64_BYTES(length), n = 0;
	uint8_t *bytes = sp_alloc(env, capacity + 1, 1);
	SpStatus st;

	if (bytes == NULL)
		return SP_ERR_NO_MEMORY;
	st = sp_base64url_decode(text, length, bytes, capacity, &n);
	if (st == SP_OK)
		st = sp_json_read_object((const char *) bytes, n, SP_JWS_BYTES, out, NULL);
	sp_free(env, bytes);
	if (st == SP_OK || st == SP_ERR_NO_MEMORY)
		return st;
	return refuse(why, SP_JWT_MALFORMED, fault, "A segment is no JSON object in base64url.");
}

/* A text member into a buffer; one that is not there leaves it empty. */
static bool
take(const json_t *json, const char *name, char *out, size_t capacity)
{
	size_t length = 0;
	const char *text = sp_json_text(json, name, &length);

	out[0] = '\0';
	if (json_object_get(json, name) == NULL)
		return true;
	if (text == NULL || length >= capacity)
		return false;
	memcpy(out, text, length + 1);
	return true;
}

static bool
add_audience(const json_t *value, SpPeek *out, size_t *used)
{
	size_t n = json_string_length(value) + 1;

	if (!json_is_string(value) || out->n_audiences == SP_PEEK_AUDIENCES ||
	    n > sizeof(out->audiences) - *used)
		return false;
	memcpy(out->audiences + *used, json_string_value(value), n);
	*used += n;
	out->n_audiences++;
	return true;
}

/* A text or an array of them. */
static bool
take_audiences(const json_t *payload, SpPeek *out)
{
	const json_t *aud = json_object_get(payload, "aud"), *one;
	size_t used = 0, i;

	out->n_audiences = 0;
	if (aud == NULL)
		return true;
	if (!json_is_array(aud))
		return add_audience(aud, out, &used);
	json_array_foreach(aud, i, one)
	{
		if (!add_audience(one, out, &used))
			return false;
	}
	return true;
}

SpStatus
sp_jws_peek(const SpEnv *env, const char *token, size_t length, SpPeek *out, SpJwtError *why,
            SpFault *fault)
{
	const char *first, *second;
	json_t *header = NULL, *payload = NULL;
	SpStatus st;

	*why = SP_JWT_OK;
	if (length > SP_JWS_BYTES)
		return refuse(why, SP_JWT_TOO_LARGE, fault, "The token is longer than tokens may be.");
	first = memchr(token, '.', length);
	second = first ? memchr(first + 1, '.', length - (size_t) (first + 1 - token)) : NULL;
	if (second == NULL)
		return refuse(why, SP_JWT_MALFORMED, fault, "The token has no three segments.");
	st = read_segment(env, token, (size_t) (first - token), &header, why, fault);
	if (st == SP_OK)
		st = read_segment(env, first + 1, (size_t) (second - first - 1), &payload, why, fault);
	if (st == SP_OK &&
	    (!take(header, "kid", out->kid, sizeof(out->kid)) ||
	     !take(payload, "iss", out->issuer, sizeof(out->issuer)) || !take_audiences(payload, out)))
		st = refuse(why, SP_JWT_MALFORMED, fault,
		            "\"kid\", \"iss\" or \"aud\" is no text that can be meant.");
	sp_json_release(header);
	sp_json_release(payload);
	return st;
}
