/*
 * src/pg/identity/strength.c
 *	  How good a login must be: the room's rules, and who is held to them.
 *
 * Tokens say when and how somebody proved who he is (auth_time, amr, acr: OpenID
 * Connect Core, 2; RFC 8176).  What they do not say is taken for the weakest: a
 * login of long ago, by one factor.  Nobody is asked for more unless the settings
 * say so, and services never are: they have no second factor, and bind their
 * keys to networks.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "pg/identity/internal.h"
#include "pg/seam.h"

SPOTAI_FUNCTION(spotai_require_recent_login);

/* For whom a second factor is required. */
typedef enum Factor
{
	FACTOR_OFF,
	FACTOR_SENSITIVE, /* sensitive acts */
	FACTOR_ALWAYS     /* every session of a person */
} Factor;

static const struct config_enum_entry factors[] = {{"off", FACTOR_OFF, false},
                                                   {"sensitive", FACTOR_SENSITIVE, false},
                                                   {"always", FACTOR_ALWAYS, false},
                                                   {NULL, 0, false}};

static int second_factor = FACTOR_OFF;
static int reauth_after_s = 0;
static bool key_sessions = true;
static bool token_binding = false;
static char *factor_methods;
static char *sensitive_permissions;

static const char between[] = ", \t";

bool
sp_identity_in_list(const char *list, const char *word)
{
	for (const char *at = list + strspn(list, between); *at != '\0';)
	{
		size_t n = strcspn(at, between);

		if (strlen(word) == n && strncmp(at, word, n) == 0)
			return true;
		at += n;
		at += strspn(at, between);
	}
	return false;
}

void
sp_identity_strength_init(void)
{
	DefineCustomIntVariable(
		"spotai.reauth_after", "Age of a login above which sensitive acts are refused; 0: any.",
		"The claim auth_time says when it was; a token without it is too old. "
		"spotai.begin_session() and spotai.step_up() make tokens that say it.",
		&reauth_after_s, 0, 0, 31 * SECS_PER_DAY, PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomEnumVariable(
		"spotai.second_factor", "Sessions of persons that need a second factor.",
		"With \"sensitive\" sensitive acts do, with \"always\" all sessions: then "
		"other tokens, and API keys of persons, are nobody's.",
		&second_factor, FACTOR_OFF, factors, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("spotai.key_sessions", "API keys may be the credential of a session.",
	                         "Off: they are good for spotai.api_key_token() alone, whose tokens "
	                         "live for minutes.",
	                         &key_sessions, true, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("spotai.token_binding",
	                         "Tokens must be bound to the certificate of their client.",
	                         "On: others are not made, and are nobody's. Needs TLS with "
	                         "certificates of clients. API keys have networks instead.",
	                         &token_binding, false, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("spotai.factor_methods",
	                           "What counts as a second factor in the claims amr and acr.",
	                           "A comma-separated list; see RFC 8176 for amr.", &factor_methods,
	                           "mfa, otp, hwk", PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("spotai.sensitive_permissions",
	                           "Permissions whose use is a sensitive act.",
	                           "A comma-separated list, such as \"identity:write, stems:*\". API "
	                           "keys, factors and sessions of one's own are sensitive in any case.",
	                           &sensitive_permissions, "identity:write, privacy:write, secret:*",
	                           PGC_SUSET, 0, NULL, NULL, NULL);
}

bool
sp_identity_is_factor(const char *method)
{
	return sp_identity_in_list(factor_methods, method);
}

bool
sp_identity_may_be_session(const SpSession *found, const char **why)
{
	if (second_factor == FACTOR_ALWAYS && !found->service && !found->strong)
	{
		*why = "a second factor is required";
		return false;
	}
	if (!key_sessions && found->by_key && !found->login.has_key)
	{
		*why = "a key must be exchanged for a token";
		return false;
	}
	if (token_binding && found->login.certificate[0] == '\0' && !found->by_key)
	{
		*why = "the token is bound to no client";
		return false;
	}
	return true;
}

void
sp_identity_require_binding(const SpLogin *login)
{
	if (token_binding && login->certificate[0] == '\0')
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("tokens must be bound to a certificate"),
		                errhint("Name the client's certificate to spotai.begin_session().")));
}

bool
sp_identity_is_sensitive(const char *permission)
{
	size_t room = strcspn(permission, ":"), length = strlen(permission);

	for (const char *at = sensitive_permissions + strspn(sensitive_permissions, between);
	     *at != '\0';)
	{
		size_t n = strcspn(at, between);

		if ((n == 1 && *at == '*') || (n == length && strncmp(at, permission, n) == 0) ||
		    (n == room + 2 && strncmp(at, permission, room) == 0 &&
		     strncmp(at + room, ":*", 2) == 0))
			return true;
		at += n;
		at += strspn(at, between);
	}
	return false;
}

static void
refuse(const char *wanted)
{
	sp_identity_refused_permission("login", wanted);
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("%s is required", wanted),
	                errhint("Log in again, or call spotai.step_up() with a one-time password.")));
}

void
sp_identity_require_recent(bool factor)
{
	const SpSession *now = sp_identity_session();

	/* the operator's login is PostgreSQL's */
	if (!now->who.has_principal || now->service)
		return;
	if (reauth_after_s > 0 && GetCurrentTimestamp() - now->login.authenticated_at >
	                              (int64) reauth_after_s * USECS_PER_SEC)
		refuse("a recent login");
	if (factor && second_factor != FACTOR_OFF && !now->strong)
		refuse("a second factor");
}

/* spotai.require_recent_login() returns void */
Datum
spotai_require_recent_login(PG_FUNCTION_ARGS)
{
	(void) sp_identity_require();
	sp_identity_require_recent(true);
	PG_RETURN_VOID();
}
