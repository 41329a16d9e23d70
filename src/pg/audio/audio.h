/*
 * src/pg/audio/audio.h
 *	  The audio room, for the module and for other rooms: audio rows and their
 *	  bytes, in both directions.
 *
 * Functions that touch tables are called connected to SPI, inside a
 * transaction.  Objects belong to the memory context that is current when
 * they are made, and vanish with it, also on error.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_AUDIO_H
#define SP_PG_AUDIO_H

#include "postgres.h"

#include "common/sha2.h"

#include "core/audio/decode.h"
#include "core/audio/encode.h"
#include "core/audio/measure.h"
#include "core/io/spool.h"

/* Frames that are decoded, computed and encoded at a time. */
#define SP_AUDIO_BLOCK 32768

/* A row of spotai.audio, as far as C code cares. */
typedef struct SpAudioRow
{
	Datum id; /* uuid */
	SpAudioFormat format;
	int sample_rate_hz;
	int channels;
	int64 frames;
	int64 bytes;
} SpAudioRow;

/* What was measured about content that is to be stored. */
typedef struct SpAudioFacts
{
	SpAudioFormat format;
	char codec[24];
	int sample_rate_hz;
	int channels;
	int64 frames;
	double peak_db;
	double rms_db;
	uint8 sha256[PG_SHA256_DIGEST_LENGTH];
} SpAudioFacts;

/* Define the room's settings; called once from _PG_init. */
extern void sp_audio_init(void);

/* The limits of the settings spotai.audio_max_*. */
extern SpAudioLimits sp_audio_limits(void);

/* ---- store.c: rows and chunks ---- */

/*
 * Find an audio of the current tenant.  Raises 42704 when there is none, with
 * the same words for another tenant's id.
 */
extern SpAudioRow sp_audio_find(Datum audio_id);

/* An empty temporary spool; its file descriptor counts as one of the backend's. */
extern SpSpool *sp_audio_new_spool(void);

/* The bytes of an audio, in a temporary spool. */
extern SpSpool *sp_audio_load(const SpAudioRow *row);

/* The bytes of an audio as a value in context; 54000 when they exceed one. */
extern bytea *sp_audio_load_bytea(const SpAudioRow *row, MemoryContext context);

/* SHA-256 of all bytes of a spool. */
extern void sp_audio_hash(SpSpool *spool, uint8 *digest);

/* Cut the spool's bytes into rows of spotai.audio_chunk. */
extern void sp_audio_store_chunks(Datum audio_id, SpSpool *spool);

/*
 * The same in parts: how many rows the bytes make, the last of which may be
 * short; and the rows first .. end - 1.  Answers the next one.
 */
extern int sp_audio_chunks(const SpSpool *spool);
extern int sp_audio_store_range(Datum audio_id, SpSpool *spool, int first, int end);

/* Remove the chunks of an audio whose content is to be replaced. */
extern void sp_audio_delete_chunks(Datum audio_id);

/* ---- stream.c: decoding and encoding ---- */

/*
 * A decoder on the spool that is freed with the current memory context.
 * limits is NULL for content that is stored already: it passed them once, and
 * an administrator who tightens a limit must not make old songs unreadable.
 */
extern SpDecoder *sp_audio_open(SpSpool *spool, const SpAudioLimits *limits);

/* Read a block; 0 frames at the end.  Raises what the content is guilty of. */
extern size_t sp_audio_read(SpDecoder *decoder, float *block, size_t frames);

/* An encoder into sink that is freed with the current memory context. */
extern SpEncoder *sp_audio_encoder(const SpEncoderSpec *spec, SpSpool *sink);
extern void sp_audio_write(SpEncoder *encoder, const float *block, size_t frames);
extern void sp_audio_write_int(SpEncoder *encoder, const int32 *block, size_t frames);
extern void sp_audio_finish(SpEncoder *encoder);

/* Decode all of the spool within sp_audio_limits(), and say what is in it. */
extern SpAudioFacts sp_audio_examine(SpSpool *spool);

/*
 * Called between blocks of long work with the share that is done, 0 to 1, or
 * a NaN when that is not known.  It may throw.
 */
typedef void (*SpAudioTick)(void *arg, double fraction);

/*
 * The content in another format; the spool itself when it is of that format.
 * tick may be NULL.  Needs no transaction.
 */
extern SpSpool *sp_audio_convert(SpSpool *content, SpAudioFormat have, SpAudioFormat want,
                                 SpAudioTick tick, void *arg);

/* ---- out.c ---- */

/*
 * An audio on its way to a file on the server, which appears whole or not at
 * all, as the format that the path's ending names.  Opening, in a transaction,
 * checks pg_write_server_files and copies the content; running needs none.
 */
typedef struct SpExport SpExport;

extern SpExport *sp_export_open(MemoryContext context, Datum audio_id, const char *path,
                                bool overwrite);
extern void sp_export_run(SpExport *job, SpAudioTick tick, void *arg);

#endif /* SP_PG_AUDIO_H */
