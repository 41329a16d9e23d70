/*
 * src/pg/secrets/secrets.c
 *	  Secrets of a tenant: passwords and tokens that other rooms need.
 *
 * The table belongs to its owner alone, and these functions work as the owner;
 * who may call them is who may put, list or read secrets.  A value is bound to
 * its tenant, the identifier and the name of its row, and its version.
 *
 * Messages do not repeat names: whoever exchanges two arguments has put a value
 * where the name belongs.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/tuplestore.h"

#include "core/crypto/constant_time.h"
#include "pg/audit/audit.h"
#include "pg/identity/identity.h"
#include "pg/keys/keys.h"
#include "pg/owner.h"
#include "pg/seam.h"
#include "pg/secrets/secrets.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_secret_put);
SPOTAI_FUNCTION(spotai_secret_rotate);
SPOTAI_FUNCTION(spotai_secret_delete);
SPOTAI_FUNCTION(spotai_secret_get);
SPOTAI_FUNCTION(spotai_secrets);

#define NAME_MAX_BYTES 255

/* Certificates with their chains have some 10 KB; this is no place for files. */
#define VALUE_MAX_BYTES (1 << 20)

/* A row of spotai.secret without what it holds. */
typedef struct Secret
{
	pg_uuid_t id;
	int64 version;
} Secret;

void
sp_secrets_init(void)
{
	sp_secrets_log_init();
}

/* --- arguments -------------------------------------------------------------------- */

static char *
take_name(FunctionCallInfo fcinfo)
{
	text *name;
	char *result;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
		        (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a secret must have a name")));
	name = PG_GETARG_TEXT_PP(0);
	if (VARSIZE_ANY_EXHDR(name) < 1 || VARSIZE_ANY_EXHDR(name) > NAME_MAX_BYTES)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("the name of a secret must have 1 to %d bytes", NAME_MAX_BYTES)));
	result = text_to_cstring(name);
	for (const char *c = result; *c != '\0'; c++)
		if ((unsigned char) *c < 0x20 || *c == 0x7f)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			                errmsg("the name of a secret must not hold control characters")));
	return result;
}

/* Checked before it is unpacked, which would make a copy. */
static text *
take_value(FunctionCallInfo fcinfo)
{
	Size length;

	if (PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		                errmsg("the value of a secret must not be null")));
	length = toast_raw_datum_size(PG_GETARG_DATUM(1)) - VARHDRSZ;
	if (length == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("the value of a secret must not be empty")));
	if (length > VALUE_MAX_BYTES)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("the value of a secret has more than %d bytes", VALUE_MAX_BYTES)));
	return PG_GETARG_TEXT_PP(1);
}

/* Our copy; what the caller holds is the caller's. */
static void
drop_value(FunctionCallInfo fcinfo, text *value)
{
	if ((Pointer) value != PG_GETARG_POINTER(1))
		sp_crypto_wipe(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

static char *
place_of(const Secret *secret, const char *name)
{
	char *id = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&secret->id)));

	return psprintf("secrets/secret/%s/%s", id, name);
}

static void
raise_missing(void)
{
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("there is no secret of that name"),
	                errhint("spotai.secrets() lists them.")));
}

/* Asked before we act as the owner: what others run as a superuser would be the operator then. */
static pg_uuid_t
own_tenant(void)
{
	return *DatumGetUUIDP(sp_pg_current_tenant());
}

/* --- rows; connected to SPI, as the owner ------------------------------------------ */

/* Locked until the end of the transaction, so that two rotations follow each other. */
static bool
lock_row(const pg_uuid_t *tenant, const char *name, Secret *out)
{
	static SpQuery lock = {
		.text = "SELECT id, version FROM spotai.secret"
				" WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND name OPERATOR(pg_catalog.=) $2"
				" FOR UPDATE",
		.nargs = 2,
		.types = {UUIDOID, TEXTOID},
	};
	Datum args[] = {UUIDPGetDatum(tenant), CStringGetTextDatum(name)};
	bool isnull;

	if (sp_pg_query(&lock, args, NULL, false) == 0)
		return false;
	out->id = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
	out->version = DatumGetInt64(sp_pg_column(0, 2, &isnull));
	return true;
}

