"""train/score.py: a cut of a POP909 song, transposed and at another tempo.

SPDX-License-Identifier: PostgreSQL
"""

import re
import statistics
from dataclasses import dataclass
from typing import NamedTuple

from . import midi

PITCH_CLASSES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ACCIDENTALS = {"": 0, "#": 1, "b": -1}
TRIADS = [("min", (0, 3, 7)), ("dim", (0, 3, 6)), ("sus4", (0, 5, 7)), ("sus2", (0, 2, 7))]
TRIADS += [("aug", (0, 4, 8)), ("hdim", (0, 3, 6)), ("", (0, 4, 7))]
SLOWEST_BPM, FASTEST_BPM = 70, 175
LOWEST, HIGHEST = 20, 110  # MIDI numbers that instruments have


class Chord(NamedTuple):
    start: float  # s
    end: float
    root: int  # pitch class
    intervals: tuple  # semitones above the root

    def voiced(self, lowest):
        """Its notes within the octave from lowest on."""
        return [lowest + (self.root + i - lowest) % 12 for i in self.intervals]


@dataclass
class Score:
    seconds: float
    bpm: float
    melody: list
    bridge: list
    piano: list
    chords: list

    @property
    def beat(self):
        return 60.0 / self.bpm


def parse_chord(start, end, label):
    """A line of chord_midi.txt, or None where no chord sounds."""
    match = re.match(r"([A-G])([#b]?):?([^/]*)", label)
    if not match:
        return None
    root = (PITCH_CLASSES[match[1]] + ACCIDENTALS[match[2]]) % 12
    quality = match[3]
    intervals = next(notes for prefix, notes in TRIADS if quality.startswith(prefix))
    if "7" in quality:
        intervals += (11 if "maj7" in quality else 10,)
    return Chord(start, end, root, intervals)


def read_chords(path):
    chords = []
    for line in path.read_text().splitlines():
        start, end, label = line.split()
        chord = parse_chord(float(start), float(end), label)
        if chord:
            chords.append(chord)
    return chords


def tempo(chords):
    """From how often chords change, taken as once in a bar, doubled or halved into range."""
    starts = sorted({c.start for c in chords})
    gaps = [b - a for a, b in zip(starts, starts[1:])]
    bpm = 240.0 / statistics.median(gaps) if gaps else 120.0
    while bpm < SLOWEST_BPM:
        bpm *= 2
    while bpm > FASTEST_BPM:
        bpm /= 2
    return bpm


def cut(events, start, stretch, seconds):
    """Events from start on, stretched; the first begins at 0 or later."""
    out = []
    for e in events:
        a, b = (e.start - start) * stretch, (e.end - start) * stretch
        if 0 <= a < seconds:
            out.append(e._replace(start=a, end=b))
    return out


def notes_of(tracks, word):
    return sorted(n for name, notes in tracks.items() if word in name for n in notes)


def draw(material, names, seconds, rng):
    """A score of one of the named songs ("melodies/003/003.mid")."""
    path = material.paths[rng.choice(names)]
    tracks = midi.Reader(path).read()
    chords = read_chords(path.parent / "chord_midi.txt")
    end = max(c.end for c in chords)
    stretch, shift = rng.uniform(0.8, 1.25), rng.randint(-5, 6)
    start = rng.uniform(0, max(1.0, end - seconds / stretch))

    def notes(word):
        kept = cut(notes_of(tracks, word), start, stretch, seconds)
        return [n._replace(pitch=min(HIGHEST, max(LOWEST, n.pitch + shift))) for n in kept]

    chords = cut(chords, start, stretch, seconds)
    chords = [c._replace(root=(c.root + shift) % 12) for c in chords]
    return Score(
        seconds, tempo(chords), notes("MELODY"), notes("BRIDGE"), notes("PIANO"), chords
    )
