/*
 * src/pg/audio/audio.c
 *	  The audio room's settings, and songs on their way in.
 *
 * The bytes are hashed first: a song that the tenant has already is neither
 * decoded nor stored again.  A new one is decoded to its end before anything
 * is written, so that no row ever describes audio that cannot be played.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <sys/stat.h>

#include "access/detoast.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "pg/audio/audio.h"
#include "pg/file.h"
#include "pg/identity/identity.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_ingest);
SPOTAI_FUNCTION(spotai_ingest_file);
SPOTAI_FUNCTION(spotai_ingest_large_object);

/* Files and large objects are copied in pieces of this size. */
#define COPY_BYTES (1024 * 1024)

/* Largest content accepted, in bytes. */
static double audio_max_bytes = 4.0 * 1024 * 1024 * 1024;
/* Most channels accepted. */
static int audio_max_channels = 32;
/* Longest audio accepted, in seconds. */
static double audio_max_duration_s = 6 * 3600;

void
sp_audio_init(void)
{
	DefineCustomRealVariable("spotai.audio_max_bytes", "Largest audio file that is accepted.",
	                         "Applies to new content only.", &audio_max_bytes, audio_max_bytes, 1,
	                         1e15, PGC_SUSET, GUC_UNIT_BYTE, NULL, NULL, NULL);
	DefineCustomIntVariable("spotai.audio_max_channels",
	                        "Most channels of an audio file that is accepted.",
	                        "Applies to new content only.", &audio_max_channels, audio_max_channels,
	                        1, SP_AUDIO_MAX_CHANNELS, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomRealVariable(
		"spotai.audio_max_duration_s", "Longest audio that is accepted, in seconds.",
		"Applies to new content only.", &audio_max_duration_s, audio_max_duration_s, 0.001, 1e9,
		PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
}

SpAudioLimits
sp_audio_limits(void)
{
	SpAudioLimits limits = sp_audio_default_limits();

	limits.max_bytes = (int64_t) audio_max_bytes;
	limits.max_channels = audio_max_channels;
	limits.max_seconds = audio_max_duration_s;
	return limits;
}

/* Say no before content is copied, wherever it comes from. */
static void
check_size(int64 bytes)
{
	if (bytes > (int64) audio_max_bytes)
		ereport(ERROR,
		        (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("audio exceeds a limit"),
		         errdetail("It has " INT64_FORMAT " bytes; spotai.audio_max_bytes allows %.0f.",
		                   bytes, audio_max_bytes)));
}

/* The unique index on the hash makes one of two concurrent ingests find the other's row. */
static bool
find_original(const uint8 *sha256, Datum *audio_id)
{
	static SpQuery find = {
		.text = "SELECT id FROM spotai.audio WHERE tenant_id = spotai.current_tenant()"
				" AND sha256 = $1 AND kind = 'original'",
		.nargs = 1,
		.types = {BYTEAOID},
	};
	bytea *digest = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	bool isnull;

	SET_VARSIZE(digest, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	memcpy(VARDATA(digest), sha256, PG_SHA256_DIGEST_LENGTH);
	if (sp_pg_query(&find, (Datum[]){PointerGetDatum(digest)}, NULL, false) == 0)
		return false;
	*audio_id = sp_pg_column(0, 1, &isnull);
	return true;
}

static bool
insert_original(const SpAudioFacts *facts, int64 bytes, Datum *audio_id)
{
	static SpQuery insert = {
		.text =
			"INSERT INTO spotai.audio (tenant_id, kind, format, codec, sample_rate_hz, channels,"
			" frames, duration_s, bytes, sha256, peak_db, rms_db)"
			" VALUES (spotai.current_tenant(), 'original', $1, $2, $3, $4, $5,"
			" $5::double precision / $3, $6, $7, $8, $9)"
			" ON CONFLICT (tenant_id, sha256) WHERE kind = 'original' DO NOTHING RETURNING id",
		.nargs = 9,
		.types = {TEXTOID, TEXTOID, INT4OID, INT2OID, INT8OID, INT8OID, BYTEAOID, FLOAT4OID,
	              FLOAT4OID},
	};
	bytea *digest = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	Datum args[] = {
		CStringGetTextDatum(sp_audio_format_name(facts->format)),
		CStringGetTextDatum(facts->codec),
		Int32GetDatum(facts->sample_rate_hz),
		Int16GetDatum(facts->channels),
		Int64GetDatum(facts->frames),
		Int64GetDatum(bytes),
		PointerGetDatum(digest),
		Float4GetDatum(facts->peak_db),
		Float4GetDatum(facts->rms_db),
	};
	bool isnull;

	SET_VARSIZE(digest, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	memcpy(VARDATA(digest), facts->sha256, PG_SHA256_DIGEST_LENGTH);
	if (sp_pg_query(&insert, args, NULL, false) == 0)
		return false;
	*audio_id = sp_pg_column(0, 1, &isnull);
	return true;
}

/* The audio row that holds the spool's content, made where it does not exist. */
static Datum
store_original(SpSpool *spool)
{
	uint8 sha256[PG_SHA256_DIGEST_LENGTH];
	SpAudioFacts facts;
	Datum audio_id;

	sp_audio_hash(spool, sha256);
	if (find_original(sha256, &audio_id))
		return audio_id;
	facts = sp_audio_examine(spool);
	memcpy(facts.sha256, sha256, sizeof(sha256));
	if (insert_original(&facts, sp_spool_size(spool), &audio_id))
		sp_audio_store_chunks(audio_id, spool);
	else if (!find_original(sha256, &audio_id))
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
		                errmsg("the same audio was removed while it was ingested"),
		                errhint("Try again.")));
	return audio_id;
}

static Datum
insert_track(Datum audio_id, FunctionCallInfo fcinfo)
{
	static SpQuery insert = {
		.text = "INSERT INTO spotai.track (tenant_id, audio_id, title, artist, provenance)"
				" VALUES (spotai.current_tenant(), $1, $2, $3, $4) RETURNING id",
		.nargs = 4,
		.types = {UUIDOID, TEXTOID, TEXTOID, TEXTOID},
	};
	Datum args[] = {audio_id, PG_GETARG_DATUM(1), PG_GETARG_DATUM(2), PG_GETARG_DATUM(3)};
	char nulls[] = {' ', PG_ARGISNULL(1) ? 'n' : ' ', PG_ARGISNULL(2) ? 'n' : ' ', ' '};
	bool isnull;

	sp_pg_query(&insert, args, nulls, false);
	return sp_pg_column(0, 1, &isnull);
}

/* As the table's check constraint, but with words that help. */
static void
check_provenance(FunctionCallInfo fcinfo)
{
	char *provenance = PG_ARGISNULL(3) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(3));
	size_t length = strspn(provenance, "abcdefghijklmnopqrstuvwxyz0123456789_");

	if (provenance[length] != '\0' || length < 1 || length > 63 || provenance[0] < 'a')
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		         errmsg("invalid provenance \"%s\"", provenance),
		         errhint("Use a short lower-case word, for example own, licensed or spotify.")));
}

