# demo/studio.py
#   Tools of the mixing desk: filters, compressor, saturation, room, panning.
#
# A sound is float64[frames, 2] at RATE.  Filters are the second-order
# sections of R. Bristow-Johnson's Audio EQ Cookbook; the room is synthetic, a
# decaying noise, so that no recorded impulse response is needed.
#
# SPDX-License-Identifier: PostgreSQL

import numpy as np
from scipy import signal

from band import RATE


def db(value):
    return 10.0 ** (value / 20.0)


def rms_db(x):
    return 20.0 * np.log10(np.sqrt(np.mean(np.square(x))) + 1e-12)


def high_pass(x, hz, order=2):
    return signal.sosfilt(signal.butter(order, hz, "high", fs=RATE, output="sos"), x, axis=0)


def low_pass(x, hz, order=4):
    return signal.sosfilt(signal.butter(order, hz, "low", fs=RATE, output="sos"), x, axis=0)


def bell(x, hz, gain_db, q=1.0):
    """Peaking equaliser of the cookbook."""
    a, w = 10.0 ** (gain_db / 40.0), 2.0 * np.pi * hz / RATE
    alpha = np.sin(w) / (2.0 * q)
    num = [1 + alpha * a, -2 * np.cos(w), 1 - alpha * a]
    den = [1 + alpha / a, -2 * np.cos(w), 1 - alpha / a]
    return signal.lfilter(np.array(num) / den[0], np.array(den) / den[0], x, axis=0)


def smooth(level, seconds):
    """One-pole average with the given time constant."""
    a = np.exp(-1.0 / (seconds * RATE))
    return signal.lfilter([1 - a], [1, -a], level)


def compress(x, threshold_db, ratio, attack=0.008, release=0.12):
    """Both channels by one gain, from the louder of a fast and a slow meter.

    The maximum of the two averages rises with the attack and falls with the
    release, without a loop over samples.
    """
    power = np.mean(np.square(x), axis=1)
    level = np.maximum(smooth(power, attack), smooth(power, release))
    over = 10.0 * np.log10(level + 1e-12) - threshold_db
    gain = db(-np.maximum(over, 0.0) * (1.0 - 1.0 / ratio))
    return x * gain[:, None]


def de_ess(x, hz=5500.0, threshold_db=-32.0, ratio=3.0):
    """Compresses only what lies above hz."""
    low = signal.sosfiltfilt(signal.butter(2, hz, "low", fs=RATE, output="sos"), x, axis=0)
    return low + compress(x - low, threshold_db, ratio, 0.002, 0.04)


def saturate(x, drive):
    """Rounds the peaks; unity gain for quiet sound."""
    return np.tanh(x * drive) / drive


def room(x, rng, seconds=1.1, pre_delay=0.018, top_hz=6500.0, width=1.0):
    """The wet sound of a plate-like room: two independent decaying noises.

    width 0 gives the same noise to both sides (a mono room).
    """
    n = int(seconds * 1.3 * RATE)
    t = np.arange(n) / RATE
    noise = rng.standard_normal((n, 2))
    noise[:, 1] = width * noise[:, 1] + (1.0 - width) * noise[:, 0]
    # -60 dB after `seconds`, a 5 ms fade-in so that the direct sound stays clear
    shape = np.exp(-6.91 * t / seconds) * np.minimum(t / 0.005, 1.0)
    impulse = low_pass(high_pass(noise * shape[:, None], 250.0), top_hz, 2)
    impulse /= np.sqrt(np.sum(np.square(impulse), axis=0))
    feed = np.mean(x, axis=1)
    wet = np.stack([signal.fftconvolve(feed, impulse[:, c])[:len(x)] for c in (0, 1)], axis=1)
    delay = int(pre_delay * RATE)
    return np.concatenate([np.zeros((delay, 2)), wet])[:len(x)]


def pan(x, position, width=0.0):
    """Constant-power panning, -1 left to 1 right; width keeps some of the side."""
    mid = np.mean(x, axis=1)
    side = 0.5 * width * (x[:, 0] - x[:, 1])
    angle = (position + 1.0) * np.pi / 4.0
    return np.stack([mid * np.cos(angle) + side, mid * np.sin(angle) - side], axis=1) * np.sqrt(2.0)


def narrow(x, width):
    """Scales the side signal."""
    mid = np.mean(x, axis=1, keepdims=True)
    return mid + width * (x - mid)


def fade(x, start=0.01, end=0.6):
    """Raised-cosine ramps at both ends."""
    a, b = int(start * RATE), int(end * RATE)
    y = x.copy()
    y[:a] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(a) / a)[:, None]
    y[-b:] *= 0.5 + 0.5 * np.cos(np.pi * (np.arange(b) + 1) / b)[:, None]
    return y
