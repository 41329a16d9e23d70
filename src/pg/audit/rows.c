/*
 * src/pg/audit/rows.c
 *	  The trigger that writes the rows of a statement to the audit log.
 *
 * It runs once a statement and reads transition tables, so that what costs
 * time once costs it once, and entries are written many at a time.  Old and new
 * rows of an UPDATE come in the same order; only a row that a trigger stopped on
 * its way to another partition is missing among the new ones.  Then, when there
 * are not as many of both, old and new rows are written on their own.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "pg/audit/json.h"
#include "pg/audit/write.h"
#include "pg/seam.h"

SPOTAI_FUNCTION(spotai_audit_rows);

typedef struct Recording
{
	Relation rel;
	SpAuditShape *shape;
	SpAuditWriter *writer;
	const char *action;
	bool rows_have_tenants;
	const char *subject_column; /* NULL: rows are nobody's */
	MemoryContext each;         /* emptied after each row */
	int n_prefix;               /* of detail, the same for all rows */
	StringInfoData detail;
	StringInfoData object;
} Recording;

static Recording *
start(TriggerData *trigger, const char *action)
{
	Recording *r = palloc0(sizeof(Recording));

	r->rel = trigger->tg_relation;
	r->action = action;
	/* the trigger's arguments: column of the subject or nothing, then columns to write */
	if (trigger->tg_trigger->tgnargs > 0 && trigger->tg_trigger->tgargs[0][0] != '\0')
		r->subject_column = trigger->tg_trigger->tgargs[0];
	r->shape = sp_audit_shape(r->rel, trigger->tg_trigger->tgargs + 1,
	                          Max(trigger->tg_trigger->tgnargs - 1, 0));
	/*
	 * A change belongs to the tenant of the row.  That is proven by the policies
	 * of our own tables alone: elsewhere a column of that name could say anything.
	 */
	r->rows_have_tenants = RelationGetNamespace(r->rel) == get_namespace_oid("spotai", true);
	r->writer = sp_audit_writer_open(NULL);
	r->each =
		AllocSetContextCreate(CurrentMemoryContext, "spotai audit row", ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&r->object);
	initStringInfo(&r->detail);
	appendStringInfoString(&r->detail, "{\"role\": ");
	escape_json(&r->detail, sp_audit_role());
	r->n_prefix = r->detail.len;
	return r;
}

static void
finish(Recording *r)
{
	sp_audit_writer_close(r->writer);
	MemoryContextDelete(r->each);
}

/* Whose row it is; false: nobody's. */
static bool
subject_of(const Recording *r, TupleTableSlot *row, pg_uuid_t *subject)
{
	Datum value;

	if (r->subject_column == NULL || row == NULL ||
	    !sp_audit_row_uuid(r->shape, row, r->subject_column, &value))
		return false;
	*subject = *DatumGetUUIDP(value);
	return true;
}

/* Write what object and detail hold, for the tenant of row (or, without one, the session's). */
static void
write_entry(Recording *r, TupleTableSlot *row)
{
	const SpAuditWho *who = sp_audit_writer_who(r->writer);
	SpAuditText text = {.action = r->action, .object = r->object.data, .detail = &r->detail};
	pg_uuid_t tenant = who->tenant, subject;
	Datum value;

	if (row != NULL && r->rows_have_tenants &&
	    sp_audit_row_uuid(r->shape, row, "tenant_id", &value))
		tenant = *DatumGetUUIDP(value);
	if (subject_of(r, row, &subject))
		text.subject = &subject;
	appendStringInfoChar(&r->detail, '}');
	sp_audit_write(r->writer, &tenant, &text, NULL);
}

static void
write_row(Recording *r, TupleTableSlot *old_row, TupleTableSlot *new_row)
{
	MemoryContext caller = MemoryContextSwitchTo(r->each);
	bool both = old_row != NULL && new_row != NULL;
	/* without a key, the columns that did not change tell which row it was */
	bool all_of_old = both && !sp_audit_shape_has_key(r->shape);

	resetStringInfo(&r->object);
	sp_audit_row_name(r->shape, old_row != NULL ? old_row : new_row, &r->object);
	r->detail.len = r->n_prefix;
	if (old_row != NULL)
	{
		appendStringInfoString(&r->detail, ", \"old\": ");
		sp_audit_row_json(r->shape, old_row, all_of_old ? NULL : new_row, &r->detail);
	}
	if (new_row != NULL)
	{
		appendStringInfoString(&r->detail, ", \"new\": ");
		sp_audit_row_json(r->shape, new_row, old_row, &r->detail);
	}
	write_entry(r, new_row != NULL ? new_row : old_row);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(r->each);
}

