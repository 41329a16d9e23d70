/*
 * tests/unit/test_envelope.c
 *	  Envelope encryption: Wycheproof's AES-256-GCM, the form of sealed values,
 *	  what they are bound to, every changed bit, and what is left in memory.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/crypto/envelope.h"

#include "core/crypto/constant_time.h"
#include "core/crypto/envelope_gcm.h"
#include "core/crypto/hmac.h"
#include "core/crypto/random.h"
#include "jose_vectors.h"

#define VECTORS "wycheproof/testvectors_v1/aes_gcm_test.json"

static const char KEK[] = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F\n";
static const SpEnvelopePart PLACE[] = {{"tenant", 6}, {"name", 4}, {"\0\0\0\1", 4}};

/* --- the cipher itself ---------------------------------------------------------- */

static bool
opens(const json_t *test)
{
	size_t key_length, nonce_length, aad_length, n, tag_length, plain_length;
	uint8_t *key = vectors_hex_of(test, "key", &key_length), *out;
	uint8_t *nonce = vectors_hex_of(test, "iv", &nonce_length);
	uint8_t *aad = vectors_hex_of(test, "aad", &aad_length);
	uint8_t *sealed = vectors_hex_of(test, "ct", &n),
			*tag = vectors_hex_of(test, "tag", &tag_length);
	uint8_t *plain = vectors_hex_of(test, "msg", &plain_length), made_tag[SP_GCM_TAG_BYTES];
	bool valid = strcmp(vectors_text(test, "result"), "valid") == 0, good;
	SpGcm *gcm;

	out = calloc(n + 1, 1);
	CHECK(key_length == 32 && nonce_length == 12 && tag_length == 16);
	CHECK(sp_gcm_start(false, key, nonce, &gcm) == SP_OK);
	CHECK(sp_gcm_authenticate(gcm, aad, aad_length) == SP_OK);
	good = sp_gcm_open(gcm, sealed, n, tag, out) == SP_OK;
	sp_gcm_end(gcm);
	CHECK(!good || (n == plain_length && memcmp(out, plain, n) == 0));
	for (size_t i = 0; i < n && !good; i++)
		CHECK(out[i] == 0);
	CHECK(sp_gcm_start(true, key, nonce, &gcm) == SP_OK);
	CHECK(sp_gcm_authenticate(gcm, aad, aad_length) == SP_OK);
	CHECK(sp_gcm_seal(gcm, plain, plain_length, out, made_tag) == SP_OK);
	sp_gcm_end(gcm);
	CHECK(!valid || (memcmp(out, sealed, n) == 0 && memcmp(made_tag, tag, 16) == 0));
	free(key);
	free(nonce);
	free(aad);
	free(sealed);
	free(tag);
	free(plain);
	free(out);
	return good;
}

/* Keys of 128 and 192 bits and nonces of other lengths cannot be said to our functions at all. */
static void
test_wycheproof(void)
{
	json_t *root = vectors_read(VECTORS), *group, *test;
	size_t i, j;
	int count = 0;

	json_array_foreach(json_object_get(root, "testGroups"), i, group)
	{
		if (json_integer_value(json_object_get(group, "keySize")) != 256 ||
		    json_integer_value(json_object_get(group, "ivSize")) != 96)
			continue;
		json_array_foreach(json_object_get(group, "tests"), j, test)
		{
			bool valid = strcmp(vectors_text(test, "result"), "valid") == 0;

			CHECK(vectors_case(opens(test) == valid, VECTORS, test));
			count++;
		}
	}
	printf("# %d cases of AES-256-GCM\n", count);
	CHECK(count == 0 || count == 66);
	json_decref(root);
}

/* --- sealed values ---------------------------------------------------------------- */

static SpEnvelopeKey
read_kek(const char *text)
{
	SpEnvelopeKey key;

	CHECK(sp_envelope_key_read(text, strlen(text), &key, NULL) == SP_OK);
	return key;
}

