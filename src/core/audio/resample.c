/*
 * src/core/audio/resample.c
 *	  Another sample rate, as a stream, through libsoxr.
 *
 * SOXR_HQ: 20-bit precision, pass band to 0.913 of the smaller Nyquist
 * frequency, linear phase.  libsoxr compensates the delay itself.  Its total
 * may differ from the exact length by a frame in either direction, depending
 * on how the input was cut; we count, and trim or add zeros at the end.
 *
 * One thread: libsoxr would use OpenMP, which has no place in a backend.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/audio/resample.h"

#include <soxr.h>
#include <string.h>

#define MAX_RATE     (1 << 24)
#define MAX_CHANNELS 64

struct SpResampler
{
	const SpEnv *env;
	soxr_t soxr; /* NULL: equal rates, copy */
	int in_rate_hz;
	int out_rate_hz;
	int channels;
	int64_t taken;
	int64_t given;
};

int64_t
sp_resampled_frames(int64_t in_frames, int in_rate_hz, int out_rate_hz)
{
	__int128 twice = (__int128) in_frames * out_rate_hz * 2 + in_rate_hz;

	return (int64_t) (twice / ((__int128) in_rate_hz * 2));
}

SpStatus
sp_resampler_new(const SpEnv *env, int in_rate_hz, int out_rate_hz, int channels, SpResampler **out)
{
	soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
	soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
	soxr_runtime_spec_t runtime = soxr_runtime_spec(1);
	soxr_error_t error = NULL;
	SpResampler *r;

	*out = NULL;
	if (in_rate_hz < 1 || in_rate_hz > MAX_RATE || out_rate_hz < 1 || out_rate_hz > MAX_RATE ||
	    channels < 1 || channels > MAX_CHANNELS)
		return SP_ERR_BAD_ARG;
	r = sp_can_enter_library() ? sp_calloc(env, 1, sizeof(SpResampler)) : NULL;
	if (r == NULL)
		return SP_ERR_NO_MEMORY;
	r->env = env;
	r->in_rate_hz = in_rate_hz;
	r->out_rate_hz = out_rate_hz;
	r->channels = channels;
	if (in_rate_hz != out_rate_hz)
		r->soxr = soxr_create(in_rate_hz, out_rate_hz, (unsigned) channels, &error, &io, &quality,
		                      &runtime);
	if (error != NULL)
	{
		sp_resampler_free(r);
		return SP_ERR_NO_MEMORY;
	}
	*out = r;
	return SP_OK;
}

void
sp_resampler_free(SpResampler *r)
{
	if (r == NULL)
		return;
	if (r->soxr != NULL)
		soxr_delete(r->soxr);
	sp_free(r->env, r);
}

static void
copy_frames(const SpResampler *r, const float *in, size_t in_frames, size_t *used, float *out,
            size_t out_frames, size_t *made)
{
	size_t n = in == NULL ? 0 : in_frames < out_frames ? in_frames : out_frames;

	if (n > 0)
		memcpy(out, in, n * (size_t) r->channels * sizeof(float));
	*used = n;
	*made = n;
}

/* The input has ended: give exactly what is still owed. */
static SpStatus
drain(SpResampler *r, float *out, size_t out_frames, size_t *made)
{
	int64_t owed = sp_resampled_frames(r->taken, r->in_rate_hz, r->out_rate_hz) - r->given;
	size_t want = owed <= 0 ? 0 : (uint64_t) owed < out_frames ? (size_t) owed : out_frames;

	*made = 0;
	if (want == 0)
		return SP_OK;
	if (soxr_process(r->soxr, NULL, 0, NULL, out, want, made) != NULL)
		return SP_ERR_NO_MEMORY;
	if (*made < want)
	{
		size_t at = *made * (size_t) r->channels;

		memset(out + at, 0, (want - *made) * (size_t) r->channels * sizeof(float));
		*made = want;
	}
	return SP_OK;
}

SpStatus
sp_resampler_run(SpResampler *r, const float *in, size_t in_frames, size_t *used, float *out,
                 size_t out_frames, size_t *made)
{
	SpStatus st = SP_OK;
	size_t taken = 0;

	*made = 0;
	if (r->soxr == NULL)
		copy_frames(r, in, in_frames, &taken, out, out_frames, made);
	else if (in == NULL)
		st = drain(r, out, out_frames, made);
	else if (soxr_process(r->soxr, in, in_frames, &taken, out, out_frames, made) != NULL)
		st = SP_ERR_NO_MEMORY;
	if (used != NULL)
		*used = taken;
	r->taken += (int64_t) taken;
	r->given += (int64_t) *made;
	return st;
}
