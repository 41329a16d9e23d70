/*
 * src/pg/identity/totp.c
 *	  The second factor: one-time passwords (RFC 6238) and recovery codes.
 *
 * The row of a principal is locked while a code is looked at, so that of two
 * sessions with one code the second finds it used.  Guessing is slowed down by
 * a pause after FREE_FAILURES wrong codes that doubles with each further one: a
 * million codes with three valid ones would take years (RFC 4226, 7.3).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "core/crypto/constant_time.h"
#include "core/crypto/random.h"
#include "core/jose/otp.h"
#include "pg/identity/internal.h"
#include "pg/keys/keys.h"
#include "pg/seam.h"
#include "pg/secrets/secrets.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_totp_enroll);
SPOTAI_FUNCTION(spotai_totp_recovery_codes);
SPOTAI_FUNCTION(spotai_totp_verify);

/* As long as the hash that it keys: RFC 4226, section 4, R6. */
#define SECRET_BYTES 20

/* RFC 6238, 5.2: one step to each side, for clocks that differ and people who type. */
#define STEPS 1

#define FREE_FAILURES   5
#define FIRST_PAUSE_S   30
#define LONGEST_PAUSE_S 3600

#define MAX_RECOVERY_CODES 100

static int steps = STEPS;

void
sp_identity_totp_init(void)
{
	DefineCustomIntVariable("spotai.totp_steps",
	                        "Steps of 30 seconds that a one-time password may be early or late.",
	                        "With 0 a code is good for its 30 seconds, and clocks must agree.",
	                        &steps, STEPS, 0, STEPS, PGC_SUSET, 0, NULL, NULL, NULL);
}

static char *
place_of(const pg_uuid_t *principal)
{
	return psprintf("identity/totp/%s",
	                DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(principal))));
}

/* Oneself, or whoever may change others; *tenant is the principal's. */
static void
check_access(const pg_uuid_t *principal, pg_uuid_t *tenant)
{
	SpIdentity who;

	sp_pg_require_tables();
	who = sp_identity_require();
	if (!who.has_principal || memcmp(&who.principal, principal, sizeof(pg_uuid_t)) != 0)
		sp_identity_require_permission("identity:write");
	*tenant = sp_identity_tenant_of(principal);
}

/* What the authenticator shows: the tenant and the principal.  A colon would part them anew. */
static char *
label(SpQuery *q, Datum *args)
{
	char *text, *utf8;

	sp_pg_query(q, args, NULL, false);
	text = sp_pg_column_text(0, 1);
	for (char *at = text; *at; at++)
		if (*at == ':' || (unsigned char) *at < ' ' || *at == 0x7f)
			*at = ' ';
	utf8 = pg_server_to_any(text, (int) strlen(text), PG_UTF8);
	utf8[pg_encoding_mbcliplen(PG_UTF8, utf8, (int) strlen(utf8), 255)] = '\0';
	return utf8;
}

static text *
make_uri(const pg_uuid_t *tenant, const pg_uuid_t *principal, const uint8_t *secret)
{
	static SpQuery tenant_name = {
		.text = "SELECT name FROM spotai.tenant WHERE id = $1", .nargs = 1, .types = {UUIDOID}};
	static SpQuery principal_name = {
		.text = "SELECT name FROM spotai.principal WHERE tenant_id = $1 AND id = $2",
		.nargs = 2,
		.types = {UUIDOID, UUIDOID}};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(principal)};
	SpFault fault = {{0}, {0}};
	char *issuer, *account, *uri = NULL;
	SpAsOwner saved;
	text *result;

	sp_identity_owner_begin(&saved);
	issuer = label(&tenant_name, args);
	account = label(&principal_name, args);
	sp_identity_owner_end(&saved);
	sp_pg_check(sp_otp_uri(sp_pg_env(), &SP_OTP_DEFAULT, secret, SECRET_BYTES, issuer, account,
	                       &uri, &fault),
	            "name of a tenant or principal", &fault);
	result = cstring_to_text(uri);
	sp_otp_uri_free(sp_pg_env(), uri);
	return result;
}