static void
test_round_trip(void)
{
	static const size_t lengths[] = {0, 1, 15, 16, 17, 1000, 100000};
	SpEnvelopeKey key;
	uint8_t id[SP_ENVELOPE_ID_BYTES];

	CHECK(sp_envelope_key_make(&key) == SP_OK);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		size_t n = lengths[i], length;
		uint8_t *plain = malloc(n + 1), *out = malloc(n + 1);
		uint8_t *sealed = malloc(n + SP_ENVELOPE_OVERHEAD),
				*twice = malloc(n + SP_ENVELOPE_OVERHEAD);

		for (size_t j = 0; j < n; j++)
			plain[j] = (uint8_t) check_random();
		CHECK(sp_envelope_seal(&key, PLACE, 3, plain, n, sealed) == SP_OK);
		CHECK(sealed[0] == 1 && sealed[1] == 1 && memcmp(sealed + 2, key.id, 16) == 0);
		CHECK(sp_envelope_key_id(sealed, n + SP_ENVELOPE_OVERHEAD, id) == SP_OK &&
		      memcmp(id, key.id, 16) == 0);
		CHECK(sp_envelope_open(&key, PLACE, 3, sealed, n + SP_ENVELOPE_OVERHEAD, out, &length,
		                       NULL) == SP_OK);
		CHECK(length == n && memcmp(out, plain, n) == 0);
		/* another nonce each time */
		CHECK(sp_envelope_seal(&key, PLACE, 3, plain, n, twice) == SP_OK);
		CHECK(memcmp(sealed + 18, twice + 18, 12) != 0);
		free(plain);
		free(out);
		free(sealed);
		free(twice);
	}
}

/* The form, put together here by hand from envelope.h. */
static void
test_form(void)
{
	static const uint8_t binding[] = {0,   0,   0,   3,   0, 0, 0, 0, 0, 0, 0, 6, 't', 'e',
	                                  'n', 'a', 'n', 't', 0, 0, 0, 0, 0, 0, 0, 4, 'n', 'a',
	                                  'm', 'e', 0,   0,   0, 0, 0, 0, 0, 4, 0, 0, 0,   1};
	SpEnvelopeKey key = read_kek(KEK);
	uint8_t sealed[SP_ENVELOPE_OVERHEAD + 5], out[5];
	size_t length;
	SpGcm *gcm;

	memcpy(sealed, "\1\1", 2);
	memcpy(sealed + 2, key.id, 16);
	memcpy(sealed + 18, "twelve bytes", 12);
	CHECK(sp_gcm_start(true, key.key, sealed + 18, &gcm) == SP_OK);
	CHECK(sp_gcm_authenticate(gcm, sealed, 18) == SP_OK);
	CHECK(sp_gcm_authenticate(gcm, binding, sizeof(binding)) == SP_OK);
	CHECK(sp_gcm_seal(gcm, (const uint8_t *) "value", 5, sealed + 30, sealed + 35) == SP_OK);
	sp_gcm_end(gcm);
	CHECK(sp_envelope_open(&key, PLACE, 3, sealed, sizeof(sealed), out, &length, NULL) == SP_OK);
	CHECK(length == 5 && memcmp(out, "value", 5) == 0);
}

static SpStatus
open_at(const SpEnvelopeKey *key, const SpEnvelopePart *place, int parts, const uint8_t *sealed,
        size_t n, SpFault *fault)
{
	uint8_t out[64];
	size_t length;
	SpStatus st;

	memset(out, 0xAA, sizeof(out));
	*fault = (SpFault){"", ""};
	st = sp_envelope_open(key, place, parts, sealed, n, out, &length, fault);
	if (st != SP_OK)
	{
		CHECK(length == 0 && fault->detail[0] != '\0');
		for (size_t i = 0; n > SP_ENVELOPE_OVERHEAD && i < n - SP_ENVELOPE_OVERHEAD; i++)
			CHECK(out[i] == 0);
		/* neither the value nor the key */
		CHECK(strstr(fault->detail, "hunter2") == NULL && strstr(fault->hint, "hunter2") == NULL);
		CHECK(strstr(fault->detail, "000102") == NULL);
	}
	return st;
}

