"""train/mixing.py: batches of mixtures, made while training from the stems of songs.

Each stem is drawn (from one song, or each from another), then given a gain, an
equaliser curve, pan and width, and at times a room.  Mastering - compression,
clipping, mono - is a gain per sample or a sum of channels, applied to the
stems alike; so after it, as before, the stems add up to the mix.

Magnitudes are those of the extension (src/core/stems): 4096 points, hop 1024,
periodic Hann window, plain sum of the transform.

SPDX-License-Identifier: PostgreSQL
"""

import json
import pathlib
from typing import NamedTuple

import numpy as np
import soundfile
import torch
from scipy import fft, signal

from . import audio

FFT, HOP = 4096, 1024
FRAMES = 128  # of a patch: 3 s

MEAN_GAIN_DB = {"vocals": 1.0, "drums": 1.0, "bass": -1.0, "other": 1.0}
GAIN_DEVIATION_DB = 4.0
ABSENT = {"vocals": 0.08, "drums": 0.06, "bass": 0.06, "other": 0.06}  # chance
SAME_SONG = 0.4  # chance that stems of a mixture play the same moment of one song
EQ_DEVIATION_DB = 3.0
EQ_POINTS_HZ = np.array([30, 80, 200, 500, 1000, 2000, 4500, 9000, 18000.0])
SECOND_OTHER, SECOND_VOICE = 0.4, 0.12  # chances of another excerpt in the stem
REVERB, COMPRESSED, CLIPPED, MONO = 0.1, 0.3, 0.1, 0.15  # chances
QUIET = 1e-4  # RMS; an excerpt below is drawn again
DRAWS = 4


def frames_to_samples(frames):
    return (frames - 1) * HOP + FFT


class Song(NamedTuple):
    folder: pathlib.Path
    samples: int
    stems: tuple  # those that it has


class Library:
    """Songs on disk; excerpts are read as they are needed, so memory does not grow with songs."""

    def __init__(self, folders):
        self.songs = []
        for folder in folders:
            for notes in sorted(pathlib.Path(folder).glob("*/song.json")):
                json.loads(notes.read_text())  # a damaged song is found now, not at night
                self.songs.append(self._song(notes.parent))
        self.having = {s: [g for g in self.songs if s in g.stems] for s in audio.STEMS}
        lacking = [s for s in audio.STEMS if not self.having[s]]
        if lacking:
            raise ValueError("no song has " + ", ".join(lacking))

    @staticmethod
    def _song(folder):
        stems = tuple(s for s in audio.STEMS if (folder / (s + ".wav")).is_file())
        lengths = {soundfile.info(str(folder / (s + ".wav"))).frames for s in stems}
        if len(lengths) != 1:
            raise ValueError("%s: stems of different lengths" % folder)
        return Song(folder, lengths.pop(), stems)

    def any(self, stem, rng):
        """A song that has the stem, by its length."""
        songs = self.having[stem]
        return rng.choices(songs, [song.samples for song in songs])[0]


def excerpt(song, stem, first, n):
    path = song.folder / (stem + ".wav")
    x, _ = soundfile.read(str(path), n, first, dtype="float32", always_2d=True)
    return np.pad(x, ((0, n - len(x)), (0, 0)))


def anywhere(library, stem, n, rng):
    """An excerpt that sounds, if a few draws find one."""
    for _ in range(DRAWS):
        song = library.any(stem, rng)
        x = excerpt(song, stem, rng.randrange(max(1, song.samples - n)), n)
        if audio.rms(x) > QUIET:
            break
    return x


def equalised(x, rng):
    """A smooth random curve over the logarithm of frequency; zero phase, and circular."""
    size = fft.next_fast_len(len(x), real=True)
    spectrum = fft.rfft(x, size, axis=0)  # scipy's stays in single precision
    hz = fft.rfftfreq(size, 1 / audio.RATE)
    points = [rng.gauss(0, EQ_DEVIATION_DB) for _ in EQ_POINTS_HZ]
    db = np.interp(np.log(np.maximum(hz, 1)), np.log(EQ_POINTS_HZ), points)
    gains = (10 ** (db / 20)).astype(np.float32)
    return fft.irfft(spectrum * gains[:, None], size, axis=0)[: len(x)]


def panned(x, pan, width, swapped):
    """pan -1 .. 1 towards the right; width 0 is mono, 1 as recorded."""
    middle, side = (x[:, 0] + x[:, 1]) / 2, (x[:, 0] - x[:, 1]) / 2 * width
    left, right = (1 - pan) * (middle + side), (1 + pan) * (middle - side)
    return np.stack([right, left] if swapped else [left, right], axis=1).astype(np.float32)


