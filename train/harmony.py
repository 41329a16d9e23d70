"""train/harmony.py: bass and other: guitars, keys, pads, leads and a saxophone.

Instruments are multisamples named by note, or General MIDI presets.

SPDX-License-Identifier: PostgreSQL
"""

import re

import numpy as np
from scipy import signal

from . import audio, midi
from .midi import MidiNote, Part

NOTE_CLASSES = {"c": 0, "db": 1, "d": 2, "eb": 3, "e": 4, "f": 5}
NOTE_CLASSES |= {"gb": 6, "g": 7, "ab": 8, "a": 9, "bb": 10, "b": 11}
RELEASE = audio.samples(0.06)
LEVEL = 0.1  # RMS of one instrument in other, before the draw of its gain

BASS_LOWEST, GUITAR_LOWEST, PAD_LOWEST = 28, 40, 60  # E1, E2, C4
BASSES = list(range(32, 40))
KEYS = [0, 0, 1, 2, 4, 5, 6, 7, 11, 16, 17, 18, 24, 25, 26, 27, 28, 46, 81, 88, 90]
PADS = [48, 49, 50, 51, 52, 88, 89, 90, 91, 92, 94, 95, 16, 19, 61, 62, 63]
LEADS = [11, 21, 22, 26, 27, 29, 30, 40, 56, 60, 64, 65, 66, 68, 71, 73, 75, 79, 80, 81, 82, 84]
ARPEGGIOS = [80, 81, 82, 83, 87, 99, 100, 103, 108, 12, 13]


class Multisample:
    """An instrument of recorded notes; what lies between is played faster or slower."""

    def __init__(self, material, place, wanted=""):
        self.paths, self.notes = material.paths, {}
        for name in material.under(place):
            match = re.search(r"__([a-g]b?)(\d)_", name)
            if match and re.search(wanted, name):
                pitch = NOTE_CLASSES[match[1]] + 12 * (int(match[2]) + 1)
                self.notes.setdefault(pitch, []).append(name)

    def play(self, pitch, seconds, loud, rng):
        nearest = min(self.notes, key=lambda p: (abs(p - pitch), p))
        recorded = audio.read_mono(self.paths[rng.choice(self.notes[nearest])])
        ratio = 2.0 ** ((pitch - nearest) / 12)
        x = audio.at_speed(recorded, ratio, audio.samples(seconds) + RELEASE)
        tail = min(len(x), RELEASE)
        x[len(x) - tail :] *= np.linspace(1, 0, tail, dtype=np.float32)
        return x * np.float32(loud)


def driven(x, drive):
    """Saturated like an overdriven amplifier; drive is the gain of the loudest sample."""
    return np.tanh(x * np.float32(drive / max(audio.SILENT, float(np.abs(x).max()))))


def filtered(x, kind, hz, order=2):
    sections = signal.butter(order, hz, kind, fs=audio.RATE, output="sos")
    return signal.sosfilt(sections, x, axis=0).astype(np.float32)


def bass_notes(score, rng):
    step = score.beat * rng.choice([1, 1 / 2, 1 / 2, 2, 1 / 4])
    density, notes = rng.uniform(0.6, 1.0), []
    for chord in score.chords:
        root = BASS_LOWEST + (chord.root - BASS_LOWEST) % 12
        at = chord.start
        while at < chord.end - 0.05:
            if rng.random() < density:
                leap = rng.choice([0, 0, 0, 0, 0, chord.intervals[2], 12, chord.intervals[1]])
                end = min(chord.end, at + step * rng.uniform(0.5, 1.0))
                notes.append(MidiNote(at, end, root + leap, rng.uniform(75, 120)))
            at += step
    return notes


def bass(score, n, material, rng):
    """n samples of bass, dry."""
    notes = bass_notes(score, rng)
    if rng.random() < 0.5:
        return midi.render([Part(0, rng.choice(BASSES), notes)], n, material, rng)
    instrument = Multisample(material, "bass_growly/sustain", r"_(f|ff|p)_")
    out = audio.silence(n)
    for note in notes:
        x = instrument.play(note.pitch, note.end - note.start, note.velocity / 127, rng)
        audio.place(out, x, audio.samples(note.start))
    if rng.random() < 0.4:
        out = filtered(driven(out, rng.uniform(2, 12)), "low", rng.uniform(1500, 6000))
    # the instrument's tone knob: a first-order low pass, seldom open in a recording
    return filtered(out, "low", rng.uniform(500, 2500), order=1)


