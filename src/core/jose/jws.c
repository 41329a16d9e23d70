/*
 * src/core/jose/jws.c
 *	  Signed tokens: JWS in compact form (RFC 7515, section 7.1).
 *
 * Cheap refusals come first: size, dots, the header (small, and mostly known
 * already: jwk_set_internal.h), the length of the signature; then the
 * signature over the text as it came; the payload last.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/jose/jws.h"

#include <string.h>
#include <strings.h>

#include "core/crypto/base64.h"
#include "core/crypto/constant_time.h"
#include "core/jose/json_strict.h"
#include "core/jose/jwk_set_internal.h"
#include "core/jose/signature.h"

#define HEADER_BYTES (16 * 1024) /* certificates are allowed in headers, and are long */

/* RFC 7515, section 4.1.9: "application/" may be left out. */
#define MEDIA_PREFIX "application/"

/* The segments of a token, between its dots. */
typedef struct Segments
{
	const char *header;
	const char *payload;
	const char *signature;
	size_t header_length;
	size_t payload_length;
	size_t signature_length;
	size_t signed_length; /* header, dot and payload */
} Segments;

const char *
sp_jwt_error_text(SpJwtError error)
{
	static const char *const texts[] = {
		[SP_JWT_OK] = "the token is valid",
		[SP_JWT_TOO_LARGE] = "the token is too large",
		[SP_JWT_MALFORMED] = "the token is malformed",
		[SP_JWT_CRITICAL] = "the token asks for an extension that is not understood",
		[SP_JWT_ALGORITHM] = "the token's algorithm is not one of its key",
		[SP_JWT_UNKNOWN_KEY] = "the token's key is not known",
		[SP_JWT_SIGNATURE] = "the token's signature is wrong",
		[SP_JWT_TYPE] = "the token is of another type",
		[SP_JWT_WEAK_KEY] = "the token's key is too short",
		[SP_JWT_CLAIMS] = "a claim of the token is malformed",
		[SP_JWT_MISSING_CLAIM] = "the token lacks a claim",
		[SP_JWT_EXPIRED] = "the token has expired",
		[SP_JWT_NOT_YET_VALID] = "the token is not valid yet",
		[SP_JWT_WRONG_AUDIENCE] = "the token is for another audience",
		[SP_JWT_WRONG_ISSUER] = "the token is from another issuer",
	};

	return texts[error];
}

static SpStatus
refuse(SpJwtError *why, SpJwtError reason, SpFault *fault, const char *detail)
{
	*why = reason;
	return sp_fault(fault, reason == SP_JWT_TOO_LARGE ? SP_ERR_TOO_LARGE : SP_ERR_BAD_DATA, "",
	                "%s", detail);
}

static bool
split(const char *token, size_t length, Segments *s)
{
	const char *end = token + length, *first = memchr(token, '.', length), *second;

	second = first != NULL ? memchr(first + 1, '.', (size_t) (end - first - 1)) : NULL;
	if (second == NULL || memchr(second + 1, '.', (size_t) (end - second - 1)) != NULL)
		return false;
	*s = (Segments){token,
	                first + 1,
	                second + 1,
	                (size_t) (first - token),
	                (size_t) (second - first - 1),
	                (size_t) (end - second - 1),
	                (size_t) (second - token)};
	return true;
}

/* The key that the header means, and whether it is for the header's algorithm. */
static SpStatus
choose_key(const json_t *json, const SpJwkSet *keys, JwsHeader *header, SpJwtError *why,
           SpFault *fault)
{
	size_t length = 0;
	const char *alg = sp_json_text(json, "alg", &length), *kid;

	if (alg == NULL)
		return refuse(why, SP_JWT_MALFORMED, fault, "The header has no text \"alg\".");
	if (!sp_jwa_find(alg, length, &header->alg))
		return refuse(why, SP_JWT_ALGORITHM, fault,
		              "The header's \"alg\" is no signature algorithm that is known here.");
	kid = sp_json_text(json, "kid", &length);
	if (kid == NULL && json_object_get(json, "kid") != NULL)
		return refuse(why, SP_JWT_MALFORMED, fault, "The header's \"kid\" is no text.");
	header->key = sp_jwk_set_find(keys, kid, header->alg);
	if (header->key == NULL)
		return refuse(why, SP_JWT_UNKNOWN_KEY, fault, "No key, or more than one, could be meant.");
	if (!(sp_jwk_verifies(header->key) & SP_JWA_BIT(header->alg)))
		return refuse(why, SP_JWT_ALGORITHM, fault, "The key is not for the header's algorithm.");
	return SP_OK;
}

