/*
 * src/pg/keys/keys.c
 *	  Sealing what must not be read from a table, a dump or a backup.
 *
 * A tenant has a data key for each quarter of a year in which something was
 * sealed: with one key at most 2^32 random nonces may be drawn (NIST SP
 * 800-38D, 8.3), which in 90 days is 552 a second, all the time.  Two sessions
 * that both find none make two, and both stay: a value names its key.  So
 * nobody waits for anybody, and a key goes when its transaction is rolled back,
 * together with all that was sealed with it.
 *
 * Data keys are opened for one value and overwritten.  Between, only sealed
 * ones are in memory, and SQL never sees any other.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "core/crypto/constant_time.h"
#include "core/crypto/envelope.h"
#include "pg/audit/audit.h"
#include "pg/identity/identity.h"
#include "pg/keys/keys.h"
#include "pg/keys/source.h"
#include "pg/owner.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_rekey);
SPOTAI_FUNCTION(spotai_data_keys);

StaticAssertDecl(SP_ENVELOPE_ID_BYTES == UUID_LEN, "a data key is named by a uuid");

/* A row of spotai.data_key. */
typedef struct DataKey
{
	pg_uuid_t tenant;
	pg_uuid_t id;
	uint8_t wrapped[SP_ENVELOPE_WRAPPED];
} DataKey;

void
sp_keys_init(void)
{
	sp_keys_source_init();
}

void
sp_keys_require(void)
{
	(void) sp_keys_source_current();
}

/* --- rows of data keys ---------------------------------------------------------- */

static bytea *
make_bytea(const void *data, size_t n)
{
	bytea *value = palloc(VARHDRSZ + n);

	SET_VARSIZE(value, VARHDRSZ + n);
	memcpy(VARDATA(value), data, n);
	return value;
}

/* From columns tenant_id, id, wrapped of a result row. */
static void
take_row(uint64 row, DataKey *out)
{
	bool isnull;
	bytea *wrapped;

	out->tenant = *DatumGetUUIDP(sp_pg_column(row, 1, &isnull));
	out->id = *DatumGetUUIDP(sp_pg_column(row, 2, &isnull));
	wrapped = DatumGetByteaPP(sp_pg_column(row, 3, &isnull));
	/* of another length, it is none; zeros are refused as damaged */
	memset(out->wrapped, 0, sizeof(out->wrapped));
	if (VARSIZE_ANY_EXHDR(wrapped) == SP_ENVELOPE_WRAPPED)
		memcpy(out->wrapped, VARDATA_ANY(wrapped), SP_ENVELOPE_WRAPPED);
}

/* What a data key is bound to: its tenant, so that rows cannot be exchanged. */
#define DATA_KEY_BINDING(key)                               \
	{                                                       \
		{"spotai data key", sizeof("spotai data key") - 1}, \
		{                                                   \
			(key)->tenant.data, UUID_LEN                    \
		}                                                   \
	}

static void
wrap(const SpEnvelopeKey *plain, DataKey *out)
{
	const SpEnvelopePart binding[] = DATA_KEY_BINDING(out);

	sp_pg_check(
		sp_envelope_wrap(sp_keys_source_current(), binding, lengthof(binding), plain, out->wrapped),
		"data key", NULL);
}

/* The caller wipes out, and raises nothing before. */
static void
unwrap(const DataKey *row, SpEnvelopeKey *out)
{
	const SpEnvelopePart binding[] = DATA_KEY_BINDING(row);
	uint8_t kek[SP_ENVELOPE_ID_BYTES];
	SpFault fault = {"It is damaged.", ""};
	SpStatus st = sp_envelope_key_id(row->wrapped, SP_ENVELOPE_WRAPPED, kek);

	if (st == SP_OK)
		st = sp_envelope_unwrap(sp_keys_source_find(kek), binding, lengthof(binding), row->wrapped,
		                        SP_ENVELOPE_WRAPPED, out, &fault);
	sp_pg_check(st, "data key of the tenant", &fault);
}

/* Connected to SPI, as the owner. */
static void
make_data_key(const pg_uuid_t *tenant, DataKey *out)
{
	static SpQuery insert = {
		.text = "INSERT INTO spotai.data_key (tenant_id, id, wrapped) VALUES ($1, $2, $3)",
		.nargs = 3,
		.types = {UUIDOID, UUIDOID, BYTEAOID},
	};
	Datum args[3];
	SpEnvelopeKey plain;
	SpStatus st;

	/* not with a key that this transaction has read before it was replaced */
	sp_keys_source_reload();
	st = sp_envelope_key_make(&plain);
	sp_pg_check(st, "data key", NULL);
	out->tenant = *tenant;
	memcpy(out->id.data, plain.id, UUID_LEN);
	PG_TRY();
	{
		wrap(&plain, out);
	}
	PG_FINALLY();
	{
		sp_envelope_forget(&plain);
	}
	PG_END_TRY();
	args[0] = UUIDPGetDatum(&out->tenant);
	args[1] = UUIDPGetDatum(&out->id);
	args[2] = PointerGetDatum(make_bytea(out->wrapped, SP_ENVELOPE_WRAPPED));
	sp_pg_query(&insert, args, NULL, false);
}

