/*
 * src/pg/compat.h
 *	  What differs between PostgreSQL 15, 16, 17 and 18: the only file that
 *	  looks at PG_VERSION_NUM.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_COMPAT_H
#define SP_COMPAT_H

#include "postgres.h"

#include "fmgr.h"

#if PG_VERSION_NUM < 150000
#error "spotai needs PostgreSQL 15 or newer"
#endif

/*
 * We build with -fvisibility=hidden so that core symbols cannot collide with
 * another extension's.  PostgreSQL 16 made PGDLLEXPORT undo that for us; on 15
 * it expands to nothing, so give it the same meaning here.
 */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#endif

/* From 18 on the server can show a module's name and version. */
#if PG_VERSION_NUM >= 180000
#define SP_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "spotai", .version = SPOTAI_VERSION)
#else
#define SP_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* Renamed in 16: entry i, from 1, of the local copy of the backends' states. */
#if PG_VERSION_NUM >= 160000
#define sp_backend_status(i) pgstat_get_local_beentry_by_index(i)
#else
#define sp_backend_status(i) pgstat_fetch_stat_local_beentry(i)
#endif

/* Renamed in 16: the file of a relation, and its number. */
#if PG_VERSION_NUM >= 160000
#define sp_file_locator(rel) ((rel)->rd_locator)
#define sp_file_number(rel)  ((rel)->rd_locator.relNumber)
#else
#define sp_file_locator(rel) ((rel)->rd_node)
#define sp_file_number(rel)  ((rel)->rd_node.relNode)
#endif

/* 18 asks whether a deferrable one will do. */
#if PG_VERSION_NUM >= 180000
#define sp_primary_key(rel) RelationGetPrimaryKeyIndex(rel, false)
#else
#define sp_primary_key(rel) RelationGetPrimaryKeyIndex(rel)
#endif

/* 16 can leave out indexes that do not summarise. */
#if PG_VERSION_NUM >= 160000
#define sp_insert_index_tuples(info, slot, estate) \
	ExecInsertIndexTuples(info, slot, estate, false, false, NULL, NIL, false)
#else
#define sp_insert_index_tuples(info, slot, estate) \
	ExecInsertIndexTuples(info, slot, estate, false, false, NULL, NIL)
#endif

/*
 * Where a statement has a table's CHECK constraints, ready to be evaluated.  18
 * gave it another name, and has constraints that are not enforced and columns
 * that constraints see as expressions.
 */
#if PG_VERSION_NUM >= 180000
#define sp_check_states                    ri_CheckConstraintExprs
#define sp_checks_can_be_kept(constraints) (!(constraints)->has_generated_virtual)
#define sp_check_is_enforced(check)        ((check)->ccenforced)
#else
#define sp_check_states                    ri_ConstraintExprs
#define sp_checks_can_be_kept(constraints) true
#define sp_check_is_enforced(check)        true
#endif

/* 18 counts what a plan has that was switched off, before it compares costs. */
#if PG_VERSION_NUM >= 180000
#define sp_disable_path(path) ((path)->disabled_nodes = 2)
#else
#define sp_disable_path(path) ((void) (path))
#endif

/* 18 wants to know who is delayed; it is never ANALYZE here. */
#if PG_VERSION_NUM >= 180000
#define sp_vacuum_delay_point() vacuum_delay_point(false)
#else
#define sp_vacuum_delay_point() vacuum_delay_point()
#endif

/* pg_attribute_noreturn() went in 18, and what replaced it stands elsewhere. */
#define SP_NORETURN __attribute__((noreturn))

#endif /* SP_COMPAT_H */