/* False when there is one of that name. */
static bool
insert_row(const pg_uuid_t *tenant, const char *name, const Secret *secret, const bytea *sealed)
{
	static SpQuery insert = {
		.text = "INSERT INTO spotai.secret (tenant_id, id, name, version, sealed)"
				" VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, name) DO NOTHING",
		.nargs = 5,
		.types = {UUIDOID, UUIDOID, TEXTOID, INT8OID, BYTEAOID},
	};
	Datum args[] = {
		UUIDPGetDatum(tenant),          UUIDPGetDatum(&secret->id), CStringGetTextDatum(name),
		Int64GetDatum(secret->version), PointerGetDatum(sealed),
	};

	return sp_pg_query(&insert, args, NULL, false) > 0;
}

static void
update_row(const pg_uuid_t *tenant, const Secret *secret, const bytea *sealed)
{
	static SpQuery update = {
		.text = "UPDATE spotai.secret SET version = $3, sealed = $4, updated_at = pg_catalog.now()"
				" WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND id OPERATOR(pg_catalog.=) $2",
		.nargs = 4,
		.types = {UUIDOID, UUIDOID, INT8OID, BYTEAOID},
	};
	Datum args[] = {
		UUIDPGetDatum(tenant),
		UUIDPGetDatum(&secret->id),
		Int64GetDatum(secret->version),
		PointerGetDatum(sealed),
	};

	sp_pg_query(&update, args, NULL, false);
}

static bytea *
seal(const pg_uuid_t *tenant, const char *name, const Secret *secret, text *value)
{
	return sp_keys_seal(tenant, place_of(secret, name), secret->version, VARDATA_ANY(value),
	                    VARSIZE_ANY_EXHDR(value));
}

/* By its identifier: a name may turn out to be a value, and the log keeps it for ever. */
static void
record(const char *action, const Secret *secret)
{
	sp_audit_event(action,
	               DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&secret->id))),
	               sp_audit_detail("{\"version\": " INT64_FORMAT "}", secret->version));
}

/* --- writing ------------------------------------------------------------------------ */

/* spotai.secret_put(name text, value text) returns bigint */
Datum
spotai_secret_put(PG_FUNCTION_ARGS)
{
	ErrorContextCallback log;
	SpOwner before;
	pg_uuid_t tenant;
	Secret secret = {.version = 1};
	char *name;
	text *value;

	sp_secrets_log_begin(&log, "spotai.secret_put(), statement withheld");
	sp_identity_require_permission("secret:write");
	name = take_name(fcinfo);
	value = take_value(fcinfo);
	tenant = own_tenant();
	before = sp_pg_become_owner("secret");
	SPI_connect();
	secret.id = *DatumGetUUIDP(OidFunctionCall0(F_GEN_RANDOM_UUID));
	if (!insert_row(&tenant, name, &secret, seal(&tenant, name, &secret, value)))
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
		                errmsg("there is a secret of that name already"),
		                errhint("spotai.secret_rotate() replaces its value.")));
	SPI_finish();
	sp_pg_resign(&before);
	drop_value(fcinfo, value);
	record("secret.put", &secret);
	sp_secrets_log_end(&log);
	PG_RETURN_INT64(secret.version);
}

/* spotai.secret_rotate(name text, value text) returns bigint */
Datum
spotai_secret_rotate(PG_FUNCTION_ARGS)
{
	ErrorContextCallback log;
	SpOwner before;
	pg_uuid_t tenant;
	Secret secret;
	char *name;
	text *value;

	sp_secrets_log_begin(&log, "spotai.secret_rotate(), statement withheld");
	sp_identity_require_permission("secret:write");
	name = take_name(fcinfo);
	value = take_value(fcinfo);
	sp_keys_require();
	tenant = own_tenant();
	before = sp_pg_become_owner("secret");
	SPI_connect();
	if (!lock_row(&tenant, name, &secret))
		raise_missing();
	secret.version++;
	update_row(&tenant, &secret, seal(&tenant, name, &secret, value));
	SPI_finish();
	sp_pg_resign(&before);
	drop_value(fcinfo, value);
	record("secret.rotate", &secret);
	sp_secrets_log_end(&log);
	PG_RETURN_INT64(secret.version);
}