/* The key that is sealed with now. */
static void
current_data_key(const pg_uuid_t *tenant, DataKey *out)
{
	static SpQuery newest = {
		.text = "SELECT tenant_id, id, wrapped FROM spotai.data_key"
				" WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND created_at OPERATOR(pg_catalog.>)"
				" (pg_catalog.now() OPERATOR(pg_catalog.-) '90 days'::pg_catalog.interval)"
				" ORDER BY created_at DESC LIMIT 1",
		.nargs = 1,
		.types = {UUIDOID},
	};
	Datum args[] = {UUIDPGetDatum(tenant)};
	SpOwner before = sp_pg_become_owner("data_key");

	SPI_connect();
	if (sp_pg_query(&newest, args, NULL, false) > 0)
		take_row(0, out);
	else
		make_data_key(tenant, out);
	SPI_finish();
	sp_pg_resign(&before);
}

/* The key that a value was sealed with; false when the tenant has none of that id. */
static bool
find_data_key(const pg_uuid_t *tenant, const uint8_t *id, DataKey *out)
{
	static SpQuery by_id = {
		.text = "SELECT tenant_id, id, wrapped FROM spotai.data_key"
				" WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND id OPERATOR(pg_catalog.=) $2",
		.nargs = 2,
		.types = {UUIDOID, UUIDOID},
	};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum((const pg_uuid_t *) id)};
	SpOwner before = sp_pg_become_owner("data_key");
	bool found;

	SPI_connect();
	found = sp_pg_query(&by_id, args, NULL, false) > 0;
	if (found)
		take_row(0, out);
	SPI_finish();
	sp_pg_resign(&before);
	return found;
}

/* --- values ----------------------------------------------------------------------- */

typedef struct Binding
{
	uint64 version; /* in network order */
	SpEnvelopePart parts[4];
} Binding;

static void
bind(Binding *binding, const pg_uuid_t *tenant, const char *place, int64 version)
{
	binding->version = pg_hton64((uint64) version);
	binding->parts[0] = (SpEnvelopePart){"spotai value", sizeof("spotai value") - 1};
	binding->parts[1] = (SpEnvelopePart){tenant->data, UUID_LEN};
	binding->parts[2] = (SpEnvelopePart){place, strlen(place)};
	binding->parts[3] = (SpEnvelopePart){&binding->version, sizeof(binding->version)};
}

bytea *
sp_keys_seal(const pg_uuid_t *tenant, const char *place, int64 version, const void *plain, size_t n)
{
	DataKey row;
	SpEnvelopeKey key;
	Binding binding;
	bytea *sealed;
	SpStatus st;

	sp_pg_check(n > SP_ENVELOPE_MAX ? SP_ERR_TOO_LARGE : SP_OK, "value to be sealed", NULL);
	sealed = palloc(VARHDRSZ + n + SP_ENVELOPE_OVERHEAD);
	SET_VARSIZE(sealed, VARHDRSZ + n + SP_ENVELOPE_OVERHEAD);
	bind(&binding, tenant, place, version);
	current_data_key(tenant, &row);
	unwrap(&row, &key);
	st = sp_envelope_seal(&key, binding.parts, lengthof(binding.parts), plain, n,
	                      (uint8_t *) VARDATA(sealed));
	sp_envelope_forget(&key);
	sp_pg_check(st, "value to be sealed", NULL);
	return sealed;
}

typedef struct Plain
{
	size_t capacity;
	uint8_t bytes[FLEXIBLE_ARRAY_MEMBER];
} Plain;

static void
wipe_plain(void *handle)
{
	Plain *plain = handle;

	sp_crypto_wipe(plain->bytes, plain->capacity);
}

/* Room for n bytes and a NUL, all zero, wiped with the current memory context. */
static Plain *
make_plain(size_t n)
{
	Plain *plain = palloc0(offsetof(Plain, bytes) + n + 1);

	plain->capacity = n + 1;
	sp_pg_own(plain, wipe_plain);
	return plain;
}

static void
find_key_of(const pg_uuid_t *tenant, const uint8_t *sealed, size_t length, DataKey *out)
{
	uint8_t id[SP_ENVELOPE_ID_BYTES];
	SpFault fault = {"It is damaged, or cut short.", ""};
	SpStatus st = sp_envelope_key_id(sealed, length, id);

	if (st == SP_OK && !find_data_key(tenant, id, out))
		st = sp_fault(&fault, SP_ERR_BAD_DATA, "",
		              "The tenant has no such data key: it is damaged, or was moved here from "
		              "another tenant.");
	sp_pg_check(st, "sealed value", &fault);
}