/* Any bit of it, any byte less or more. */
static void
test_damage(void)
{
	SpEnvelopeKey key = read_kek(KEK);
	uint8_t sealed[SP_ENVELOPE_OVERHEAD + 8];
	size_t n = SP_ENVELOPE_OVERHEAD + 7;
	SpFault fault;

	CHECK(sp_envelope_seal(&key, PLACE, 3, "hunter2", 7, sealed) == SP_OK);
	sealed[n] = 0;
	for (size_t bit = 0; bit < 8 * n; bit++)
	{
		sealed[bit / 8] ^= (uint8_t) (1 << bit % 8);
		CHECK(open_at(&key, PLACE, 3, sealed, n, &fault) ==
		      (bit < 8 && sealed[0] != 0 ? SP_ERR_UNSUPPORTED : SP_ERR_BAD_DATA));
		sealed[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	for (size_t length = 0; length < n; length++)
		CHECK(open_at(&key, PLACE, 3, sealed, length, &fault) == SP_ERR_BAD_DATA);
	CHECK(open_at(&key, PLACE, 3, sealed, n + 1, &fault) == SP_ERR_BAD_DATA);
	CHECK(open_at(&key, PLACE, 3, sealed, n, &fault) == SP_OK);
}

/* Every other place; also those that would be the same bytes without lengths. */
static void
test_binding(void)
{
	static const SpEnvelopePart other[] = {{"tenant", 6}, {"Name", 4}, {"\0\0\0\1", 4}};
	static const SpEnvelopePart later[] = {{"tenant", 6}, {"name", 4}, {"\0\0\0\2", 4}};
	static const SpEnvelopePart moved[] = {{"tenantn", 7}, {"ame", 3}, {"\0\0\0\1", 4}};
	static const SpEnvelopePart joined[] = {{"tenantname", 10}, {"\0\0\0\1", 4}, {"", 0}};
	static const SpEnvelopePart longer[] = {{"tenant", 6}, {"name", 4}, {"\0\0\0\1", 4}, {NULL, 0}};
	SpEnvelopePart many[SP_ENVELOPE_BINDING + 1] = {{NULL, 0}};
	SpEnvelopeKey key = read_kek(KEK);
	uint8_t sealed[SP_ENVELOPE_OVERHEAD + 7];
	size_t n = sizeof(sealed);
	SpFault fault;

	CHECK(sp_envelope_seal(&key, PLACE, 3, "hunter2", 7, sealed) == SP_OK);
	CHECK(open_at(&key, other, 3, sealed, n, &fault) == SP_ERR_BAD_DATA);
	CHECK(open_at(&key, later, 3, sealed, n, &fault) == SP_ERR_BAD_DATA);
	CHECK(open_at(&key, moved, 3, sealed, n, &fault) == SP_ERR_BAD_DATA);
	CHECK(open_at(&key, joined, 3, sealed, n, &fault) == SP_ERR_BAD_DATA);
	CHECK(open_at(&key, joined, 2, sealed, n, &fault) == SP_ERR_BAD_DATA);
	CHECK(open_at(&key, longer, 4, sealed, n, &fault) == SP_ERR_BAD_DATA);
	CHECK(open_at(&key, PLACE, 2, sealed, n, &fault) == SP_ERR_BAD_DATA);
	CHECK(open_at(&key, NULL, 0, sealed, n, &fault) == SP_ERR_BAD_DATA);
	CHECK(open_at(&key, longer, 3, sealed, n, &fault) == SP_OK);
	CHECK(sp_envelope_seal(&key, many, SP_ENVELOPE_BINDING + 1, "", 0, sealed) == SP_ERR_BAD_ARG);
	CHECK(sp_envelope_seal(&key, many, -1, "", 0, sealed) == SP_ERR_BAD_ARG);
	CHECK(sp_envelope_seal(&key, PLACE, 3, "", SP_ENVELOPE_MAX + 1, sealed) == SP_ERR_TOO_LARGE);
}

static void
test_wrap(void)
{
	SpEnvelopeKey kek = read_kek(KEK), other, data, back, zero = {{0}, {0}};
	uint8_t wrapped[SP_ENVELOPE_WRAPPED], value[SP_ENVELOPE_WRAPPED], out[64];
	size_t length;
	SpFault fault;

	CHECK(sp_envelope_key_make(&data) == SP_OK && sp_envelope_key_make(&other) == SP_OK);
	CHECK(memcmp(data.id, other.id, 16) != 0 && memcmp(data.key, other.key, 32) != 0);
	CHECK(sp_envelope_wrap(&kek, PLACE, 1, &data, wrapped) == SP_OK);
	CHECK(sp_envelope_unwrap(&kek, PLACE, 1, wrapped, sizeof(wrapped), &back, NULL) == SP_OK);
	CHECK(memcmp(&back, &data, sizeof(data)) == 0);
	/* another tenant's; another key-encryption key; one as the other */
	CHECK(sp_envelope_unwrap(&kek, PLACE + 1, 1, wrapped, sizeof(wrapped), &back, &fault) ==
	      SP_ERR_BAD_DATA);
	CHECK(memcmp(&back, &zero, sizeof(zero)) == 0);
	CHECK(sp_envelope_unwrap(&other, PLACE, 1, wrapped, sizeof(wrapped), &back, &fault) ==
	      SP_ERR_BAD_DATA);
	CHECK(strstr(fault.detail, "another key") != NULL);
	CHECK(sp_envelope_unwrap(&kek, PLACE, 1, wrapped, sizeof(wrapped) - 1, &back, &fault) ==
	      SP_ERR_BAD_DATA);
	CHECK(sp_envelope_open(&kek, PLACE, 1, wrapped, sizeof(wrapped), out, &length, &fault) ==
	      SP_ERR_BAD_DATA);
	CHECK(sp_envelope_seal(&kek, PLACE, 1, &data, sizeof(data), value) == SP_OK);
	CHECK(sp_envelope_unwrap(&kek, PLACE, 1, value, sizeof(value), &back, &fault) ==
	      SP_ERR_BAD_DATA);
	value[1] = 2;
	CHECK(sp_envelope_unwrap(&kek, PLACE, 1, value, sizeof(value), &back, &fault) ==
	      SP_ERR_BAD_DATA);
	sp_envelope_forget(&data);
	CHECK(memcmp(&data, &zero, sizeof(zero)) == 0);
}

static void
test_key_read(void)
{
	static const char *const refused[] = {
		"",
		"\n",
		"correct horse battery staple!!!!",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1g",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n\n",
		" 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		"0000000000000000000000000000000000000000000000000000000000000000",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	};
	SpEnvelopeKey hex = read_kek(KEK), other, zero = {{0}, {0}};
	SpFault fault;

	for (size_t i = 0; i < 32; i++)
		CHECK(hex.key[i] == i);
	CHECK(sp_envelope_key_read("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\r\n", 46, &other,
	                           NULL) == SP_OK);
	CHECK(memcmp(&hex, &other, sizeof(hex)) == 0);
	/* the id is another for another key, and is no part of it */
	CHECK(sp_envelope_key_read("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1e",
	                           64, &other, NULL) == SP_OK);
	CHECK(memcmp(hex.id, other.id, 16) != 0 && memcmp(hex.id, hex.key, 16) != 0);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		memset(&other, 0xFF, sizeof(other));
		CHECK(sp_envelope_key_read(refused[i], strlen(refused[i]), &other, &fault) ==
		      SP_ERR_BAD_DATA);
		CHECK(memcmp(&other, &zero, sizeof(zero)) == 0);
		CHECK(strstr(fault.detail, "0001") == NULL && strstr(fault.detail, "horse") == NULL);
	}
}

/* --- the small ones ------------------------------------------------------------- */

static void
test_equal_and_wipe(void)
{
	char text[] = "secret";

	CHECK(sp_crypto_equal("abc", 3, "abc", 3) && !sp_crypto_equal("abc", 3, "abd", 3));
	CHECK(!sp_crypto_equal("abc", 3, "abcd", 4) && sp_crypto_equal(NULL, 0, NULL, 0));
	CHECK(!sp_crypto_equal(NULL, 0, "a", 1));
	sp_crypto_wipe(text, 6);
	CHECK(memcmp(text, "\0\0\0\0\0\0", 7) == 0);
	sp_crypto_wipe(NULL, 0);
}

static void
test_random(void)
{
	uint8_t a[64] = {0}, b[64] = {0}, zero[64] = {0};

	CHECK(sp_crypto_random(a, 64) == SP_OK && sp_crypto_random(b, 64) == SP_OK);
	CHECK(memcmp(a, b, 64) != 0 && memcmp(a, zero, 64) != 0);
	CHECK(sp_crypto_random(a, 0) == SP_OK);
	CHECK(sp_crypto_random(a, (size_t) 1 << 40) == SP_ERR_BAD_ARG);
}

/* "abc": FIPS 180-4's example, whose digest RFC 6234, section 8.5, lists. */
static void
test_hash(void)
{
	static const uint8_t abc[] = {0xBA, 0x78, 0x16, 0xBF, 0x8F, 0x01, 0xCF, 0xEA, 0x41, 0x41, 0x40,
	                              0xDE, 0x5D, 0xAE, 0x22, 0x23, 0xB0, 0x03, 0x61, 0xA3, 0x96, 0x17,
	                              0x7A, 0x9C, 0xB4, 0x10, 0xFF, 0x61, 0xF2, 0x00, 0x15, 0xAD};
	uint8_t out[SP_HASH_MAX];
	SpHmac *mac;

	CHECK(sp_hash_run(SP_HASH_SHA256, "abc", 3, out) == SP_OK && memcmp(out, abc, 32) == 0);
	check_allocs_left = 0;
	CHECK(sp_hmac_new(&check_env, SP_HASH_SHA256, "k", 1, &mac) == SP_ERR_NO_MEMORY && mac == NULL);
	check_allocs_left = -1;
	sp_hmac_free(NULL);
}

int
main(void)
{
	test_wycheproof();
	test_round_trip();
	test_form();
	test_damage();
	test_binding();
	test_wrap();
	test_key_read();
	test_equal_and_wipe();
	test_random();
	test_hash();
	return check_report();
}