static SpStatus
understand(const json_t *json, const SpJwkSet *keys, JwsHeader *header, SpJwtError *why,
           SpFault *fault)
{
	size_t length = 0;
	const char *typ = sp_json_text(json, "typ", &length);

	/* the payload would not be base64url: RFC 7797, section 3 */
	if (json_object_get(json, "crit") != NULL || json_object_get(json, "b64") != NULL)
		return refuse(why, SP_JWT_CRITICAL, fault, "No extensions of the header are understood.");
	if (typ == NULL && json_object_get(json, "typ") != NULL)
		return refuse(why, SP_JWT_MALFORMED, fault, "The header's \"typ\" is no text.");
	if (typ != NULL && length > HEADER_TYP_MAX)
		return refuse(why, SP_JWT_MALFORMED, fault, "The header's \"typ\" is too long.");
	header->has_typ = typ != NULL;
	memcpy(header->typ, typ != NULL ? typ : "", length + (typ != NULL));
	return choose_key(json, keys, header, why, fault);
}

static SpStatus
parse_header(const SpEnv *env, const Segments *s, const SpJwkSet *keys, JwsHeader *header,
             SpJwtError *why, SpFault *fault)
{
	size_t capacity = SP_BASE64_BYTES(s->header_length), length;
	uint8_t *text;
	json_t *json = NULL;
	SpStatus st;

	if (capacity > HEADER_BYTES)
		return refuse(why, SP_JWT_TOO_LARGE, fault, "The header has more than 16384 bytes.");
	text = sp_alloc(env, capacity + 1, 1);
	if (text == NULL)
		return SP_ERR_NO_MEMORY;
	if (sp_base64url_decode(s->header, s->header_length, text, capacity, &length) != SP_OK)
		st = refuse(why, SP_JWT_MALFORMED, fault, "The header is not base64url.");
	else
	{
		st = sp_json_read_object((char *) text, length, HEADER_BYTES, &json, fault);
		if (st == SP_OK)
			st = understand(json, keys, header, why, fault);
		else if (st != SP_ERR_NO_MEMORY)
		{
			/* the fault says where and why */
			*why = SP_JWT_MALFORMED;
			st = SP_ERR_BAD_DATA;
		}
	}
	json_decref(json);
	sp_free(env, text);
	return st;
}

static SpStatus
read_header(const SpEnv *env, const Segments *s, SpJwkSet *keys, JwsHeader *header, SpJwtError *why,
            SpFault *fault)
{
	JwsMemo *memo = &keys->memo;
	SpStatus st;

	if (memo->length == s->header_length && memo->length > 0 &&
	    memcmp(memo->text, s->header, memo->length) == 0)
	{
		*header = memo->header;
		return SP_OK;
	}
	st = parse_header(env, s, keys, header, why, fault);
	if (st == SP_OK && s->header_length <= HEADER_MEMO_CHARS)
	{
		memcpy(memo->text, s->header, s->header_length);
		memo->header = *header;
		memo->length = s->header_length;
	}
	return st;
}

/* Media types are compared without regard to case: RFC 7515, section 4.1.9; RFC 8725, 3.11. */
static bool
is_type(const JwsHeader *header, const char *wanted, size_t length)
{
	size_t prefix = strlen(MEDIA_PREFIX);
	const char *typ = header->typ;

	if (strncasecmp(typ, MEDIA_PREFIX, prefix) == 0 && strchr(typ + prefix, '/') == NULL)
		typ += prefix;
	return strlen(typ) == length && strncasecmp(typ, wanted, length) == 0;
}

/* Whether the type is one of a list, whose words have commas and blanks between them. */
static bool
has_type(const JwsHeader *header, const SpJwsOptions *options)
{
	static const char between[] = ", \t";

	if (!header->has_typ)
		return options->typ_optional;
	for (const char *at = options->typ + strspn(options->typ, between); *at != '\0';)
	{
		size_t length = strcspn(at, between);

		if (is_type(header, at, length))
			return true;
		at += length;
		at += strspn(at, between);
	}
	return false;
}

static SpStatus
check_options(const JwsHeader *header, const SpJwsOptions *options, SpJwtError *why, SpFault *fault)
{
	if (options == NULL)
		return SP_OK;
	if (options->algs != 0 && !(options->algs & SP_JWA_BIT(header->alg)))
		return refuse(why, SP_JWT_ALGORITHM, fault, "The header's algorithm is not let in here.");
	if (sp_jwk_type(header->key) == SP_KEY_RSA && sp_jwk_bits(header->key) < options->rsa_min_bits)
		return refuse(why, SP_JWT_WEAK_KEY, fault, "Its key has fewer bits than are asked for.");
	if (options->typ != NULL && !has_type(header, options))
		return refuse(why, SP_JWT_TYPE, fault, "The header's \"typ\" is another, or missing.");
	return SP_OK;
}