def strummed(chord, power, rng):
    """Pitches from the lowest string up."""
    root = GUITAR_LOWEST + (chord.root - GUITAR_LOWEST) % 12
    if power:
        return [root, root + 7, root + 12]
    return [root] + [root + i + octave for octave in (12, 24) for i in chord.intervals][:4]


def guitar_part(score, n, instrument, power, rng):
    beats = [1 / 2, 1, 2] if power else [1, 1 / 2, 2, 4]
    step, picked = score.beat * rng.choice(beats), rng.random() < 0.35 and not power
    pan, out = rng.uniform(0.1, 0.9), audio.silence(n)
    for chord in score.chords:
        at = chord.start
        while at < chord.end - 0.05:
            pitches = strummed(chord, power, rng)
            if picked:
                pitches = [rng.choice(pitches)]
            if rng.random() < 0.85:
                seconds = min(chord.end - at, step * 1.2)
                for string, pitch in enumerate(pitches):
                    x = instrument.play(pitch, seconds, rng.uniform(0.5, 1.0), rng)
                    audio.place(out, x, audio.samples(at + 0.012 * string), pan, 1 - pan)
            at += step
    return out


def guitar(score, n, material, rng):
    electric = rng.random() < 0.55
    power = electric and rng.random() < 0.6
    place = "guitar_shiny/" + ("electric" if electric else "acoustic")
    out = guitar_part(score, n, Multisample(material, place, "_vl[234]"), power, rng)
    if power or (electric and rng.random() < 0.4):
        out = filtered(driven(out, rng.uniform(5, 40)), "band", [90, rng.uniform(3500, 7000)])
    if rng.random() < 0.5:  # doubled on the other side
        late = audio.samples(rng.uniform(0.008, 0.03))
        out[late:] += out[:-late, ::-1].copy() * np.float32(rng.uniform(0.5, 1.0))
    return out


def arpeggio(score, rng):
    notes = []
    for chord in score.chords:
        at = chord.start
        while at < min(chord.end, score.seconds):
            pitch = rng.choice(chord.voiced(PAD_LOWEST)) + 12 * rng.randint(0, 1)
            notes.append(MidiNote(at, at + score.beat / 4, pitch, rng.uniform(60, 110)))
            at += score.beat / 4
    return notes


def preset_parts(score, rng):
    """Keys, pad, lead and arpeggio, each there or not."""
    parts = []
    if rng.random() < 0.75:
        parts.append(Part(0, rng.choice(KEYS), score.piano))
    if rng.random() < 0.6:
        pad = [MidiNote(c.start, c.end, p, 80) for c in score.chords for p in c.voiced(PAD_LOWEST)]
        parts.append(Part(1, rng.choice(PADS), pad))
    if rng.random() < 0.6:
        parts.append(Part(2, rng.choice(LEADS), score.bridge))
    if rng.random() < 0.3:
        parts.append(Part(3, rng.choice(ARPEGGIOS), arpeggio(score, rng)))
    return [part for part in parts if part.notes]


def saxophone(score, n, material, rng):
    instrument, out = Multisample(material, "sax_were/"), audio.silence(n)
    for note in score.bridge:
        x = instrument.play(note.pitch, note.end - note.start, note.velocity / 127, rng)
        audio.place(out, x, audio.samples(note.start), 0.7, 0.7)
    return out


def other(score, n, material, rng):
    """n samples of everything else; never empty where the score has chords."""
    guitars = rng.choice([1, 1, 2]) if rng.random() < 0.55 else 0
    parts = preset_parts(score, rng)
    if not parts and not guitars:
        guitars = 1
    out = audio.silence(n)
    if parts:
        out += audio.levelled(midi.render(parts, n, material, rng), LEVEL)
    for _ in range(guitars):
        level = LEVEL * rng.uniform(0.4, 1.5)
        out += audio.levelled(guitar(score, n, material, rng), level)
    if rng.random() < 0.12:
        out += audio.levelled(saxophone(score, n, material, rng), 0.7 * LEVEL)
    return audio.reverb(out, rng) if rng.random() < 0.5 else out
