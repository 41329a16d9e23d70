/*
 * src/core/jose/jwk_export.c
 *	  The public half of a key as text, and its thumbprint (RFC 7638).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <string.h>

#include "core/crypto/base64.h"
#include "core/jose/jwk_internal.h"

/* Of what is hashed: a modulus of 8192 bits has 1366 characters. */
#define CANONICAL_MAX 2048

/* RFC 7638, section 3.2: the required members, in order of their names, without blanks. */
static int
canonical(const SpJwk *key, char *out)
{
	const JwkMember *m = key->members;

	switch (key->type)
	{
		case SP_KEY_RSA:
			return snprintf(out, CANONICAL_MAX, "{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}",
			                m[1].text, m[0].text);
		case SP_KEY_EC:
			return snprintf(out, CANONICAL_MAX,
			                "{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}",
			                key->curve->name, m[0].text, m[1].text);
		default:
			return snprintf(out, CANONICAL_MAX, "{\"crv\":\"%s\",\"kty\":\"OKP\",\"x\":\"%s\"}",
			                key->curve->name, m[0].text);
	}
}

SpStatus
sp_jwk_thumbprint(const SpJwk *key, char out[SP_THUMBPRINT_CHARS + 1])
{
	char text[CANONICAL_MAX];
	uint8_t hash[SP_HASH_SHA256_BYTES];
	SpStatus st;

	out[0] = '\0';
	if (key->type == SP_KEY_OCT)
		return SP_ERR_BAD_ARG;
	st = sp_hash_run(SP_HASH_SHA256, text, (size_t) canonical(key, text), hash);
	if (st != SP_OK)
		return st;
	sp_base64url_encode(hash, sizeof(hash), out);
	out[SP_THUMBPRINT_CHARS] = '\0';
	return SP_OK;
}

/* "s" would refuse a NULL, "s*" leaves the member out. */
json_t *
sp_jwk_public_json(const SpJwk *key)
{
	static const char *const types[] = {"oct", "RSA", "EC", "OKP"};
	bool single = (key->algs & (key->algs - 1)) == 0;
	json_t *json =
		json_pack("{s:s, s:s, s:s*, s:s*, s:s*}", "kty", types[key->type], "use", "sig", "kid",
	              sp_jwk_kid(key), "crv", key->curve != NULL ? key->curve->name : NULL, "alg",
	              single ? sp_jwa_name((SpJwa) __builtin_ctz(key->algs)) : NULL);

	for (int i = 0; i < 2 && json != NULL; i++)
		if (key->members[i].text != NULL &&
		    json_object_set_new(json, key->members[i].name, json_string(key->members[i].text)) != 0)
		{
			json_decref(json);
			json = NULL;
		}
	return json;
}

SpStatus
sp_json_write(const SpEnv *env, const json_t *json, char **text, size_t *length)
{
	size_t flags = JSON_COMPACT | JSON_SORT_KEYS;

	*length = json_dumpb(json, NULL, 0, flags);
	*text = *length > 0 ? sp_calloc(env, *length + 1, 1) : NULL;
	if (*text == NULL)
		return SP_ERR_NO_MEMORY;
	if (json_dumpb(json, *text, *length, flags) != *length)
	{
		sp_free(env, *text);
		*text = NULL;
		return SP_ERR_NO_MEMORY;
	}
	return SP_OK;
}

SpStatus
sp_jwk_public_text(const SpEnv *env, const SpJwk *key, char **text, size_t *length)
{
	json_t *json;
	SpStatus st;

	*text = NULL;
	*length = 0;
	if (key->type == SP_KEY_OCT)
		return SP_ERR_BAD_ARG;
	json = sp_jwk_public_json(key);
	st = json != NULL ? sp_json_write(env, json, text, length) : SP_ERR_NO_MEMORY;
	json_decref(json);
	return st;
}