/* spotai.secret_delete(name text) returns boolean */
Datum
spotai_secret_delete(PG_FUNCTION_ARGS)
{
	static SpQuery delete = {
		.text = "DELETE FROM spotai.secret"
				" WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND name OPERATOR(pg_catalog.=) $2"
				" RETURNING id, version",
		.nargs = 2,
		.types = {UUIDOID, TEXTOID},
	};
	SpOwner before;
	pg_uuid_t tenant;
	Secret secret;
	bool deleted, isnull;
	char *name;

	sp_identity_require_permission("secret:write");
	name = take_name(fcinfo);
	tenant = own_tenant();
	before = sp_pg_become_owner("secret");
	SPI_connect();
	deleted = sp_pg_query(&delete, (Datum[]){UUIDPGetDatum(&tenant), CStringGetTextDatum(name)},
	                      NULL, false) > 0;
	if (deleted)
	{
		secret.id = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
		secret.version = DatumGetInt64(sp_pg_column(0, 2, &isnull));
	}
	SPI_finish();
	sp_pg_resign(&before);
	if (deleted)
		record("secret.delete", &secret);
	PG_RETURN_BOOL(deleted);
}

/* --- reading ------------------------------------------------------------------------- */

/* The row's value as it is stored, in the caller's memory; NULL when there is none. */
static bytea *
read_row(const pg_uuid_t *tenant, const char *name, Secret *out)
{
	static SpQuery find = {
		.text = "SELECT id, version, sealed FROM spotai.secret"
				" WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND name OPERATOR(pg_catalog.=) $2",
		.nargs = 2,
		.types = {UUIDOID, TEXTOID},
	};
	MemoryContext caller = CurrentMemoryContext;
	Datum args[] = {UUIDPGetDatum(tenant), CStringGetTextDatum(name)};
	SpOwner before = sp_pg_become_owner("secret");
	bytea *sealed = NULL;
	bool isnull;

	SPI_connect();
	if (sp_pg_query(&find, args, NULL, false) > 0)
	{
		out->id = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
		out->version = DatumGetInt64(sp_pg_column(0, 2, &isnull));
		MemoryContextSwitchTo(caller);
		sealed = DatumGetByteaPCopy(sp_pg_column(0, 3, &isnull));
	}
	SPI_finish();
	sp_pg_resign(&before);
	return sealed;
}

static char *
read_secret(const pg_uuid_t *tenant, const char *name, Secret *secret, size_t *n)
{
	bytea *sealed;

	sp_keys_require();
	sealed = read_row(tenant, name, secret);
	if (sealed == NULL)
		raise_missing();
	return sp_keys_open(tenant, place_of(secret, name), secret->version, sealed, n);
}

char *
sp_secrets_read(const pg_uuid_t *tenant, const char *name, size_t *n)
{
	Secret secret;

	return read_secret(tenant, name, &secret, n);
}

/* spotai.secret_get(name text) returns text */
Datum
spotai_secret_get(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant;
	size_t n;
	Secret secret;
	char *name, *value;
	text *result;

	sp_identity_require_permission("secret:read");
	name = take_name(fcinfo);
	tenant = own_tenant();
	value = read_secret(&tenant, name, &secret, &n);
	result = cstring_to_text_with_len(value, (int) n);
	sp_crypto_wipe(value, n);
	record("secret.get", &secret);
	PG_RETURN_TEXT_P(result);
}

/* spotai.secrets() returns setof record */
Datum
spotai_secrets(PG_FUNCTION_ARGS)
{
	static SpQuery list = {
		.text = "SELECT name, version, created_at, updated_at FROM spotai.secret"
				" WHERE tenant_id OPERATOR(pg_catalog.=) $1 ORDER BY name COLLATE pg_catalog.\"C\"",
		.nargs = 1,
		.types = {UUIDOID},
	};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	pg_uuid_t tenant = own_tenant();
	SpOwner before = sp_pg_become_owner("secret");
	uint64 count;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	count = sp_pg_query(&list, (Datum[]){UUIDPGetDatum(&tenant)}, NULL, false);
	for (uint64 row = 0; row < count; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
	SPI_finish();
	sp_pg_resign(&before);
	return (Datum) 0;
}
