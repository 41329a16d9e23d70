/*
 * src/pg/audio/reader.h
 *	  A stored audio as a stream of a wanted sample rate and channel count.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_AUDIO_READER_H
#define SP_PG_AUDIO_READER_H

#include "pg/audio/audio.h"

typedef struct SpAudioReader SpAudioReader;

/*
 * Open an audio in the current memory context, with which it goes; connected
 * to SPI.  The stream is resampled where the rate differs, and a mono audio is
 * copied to all wanted channels; raises 22023 for any other difference.
 */
extern SpAudioReader *sp_audio_reader_open(const SpAudioRow *row, int rate_hz, int channels);

/* Frames of the whole stream, at the wanted rate. */
extern int64 sp_audio_reader_frames(const SpAudioReader *reader);

/* Read exactly frames frames, unless the stream ends before. */
extern size_t sp_audio_reader_read(SpAudioReader *reader, float *out, size_t frames);

/* Start again from the first frame. */
extern void sp_audio_reader_rewind(SpAudioReader *reader);

#endif /* SP_PG_AUDIO_READER_H */