static SpStatus
check_signature(const Segments *s, const JwsHeader *header, SpJwtError *why, SpFault *fault)
{
	uint8_t signature[SP_SIGNATURE_MAX];
	size_t length;
	SpStatus st = sp_base64url_decode(s->signature, s->signature_length, signature,
	                                  sizeof(signature), &length);

	if (st == SP_OK)
		st = sp_signature_check(header->key, header->alg, s->header, s->signed_length, signature,
		                        length);
	if (st == SP_OK || st == SP_ERR_NO_MEMORY)
		return st;
	return refuse(why, SP_JWT_SIGNATURE, fault, "The signature is not the key's over this token.");
}

static SpStatus
decode_payload(const SpEnv *env, const Segments *s, SpJws *out, SpJwtError *why, SpFault *fault)
{
	size_t capacity = SP_BASE64_BYTES(s->payload_length);

	out->payload = sp_alloc(env, capacity + 1, 1);
	if (out->payload == NULL)
		return SP_ERR_NO_MEMORY;
	if (sp_base64url_decode(s->payload, s->payload_length, out->payload, capacity, &out->length) !=
	    SP_OK)
	{
		sp_jws_free(out);
		return refuse(why, SP_JWT_MALFORMED, fault, "The payload is not base64url.");
	}
	out->payload[out->length] = '\0';
	return SP_OK;
}

SpStatus
sp_jws_verify(const SpEnv *env, const char *token, size_t length, SpJwkSet *keys,
              const SpJwsOptions *options, SpJws *out, SpJwtError *why, SpFault *fault)
{
	size_t max = options != NULL && options->max_bytes > 0 ? options->max_bytes : SP_JWS_BYTES;
	Segments s;
	JwsHeader header;
	SpStatus st;

	*why = SP_JWT_OK;
	*out = (SpJws){.env = env};
	if (length > max)
		return refuse(why, SP_JWT_TOO_LARGE, fault,
		              "It is longer than any token that is read here.");
	if (!split(token, length, &s))
		return refuse(why, SP_JWT_MALFORMED, fault, "A token has three segments with two dots.");
	if ((st = read_header(env, &s, keys, &header, why, fault)) != SP_OK)
		return st;
	if ((st = check_options(&header, options, why, fault)) != SP_OK)
		return st;
	if ((st = check_signature(&s, &header, why, fault)) != SP_OK)
		return st;
	out->key = header.key;
	out->alg = header.alg;
	return decode_payload(env, &s, out, why, fault);
}

void
sp_jws_free(SpJws *jws)
{
	sp_free(jws->env, jws->payload);
	jws->payload = NULL;
	jws->length = 0;
}

SpStatus
sp_jws_sign_header(const SpEnv *env, SpJwk *key, SpJwa alg, const char *header,
                   size_t header_length, const void *payload, size_t n, char **token,
                   size_t *length)
{
	uint8_t signature[SP_SIGNATURE_MAX];
	size_t signature_length, signed_length;
	char *text;
	SpStatus st;

	*token = NULL;
	*length = 0;
	if (n > SIZE_MAX / 2 || header_length > HEADER_BYTES)
		return SP_ERR_BAD_ARG;
	signed_length = SP_BASE64URL_CHARS(header_length) + 1 + SP_BASE64URL_CHARS(n);
	text = sp_alloc(env, signed_length + 2 + SP_BASE64URL_CHARS(SP_SIGNATURE_MAX), 1);
	if (text == NULL)
		return SP_ERR_NO_MEMORY;
	sp_base64url_encode(header, header_length, text);
	text[SP_BASE64URL_CHARS(header_length)] = '.';
	sp_base64url_encode(payload, n, text + SP_BASE64URL_CHARS(header_length) + 1);
	st = sp_signature_make(key, alg, text, signed_length, signature, &signature_length);
	if (st != SP_OK)
	{
		sp_free(env, text);
		return st;
	}
	text[signed_length] = '.';
	sp_base64url_encode(signature, signature_length, text + signed_length + 1);
	*length = signed_length + 1 + SP_BASE64URL_CHARS(signature_length);
	text[*length] = '\0';
	*token = text;
	return SP_OK;
}

SpStatus
sp_jws_sign(const SpEnv *env, SpJwk *key, SpJwa alg, const char *typ, const void *payload, size_t n,
            char **token, size_t *length)
{
	json_t *json =
		json_pack("{s:s, s:s*, s:s*}", "alg", sp_jwa_name(alg), "kid", sp_jwk_kid(key), "typ", typ);
	char *header = NULL;
	size_t header_length = 0;
	SpStatus st =
		json != NULL ? sp_json_write(env, json, &header, &header_length) : SP_ERR_NO_MEMORY;

	*token = NULL;
	*length = 0;
	json_decref(json);
	if (st == SP_OK)
		st = sp_jws_sign_header(env, key, alg, header, header_length, payload, n, token, length);
	sp_free(env, header);
	return st;
}
