"""train/songs.py: four stems of seeded synthetic songs, and of the real album at several speeds.

A song is a folder of vocals.wav, drums.wav, bass.wav, other.wav (44.1 kHz, two
channels, 16 bits, of one length) and song.json; album songs without a labelled
bass have rest.wav, which is both, in the place of bass.wav and other.wav.
The same seed, material, soundfonts and library versions give the same bytes.

    nice python3 -m train.songs --material DIR --melodies DIR --out DIR --first 0 --count 100
    nice python3 -m train.songs ... --out VALID --first 0 --count 12 --validation
    nice python3 -m train.songs ... --out DIR --album

SPDX-License-Identifier: PostgreSQL
"""

import argparse
import json
import pathlib
import re
import time

import numpy as np
import soundfile
from scipy import signal

from . import audio, drums, harmony, score, voice
from .material import Material, add_arguments

SECONDS = 50.0
LEVEL = 0.08  # RMS of a stem; gains are drawn while mixing
HELD_OUT_SONGS = 6  # POP909 songs, the last by number, for validation only
HELD_OUT_ALBUM = "4Potassium"  # has the least singing of the album: a minute and a half
SPEEDS = [(22, 25), (1, 1), (9, 8)]  # up / down: 0.88, 1 and 1.125 times as fast


def melodies(material, validation):
    names = [n for n in material.under("melodies/") if n.endswith(".mid")]
    return names[-HELD_OUT_SONGS:] if validation else names[:-HELD_OUT_SONGS]


def synthesise(material, seed, seconds=SECONDS, validation=False):
    """Stem name to sound, and the score."""
    key = ("validation" if validation else "training", seed)
    n = audio.samples(seconds)
    names = melodies(material, validation)
    played = score.draw(material, names, seconds, audio.dice(*key, "score"))
    stems = {
        "vocals": voice.stem(played, n, material, validation, audio.dice(*key, "vocals")),
        "drums": drums.stem(played, n, material, audio.dice(*key, "drums")),
        "bass": harmony.bass(played, n, material, audio.dice(*key, "bass")),
        "other": harmony.other(played, n, material, audio.dice(*key, "other")),
    }
    return {s: audio.limited(audio.levelled(x, LEVEL)) for s, x in stems.items()}, played


def write(folder, stems, notes):
    folder.mkdir(parents=True, exist_ok=True)
    for stem, x in stems.items():
        soundfile.write(folder / (stem + ".wav"), x, audio.RATE, subtype="PCM_16")
    (folder / "song.json").write_text(json.dumps(notes, indent=1, sort_keys=True) + "\n")


def album_songs(material):
    """Song to stem to path."""
    out = {}
    for name in material.under("album/"):
        song, stem = re.match(r"album/(\w+)_(\w+)\.", name).groups()
        out.setdefault(song, {})[stem] = material.paths[name]
    return out


def album(material, out, validation):
    """The held-out song at its own speed, or all others at all speeds."""
    speeds = [(1, 1)] if validation else SPEEDS
    for song, paths in sorted(album_songs(material).items()):
        if (song == HELD_OUT_ALBUM) != validation:
            continue
        if "bass" not in paths:
            paths["rest"] = paths.pop("other")
        for fast, slow in speeds:
            stems = {}
            for stem in sorted(paths):
                x, rate = soundfile.read(paths[stem], dtype="float32", always_2d=True)
                up, down = audio.RATE * slow, rate * fast
                common = np.gcd(up, down)
                x = signal.resample_poly(x, up // common, down // common, axis=0)
                stems[stem] = audio.limited(audio.levelled(x.astype(np.float32), LEVEL))
            n = min(len(x) for x in stems.values())
            stems = {s: x[:n] for s, x in stems.items()}
            speed = fast / slow
            write(out / ("album_%s_%.2f" % (song, speed)), stems, {"song": song, "speed": speed})


def main():
    parser = argparse.ArgumentParser(description="Synthesises training songs.")
    add_arguments(parser)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--first", type=int, default=0, help="seed of the first song")
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--validation", action="store_true", help="held-out songs and singers")
    parser.add_argument("--album", action="store_true", help="write the real album, too")
    args = parser.parse_args()
    material = Material(args.material, args.melodies)
    for seed in range(args.first, args.first + args.count):
        began = time.time()
        stems, played = synthesise(material, seed, args.seconds, args.validation)
        notes = {"seed": seed, "bpm": played.bpm, "seconds": args.seconds}
        write(args.out / ("song_%05d" % seed), stems, notes | {"validation": args.validation})
        print("song %d: %.0f bpm, %.1f s" % (seed, played.bpm, time.time() - began), flush=True)
    if args.album:
        album(material, args.out, args.validation)


if __name__ == "__main__":
    main()