/* Common to the three ways in: arguments 1 to 3 are title, artist, provenance. */
static Datum
ingest(FunctionCallInfo fcinfo, SpSpool *spool)
{
	pg_uuid_t *track_id = SPI_palloc(sizeof(pg_uuid_t));
	Datum track;

	track = insert_track(store_original(spool), fcinfo);
	*track_id = *DatumGetUUIDP(track);
	SPI_finish();
	PG_RETURN_UUID_P(track_id);
}

static void
begin_ingest(FunctionCallInfo fcinfo, const char *what)
{
	sp_pg_require_tables();
	sp_identity_require_permission("track:write");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
		        (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", what)));
	check_provenance(fcinfo);
}

static void
release_spool(void *spool)
{
	sp_spool_free(spool);
}

/* spotai.ingest(content bytea, title, artist, provenance) returns uuid */
Datum
spotai_ingest(PG_FUNCTION_ARGS)
{
	bytea *content;
	SpSpool *spool;

	begin_ingest(fcinfo, "content");
	check_size((int64) toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ);
	content = PG_GETARG_BYTEA_PP(0);
	SPI_connect();
	sp_pg_check(
		sp_spool_new_memory(sp_pg_env(), VARDATA_ANY(content), VARSIZE_ANY_EXHDR(content), &spool),
		"audio", NULL);
	sp_pg_own(spool, release_spool);
	return ingest(fcinfo, spool);
}

static void
append(SpSpool *spool, const char *data, size_t n)
{
	SpFault fault = {0};
	SpStatus st = sp_spool_append(spool, data, n);

	if (st != SP_OK)
		st = sp_spool_fault(spool, &fault);
	sp_pg_check(st, "temporary file", &fault);
	check_size(sp_spool_size(spool));
}

/* A regular file only: a FIFO would block the backend for ever. */
static int
open_source_file(const char *path)
{
	struct stat st;
	int fd;

	sp_pg_check_read_path(path, "send the content to spotai.ingest()");
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		ereport(ERROR,
		        (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a regular file", path)));
	fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	if (fd < 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not open file \"%s\": %m", path)));
	if (fstat(fd, &st) == 0)
		check_size(st.st_size);
	return fd;
}

static void
spool_file(SpSpool *spool, const char *path)
{
	int fd = open_source_file(path);
	char *block = palloc(COPY_BYTES);
	ssize_t got;

	while ((got = read(fd, block, COPY_BYTES)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		append(spool, block, got);
	}
	if (got < 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not read file \"%s\": %m", path)));
	CloseTransientFile(fd);
	pfree(block);
}

