"""tests/golden/make_bss_eval.py: BSS Eval v4 figures by the plainest possible means.

Written from the definitions in src/core/stems/bss_eval.h, not from any
implementation: the delayed references are the columns of a dense matrix, the
projection is numpy's least squares by SVD on that matrix, and windows are cut
out by slicing.  Nothing is shared with the C code but the signals, which both
sides make from the same integer generator; their samples are small multiples
of 2^-20, so float holds them exactly.

    python3 tests/golden/make_bss_eval.py > tests/golden/bss_eval.txt

Needs numpy.  tests/unit/test_bss_eval.c reads the output; make_signals here
and there must stay alike.

SPDX-License-Identifier: PostgreSQL
"""

import numpy as np

# name, seed, sources, channels, frames, window (0: whole track), taps, mode,
# silence: (source, first, end) zeroed in the reference, or None
CASES = [
    ("mono_pair", 1, 2, 1, 2300, 500, 16, "images", None),
    ("mono_pair_sources", 1, 2, 1, 2300, 500, 16, "sources", None),
    ("stereo_pair", 2, 2, 2, 2000, 500, 24, "images", None),
    ("stereo_pair_whole", 2, 2, 2, 2000, 0, 24, "images", None),
    ("stereo_pair_sources", 2, 2, 2, 2000, 500, 24, "sources", None),
    ("one_source", 3, 1, 2, 1500, 300, 32, "images", None),
    ("silent_window", 4, 2, 1, 2500, 500, 16, "images", (1, 900, 1600)),
    ("shorter_than_window", 5, 2, 1, 700, 1000, 16, "images", None),
    ("one_tap", 6, 3, 2, 1200, 400, 1, "images", None),
    ("four_stereo", 7, 4, 2, 3000, 1000, 20, "images", None),
    ("full_filters", 8, 2, 2, 6000, 2000, 512, "images", None),
    ("eight_mono", 9, 8, 1, 1800, 600, 8, "images", None),
]


def noise(state, frames):
    """frames samples in [-1, 1) with 16 bits, and the generator's next state."""
    out = np.zeros(frames)
    for n in range(frames):
        state = (state * 1664525 + 1013904223) % 2**32
        out[n] = ((state >> 16) - 32768) / 32768.0
    return out, state


def delayed(x, by):
    return np.concatenate([np.zeros(min(by, len(x))), x[: max(len(x) - by, 0)]])


def make_signals(seed, sources, channels, frames, taps, silence):
    """References and estimates, [source][channel][frame]."""
    state = seed
    ref = np.zeros((sources, channels, frames))
    est = np.zeros((sources, channels, frames))
    for j in range(sources):
        for c in range(channels):
            white, state = noise(state, frames)
            ref[j, c] = (white + delayed(white, 1)) / 2
            if c > 0:
                ref[j, c] = (ref[j, c] + ref[j, 0]) / 2
    if silence is not None:
        ref[silence[0], :, silence[1] : silence[2]] = 0.0
    for j in range(sources):
        for c in range(channels):
            white, state = noise(state, frames)
            est[j, c] = (
                ref[j, c] * 0.75
                + delayed(ref[j, c], 3) / 4
                + delayed(ref[j, channels - 1 - c], 1) / 8
                + ref[(j + 1) % sources, c] / 8
                + delayed(ref[j, c], taps) / 8
                + white / 16
            )
    return ref, est


def delays(ref, taps):
    """The subspace: all channels of ref, [.., frame], delayed, as columns."""
    signals = ref.reshape(-1, ref.shape[-1])
    frames = signals.shape[1]
    columns = np.zeros((frames + taps - 1, len(signals) * taps))
    for i, x in enumerate(signals):
        for a in range(taps):
            columns[a : a + frames, i * taps + a] = x
    return columns


def fit(ref, est, taps):
    """Filters from all channels of ref to each channel of est (one source's)."""
    padded = np.pad(est, ((0, 0), (0, taps - 1))).T
    return np.linalg.lstsq(delays(ref, taps), padded, rcond=1e-10)[0]


def decibels(signal, error):
    if np.sum(error**2) == 0:
        return np.inf
    return 10 * np.log10(np.sum(signal**2) / np.sum(error**2))


def figures(ref, est, j, every, own, taps, mode):
    """SDR, ISR, SIR, SAR of source j in one window."""
    true = np.pad(ref[j], ((0, 0), (0, taps - 1))).T
    got = np.pad(est[j], ((0, 0), (0, taps - 1))).T
    p_own = delays(ref[j], taps) @ own[j]
    p_all = p_own if len(ref) == 1 else delays(ref, taps) @ every[j]
    if mode == "sources":
        isr = np.nan
        sdr = decibels(p_own, got - p_own)
    else:
        isr = decibels(true, p_own - true)
        sdr = decibels(true, got - true)
    return [sdr, isr, decibels(p_own, p_all - p_own), decibels(p_all, got - p_all)]


def evaluate(case):
    name, seed, sources, channels, frames, window, taps, mode, silence = case
    ref, est = make_signals(seed, sources, channels, frames, taps, silence)
    every = [fit(ref, est[j], taps) for j in range(sources)]
    own = [fit(ref[j], est[j], taps) for j in range(sources)]
    size = min(window or frames, frames)
    scores = []
    for start in range(0, frames - size + 1, size):
        r, e = ref[:, :, start : start + size], est[:, :, start : start + size]
        silent = any(not s.any() for s in [*r, *e])
        scores.append(
            [
                [np.nan] * 4 if silent else figures(r, e, j, every, own, taps, mode)
                for j in range(sources)
            ]
        )
    return np.array(scores)


def main():
    for case in CASES:
        name, seed, sources, channels, frames, window, taps, mode, silence = case
        first, end = (silence or (0, 0, 0))[1:]
        who = silence[0] if silence else 0
        scores = evaluate(case)
        print("case", name, seed, sources, channels, frames, window, taps, mode, who, first, end)
        print("windows", len(scores))
        for w in range(len(scores)):
            for j in range(sources):
                print(" ".join("%.9f" % v for v in scores[w, j]))
        print("medians")
        for j in range(sources):
            with np.errstate(invalid="ignore"):
                columns = [v[~np.isnan(v)] for v in scores[:, j].T]
            print(" ".join("%.9f" % (np.median(v) if len(v) else np.nan) for v in columns))


if __name__ == "__main__":
    main()
