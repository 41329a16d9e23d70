/*
 * src/pg/audit/check.c
 *	  Proofs of any log, verified: they need no table and no privilege on one.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "utils/array.h"

#include "core/merkle/merkle.h"
#include "pg/audit/write.h"
#include "pg/seam.h"

SPOTAI_FUNCTION(spotai_audit_verify_inclusion);
SPOTAI_FUNCTION(spotai_audit_verify_consistency);

static void
take_digest(Datum value, const char *name, SpDigest *out)
{
	bytea *bytes = DatumGetByteaPP(value);

	if (VARSIZE_ANY_EXHDR(bytes) != SP_DIGEST_BYTES)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("%s must have %d bytes", name, SP_DIGEST_BYTES)));
	memcpy(out, VARDATA_ANY(bytes), SP_DIGEST_BYTES);
}

/* Longer ones than any proof are taken too; the core says that they do not hold. */
static SpDigest *
take_proof(ArrayType *array, size_t *n)
{
	SpDigest *proof;
	Datum *elements;
	bool *nulls;
	int count;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("a proof must have one dimension")));
	deconstruct_array(array, BYTEAOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	proof = palloc(sizeof(SpDigest) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			                errmsg("a proof must not have nulls")));
		take_digest(elements[i], "each hash of a proof", &proof[i]);
	}
	*n = (size_t) count;
	return proof;
}

static uint64
take_number(int64 value, const char *name)
{
	if (value < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("%s must not be negative", name)));
	return (uint64) value;
}

static bool
holds(SpStatus st)
{
	if (st != SP_ERR_BAD_DATA)
		sp_pg_check(st, "proof", NULL);
	return st == SP_OK;
}

/*
 * spotai.audit_verify_inclusion(leaf bytea, "position" bigint, tree_size bigint,
 * proof bytea[], root bytea) returns boolean
 */
Datum
spotai_audit_verify_inclusion(PG_FUNCTION_ARGS)
{
	uint64 position = take_number(PG_GETARG_INT64(1), "position");
	uint64 size = take_number(PG_GETARG_INT64(2), "tree_size");
	SpFault fault = {"", ""};
	SpDigest leaf, root, *proof;
	size_t n;

	take_digest(PG_GETARG_DATUM(0), "leaf", &leaf);
	proof = take_proof(PG_GETARG_ARRAYTYPE_P(3), &n);
	take_digest(PG_GETARG_DATUM(4), "root", &root);
	PG_RETURN_BOOL(holds(sp_merkle_verify_inclusion(sp_audit_sha(), &leaf, position, size, proof, n,
	                                                &root, &fault)));
}

/*
 * spotai.audit_verify_consistency(old_size bigint, new_size bigint, proof
 * bytea[], old_root bytea, new_root bytea) returns boolean
 */
Datum
spotai_audit_verify_consistency(PG_FUNCTION_ARGS)
{
	uint64 old_size = take_number(PG_GETARG_INT64(0), "old_size");
	uint64 new_size = take_number(PG_GETARG_INT64(1), "new_size");
	SpFault fault = {"", ""};
	SpDigest old_root, new_root, *proof;
	size_t n;

	proof = take_proof(PG_GETARG_ARRAYTYPE_P(2), &n);
	take_digest(PG_GETARG_DATUM(3), "old_root", &old_root);
	take_digest(PG_GETARG_DATUM(4), "new_root", &new_root);
	PG_RETURN_BOOL(holds(sp_merkle_verify_consistency(sp_audit_sha(), old_size, new_size, proof, n,
	                                                  &old_root, &new_root, &fault)));
}
