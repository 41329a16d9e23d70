/*
 * src/pg/audit/detail.c
 *	  Details of entries for those who may read them, and their end.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#include "core/crypto/constant_time.h"
#include "core/merkle/entry.h"
#include "pg/audit/audit.h"
#include "pg/audit/store.h"
#include "pg/audit/subject.h"
#include "pg/audit/write.h"
#include "pg/identity/identity.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_audit_detail);
SPOTAI_FUNCTION(spotai_audit_detail_unasked);
SPOTAI_FUNCTION(spotai_audit_forget);

/* Whose entry it is: what is sealed is found by its position, the rest in the session's tenant. */
static pg_uuid_t
tenant_of(const pg_uuid_t *entry)
{
	SpAuditTree tree;
	SpAuditLeaf leaf;
	int64 position;

	sp_audit_tree_open(&tree, GetActiveSnapshot());
	position = sp_audit_tree_position(&tree, entry, &leaf);
	sp_audit_tree_close(&tree);
	return position >= 0 ? leaf.tenant : sp_audit_who().tenant;
}

static Jsonb *
parse(const char *utf8, size_t n)
{
	char *text = pg_any_to_server(utf8, (int) n, PG_UTF8);
	Datum json = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));

	if (text != utf8)
		sp_crypto_wipe(text, strlen(text));
	return DatumGetJsonbP(json);
}

/* NULL when the key has been destroyed. */
static Jsonb *
open_detail(const pg_uuid_t *tenant, const pg_uuid_t *entry)
{
	bool isnull;
	Datum subject = sp_pg_column(0, 1, &isnull);
	bytea *stored = DatumGetByteaP(sp_pg_column(0, 2, &(bool){false}));
	size_t n = VARSIZE_ANY_EXHDR(stored);
	const char *plain;

	if (isnull)
	{
		char *copy = pnstrdup(VARDATA_ANY(stored), n);

		return parse(copy, n);
	}
	plain = sp_audit_subject_open(sp_audit_subjects_new(), tenant, DatumGetUUIDP(subject), entry,
	                              VARDATA_ANY(stored), n, &n);
	return plain == NULL ? NULL : parse(plain, n);
}

/* _spotai.audit_detail(entry uuid) returns jsonb: the export of one's own data needs no permission */
Datum
spotai_audit_detail_unasked(PG_FUNCTION_ARGS)
{
	static SpQuery find = {.text = "SELECT subject_id, detail FROM spotai.audit_entry"
	                               " WHERE tenant_id = $1 AND id = $2 LIMIT 1",
	                       .nargs = 2,
	                       .types = {UUIDOID, UUIDOID}};
	MemoryContext result = CurrentMemoryContext;
	pg_uuid_t *entry = PG_GETARG_UUID_P(0), tenant;
	char text[SP_UUID_TEXT];
	Jsonb *detail;

	sp_pg_require_tables();
	SPI_connect();
	tenant = tenant_of(entry);
	sp_uuid_print(entry->data, text);
	/* another tenant's entry is answered like one that does not exist */
	if (!sp_audit_may_see(&tenant) ||
	    sp_pg_query(&find, (Datum[]){UUIDPGetDatum(&tenant), UUIDPGetDatum(entry)}, NULL, false) ==
	        0)
		ereport(ERROR,
		        (errcode(ERRCODE_NO_DATA_FOUND), errmsg("entry %s is not in the audit log", text)));
	detail = open_detail(&tenant, entry);
	if (detail != NULL)
	{
		MemoryContextSwitchTo(result);
		detail = (Jsonb *) PG_DETOAST_DATUM_COPY(JsonbPGetDatum(detail));
	}
	SPI_finish();
	if (detail == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(detail);
}

/* spotai.audit_detail(entry uuid) returns jsonb */
Datum
spotai_audit_detail(PG_FUNCTION_ARGS)
{
	(void) sp_identity_permitted("audit:read");
	return spotai_audit_detail_unasked(fcinfo);
}

/* _spotai.audit_forget(subject uuid) returns integer */
Datum
spotai_audit_forget(PG_FUNCTION_ARGS)
{
	pg_uuid_t *subject = PG_GETARG_UUID_P(0);
	SpAuditWho who;
	char text[SP_UUID_TEXT];
	int n;

	PreventCommandIfReadOnly("_spotai.audit_forget()");
	PreventCommandIfParallelMode("_spotai.audit_forget()");
	sp_pg_require_tables();
	who = sp_audit_who();
	if (!who.has_tenant)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		                errmsg("this session belongs to no tenant")));
	n = sp_audit_subject_forget(&who.tenant, subject);
	sp_uuid_print(subject->data, text);
	sp_audit_event("audit.forget", text, (Datum) 0);
	PG_RETURN_INT32(n);
}