/* The version that a new secret gets; refuses to replace a confirmed one without the right to. */
static int64
next_version(const pg_uuid_t *tenant, const pg_uuid_t *principal, bool may_replace)
{
	static SpQuery q = {.text = "SELECT version, confirmed_at IS NOT NULL FROM spotai.totp"
	                            " WHERE tenant_id = $1 AND principal_id = $2 FOR UPDATE",
	                    .nargs = 2,
	                    .types = {UUIDOID, UUIDOID}};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(principal)};
	SpAsOwner saved;
	int64 version = 1;
	bool isnull, confirmed = false;

	sp_identity_owner_begin(&saved);
	if (sp_pg_query(&q, args, NULL, false) == 1)
	{
		version = DatumGetInt64(sp_pg_column(0, 1, &isnull)) + 1;
		confirmed = DatumGetBool(sp_pg_column(0, 2, &isnull));
	}
	sp_identity_owner_end(&saved);
	if (confirmed && !may_replace)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("the principal is enrolled already"),
		                errhint("Who has identity:write can enrol it anew.")));
	return version;
}

/* Codes of the old secret are void with it, recovery codes too. */
static void
store_secret(const pg_uuid_t *tenant, const pg_uuid_t *principal, bytea *sealed, int64 version)
{
	static SpQuery q = {
		.text =
			"WITH gone AS (DELETE FROM spotai.recovery_code"
			" WHERE tenant_id = $1 AND principal_id = $2)"
			" INSERT INTO spotai.totp (tenant_id, principal_id, secret, version)"
			" VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id, principal_id) DO UPDATE SET"
			" secret = excluded.secret, version = excluded.version, last_step = -1, failures = 0,"
			" locked_until = '-infinity', confirmed_at = NULL, updated_at = now()",
		.nargs = 4,
		.types = {UUIDOID, UUIDOID, BYTEAOID, INT8OID}};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(principal), PointerGetDatum(sealed),
	                Int64GetDatum(version)};

	sp_identity_owner_query(&q, args, NULL);
}

/* spotai.totp_enroll(principal uuid) returns text */
Datum
spotai_totp_enroll(PG_FUNCTION_ARGS)
{
	pg_uuid_t *principal = PG_GETARG_UUID_P(0), tenant;
	uint8_t *secret = sp_identity_secret_memory(SECRET_BYTES);
	int64 version;

	check_access(principal, &tenant);
	/* whoever enrols for the first time has no second factor yet */
	sp_identity_require_recent(false);
	sp_keys_require();
	version = next_version(&tenant, principal, sp_identity_has_permission("identity:write"));
	sp_pg_check(sp_crypto_random(secret, SECRET_BYTES), "random bytes", NULL);
	store_secret(&tenant, principal,
	             sp_keys_seal(&tenant, place_of(principal), version, secret, SECRET_BYTES),
	             version);
	sp_identity_event_id("totp.enroll", "principal", principal);
	PG_RETURN_TEXT_P(make_uri(&tenant, principal, secret));
}

static void
replace_codes(const pg_uuid_t *tenant, const pg_uuid_t *principal, ArrayType *hashes)
{
	static SpQuery enrolled = {.text = "SELECT FROM spotai.totp WHERE tenant_id = $1"
	                                   " AND principal_id = $2 FOR UPDATE",
	                           .nargs = 2,
	                           .types = {UUIDOID, UUIDOID}};
	static SpQuery drop = {
		.text = "DELETE FROM spotai.recovery_code WHERE tenant_id = $1 AND principal_id = $2",
		.nargs = 2,
		.types = {UUIDOID, UUIDOID}};
	static SpQuery insert = {.text =
	                             "INSERT INTO spotai.recovery_code (tenant_id, principal_id, hash)"
	                             " SELECT $1, $2, h FROM unnest($3) h",
	                         .nargs = 3,
	                         .types = {UUIDOID, UUIDOID, BYTEAARRAYOID}};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(principal), PointerGetDatum(hashes)};
	SpAsOwner saved;

	sp_identity_owner_begin(&saved);
	if (sp_pg_query(&enrolled, args, NULL, false) != 1)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("the principal is not enrolled"),
		                errhint("SELECT spotai.totp_enroll(principal) first.")));
	sp_pg_query(&drop, args, NULL, false);
	sp_pg_query(&insert, args, NULL, false);
	sp_identity_owner_end(&saved);
}

