# demo/band.py
#   The players: parts become Standard MIDI Files, fluidsynth plays them.
#
# Each part is rendered alone, dry and in floating point, so that the mixer
# has true stems to work on.  fluidsynth's own reverb and chorus are off: they
# are added once per stem in studio.py.
#
# SPDX-License-Identifier: PostgreSQL

import os
import struct
import subprocess

import numpy as np
import soundfile

import score

RATE = 44100
SOUNDFONT = "/usr/share/sounds/sf2/FluidR3_GM.sf2"
TICK = 1e-4                 # seconds; fine enough that no ear hears the grid

# General MIDI numbers, counted from 0; drums are channel 10 (9 from 0).
PROGRAM = dict(bass=33, piano=4, guitar=27, pad=48)
DRUM_CHANNEL = 9


def variable_length(value):
    """An integer in the 7-bit groups of the Standard MIDI File."""
    out = [value & 0x7F]
    while value > 0x7F:
        value >>= 7
        out.insert(0, 0x80 | (value & 0x7F))
    return bytes(out)


def midi_file(notes, channel, program):
    """A format 0 file of one part that lasts for the whole song."""
    events = []
    for n in notes:
        on = round(score.seconds(n.beat) / TICK)
        off = max(on + 1, round(score.seconds(n.beat + n.length) / TICK))
        events.append((on, 1, bytes((0x90 | channel, n.pitch, n.velocity))))
        events.append((off, 0, bytes((0x80 | channel, n.pitch, 0))))
    # 1000 ticks a quarter note of 100 ms: one tick is 0.1 ms.
    body = b"\x00\xff\x51\x03" + (100000).to_bytes(3, "big")
    body += b"\x00" + bytes((0xC0 | channel, program))
    now = 0
    for tick, _, data in sorted(events):
        body += variable_length(tick - now) + data
        now = tick
    end = max(now, round(score.duration() / TICK))
    body += variable_length(end - now) + b"\xff\x2f\x00"
    return (b"MThd" + struct.pack(">IHHH", 6, 0, 1, 1000)
            + b"MTrk" + struct.pack(">I", len(body)) + body)


def play(name, notes, folder):
    """One part as float64[frames, 2], exactly as long as the song."""
    drums = name == "drums"
    midi, wav = (os.path.join(folder, name + ext) for ext in (".mid", ".wav"))
    with open(midi, "wb") as f:
        f.write(midi_file(notes, DRUM_CHANNEL if drums else 0, 0 if drums else PROGRAM[name]))
    subprocess.run(["fluidsynth", "-ni", "-q", "-R", "0", "-C", "0", "-g", "0.5", "-r", str(RATE),
                    "-T", "wav", "-O", "float", "-F", wav, SOUNDFONT, midi],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    sound, rate = soundfile.read(wav, always_2d=True)
    if rate != RATE:
        raise SystemExit(f"fluidsynth answered {rate} Hz instead of {RATE}")
    out = np.zeros((round(score.duration() * RATE), 2))
    n = min(len(out), len(sound))
    out[:n] = sound[:n]
    return out
