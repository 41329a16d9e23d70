/*
 * src/core/jose/claims.c
 *	  The claims of a token (RFC 7519, section 4.1), and whether they hold.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/jose/claims.h"

#include <math.h>
#include <string.h>

#include "core/jose/json_strict.h"

struct SpClaims
{
	const SpEnv *env;
	json_t *json;
};

static SpStatus
refuse(SpJwtError *why, SpJwtError reason, SpFault *fault, const char *format, const char *name)
{
	*why = reason;
	return sp_fault(fault, SP_ERR_BAD_DATA, "", format, name);
}

/* RFC 7519, section 2, NumericDate: a number, whole or not. */
static bool
is_time(const json_t *value)
{
	double t = json_number_value(value);

	return json_is_number(value) && isfinite(t) && t >= 0.0 && t <= SP_TIME_MAX;
}

/* StringOrURI, or an array of them. */
static bool
is_audience(const json_t *value)
{
	const json_t *one;
	size_t i;

	if (json_is_string(value))
		return true;
	json_array_foreach(value, i, one)
	{
		if (!json_is_string(one))
			return false;
	}
	return json_is_array(value);
}

static SpStatus
check_shapes(const json_t *json, SpJwtError *why, SpFault *fault)
{
	static const char *const times[] = {"exp", "nbf", "iat"}, *const texts[] = {"iss", "sub",
	                                                                            "jti"};

	for (int i = 0; i < 3; i++)
	{
		const json_t *time = json_object_get(json, times[i]),
					 *text = json_object_get(json, texts[i]);

		if (time != NULL && !is_time(time))
			return refuse(why, SP_JWT_CLAIMS, fault,
			              "The claim \"%s\" is no number of seconds from 1970 to 9999.", times[i]);
		if (text != NULL && !json_is_string(text))
			return refuse(why, SP_JWT_CLAIMS, fault, "The claim \"%s\" is no text.", texts[i]);
	}
	if (json_object_get(json, "aud") != NULL && !is_audience(json_object_get(json, "aud")))
		return refuse(why, SP_JWT_CLAIMS, fault,
		              "The claim \"%s\" is no text and no array of texts.", "aud");
	return SP_OK;
}

SpStatus
sp_claims_read(const SpEnv *env, const uint8_t *payload, size_t length, SpClaims **out,
               SpJwtError *why, SpFault *fault)
{
	json_t *json;
	SpStatus st =
		sp_json_read_object((const char *) payload, length, SP_CLAIMS_BYTES, &json, fault);

	*out = NULL;
	*why = SP_JWT_OK;
	if (st == SP_ERR_NO_MEMORY)
		return st;
	if (st != SP_OK)
	{
		/* the fault says at which byte */
		*why = st == SP_ERR_TOO_LARGE ? SP_JWT_TOO_LARGE : SP_JWT_MALFORMED;
		return st;
	}
	st = check_shapes(json, why, fault);
	if (st == SP_OK)
		*out = sp_calloc(env, 1, sizeof(SpClaims));
	if (*out == NULL)
	{
		json_decref(json);
		return st != SP_OK ? st : SP_ERR_NO_MEMORY;
	}
	(*out)->env = env;
	(*out)->json = json;
	return SP_OK;
}

void
sp_claims_free(SpClaims *claims)
{
	if (claims == NULL)
		return;
	json_decref(claims->json);
	sp_free(claims->env, claims);
}

const char *
sp_claims_text(const SpClaims *claims, const char *name, size_t *length)
{
	return sp_json_text(claims->json, name, length);
}

bool
sp_claims_time(const SpClaims *claims, const char *name, double *seconds)
{
	const json_t *value = json_object_get(claims->json, name);

	if (!is_time(value))
		return false;
	*seconds = json_number_value(value);
	return true;
}

bool
sp_claims_has(const SpClaims *claims, const char *name)
{
	return json_object_get(claims->json, name) != NULL;
}

const char *
sp_claims_item(const SpClaims *claims, const char *name, size_t i)
{
	const json_t *value = json_object_get(claims->json, name);

	if (i == 0 && json_is_string(value))
		return json_string_value(value);
	return json_string_value(json_array_get(value, i));
}

const char *
sp_claims_member(const SpClaims *claims, const char *name, const char *member)
{
	return json_string_value(json_object_get(json_object_get(claims->json, name), member));
}

/* "on or after" exp (RFC 7519, 4.1.4), before nbf (4.1.5). */
static SpStatus
check_times(const SpClaims *claims, const SpClaimsWant *want, SpJwtError *why, SpFault *fault)
{
	double exp, nbf;

	if (!sp_claims_time(claims, "exp", &exp))
	{
		if (want->require_exp)
			return refuse(why, SP_JWT_MISSING_CLAIM, fault, "The claim \"%s\" is missing.", "exp");
	}
	else if (want->now_s >= exp + want->leeway_s)
		return refuse(why, SP_JWT_EXPIRED, fault, "The time of \"%s\" is over.", "exp");
	if (sp_claims_time(claims, "nbf", &nbf) && want->now_s < nbf - want->leeway_s)
		return refuse(why, SP_JWT_NOT_YET_VALID, fault, "The time of \"%s\" has not come.", "nbf");
	return SP_OK;
}

static bool
names_audience(const json_t *aud, const char *wanted)
{
	const json_t *one;
	size_t i;

	if (json_is_string(aud))
		return strcmp(json_string_value(aud), wanted) == 0;
	json_array_foreach(aud, i, one)
	{
		if (strcmp(json_string_value(one), wanted) == 0)
			return true;
	}
	return false;
}

static SpStatus
check_audience(const SpClaims *claims, const SpClaimsWant *want, SpJwtError *why, SpFault *fault)
{
	const json_t *aud = json_object_get(claims->json, "aud");

	if (want->audience == NULL && (aud == NULL || want->any_audience))
		return SP_OK;
	if (want->audience == NULL)
	{
		*why = SP_JWT_WRONG_AUDIENCE;
		return sp_fault(fault, SP_ERR_BAD_DATA, "Say which audience you are.",
		                "The token is for an audience, and none was named here.");
	}
	if (aud == NULL)
		return refuse(why, SP_JWT_MISSING_CLAIM, fault, "The claim \"%s\" is missing.", "aud");
	if (!names_audience(aud, want->audience))
		return refuse(why, SP_JWT_WRONG_AUDIENCE, fault, "The claim \"%s\" names others.", "aud");
	return SP_OK;
}

static SpStatus
check_issuer(const SpClaims *claims, const SpClaimsWant *want, SpJwtError *why, SpFault *fault)
{
	size_t length;
	const char *iss = sp_claims_text(claims, "iss", &length);

	if (want->issuer == NULL)
		return SP_OK;
	if (iss == NULL)
		return refuse(why, SP_JWT_MISSING_CLAIM, fault, "The claim \"%s\" is missing.", "iss");
	if (strcmp(iss, want->issuer) != 0)
		return refuse(why, SP_JWT_WRONG_ISSUER, fault, "The claim \"%s\" names another.", "iss");
	return SP_OK;
}

SpStatus
sp_claims_check(const SpClaims *claims, const SpClaimsWant *want, SpJwtError *why, SpFault *fault)
{
	SpStatus st;

	*why = SP_JWT_OK;
	if ((st = check_times(claims, want, why, fault)) != SP_OK)
		return st;
	if ((st = check_issuer(claims, want, why, fault)) != SP_OK)
		return st;
	return check_audience(claims, want, why, fault);
}