/* spotai.totp_recovery_codes(principal uuid, count integer) returns text[] */
Datum
spotai_totp_recovery_codes(PG_FUNCTION_ARGS)
{
	pg_uuid_t *principal = PG_GETARG_UUID_P(0), tenant;
	int32 count = PG_GETARG_INT32(1);
	Datum codes[MAX_RECOVERY_CODES], hashes[MAX_RECOVERY_CODES];

	check_access(principal, &tenant);
	sp_identity_require_recent(true);
	if (count < 1 || count > MAX_RECOVERY_CODES)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("the number of codes must be from 1 to %d", MAX_RECOVERY_CODES)));
	for (int i = 0; i < count; i++)
	{
		char code[SP_RECOVERY_CHARS + 1];
		bytea *hash = palloc(VARHDRSZ + SP_HASH_SHA256_BYTES);

		SET_VARSIZE(hash, VARHDRSZ + SP_HASH_SHA256_BYTES);
		sp_pg_check(sp_recovery_make(code), "random bytes", NULL);
		sp_pg_check(sp_recovery_hash(code, strlen(code), (uint8_t *) VARDATA(hash)), "code", NULL);
		codes[i] = CStringGetTextDatum(code);
		hashes[i] = PointerGetDatum(hash);
		sp_crypto_wipe(code, sizeof(code));
	}
	replace_codes(&tenant, principal,
	              construct_array(hashes, count, BYTEAOID, -1, false, TYPALIGN_INT));
	sp_identity_event_id("totp.recovery_codes", "principal", principal);
	PG_RETURN_ARRAYTYPE_P(construct_array(codes, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* The row of spotai.totp, locked. */
typedef struct Enrolled
{
	bytea *secret;
	int64 version;
	int64 last_step;
	int32 failures;
	TimestampTz locked_until;
} Enrolled;

/* Of the session's tenant; the operator has the principals of all. */
static bool
lock_row(pg_uuid_t *tenant, const pg_uuid_t *principal, bool any_tenant, Enrolled *out)
{
	static SpQuery q = {
		.text = "SELECT o.secret, o.version, o.last_step, o.failures, o.locked_until, o.tenant_id"
				" FROM spotai.totp o JOIN spotai.principal p ON p.tenant_id = o.tenant_id"
				" AND p.id = o.principal_id WHERE (o.tenant_id = $1 OR $3) AND o.principal_id = $2"
				" AND p.deleted_at IS NULL FOR UPDATE OF o",
		.nargs = 3,
		.types = {UUIDOID, UUIDOID, BOOLOID}};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(principal), BoolGetDatum(any_tenant)};
	SpAsOwner saved;
	bool isnull, found;

	sp_identity_owner_begin(&saved);
	found = sp_pg_query(&q, args, NULL, false) == 1;
	if (found)
	{
		out->secret = DatumGetByteaPCopy(sp_pg_column(0, 1, &isnull));
		out->version = DatumGetInt64(sp_pg_column(0, 2, &isnull));
		out->last_step = DatumGetInt64(sp_pg_column(0, 3, &isnull));
		out->failures = DatumGetInt32(sp_pg_column(0, 4, &isnull));
		out->locked_until = DatumGetTimestampTz(sp_pg_column(0, 5, &isnull));
		*tenant = *DatumGetUUIDP(sp_pg_column(0, 6, &isnull));
	}
	sp_identity_owner_end(&saved);
	return found;
}

static bool
check_code(const pg_uuid_t *tenant, const pg_uuid_t *principal, const Enrolled *row,
           const char *code, int64 *step)
{
	size_t n = 0;
	void *secret = sp_keys_open(tenant, place_of(principal), row->version, row->secret, &n);
	int64_t matched = -1;
	SpStatus st = sp_otp_check(&SP_OTP_DEFAULT, secret, n, code, strlen(code),
	                           (int64) sp_identity_epoch(GetCurrentTimestamp()), steps,
	                           row->last_step, &matched);

	if (st != SP_ERR_BAD_DATA)
		sp_pg_check(st, "one-time password", NULL);
	*step = matched;
	return st == SP_OK;
}

/* A recovery code goes when it is used. */
static bool
take_recovery_code(const pg_uuid_t *tenant, const pg_uuid_t *principal, const char *code)
{
	static SpQuery q = {.text = "DELETE FROM spotai.recovery_code WHERE tenant_id = $1"
	                            " AND principal_id = $2 AND hash = $3",
	                    .nargs = 3,
	                    .types = {UUIDOID, UUIDOID, BYTEAOID}};
	bytea *hash = palloc(VARHDRSZ + SP_HASH_SHA256_BYTES);
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(principal), PointerGetDatum(hash)};

	SET_VARSIZE(hash, VARHDRSZ + SP_HASH_SHA256_BYTES);
	if (sp_recovery_hash(code, strlen(code), (uint8_t *) VARDATA(hash)) != SP_OK)
		return false;
	return sp_identity_owner_query(&q, args, NULL) == 1;
}

