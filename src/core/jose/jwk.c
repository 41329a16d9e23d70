/*
 * src/core/jose/jwk.c
 *	  Keys: what every type has, and what a key may be used for.
 *
 * Three things limit what a key is for, and each can only take away: its
 * numbers (jwk_rsa.c, jwk_curve.c, and secrets here), its "alg", and its "use"
 * with "key_ops" (RFC 7517, sections 4.2 to 4.4).  Certificates and addresses
 * ("x5c", "x5u") are not looked at: nothing is fetched, nothing is trusted
 * because it stands in the key itself.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/jose/jwk.h"

#include <openssl/err.h>
#include <string.h>

#include "core/crypto/base64.h"
#include "core/crypto/constant_time.h"
#include "core/jose/json_strict.h"
#include "core/jose/jwk_internal.h"
#include "core/jose/signature.h"

/* RFC 7518, sections 6.2.2, 6.3.2 (and 6.3.2.7 for oth); RFC 8037, section 2. */
static const char *const PRIVATE_MEMBERS[] = {"d", "p", "q", "dp", "dq", "qi", "oth"};

SpStatus
sp_jwk_keep(SpJwk *key, int i, const char *name, const uint8_t *bytes, size_t n)
{
	char *text = sp_calloc(key->env, SP_BASE64URL_CHARS(n) + 1, 1);

	if (text == NULL)
		return SP_ERR_NO_MEMORY;
	sp_base64url_encode(bytes, n, text);
	key->members[i] = (JwkMember){name, text};
	return SP_OK;
}

SpStatus
sp_jwk_decode(const SpEnv *env, const json_t *json, const char *name, size_t max, uint8_t **bytes,
              size_t *length, SpFault *fault)
{
	size_t chars = 0, capacity;
	const char *text = sp_json_text(json, name, &chars);
	SpStatus st;

	*bytes = NULL;
	*length = 0;
	if (text == NULL || chars == 0)
		return sp_fault(fault, SP_ERR_BAD_DATA, "",
		                "The key's member \"%s\" is missing or no text.", name);
	capacity = SP_BASE64_BYTES(chars);
	if (capacity > max)
		return sp_fault(fault, SP_ERR_TOO_LARGE, "",
		                "The key's member \"%s\" has %zu bytes; at most %zu are taken.", name,
		                capacity, max);
	*bytes = sp_calloc(env, capacity + 1, 1);
	if (*bytes == NULL)
		return SP_ERR_NO_MEMORY;
	st = sp_base64url_decode(text, chars, *bytes, capacity, length);
	if (st != SP_OK)
	{
		sp_jwk_forget(env, *bytes, capacity);
		*bytes = NULL;
		return sp_fault(fault, st, "Keys are base64url without padding and line breaks.",
		                "The key's member \"%s\" is not base64url.", name);
	}
	return SP_OK;
}

void
sp_jwk_forget(const SpEnv *env, uint8_t *bytes, size_t length)
{
	sp_crypto_wipe(bytes, length);
	sp_free(env, bytes);
}

SpStatus
sp_jwk_read_oct(SpJwk *key, const json_t *json, SpFault *fault)
{
	SpStatus st = sp_jwk_decode(key->env, json, "k", SP_JWK_SECRET_MAX, &key->secret,
	                            &key->secret_length, fault);

	if (st != SP_OK)
		return st;
	for (int i = 0; i < HMAC_COUNT; i++)
		if (key->secret_length >= sp_hash_bytes(sp_jwa_hash((SpJwa) i)))
			key->algs |= SP_JWA_BIT(i);
	if (key->algs == 0)
		return sp_fault(fault, SP_ERR_BAD_DATA,
		                "A secret is at least as long as the hash: RFC 7518, 3.2.",
		                "The secret has %zu bytes; HS256 needs at least 32.", key->secret_length);
	return SP_OK;
}

/* The kind of key that is there must be one that was asked for. */
static SpStatus
read_kind(SpJwk *key, const json_t *json, unsigned accept, SpFault *fault)
{
	const char *found = NULL;

	for (size_t i = 0; i < sizeof(PRIVATE_MEMBERS) / sizeof(PRIVATE_MEMBERS[0]); i++)
		if (json_object_get(json, PRIVATE_MEMBERS[i]) != NULL)
			found = PRIVATE_MEMBERS[i];
	key->kind = key->type == SP_KEY_OCT ? SP_JWK_SECRET
	            : found != NULL         ? SP_JWK_PRIVATE
	                                    : SP_JWK_PUBLIC;
	if (accept & key->kind)
		return SP_OK;
	if (key->kind == SP_JWK_PRIVATE)
		return sp_fault(fault, SP_ERR_BAD_DATA, "Give the public key alone, and change this pair.",
		                "The key has the private member \"%s\".", found);
	if (key->kind == SP_JWK_SECRET)
		return sp_fault(fault, SP_ERR_BAD_DATA, "", "The key is symmetric (kty \"oct\").");
	return sp_fault(fault, SP_ERR_BAD_DATA, "", "The key has no private half.");
}

