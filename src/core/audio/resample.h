/*
 * src/core/audio/resample.h
 *	  Another sample rate, as a stream (libsoxr, "HQ", one thread).
 *
 * The filter's delay is compensated: frame k of the output belongs to the
 * same instant as frame k * in_rate / out_rate of the input.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_AUDIO_RESAMPLE_H
#define SP_AUDIO_RESAMPLE_H

#include "core/sp_base.h"

typedef struct SpResampler SpResampler;

/* Frames that in_frames become in total: in_frames * out / in, halves upwards. */
int64_t sp_resampled_frames(int64_t in_frames, int in_rate_hz, int out_rate_hz);

/*
 * SP_ERR_BAD_ARG: rates outside 1..2^24 Hz, channels outside 1..64;
 * SP_ERR_NO_MEMORY.  Equal rates are allowed and copy.
 */
SpStatus sp_resampler_new(const SpEnv *env, int in_rate_hz, int out_rate_hz, int channels,
                          SpResampler **out);

/*
 * Feed in[in_frames * channels] and take what is ready into
 * out[out_frames * channels]; *used and *made are frames.  in == NULL says that
 * the input has ended: call again until *made is 0.  All of the input is used
 * when out has room; otherwise call again with the rest.  After the end, the
 * frames given sum to sp_resampled_frames exactly.
 */
SpStatus sp_resampler_run(SpResampler *r, const float *in, size_t in_frames, size_t *used,
                          float *out, size_t out_frames, size_t *made);

/* NULL is fine. */
void sp_resampler_free(SpResampler *r);

#endif /* SP_AUDIO_RESAMPLE_H */
