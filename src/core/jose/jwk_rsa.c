/*
 * src/core/jose/jwk_rsa.c
 *	  RSA keys (RFC 7518, section 6.3), and the one structure that breaks them.
 *
 * ROCA: a library of smart cards drew primes of the form k M + (65537^a mod M),
 * M being the product of the first primes; M. Nemec et al., "The Return of
 * Coppersmith's Attack", CCS 2017.  Such a modulus is a power of 65537 modulo
 * every one of those primes; another one is with a chance of 2^-83 over the 70
 * odd primes up to 353, which M has for every key of 992 bits and more (table 1
 * there; the chance is computed from the orders of 65537).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <string.h>

#include "core/crypto/constant_time.h"
#include "core/jose/json_strict.h"
#include "core/jose/jwk_internal.h"

#define ROCA_GENERATOR 65537u
#define ROCA_LAST      353u
#define EXPONENT_MAX   8 /* bytes; OpenSSL takes no longer one for large moduli either */

/* JOSE's names and OpenSSL's, public numbers first. */
static const struct
{
	const char *jose;
	const char *openssl;
} NUMBERS[] = {
	{"n", OSSL_PKEY_PARAM_RSA_N},          {"e", OSSL_PKEY_PARAM_RSA_E},
	{"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
	{"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
	{"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
};

#define PUBLIC_COUNT 2
#define NUMBER_COUNT 8

typedef struct Numbers
{
	uint8_t *bytes[NUMBER_COUNT]; /* NULL: not there */
	size_t lengths[NUMBER_COUNT];
} Numbers;

static unsigned
modulo(const uint8_t *number, size_t n, unsigned prime)
{
	unsigned rest = 0;

	for (size_t i = 0; i < n; i++)
		rest = (rest << 8 | number[i]) % prime;
	return rest;
}

static bool
is_prime(unsigned p)
{
	for (unsigned q = 2; q * q <= p; q++)
		if (p % q == 0)
			return false;
	return true;
}

/* Whether rest is a power of the generator modulo a prime. */
static bool
is_power(unsigned rest, unsigned prime)
{
	unsigned power = 1;

	do
	{
		if (power == rest)
			return true;
		power = power * (ROCA_GENERATOR % prime) % prime;
	} while (power != 1);
	return false;
}

bool
sp_jwk_is_roca(const uint8_t *modulus, size_t length)
{
	for (unsigned prime = 3; prime <= ROCA_LAST; prime += 2)
		if (is_prime(prime) && !is_power(modulo(modulus, length, prime), prime))
			return false;
	return true;
}

static SpStatus
check_modulus(const uint8_t *n, size_t length, SpFault *fault)
{
	size_t bits = 8 * length - (size_t) (__builtin_clz(n[0]) - 24);

	if (bits < SP_JWK_RSA_MIN || bits > SP_JWK_RSA_MAX)
		return sp_fault(fault, SP_ERR_BAD_DATA, "", "The RSA key has %zu bits; %d to %d are taken.",
		                bits, SP_JWK_RSA_MIN, SP_JWK_RSA_MAX);
	if ((n[length - 1] & 1) == 0)
		return sp_fault(fault, SP_ERR_BAD_DATA, "", "The RSA key's modulus is even.");
	if (sp_jwk_is_roca(n, length))
		return sp_fault(fault, SP_ERR_BAD_DATA, "Draw a new key, with another generator.",
		                "The RSA key can be factored (CVE-2017-15361, ROCA).");
	return SP_OK;
}

/* RFC 8017, section 3.1: 3 <= e, and odd, for it has no factor in common with p - 1. */
static SpStatus
check_exponent(const uint8_t *e, size_t length, SpFault *fault)
{
	if ((e[length - 1] & 1) == 0 || (length == 1 && e[0] < 3))
		return sp_fault(fault, SP_ERR_BAD_DATA, "",
		                "The RSA key's public exponent is even, or less than 3.");
	return SP_OK;
}

/* RFC 7518, section 2, Base64urlUInt: as many bytes as are needed, so no zero in front. */
static SpStatus
read_number(const SpJwk *key, const json_t *json, int i, Numbers *numbers, SpFault *fault)
{
	size_t max = i == 1 ? EXPONENT_MAX : SP_JWK_RSA_MAX / 8;
	SpStatus st = sp_jwk_decode(key->env, json, NUMBERS[i].jose, max, &numbers->bytes[i],
	                            &numbers->lengths[i], fault);

	if (st == SP_OK && numbers->bytes[i][0] == 0)
		st = sp_fault(fault, SP_ERR_BAD_DATA, "",
		              "The key's member \"%s\" begins with a zero byte.", NUMBERS[i].jose);
	return st;
}

/* RFC 7518, 6.3.2: d alone, or d with all the others; more than two primes are not taken. */
static SpStatus
read_all(const SpJwk *key, const json_t *json, Numbers *numbers, SpFault *fault)
{
	int count = key->kind == SP_JWK_PUBLIC ? PUBLIC_COUNT : PUBLIC_COUNT + 1;
	SpStatus st = SP_OK;

	if (json_object_get(json, "oth") != NULL)
		return sp_fault(fault, SP_ERR_UNSUPPORTED, "", "The RSA key has more than two primes.");
	for (int i = count; i < NUMBER_COUNT && key->kind == SP_JWK_PRIVATE; i++)
		if (json_object_get(json, NUMBERS[i].jose) != NULL)
			count = NUMBER_COUNT;
	for (int i = 0; i < count && st == SP_OK; i++)
		st = read_number(key, json, i, numbers, fault);
	if (st == SP_OK)
		st = check_modulus(numbers->bytes[0], numbers->lengths[0], fault);
	if (st == SP_OK)
		st = check_exponent(numbers->bytes[1], numbers->lengths[1], fault);
	return st;
}

/* The machine's own order, which OSSL_PARAM wants, in place. */
static void
turn_to_native(uint8_t *bytes, size_t n)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	for (size_t i = 0; i < n / 2; i++)
	{
		uint8_t first = bytes[i];

		bytes[i] = bytes[n - 1 - i];
		bytes[n - 1 - i] = first;
	}
#else
	(void) bytes;
	(void) n;
#endif
}

/* Turns the numbers around. */
static SpStatus
give_to_openssl(SpJwk *key, Numbers *numbers, SpFault *fault)
{
	OSSL_PARAM params[NUMBER_COUNT + 1];
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	int count = 0;
	int selection = key->kind == SP_JWK_PRIVATE ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
	bool ok;

	for (int i = 0; i < NUMBER_COUNT; i++)
		if (numbers->bytes[i] != NULL)
		{
			turn_to_native(numbers->bytes[i], numbers->lengths[i]);
			params[count++] =
				OSSL_PARAM_construct_BN(NUMBERS[i].openssl, numbers->bytes[i], numbers->lengths[i]);
		}
	params[count] = OSSL_PARAM_construct_end();
	ok = ctx != NULL && EVP_PKEY_fromdata_init(ctx) > 0 &&
	     EVP_PKEY_fromdata(ctx, &key->pkey, selection, params) > 0;
	EVP_PKEY_CTX_free(ctx);
	return ok ? SP_OK : sp_fault(fault, SP_ERR_BAD_DATA, "", "The key's numbers are no RSA key.");
}

/*
 * The primes, and every number that follows from them.  A signature would not
 * show a wrong d beside right primes, as it is made with the primes alone.
 */
static SpStatus
check_primes(const SpJwk *key, SpFault *fault)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	bool good = ctx != NULL && EVP_PKEY_pairwise_check(ctx) == 1;

	EVP_PKEY_CTX_free(ctx);
	return good ? SP_OK
	            : sp_fault(fault, SP_ERR_BAD_DATA, "", "The RSA key's private numbers do not fit.");
}

SpStatus
sp_jwk_read_rsa(SpJwk *key, const json_t *json, SpFault *fault)
{
	Numbers numbers = {{NULL}, {0}};
	SpStatus st = read_all(key, json, &numbers, fault);

	for (int i = 0; i < PUBLIC_COUNT && st == SP_OK; i++)
		st = sp_jwk_keep(key, i, NUMBERS[i].jose, numbers.bytes[i], numbers.lengths[i]);
	if (st == SP_OK)
		st = give_to_openssl(key, &numbers, fault);
	if (st == SP_OK && numbers.bytes[NUMBER_COUNT - 1] != NULL)
		st = check_primes(key, fault);
	for (int i = 0; i < NUMBER_COUNT; i++)
		sp_jwk_forget(key->env, numbers.bytes[i], numbers.lengths[i]);
	for (int a = SP_JWA_RS256; a <= SP_JWA_PS512; a++)
		key->algs |= SP_JWA_BIT(a);
	return st;
}
