#!/usr/bin/python3
# demo/compose.py
#   Renders the demo song: four stems and their sum, 16 bit FLAC.
#
#   usage: /usr/bin/python3 demo/compose.py OUTDIR
#
# Every stem gets its own processing and its own room; nothing is done to the
# sum.  Vocals, drums and bass stand in the middle, the keys and the guitar at
# the sides; the high end is soft.  Both are taste, and both keep the five files
# within 3 MB.  The stems are rounded to integers first and then added as integers, so
# that mixture == vocals + drums + bass + other holds for every sample.
#
# SPDX-License-Identifier: PostgreSQL

import os
import subprocess
import sys
import tempfile

import numpy as np
import soundfile

import band
import score
import voice
from studio import (bell, compress, db, de_ess, fade, high_pass, low_pass, narrow, pan, rms_db,
                    room, saturate)

STEMS = ("vocals", "drums", "bass", "other")
SEED = 20261121
PEAK_DB = -1.0              # of the mixture
# The last bits of a 16 bit sample are left empty: the noise floor then lies
# at -83 dBFS a stem, far below the music, and FLAC stores those bits once a block
# ("wasted bits") instead of as noise in each of five files.
EMPTY_BITS = 3

# RMS over the whole song, in dB relative to the vocals before the peak is set.
LEVEL_DB = dict(vocals=0.0, drums=-3.5, bass=-3.0, other=-4.0)


def rng(name):
    """Each part has its own random numbers: changing one leaves the others."""
    return np.random.default_rng([SEED] + list(name.encode()))


def level(x, target_db):
    return x * db(target_db - rms_db(x))


def vocals(folder):
    """Lead in the middle, a softer double and harmony under the hook."""
    lead = voice.sing(score.melody(), folder, 1)
    double = voice.sing(score.melody()[4:], folder, 2)
    third = voice.sing(score.harmony(), folder, 3)
    x = level(lead, -20) + level(double, -31.5) + level(third, -29.5)
    x = high_pass(x, 110.0)
    x = bell(bell(bell(x, 320.0, -2.0, 0.9), 2900.0, 2.5, 0.8), 900.0, -1.0, 1.2)
    x = de_ess(low_pass(x, 9000.0), threshold_db=-38.0)
    x = compress(x, -24.0, 3.0, 0.006, 0.10)
    return saturate(x, 1.2) + db(-15.0) * level_like(room(x, rng("hall"), 1.2, 0.03, 5000.0, 0.0), x)


def drums(folder):
    x = band.play("drums", score.drums(rng("drums")), folder)
    x = pan(low_pass(high_pass(x, 35.0), 9500.0), 0.0)
    x = bell(bell(x, 4500.0, 1.0, 0.8), 400.0, -2.5, 0.9)
    x = compress(level(x, -20), -18.0, 2.0, 0.015, 0.09)
    return saturate(x, 0.8) + db(-20.0) * level_like(room(x, rng("room"), 0.5, 0.005, 4000.0, 0.0), x)


def bass(folder):
    x = pan(band.play("bass", score.bass(rng("bass")), folder), 0.0)
    x = bell(high_pass(x, 35.0), 700.0, 2.0, 0.8)
    x = compress(level(x, -18), -20.0, 3.0, 0.015, 0.15)
    return low_pass(saturate(x, 2.0), 3500.0)


def other(folder):
    """Electric piano left, clean guitar right, strings around them."""
    piano = level(band.play("piano", score.piano(rng("piano")), folder), -21)
    guitar = level(band.play("guitar", score.guitar(rng("guitar")), folder), -23.5)
    strings = level(band.play("pad", score.pad(rng("pad")), folder), -28)
    x = pan(high_pass(piano, 130.0), -0.45) + pan(high_pass(guitar, 180.0), 0.55)
    x = x + narrow(low_pass(high_pass(strings, 220.0), 4500.0), 0.4)
    x = low_pass(bell(x, 2500.0, -1.5, 0.7), 7000.0)
    x = compress(x, -18.0, 2.0, 0.02, 0.2)
    return x + db(-18.0) * level_like(room(x, rng("plate"), 1.3, 0.02, 3000.0, 0.8), x)


def level_like(x, model):
    """x at the loudness of model, so that a room is set in dB below its source."""
    return x * db(rms_db(model) - rms_db(x))


def mix(parts):
    """Balances the stems and rounds them, int32[frames, 2] each."""
    parts = {s: level(fade(x - np.mean(x, axis=0)), LEVEL_DB[s]) for s, x in parts.items()}
    gain = db(PEAK_DB) / np.max(np.abs(sum(parts.values())))
    step = 1 << EMPTY_BITS
    return {s: (np.round(x * gain * 32768.0 / step) * step).astype(np.int32) for s, x in parts.items()}


def save(path, x):
    """FLAC as small as the reference encoder makes it."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as wav:
        soundfile.write(wav.name, x.astype(np.int16), band.RATE, subtype="PCM_16")
        subprocess.run(["flac", "-8", "-e", "-p", "-s", "-f", "--no-padding", "-o", path, wav.name],
                       check=True)


def main(folder):
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        stems = mix({s: globals()[s](work) for s in STEMS})
    stems["mixture"] = sum(stems[s] for s in STEMS)
    for name, x in stems.items():
        if np.max(np.abs(x)) > 32767:
            raise SystemExit(f"{name} clips")
        save(os.path.join(folder, name + ".flac"), x)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: compose.py OUTDIR")
    main(sys.argv[1])
