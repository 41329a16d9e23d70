/*
 * tests/unit/test_jws_wycheproof.c
 *	  Project Wycheproof's JSON Web Signatures, Keys and Crypto, under
 *	  $SPOTAI_SHARED/vectors/wycheproof.
 *
 * Each of the 476 tokens is taken or refused as its result says, but for eight
 * of json_web_signature_test.json:
 *
 *	367, 370	"invalid", and yet the same text as 357, which is "valid": the
 *				padding that they are about was lost on the way into the file.
 *				They are taken, as 357 is.
 *	372, 373	"valid", but a question mark stands in the base64url and the
 *				code is over the text without it.  RFC 7515, section 2, has no
 *				such characters: refused.
 *	346, 350	"valid", but the key says PS256 and the token PS384.  A key is
 *				for one algorithm (RFC 8725, section 3.1): refused.
 *	347, 351	"valid", but the key says ES521, which is no algorithm (the
 *				curve is P-521, the algorithm ES512): refused.
 *
 * Of the last four the tokens are taken once the key says what the token does.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/jose/jws.h"

#include "jose_vectors.h"

#define FOLDER "wycheproof/testvectors_v1/"

/* Whether the key of a group takes the token; which key it is depends on what the test gives. */
static bool
takes(const json_t *key, const json_t *token, SpFault *fault)
{
	char *text = json_dumps(key, JSON_COMPACT);
	SpJwkSet *keys;
	SpJws jws = {0};
	SpJwtError why = SP_JWT_OK;
	SpStatus st = sp_jwk_set_parse(&check_env, text, strlen(text), SP_JWK_ANY, &keys, fault);

	free(text);
	if (st != SP_OK)
	{
		CHECK(st != SP_ERR_NO_MEMORY && st != SP_ERR_BAD_ARG);
		return false;
	}
	if (json_is_string(token))
	{
		st = sp_jws_verify(&check_env, json_string_value(token), json_string_length(token), keys,
		                   NULL, &jws, &why, fault);
		CHECK((st == SP_OK) == (why == SP_JWT_OK));
		sp_jws_free(&jws);
	}
	else
	{
		/* the JSON form, which we do not read */
		text = json_dumps(token, JSON_COMPACT);
		st = sp_jws_verify(&check_env, text, strlen(text), keys, NULL, &jws, &why, fault);
		CHECK(why == SP_JWT_MALFORMED);
		free(text);
	}
	sp_jwk_set_free(keys);
	return st == SP_OK;
}

static bool
is_exception(const char *file, int id)
{
	static const int ids[] = {346, 347, 350, 351, 367, 370, 372, 373};

	for (size_t i = 0; i < 8; i++)
		if (ids[i] == id && strstr(file, "signature") != NULL)
			return true;
	return false;
}

static int
check_file(const char *file)
{
	json_t *root = vectors_read(file), *group, *test;
	size_t i, j;
	int count = 0;

	json_array_foreach(json_object_get(root, "testGroups"), i, group)
	{
		const json_t *public_key = json_object_get(group, "public");
		const json_t *key = public_key != NULL ? public_key : json_object_get(group, "private");

		json_array_foreach(json_object_get(group, "tests"), j, test)
		{
			const json_t *token = json_object_get(test, "jws");
			bool valid = strcmp(vectors_text(test, "result"), "valid") == 0;
			int id = (int) json_integer_value(json_object_get(test, "tcId"));
			SpFault fault = {"", ""};

			if (token == NULL)
				continue;
			count++;
			if (is_exception(file, id))
				CHECK(takes(key, token, &fault) != valid);
			else
				CHECK(vectors_case(takes(key, token, &fault) == valid, file, test));
			/* the pair takes what its public half does, unless it is for signing alone */
			if (public_key != NULL && !is_exception(file, id) &&
			    json_object_get(json_object_get(group, "private"), "key_ops") == NULL)
				CHECK(vectors_case(takes(json_object_get(group, "private"), token, &fault) == valid,
				                   file, test));
		}
	}
	json_decref(root);
	return count;
}

static json_t *
find_group(const json_t *root, int id, json_t **test)
{
	json_t *group;
	size_t i, j;

	json_array_foreach(json_object_get(root, "testGroups"), i, group)
	{
		json_array_foreach(json_object_get(group, "tests"), j, *test)
		{
			if (json_integer_value(json_object_get(*test, "tcId")) == id)
				return group;
		}
	}
	abort();
}

/* That the exceptions are what the head of this file says. */
static void
check_exceptions(void)
{
	static const struct
	{
		int id;
		const char *alg;
	} labels[] = {{346, "PS384"}, {350, "PS384"}, {347, "ES512"}, {351, "ES512"}};
	json_t *root = vectors_read(FOLDER "json_web_signature_test.json"), *test, *same;
	SpFault fault;

	if (root == NULL)
		return;
	for (int i = 0; i < 4; i++)
	{
		json_t *key = json_object_get(find_group(root, labels[i].id, &test), "public");

		CHECK(!takes(key, json_object_get(test, "jws"), &fault));
		json_object_set_new(key, "alg", json_string(labels[i].alg));
		CHECK(takes(key, json_object_get(test, "jws"), &fault));
	}
	find_group(root, 357, &same);
	for (int id = 367; id <= 370; id += 3)
	{
		find_group(root, id, &test);
		CHECK(strcmp(vectors_text(test, "jws"), vectors_text(same, "jws")) == 0);
	}
	for (int id = 372; id <= 373; id++)
	{
		find_group(root, id, &test);
		CHECK(strchr(vectors_text(test, "jws"), '?') != NULL);
	}
	json_decref(root);
}

int
main(void)
{
	int signatures = check_file(FOLDER "json_web_signature_test.json");
	int keys = check_file(FOLDER "json_web_key_test.json");
	int crypto = check_file(FOLDER "json_web_crypto_test.json");

	printf("# %d tokens\n", signatures + keys + crypto);
	CHECK(signatures == 0 || signatures == 401);
	CHECK(keys == 0 || keys == 26);
	CHECK(crypto == 0 || crypto == 49);
	check_exceptions();
	return check_report();
}
