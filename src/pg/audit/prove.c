/*
 * src/pg/audit/prove.c
 *	  Proofs out of the audit log, and its newest checkpoint.
 *
 * These functions are declared SECURITY DEFINER: proofs are made of the hashes
 * of everybody's entries, which nobody needs to be able to read for that.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#include "core/merkle/entry.h"
#include "pg/audit/seal.h"
#include "pg/audit/store.h"
#include "pg/audit/write.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_audit_inclusion_proof);
SPOTAI_FUNCTION(spotai_audit_consistency_proof);
SPOTAI_FUNCTION(spotai_audit_checkpoint);

static const SpFault damaged = {"A node of its tree is missing.",
                                "SELECT * FROM spotai.audit_verify() says what is damaged."};

static bool
is_pending(const pg_uuid_t *entry)
{
	static SpQuery pending = {.text = "SELECT entry_tenant_id FROM spotai.audit_pending"
	                                  " WHERE entry_id = $1 LIMIT 1",
	                          .nargs = 1,
	                          .types = {UUIDOID}};
	Datum args[] = {UUIDPGetDatum(entry)};
	SpAuditLeaf leaf;
	bool isnull;

	if (sp_pg_query(&pending, args, NULL, false) == 0)
		return false;
	leaf.tenant = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
	return sp_audit_may_see(&leaf.tenant);
}

/* Another tenant's entry is answered like one that does not exist. */
static uint64
position_of(SpAuditTree *tree, const pg_uuid_t *entry)
{
	char text[SP_UUID_TEXT];
	SpAuditLeaf leaf;
	int64 position = sp_audit_tree_position(tree, entry, &leaf);

	if (position >= 0 && sp_audit_may_see(&leaf.tenant))
		return (uint64) position;
	sp_uuid_print(entry->data, text);
	if (position < 0 && is_pending(entry))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("entry %s is not sealed yet", text),
		                errhint("Wait for the sealer, or SELECT spotai.audit_seal().")));
	ereport(ERROR,
	        (errcode(ERRCODE_NO_DATA_FOUND), errmsg("entry %s is not in the audit log", text)));
}

static ArrayType *
digests_array(const SpDigest *digests, size_t n)
{
	Datum *elements = palloc(sizeof(Datum) * Max(n, 1));

	for (size_t i = 0; i < n; i++)
		elements[i] = PointerGetDatum(
			cstring_to_text_with_len((const char *) digests[i].bytes, SP_DIGEST_BYTES));
	return construct_array(elements, (int) n, BYTEAOID, -1, false, TYPALIGN_INT);
}

static void
check_size(int64 size, int64 least, uint64 sealed, const char *name)
{
	if (size < least || (uint64) size > sealed)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("%s must be from " INT64_FORMAT " to " UINT64_FORMAT
		                       ", the size of the log",
		                       name, least, sealed)));
}

/* spotai.audit_inclusion_proof(entry uuid, tree_size bigint) returns bytea[] */
Datum
spotai_audit_inclusion_proof(PG_FUNCTION_ARGS)
{
	MemoryContext result = CurrentMemoryContext;
	SpDigest proof[SP_MERKLE_MAX_PROOF];
	SpAuditTree tree;
	uint64 sealed, position;
	int64 size;
	size_t n;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	sp_pg_require_tables();
	SPI_connect();
	sealed = sp_audit_sealed_size();
	sp_audit_tree_open(&tree, GetActiveSnapshot());
	position = position_of(&tree, PG_GETARG_UUID_P(0));
	size = PG_ARGISNULL(1) ? (int64) sealed : PG_GETARG_INT64(1);
	check_size(size, (int64) position + 1, sealed, "tree_size");
	sp_pg_check(
		sp_merkle_inclusion(sp_audit_sha(), &tree.store, position, (uint64) size, proof, &n),
		"audit log", &damaged);
	sp_audit_tree_close(&tree);
	SPI_finish();
	MemoryContextSwitchTo(result);
	PG_RETURN_ARRAYTYPE_P(digests_array(proof, n));
}

/* spotai.audit_consistency_proof(old_size bigint, new_size bigint) returns bytea[] */
Datum
spotai_audit_consistency_proof(PG_FUNCTION_ARGS)
{
	MemoryContext result = CurrentMemoryContext;
	int64 old_size = PG_GETARG_INT64(0), new_size = PG_GETARG_INT64(1);
	SpDigest proof[SP_MERKLE_MAX_PROOF];
	SpAuditTree tree;
	uint64 sealed;
	size_t n;

	sp_pg_require_tables();
	SPI_connect();
	sealed = sp_audit_sealed_size();
	check_size(old_size, 1, sealed, "old_size");
	check_size(new_size, old_size, sealed, "new_size");
	sp_audit_tree_open(&tree, GetActiveSnapshot());
	sp_pg_check(sp_merkle_consistency(sp_audit_sha(), &tree.store, (uint64) old_size,
	                                  (uint64) new_size, proof, &n),
	            "audit log", &damaged);
	sp_audit_tree_close(&tree);
	SPI_finish();
	MemoryContextSwitchTo(result);
	PG_RETURN_ARRAYTYPE_P(digests_array(proof, n));
}

/* spotai.audit_checkpoint() returns text */
Datum
spotai_audit_checkpoint(PG_FUNCTION_ARGS)
{
	static SpQuery newest = {
		.text = "SELECT note FROM spotai.audit_checkpoint ORDER BY tree_size DESC LIMIT 1"};
	MemoryContext result = CurrentMemoryContext;
	text *note = NULL;
	bool isnull;

	sp_pg_require_tables();
	sp_audit_require_committed();
	SPI_connect();
	if (sp_pg_query(&newest, NULL, NULL, true) == 1)
	{
		Datum value = sp_pg_column(0, 1, &isnull);

		MemoryContextSwitchTo(result);
		note = DatumGetTextPCopy(value);
	}
	SPI_finish();
	if (note == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(note);
}
