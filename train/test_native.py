"""train/test_native.py: the levels of a synthetic song; a few seconds, no material.

    /usr/bin/python3 -m train.test_native

SPDX-License-Identifier: PostgreSQL
"""

import numpy as np

from . import native

RATE, SECONDS = 44100, 6


def song():
    """A bass note, clicks, and a voice that glides, all in the centre but for some noise."""
    t = np.arange(RATE * SECONDS) / RATE
    rng = np.random.default_rng(1)
    bass = 0.4 * np.sin(2 * np.pi * 65 * t)
    clicks = np.where(np.arange(len(t)) % (RATE // 2) < 40, 0.6, 0.0) * rng.standard_normal(len(t))
    phase = 2 * np.pi * np.cumsum(260 * 2 ** (0.5 * np.sin(0.9 * t) + 0.04 * np.sin(2 * np.pi * 5.5 * t))) / RATE
    voice = sum(0.15 / h * np.sin(h * phase) for h in range(1, 11))
    mix = (bass + clicks + voice)[:, None] + 1e-3 * rng.standard_normal((len(t), 2))
    return {"bass": bass, "drums": clicks, "vocals": voice}, mix.astype(np.float32)


def magnitude(x):
    """numpy's own: root of the channels' mean power, a sine of amplitude a as a."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(native.SIZE) / native.SIZE)
    starts = native.HOP * np.arange(native.frames_of(len(x)))
    frames = np.stack([x[s : s + native.SIZE] for s in starts]) * window[None, :, None]
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    return np.sqrt(power.mean(axis=2)) * 4 / native.SIZE


def main():
    parts, mix = song()
    found = native.levels(mix)
    truth = magnitude(mix)
    assert found.shape == (4, *truth.shape) and found.dtype == np.float32
    assert (found >= 0).all()
    error = np.abs(found.sum(axis=0) - truth)
    assert (error <= truth / 2000 + 1e-7).all(), error.max()
    assert (native.levels(mix) == found).all()
    shares = {}
    for name, part in parts.items():
        alone = magnitude(np.repeat(part[:, None], 2, axis=1))
        own = alone > 0.9 * truth  # bins of nobody else
        shares[name] = found[native.NAMES.index(name)][own].sum() / truth[own].sum()
    print("share of each part's own bins that its level has:", {k: round(float(v), 2) for k, v in shares.items()})
    assert shares["bass"] > 0.9 and shares["drums"] > 0.6 and shares["vocals"] > 0.5, shares
    for wrong in (mix[:4095], mix[:, :1], mix[:, 0]):
        try:
            native.levels(wrong)
        except ValueError:
            continue
        raise AssertionError(f"taken: {wrong.shape}")
    assert native.levels(mix[:4096]).shape == (4, 1, 2049)
    print("ok")


if __name__ == "__main__":
    main()
