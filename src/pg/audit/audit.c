/*
 * src/pg/audit/audit.c
 *	  The audit log: its settings, events, and the trigger that guards its tables.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "pg/audit/audit.h"
#include "pg/audit/settings.h"
#include "pg/audit/write.h"
#include "pg/identity/identity.h"
#include "pg/privacy/privacy.h"
#include "pg/seam.h"

SPOTAI_FUNCTION(spotai_audit);
SPOTAI_FUNCTION(spotai_audit_append_only);
SPOTAI_FUNCTION(spotai_audit_event);

char *sp_audit_origin;
int sp_audit_seal_interval_ms;
char *sp_audit_skip;
static bool with_client;

void
sp_audit_init(void)
{
	DefineCustomStringVariable(
		"spotai.audit_origin", "Name of the audit log in its checkpoints.",
		"Read when the log's first key is made; best a URL without scheme, such as "
		"\"example.com/audit\". When empty, a name is drawn.",
		&sp_audit_origin, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomIntVariable("spotai.audit_seal_interval",
	                        "Time between two checkpoints of the audit log; 0 leaves sealing to "
	                        "spotai.audit_seal().",
	                        "Needs the library in shared_preload_libraries and a key-encryption "
	                        "key.",
	                        &sp_audit_seal_interval_ms, 500, 0, 3600000, PGC_SIGHUP, GUC_UNIT_MS,
	                        NULL, NULL, NULL);
	DefineCustomStringVariable("spotai.audit_skip",
	                           "Kinds of the extension's own events that are not written to the "
	                           "audit log.",
	                           "A comma-separated list of first words of actions, such as "
	                           "\"job, model\". It does not concern spotai.audit() and audited "
	                           "tables.",
	                           &sp_audit_skip, "", PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("spotai.audit_client",
	                         "Events in the audit log say which address they come from.",
	                         "An address is personal data that stays in the log for ever. "
	                         "Unix sockets have none, and changes of rows do not say it.",
	                         &with_client, true, PGC_SUSET, 0, NULL, NULL, NULL);
	sp_audit_later_init();
	sp_audit_utility_init();
}

/* --- events ----------------------------------------------------------------------- */

/* Whether a comma-separated list has that word, of n bytes. */
static bool
has_word(const char *list, const char *word, size_t n)
{
	for (const char *at = list; *at != '\0';)
	{
		size_t length;

		at += strspn(at, ", \t");
		length = strcspn(at, ", \t");
		if (length == n && pg_strncasecmp(at, word, n) == 0)
			return true;
		at += length;
	}
	return false;
}

bool
sp_audit_is_written(const char *action)
{
	return !RecoveryInProgress() && !has_word(sp_audit_skip, action, strcspn(action, "."));
}

/* The extension, whose functions are needed, and the table that its step makes last. */
bool
sp_audit_is_there(void)
{
	Oid nsp = get_namespace_oid("spotai", true);

	return OidIsValid(nsp) && OidIsValid(get_namespace_oid("_spotai", true)) &&
	       OidIsValid(get_relname_relid("subject_key", nsp));
}

bool
sp_audit_client_wanted(void)
{
	return with_client;
}

Datum
sp_audit_detail(const char *format, ...)
{
	char text[1024];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n < 0 || n >= (int) sizeof(text))
		elog(ERROR, "a detail of the audit log has more than %zu bytes", sizeof(text));
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
}

/*
 * {"role": ..., "client": ..., "data": ...}.  What the extension itself has written has "event" instead of
 * "data", so that nobody who may call spotai.audit() can pass something off as that.
 */
static void
write_detail(StringInfo out, const char *role, bool own, Datum detail)
{
	const char *client = sp_identity_client();

	initStringInfo(out);
	appendStringInfoString(out, "{\"role\": ");
	escape_json(out, role);
	if (with_client && client != NULL)
	{
		appendStringInfoString(out, ", \"client\": ");
		escape_json(out, client);
	}
	if (detail != (Datum) 0)
	{
		Jsonb *jsonb = DatumGetJsonbP(detail);

		appendStringInfo(out, ", \"%s\": ", own ? "event" : "data");
		(void) JsonbToCString(out, &jsonb->root, VARSIZE(jsonb));
	}
	else if (own)
		appendStringInfoString(out, ", \"event\": {}");
	appendStringInfoChar(out, '}');
}

