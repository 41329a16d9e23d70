/*
 * tests/unit/test_ed25519.c
 *	  Ed25519 against Wycheproof: vectors/wycheproof under $SPOTAI_SHARED.
 *
 * A signature has 64 bytes here, and who calls us sees to it: the cases of
 * another length are counted, not run.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <jansson.h>

#include "check.h"
#include "core/crypto/ed25519.h"

#define MAX_BYTES 4096

static size_t
bytes_of(const json_t *object, const char *name, uint8_t *out)
{
	const char *hex = json_string_value(json_object_get(object, name));
	size_t n = hex != NULL ? strlen(hex) / 2 : 0;

	CHECK(hex != NULL && n <= MAX_BYTES);
	for (size_t i = 0; i < n && i < MAX_BYTES; i++)
	{
		unsigned byte = 0;

		CHECK(sscanf(hex + 2 * i, "%2x", &byte) == 1);
		out[i] = (uint8_t) byte;
	}
	return n;
}

/* 1 when it was run. */
static int
try_case(const uint8_t *key, const json_t *test)
{
	static uint8_t message[MAX_BYTES], signature[MAX_BYTES];
	const char *wanted = json_string_value(json_object_get(test, "result"));
	size_t n = bytes_of(test, "msg", message);
	SpStatus st;

	if (bytes_of(test, "sig", signature) != SP_ED25519_SIGNATURE_BYTES)
	{
		CHECK(strcmp(wanted, "invalid") == 0);
		return 0;
	}
	st = sp_ed25519_verify(key, message, n, signature);
	CHECK(st == (strcmp(wanted, "valid") == 0 ? SP_OK : SP_ERR_BAD_DATA));
	return 1;
}

int
main(void)
{
	const char *shared = getenv("SPOTAI_SHARED") ? getenv("SPOTAI_SHARED") : "../shared";
	size_t n_groups, n_tests = 0, n_run = 0;
	char path[1024];
	json_t *root;

	snprintf(path, sizeof(path), "%s/vectors/wycheproof/testvectors_v1/ed25519_test.json", shared);
	root = json_load_file(path, 0, NULL);
	if (root == NULL)
	{
		printf("# SKIP Ed25519 vectors: no %s\n", path);
		return check_report();
	}
	n_groups = json_array_size(json_object_get(root, "testGroups"));
	for (size_t i = 0; i < n_groups; i++)
	{
		const json_t *group = json_array_get(json_object_get(root, "testGroups"), i);
		const json_t *tests = json_object_get(group, "tests");
		uint8_t key[MAX_BYTES];

		CHECK(bytes_of(json_object_get(group, "publicKey"), "pk", key) == SP_ED25519_KEY_BYTES);
		for (size_t k = 0; k < json_array_size(tests); k++)
			n_run += (size_t) try_case(key, json_array_get(tests, k));
		n_tests += json_array_size(tests);
	}
	CHECK((json_int_t) n_tests == json_integer_value(json_object_get(root, "numberOfTests")));
	CHECK(n_run > n_tests / 2);
	printf("# %zu cases, %zu of them with 64 bytes\n", n_tests, n_run);
	json_decref(root);
	return check_report();
}
