/*
 * tests/unit/test_jws_signatures.c
 *	  Project Wycheproof's signatures and codes over bytes, under
 *	  $SPOTAI_SHARED/vectors/wycheproof: each is taken or refused as its result
 *	  says.
 *
 * "acceptable" is the lack of a NULL in the DigestInfo of RSA signatures, once
 * for each of three hashes.  RFC 8017, section 9.2, wants the NULL: refused.
 *
 * ECDSA signatures in DER are no JOSE signatures: all 484 are refused, right
 * or wrong.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/crypto/base64.h"
#include "core/jose/signature.h"

#include "jose_vectors.h"

#define FOLDER "wycheproof/testvectors_v1/"

typedef struct File
{
	const char *name;
	SpJwa alg;
	int tests;
} File;

static SpJwk *
parse(const char *text)
{
	SpFault fault = {"", ""};
	SpJwk *key = NULL;

	if (sp_jwk_parse(&check_env, text, strlen(text), SP_JWK_PUBLIC, &key, &fault) != SP_OK)
		printf("# %s\n", fault.detail);
	CHECK(key != NULL);
	return key;
}

/* Base64url of n bytes that end where the hexadecimal number does. */
static void
fixed_number(const char *hex, size_t n, char *out)
{
	size_t length;
	uint8_t *bytes = vectors_hex(hex, &length), padded[SP_CURVE_MAX] = {0};

	if (length > n)
		memcpy(padded, bytes + length - n, n);
	else
		memcpy(padded + n - length, bytes, length);
	sp_base64url_encode(padded, n, out);
	out[SP_BASE64URL_CHARS(n)] = '\0';
	free(bytes);
}

/* Some groups of ECDSA have no JWK, but all have the coordinates. */
static SpJwk *
parse_group(const json_t *group, SpJwa alg)
{
	const json_t *jwk = json_object_get(group, "publicKeyJwk"), *point;
	const SpCurve *curve = sp_curve_of(alg);
	char text[512], x[128], y[128], *dump;
	SpJwk *key;

	if (jwk == NULL)
		jwk = json_object_get(group, "keyJwk");
	if (jwk == NULL)
	{
		point = json_object_get(group, "publicKey");
		fixed_number(vectors_text(point, "wx"), curve->bytes, x);
		fixed_number(vectors_text(point, "wy"), curve->bytes, y);
		snprintf(text, sizeof(text), "{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"}",
		         curve->name, x, y);
		return parse(text);
	}
	dump = json_dumps(jwk, JSON_COMPACT);
	key = parse(dump);
	free(dump);
	return key;
}

static bool
check_one(SpJwk *key, SpJwa alg, const json_t *test)
{
	size_t n, length;
	uint8_t *data = vectors_hex_of(test, "msg", &n),
			*signature = vectors_hex_of(test, "sig", &length);
	SpStatus st = sp_signature_check(key, alg, data, n, signature, length);

	CHECK(st == SP_OK || st == SP_ERR_BAD_DATA);
	free(data);
	free(signature);
	return st == SP_OK;
}

static int
check_file(const File *file, bool der)
{
	json_t *root = vectors_read(file->name), *group, *test;
	size_t i, j;
	int count = 0;

	json_array_foreach(json_object_get(root, "testGroups"), i, group)
	{
		SpJwk *key = parse_group(group, file->alg);

		json_array_foreach(json_object_get(group, "tests"), j, test)
		{
			bool expected = !der && strcmp(vectors_text(test, "result"), "valid") == 0;

			count++;
			if (key != NULL)
				CHECK(vectors_case(check_one(key, file->alg, test) == expected, file->name, test));
		}
		sp_jwk_free(key);
	}
	json_decref(root);
	CHECK(count == 0 || count == file->tests);
	return count;
}

static int
check_hmac_file(const File *file, SpHash hash)
{
	json_t *root = vectors_read(file->name), *group, *test;
	size_t i, j;
	int count = 0;

	json_array_foreach(json_object_get(root, "testGroups"), i, group)
	{
		size_t tag_bytes = (size_t) json_integer_value(json_object_get(group, "tagSize")) / 8;

		json_array_foreach(json_object_get(group, "tests"), j, test)
		{
			size_t key_length, n, length;
			uint8_t *key = vectors_hex_of(test, "key", &key_length);
			uint8_t *data = vectors_hex_of(test, "msg", &n);
			uint8_t *tag = vectors_hex_of(test, "tag", &length), out[SP_HASH_MAX];
			bool valid = strcmp(vectors_text(test, "result"), "valid") == 0;

			count++;
			CHECK(sp_hmac_once(hash, key, key_length, data, n, out) == SP_OK);
			CHECK(vectors_case((length == tag_bytes && memcmp(out, tag, length) == 0) == valid,
			                   file->name, test));
			free(key);
			free(data);
			free(tag);
		}
	}
	json_decref(root);
	CHECK(count == 0 || count == file->tests);
	return count;
}

int
main(void)
{
	static const File signatures[] = {
		{FOLDER "ecdsa_secp256r1_sha256_p1363_test.json", SP_JWA_ES256, 262},
		{FOLDER "ecdsa_secp384r1_sha384_p1363_test.json", SP_JWA_ES384, 280},
		{FOLDER "ecdsa_secp521r1_sha512_p1363_test.json", SP_JWA_ES512, 318},
		{FOLDER "ed25519_test.json", SP_JWA_EDDSA, 151},
		{FOLDER "rsa_signature_2048_sha256_test.json", SP_JWA_RS256, 259},
		{FOLDER "rsa_signature_2048_sha384_test.json", SP_JWA_RS384, 258},
		{FOLDER "rsa_signature_2048_sha512_test.json", SP_JWA_RS512, 259},
		{FOLDER "rsa_pss_2048_sha256_mgf1_32_test.json", SP_JWA_PS256, 108},
		{FOLDER "rsa_pss_2048_sha384_mgf1_48_test.json", SP_JWA_PS384, 141},
		{FOLDER "rsa_pss_4096_sha512_mgf1_64_test.json", SP_JWA_PS512, 179},
	};
	static const File der = {FOLDER "ecdsa_secp256r1_sha256_test.json", SP_JWA_ES256, 484};
	static const File codes[] = {
		{FOLDER "hmac_sha1_test.json", SP_JWA_HS256, 170},
		{FOLDER "hmac_sha256_test.json", SP_JWA_HS256, 174},
		{FOLDER "hmac_sha384_test.json", SP_JWA_HS384, 174},
		{FOLDER "hmac_sha512_test.json", SP_JWA_HS512, 174},
	};
	int count = 0;

	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++)
		count += check_file(&signatures[i], false);
	count += check_file(&der, true);
	for (int i = 0; i < SP_HASH_COUNT; i++)
		count += check_hmac_file(&codes[i], (SpHash) i);
	printf("# %d signatures and codes\n", count);
	return check_report();
}