/* spotai.ingest_file(path text, title, artist, provenance) returns uuid */
Datum
spotai_ingest_file(PG_FUNCTION_ARGS)
{
	char *path;
	SpSpool *spool;

	begin_ingest(fcinfo, "path");
	path = text_to_cstring(PG_GETARG_TEXT_PP(0));
	SPI_connect();
	spool = sp_audio_new_spool();
	spool_file(spool, path);
	return ingest(fcinfo, spool);
}

/*
 * Through the SQL function lo_get, which checks privileges and registers the
 * clean-up at the end of the transaction; inv_open from here would leave a
 * dangling relation behind on error.
 */
static void
spool_large_object(SpSpool *spool, Oid oid)
{
	MemoryContext piece =
		AllocSetContextCreate(CurrentMemoryContext, "spotai large object", ALLOCSET_DEFAULT_SIZES);
	size_t got = COPY_BYTES;

	for (int64 at = 0; got == COPY_BYTES; at += got)
	{
		MemoryContext caller = MemoryContextSwitchTo(piece);
		bytea *data;

		CHECK_FOR_INTERRUPTS();
		data = DatumGetByteaPP(DirectFunctionCall3(be_lo_get_fragment, ObjectIdGetDatum(oid),
		                                           Int64GetDatum(at), Int32GetDatum(COPY_BYTES)));
		got = VARSIZE_ANY_EXHDR(data);
		MemoryContextSwitchTo(caller);
		append(spool, VARDATA_ANY(data), got);
		MemoryContextReset(piece);
	}
	MemoryContextDelete(piece);
}

/* spotai.ingest_large_object(lo oid, title, artist, provenance) returns uuid */
Datum
spotai_ingest_large_object(PG_FUNCTION_ARGS)
{
	SpSpool *spool;

	begin_ingest(fcinfo, "large object");
	SPI_connect();
	spool = sp_audio_new_spool();
	spool_large_object(spool, PG_GETARG_OID(0));
	return ingest(fcinfo, spool);
}
