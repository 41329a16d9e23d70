/*
 * src/pg/audit/subject.c
 *	  Details of a person, encrypted under that person's key.
 *
 * Rows of spotai.subject_key are written and deleted past its triggers and row
 * security, as everything here (bulk.h): the caller has the tenant from
 * the session's identity.
 *
 * Who makes a key and who destroys them exclude each other through a lock.
 * Otherwise a key that is not committed yet would survive, and so would what is
 * written under it.  There are few locks and many subjects, so some share one.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "common/hashfn.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/crypto/constant_time.h"
#include "core/crypto/envelope.h"
#include "core/merkle/entry.h"
#include "pg/audit/bulk.h"
#include "pg/audit/store.h"
#include "pg/audit/subject.h"
#include "pg/keys/keys.h"
#include "pg/seam.h"

/* Keys that a statement keeps open: as many as a batch of rows may need. */
#define KEPT 256

/* A transaction that makes keys for everybody takes no more locks than this. */
#define LOCKS 32

#define KEY_VERSION 1
#define PLACE_SIZE  (sizeof("audit/subject//") + 2 * SP_UUID_TEXT)

/* Columns of spotai.subject_key, from 1. */
enum
{
	KEY_TENANT = 1,
	KEY_SUBJECT,
	KEY_ID,
	KEY_SEALED
};

typedef struct Kept
{
	bool used;
	pg_uuid_t tenant;
	pg_uuid_t subject;
	SpEnvelopeKey key;
} Kept;

struct SpAuditSubjects
{
	Kept kept[KEPT];
};

static void
wipe_subjects(void *subjects)
{
	sp_crypto_wipe(subjects, sizeof(SpAuditSubjects));
}

SpAuditSubjects *
sp_audit_subjects_new(void)
{
	SpAuditSubjects *subjects = palloc0(sizeof(SpAuditSubjects));

	sp_pg_own(subjects, wipe_subjects);
	return subjects;
}

/* --- rows ----------------------------------------------------------------------------- */

/* What nobody has is kept with the default tenant's, as the log's own key. */
static pg_uuid_t
key_tenant(const pg_uuid_t *tenant)
{
	static const pg_uuid_t nobody = {{0}};
	pg_uuid_t result = *tenant;

	if (memcmp(tenant, &nobody, UUID_LEN) == 0)
		result.data[UUID_LEN - 1] = 1;
	return result;
}

static void
key_place(const pg_uuid_t *subject, const uint8_t *id, char place[PLACE_SIZE])
{
	strcpy(place, "audit/subject/");
	sp_uuid_print(subject->data, place + strlen(place));
	strcat(place, "/");
	sp_uuid_print(id, place + strlen(place));
}

static void
lock_keys(Oid table, const pg_uuid_t *tenant, const pg_uuid_t *subject, LOCKMODE mode)
{
	uint32 hash =
		hash_combine(hash_bytes(tenant->data, UUID_LEN), hash_bytes(subject->data, UUID_LEN));

	LockDatabaseObject(RelationRelationId, table, (uint16) (1 + hash % LOCKS), mode);
}

static SysScanDesc
scan_keys(Relation rel, const pg_uuid_t *tenant, const pg_uuid_t *subject, Snapshot snapshot)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], KEY_TENANT, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(tenant));
	ScanKeyInit(&keys[1], KEY_SUBJECT, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(subject));
	return systable_beginscan(rel, sp_audit_primary_key(rel), true, snapshot, 2, keys);
}