static SpStatus
read_kid(SpJwk *key, const json_t *json, SpFault *fault)
{
	size_t length = 0;
	const char *kid = sp_json_text(json, "kid", &length);

	if (json_object_get(json, "kid") == NULL)
		return SP_OK;
	if (kid == NULL || length == 0 || length > SP_JWK_KID_MAX)
		return sp_fault(fault, SP_ERR_BAD_DATA, "",
		                "The key's \"kid\" is no text of 1 to %d bytes.", SP_JWK_KID_MAX);
	for (size_t i = 0; i < length;)
	{
		int n = sp_utf8_length(kid + i);

		if (n == 0)
			return sp_fault(fault, SP_ERR_BAD_DATA, "",
			                "The key's \"kid\" has control characters.");
		i += (size_t) n;
	}
	memcpy(key->kid, kid, length + 1);
	key->has_kid = true;
	return SP_OK;
}

/* RFC 7517, section 4.3: distinct texts; of those not for signatures nothing follows. */
static SpStatus
read_key_ops(SpJwk *key, const json_t *json, SpFault *fault)
{
	const json_t *ops = json_object_get(json, "key_ops"), *op, *other;
	size_t i, j;
	bool sign = false, verify = false;

	if (ops == NULL)
		return SP_OK;
	if (!json_is_array(ops))
		return sp_fault(fault, SP_ERR_BAD_DATA, "", "The key's \"key_ops\" is no array.");
	json_array_foreach(ops, i, op)
	{
		if (!json_is_string(op))
			return sp_fault(fault, SP_ERR_BAD_DATA, "", "The key's \"key_ops\" holds no texts.");
		json_array_foreach(ops, j, other)
		{
			if (i != j && json_equal(op, other))
				return sp_fault(fault, SP_ERR_BAD_DATA, "",
				                "The key's \"key_ops\" names an operation twice.");
		}
		sign |= strcmp(json_string_value(op), "sign") == 0;
		verify |= strcmp(json_string_value(op), "verify") == 0;
	}
	key->may_sign &= sign;
	key->may_verify &= verify;
	if (!key->may_sign && !key->may_verify)
		return sp_fault(fault, SP_ERR_UNSUPPORTED, "",
		                "The key's \"key_ops\" allows neither to sign nor to verify with it.");
	return SP_OK;
}

static SpStatus
read_use(SpJwk *key, const json_t *json, SpFault *fault)
{
	const json_t *use = json_object_get(json, "use");

	key->may_verify = true;
	key->may_sign = key->kind != SP_JWK_PUBLIC;
	if (use != NULL && !json_is_string(use))
		return sp_fault(fault, SP_ERR_BAD_DATA, "", "The key's \"use\" is no text.");
	if (use != NULL && strcmp(json_string_value(use), "sig") != 0)
		return sp_fault(fault, SP_ERR_UNSUPPORTED, "", "The key's \"use\" is not \"sig\".");
	return read_key_ops(key, json, fault);
}

/* "alg" leaves one of the algorithms that the numbers allow, or the key is refused. */
static SpStatus
read_alg(SpJwk *key, const json_t *json, SpFault *fault)
{
	size_t length = 0;
	const char *name = sp_json_text(json, "alg", &length);
	SpJwa alg;

	if (json_object_get(json, "alg") == NULL)
		return SP_OK;
	if (name == NULL)
		return sp_fault(fault, SP_ERR_BAD_DATA, "", "The key's \"alg\" is no text.");
	if (!sp_jwa_find(name, length, &alg))
		return sp_fault(fault, SP_ERR_UNSUPPORTED,
		                "Algorithms are HS, RS, PS or ES with 256, 384 or 512, and EdDSA.",
		                "The key's \"alg\" is no signature algorithm that is known here.");
	if (!(key->algs & SP_JWA_BIT(alg)))
		return sp_fault(fault, SP_ERR_BAD_DATA, "",
		                key->type == SP_KEY_OCT && sp_jwa_key_type(alg) == SP_KEY_OCT
		                    ? "The secret is shorter than the hash of %s."
		                    : "The key's type or curve is not the one of its \"alg\", %s.",
		                sp_jwa_name(alg));
	key->algs = SP_JWA_BIT(alg);
	return SP_OK;
}

static SpStatus
read_type(SpJwk *key, const json_t *json, SpFault *fault)
{
	static const char *const names[] = {"oct", "RSA", "EC", "OKP"};
	size_t length = 0;
	const char *kty = sp_json_text(json, "kty", &length);

	if (kty == NULL)
		return sp_fault(fault, SP_ERR_BAD_DATA, "",
		                "The key's member \"kty\" is missing or no text.");
	for (int i = 0; i < 4; i++)
		if (strcmp(kty, names[i]) == 0)
		{
			key->type = (SpKeyType) i;
			return SP_OK;
		}
	return sp_fault(fault, SP_ERR_UNSUPPORTED, "Types of keys are oct, RSA, EC and OKP.",
	                "The key's \"kty\" is not known here.");
}

