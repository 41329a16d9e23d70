"""train/effects.py: what studios, stages and codecs do to sound; [n][2] at 44.1 kHz.

Linear effects are a `Response`, applied to a stem in one transform; the others
are functions of samples.

SPDX-License-Identifier: PostgreSQL
"""

import io

import numpy as np
import soundfile
from scipy import fft, signal

from . import audio

EQ_DEVIATION_DB = 3.0
EQ_POINTS_HZ = np.array([30, 80, 200, 500, 1000, 2000, 4500, 9000, 18000.0])
SIBILANTS_HZ = (5000, 8000)  # a shelf rises between
TAIL = audio.samples(2.5)  # of rooms and echoes, that must not come round to the start


class Response:
    """A linear filter that grows by what is added to it; made for sounds of n samples."""

    def __init__(self, n):
        self.size = fft.next_fast_len(n + TAIL, real=True)
        self.hz = fft.rfftfreq(self.size, 1 / audio.RATE).astype(np.float32)
        self.log_hz = np.log(np.maximum(self.hz, 1))
        self.gain = np.ones((len(self.hz), 1), np.complex64)

    def decibels(self, hz, db):
        """A curve over the logarithm of frequency; zero phase."""
        curve = 10 ** (np.interp(self.log_hz, np.log(hz), db) / 20)
        self.gain = self.gain * curve[:, None].astype(np.float32)

    def equalise(self, rng):
        self.decibels(EQ_POINTS_HZ, [rng.gauss(0, EQ_DEVIATION_DB) for _ in EQ_POINTS_HZ])

    def sibilants(self, db):
        self.decibels(np.array(SIBILANTS_HZ, float), [0, db])

    def muffle(self, hz, db):
        self.decibels(np.array([hz, 4 * hz]), [0, db])

    def low_pass(self, hz):
        """As resampling cuts: to nothing within a fourteenth of the corner."""
        self.gain = self.gain * np.clip((hz - self.hz) / (hz / 14) + 1, 0, 1)[:, None]

    def add(self, taps, level):
        """Adds an impulse response [m][2] or [m][1] to the direct sound."""
        wet = fft.rfft(taps.astype(np.float32), self.size, axis=0)
        self.gain = self.gain * (1 + np.float32(level) * wet)

    def room(self, rng, wettest=0.35):
        taps = audio.impulse_response(rng, rng.uniform(0.3, 2.2), rng.uniform(0.0, 0.03))
        self.add(taps, rng.uniform(0.05, wettest))

    def echo(self, rng):
        """Repeats that fall in level and brightness, in the middle or from side to side."""
        period, fall = rng.uniform(0.12, 0.55), rng.uniform(0.3, 0.6)
        swing = rng.choice([0, 0, 0.8])
        taps = np.zeros((TAIL, 2), np.float32)
        for k in range(1, 1 + min(4, int(2.2 / period))):
            side = swing * (-1) ** k
            taps[audio.samples(k * period)] = fall ** (k - 1) * np.array([1 - side, 1 + side])
        dull = signal.butter(1, rng.uniform(2000, 8000), fs=audio.RATE, output="sos")
        self.add(signal.sosfilt(dull, taps, axis=0), rng.uniform(0.1, 0.4))

    def applied(self, x):
        spectrum = fft.rfft(x, self.size, axis=0)  # scipy's stays in single precision
        spectrum = (spectrum * self.gain).astype(np.complex64)
        return fft.irfft(spectrum, self.size, axis=0)[: len(x)]


def panned(x, pan, width, swapped):
    """pan -1 .. 1 towards the right; width 0 is mono, 1 as recorded."""
    middle, side = (x[:, 0] + x[:, 1]) / 2, (x[:, 0] - x[:, 1]) / 2 * width
    left, right = (1 - pan) * (middle + side), (1 + pan) * (middle - side)
    return np.stack([right, left] if swapped else [left, right], axis=1).astype(np.float32)


def driven(x, drive):
    """Saturated as by an overdriven amplifier, at the RMS that it had; drive is the gain of it."""
    now = audio.rms(x)
    return audio.levelled(np.tanh(x * np.float32(drive / max(now, audio.SILENT))), now)


def compression(x, rng):
    """Gain per sample [n] of a feed-forward compressor with a smoothed level."""
    threshold = audio.rms(x) * 10 ** (rng.uniform(-6, 6) / 20)
    if threshold < audio.SILENT:
        return np.ones(len(x), np.float32)
    hz = 1 / (2 * np.pi * rng.uniform(0.01, 0.1))  # of a time constant in s
    power = np.einsum("nc,nc->n", x, x) / 2
    smoother = signal.butter(1, hz, fs=audio.RATE, output="sos")
    level = np.sqrt(np.maximum(signal.sosfilt(smoother, power), 0))
    over = np.maximum(level / threshold, 1)
    return (over ** (1 / rng.uniform(1.5, 6) - 1)).astype(np.float32)


def compressed(x, rng):
    return audio.levelled(x * compression(x, rng)[:, None], audio.rms(x))


def clipping(mix, rng):
    """Gain per sample and channel [n][2] that clips the mix some dB above its RMS."""
    ceiling = audio.rms(mix) * 10 ** (rng.uniform(6, 14) / 20)
    return np.minimum(1, ceiling / np.maximum(np.abs(mix), audio.SILENT)).astype(np.float32)


def doubled(x, rng):
    """A second and third take to the left and the right: late, and of wavering pitch."""
    mono, out = x.mean(axis=1), x.copy()
    seconds = np.arange(len(x), dtype=np.float32) / audio.RATE
    level = rng.uniform(0.2, 0.6)
    for pan in (-0.7, 0.7):
        waver = 0.002 * np.sin(2 * np.pi * (rng.uniform(0.2, 1.0) * seconds + rng.random()))
        late = (seconds - rng.uniform(0.012, 0.04) - waver) * audio.RATE
        take = np.interp(late, np.arange(len(x)), mono, left=0).astype(np.float32) * level
        out += take[:, None] * np.array([1 - pan, 1 + pan], np.float32)
    return out


def through_mp3(mix):
    """The mix coded at libsndfile's default (128 kbit/s) and decoded; aligned by the library."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", audio.RATE, 2, format="MP3", subtype="MPEG_LAYER_III"
    ) as f:
        f.write(audio.limited(mix))
    buffer.seek(0)
    out, _ = soundfile.read(buffer, dtype="float32", always_2d=True)
    out *= max(1.0, float(np.abs(mix).max()) / 0.98)  # as it was before it was limited
    return np.pad(out, ((0, max(0, len(mix) - len(out))), (0, 0)))[: len(mix)]
