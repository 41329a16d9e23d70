/*
 * tests/unit/test_jws_cookbook.c
 *	  RFC 7520, section 4, and RFC 8037, appendix A, from the JOSE cookbook under
 *	  $SPOTAI_SHARED/vectors/jose-cookbook.
 *
 * Each signature with a protected header is verified in compact form, which we
 * read; where the example is in JSON form only, the compact form is put together
 * from its parts.  Two kinds are refused, as they must be: a signature whose
 * "alg" is not protected (4.7 and one of 4.8), and RFC 7797's payload that is
 * not base64url.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/crypto/base64.h"
#include "core/jose/jws.h"

#include "jose_vectors.h"

static SpJwkSet *
parse_key(const json_t *key)
{
	char *text = json_dumps(key, JSON_COMPACT);
	SpJwkSet *set = NULL;
	SpFault fault = {"", ""};

	if (sp_jwk_set_parse(&check_env, text, strlen(text), SP_JWK_ANY, &set, &fault) != SP_OK)
		printf("# %s\n", fault.detail);
	CHECK(set != NULL);
	free(text);
	return set;
}

static SpJwtError
verify(const json_t *key, const char *token, const char *payload)
{
	SpJwkSet *set = parse_key(key);
	SpJws jws = {0};
	SpJwtError why;
	SpStatus st = sp_jws_verify(&check_env, token, strlen(token), set, NULL, &jws, &why, NULL);

	CHECK(st != SP_OK || strcmp((char *) jws.payload, payload) == 0);
	if (st == SP_OK)
		sp_jws_free(&jws);
	sp_jwk_set_free(set);
	return why;
}

/* What is chance-free comes out again, byte for byte, from the same header. */
static void
check_made_again(const json_t *root, const json_t *signing, const char *token)
{
	const json_t *input = json_object_get(root, "input");
	const char *alg_name = vectors_text(input, "alg"), *payload = vectors_text(input, "payload");
	SpJwkSet *set = parse_key(json_object_get(input, "key"));
	char header[1024] = "", *made;
	size_t length;
	SpJwa alg;

	CHECK(sp_jwa_find(alg_name, strlen(alg_name), &alg));
	length = strlen(vectors_text(signing, "protected_b64u"));
	CHECK(sp_base64url_decode(vectors_text(signing, "protected_b64u"), length, (uint8_t *) header,
	                          sizeof(header) - 1, &length) == SP_OK);
	CHECK(sp_jws_sign_header(&check_env, sp_jwk_set_at(set, 0), alg, header, length, payload,
	                         strlen(payload), &made, &length) == SP_OK);
	CHECK(made != NULL && strcmp(made, token) == 0);
	sp_free(&check_env, made);
	sp_jwk_set_free(set);
}

/* One signer of an example: compact form from its parts, or refused for lack of a header. */
static void
check_signer(const json_t *key, const json_t *signing, const char *payload, bool protected_alg)
{
	const char *input = vectors_text(signing, "sig-input");
	char *token = malloc(strlen(input) + strlen(vectors_text(signing, "sig")) + 2);

	sprintf(token, "%s.%s", input, vectors_text(signing, "sig"));
	CHECK(verify(key, token, payload) == (protected_alg ? SP_JWT_OK : SP_JWT_MALFORMED));
	free(token);
}

static int
check_example(const char *file, bool compact, bool protected_alg)
{
	char name[256];
	json_t *root, *input, *signing;

	snprintf(name, sizeof(name), "jose-cookbook/%s", file);
	root = vectors_read(name);
	if (root == NULL)
		return 0;
	input = json_object_get(root, "input");
	signing = json_object_get(root, "signing");
	check_signer(json_object_get(input, "key"), signing, vectors_text(input, "payload"),
	             protected_alg);
	if (compact)
	{
		const char *token = vectors_text(json_object_get(root, "output"), "compact");

		CHECK(verify(json_object_get(input, "key"), token, vectors_text(input, "payload")) ==
		      SP_JWT_OK);
		if (json_is_true(json_object_get(root, "reproducible")))
			check_made_again(root, signing, token);
	}
	json_decref(root);
	return 1;
}

/* 4.8: three signers; the second has no protected header. */
static int
check_multiple(void)
{
	json_t *root = vectors_read("jose-cookbook/jws/4_8.multiple_signatures.json"), *input;

	if (root == NULL)
		return 0;
	input = json_object_get(root, "input");
	for (size_t i = 0; i < 3; i++)
		check_signer(json_array_get(json_object_get(input, "key"), i),
		             json_array_get(json_object_get(root, "signing"), i),
		             vectors_text(input, "payload"), i != 1);
	json_decref(root);
	return 1;
}

/* RFC 7797: the header is understood well enough to refuse it. */
static int
check_unencoded(void)
{
	json_t *root = vectors_read("jose-cookbook/rfc7797/4.2.hmac-sha2_b64_false.json"), *input;
	char token[1024];

	if (root == NULL)
		return 0;
	input = json_object_get(root, "input");
	snprintf(token, sizeof(token), "%s..%s",
	         vectors_text(json_object_get(root, "signing"), "protected_b64u"),
	         vectors_text(json_object_get(root, "signing"), "sig"));
	CHECK(verify(json_object_get(input, "key"), token, "") == SP_JWT_CRITICAL);
	json_decref(root);
	return 1;
}

static int
check_keys(void)
{
	static const struct
	{
		const char *file;
		SpStatus status;
		SpJwkKind kind;
	} keys[] = {
		{"3_1.ec_public_key", SP_OK, SP_JWK_PUBLIC},
		{"3_2.ec_private_key", SP_OK, SP_JWK_PRIVATE},
		{"3_3.rsa_public_key", SP_OK, SP_JWK_PUBLIC},
		{"3_4.rsa_private_key", SP_OK, SP_JWK_PRIVATE},
		{"3_5.symmetric_key_mac_computation", SP_OK, SP_JWK_SECRET},
		{"3_6.symmetric_key_encryption", SP_ERR_UNSUPPORTED, SP_JWK_SECRET},
	};
	int count = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
	{
		char name[256];
		size_t length;
		char *text;
		SpJwk *key;

		snprintf(name, sizeof(name), "jose-cookbook/jwk/%s.json", keys[i].file);
		text = vectors_bytes(name, &length);
		if (text == NULL)
			continue;
		CHECK(sp_jwk_parse(&check_env, text, length, SP_JWK_ANY, &key, NULL) == keys[i].status);
		CHECK(key == NULL || sp_jwk_kind(key) == keys[i].kind);
		sp_jwk_free(key);
		free(text);
		count++;
	}
	return count;
}

int
main(void)
{
	int count = check_keys();

	count += check_example("jws/4_1.rsa_v15_signature.json", true, true);
	count += check_example("jws/4_2.rsa-pss_signature.json", true, true);
	count += check_example("jws/4_3.ecdsa_signature.json", true, true);
	count += check_example("jws/4_4.hmac-sha2_integrity_protection.json", true, true);
	count += check_example("jws/4_5.signature_with_detached_content.json", false, true);
	count += check_example("jws/4_6.protecting_specific_header_fields.json", false, true);
	count += check_example("jws/4_7.protecting_content_only.json", false, false);
	count += check_multiple();
	count += check_unencoded();
	count += check_example("curve25519/jws.json", true, true);
	printf("# %d examples\n", count);
	CHECK(count == 0 || count == 16);
	return check_report();
}
