/*
 * src/core/audio/flac.c
 *	  libFLAC on a cursor.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/audio/flac.h"

#include <FLAC/stream_encoder.h>
#include <string.h>

/* Bytes that are written at a time: libFLAC has some thousand for each block. */
#define WRITE_SIZE 65536

/* What `flac --no-md5-sum` calls: libFLAC exports it and declares it nowhere, so it may go away. */
extern FLAC__bool FLAC__stream_encoder_set_do_md5(FLAC__StreamEncoder *encoder, FLAC__bool value)
	__attribute__((weak));

struct SpFlac
{
	const SpEnv *env;
	SpCursor *cursor;
	FLAC__StreamEncoder *encoder;
	size_t waiting;
	uint8_t bytes[WRITE_SIZE]; /* [waiting], for the cursor's position */
};

/* A failed write counts as done, as in vio.c: the cursor knows better. */
static void
put_now(SpFlac *flac, const void *bytes, size_t n)
{
	if (n > 0 && sp_cursor_write(flac->cursor, bytes, n) == 0)
		sp_cursor_seek(flac->cursor, sp_cursor_tell(flac->cursor) + (int64_t) n);
}

static void
flush(SpFlac *flac)
{
	put_now(flac, flac->bytes, flac->waiting);
	flac->waiting = 0;
}

static FLAC__StreamEncoderWriteStatus
put(const FLAC__StreamEncoder *encoder, const FLAC__byte *bytes, size_t n, uint32_t samples,
    uint32_t frame, void *arg)
{
	SpFlac *flac = arg;

	(void) encoder, (void) samples, (void) frame;
	if (n > WRITE_SIZE - flac->waiting)
		flush(flac);
	if (n > WRITE_SIZE)
		put_now(flac, bytes, n);
	else
	{
		memcpy(flac->bytes + flac->waiting, bytes, n);
		flac->waiting += n;
	}
	return FLAC__STREAM_ENCODER_WRITE_STATUS_OK;
}

static FLAC__StreamEncoderSeekStatus
seek(const FLAC__StreamEncoder *encoder, FLAC__uint64 position, void *arg)
{
	SpFlac *flac = arg;

	(void) encoder;
	flush(flac);
	return sp_cursor_seek(flac->cursor, (int64_t) position)
	           ? FLAC__STREAM_ENCODER_SEEK_STATUS_OK
	           : FLAC__STREAM_ENCODER_SEEK_STATUS_ERROR;
}

static FLAC__StreamEncoderTellStatus
tell(const FLAC__StreamEncoder *encoder, FLAC__uint64 *position, void *arg)
{
	SpFlac *flac = arg;

	(void) encoder;
	*position = (FLAC__uint64) sp_cursor_tell(flac->cursor) + flac->waiting;
	return FLAC__STREAM_ENCODER_TELL_STATUS_OK;
}

static bool
is_possible(const SpFlacSpec *s)
{
	return s->sample_rate_hz >= 1 && s->sample_rate_hz <= SP_FLAC_MAX_RATE_HZ && s->channels >= 1 &&
	       s->channels <= SP_FLAC_MAX_CHANNELS && (s->bits == 16 || s->bits == 24) &&
	       s->level >= 0 && s->level <= SP_FLAC_MAX_LEVEL;
}

/* Rates that a frame's head cannot name are outside of the streamable subset (RFC 9639 section 7). */
static bool
begin(SpFlac *flac, const SpFlacSpec *s)
{
	FLAC__StreamEncoder *e = flac->encoder;
	uint32_t rate = (uint32_t) s->sample_rate_hz;

	FLAC__stream_encoder_set_sample_rate(e, rate);
	FLAC__stream_encoder_set_streamable_subset(e, FLAC__format_sample_rate_is_subset(rate));
	FLAC__stream_encoder_set_channels(e, (uint32_t) s->channels);
	FLAC__stream_encoder_set_bits_per_sample(e, (uint32_t) s->bits);
	FLAC__stream_encoder_set_compression_level(e, (uint32_t) s->level);
	if (FLAC__stream_encoder_set_do_md5 != NULL)
		FLAC__stream_encoder_set_do_md5(e, s->md5);
	return FLAC__stream_encoder_init_stream(e, put, seek, tell, NULL, flac) ==
	       FLAC__STREAM_ENCODER_INIT_STATUS_OK;
}

SpStatus
sp_flac_new(const SpEnv *env, const SpFlacSpec *spec, SpCursor *cursor, SpFlac **out)
{
	SpFlac *flac;

	*out = NULL;
	if (!is_possible(spec))
		return SP_ERR_BAD_ARG;
	flac = sp_calloc(env, 1, sizeof(*flac));
	if (flac == NULL)
		return SP_ERR_NO_MEMORY;
	flac->env = env;
	flac->cursor = cursor;
	flac->encoder = FLAC__stream_encoder_new();
	if (flac->encoder == NULL || !begin(flac, spec))
	{
		sp_flac_free(flac);
		return SP_ERR_NO_MEMORY;
	}
	*out = flac;
	return SP_OK;
}

/* Callbacks never fail and the spec is possible, so memory is what is left. */
static SpStatus
status(bool ok)
{
	return ok ? SP_OK : SP_ERR_NO_MEMORY;
}

SpStatus
sp_flac_write(SpFlac *flac, const int32_t *x, size_t frames)
{
	return status(FLAC__stream_encoder_process_interleaved(flac->encoder, x, (uint32_t) frames));
}

SpStatus
sp_flac_finish(SpFlac *flac)
{
	bool ok = FLAC__stream_encoder_finish(flac->encoder);

	flush(flac);
	return status(ok);
}

void
sp_flac_free(SpFlac *flac)
{
	if (flac == NULL)
		return;
	if (flac->encoder != NULL)
		FLAC__stream_encoder_delete(flac->encoder);
	sp_free(flac->env, flac);
}
