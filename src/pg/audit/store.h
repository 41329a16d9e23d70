/*
 * src/pg/audit/store.h
 *	  The Merkle tree of the audit log in its tables: spotai.audit_leaf has level
 *	  0, spotai.audit_node the levels above it.
 *
 * Nodes lie in runs of up to SP_AUDIT_RUN neighbours at a level: a row for each
 * would take three times the room of its hash.  A run never changes, so that
 * what is in the table is what was there when it was sealed; a log that grows by
 * one entry at a time has runs of one.
 *
 * Reading goes through the primary keys without the planner: a plan that was
 * made while the tables were small would read all of them later.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_AUDIT_STORE_H
#define SP_PG_AUDIT_STORE_H

#include "postgres.h"

#include "access/htup.h"
#include "datatype/timestamp.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"
#include "utils/uuid.h"

#include "core/merkle/merkle.h"

/* Nodes of a run; runs do not cross its multiples. */
#define SP_AUDIT_RUN 32

/* What spotai.audit_pending and spotai.audit_leaf have of an entry. */
typedef struct SpAuditLeaf
{
	pg_uuid_t tenant;
	pg_uuid_t id;
	TimestampTz occurred_at;
	SpDigest leaf;
} SpAuditLeaf;

/* --- reading -------------------------------------------------------------------- */

/* Plain data; open for the duration of a call. */
typedef struct SpAuditTree
{
	Relation leaves;
	Relation nodes;
	Oid leaf_key;
	Oid node_key;
	Snapshot snapshot;
	SpMerkleStore store; /* for core/merkle: answers SP_ERR_BAD_DATA for what is missing */
} SpAuditTree;

/* The snapshot must stay registered or active until _close. */
extern void sp_audit_tree_open(SpAuditTree *tree, Snapshot snapshot);
extern void sp_audit_tree_close(SpAuditTree *tree);

/* The position of an entry; -1: it has none yet.  *leaf, when not NULL, is its row. */
extern int64 sp_audit_tree_position(SpAuditTree *tree, const pg_uuid_t *entry, SpAuditLeaf *leaf);

/* A complete node above the leaves, as it is stored; false: it is not there. */
extern bool sp_audit_tree_node(SpAuditTree *tree, SpMerkleId id, SpDigest *out);

/* What is in a row of spotai.audit_leaf.  Raises for what can not be. */
extern void sp_audit_read_leaf(HeapTuple tuple, Relation rel, SpAuditLeaf *leaf);

/* A column of a row, from 1, that can not be null. */
extern Datum sp_audit_column(HeapTuple tuple, Relation rel, int number);

/* The index of a table's primary key. */
extern Oid sp_audit_primary_key(Relation rel);

/* --- writing: for the sealer alone ------------------------------------------------- */

typedef struct SpAuditGrowth SpAuditGrowth;

/* Continue the log from its frontier, which is copied. */
extern SpAuditGrowth *sp_audit_growth_open(const SpMerkleFrontier *frontier);
extern void sp_audit_growth_append(SpAuditGrowth *growth, const SpAuditLeaf *leaf);

/* Writes what is left; *frontier becomes that of the new size. */
extern void sp_audit_growth_close(SpAuditGrowth *growth, SpMerkleFrontier *frontier);

#endif /* SP_PG_AUDIT_STORE_H */
