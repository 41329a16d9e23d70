/*
 * src/pg/identity/claims.c
 *	  What a token must be to be looked into, and what its claims say of a login.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/uuid.h"

#include "core/jose/claims.h"
#include "pg/identity/internal.h"
#include "pg/seam.h"

/* Methods or scopes of one token that are looked at. */
#define MAX_WORDS 100

/* Of such a word: a permission has two names of 63. */
#define WORD_BYTES 127

/* An auth_time of the future is a mistake, but for clocks that differ. */
#define CLOCKS_US (INT64CONST(60) * USECS_PER_SEC)

static char *token_types;
static char *token_algorithms;
static int rsa_min_bits;
static bool token_scopes;

/* What token_algorithms says. */
static unsigned algorithms;

/* A mask of SP_JWA_BIT; false: something in the list is none. */
static bool
read_algorithms(const char *list, unsigned *mask)
{
	static const char between[] = ", \t";

	*mask = 0;
	for (const char *at = list + strspn(list, between); *at != '\0';)
	{
		size_t n = strcspn(at, between);
		SpJwa alg;

		if (!sp_jwa_find(at, n, &alg))
			return false;
		*mask |= SP_JWA_BIT(alg);
		at += n;
		at += strspn(at, between);
	}
	return true;
}

static bool
check_algorithms(char **value, void **extra, GucSource source)
{
	unsigned mask;

	if (read_algorithms(*value, &mask))
		return true;
	GUC_check_errdetail("Something in the list is no signature algorithm.");
	return false;
}

static void
assign_algorithms(const char *value, void *extra)
{
	(void) read_algorithms(value, &algorithms);
}

void
sp_identity_claims_init(void)
{
	DefineCustomStringVariable("spotai.token_types",
	                           "Types that tokens of trusted issuers may have in their header.",
	                           "A comma-separated list. One without a type counts as JWT, which ID "
	                           "tokens are too; with \"at+jwt\" alone they are refused.",
	                           &token_types, "JWT, at+jwt", PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable(
		"spotai.token_algorithms", "Signature algorithms that tokens of trusted issuers may have.",
		"A comma-separated list such as \"EdDSA, ES256, PS256\"; empty: all "
		"that are known. The key says which of them it is for.",
		&token_algorithms, "", PGC_SUSET, 0, check_algorithms, assign_algorithms, NULL);
	DefineCustomIntVariable(
		"spotai.rsa_min_bits", "Least length of RSA keys of trusted issuers, in bits.",
		"Keys of 2048 bits are worth 112 bits of security, of 3072 bits 128.", &rsa_min_bits,
		SP_JWK_RSA_MIN, SP_JWK_RSA_MIN, SP_JWK_RSA_MAX, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable(
		"spotai.token_scopes",
		"Tokens of trusted issuers that name scopes give no other permissions.",
		"Off: only the roles of the principal count. Tokens of this database "
		"are always bound to their scopes.",
		&token_scopes, true, PGC_SUSET, 0, NULL, NULL, NULL);
}

const SpJwsOptions *
sp_identity_token_options(bool own)
{
	static SpJwsOptions ours = {.typ = SP_TOKEN_TYPE}, theirs;

	if (own)
		return &ours;
	theirs.typ = token_types;
	theirs.typ_optional = sp_identity_in_list(token_types, "JWT");
	theirs.algs = algorithms;
	theirs.rsa_min_bits = (unsigned) rsa_min_bits;
	return &theirs;
}

TimestampTz
sp_identity_time_of(double seconds)
{
	/* 9999-12-31: later ones are no PostgreSQL times, and as good */
	double clamped = Max(Min(seconds, 253402214400.0), 0);

	return DatumGetTimestampTz(DirectFunctionCall1(float8_timestamptz, Float8GetDatum(clamped)));
}

/* uuid_in takes braces and forgets hyphens; one principal has one name. */
bool
sp_identity_read_uuid(const char *text, pg_uuid_t *out)
{
	if (text == NULL || strlen(text) != 36)
		return false;
	for (int i = 0; i < 36; i++)
	{
		bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;

		if (hyphen ? text[i] != '-' : strchr("0123456789abcdef", text[i]) == NULL)
			return false;
	}
	*out = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(text)));
	return true;
}

