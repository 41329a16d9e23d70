/*
 * src/pg/audit/key.c
 *	  The keys of the audit log, and what is signed with them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "core/crypto/constant_time.h"
#include "core/crypto/random.h"
#include "core/merkle/entry.h"
#include "pg/audit/bulk.h"
#include "pg/audit/key.h"
#include "pg/audit/seal.h"
#include "pg/audit/settings.h"
#include "pg/audit/write.h"
#include "pg/keys/keys.h"
#include "pg/seam.h"
#include "pg/sql.h"

/* The log is the database's; its key is kept with the default tenant's secrets. */
static const pg_uuid_t key_tenant = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

#define KEY_VERSION 1
#define PLACE_SIZE  (sizeof("audit/key/") + SP_UUID_TEXT)

static void
key_place(const pg_uuid_t *id, char place[PLACE_SIZE])
{
	strcpy(place, "audit/key/");
	sp_uuid_print(id->data, place + strlen(place));
}

/* --- the newest key -------------------------------------------------------------------- */

static bool
look_up_newest(void)
{
	static SpQuery newest = {
		.text = "SELECT id, origin, sealed FROM spotai.audit_key ORDER BY created_at DESC, id DESC"
				" LIMIT 1"};

	return sp_pg_query(&newest, NULL, NULL, false) == 1;
}

static void
wipe_signer(void *signer)
{
	sp_crypto_wipe(signer, sizeof(SpAuditSigner));
}

static SpAuditSigner *
new_signer(const pg_uuid_t *id, const char *origin, const uint8 *private_key)
{
	SpAuditSigner *signer = palloc0(sizeof(SpAuditSigner));
	SpFault fault = {"", ""};

	sp_pg_own(signer, wipe_signer);
	signer->id = *id;
	sp_pg_check(sp_note_signer_make(sp_audit_sha(), origin, strlen(origin), private_key,
	                                &signer->signer, &fault),
	            "key of the audit log", &fault);
	return signer;
}

/*
 * The name of a new log.  One that nobody has chosen must not be the name of
 * another log either.
 */
static char *
new_origin(const pg_uuid_t *id)
{
	char text[SP_UUID_TEXT];

	if (sp_audit_origin != NULL && sp_audit_origin[0] != '\0')
		return pstrdup(sp_audit_origin);
	sp_uuid_print(id->data, text);
	return psprintf("spotai.invalid/%s", text);
}

static void
store_key(const SpAuditSigner *signer, const bytea *sealed)
{
	static const char *const columns[] = {"id", "origin", "verifier", "sealed", "created_at"};
	SpBulk *bulk = sp_bulk_open(sp_audit_table("audit_key"), columns, lengthof(columns));
	TupleTableSlot *slot = sp_bulk_row(bulk);
	char verifier[SP_NOTE_KEY_TEXT];

	sp_note_key_print(&signer->signer.key, verifier);
	slot->tts_values[0] = UUIDPGetDatum(&signer->id);
	slot->tts_values[1] = CStringGetTextDatum(signer->signer.key.name);
	slot->tts_values[2] = CStringGetTextDatum(verifier);
	slot->tts_values[3] = PointerGetDatum(sealed);
	slot->tts_values[4] = TimestampTzGetDatum(GetCurrentTimestamp());
	sp_bulk_put(bulk);
	sp_bulk_close(bulk);
}

static SpAuditSigner *
make_key(const char *origin)
{
	uint8 private_key[SP_ED25519_KEY_BYTES];
	char place[PLACE_SIZE];
	SpAuditSigner *signer;
	pg_uuid_t id;

	sp_keys_require();
	sp_pg_check(sp_crypto_random(id.data, sizeof(id.data)), "random numbers", NULL);
	/* version 4, RFC 9562 */
	id.data[6] = (id.data[6] & 0x0F) | 0x40;
	id.data[8] = (id.data[8] & 0x3F) | 0x80;
	sp_pg_check(sp_crypto_random(private_key, sizeof(private_key)), "random numbers", NULL);
	signer = new_signer(&id, origin != NULL ? origin : new_origin(&id), private_key);
	key_place(&id, place);
	store_key(signer,
	          sp_keys_seal(&key_tenant, place, KEY_VERSION, private_key, sizeof(private_key)));
	sp_crypto_wipe(private_key, sizeof(private_key));
	CommandCounterIncrement();
	return signer;
}

SpAuditSigner *
sp_audit_signer(void)
{
	pg_uuid_t id;
	char *origin, place[PLACE_SIZE];
	bytea *sealed;
	uint8 *private_key;
	size_t n;
	bool isnull;

	if (!look_up_newest())
	{
		/* two of us would give the log two names */
		(void) sp_audit_seal_lock();
		if (!look_up_newest())
			return make_key(NULL);
	}
	id = *DatumGetUUIDP(sp_pg_column(0, 1, &isnull));
	origin = sp_pg_column_text(0, 2);
	sealed = DatumGetByteaPCopy(sp_pg_column(0, 3, &isnull));
	key_place(&id, place);
	private_key = sp_keys_open(&key_tenant, place, KEY_VERSION, sealed, &n);
	if (n != SP_ED25519_KEY_BYTES)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
		                errmsg("the key of the audit log has a wrong length")));
	return new_signer(&id, origin, private_key);
}

bool
sp_audit_signer_changed(const SpAuditSigner *signer)
{
	bool isnull;

	return !look_up_newest() ||
	       memcmp(DatumGetUUIDP(sp_pg_column(0, 1, &isnull)), &signer->id, UUID_LEN) != 0;
}

SpAuditSigner *
sp_audit_signer_new(void)
{
	return make_key(look_up_newest() ? sp_pg_column_text(0, 2) : NULL);
}

/* --- checkpoints -------------------------------------------------------------------------- */

char *
sp_audit_sign(const SpAuditSigner *signer, const SpMerkleFrontier *frontier, SpDigest *root)
{
	const char *origin = signer->signer.key.name;
	SpCheckpoint checkpoint = {
		.origin = origin, .origin_length = strlen(origin), .size = frontier->size};
	SpFault fault = {"", ""};
	char *text, *note;
	size_t n, size;

	sp_pg_check(sp_merkle_root(sp_audit_sha(), frontier, root), "checkpoint", NULL);
	checkpoint.root = *root;
	text = palloc(sp_checkpoint_size(&checkpoint));
	sp_pg_check(sp_checkpoint_print(&checkpoint, text, &n, &fault), "checkpoint", &fault);
	size = sp_note_signed_size(n, &signer->signer, 1);
	note = palloc(size + 1);
	sp_pg_check(sp_note_sign(text, n, &signer->signer, 1, note, &fault), "checkpoint", &fault);
	note[size] = '\0';
	pfree(text);
	return note;
}

SpNoteKey *
sp_audit_verifier_keys(size_t *n)
{
	static SpQuery all = {.text = "SELECT verifier FROM spotai.audit_key ORDER BY created_at, id"};
	SpNoteKey *keys;

	*n = sp_pg_query(&all, NULL, NULL, false);
	keys = palloc(sizeof(SpNoteKey) * Max(*n, 1));
	for (size_t i = 0; i < *n; i++)
	{
		const char *text = sp_pg_column_text(i, 1);
		SpFault fault = {"", ""};

		sp_pg_check(sp_note_key_parse(sp_audit_sha(), text, strlen(text), &keys[i], &fault),
		            "verifier key of the audit log", &fault);
	}
	return keys;
}