/* The key that has this id, or any when it is NULL; its sealed form, or NULL. */
static bytea *
find_row(const pg_uuid_t *tenant, const pg_uuid_t *subject, const uint8_t *wanted, uint8_t *id)
{
	Relation rel = table_open(sp_audit_table("subject_key"), AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	SysScanDesc scan = scan_keys(rel, tenant, subject, snapshot);
	bytea *sealed = NULL;
	HeapTuple tuple;

	while (sealed == NULL && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		memcpy(id, DatumGetUUIDP(sp_audit_column(tuple, rel, KEY_ID)), UUID_LEN);
		if (wanted == NULL || memcmp(id, wanted, UUID_LEN) == 0)
			sealed = DatumGetByteaPCopy(sp_audit_column(tuple, rel, KEY_SEALED));
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return sealed;
}

static void
store_row(const pg_uuid_t *tenant, const pg_uuid_t *subject, const SpEnvelopeKey *key,
          const bytea *sealed)
{
	static const char *const columns[] = {"tenant_id", "subject_id", "id", "sealed", "created_at"};
	SpBulk *bulk = sp_bulk_open(sp_audit_table("subject_key"), columns, lengthof(columns));
	TupleTableSlot *slot = sp_bulk_row(bulk);
	pg_uuid_t id;

	memcpy(id.data, key->id, UUID_LEN);
	slot->tts_values[0] = UUIDPGetDatum(tenant);
	slot->tts_values[1] = UUIDPGetDatum(subject);
	slot->tts_values[2] = UUIDPGetDatum(&id);
	slot->tts_values[3] = PointerGetDatum(sealed);
	slot->tts_values[4] = TimestampTzGetDatum(GetCurrentTimestamp());
	sp_bulk_put(bulk);
	sp_bulk_close(bulk);
	CommandCounterIncrement();
}

/* --- keys ----------------------------------------------------------------------------- */

static void
open_key(const pg_uuid_t *tenant, const pg_uuid_t *subject, const uint8_t *id, const bytea *sealed,
         SpEnvelopeKey *key)
{
	pg_uuid_t keeper = key_tenant(tenant);
	char place[PLACE_SIZE];
	uint8_t *plain;
	size_t n;

	key_place(subject, id, place);
	plain = sp_keys_open(&keeper, place, KEY_VERSION, sealed, &n);
	if (n != SP_ENVELOPE_KEY_BYTES)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
		                errmsg("the key of a subject has a wrong length")));
	memcpy(key->id, id, SP_ENVELOPE_ID_BYTES);
	memcpy(key->key, plain, SP_ENVELOPE_KEY_BYTES);
	sp_crypto_wipe(plain, n);
}

static void
make_key(const pg_uuid_t *tenant, const pg_uuid_t *subject, SpEnvelopeKey *key)
{
	pg_uuid_t keeper = key_tenant(tenant);
	char place[PLACE_SIZE];

	lock_keys(sp_audit_table("subject_key"), tenant, subject, RowExclusiveLock);
	sp_pg_check(sp_envelope_key_make(key), "key of a subject", NULL);
	key_place(subject, key->id, place);
	store_row(tenant, subject, key,
	          sp_keys_seal(&keeper, place, KEY_VERSION, key->key, SP_ENVELOPE_KEY_BYTES));
}

static Kept *
place_for(SpAuditSubjects *subjects, const pg_uuid_t *tenant, const pg_uuid_t *subject)
{
	uint32 hash =
		hash_combine(hash_bytes(tenant->data, UUID_LEN), hash_bytes(subject->data, UUID_LEN));

	return &subjects->kept[hash % KEPT];
}

static bool
is_kept(const Kept *kept, const pg_uuid_t *tenant, const pg_uuid_t *subject)
{
	return kept->used && memcmp(&kept->tenant, tenant, UUID_LEN) == 0 &&
	       memcmp(&kept->subject, subject, UUID_LEN) == 0;
}

/* The key that new details are sealed with, or the one of that id; NULL: it is destroyed. */
static const SpEnvelopeKey *
key_of(SpAuditSubjects *subjects, const pg_uuid_t *tenant, const pg_uuid_t *subject,
       const uint8_t *wanted)
{
	Kept *kept = place_for(subjects, tenant, subject);
	uint8_t id[SP_ENVELOPE_ID_BYTES];
	bytea *sealed;

	if (is_kept(kept, tenant, subject) &&
	    (wanted == NULL || memcmp(kept->key.id, wanted, sizeof(id)) == 0))
		return &kept->key;
	kept->used = false;
	sealed = find_row(tenant, subject, wanted, id);
	if (sealed == NULL && wanted != NULL)
		return NULL;
	if (sealed != NULL)
		open_key(tenant, subject, id, sealed, &kept->key);
	else
		make_key(tenant, subject, &kept->key);
	kept->tenant = *tenant;
	kept->subject = *subject;
	kept->used = true;
	return &kept->key;
}

