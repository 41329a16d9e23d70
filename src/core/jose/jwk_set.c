/*
 * src/core/jose/jwk_set.c
 *	  Sets of keys (RFC 7517, section 5), and which of them a token means.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/jose/jwk_set.h"

#include <stdio.h>
#include <string.h>

#include "core/jose/json_strict.h"
#include "core/jose/jwk_set_internal.h"

SpStatus
sp_jwk_set_new(const SpEnv *env, SpJwkSet **out)
{
	*out = sp_calloc(env, 1, sizeof(SpJwkSet));
	if (*out == NULL)
		return SP_ERR_NO_MEMORY;
	(*out)->env = env;
	return SP_OK;
}

static SpStatus
check_addition(const SpJwkSet *set, const SpJwk *key, SpFault *fault)
{
	if (set->count == SP_JWK_SET_KEYS)
		return sp_fault(fault, SP_ERR_TOO_LARGE, "", "The set has more than %d keys.",
		                SP_JWK_SET_KEYS);
	for (size_t i = 0; i < set->count; i++)
	{
		const char *kid = sp_jwk_kid(set->keys[i]);

		if (sp_jwk_kind(set->keys[i]) != sp_jwk_kind(key))
			return sp_fault(fault, SP_ERR_BAD_DATA, "Keep public keys, pairs and secrets apart.",
			                "The set mixes symmetric, public and private keys.");
		if (kid != NULL && sp_jwk_kid(key) != NULL && strcmp(kid, sp_jwk_kid(key)) == 0)
			return sp_fault(fault, SP_ERR_BAD_DATA, "",
			                "Two keys of the set have the same \"kid\".");
	}
	return SP_OK;
}

SpStatus
sp_jwk_set_add(SpJwkSet *set, SpJwk *key, SpFault *fault)
{
	SpStatus st = check_addition(set, key, fault);

	if (st != SP_OK)
	{
		sp_jwk_free(key);
		return st;
	}
	set->keys[set->count++] = key;
	/* the header may mean the new key now */
	set->memo.length = 0;
	return SP_OK;
}

static SpStatus
add_json(SpJwkSet *set, const json_t *json, unsigned accept, SpFault *fault)
{
	SpJwk *key;
	SpStatus st = sp_jwk_from_json(set->env, json, accept, &key, fault);

	return st == SP_OK ? sp_jwk_set_add(set, key, fault) : st;
}

/* Says which key of the set it is about. */
static SpStatus
name_key(SpStatus st, size_t i, SpFault *fault)
{
	char detail[sizeof(fault->detail)];

	if (fault == NULL || st == SP_ERR_NO_MEMORY)
		return st;
	memcpy(detail, fault->detail, sizeof(detail));
	snprintf(fault->detail, sizeof(fault->detail), "Key %zu: %.*s", i + 1,
	         (int) sizeof(fault->detail) - 32, detail);
	return st;
}

static SpStatus
add_all(SpJwkSet *set, const json_t *keys, unsigned accept, SpFault *fault)
{
	const json_t *json;
	size_t i;

	if (!json_is_array(keys))
		return sp_fault(fault, SP_ERR_BAD_DATA, "", "The set's \"keys\" is no array.");
	json_array_foreach(keys, i, json)
	{
		SpStatus st = add_json(set, json, accept, fault);

		if (st != SP_OK && st != SP_ERR_UNSUPPORTED)
			return name_key(st, i, fault);
		/* why a key was left out is no fault of the set */
		if (fault != NULL)
			*fault = (SpFault){"", ""};
	}
	if (set->count == 0)
		return sp_fault(fault, SP_ERR_UNSUPPORTED, "", "No key of the set is for signatures.");
	return SP_OK;
}

SpStatus
sp_jwk_set_parse(const SpEnv *env, const char *text, size_t length, unsigned accept, SpJwkSet **out,
                 SpFault *fault)
{
	json_t *json;
	SpJwkSet *set = NULL;
	SpStatus st = sp_json_read_object(text, length, SP_JWK_SET_BYTES, &json, fault);

	*out = NULL;
	if (st == SP_OK)
		st = sp_jwk_set_new(env, &set);
	if (st == SP_OK && json_object_get(json, "keys") != NULL)
		st = add_all(set, json_object_get(json, "keys"), accept, fault);
	else if (st == SP_OK)
		st = add_json(set, json, accept, fault);
	sp_json_release(json);
	if (st != SP_OK)
	{
		sp_jwk_set_free(set);
		return st;
	}
	*out = set;
	return SP_OK;
}

void
sp_jwk_set_free(SpJwkSet *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->count; i++)
		sp_jwk_free(set->keys[i]);
	sp_free(set->env, set);
}

size_t
sp_jwk_set_count(const SpJwkSet *set)
{
	return set->count;
}

SpJwk *
sp_jwk_set_at(const SpJwkSet *set, size_t i)
{
	return i < set->count ? set->keys[i] : NULL;
}

SpJwk *
sp_jwk_set_find(const SpJwkSet *set, const char *kid, SpJwa alg)
{
	SpJwk *found = NULL;

	for (size_t i = 0; i < set->count && kid != NULL; i++)
	{
		const char *name = sp_jwk_kid(set->keys[i]);

		if (name != NULL && strcmp(name, kid) == 0)
			return set->keys[i];
	}
	for (size_t i = 0; i < set->count; i++)
	{
		SpJwk *key = set->keys[i];

		if (kid != NULL && sp_jwk_kid(key) != NULL)
			continue;
		/* the only key there is says itself that the algorithm is wrong */
		if (set->count > 1 && !(sp_jwk_verifies(key) & SP_JWA_BIT(alg)))
			continue;
		if (found != NULL)
			return NULL;
		found = key;
	}
	return found;
}

SpStatus
sp_jwk_set_public_text(const SpEnv *env, const SpJwkSet *set, char **text, size_t *length)
{
	json_t *keys = json_array(), *json = NULL;
	SpStatus st = keys != NULL ? SP_OK : SP_ERR_NO_MEMORY;

	*text = NULL;
	*length = 0;
	for (size_t i = 0; i < set->count && st == SP_OK; i++)
	{
		if (sp_jwk_kind(set->keys[i]) == SP_JWK_SECRET)
			st = SP_ERR_BAD_ARG;
		else if (json_array_append_new(keys, sp_jwk_public_json(set->keys[i])) != 0)
			st = SP_ERR_NO_MEMORY;
	}
	if (st == SP_OK)
	{
		json = json_pack("{s:O}", "keys", keys);
		st = json != NULL ? sp_json_write(env, json, text, length) : SP_ERR_NO_MEMORY;
	}
	json_decref(json);
	json_decref(keys);
	return st;
}
