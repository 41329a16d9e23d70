#!/usr/bin/python3
# demo/check.py
#   Proves that a rendered demo song keeps its promises; exits 1 if not.
#
#   usage: /usr/bin/python3 demo/check.py [FOLDER]     (default demo/song)
#
# Every promise is looked at, even after one failed, and a table of levels is
# printed, so that one run shows all that is wrong.
#
# SPDX-License-Identifier: PostgreSQL

import os
import sys

import numpy as np
import soundfile

STEMS = ("vocals", "drums", "bass", "other")
RATE, MAX_BYTES = 44100, 3000000
SHORTEST, LONGEST = 20.0, 30.0      # seconds
PEAK_DB = (-1.5, -0.5)              # of the mixture
QUIETEST_STEM_DB = -35.0            # RMS below this is no stem to measure with
# Vocals against the rest of the band, only where somebody sings.
VOCALS_DB = (-3.0, 1.0)
EDGE = 0.001                        # of full scale: louder first or last samples click


def decibel(x):
    return 20.0 * np.log10(max(float(x), 1e-12))


def rms(x):
    return np.sqrt(np.mean(np.square(x)))


def load(folder):
    """All five files as int64[frames, 2], and what is wrong with their form."""
    sounds, faults = {}, []
    for name in STEMS + ("mixture",):
        path = os.path.join(folder, name + ".flac")
        info = soundfile.info(path)
        form = (info.format, info.subtype, info.samplerate, info.channels)
        if form != ("FLAC", "PCM_16", RATE, 2):
            faults.append(f"{name} is {form}")
        sounds[name] = soundfile.read(path, dtype="int16", always_2d=True)[0].astype(np.int64)
    if len({x.shape for x in sounds.values()}) != 1:
        raise SystemExit("not ok: the files differ in length or channels")
    return sounds, faults


def sung_part(vocals):
    """Marks the samples of 50 ms blocks within 20 dB of the loudest one."""
    block = RATE // 20
    n = len(vocals) // block
    level = np.sqrt(np.mean(np.square(vocals[:n * block]).reshape(n, -1), axis=1))
    marks = np.repeat(level > 0.1 * level.max(), block)
    return np.append(marks, np.zeros(len(vocals) - len(marks), bool))


def check_sum(sounds):
    wrong = int(np.count_nonzero(sounds["mixture"] - sum(sounds[s] for s in STEMS)))
    return [f"{wrong} samples of the mixture are not the sum"] if wrong else []


def check_sound(sounds):
    faults = []
    seconds = len(sounds["mixture"]) / RATE
    if not SHORTEST <= seconds <= LONGEST:
        faults.append(f"{seconds:.2f} s long")
    for name, x in sounds.items():
        x = x / 32768.0
        if np.max(np.abs(x)) >= 32767 / 32768:
            faults.append(f"{name} clips")
        if decibel(rms(x)) < QUIETEST_STEM_DB:
            faults.append(f"{name} is nearly silent")
        if np.max(np.abs(np.mean(x, axis=0))) > 1e-4:
            faults.append(f"{name} has an offset")
        if max(np.max(np.abs(x[:8])), np.max(np.abs(x[-8:]))) > EDGE:
            faults.append(f"{name} starts or ends with a click")
    peak = decibel(np.max(np.abs(sounds["mixture"])) / 32768.0)
    if not PEAK_DB[0] <= peak <= PEAK_DB[1]:
        faults.append(f"the mixture peaks at {peak:.2f} dBFS")
    return faults


def check_balance(sounds):
    where = sung_part(sounds["vocals"] / 32768.0)
    band = sum(sounds[s] for s in STEMS[1:])
    ratio = decibel(rms(sounds["vocals"][where]) / rms(band[where]))
    print(f"vocals against the band where sung: {ratio:.1f} dB")
    return [] if VOCALS_DB[0] <= ratio <= VOCALS_DB[1] else [f"vocals at {ratio:.1f} dB"]


def report(folder, sounds):
    """Prints a table and answers the total size in bytes."""
    energy = {s: float(np.sum(np.square(sounds[s]))) for s in STEMS}
    total = 0
    print(f"{'file':<10}{'bytes':>9}{'seconds':>9}{'peak dB':>9}{'RMS dB':>8}{'share':>8}")
    for name, x in sounds.items():
        size = os.path.getsize(os.path.join(folder, name + ".flac"))
        total += size
        share = f"{energy[name] / sum(energy.values()):8.1%}" if name in energy else ""
        print(f"{name:<10}{size:>9}{len(x) / RATE:>9.2f}{decibel(np.max(np.abs(x)) / 32768):>9.2f}"
              f"{decibel(rms(x) / 32768):>8.2f}{share}")
    print(f"{'all':<10}{total:>9}")
    return total


def main(folder):
    sounds, faults = load(folder)
    total = report(folder, sounds)
    if total > MAX_BYTES:
        faults.append(f"{total} bytes, more than {MAX_BYTES}")
    faults += check_sum(sounds) + check_sound(sounds) + check_balance(sounds)
    for fault in faults:
        print("not ok:", fault)
    if not faults:
        print("ok")
    return 1 if faults else 0


if __name__ == "__main__":
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "song")
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else here))
