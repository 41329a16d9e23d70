/*
 * src/pg/audio/store.c
 *	  Audio rows and their bytes: chunks to a spool, a spool to chunks.
 *
 * Content travels through an anonymous temporary file, never whole in memory:
 * a two-hour WAV is larger than any value.  The file lies where the server
 * keeps its own temporary files, and has no name, so that a crash leaves
 * nothing behind.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "common/cryptohash.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "pg/audio/audio.h"
#include "pg/file.h"
#include "pg/seam.h"
#include "pg/sql.h"

/* The largest piece of content in a row of spotai.audio_chunk. */
#define CHUNK_BYTES (1024 * 1024)

SpAudioRow
sp_audio_find(Datum audio_id)
{
	static SpQuery find = {
		.text = "SELECT format, sample_rate_hz, channels, frames, bytes FROM spotai.audio"
				" WHERE tenant_id = spotai.current_tenant() AND id = $1",
		.nargs = 1,
		.types = {UUIDOID},
	};
	SpAudioRow row = {.id = audio_id};
	char *format;
	bool isnull;

	if (sp_pg_query(&find, &audio_id, NULL, false) == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
		                errmsg("audio \"%s\" does not exist",
		                       DatumGetCString(DirectFunctionCall1(uuid_out, audio_id)))));
	format = TextDatumGetCString(sp_pg_column(0, 1, &isnull));
	row.format = sp_audio_format_from_name(format);
	row.sample_rate_hz = DatumGetInt32(sp_pg_column(0, 2, &isnull));
	row.channels = DatumGetInt16(sp_pg_column(0, 3, &isnull));
	row.frames = DatumGetInt64(sp_pg_column(0, 4, &isnull));
	row.bytes = DatumGetInt64(sp_pg_column(0, 5, &isnull));
	return row;
}

static void
release_spool(void *spool)
{
	sp_spool_free(spool);
	ReleaseExternalFD();
}

SpSpool *
sp_audio_new_spool(void)
{
	char directory[MAXPGPATH];
	SpFault fault = {0};
	SpSpool *spool;
	SpStatus st;

	sp_pg_temporary_directory(directory);
	if (!AcquireExternalFD())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
		                errmsg("too many open files for another temporary file: %m")));
	st = sp_spool_new_file(sp_pg_env(), directory, 0, &spool, &fault);
	if (st != SP_OK)
		ReleaseExternalFD();
	sp_pg_check(st, "temporary file", &fault);
	sp_pg_own(spool, release_spool);
	return spool;
}

/* One piece of content, detoasted into the current memory context. */
static bytea *
fetch_chunk(Datum audio_id, int seq)
{
	static SpQuery fetch = {
		.text = "SELECT data FROM spotai.audio_chunk"
				" WHERE tenant_id = spotai.current_tenant() AND audio_id = $1 AND seq = $2",
		.nargs = 2,
		.types = {UUIDOID, INT4OID},
	};
	bool isnull;
	Datum data;

	if (sp_pg_query(&fetch, (Datum[]){audio_id, Int32GetDatum(seq)}, NULL, false) == 0)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
		                errmsg("audio \"%s\" lacks piece %d of its content",
		                       DatumGetCString(DirectFunctionCall1(uuid_out, audio_id)), seq)));
	data = sp_pg_column(0, 1, &isnull);
	return DatumGetByteaPP(data);
}

typedef void (*ChunkSink)(void *target, const char *data, size_t n);

/* Hand all chunks to sink, in order; memory stays at one chunk. */
static void
each_chunk(const SpAudioRow *row, ChunkSink sink, void *target)
{
	int chunks = (int) ((row->bytes + CHUNK_BYTES - 1) / CHUNK_BYTES);
	int64 total = 0;
	MemoryContext one_chunk =
		AllocSetContextCreate(CurrentMemoryContext, "spotai chunk", ALLOCSET_DEFAULT_SIZES);

	for (int seq = 0; seq < chunks; seq++)
	{
		MemoryContext caller = MemoryContextSwitchTo(one_chunk);
		bytea *data;

		CHECK_FOR_INTERRUPTS();
		data = fetch_chunk(row->id, seq);
		MemoryContextSwitchTo(caller);
		sink(target, VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data));
		total += VARSIZE_ANY_EXHDR(data);
		SPI_freetuptable(SPI_tuptable);
		MemoryContextReset(one_chunk);
	}
	MemoryContextDelete(one_chunk);
	if (total != row->bytes)
		ereport(
			ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
		     errmsg("audio \"%s\" has " INT64_FORMAT " bytes of content instead of " INT64_FORMAT,
		            DatumGetCString(DirectFunctionCall1(uuid_out, row->id)), total, row->bytes)));
}

