"""train/reels.py: mixtures of 24 s, rendered once to what the network sees and shall find.

    nice python3 -m train.reels --songs DIR --out REELS --first 0 --count 500
    nice python3 -m train.reels --songs VALID --out HELD_OUT --count 20 --seed validation

A mixture costs five times as much as a training step, so it is made once and
read often, at another moment each time.  A reel is an array of f16
[frames][13][512], NUMBER.npy, frames first so that a patch is one piece of the
file: band magnitudes of left, right, middle, side; classical's shares of
vocals, drums, bass (other has the rest); what the band magnitudes of vocals,
drums, bass shall be, each left and right (other has the rest).  NUMBER.json has
what one number tells.  A reel depends on its number, the seed and the songs.

On mixtures of synthetic songs classical separates worse than on real music:
vocals 1 dB where documented clips have 5 to 10.  A network that is told its
shares would learn there to mistrust them.  So a mixture is drawn again until
classical is about as good on it as on real music, by a chance that rises with
the SDR that it has.  Who trains on multitracks of real music has no need of that (--any).

What a stem shall be is its part in phase with the mix, pooled so that the best
mask of a band is the one that leaves the least energy of error:
t = sum(Re(conj(X) S)) / sum(|X|^2) over the band's bins.

SPDX-License-Identifier: PostgreSQL
"""

import argparse
import json
import math
import os
import pathlib
import time

import numpy as np
from scipy import fft

from . import audio, bands, effects, memory, mixing, native

FRAMES = 1032  # 24 s
CHUNK = 43  # frames at once: their spectra stay in the cache
PLANES = 13
INPUTS, SHARES, TARGETS = slice(0, 4), slice(4, 7), slice(7, 13)
EXPONENT = 1.5  # of levels in shares: classical's own, src/core/stems/wiener.c
CODED = 0.15  # chance that a mixture has been through MP3
LOUDEST_RATIO = 2.0  # of a stem to the mix in one bin, where stems cancel
DRAWS = 12  # of mixtures; then whatever comes
HEARD_DB = -25  # a stem below this, against the mix, tells nothing
# SDR in dB at which a mixture is taken half of the time, and the width of the rise.
VOCALS_DB, REST_DB, WIDTH_DB = 3.5, 0.5, 0.8
WITHOUT_VOICE = 0.25  # chance of what has none
WINDOW = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(mixing.FFT) / mixing.FFT)).astype(np.float32)


def spectra(x, first, count):
    """[n][2] to complex64 [2][count][2049], of frames first, first + 1, ..."""
    part = np.ascontiguousarray(x[first * mixing.HOP :][: mixing.frames_to_samples(count)].T)
    frames = np.lib.stride_tricks.sliding_window_view(part, mixing.FFT, axis=1)[:, :: mixing.HOP]
    return fft.rfft(frames * WINDOW, axis=-1)


def power(x):
    return np.square(x.real) + np.square(x.imag)


def magnitudes(left, right):
    """Band magnitudes of two spectra [frames][2049]: [frames][4][512]."""
    planes = [left, right, (left + right) / 2, (left - right) / 2]
    return np.sqrt(np.stack([bands.pooled(power(p)) for p in planes], axis=1) / bands.WIDTHS)


def shares(levels):
    """Of the first three stems, from the levels [4][frames][2049] of all: [frames][3][512]."""
    sums = bands.pooled(levels**EXPONENT)
    total = sums.sum(axis=0)
    even = np.float32(1 / len(audio.STEMS))
    found = np.where(total > 0, sums / np.where(total > 0, total, 1), even)
    return found[:3].transpose(1, 0, 2)


def wanted(parts, mix, heard):
    """Target magnitudes [frames][3][2][512] and the energy [4] of the stems, as heard.

    parts [4][2][frames][2049] add up to mix; heard is mix, or mix through a
    codec, which the stems follow bin by bin.
    """
    before, after = power(mix), power(heard)
    cross = (parts[:3] * mix.conj()).real
    change = after / np.maximum(before, audio.SILENT)
    if heard is not mix:
        np.clip(cross, -LOUDEST_RATIO * before, LOUDEST_RATIO * before, out=cross)
        cross *= change
    total = bands.pooled(after)
    magnitude = np.sqrt(total / bands.WIDTHS)
    share = bands.pooled(cross) / np.maximum(total, audio.SILENT)
    energy = (power(parts) * np.minimum(change, LOUDEST_RATIO**2)).sum(axis=(1, 2, 3))
    return (share * magnitude).transpose(2, 0, 1, 3), energy


