/*
 * src/pg/audit/write.c
 *	  Writing entries of the audit log.
 *
 * Ids are UUIDs of version 7 (RFC 9562, section 5.7): 48 bits of milliseconds,
 * 12 bits of the microseconds below them, 20 bits of a counter within the
 * statement, 42 random bits.  So they come in the order of time, and indexes
 * grow at one end.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "core/crypto/sha256.h"
#include "pg/audit/bulk.h"
#include "pg/audit/subject.h"
#include "pg/audit/write.h"
#include "pg/identity/identity.h"
#include "pg/owner.h"
#include "pg/seam.h"
#include "pg/sql.h"

/* Of 2000-01-01, where the server's clock begins, since 1970-01-01. */
#define EPOCH_US ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

#define COUNTER_BITS 20

/*
 * Random bytes of an id, and how many ids' worth are asked for at once: to ask
 * OpenSSL takes longer than to hash an entry.
 */
#define RANDOM_BYTES 6
#define RANDOM_IDS   64

struct SpAuditWriter
{
	SpBulk *entries;
	SpBulk *pending;
	SpAuditWho who;
	SpAuditSubjects *subjects; /* NULL until one is needed */
	MemoryContext home;
	TimestampTz now;
	uint32 counter;
};

/* --- what every room here needs --------------------------------------------- */

SpSha256 *
sp_audit_sha(void)
{
	static SpSha256 *sha = NULL;

	if (sha == NULL)
		sp_pg_check(sp_sha256_new(sp_pg_env_in(TopMemoryContext), &sha), "SHA-256", NULL);
	return sha;
}

const char *
sp_audit_utf8(const char *text, size_t n, size_t *n_utf8)
{
	char *utf8 = pg_server_to_any(text, (int) n, PG_UTF8);

	*n_utf8 = utf8 == text ? n : strlen(utf8);
	return utf8;
}

const char *
sp_audit_role(void)
{
	return GetUserNameFromId(GetOuterUserId(), false);
}

SpAuditWho
sp_audit_who(void)
{
	SpIdentity identity = sp_identity_current();
	SpAuditWho who = {0};

	who.has_tenant = identity.known;
	who.tenant = identity.tenant;
	who.has_principal = identity.has_principal;
	who.principal = identity.principal;
	return who;
}

/* Whether the session may know of the entries of all tenants. */
static bool
sees_all_tenants(void)
{
	static const char *const roles[] = {"spotai_auditor", "spotai_admin"};

	for (int i = 0; i < lengthof(roles); i++)
	{
		Oid role = get_role_oid(roles[i], true);

		if (OidIsValid(role) && has_privs_of_role(GetOuterUserId(), role))
			return true;
	}
	return superuser_arg(GetOuterUserId());
}

bool
sp_audit_may_see(const pg_uuid_t *tenant)
{
	SpAuditWho who = sp_audit_who();

	return (who.has_tenant && memcmp(&who.tenant, tenant, UUID_LEN) == 0) || sees_all_tenants();
}

int64
sp_audit_unix_us(TimestampTz at)
{
	return at + EPOCH_US;
}

/* --- partitions ----------------------------------------------------------------- */

/* Made as the owner of the tables, who may; the caller need not. */
static void
make_partition(TimestampTz at)
{
	static SpQuery make = {
		.text = "SELECT _spotai.audit_make_partition($1)", .nargs = 1, .types = {TIMESTAMPTZOID}};
	Datum args[] = {TimestampTzGetDatum(at)};
	SpOwner before = sp_pg_become_owner("audit_entry");

	SPI_connect();
	sp_pg_query(&make, args, NULL, false);
	SPI_finish();
	sp_pg_resign(&before);
	CommandCounterIncrement();
}

