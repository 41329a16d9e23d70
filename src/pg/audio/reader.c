/*
 * src/pg/audio/reader.c
 *	  A stored audio as a stream of a wanted sample rate and channel count.
 *
 * Whoever compares two signals wants them frame by frame, whatever their files
 * are like.  Decoded blocks pass through an optional resampler into a small
 * buffer, from which callers take any number of frames.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "core/audio/resample.h"
#include "pg/audio/reader.h"
#include "pg/seam.h"

/* Frames decoded at a time. */
#define READ_FRAMES 8192

struct SpAudioReader
{
	MemoryContext stream; /* decoder and resampler of this pass; reset by a rewind */
	SpSpool *content;
	SpAudioRow row;
	int rate_hz;
	int channels;
	SpDecoder *decoder;
	SpResampler *resampler; /* NULL when rates are equal */
	float *decoded;         /* READ_FRAMES of the row's channels */
	size_t decoded_at;      /* next frame of decoded to use */
	size_t decoded_end;
	bool ended;
};

static void
release_resampler(void *resampler)
{
	sp_resampler_free(resampler);
}

void
sp_audio_reader_rewind(SpAudioReader *reader)
{
	MemoryContext caller;

	MemoryContextReset(reader->stream);
	caller = MemoryContextSwitchTo(reader->stream);
	reader->decoder = sp_audio_open(reader->content, NULL);
	reader->resampler = NULL;
	if (reader->rate_hz != reader->row.sample_rate_hz)
	{
		sp_pg_check(sp_resampler_new(sp_pg_env(), reader->row.sample_rate_hz, reader->rate_hz,
		                             reader->row.channels, &reader->resampler),
		            "resampler", NULL);
		sp_pg_own(reader->resampler, release_resampler);
	}
	reader->decoded_at = reader->decoded_end = 0;
	reader->ended = false;
	MemoryContextSwitchTo(caller);
}

SpAudioReader *
sp_audio_reader_open(const SpAudioRow *row, int rate_hz, int channels)
{
	SpAudioReader *reader = palloc0(sizeof(SpAudioReader));

	if (row->channels != channels && row->channels != 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("audio \"%s\" has %d channels instead of %d",
		                       DatumGetCString(DirectFunctionCall1(uuid_out, row->id)),
		                       row->channels, channels)));
	reader->row = *row;
	reader->rate_hz = rate_hz;
	reader->channels = channels;
	reader->content = sp_audio_load(row);
	reader->decoded = palloc(sizeof(float) * READ_FRAMES * channels);
	reader->stream =
		AllocSetContextCreate(CurrentMemoryContext, "spotai audio reader", ALLOCSET_DEFAULT_SIZES);
	sp_audio_reader_rewind(reader);
	return reader;
}

int64
sp_audio_reader_frames(const SpAudioReader *reader)
{
	if (reader->rate_hz == reader->row.sample_rate_hz)
		return reader->row.frames;
	return sp_resampled_frames(reader->row.frames, reader->row.sample_rate_hz, reader->rate_hz);
}

/* Have at least one decoded frame, unless the content has ended. */
static void
refill(SpAudioReader *reader)
{
	if (reader->ended || reader->decoded_at < reader->decoded_end)
		return;
	reader->decoded_at = 0;
	reader->decoded_end = sp_audio_read(reader->decoder, reader->decoded, READ_FRAMES);
	reader->ended = reader->decoded_end == 0;
}

/* Up to frames frames of the row's own channels; 0 only at the end. */
static size_t
next_frames(SpAudioReader *reader, float *out, size_t frames)
{
	for (;;)
	{
		const float *in = reader->decoded;
		size_t used;
		size_t made;

		refill(reader);
		in += reader->decoded_at * reader->row.channels;
		used = reader->decoded_end - reader->decoded_at;
		if (reader->resampler == NULL)
		{
			made = used = Min(frames, used);
			memcpy(out, in, sizeof(float) * made * reader->row.channels);
		}
		else
			sp_pg_check(sp_resampler_run(reader->resampler, reader->ended ? NULL : in, used, &used,
			                             out, frames, &made),
			            "resampler", NULL);
		if (!reader->ended)
			reader->decoded_at += used;
		if (made > 0 || reader->ended)
			return made;
	}
}

/* In place, from the end, so that no frame is overwritten before it is read. */
static void
mono_to_all(float *x, size_t frames, int channels)
{
	for (size_t i = frames; i-- > 0;)
		for (int c = channels; c-- > 0;)
			x[i * channels + c] = x[i];
}

size_t
sp_audio_reader_read(SpAudioReader *reader, float *out, size_t frames)
{
	MemoryContext caller = MemoryContextSwitchTo(reader->stream);
	size_t total = 0;
	size_t got;

	while (total < frames &&
	       (got = next_frames(reader, out + total * reader->row.channels, frames - total)) > 0)
		total += got;
	if (reader->row.channels != reader->channels)
		mono_to_all(out, total, reader->channels);
	MemoryContextSwitchTo(caller);
	return total;
}