/* What was one person's and is another's now is not written into one entry. */
static bool
same_subject(const Recording *r, TupleTableSlot *old_row, TupleTableSlot *new_row)
{
	pg_uuid_t old_subject = {{0}}, new_subject = {{0}};

	return subject_of(r, old_row, &old_subject) == subject_of(r, new_row, &new_subject) &&
	       memcmp(&old_subject, &new_subject, UUID_LEN) == 0;
}

static void
write_change(Recording *r, TupleTableSlot *old_row, TupleTableSlot *new_row)
{
	if (same_subject(r, old_row, new_row))
		write_row(r, old_row, new_row);
	else
	{
		write_row(r, old_row, NULL);
		write_row(r, NULL, new_row);
	}
}

/* Others read the same store: so we read by a pointer of our own. */
static void
rewind_rows(Tuplestorestate *rows)
{
	tuplestore_select_read_pointer(rows, tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND));
	tuplestore_rescan(rows);
}

static TupleTableSlot *
make_slot(Relation rel)
{
	return MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
}

static void
write_single(TriggerData *trigger, const char *action, Tuplestorestate *rows, bool are_new)
{
	TupleTableSlot *slot;
	Recording *r;

	if (tuplestore_tuple_count(rows) == 0)
		return;
	r = start(trigger, action);
	slot = make_slot(r->rel);
	rewind_rows(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		write_row(r, are_new ? NULL : slot, are_new ? slot : NULL);
	}
	ExecDropSingleTupleTableSlot(slot);
	finish(r);
}

static void
write_pairs(TriggerData *trigger)
{
	Recording *r = start(trigger, "row.update");
	TupleTableSlot *old_row = make_slot(r->rel), *new_row = make_slot(r->rel);

	rewind_rows(trigger->tg_oldtable);
	rewind_rows(trigger->tg_newtable);
	while (tuplestore_gettupleslot(trigger->tg_oldtable, true, false, old_row) &&
	       tuplestore_gettupleslot(trigger->tg_newtable, true, false, new_row))
	{
		CHECK_FOR_INTERRUPTS();
		if (sp_audit_row_differs(r->shape, old_row, new_row))
			write_change(r, old_row, new_row);
	}
	ExecDropSingleTupleTableSlot(old_row);
	ExecDropSingleTupleTableSlot(new_row);
	finish(r);
}

static void
write_updates(TriggerData *trigger)
{
	int64 n = tuplestore_tuple_count(trigger->tg_oldtable);

	if (n != tuplestore_tuple_count(trigger->tg_newtable))
	{
		write_single(trigger, "row.update", trigger->tg_oldtable, false);
		write_single(trigger, "row.update", trigger->tg_newtable, true);
	}
	else if (n > 0)
		write_pairs(trigger);
}

static void
write_truncation(TriggerData *trigger)
{
	Recording *r = start(trigger, "table.truncate");

	appendStringInfoString(
		&r->object, quote_qualified_identifier(get_namespace_name(RelationGetNamespace(r->rel)),
	                                           RelationGetRelationName(r->rel)));
	write_entry(r, NULL);
	finish(r);
}

/* _spotai.audit_rows() returns trigger */
Datum
spotai_audit_rows(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event) ||
	    !TRIGGER_FIRED_AFTER(trigger->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
		                errmsg("this function is a trigger of spotai.audit_enable()")));
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		write_truncation(trigger);
	else if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event) && trigger->tg_newtable != NULL)
		write_single(trigger, "row.insert", trigger->tg_newtable, true);
	else if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event) && trigger->tg_oldtable != NULL)
		write_single(trigger, "row.delete", trigger->tg_oldtable, false);
	else if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) && trigger->tg_oldtable != NULL &&
	         trigger->tg_newtable != NULL)
		write_updates(trigger);
	else
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
		                errmsg("the trigger has no transition tables"),
		                errhint("Make it by spotai.audit_enable().")));
	PG_RETURN_POINTER(NULL);
}