static void
partition_name(TimestampTz at, char name[NAMEDATALEN])
{
	struct pg_tm tm;
	fsec_t fsec;

	if (timestamp2tm(at, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "a time of the audit log is out of range");
	snprintf(name, NAMEDATALEN, "audit_entry_%04d_%02d", tm.tm_year, tm.tm_mon);
}

Oid
sp_audit_partition(TimestampTz at)
{
	char name[NAMEDATALEN];

	partition_name(at, name);
	return get_relname_relid(name, get_namespace_oid("spotai", false));
}

void
sp_audit_prepare_partition(TimestampTz at)
{
	if (!OidIsValid(sp_audit_partition(at)))
		make_partition(at);
}

static Oid
partition_for(TimestampTz at)
{
	Oid partition = sp_audit_partition(at);

	if (!OidIsValid(partition))
	{
		make_partition(at);
		partition = sp_audit_partition(at);
	}
	/* a table of that name that was detached would take entries that nobody finds */
	if (!OidIsValid(partition) || !get_rel_relispartition(partition))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("spotai.audit_entry has no partition for this month"),
		                errhint("Attach it again, or give the table another name that is in "
		                        "its place.")));
	return partition;
}

/* --- the writer ------------------------------------------------------------------ */

SpAuditWriter *
sp_audit_writer_open(const SpAuditWho *who)
{
	static const char *const entry_columns[] = {"tenant_id",    "id",     "occurred_at",
	                                            "principal_id", "action", "object",
	                                            "subject_id",   "detail"};
	static const char *const pending_columns[] = {"entry_tenant_id", "entry_id", "occurred_at",
	                                              "leaf"};
	SpAuditWriter *writer = palloc0(sizeof(SpAuditWriter));

	PreventCommandIfParallelMode("writing to the audit log");
	writer->who = who != NULL ? *who : sp_audit_who();
	writer->home = CurrentMemoryContext;
	writer->now = GetCurrentTimestamp();
	writer->entries =
		sp_bulk_open(partition_for(writer->now), entry_columns, lengthof(entry_columns));
	writer->pending =
		sp_bulk_open(sp_audit_table("audit_pending"), pending_columns, lengthof(pending_columns));
	return writer;
}

const SpAuditWho *
sp_audit_writer_who(const SpAuditWriter *writer)
{
	return &writer->who;
}

/* They outlive the writer: the first entry of a statement is most often the last. */
static const uint8 *
random_bytes(void)
{
	static uint8 random[RANDOM_IDS * RANDOM_BYTES];
	static int left = 0; /* ids for which there are bytes */

	if (left == 0)
	{
		if (!pg_strong_random(random, sizeof(random)))
			ereport(ERROR,
			        (errcode(ERRCODE_INTERNAL_ERROR), errmsg("there are no random numbers")));
		left = RANDOM_IDS;
	}
	return random + (size_t) --left * RANDOM_BYTES;
}

static void
make_id(SpAuditWriter *writer, pg_uuid_t *id)
{
	const uint8 *random = random_bytes();
	int64 us = writer->now + EPOCH_US;
	/* what the counter overflows into is later than now by a microsecond */
	int64 time = us + (writer->counter >> COUNTER_BITS);
	uint64 ms = (uint64) (time / 1000);
	uint32 below = (uint32) (time % 1000 * 4096 / 1000);
	uint32 counter = writer->counter++ & ((1 << COUNTER_BITS) - 1);

	for (int i = 0; i < 6; i++)
		id->data[i] = (uint8) (ms >> (40 - 8 * i));
	id->data[6] = (uint8) (0x70 | below >> 8);
	id->data[7] = (uint8) below;
	id->data[8] = (uint8) (0x80 | counter >> 14);
	id->data[9] = (uint8) (counter >> 6);
	id->data[10] = (uint8) (counter << 2 | (random[0] & 3));
	memcpy(id->data + 11, random + 1, 5);
}

