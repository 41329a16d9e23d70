"""train/midi.py: Standard MIDI Files in and out, and their rendering by fluidsynth.

SPDX-License-Identifier: PostgreSQL
"""

import pathlib
import struct
import subprocess
import tempfile
from typing import NamedTuple

import numpy as np

from . import audio

TICKS = 480  # a quarter; at the default tempo of 500,000 us a quarter, 960 a second
TICKS_PER_SECOND = 960
SHORTEST = 0.03  # s; shorter notes do not sound in most presets
DRUM_CHANNEL = 9


class MidiNote(NamedTuple):
    start: float  # s
    end: float
    pitch: int  # MIDI number
    velocity: float  # 1 .. 127


class Part(NamedTuple):
    channel: int
    program: int
    notes: list


class Reader:
    """Notes of each track of a file."""

    def __init__(self, path):
        self.data = pathlib.Path(path).read_bytes()
        self.division = struct.unpack(">H", self.data[12:14])[0]
        self.tempi = [(0, 500000)]
        self.tracks = []

    def read(self):
        """Track name in capitals to sorted notes."""
        at = 14
        while at < len(self.data):
            size = struct.unpack(">I", self.data[at + 4 : at + 8])[0]
            self._track(at + 8, at + 8 + size)
            at += 8 + size
        self.tempi.sort()
        out = {}
        for name, notes in self.tracks:
            timed = [MidiNote(self._second(a), self._second(b), p, v) for a, b, p, v in notes]
            out.setdefault(name.strip().upper(), []).extend(timed)
        return {name: sorted(notes) for name, notes in out.items()}

    def _number(self, at):
        value = 0
        while True:
            byte = self.data[at]
            at += 1
            value = value << 7 | byte & 127
            if byte < 128:
                return value, at

    def _track(self, at, end):
        tick, status, name, sounding, notes = 0, 0, "", {}, []
        while at < end:
            delta, at = self._number(at)
            tick += delta
            if self.data[at] & 128:
                status = self.data[at]
                at += 1
            if status == 0xFF:
                kind = self.data[at]
                size, at = self._number(at + 1)
                if kind == 0x03:
                    name = self.data[at : at + size].decode("latin1")
                elif kind == 0x51:
                    self.tempi.append((tick, int.from_bytes(self.data[at : at + size], "big")))
                at += size
            elif status in (0xF0, 0xF7):
                size, at = self._number(at)
                at += size
            else:
                at = self._voice(at, status >> 4, tick, sounding, notes)
        self.tracks.append((name, notes))

    def _voice(self, at, kind, tick, sounding, notes):
        if kind in (0xC, 0xD):
            return at + 1
        pitch, velocity = self.data[at], self.data[at + 1]
        if kind == 9 and velocity > 0:
            sounding[pitch] = (tick, velocity)
        elif kind in (8, 9) and pitch in sounding:
            start, loud = sounding.pop(pitch)
            notes.append((start, tick, pitch, loud))
        return at + 2

    def _second(self, tick):
        second, last, tempo = 0.0, 0, 500000
        for change, following in self.tempi:
            if change >= tick:
                break
            second += (change - last) * tempo / self.division / 1e6
            last, tempo = change, following
        return second + (tick - last) * tempo / self.division / 1e6


def _encoded(number):
    out = [number & 127]
    while number := number >> 7:
        out.append(number & 127 | 128)
    return bytes(reversed(out))


def _message(kind, channel, *data):
    return bytes([kind | channel, *data])


def write(path, parts):
    """One track of all parts; at one tick programs come first, then ends, then starts."""
    events = []
    for channel, program, notes in parts:
        events.append((0, 0, _message(0xC0, channel, program)))
        for note in notes:
            pitch = min(127, max(0, int(note.pitch)))
            loud = min(127, max(1, int(note.velocity)))
            start = int(max(note.start, 0) * TICKS_PER_SECOND)
            end = int(max(note.end, note.start + SHORTEST, 0) * TICKS_PER_SECOND)
            events.append((start, 2, _message(0x90, channel, pitch, loud)))
            events.append((end, 1, _message(0x80, channel, pitch, 0)))
    track, last = b"", 0
    for tick, _, message in sorted(events):
        track += _encoded(tick - last) + message
        last = tick
    track += b"\0\xff\x2f\0"
    head = b"MThd" + struct.pack(">IHHH", 6, 0, 1, TICKS)
    pathlib.Path(path).write_bytes(head + b"MTrk" + struct.pack(">I", len(track)) + track)


def render(parts, n, material, rng):
    """n samples of the parts, by a random soundfont, with or without its own reverb and chorus."""
    font = material.paths[rng.choice(material.under("soundfonts/"))]
    options = ["-R", str(rng.randint(0, 1)), "-C", str(rng.randint(0, 1))]
    with tempfile.TemporaryDirectory() as folder:
        score, sound = folder + "/part.mid", folder + "/part.wav"
        write(score, parts)
        command = ["fluidsynth", "-niq", "-r", str(audio.RATE), "-g", "0.5", *options]
        command += ["-o", "synth.cpu-cores=1", "-o", "synth.dynamic-sample-loading=1"]
        command += ["-O", "float", "-T", "wav", "-F", sound]
        command += [str(font), score]
        quiet = subprocess.DEVNULL
        subprocess.run(command, check=True, stdout=quiet, stderr=quiet)
        x = audio.read(sound)[:n]
    return np.pad(x, ((0, n - len(x)), (0, 0)))
