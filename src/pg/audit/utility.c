/*
 * src/pg/audit/utility.c
 *	  Statements that change what is audited, or how: settings of ours, and the
 *	  triggers and tables of the log.
 *
 * Whoever may run them can also take the entry away before it is sealed.  But
 * they have to know of it, and to be quick.
 *
 * The library sees them once it is loaded: with shared_preload_libraries in all
 * sessions, otherwise in those that have used it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "pg/audit/audit.h"
#include "pg/audit/settings.h"

static ProcessUtility_hook_type next_hook = NULL;

/* --- settings --------------------------------------------------------------------- */

/* What is set of ours, for whom; NULL: nothing. */
static const VariableSetStmt *
setting_of(Node *statement, const char **kind, const char **name)
{
	const VariableSetStmt *set = NULL;

	*name = NULL;
	if (IsA(statement, AlterSystemStmt))
	{
		*kind = "system";
		set = ((AlterSystemStmt *) statement)->setstmt;
	}
	else if (IsA(statement, AlterDatabaseSetStmt))
	{
		*kind = "database";
		*name = ((AlterDatabaseSetStmt *) statement)->dbname;
		set = ((AlterDatabaseSetStmt *) statement)->setstmt;
	}
	else if (IsA(statement, AlterRoleSetStmt))
	{
		const AlterRoleSetStmt *alter = (AlterRoleSetStmt *) statement;

		*kind = "role";
		if (alter->role != NULL)
			*name = alter->role->rolename;
		set = alter->setstmt;
	}
	if (set != NULL && set->kind != VAR_RESET_ALL &&
	    (set->name == NULL || pg_strncasecmp(set->name, "spotai.", strlen("spotai.")) != 0))
		return NULL;
	return set;
}

/* Not the value: it may be a command that has a secret in it. */
static void
record_setting(Node *statement)
{
	const char *kind, *name;
	const VariableSetStmt *set = setting_of(statement, &kind, &name);
	StringInfoData detail;

	if (set == NULL)
		return;
	initStringInfo(&detail);
	appendStringInfo(&detail, "{\"for\": \"%s\"", kind);
	if (name != NULL)
	{
		appendStringInfoString(&detail, ", \"name\": ");
		escape_json(&detail, name);
	}
	appendStringInfo(&detail, ", \"reset\": %s}",
	                 set->kind == VAR_RESET || set->kind == VAR_RESET_ALL ? "true" : "false");
	sp_audit_event("setting.change", set->kind == VAR_RESET_ALL ? "all" : set->name,
	               sp_audit_detail("%s", detail.data));
}

/* --- tables that the log is made of, or that are audited ---------------------------- */

static bool
has_trigger_of_ours(Relation rel)
{
	Oid nsp = get_namespace_oid("_spotai", true);

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		Oid function = rel->trigdesc->triggers[i].tgfoid;
		const char *name = get_func_name(function);

		if (name != NULL && OidIsValid(nsp) && get_func_namespace(function) == nsp &&
		    (strcmp(name, "audit_rows") == 0 || strcmp(name, "audit_append_only") == 0))
			return true;
	}
	return false;
}

/* "schema.table", or NULL when it is none of those. */
static char *
name_of_ours(const RangeVar *table)
{
	Oid oid = RangeVarGetRelid(table, NoLock, true);
	Relation rel = OidIsValid(oid) ? try_relation_open(oid, AccessShareLock) : NULL;
	char *name = NULL;

	if (rel == NULL)
		return NULL;
	if (has_trigger_of_ours(rel))
		name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
		                                  RelationGetRelationName(rel));
	relation_close(rel, AccessShareLock);
	return name;
}

/* What an ALTER TABLE does that the log would not show otherwise; NULL: nothing. */
static const char *
alteration(const AlterTableStmt *alter)
{
	ListCell *cell;

	foreach (cell, alter->cmds)
	{
		switch (lfirst_node(AlterTableCmd, cell)->subtype)
		{
			case AT_DisableTrig:
			case AT_DisableTrigAll:
			case AT_DisableTrigUser:
			case AT_EnableReplicaTrig:
				return "trigger disabled";
			case AT_AlterColumnType:
				return "column changed";
			case AT_DropColumn:
				return "column dropped";
			case AT_DetachPartition:
				return "partition detached";
			default:
				break;
		}
	}
	return NULL;
}

/* Lines of the form "table: what", to be written when it has succeeded. */
static List *
changes_to_tables(Node *statement)
{
	List *changes = NIL;

	if (IsA(statement, AlterTableStmt))
	{
		const AlterTableStmt *alter = (AlterTableStmt *) statement;
		const char *what = alteration(alter);
		const char *name = what != NULL ? name_of_ours(alter->relation) : NULL;

		if (name != NULL)
			changes = list_make1(psprintf("%s: %s", name, what));
	}
	else if (IsA(statement, DropStmt) && (((DropStmt *) statement)->removeType == OBJECT_TRIGGER ||
	                                      ((DropStmt *) statement)->removeType == OBJECT_TABLE))
	{
		const DropStmt *drop = (DropStmt *) statement;
		bool trigger = drop->removeType == OBJECT_TRIGGER;
		ListCell *cell;

		foreach (cell, drop->objects)
		{
			List *names = list_copy(lfirst_node(List, cell));
			const char *name;

			/* a trigger's name stands behind its table's */
			if (trigger)
				names = list_truncate(names, list_length(names) - 1);
			name = name_of_ours(makeRangeVarFromNameList(names));
			if (name != NULL)
				changes = lappend(
					changes, psprintf("%s: %s", name, trigger ? "trigger dropped" : "dropped"));
		}
	}
	return changes;
}

/* --- the hook ----------------------------------------------------------------------- */

static void
watch_utility(PlannedStmt *planned, const char *query, bool read_only_tree,
              ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
              DestReceiver *dest, QueryCompletion *completion)
{
	Node *statement = planned->utilityStmt;
	bool concerns_us = IsA(statement, AlterSystemStmt) || IsA(statement, AlterDatabaseSetStmt) ||
	                   IsA(statement, AlterRoleSetStmt) || IsA(statement, AlterTableStmt) ||
	                   IsA(statement, DropStmt);
	List *changes = NIL;
	ListCell *cell;

	/* without the log in this database there is nothing to write to */
	if (concerns_us && sp_audit_is_there())
		changes = changes_to_tables(statement);
	if (next_hook != NULL)
		next_hook(planned, query, read_only_tree, context, params, environment, dest, completion);
	else
		standard_ProcessUtility(planned, query, read_only_tree, context, params, environment, dest,
		                        completion);
	if (!concerns_us || !sp_audit_is_there())
		return;
	record_setting(statement);
	foreach (cell, changes)
		sp_audit_count("audit.alter", lfirst(cell));
}

void
sp_audit_utility_init(void)
{
	next_hook = ProcessUtility_hook;
	ProcessUtility_hook = watch_utility;
}
