/*
 * src/core/stems/bss_eval.h
 *	  BSS Eval version 4: how much of an estimate is distortion of its own
 *	  source, how much is other sources, how much is neither?
 *
 * Words.  A source is a true signal (the reference); its estimate is what a
 * separation made of it.  L is the length of the distortion filters in taps.
 * P_j(est) is the least-squares projection of an estimate on all copies of
 * reference j (each of its channels) delayed by 0 .. L-1 samples; P(est) the
 * projection on the delayed copies of all references.  Then, for estimate j,
 *
 *	 est_j = ref_j + e_spat + e_interf + e_artif
 *	 e_spat = P_j(est_j) - ref_j	e_interf = P(est_j) - P_j(est_j)
 *	 e_artif = est_j - P(est_j)
 *
 *	 SDR = |ref_j|^2 / |e_spat + e_interf + e_artif|^2
 *	 ISR = |ref_j|^2 / |e_spat|^2
 *	 SIR = |ref_j + e_spat|^2 / |e_interf|^2
 *	 SAR = |ref_j + e_spat + e_interf|^2 / |e_artif|^2	  in dB
 *
 * E. Vincent, R. Gribonval, C. Fevotte, "Performance measurement in blind
 * audio source separation", IEEE TASLP 14(4), 2006; E. Vincent et al., "First
 * stereo audio source separation evaluation campaign", ICA 2007 (images and
 * ISR); F.-R. Stoter, A. Liutkus, N. Ito, "The 2018 Signal Separation
 * Evaluation Campaign", LVA/ICA 2018 (version 4: filters fitted once over the
 * whole track, figures by windows, median over windows).
 *
 * Window conventions are those of museval, so that figures compare: windows
 * follow each other without overlap; a rest shorter than a window is left out
 * of the figures (but a track shorter than one window is one window); within
 * a window the filters see only the window's own samples, and the sums run
 * L-1 samples beyond its end.  Deviation: a window of a stereo source is
 * silent when each channel is, not when the channels cancel each other.
 *
 * Order: estimate j is taken for reference j.  Where mir_eval or museval are
 * asked to find the permutation, they choose the one of the highest mean SIR
 * and their perm[j] is the estimate that belongs to reference j; hand the
 * estimates over in that order to get their figures.
 *
 * How far figures compare: to 1e-3 dB, except where the references have next
 * to nothing in a band (above the low-pass of an MP3, say): there the filters
 * rest on rounding, and SIR and SAR of different programs differ by some 1e-3.
 *
 * Version 3 falls out: one window as long as the track (or, framewise, one
 * object for each frame), with SP_BSS_IMAGES or SP_BSS_SOURCES.
 *
 * Use, with two runs through the decoders:
 *
 *	 sp_bss_new ... sp_bss_correlate (block by block) ... sp_bss_solve ...
 *	 rewind ... sp_bss_evaluate (block by block) ... sp_bss_result ... sp_bss_free
 *
 * Memory is bounded whatever the length: (sources * channels * taps)^2 / 2
 * doubles during sp_bss_solve (69 MB for four stereo sources, 271 MB for
 * eight) and some MB of block buffers; 32 bytes a source and window grow.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_STEMS_BSS_EVAL_H
#define SP_STEMS_BSS_EVAL_H

#include "core/sp_base.h"

/* Taps of the distortion filters in BSS Eval since 2006 (Vincent et al., section III). */
#define SP_BSS_TAPS 512
/* Beyond these the Gram matrix outgrows a backend; our own limits. */
#define SP_BSS_MAX_SOURCES  8
#define SP_BSS_MAX_CHANNELS 4
#define SP_BSS_MAX_TAPS     4096
/* Gram rows: 8 stereo sources of 512 taps (271 MB); more is SP_ERR_TOO_LARGE. */
#define SP_BSS_MAX_ROWS 8192

typedef enum SpBssMode
{
	SP_BSS_IMAGES, /* the formulas above: version 4, and bss_eval_images of version 3 */
	SP_BSS_SOURCES /* bss_eval_sources: P_j(est_j) takes the place of ref_j, there is no ISR */
} SpBssMode;

/*
 * One window, or the median over windows.  +infinity where the denominator is
 * exactly zero, -infinity where only the numerator is; NaN for a window in
 * which any reference or any estimate is digitally silent, for a median
 * without any other window, and for isr_db with SP_BSS_SOURCES.
 */
typedef struct SpBssScore
{
	double sdr_db;
	double isr_db;
	double sir_db;
	double sar_db;
} SpBssScore;

typedef struct SpBss SpBss;

/*
 * An object for `sources` pairs of reference and estimate of `channels`
 * channels each; window in frames: the sample rate for version 4, 0 for the
 * whole track.  *out is NULL unless SP_OK.  env must outlive the object.
 * SP_ERR_BAD_ARG sources or taps out of range, SP_ERR_TOO_LARGE
 * beyond SP_BSS_MAX_CHANNELS or SP_BSS_MAX_ROWS, SP_ERR_NO_MEMORY.  FFTW allocates plans of its own: free the object from
 * the owning memory context's reset callback.
 */
SpStatus sp_bss_new(const SpEnv *env, size_t sources, size_t channels, size_t window, size_t taps,
                    SpBssMode mode, SpBss **out);

/*
 * First run.  refs[j] and ests[j] point at `frames` frames of interleaved
 * channels of reference and estimate j; all signals have one length and rate.
 * Blocks may have any size.  SP_ERR_CANCELED, SP_ERR_BAD_ARG after sp_bss_solve.
 */
SpStatus sp_bss_correlate(SpBss *bss, const float *const *refs, const float *const *ests,
                          size_t frames);

/*
 * Fit the filters: a quarter of a second to seconds of work, which polls
 * should_stop.  SP_ERR_BAD_DATA when a sample was not finite, SP_ERR_BAD_ARG
 * when nothing was pushed, SP_ERR_NO_MEMORY, SP_ERR_CANCELED.
 */
SpStatus sp_bss_solve(SpBss *bss);

/* Second run: the same samples once more, from the start. */
SpStatus sp_bss_evaluate(SpBss *bss, const float *const *refs, const float *const *ests,
                         size_t frames);

/*
 * Medians over windows into scores[0 .. sources-1]; windows that are NaN are
 * left out, an even count takes the mean of the middle two.  SP_ERR_BAD_ARG
 * when the two runs differ in length.
 */
SpStatus sp_bss_result(SpBss *bss, SpBssScore *scores);

/* Windows so far (all of them after sp_bss_result), and the figures of one. */
size_t sp_bss_windows(const SpBss *bss);
SpBssScore sp_bss_window(const SpBss *bss, size_t window, size_t source);

void sp_bss_free(SpBss *bss);

#endif /* SP_STEMS_BSS_EVAL_H */
