"""train/audio.py: reading, placing and levelling of sound.

Sound is float32 [n][2] at 44.1 kHz unless a name says mono ([n]).

SPDX-License-Identifier: PostgreSQL
"""

import functools
import math
import random

import numpy as np
import soundfile
from scipy import signal

RATE = 44100
STEMS = ("vocals", "drums", "bass", "other")
SILENT = 1e-9  # keeps divisions finite, far below 24 bits


def dice(*names):
    """Chance of one purpose only: a change elsewhere in a song does not shift it."""
    return random.Random("/".join(map(str, names)))


def noise(rng, *shape):
    """White Gaussian noise of deviation 1, float32."""
    return np.random.default_rng(rng.getrandbits(64)).standard_normal(shape, dtype=np.float32)


def samples(seconds):
    return int(round(seconds * RATE))


def resample(x, rate):
    if rate == RATE:
        return x
    common = math.gcd(rate, RATE)
    return signal.resample_poly(x, RATE // common, rate // common, axis=0).astype(np.float32)


def read(path):
    """A file as stereo; of more than two channels the first two."""
    x, rate = soundfile.read(path, dtype="float32", always_2d=True)
    x = x[:, :2] if x.shape[1] > 1 else np.repeat(x, 2, axis=1)
    return np.ascontiguousarray(resample(x, rate))


@functools.lru_cache(maxsize=300)
def read_mono(path):
    """A file's mean channel; kept, since one-shots return in every bar.  Not to be written to."""
    x, rate = soundfile.read(path, dtype="float32", always_2d=True)
    x = resample(x.mean(axis=1), rate)
    x.setflags(write=False)
    return x


def silence(n):
    return np.zeros((n, 2), np.float32)


def place(out, x, at, left=1.0, right=1.0):
    """Adds x (stereo or mono) at sample at, panned; what lies outside is cut."""
    if at < 0 or at >= len(out):
        return
    x = x[: len(out) - at]
    stereo = x if x.ndim == 2 else x[:, None]
    out[at : at + len(x)] += stereo * np.array([left, right], np.float32)


def at_speed(mono, ratio, n):
    """The first n samples of the sound played at a speed; pitch follows."""
    n = min(n, int(len(mono) / ratio) - 1)
    if n < 1:
        return np.zeros(0, np.float32)
    return np.interp(np.arange(n) * ratio, np.arange(len(mono)), mono).astype(np.float32)


def rms(x):
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) if x.size else 0.0


def levelled(x, level):
    """Scaled to an RMS; silence stays silence."""
    now = rms(x)
    return (x * np.float32(level / now)) if now > SILENT else x


def limited(x, peak=0.98):
    """Scaled down where a peak is above; never distorted, so that stems stay true to themselves."""
    top = float(np.abs(x).max()) if x.size else 0.0
    return x * np.float32(peak / top) if top > peak else x


def impulse_response(rng, seconds, delay):
    """Two decaying noises of unit energy: a room of that RT60, seen by two ears."""
    n = max(2, samples(seconds))
    decay = np.exp(-6.908 * np.arange(n) / n)  # -60 dB at the end
    response = noise(rng, n, 2) * decay[:, None].astype(np.float32)
    response /= np.sqrt((response**2).sum(axis=0))
    return np.concatenate([silence(samples(delay)), response])


def reverb(x, rng):
    """The sound in a random room, of the same length."""
    room = impulse_response(rng, rng.uniform(0.3, 2.2), rng.uniform(0.0, 0.03))
    wet = signal.oaconvolve(x, room, axes=0)[: len(x)]
    return (x + wet * rng.uniform(0.05, 0.35)).astype(np.float32)
