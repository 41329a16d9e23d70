"""train/test_material.py: smoke test of material and songs; within a minute.

    nice python3 -m train.test_material

Needs the material under $SPOTAI_SHARED (../shared without it); says so and
leaves where that is absent.

SPDX-License-Identifier: PostgreSQL
"""

import os
import pathlib
import shutil
import sys
import tempfile

import numpy as np

from . import audio, harmony, material, midi, songs, voice

SHARED = pathlib.Path(os.environ.get("SPOTAI_SHARED", "../shared"))
FORBIDDEN = SHARED / "data" / "separation"
SECONDS = 12.0
SEEDS = (0, 1, 3)  # sampled drums; sampled and rendered bass; a sung and a vocoded voice


def share(x, low, high):
    """Of the energy between two frequencies."""
    power = np.abs(np.fft.rfft(x.mean(axis=1))) ** 2
    hz = np.fft.rfftfreq(len(x), 1 / audio.RATE)
    return power[(hz >= low) & (hz < high)].sum() / power.sum()


def attack(x):
    """dB by which the level rises from 10 ms to the next, 99th percentile."""
    size = audio.RATE // 100
    frames = x[: len(x) // size * size].reshape(-1, 2 * size)
    level = 10 * np.log10((frames**2).mean(axis=1) + 1e-9)
    return np.percentile(np.diff(level), 99)


def harmonicity(x):
    """Median over loud frames of the normalised autocorrelation's peak, 70 .. 900 Hz."""
    mono, size = x.mean(axis=1), 2048
    frames = mono[: len(mono) // size * size].reshape(-1, size)
    energy = (frames**2).sum(axis=1)
    frames = frames[energy > np.median(energy[energy > 0])] * np.hanning(size)
    correlation = np.fft.irfft(np.abs(np.fft.rfft(frames, 2 * size)) ** 2)
    window = np.hanning(size)
    bias = np.fft.irfft(np.abs(np.fft.rfft(window, 2 * size)) ** 2)
    normal = correlation / correlation[:, :1] / (bias / bias[0] + 1e-9)
    return float(np.median(normal[:, audio.RATE // 900 : audio.RATE // 70].max(axis=1)))


def frequency(x):
    """Of a steady mono tone, by autocorrelation with a parabola."""
    correlation = np.fft.irfft(np.abs(np.fft.rfft(x, 2 * len(x))) ** 2)
    low, high = audio.RATE // 900, audio.RATE // 70
    lag = low + int(np.argmax(correlation[low:high]))
    a, b, c = correlation[lag - 1 : lag + 2]
    return audio.RATE / (lag + (a - c) / (2 * (a - 2 * b + c)))


def test_manifest(stock, _folder):
    rows = stock.manifest()
    assert len(rows) == len(stock.names) and all(len(r["sha256"]) == 64 for r in rows)
    assert material.forbid(rows, FORBIDDEN) > 0
    text = material.attribution(rows)
    for source in material.SOURCES:
        used = any(material.source_of(n) == source for n in stock.names)
        assert (source.title in text) == used, source.title


def test_forbidden_is_found(stock, folder):
    rows = stock.manifest()[:50]
    planted = folder / "clips"
    planted.mkdir()
    shutil.copy(stock.paths[rows[7]["name"]], planted / "renamed.bin")
    try:
        material.forbid(rows, planted)
    except material.MaterialError as error:
        assert rows[7]["name"] in str(error)
    else:
        raise AssertionError("a planted clip was not found")


def test_unlicensed_is_refused(_stock, folder):
    strange = folder / "strange" / "somebody"
    strange.mkdir(parents=True)
    (strange / "song.flac").write_bytes(b"")
    try:
        material.Material(folder / "strange", folder)
    except material.MaterialError as error:
        assert "somebody" in str(error)
    else:
        raise AssertionError("material of no known licence was taken")


def test_singers_are_held_out(stock, _folder):
    known, held = voice.singers(stock, False), voice.singers(stock, True)
    assert held and known and not set(held) & set(known)
    assert not set(songs.melodies(stock, True)) & set(songs.melodies(stock, False))


def test_midi_round_trip(_stock, folder):
    notes = [midi.MidiNote(0.5, 1.0, 60, 90), midi.MidiNote(1.0, 1.25, 67, 100)]
    midi.write(folder / "a.mid", [midi.Part(0, 5, notes)])
    (back,) = midi.Reader(folder / "a.mid").read().values()
    assert np.allclose(back, notes, atol=2 / midi.TICKS_PER_SECOND), back


def test_notes_have_their_pitch(stock, _folder):
    """A multisample and a sung syllable sound within 30 cents of the pitch asked for."""
    rng = audio.dice("pitch")
    guitar = harmony.Multisample(stock, "guitar_shiny/acoustic", "_vl[34]")
    syllable = voice.syllables(str(stock.paths["voices/yuki/yuki_000.opus"]))[0]
    for pitch in (62, 65, 69):
        hz = np.full(audio.RATE, voice.hertz(pitch))
        for x in (guitar.play(pitch, 1.0, 1.0, rng), voice.overlap_add(syllable, audio.RATE, hz)):
            cents = 1200 * np.log2(frequency(x[8000:30000]) / voice.hertz(pitch))
            assert abs(cents) < 30, (pitch, cents)


def test_songs(stock, _folder):
    """Bit-identical when made twice, sane levels, plausible spectra."""
    for seed in SEEDS:
        first, _ = songs.synthesise(stock, seed, SECONDS)
        again, _ = songs.synthesise(stock, seed, SECONDS)
        for stem in audio.STEMS:
            x = first[stem]
            assert x.tobytes() == again[stem].tobytes(), (seed, stem)
            assert x.shape == (audio.samples(SECONDS), 2) and x.dtype == np.float32
            assert np.isfinite(x).all() and np.abs(x).max() <= 0.981
            assert 0.01 < audio.rms(x) < 0.0801, (seed, stem, audio.rms(x))
        figures = {
            "drums above 4 kHz": share(first["drums"], 4000, 22051),
            "drums below 200 Hz": share(first["drums"], 0, 200),
            "drums' attack, dB": attack(first["drums"]),
            "bass below 300 Hz": share(first["bass"], 0, 300),
            "voice's harmonicity": harmonicity(first["vocals"]),
            "drums' harmonicity": harmonicity(first["drums"]),
            "voice 80 Hz - 4 kHz": share(first["vocals"], 80, 4000),
        }
        print("# seed %d: %s" % (seed, ", ".join("%s %.2f" % f for f in figures.items())))
        assert figures["drums above 4 kHz"] > 0.005 and figures["drums below 200 Hz"] > 0.02
        assert figures["drums' attack, dB"] > 9
        assert figures["bass below 300 Hz"] > 0.6
        assert figures["voice's harmonicity"] > 0.7
        assert figures["voice 80 Hz - 4 kHz"] > 0.8


TESTS = [
    test_manifest,
    test_forbidden_is_found,
    test_unlicensed_is_refused,
    test_singers_are_held_out,
    test_midi_round_trip,
    test_notes_have_their_pitch,
    test_songs,
]


def main():
    if not (SHARED / "data" / "training").is_dir():
        print("# SKIP train: no material under %s" % SHARED)
        return 0
    stock = material.Material(SHARED / "data/training", SHARED / "data/features/pop909")
    with tempfile.TemporaryDirectory() as folder:
        for test in TESTS:
            test(stock, pathlib.Path(folder))
            print("ok", test.__name__, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
