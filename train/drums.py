"""train/drums.py: drum parts, from two sampled kits with several microphones or from soundfonts.

SPDX-License-Identifier: PostgreSQL
"""

import re
from typing import NamedTuple

import numpy as np

from . import audio, midi

STEPS = 16  # of a bar
PATTERNS = [
    {"kick": "1000000010100000", "snare": "0000100000001000", "closed": "1010101010101010"},
    {"kick": "1000100010001000", "snare": "0000100000001000", "open": "0010001000100010"},
    {"kick": "1001000000100000", "snare": "0000100000001001", "closed": "1111111111111111"},
    {"kick": "1000000000100000", "snare": "0000000010000000", "closed": "1010101010101010"},
    {"kick": "1000001000100100", "snare": "0000100100001000", "ride": "1000100010001000"},
    {"kick": "1010001010100010", "snare": "0000100000001000", "ride": "1010101010101010"},
    {"kick": "1000000010000000", "rim": "0000100000001000", "closed": "1011101110111011"},
    {"kick": "1000100010001000", "snare": "0000100000001000", "closed": "1010101010101010"},
    {"kick": "1000100010001010", "snare": "0010001000100010", "crash": "1000000000000000"},
]
GENERAL_MIDI = {"kick": 36, "snare": 38, "rim": 37, "closed": 42, "open": 46}
GENERAL_MIDI |= {"tom1": 48, "tom2": 45, "tom3": 41, "crash": 49, "ride": 51}
MIDI_KITS = [0, 8, 16, 24, 25, 26, 32, 40]  # General MIDI level 2 and GS
TOMS = ["snare", "tom1", "tom2", "tom3"]
VARIETY = 6  # one-shots of a piece in a song; decoding of more took half of the time
ONE_SHOT = audio.samples(3.5)

# The pieces of each kit, by the names of its files.
GOGODZE = {"kick": ["ks"], "snare": ["se", "sc", "ht"], "rim": ["ss"], "closed": ["hc", "hh"]}
GOGODZE |= {"open": ["ho", "hf"], "tom1": ["th"], "tom2": ["tm"], "tom3": ["tl"]}
GOGODZE |= {"crash": ["hl", "ho"], "ride": ["hc", "hh"]}
MULDJORD = {"kick": ["KdrumL", "KdrumR"], "snare": ["Snare"], "rim": ["SnareRest", "Snare"]}
MULDJORD |= {"closed": ["HihatClosed"], "open": ["HihatOpen"], "tom1": ["Tom1", "Tom2"]}
MULDJORD |= {"tom2": ["Tom3"], "tom3": ["Tom4"], "crash": ["CrashL", "CrashR", "China"]}
MULDJORD |= {"ride": ["RideL", "RideR", "RideLBell"]}


class Hit(NamedTuple):
    start: float  # s
    piece: str
    loud: float