static SpStatus
read_numbers(SpJwk *key, const json_t *json, SpFault *fault)
{
	switch (key->type)
	{
		case SP_KEY_OCT:
			return sp_jwk_read_oct(key, json, fault);
		case SP_KEY_RSA:
			return sp_jwk_read_rsa(key, json, fault);
		default:
			return sp_jwk_read_curve(key, json, fault);
	}
}

/* The cheap and the general first: a key for encryption is not for us, whatever its numbers. */
static SpStatus
read_key(SpJwk *key, const json_t *json, unsigned accept, SpFault *fault)
{
	SpStatus st;

	if ((st = read_type(key, json, fault)) != SP_OK)
		return st;
	if ((st = read_kind(key, json, accept, fault)) != SP_OK)
		return st;
	if ((st = read_use(key, json, fault)) != SP_OK)
		return st;
	if ((st = read_kid(key, json, fault)) != SP_OK)
		return st;
	if ((st = read_numbers(key, json, fault)) != SP_OK)
		return st;
	if ((st = read_alg(key, json, fault)) != SP_OK)
		return st;
	return key->kind == SP_JWK_PRIVATE ? sp_jwk_check_pair(key, fault) : SP_OK;
}

SpStatus
sp_jwk_from_json(const SpEnv *env, const json_t *json, unsigned accept, SpJwk **out, SpFault *fault)
{
	SpJwk *key = sp_calloc(env, 1, sizeof(SpJwk));
	SpStatus st;

	*out = NULL;
	if (key == NULL)
		return SP_ERR_NO_MEMORY;
	key->env = env;
	st = json_is_object(json) ? read_key(key, json, accept, fault)
	                          : sp_fault(fault, SP_ERR_BAD_DATA, "", "The key is no JSON object.");
	ERR_clear_error();
	if (st != SP_OK)
	{
		sp_jwk_free(key);
		return st;
	}
	*out = key;
	return SP_OK;
}

SpStatus
sp_jwk_parse(const SpEnv *env, const char *text, size_t length, unsigned accept, SpJwk **out,
             SpFault *fault)
{
	json_t *json;
	SpStatus st = sp_json_read_object(text, length, SP_JWK_BYTES, &json, fault);

	*out = NULL;
	if (st == SP_OK)
		st = sp_jwk_from_json(env, json, accept, out, fault);
	sp_json_release(json);
	return st;
}

/*
 * OpenSSL can compare halves, too, but for each type by another function, and
 * not all of them look at every number; one signature does.
 */
SpStatus
sp_jwk_check_pair(SpJwk *key, SpFault *fault)
{
	static const char message[] = "spotai: do the halves of this key fit?";
	uint8_t signature[SP_SIGNATURE_MAX];
	size_t length;
	SpJwa alg = (SpJwa) __builtin_ctz(key->algs);
	bool may_sign = key->may_sign, may_verify = key->may_verify;
	SpStatus st;

	/* key_ops may allow one of them alone; it is about other people's messages. */
	key->may_sign = key->may_verify = true;
	st = sp_signature_make(key, alg, message, sizeof(message), signature, &length);
	if (st == SP_OK)
		st = sp_signature_check(key, alg, message, sizeof(message), signature, length);
	key->may_sign = may_sign;
	key->may_verify = may_verify;
	if (st == SP_ERR_BAD_DATA)
		return sp_fault(fault, st, "",
		                "The key's private half does not belong to its public half.");
	return st;
}

void
sp_jwk_free(SpJwk *key)
{
	if (key == NULL)
		return;
	for (int i = 0; i < HMAC_COUNT; i++)
		sp_hmac_free(key->mac[i]);
	for (int i = 0; i < SP_JWA_COUNT; i++)
		EVP_PKEY_CTX_free(key->verifier[i]);
	/* OpenSSL clears the private numbers of the keys that it frees. */
	EVP_PKEY_free(key->pkey);
	for (int i = 0; i < 2; i++)
		sp_free(key->env, key->members[i].text);
	sp_jwk_forget(key->env, key->secret, key->secret_length);
	sp_free(key->env, key);
}

SpJwkKind
sp_jwk_kind(const SpJwk *key)
{
	return key->kind;
}

SpKeyType
sp_jwk_type(const SpJwk *key)
{
	return key->type;
}

unsigned
sp_jwk_bits(const SpJwk *key)
{
	return key->type == SP_KEY_RSA ? (unsigned) EVP_PKEY_get_bits(key->pkey) : 0;
}

unsigned
sp_jwk_verifies(const SpJwk *key)
{
	return key->may_verify ? key->algs : 0;
}

unsigned
sp_jwk_signs(const SpJwk *key)
{
	return key->may_sign ? key->algs : 0;
}

const char *
sp_jwk_kid(const SpJwk *key)
{
	return key->has_kid ? key->kid : NULL;
}
