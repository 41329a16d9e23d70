/*
 * src/pg/audit.c
 *	  The audit log: its settings, events, and the trigger that guards its tables.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "pg/audit.h"
#include "pg/audit_settings.h"
#include "pg/audit_write.h"
#include "pg/seam.h"

SPOTAI_FUNCTION(spotai_audit);
SPOTAI_FUNCTION(spotai_audit_append_only);

char *sp_audit_origin;
int sp_audit_seal_interval_ms;

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
}

/* {"role": ..., "data": ...} */
static void
write_detail(StringInfo out, Datum detail)
{
	initStringInfo(out);
	appendStringInfoString(out, "{\"role\": ");
	escape_json(out, sp_audit_role());
	if (detail != (Datum) 0)
	{
		Jsonb *jsonb = DatumGetJsonbP(detail);

		appendStringInfoString(out, ", \"data\": ");
		(void) JsonbToCString(out, &jsonb->root, VARSIZE(jsonb));
	}
	appendStringInfoChar(out, '}');
}

static pg_uuid_t
write_event(const char *action, const char *object, Datum detail, bool need_tenant)
{
	SpAuditWriter *writer = sp_audit_writer_open("spotai.audit()");
	const SpAuditWho *who = sp_audit_writer_who(writer);
	StringInfoData text;
	pg_uuid_t id;

	if (need_tenant && !who->has_tenant)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		                errmsg("this session belongs to no tenant")));
	write_detail(&text, detail);
	sp_audit_write(writer, &who->tenant, action, object, &text, &id);
	sp_audit_writer_close(writer);
	return id;
}

void
sp_audit_event(const char *action, const char *object, Datum detail)
{
	(void) write_event(action, object, detail, false);
}

/* spotai.audit(action text, object text, detail jsonb) returns uuid */
Datum
spotai_audit(PG_FUNCTION_ARGS)
{
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		                errmsg("an audit entry needs an action and an object")));
	*id = write_event(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)),
	                  PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2), true);
	PG_RETURN_UUID_P(id);
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