void *
sp_keys_open(const pg_uuid_t *tenant, const char *place, int64 version, const bytea *value,
             size_t *n)
{
	bytea *whole = pg_detoast_datum_packed(unconstify(bytea *, value));
	const uint8_t *sealed = (const uint8_t *) VARDATA_ANY(whole);
	size_t length = VARSIZE_ANY_EXHDR(whole);
	DataKey row;
	SpEnvelopeKey key;
	SpFault fault = {0};
	Binding binding;
	Plain *plain;
	SpStatus st;

	/* before anything about the value: without a key there is but one answer */
	sp_keys_require();
	find_key_of(tenant, sealed, length, &row);
	plain = make_plain(length);
	bind(&binding, tenant, place, version);
	unwrap(&row, &key);
	st = sp_envelope_open(&key, binding.parts, lengthof(binding.parts), sealed, length,
	                      plain->bytes, n, &fault);
	sp_envelope_forget(&key);
	sp_pg_check(st, "sealed value", &fault);
	return plain->bytes;
}

/* --- another key-encryption key ---------------------------------------------------- */

/* Locked in one order, so that two calls do not block each other for ever. */
static uint64
read_outdated(const uint8_t *current, DataKey **out)
{
	static SpQuery outdated = {
		.text = "SELECT tenant_id, id, wrapped FROM spotai.data_key"
				" WHERE kek_id OPERATOR(pg_catalog.<>) $1 ORDER BY tenant_id, id FOR UPDATE",
		.nargs = 1,
		.types = {BYTEAOID},
	};
	Datum args[] = {PointerGetDatum(make_bytea(current, SP_ENVELOPE_ID_BYTES))};
	uint64 count = sp_pg_query(&outdated, args, NULL, false);

	*out = MemoryContextAllocHuge(CurrentMemoryContext, Max(count, 1) * sizeof(DataKey));
	for (uint64 i = 0; i < count; i++)
		take_row(i, &(*out)[i]);
	return count;
}

static void
write_wrapped(const DataKey *row)
{
	static SpQuery update = {
		.text = "UPDATE spotai.data_key SET wrapped = $3, wrapped_at = pg_catalog.now()"
				" WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND id OPERATOR(pg_catalog.=) $2",
		.nargs = 3,
		.types = {UUIDOID, UUIDOID, BYTEAOID},
	};
	Datum args[] = {
		UUIDPGetDatum(&row->tenant),
		UUIDPGetDatum(&row->id),
		PointerGetDatum(make_bytea(row->wrapped, SP_ENVELOPE_WRAPPED)),
	};

	sp_pg_query(&update, args, NULL, false);
}

static void
wrap_anew(DataKey *row)
{
	SpEnvelopeKey plain;

	unwrap(row, &plain);
	PG_TRY();
	{
		wrap(&plain, row);
	}
	PG_FINALLY();
	{
		sp_envelope_forget(&plain);
	}
	PG_END_TRY();
}

/* spotai.rekey() returns bigint */
Datum
spotai_rekey(PG_FUNCTION_ARGS)
{
	uint8_t current[SP_ENVELOPE_ID_BYTES];
	DataKey *rows;
	uint64 count;
	SpOwner before;

	/* of all tenants, so for the operator; a superuser who is nobody may repair what there is */
	(void) sp_identity_permitted("secret:write");
	memcpy(current, sp_keys_source_current()->id, sizeof(current));
	before = sp_pg_become_owner("data_key");
	SPI_connect();
	count = read_outdated(current, &rows);
	for (uint64 i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		wrap_anew(&rows[i]);
		write_wrapped(&rows[i]);
	}
	SPI_finish();
	sp_pg_resign(&before);
	sp_audit_event("key.rekey", sp_keys_id_text(current),
	               sp_audit_detail("{\"data_keys\": " UINT64_FORMAT "}", count));
	PG_RETURN_INT64((int64) count);
}

/* spotai.data_keys() returns setof record */
Datum
spotai_data_keys(PG_FUNCTION_ARGS)
{
	static SpQuery list = {
		.text = "SELECT tenant_id, id, pg_catalog.encode(kek_id, 'hex'),"
				" kek_id OPERATOR(pg_catalog.=) $1, created_at, wrapped_at"
				" FROM spotai.data_key ORDER BY tenant_id, created_at, id",
		.nargs = 1,
		.types = {BYTEAOID},
	};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum args[] = {
		PointerGetDatum(make_bytea(sp_keys_source_current()->id, SP_ENVELOPE_ID_BYTES)),
	};
	SpOwner before = sp_pg_become_owner("data_key");
	uint64 count;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	count = sp_pg_query(&list, args, NULL, false);
	for (uint64 row = 0; row < count; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
	SPI_finish();
	sp_pg_resign(&before);
	return (Datum) 0;
}