def rendered(mixture, coded, frames=FRAMES):
    """The array of a reel and its notes."""
    mix = mixture.stems.sum(axis=0)
    heard = effects.through_mp3(mix) if coded else mix
    levels = native.levels(heard)
    out, energy = np.empty((frames, PLANES, bands.BANDS), np.float16), np.zeros(4)
    for first in range(0, frames, CHUNK):
        count = min(CHUNK, frames - first)
        rows = slice(first, first + count)
        parts = np.stack([spectra(x, first, count) for x in mixture.stems])
        total = parts.sum(axis=0)
        after = spectra(heard, first, count) if coded else total
        out[rows, INPUTS] = magnitudes(*after)
        out[rows, SHARES] = shares(levels[:, rows])
        target, found = wanted(parts, total, after)
        out[rows, TARGETS] = target.reshape(count, 6, bands.BANDS)
        energy += found
    notes = {"joined": mixture.joined, "coded": coded, "energy": [float(e) for e in energy]}
    return out, notes | mixture.scene._asdict()


def sdr(array, notes):
    """Of classical's shares: dB of the four stems, in bands; NaN where there is nothing to judge."""
    x = array.astype(np.float32)
    heard, shares = x[:, None, :2], x[:, SHARES]
    targets = x[:, TARGETS].reshape(len(x), 3, 2, bands.BANDS)
    shares = np.concatenate([shares, 1 - shares.sum(axis=1, keepdims=True)], axis=1)
    targets = np.concatenate([targets, heard - targets.sum(axis=1, keepdims=True)], axis=1)
    error = shares[:, :, None] * heard - targets
    energy, mix = np.array(notes["energy"]), (bands.WIDTHS * heard**2).sum()
    missed = np.maximum(energy - (bands.WIDTHS * targets**2).sum(axis=(0, 2, 3)), 0)
    ratio = np.maximum(energy, audio.SILENT) / (missed + (bands.WIDTHS * error**2).sum(axis=(0, 2, 3)))
    known = energy > 10 ** (HEARD_DB / 10) * mix
    if notes["joined"]:
        known[2:] = False
    return np.where(known, 10 * np.log10(ratio), np.nan)


def above(db, middle):
    return 1 / (1 + math.exp(-(db - middle) / WIDTH_DB))


def likeness(found):
    """The chance that a mixture of such SDR is taken."""
    rest = [x for x in found[1:] if x == x]
    chance = WITHOUT_VOICE if found[0] != found[0] else above(found[0], VOCALS_DB)
    return chance * above(np.mean(rest), REST_DB) if rest else chance


def render(library, seed, number, frames=FRAMES, draws=DRAWS):
    rng = audio.dice("reel", seed, number)
    n = mixing.frames_to_samples(frames)
    for draw in range(draws):
        mixture = mixing.mastered(mixing.unmastered(library, n, rng), rng)
        array, notes = rendered(mixture, rng.random() < CODED, frames)
        found = sdr(array, notes)
        if rng.random() < likeness(found):
            break
    notes |= {"draws": draw + 1, "classical": [None if x != x else round(float(x), 2) for x in found]}
    return array, notes


def write(folder, number, array, notes):
    """The notes last: a reel that has them is whole."""
    path = folder / ("%05d.npy" % number)
    fresh = path.with_suffix(".new")
    with open(fresh, "wb") as f:
        np.save(f, array)
    os.replace(fresh, path)
    path.with_suffix(".json").write_text(json.dumps(notes) + "\n")


def main():
    parser = argparse.ArgumentParser(description="Renders mixtures for training.")
    parser.add_argument("--songs", type=pathlib.Path, nargs="+", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", default="training")
    parser.add_argument("--any", action="store_true", help="take every mixture: the songs are real music")
    args = parser.parse_args()
    memory.keep()
    library = mixing.Library(args.songs)
    args.out.mkdir(parents=True, exist_ok=True)
    began = time.time()
    for number in range(args.first, args.first + args.count):
        if not (args.out / ("%05d.json" % number)).exists():
            draws = 1 if args.any else DRAWS
            write(args.out, number, *render(library, args.seed, number, draws=draws))
            print("%d %.1f s" % (number, time.time() - began), flush=True)


if __name__ == "__main__":
    main()