/* The entry's row.  *entry has what the leaf is made of. */
static void
put_entry(SpAuditWriter *writer, const SpEntry *entry, const SpAuditText *text, const char *detail,
          size_t n_detail)
{
	TupleTableSlot *slot = sp_bulk_row(writer->entries);
	MemoryContext caller = MemoryContextSwitchTo(sp_bulk_memory(writer->entries));
	pg_uuid_t *ids = palloc0(4 * sizeof(pg_uuid_t));

	memcpy(ids[0].data, entry->tenant, UUID_LEN);
	memcpy(ids[1].data, entry->id, UUID_LEN);
	memcpy(ids[2].data, entry->principal, UUID_LEN);
	if (text->subject != NULL)
		ids[3] = *text->subject;
	slot->tts_values[0] = UUIDPGetDatum(&ids[0]);
	slot->tts_values[1] = UUIDPGetDatum(&ids[1]);
	slot->tts_values[2] = TimestampTzGetDatum(writer->now);
	slot->tts_values[3] = UUIDPGetDatum(&ids[2]);
	slot->tts_isnull[3] = !entry->has_principal;
	slot->tts_values[4] = CStringGetTextDatum(text->action);
	slot->tts_values[5] = CStringGetTextDatum(text->object);
	slot->tts_values[6] = UUIDPGetDatum(&ids[3]);
	slot->tts_isnull[6] = text->subject == NULL;
	slot->tts_values[7] = PointerGetDatum(cstring_to_text_with_len(detail, (int) n_detail));
	MemoryContextSwitchTo(caller);
	sp_bulk_put(writer->entries);
}

static void
put_pending(SpAuditWriter *writer, const pg_uuid_t *tenant, const pg_uuid_t *id,
            const SpDigest *leaf)
{
	TupleTableSlot *slot = sp_bulk_row(writer->pending);
	MemoryContext caller = MemoryContextSwitchTo(sp_bulk_memory(writer->pending));
	pg_uuid_t *ids = palloc(2 * sizeof(pg_uuid_t));

	ids[0] = *tenant;
	ids[1] = *id;
	slot->tts_values[0] = UUIDPGetDatum(&ids[0]);
	slot->tts_values[1] = UUIDPGetDatum(&ids[1]);
	slot->tts_values[2] = TimestampTzGetDatum(writer->now);
	slot->tts_values[3] =
		PointerGetDatum(cstring_to_text_with_len((const char *) leaf->bytes, SP_DIGEST_BYTES));
	MemoryContextSwitchTo(caller);
	sp_bulk_put(writer->pending);
}

/* The detail's bytes as they are stored: UTF-8, of a person encrypted. */
static const char *
stored_detail(SpAuditWriter *writer, const pg_uuid_t *tenant, const pg_uuid_t *id,
              const SpAuditText *text, size_t *n)
{
	const char *plain = sp_audit_utf8(text->detail->data, (size_t) text->detail->len, n);

	if (text->subject == NULL)
		return plain;
	if (writer->subjects == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(writer->home);

		writer->subjects = sp_audit_subjects_new();
		MemoryContextSwitchTo(caller);
	}
	return sp_audit_subject_seal(writer->subjects, tenant, text->subject, id, plain, *n, n);
}

void
sp_audit_write(SpAuditWriter *writer, const pg_uuid_t *tenant, const SpAuditText *text,
               pg_uuid_t *id)
{
	SpEntry entry = {.time_us = sp_audit_unix_us(writer->now),
	                 .has_principal = writer->who.has_principal};
	SpFault fault = {"", ""};
	SpDigest leaf;
	pg_uuid_t new_id;
	size_t n_detail;
	const char *detail;

	make_id(writer, &new_id);
	detail = stored_detail(writer, tenant, &new_id, text, &n_detail);
	memcpy(entry.id, new_id.data, SP_UUID_BYTES);
	memcpy(entry.tenant, tenant->data, SP_UUID_BYTES);
	memcpy(entry.principal, writer->who.principal.data, SP_UUID_BYTES);
	entry.action = sp_audit_utf8(text->action, strlen(text->action), &entry.action_length);
	entry.object = sp_audit_utf8(text->object, strlen(text->object), &entry.object_length);
	sp_pg_check(sp_sha256_run(sp_audit_sha(), detail, n_detail, &entry.detail), "audit entry",
	            NULL);
	sp_pg_check(sp_entry_leaf_hash(sp_audit_sha(), &entry, &leaf, &fault), "audit entry", &fault);
	put_entry(writer, &entry, text, detail, n_detail);
	put_pending(writer, tenant, &new_id, &leaf);
	if (id != NULL)
		*id = new_id;
}

void
sp_audit_writer_close(SpAuditWriter *writer)
{
	sp_bulk_close(writer->entries);
	sp_bulk_close(writer->pending);
	pfree(writer);
}