def fill(at, beat, rng):
    """Half a bar of toms and snare."""
    hits = []
    for step in range(STEPS // 2, STEPS):
        if rng.random() < 0.7:
            hits.append(Hit(at + step * beat / 4, rng.choice(TOMS), rng.uniform(0.6, 1.0)))
    return hits


def bar(at, beat, pattern, filled, swing, rng):
    hits = []
    for piece, steps in pattern.items():
        for step, mark in enumerate(steps):
            if filled and step >= STEPS // 2 and piece != "kick":
                continue
            ghost = piece in ("kick", "snare") and rng.random() < 0.03
            if (mark == "1" or ghost) and rng.random() < 0.97:
                late = 2 * swing if step % 2 else 0.0
                start = at + (step + late) * beat / 4 + rng.gauss(0, 0.004)
                accent = 1.0 if step % 4 == 0 else 0.75
                hits.append(Hit(start, piece, rng.uniform(0.55, 1.0) * accent))
    return hits + (fill(at, beat, rng) if filled else [])


def events(score, rng):
    """All hits of a song: one pattern, changed at times every eight bars, fills every four."""
    pattern, swing, hits = rng.choice(PATTERNS), rng.choice([0, 0, 0, 0.08]), []
    length = 4 * score.beat
    for number in range(int(score.seconds / length) + 1):
        at = number * length
        if number % 8 == 0 and rng.random() < 0.4:
            pattern = rng.choice(PATTERNS)
        if number % 4 == 0 and rng.random() < 0.6:
            hits.append(Hit(at, "crash", rng.uniform(0.5, 0.9)))
        filled = number % 4 == 3 and rng.random() < 0.5
        hits += bar(at, score.beat, pattern, filled, swing, rng)
    return sorted(h for h in hits if 0 <= h.start < score.seconds - 0.1)


class Kit:
    """One-shots summed over microphones with weights drawn once for the song."""

    def __init__(self, material, rng):
        self.rng, self.sounds, self.shots, self.chosen = rng, {}, {}, {}
        self.paths = material.paths
        self.muldjord = rng.random() < 2 / 3  # it has more pieces and loudnesses
        self.weights = {m: rng.uniform(0.2, 1.0) for m in ("far", "over", "front", "near")}
        pattern = r"__(\d+-\w+)-(\w+)\.opus$" if self.muldjord else r"/(\w+)_mic__(\w+)\.opus$"
        folder = "kit_muldjord/" if self.muldjord else "kit_gogodze/"
        for name in material.under(folder):
            a, b = re.search(pattern, name).groups()
            shot, microphone = (a, b) if self.muldjord else (b, a)
            self.shots.setdefault(shot, {})[microphone] = name

    def hit(self, piece):
        """Stereo sound of a random one-shot of the piece."""
        if piece not in self.chosen:
            shots = self._candidates(piece)
            self.chosen[piece] = self.rng.sample(shots, min(VARIETY, len(shots)))
        shot = self.rng.choice(self.chosen[piece])
        if shot not in self.sounds:
            self.sounds[shot] = self._mixed(shot, piece)
        return self.sounds[shot]

    def _candidates(self, piece):
        if not self.muldjord:
            return [s for s in sorted(self.shots) if s.split("_")[0] in GOGODZE[piece]]
        wanted = self.rng.choice(MULDJORD[piece])
        shots = [s for s in self.shots if s.split("-")[1] == wanted]
        shots.sort(key=lambda s: int(s.split("-")[0]))
        return shots[len(shots) // 3 :]  # the softest third is mostly the room's noise

    def _mixed(self, shot, piece):
        out = audio.silence(ONE_SHOT)
        for microphone, name in sorted(self.shots[shot].items()):
            weight = self._weight(microphone, piece)
            if weight > 0:
                x = audio.read_mono(self.paths[name]) * np.float32(weight)
                audio.place(out, x, 0, *self._pan(microphone))
        return out

    def _weight(self, microphone, piece):
        w = self.weights
        if not self.muldjord:
            near = 1.4 * w["near"]
            return {"oh": w["over"], "front": w["front"], "kick": near, "snare": near}[microphone]
        if microphone.startswith("Amb"):
            return w["far"]
        if microphone.startswith("OH"):
            return 1.5 * w["over"]
        if microphone.startswith("Kdrum") and piece == "kick":
            return 2.0 * w["near"]
        if microphone.startswith("Snare") and piece in ("snare", "rim"):
            return 1.5 * w["near"]
        return 0.0

    def _pan(self, microphone):
        if self.muldjord and microphone[:2] in ("Am", "OH"):
            return (0.2, 1.0) if microphone.endswith("R") else (1.0, 0.2)
        return (1.0, 1.0)


def sampled(hits, n, material, rng):
    kit, out = Kit(material, rng), audio.silence(n)
    for hit in hits:
        audio.place(out, kit.hit(hit.piece) * np.float32(hit.loud), audio.samples(hit.start))
    return out


def rendered(hits, n, material, rng):
    notes = []
    for hit in hits:
        pitch = GENERAL_MIDI[hit.piece]
        notes.append(midi.MidiNote(hit.start, hit.start + 0.2, pitch, 120 * hit.loud))
    part = midi.Part(midi.DRUM_CHANNEL, rng.choice(MIDI_KITS), notes)
    return midi.render([part], n, material, rng)


def stem(score, n, material, rng):
    """n samples of drums."""
    hits = events(score, rng)
    play = rendered if rng.random() < 0.45 else sampled
    out = play(hits, n, material, rng)
    return audio.reverb(out, rng) if rng.random() < 0.4 else out