static void
append_to_spool(void *target, const char *data, size_t n)
{
	SpFault fault = {0};
	SpStatus st = sp_spool_append(target, data, n);

	if (st != SP_OK)
		st = sp_spool_fault(target, &fault);
	sp_pg_check(st, "temporary file", &fault);
}

SpSpool *
sp_audio_load(const SpAudioRow *row)
{
	SpSpool *spool = sp_audio_new_spool();

	each_chunk(row, append_to_spool, spool);
	return spool;
}

typedef struct ByteaSink
{
	char *next;
	size_t room;
} ByteaSink;

static void
append_to_bytea(void *target, const char *data, size_t n)
{
	ByteaSink *sink = target;

	if (n > sink->room) /* each_chunk reports what is wrong once it has counted all */
		n = sink->room;
	memcpy(sink->next, data, n);
	sink->next += n;
	sink->room -= n;
}

bytea *
sp_audio_load_bytea(const SpAudioRow *row, MemoryContext context)
{
	bytea *value;
	ByteaSink sink;

	if (row->bytes > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
		        (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		         errmsg("audio of " INT64_FORMAT " bytes does not fit in a value", row->bytes),
		         errhint("Write it to a file with spotai.export_audio().")));
	value = MemoryContextAlloc(context, VARHDRSZ + row->bytes);
	SET_VARSIZE(value, VARHDRSZ + row->bytes);
	sink = (ByteaSink){VARDATA(value), row->bytes};
	each_chunk(row, append_to_bytea, &sink);
	return value;
}

/* The hash context belongs to the server's resource owner, which frees it on error. */
void
sp_audio_hash(SpSpool *spool, uint8 *digest)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	size_t got = CHUNK_BYTES;
	uint8 *block = palloc(CHUNK_BYTES);
	bool ok = hash != NULL && pg_cryptohash_init(hash) == 0;

	for (int64 at = 0; ok && got == CHUNK_BYTES; at += got)
	{
		CHECK_FOR_INTERRUPTS();
		sp_pg_check(sp_spool_read(spool, at, block, CHUNK_BYTES, &got), "temporary file", NULL);
		ok = pg_cryptohash_update(hash, block, got) == 0;
	}
	if (!ok || pg_cryptohash_final(hash, digest, PG_SHA256_DIGEST_LENGTH) != 0)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute SHA-256 hash")));
	pg_cryptohash_free(hash);
	pfree(block);
}

/* One piece; chunk has room for it. */
static void
store_chunk(Datum audio_id, SpSpool *spool, int seq, bytea *chunk)
{
	static SpQuery insert = {
		.text = "INSERT INTO spotai.audio_chunk (tenant_id, audio_id, seq, data)"
				" VALUES (spotai.current_tenant(), $1, $2, $3)",
		.nargs = 3,
		.types = {UUIDOID, INT4OID, BYTEAOID},
	};
	size_t got;

	CHECK_FOR_INTERRUPTS();
	sp_pg_check(sp_spool_read(spool, (int64) seq * CHUNK_BYTES, VARDATA(chunk), CHUNK_BYTES, &got),
	            "temporary file", NULL);
	SET_VARSIZE(chunk, VARHDRSZ + got);
	sp_pg_query(&insert, (Datum[]){audio_id, Int32GetDatum(seq), PointerGetDatum(chunk)}, NULL,
	            false);
}

int
sp_audio_store_range(Datum audio_id, SpSpool *spool, int first, int end)
{
	bytea *chunk;

	if (first >= end)
		return first;
	chunk = palloc(VARHDRSZ + CHUNK_BYTES);
	while (first < end)
		store_chunk(audio_id, spool, first++, chunk);
	pfree(chunk);
	return end;
}

int
sp_audio_chunks(const SpSpool *spool)
{
	return (int) ((sp_spool_size(spool) + CHUNK_BYTES - 1) / CHUNK_BYTES);
}

void
sp_audio_store_chunks(Datum audio_id, SpSpool *spool)
{
	sp_audio_store_range(audio_id, spool, 0, sp_audio_chunks(spool));
}

void
sp_audio_delete_chunks(Datum audio_id)
{
	static SpQuery delete = {
		.text = "DELETE FROM spotai.audio_chunk"
				" WHERE tenant_id = spotai.current_tenant() AND audio_id = $1",
		.nargs = 1,
		.types = {UUIDOID},
	};

	sp_pg_query(&delete, &audio_id, NULL, false);
}