/* --- details -------------------------------------------------------------------------- */

/* A detail opens in its entry alone. */
#define DETAIL_BINDING(tenant, subject, entry)                                                  \
	{                                                                                           \
		{"spotai audit detail", sizeof("spotai audit detail") - 1}, {(tenant)->data, UUID_LEN}, \
			{(subject)->data, UUID_LEN}, {(entry)->data, UUID_LEN},                             \
	}

char *
sp_audit_subject_seal(SpAuditSubjects *subjects, const pg_uuid_t *tenant, const pg_uuid_t *subject,
                      const pg_uuid_t *entry, const char *detail, size_t n, size_t *n_sealed)
{
	const SpEnvelopePart binding[] = DETAIL_BINDING(tenant, subject, entry);
	const SpEnvelopeKey *key = key_of(subjects, tenant, subject, NULL);
	char *sealed;

	sp_pg_check(n > SP_ENVELOPE_MAX ? SP_ERR_TOO_LARGE : SP_OK, "detail of an audit entry", NULL);
	*n_sealed = n + SP_ENVELOPE_OVERHEAD;
	sealed = palloc(*n_sealed);
	sp_pg_check(sp_envelope_seal(key, binding, lengthof(binding), detail, n, (uint8_t *) sealed),
	            "detail of an audit entry", NULL);
	return sealed;
}

typedef struct Plain
{
	size_t capacity;
	char bytes[FLEXIBLE_ARRAY_MEMBER];
} Plain;

static void
wipe_plain(void *handle)
{
	Plain *plain = handle;

	sp_crypto_wipe(plain->bytes, plain->capacity);
}

char *
sp_audit_subject_open(SpAuditSubjects *subjects, const pg_uuid_t *tenant, const pg_uuid_t *subject,
                      const pg_uuid_t *entry, const char *sealed, size_t n, size_t *n_detail)
{
	const SpEnvelopePart binding[] = DETAIL_BINDING(tenant, subject, entry);
	uint8_t id[SP_ENVELOPE_ID_BYTES];
	SpFault fault = {"It is damaged.", "SELECT * FROM spotai.audit_verify() says what is damaged."};
	const SpEnvelopeKey *key;
	Plain *plain;

	sp_pg_check(sp_envelope_key_id((const uint8_t *) sealed, n, id), "detail of an audit entry",
	            &fault);
	key = key_of(subjects, tenant, subject, id);
	if (key == NULL)
		return NULL;
	plain = palloc0(offsetof(Plain, bytes) + n + 1);
	plain->capacity = n + 1;
	sp_pg_own(plain, wipe_plain);
	sp_pg_check(sp_envelope_open(key, binding, lengthof(binding), (const uint8_t *) sealed, n,
	                             (uint8_t *) plain->bytes, n_detail, &fault),
	            "detail of an audit entry", &fault);
	return plain->bytes;
}

int
sp_audit_subject_forget(const pg_uuid_t *tenant, const pg_uuid_t *subject)
{
	Relation rel = table_open(sp_audit_table("subject_key"), RowExclusiveLock);
	Snapshot snapshot;
	SysScanDesc scan;
	HeapTuple tuple;
	int n = 0;

	lock_keys(RelationGetRelid(rel), tenant, subject, ExclusiveLock);
	/* taken after the lock: what has been made meanwhile is in it, whatever the isolation level */
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = scan_keys(rel, tenant, subject, snapshot);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		simple_heap_delete(rel, &tuple->t_self);
		n++;
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	CommandCounterIncrement();
	return n;
}