static TimestampTz
pause_after(int failures, TimestampTz now)
{
	int64 pause = FIRST_PAUSE_S;

	if (failures < FREE_FAILURES)
		return DT_NOBEGIN;
	for (int i = FREE_FAILURES; i < failures && pause < LONGEST_PAUSE_S; i++)
		pause *= 2;
	return now + Min(pause, LONGEST_PAUSE_S) * USECS_PER_SEC;
}

static void
keep_outcome(const pg_uuid_t *tenant, const pg_uuid_t *principal, const Enrolled *row, bool good,
             int64 step)
{
	static SpQuery q = {
		.text = "UPDATE spotai.totp SET last_step = greatest(last_step, $3), failures = $4,"
				" locked_until = $5, confirmed_at = CASE WHEN $3 >= 0 THEN"
				" coalesce(confirmed_at, now()) ELSE confirmed_at END, updated_at = now()"
				" WHERE tenant_id = $1 AND principal_id = $2",
		.nargs = 5,
		.types = {UUIDOID, UUIDOID, INT8OID, INT4OID, TIMESTAMPTZOID}};
	int failures = good ? 0 : Min(row->failures, 1000000) + 1;
	TimestampTz until = good ? DT_NOBEGIN : pause_after(failures, GetCurrentTimestamp());
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(principal), Int64GetDatum(step),
	                Int32GetDatum(failures), TimestampTzGetDatum(until)};

	sp_identity_owner_query(&q, args, NULL);
}

/* Recovery codes are longer than one-time passwords can be. */
static bool
is_recovery_code(const char *code)
{
	return strlen(code) > SP_OTP_DIGITS_MAX;
}

bool
sp_identity_totp_verify(const pg_uuid_t *principal, const char *code, const char *function)
{
	SpIdentity who = sp_identity_require();
	const char *kind = is_recovery_code(code) ? "recovery_code" : "totp";
	Enrolled row;
	int64 step = -1;
	bool good;

	/* whoever may send wrong codes may keep the principal out for a while */
	if (!who.has_principal || memcmp(&who.principal, principal, sizeof(pg_uuid_t)) != 0)
		sp_identity_require_permission("identity:issue");
	sp_identity_require_own_transaction(function);
	if (!lock_row(&who.tenant, principal, sp_identity_session()->by_role, &row))
		return false;
	if (row.locked_until > GetCurrentTimestamp())
	{
		sp_identity_note(kind, &who.tenant, principal, "too many wrong codes");
		return false;
	}
	good = is_recovery_code(code) ? take_recovery_code(&who.tenant, principal, code)
	                              : check_code(&who.tenant, principal, &row, code, &step);
	keep_outcome(&who.tenant, principal, &row, good, step);
	sp_identity_note(kind, &who.tenant, principal, good ? NULL : "wrong code");
	return good;
}

/* spotai.totp_verify(principal uuid, code text) returns boolean */
Datum
spotai_totp_verify(PG_FUNCTION_ARGS)
{
	ErrorContextCallback log;
	bool good;

	sp_secrets_log_begin(&log, "spotai.totp_verify(), statement withheld");
	sp_pg_require_tables();
	good = sp_identity_totp_verify(PG_GETARG_UUID_P(0), text_to_cstring(PG_GETARG_TEXT_PP(1)),
	                               "spotai.totp_verify()");
	sp_secrets_log_end(&log);
	PG_RETURN_BOOL(good);
}