static pg_uuid_t
write_text(SpAuditWriter *writer, SpAuditText *what, const StringInfoData *detail)
{
	pg_uuid_t id;

	what->detail = detail;
	sp_audit_write(writer, &sp_audit_writer_who(writer)->tenant, what, &id);
	sp_audit_writer_close(writer);
	return id;
}

/* what->detail is made of role and detail. */
static pg_uuid_t
write_event(SpAuditWriter *writer, const char *role, bool own, SpAuditText *what, Datum detail)
{
	StringInfoData text;

	write_detail(&text, role, own, detail);
	return write_text(writer, what, &text);
}

void
sp_audit_event_about(const char *action, const char *object, const pg_uuid_t *subject, Datum detail)
{
	SpAuditText what = {.action = action, .object = object, .subject = subject};

	if (sp_audit_is_written(action))
		(void) write_event(sp_audit_writer_open(NULL), sp_audit_role(), true, &what, detail);
}

void
sp_audit_event(const char *action, const char *object, Datum detail)
{
	sp_audit_event_about(action, object, NULL, detail);
}

/* Written as jsonb would be, without the detour: this is at every commit of a submit. */
void
sp_audit_write_count(const SpAuditWho *who, const char *role, const char *action,
                     const char *object, int64 count)
{
	SpAuditText what = {.action = action, .object = object};
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "{\"role\": ");
	escape_json(&text, role);
	appendStringInfo(&text, ", \"event\": {\"count\": " INT64_FORMAT "}}", count);
	(void) write_text(sp_audit_writer_open(who), &what, &text);
}

void
sp_audit_event_by(const char *action, const char *object, const pg_uuid_t *tenant,
                  const pg_uuid_t *principal, Datum detail)
{
	SpAuditText what = {.action = action, .object = object};
	SpAuditWho who = {.has_tenant = tenant != NULL, .has_principal = principal != NULL};

	if (!sp_audit_is_written(action))
		return;
	if (tenant != NULL)
		who.tenant = *tenant;
	if (principal != NULL)
		who.principal = *principal;
	(void) write_event(sp_audit_writer_open(&who), sp_audit_role(), true, &what, detail);
}

/* Arguments action, object, detail and subject. */
static Datum
take_arguments(FunctionCallInfo fcinfo, SpAuditText *what)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		                errmsg("an audit entry needs an action and an object")));
	what->action = text_to_cstring(PG_GETARG_TEXT_PP(0));
	what->object = text_to_cstring(PG_GETARG_TEXT_PP(1));
	what->subject = PG_ARGISNULL(3) ? NULL : PG_GETARG_UUID_P(3);
	return PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2);
}

/* spotai.audit(action text, object text, detail jsonb, subject uuid) returns uuid */
Datum
spotai_audit(PG_FUNCTION_ARGS)
{
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));
	SpAuditText what;
	SpAuditWriter *writer;
	Datum detail;

	sp_identity_require_permission("audit:write");
	detail = take_arguments(fcinfo, &what);
	PreventCommandIfReadOnly("spotai.audit()");
	if (!PG_ARGISNULL(3))
		sp_privacy_require_consent(PG_GETARG_UUID_P(3), "audit");
	writer = sp_audit_writer_open(NULL);
	*id = write_event(writer, sp_audit_role(), false, &what, detail);
	PG_RETURN_UUID_P(id);
}

/* _spotai.audit_event(action text, object text, detail jsonb, subject uuid) returns void */
Datum
spotai_audit_event(PG_FUNCTION_ARGS)
{
	SpAuditText what;
	Datum detail = take_arguments(fcinfo, &what);

	sp_audit_event_about(what.action, what.object, what.subject, detail);
	PG_RETURN_VOID();
}

/* _spotai.audit_append_only() returns trigger */
Datum
spotai_audit_append_only(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
		                errmsg("this function is a trigger")));
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
	                errmsg("%s is part of the audit log and can not be changed",
	                       RelationGetRelationName(((TriggerData *) fcinfo->context)->tg_relation)),
	                errhint("Entries are written by spotai.audit() and spotai.audit_enable().")));
}
