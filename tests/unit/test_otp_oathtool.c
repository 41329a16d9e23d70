/*
 * tests/unit/test_otp_oathtool.c
 *	  More than 10,000 codes beside those of oathtool (OATH Toolkit, Debian's
 *	  package oathtool), which shares no line with us.
 *
 * Random secrets of 16 to 64 bytes, random times, three hashes, six to eight
 * digits, periods of 15 to 90 seconds; and HOTP from random counters.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/jose/otp.h"

#include "check.h"

#define ROUNDS 30
#define CODES  64 /* that oathtool prints at a time */

static void
hex_of(const uint8_t *bytes, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		sprintf(out + 2 * i, "%02x", bytes[i]);
}

/* Compares what the command prints with the codes from a counter on. */
static int
compare(const char *command, const SpOtp *otp, const uint8_t *secret, size_t n, uint64_t counter)
{
	FILE *pipe = popen(command, "r");
	char line[64], code[SP_OTP_DIGITS_MAX + 1];
	int count = 0;

	while (fgets(line, sizeof(line), pipe) != NULL)
	{
		line[strcspn(line, "\n")] = '\0';
		CHECK(sp_otp_code(otp, secret, n, counter + (uint64_t) count, code) == SP_OK);
		CHECK(strcmp(code, line) == 0);
		count++;
	}
	CHECK(pclose(pipe) == 0);
	return count;
}

static int
compare_round(SpHash hash, int round)
{
	uint8_t secret[64];
	size_t n = 16 + check_random() % 49;
	char hex[129], command[512];
	SpOtp otp = {hash, 6 + (int) (check_random() % 3), 15 * (1 + (int) (check_random() % 6))};
	int64_t now_s = (int64_t) check_random() % 4000000000;
	uint64_t counter = check_random();
	int count;

	for (size_t i = 0; i < n; i++)
		secret[i] = (uint8_t) check_random();
	hex_of(secret, n, hex);
	snprintf(
		command, sizeof(command),
		"oathtool --totp=%s -d %d -s %ds -w %d --now '1970-01-01 00:00:00 UTC +%lld seconds' %s",
		sp_hash_name(hash), otp.digits, otp.period_s, CODES - 1, (long long) now_s, hex);
	count = compare(command, &otp, secret, n, sp_otp_step(&otp, now_s));
	if (hash == SP_HASH_SHA1 && round % 2 == 0)
	{
		snprintf(command, sizeof(command), "oathtool --hotp -d %d -c %llu -w %d %s", otp.digits,
		         (unsigned long long) counter, CODES - 1, hex);
		count += compare(command, &otp, secret, n, counter);
	}
	return count;
}

int
main(void)
{
	static const SpHash hashes[] = {SP_HASH_SHA1, SP_HASH_SHA256, SP_HASH_SHA512};
	int count = 0;

	if (system("command -v oathtool > /dev/null 2>&1") != 0)
	{
		printf("# SKIP oathtool is not here: its codes not compared\n");
		return check_report();
	}
	for (int round = 0; round < 2 * ROUNDS; round++)
		for (int i = 0; i < 3; i++)
			count += compare_round(hashes[i], round);
	printf("# %d codes\n", count);
	CHECK(count >= 10000);
	return check_report();
}
