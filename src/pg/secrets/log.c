/*
 * src/pg/secrets/log.c
 *	  What the server's log and pg_stat_activity say while secrets are handled.
 *
 * The server logs statements and their parameters before a function is called
 * (log_statement, log_min_duration_statement, auto_explain, the STATEMENT of an
 * error).  So a hook looks at what is about to be written: while the session's
 * statement, or the message, names a function or setting that takes secrets,
 * tokens or codes, statements and parameters are withheld.  It is there from the moment the library is loaded:
 * with shared_preload_libraries always, otherwise from the second statement on.
 * Names are all it can go by: a user's function that hands a value on, under
 * another name, is logged as the server logs it.
 *
 * Clients get their own messages unchanged.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "commands/prepare.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/elog.h"

#include "pg/secrets/secrets.h"

/* What errors of the functions have in their context, which tells them from others. */
#define INSIDE "handling a secret"

static emit_log_hook_type next_hook = NULL;

bool
sp_secrets_named(const char *text)
{
	static const char *const names[] = {
		"secret_put", "secret_rotate",  "spotai.token", "spotai.login", "login_api_key",
		"verify_jwt", "spotai.refresh", "totp_verify",  "step_up",      "api_key_token"};

	for (int i = 0; text != NULL && i < lengthof(names); i++)
		if (strcasestr(text, names[i]) != NULL)
			return true;
	return false;
}

/* The name after EXECUTE, into out of NAMEDATALEN bytes; false when that is not what text is. */
static bool
take_executed(const char *text, char *out)
{
	int n = 0;
	bool quoted;

	text += strspn(text, " \t\r\n");
	if (pg_strncasecmp(text, "execute", 7) != 0)
		return false;
	text += 7;
	text += strspn(text, " \t\r\n");
	quoted = *text == '"';
	for (text += quoted; *text != '\0' && n < NAMEDATALEN - 1; text++)
	{
		if (quoted ? *text == '"' && *++text != '"' : strchr(" \t\r\n(;", *text) != NULL)
			break;
		out[n++] = quoted ? *text : pg_tolower((unsigned char) *text);
	}
	out[n] = '\0';
	return true;
}

/* EXECUTE of what was prepared by a statement that names one. */
static bool
executes_one(const char *text)
{
	char name[NAMEDATALEN];
	PreparedStatement *prepared;

	if (text == NULL || !take_executed(text, name))
		return false;
	prepared = FetchPreparedStatement(name, false);
	return prepared != NULL && sp_secrets_named(prepared->plansource->query_string);
}

static bool
may_hold_secret(const ErrorData *message)
{
	return sp_secrets_named(debug_query_string) || executes_one(debug_query_string) ||
	       sp_secrets_named(message->message) || sp_secrets_named(message->detail) ||
	       sp_secrets_named(message->detail_log) || sp_secrets_named(message->context) ||
	       sp_secrets_named(message->internalquery);
}

/* Known by its address, so that it is not withheld itself. */
static const char withheld[] = "withheld: a message about a statement that hands a "
							   "secret to spotai";

/* What kind of thing happened, without its words. */
static void
log_instead(const ErrorData *message)
{
	ereport(LOG_SERVER_ONLY,
	        (errcode(message->sqlerrcode), errmsg(withheld),
	         errdetail_log("SQLSTATE %s, %s.", unpack_sql_state(message->sqlerrcode),
	                       error_severity(message->elevel)),
	         errhidestmt(true), errhidecontext(true)));
}

/* Raised in one of the functions: in our words, and with nothing around them. */
static bool
is_ours(const ErrorData *message)
{
	return message->hide_stmt && message->hide_ctx && message->context != NULL &&
	       strstr(message->context, INSIDE) != NULL;
}

static void
withhold(ErrorData *message)
{
	if (message->output_to_server && message->message_id != withheld && !is_ours(message) &&
	    may_hold_secret(message))
	{
		message->output_to_server = false;
		log_instead(message);
	}
	if (next_hook != NULL && message->output_to_server)
		next_hook(message);
}

void
sp_secrets_log_init(void)
{
	next_hook = emit_log_hook;
	emit_log_hook = withhold;
}

static void
hide(void *arg)
{
	errcontext(INSIDE);
	errhidestmt(true);
	errhidecontext(true);
}

void
sp_secrets_log_begin(ErrorContextCallback *callback, const char *shown)
{
	callback->callback = hide;
	callback->arg = NULL;
	callback->previous = error_context_stack;
	error_context_stack = callback;
	pgstat_report_activity(STATE_RUNNING, shown);
}

void
sp_secrets_log_end(ErrorContextCallback *callback)
{
	error_context_stack = callback->previous;
}