def treated(x, stem, gain, rng):
    """One excerpt as a mixing engineer of changing taste would leave it."""
    spread = 0.08 if stem in ("vocals", "bass") else 0.3  # those mostly stand in the middle
    pan = max(-0.9, min(0.9, rng.gauss(0, spread)))
    x = panned(equalised(x, rng), pan, rng.uniform(0.3, 1.3), rng.random() < 0.5)
    if stem != "bass" and rng.random() < REVERB:
        x = audio.reverb(x, rng)
    return x * np.float32(gain)


def drawn_gain(stem, rng):
    return 10 ** (rng.gauss(MEAN_GAIN_DB[stem], GAIN_DEVIATION_DB) / 20)


def unmastered(library, n, rng):
    """Stems [4][n][2] in the order of audio.STEMS."""
    together = library.any("other", rng) if rng.random() < SAME_SONG else None
    first = rng.randrange(max(1, together.samples - n)) if together else 0
    out = np.zeros((len(audio.STEMS), n, 2), np.float32)
    for k, stem in enumerate(audio.STEMS):
        if rng.random() < ABSENT[stem]:
            continue
        gain = drawn_gain(stem, rng)
        if together and stem in together.stems:
            x = excerpt(together, stem, first, n)
        else:
            x = anywhere(library, stem, n, rng)
        out[k] = treated(x, stem, gain, rng)
        again = {"other": SECOND_OTHER, "vocals": SECOND_VOICE}.get(stem, 0)
        if rng.random() < again:
            x = anywhere(library, stem, n, rng)
            out[k] += treated(x, stem, gain * rng.uniform(0.2, 0.8), rng)
    return out


def compression(mix, rng):
    """Gain per sample [n] of a feed-forward compressor with a smoothed level."""
    threshold = audio.rms(mix) * 10 ** (rng.uniform(-6, 6) / 20)
    if threshold < audio.SILENT:
        return np.ones(len(mix), np.float32)
    hz = 1 / (2 * np.pi * rng.uniform(0.01, 0.1))  # of a time constant in s
    power = (mix**2).mean(axis=1)
    smoother = signal.butter(1, hz, fs=audio.RATE, output="sos")
    level = np.sqrt(np.maximum(signal.sosfilt(smoother, power), 0))
    over = np.maximum(level / threshold, 1)
    return (over ** (1 / rng.uniform(1.5, 6) - 1)).astype(np.float32)


def clipping(mix, rng):
    """Gain per sample and channel [n][2] that clips the mix some dB above its RMS."""
    limit = audio.rms(mix) * 10 ** (rng.uniform(6, 14) / 20)
    loud = np.abs(mix)
    return np.where(loud > max(limit, audio.SILENT), limit / np.maximum(loud, audio.SILENT), 1)


def mastered(stems, rng):
    """Compression, clipping and mono, each at times."""
    if rng.random() < COMPRESSED:
        stems = stems * compression(stems.sum(axis=0), rng)[None, :, None]
    if rng.random() < CLIPPED:
        stems = stems * clipping(stems.sum(axis=0), rng)[None].astype(np.float32)
    if rng.random() < MONO:
        stems = np.repeat(stems.mean(axis=2, keepdims=True), 2, axis=2)
    return stems.astype(np.float32)


def spectra(x):
    """[...][n][2] to complex [...][2][frames][2049]."""
    channels = torch.from_numpy(x).transpose(-1, -2)
    window = torch.hann_window(FFT, periodic=True)
    return torch.fft.rfft(channels.unfold(-1, FFT, HOP) * window)


class Batch(NamedTuple):
    """What the network sees and what it shall find; float32, by patches."""

    inputs: torch.Tensor  # [B][4][frames][bins]: magnitudes of left, right, middle, side
    aligned: torch.Tensor  # [B][4][2][frames][bins]: the part of each stem in phase with the mix


def patches(stems, bins):
    """Batch of waveforms [B][4][n][2], scaled to a mean magnitude of 1 in left and right."""
    parts = spectra(stems)[..., :bins]
    mix = parts.sum(dim=1)
    left, right = mix[:, 0], mix[:, 1]
    inputs = torch.stack([left, right, (left + right) / 2, (left - right) / 2], dim=1).abs()
    scale = 1 / (inputs[:, :2].mean(dim=(1, 2, 3)) + 1e-6)
    direction = (mix / inputs[:, :2].clamp_min(1e-9))[:, None]
    aligned = parts.real * direction.real + parts.imag * direction.imag
    scale = scale[:, None, None, None]
    return Batch(inputs * scale, aligned * scale[..., None])


def batch(library, seed, number, size=8, frames=FRAMES, bins=FFT // 2):
    """The batch of that number, the same whenever it is made."""
    n = frames_to_samples(frames)
    mixtures = []
    for k in range(size):
        rng = audio.dice("mixing", seed, number, k)
        mixtures.append(mastered(unmastered(library, n, rng), rng))
    return patches(np.stack(mixtures), bins)