typedef struct Words
{
	int count;
	Datum items[MAX_WORDS];
} Words;

/* What means nothing here is left out, which takes rights away and gives none. */
static void
add_word(Words *words, const char *word, size_t n)
{
	if (n == 0 || n > WORD_BYTES || words->count == MAX_WORDS)
		return;
	for (size_t i = 0; i < n; i++)
		if (word[i] <= ' ' || word[i] > '~' || word[i] == '"' || word[i] == '\\')
			return;
	words->items[words->count++] = PointerGetDatum(cstring_to_text_with_len(word, (int) n));
}

static ArrayType *
array_of(Words *words)
{
	return construct_array(words->items, words->count, TEXTOID, -1, false, TYPALIGN_INT);
}

/* RFC 6749, 3.3, words with blanks between them; some issuers write an array. */
static void
add_scopes(const SpClaims *claims, const char *name, Words *words)
{
	const char *text;

	for (size_t i = 0; (text = sp_claims_item(claims, name, i)) != NULL; i++)
		for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " "))
		{
			size_t n = strcspn(text, " ");

			add_word(words, text, n);
			text += n;
		}
}

static ArrayType *
scopes_of(const SpClaims *claims)
{
	/* "scp" as Microsoft and Okta call it */
	static const char *const names[] = {"scope", "scp"};
	/* RFC 9396: what it grants is not understood, so it grants nothing */
	bool details = sp_claims_has(claims, "authorization_details"), any = details;
	Words words = {0};

	for (int i = 0; i < lengthof(names); i++)
	{
		any = any || sp_claims_has(claims, names[i]);
		if (!details)
			add_scopes(claims, names[i], &words);
	}
	return any ? array_of(&words) : NULL;
}

static void
take_methods(const SpClaims *claims, SpSession *out)
{
	Words words = {0};
	size_t length;
	const char *text = sp_claims_text(claims, "acr", &length);

	out->strong = text != NULL && sp_identity_is_factor(text);
	for (size_t i = 0; (text = sp_claims_item(claims, "amr", i)) != NULL; i++)
	{
		out->strong = out->strong || sp_identity_is_factor(text);
		add_word(&words, text, strlen(text));
	}
	if (words.count > 0)
		out->login.methods = array_of(&words);
}

/* RFC 7800: a token that must be held in some way is not good without it, also in ways unknown here. */
static bool
take_binding(const SpClaims *claims, SpSession *out)
{
	const char *bound = sp_claims_member(claims, "cnf", "x5t#S256");
	char *mine = out->login.certificate;

	if (!sp_claims_has(claims, "cnf"))
		return true;
	return bound != NULL && sp_claims_member(claims, "cnf", "jkt") == NULL &&
	       sp_identity_certificate(mine) && strcmp(bound, mine) == 0;
}

bool
sp_identity_take_login(const SpClaims *claims, bool own, SpSession *out, const char **why)
{
	double seconds = 0;
	size_t length;

	take_methods(claims, out);
	if (own || token_scopes)
		out->login.scopes = scopes_of(claims);
	if (sp_claims_time(claims, "auth_time", &seconds))
		out->login.authenticated_at = sp_identity_time_of(seconds);
	if (out->login.authenticated_at > GetCurrentTimestamp() + CLOCKS_US)
		out->login.authenticated_at = 0;
	if (sp_claims_time(claims, "exp", &seconds))
		out->expires_at = sp_identity_time_of(seconds);
	if (!take_binding(claims, out))
	{
		*why = "the token is bound to another client";
		return false;
	}
	/* others have sessions and keys of their own */
	out->login.has_session = own && sp_claims_has(claims, "sid");
	out->login.has_key = own && sp_claims_has(claims, "api_key");
	if ((!out->login.has_session ||
	     sp_identity_read_uuid(sp_claims_text(claims, "sid", &length), &out->login.session)) &&
	    (!out->login.has_key ||
	     sp_identity_read_uuid(sp_claims_text(claims, "api_key", &length), &out->login.key)))
		return true;
	*why = sp_jwt_error_text(SP_JWT_CLAIMS);
	return false;
}
