/*
 * src/pg/identity/jwt.c
 *	  spotai.verify_jwt(): any token with any key, for programs of one's own.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "core/jose/claims.h"
#include "pg/identity/internal.h"
#include "pg/seam.h"
#include "pg/secrets/secrets.h"

SPOTAI_FUNCTION(spotai_verify_jwt);

/* Argument numbers of spotai.verify_jwt(). */
enum
{
	ARG_TOKEN,
	ARG_KEY,
	ARG_AUDIENCE,
	ARG_ISSUER,
	ARG_LEEWAY
};

/* Keys are parsed once a query: the last ones, with the JSON that they came from. */
typedef struct KeptKeys
{
	Jsonb *json;
	SpJwkSet *keys;
} KeptKeys;

static void
free_keys(void *arg)
{
	sp_jwk_set_free(arg);
}

static void
free_claims(void *arg)
{
	sp_claims_free(arg);
}

static SpJwkSet *
parse_keys(Jsonb *json, MemoryContext context)
{
	SpFault fault = {{0}, {0}};
	SpJwkSet *keys = NULL;
	char *text = JsonbToCString(NULL, &json->root, VARSIZE(json));
	char *utf8 = pg_server_to_any(text, (int) strlen(text), PG_UTF8);
	MemoryContext caller = CurrentMemoryContext;
	SpStatus st = sp_jwk_set_parse(sp_pg_env_in(context), utf8, strlen(utf8),
	                               SP_JWK_SECRET | SP_JWK_PUBLIC, &keys, &fault);

	if (st != SP_OK && st != SP_ERR_NO_MEMORY)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid key"),
		                fault.detail[0] ? errdetail("%s", fault.detail) : 0,
		                errhint("Pass a secret or a public key as a JSON Web Key (RFC 7517), or a "
		                        "set of them.")));
	sp_pg_check(st, "key", &fault);
	MemoryContextSwitchTo(context);
	sp_pg_own(keys, free_keys);
	MemoryContextSwitchTo(caller);
	return keys;
}

static SpJwkSet *
keys_of(FunctionCallInfo fcinfo)
{
	Jsonb *json = PG_GETARG_JSONB_P(ARG_KEY);
	KeptKeys *kept = fcinfo->flinfo->fn_extra;
	MemoryContext home = fcinfo->flinfo->fn_mcxt;

	if (kept != NULL && VARSIZE(kept->json) == VARSIZE(json) &&
	    memcmp(kept->json, json, VARSIZE(json)) == 0)
		return kept->keys;
	/* a different key for each row would fill the query's memory: those go with the row */
	if (kept != NULL)
		return parse_keys(json, CurrentMemoryContext);
	kept = MemoryContextAllocZero(home, sizeof(KeptKeys));
	kept->keys = parse_keys(json, home);
	kept->json = MemoryContextAlloc(home, VARSIZE(json));
	memcpy(kept->json, json, VARSIZE(json));
	fcinfo->flinfo->fn_extra = kept;
	return kept->keys;
}

static double
leeway_of(Interval *leeway)
{
	TimestampTz now = GetCurrentTimestamp();
	Datum later = DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now),
	                                  IntervalPGetDatum(leeway));
	double seconds = (double) (DatumGetTimestampTz(later) - now) / USECS_PER_SEC;

	if (seconds < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("the leeway must not be negative")));
	return seconds;
}

static void
check_token(SpStatus st, const SpJwtError *why, const SpFault *fault)
{
	if (st == SP_OK)
		return;
	if (*why == SP_JWT_OK)
		sp_pg_check(st, "token", fault);
	ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
	                errmsg("%s", sp_jwt_error_text(*why)),
	                fault->detail[0] ? errdetail("%s", fault->detail) : 0));
}

static char *
utf8_argument(FunctionCallInfo fcinfo, int n)
{
	char *given;

	if (PG_ARGISNULL(n))
		return NULL;
	given = text_to_cstring(PG_GETARG_TEXT_PP(n));
	return pg_server_to_any(given, (int) strlen(given), PG_UTF8);
}

static void
check_arguments(FunctionCallInfo fcinfo)
{
	for (int i = 0; i < PG_NARGS(); i++)
		if (PG_ARGISNULL(i) && i != ARG_AUDIENCE && i != ARG_ISSUER)
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			                errmsg("token, key and leeway must not be null")));
}

/*
 * spotai.verify_jwt(token text, key jsonb, audience text, issuer text,
 * leeway interval) returns jsonb
 */
Datum
spotai_verify_jwt(PG_FUNCTION_ARGS)
{
	SpFault fault = {{0}, {0}};
	SpJwtError why = SP_JWT_OK;
	SpClaims *claims = NULL;
	SpClaimsWant want = {.now_s = sp_identity_epoch(GetCurrentTimestamp())};
	SpJws jws;
	text *token;
	char *payload;
	ErrorContextCallback log;

	sp_secrets_log_begin(&log, "spotai.verify_jwt(), statement withheld");
	check_arguments(fcinfo);
	token = PG_GETARG_TEXT_PP(ARG_TOKEN);
	want.audience = utf8_argument(fcinfo, ARG_AUDIENCE);
	want.issuer = utf8_argument(fcinfo, ARG_ISSUER);
	want.leeway_s = leeway_of(PG_GETARG_INTERVAL_P(ARG_LEEWAY));
	check_token(sp_jws_verify(sp_pg_env(), VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token),
	                          keys_of(fcinfo), NULL, &jws, &why, &fault),
	            &why, &fault);
	check_token(sp_claims_read(sp_pg_env(), jws.payload, jws.length, &claims, &why, &fault), &why,
	            &fault);
	sp_pg_own(claims, free_claims);
	check_token(sp_claims_check(claims, &want, &why, &fault), &why, &fault);
	payload = pg_any_to_server((char *) jws.payload, (int) jws.length, PG_UTF8);
	sp_secrets_log_end(&log);
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(payload)));
}
