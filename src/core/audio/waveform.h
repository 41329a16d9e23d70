/*
 * src/core/audio/waveform.h
 *	  A picture of a song: peaks and loudness over time, as SVG.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_AUDIO_WAVEFORM_H
#define SP_AUDIO_WAVEFORM_H

#include "core/sp_base.h"

#define SP_WAVEFORM_MAX_COLUMNS 10000

typedef struct SpWaveform SpWaveform;

/*
 * Collect total_frames frames into columns columns (1..SP_WAVEFORM_MAX_COLUMNS;
 * fewer if there are fewer frames).  One column for every pixel of width that
 * will be drawn is enough; memory is 16 bytes a column.
 * SP_ERR_BAD_ARG: columns, total_frames, channels or rate below 1 or too many.
 */
SpStatus sp_waveform_new(const SpEnv *env, int columns, int64_t total_frames, int channels,
                         int sample_rate_hz, SpWaveform **out);

/* Add interleaved samples; frames beyond total_frames are ignored. */
void sp_waveform_push(SpWaveform *w, const float *x, size_t frames);

/*
 * An SVG document of width x height (64..20000 x 32..20000, else
 * SP_ERR_BAD_ARG) in UTF-8: *text is zero-terminated, *length excludes that
 * zero; both belong to w until the next render or sp_waveform_free.  title
 * (UTF-8, may be NULL) becomes <title>; markup in it is escaped, bytes that XML
 * forbids are left out.  Frames that never came are drawn as silence.
 */
SpStatus sp_waveform_render(SpWaveform *w, int width, int height, const char *title,
                            const char **text, size_t *length);

/* NULL is fine. */
void sp_waveform_free(SpWaveform *w);

#endif /* SP_AUDIO_WAVEFORM_H */
